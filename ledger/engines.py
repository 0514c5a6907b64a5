"""Engines from database URLs: which URLs serve, how connections are set up, and what the database's errors say."""

from __future__ import annotations

import re
import sqlite3
import sys

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.engine import URL, Dialect, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError

from ledger import forks
from ledger.errors import LedgerError

LOCK_WAIT_SECONDS = 120
# Execution option of connections whose transactions take the write lock as they begin.
WRITE = "ledger_write"


def parse_url(url: str) -> URL:
    """A SQLAlchemy URL from a URL or a plain SQLite path; PostgreSQL always means psycopg 3."""
    try:
        if "://" not in url:
            parsed = URL.create("sqlite", database=url)
        else:
            parsed = make_url(re.sub(r"^postgres(ql)?(\+\w+)?://", "postgresql+psycopg://", url))
    except (ArgumentError, ValueError) as error:
        shown = re.sub(r"://.*@", "://***@", url)
        raise LedgerError(
            f"database URL {shown!r} can't be read: give sqlite:///FILE or postgresql://USER@HOST/NAME"
        ) from error
    if parsed.drivername not in ("sqlite", "sqlite+pysqlite", "postgresql+psycopg"):
        raise LedgerError(f"database {parsed.drivername!r} is not supported: use sqlite or postgresql")
    if parsed.get_backend_name() == "sqlite":
        # SQLite reads names that start with "file:" as URIs, which may name memory or forbid what a ledger needs.
        if parsed.database in (None, "", ":memory:") or str(parsed.database).startswith("file:"):
            raise LedgerError("a ledger can't live in memory: give a file, such as sqlite:///tollbook.db")
        if parsed.query:
            raise LedgerError(f"database URL {url!r}: a SQLite file takes no options; leave out what follows the ?")
    return parsed


def make_engine(url: URL) -> Engine:
    """An engine whose transactions begin as reads unless `Database.writing` asks otherwise."""
    try:
        # A server that was restarted between two calls of a running application is noticed before it matters.
        engine = create_engine(url, pool_pre_ping=url.get_backend_name() != "sqlite")
    except (NoSuchModuleError, ModuleNotFoundError) as error:
        raise LedgerError("PostgreSQL needs the psycopg driver: pip install 'tollbook[postgres]'") from error
    if engine.dialect.name == "sqlite":
        event.listen(engine, "do_connect", _before_sqlite)
        event.listen(engine, "connect", _prepare_sqlite)
        event.listen(engine, "begin", _begin_sqlite)
    return engine


def _before_sqlite(_dialect: Dialect, _record: object, _arguments: object, _options: object) -> None:
    forks.refuse_inherited_sqlite()


def _prepare_sqlite(connection: sqlite3.Connection, _record: object) -> None:
    # The driver must not begin transactions by itself: _begin_sqlite says which kind.
    connection.isolation_level = None
    connection.execute(f"PRAGMA busy_timeout = {LOCK_WAIT_SECONDS * 1000}")
    connection.execute("PRAGMA foreign_keys = ON")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA cache_size = -65536")
    connection.execute("PRAGMA wal_autocheckpoint = 16384")


def _begin_sqlite(connection: Connection) -> None:
    writes = connection.get_execution_options().get(WRITE, False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


def is_database_error(error: BaseException) -> bool:
    """Whether an exception comes from the database, by way of SQLAlchemy or of the driver itself."""
    # Of a damaged file even SQLite's own words about the damage may fail to decode.
    if isinstance(error, (DBAPIError, sqlite3.Error, UnicodeDecodeError)):
        return True
    psycopg = sys.modules.get("psycopg")
    return psycopg is not None and isinstance(error, psycopg.Error)


def first_line(error: BaseException) -> str:
    """The database's own words, without SQLAlchemy's statement and link."""
    original = getattr(error, "orig", None) or error
    lines = str(original).strip().splitlines()
    return lines[0] if lines else type(original).__name__


def refusal(error: Exception) -> str | None:
    """What the database said, where the error is one of its; None for any other."""
    return f"the database refused: {first_line(error)}" if is_database_error(error) else None


def shown(engine: Engine) -> str:
    """Where an engine leads, fit to print: the file, or the URL without its password."""
    if engine.dialect.name == "sqlite":
        return str(engine.url.database)
    return engine.url.render_as_string(hide_password=True)
