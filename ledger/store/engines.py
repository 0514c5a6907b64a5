"""Engines from database URLs: how connections are set up, and what the database's errors say."""

from __future__ import annotations

import os
import sqlite3
import sys
from collections.abc import Iterator, MutableMapping
from contextlib import contextmanager, suppress

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.engine import URL, Dialect
from sqlalchemy.exc import (
    ArgumentError,
    DisconnectionError,
    NoSuchModuleError,
    StatementError,
    TimeoutError,  # noqa: A004 - of the pool
)
from sqlalchemy.pool import ConnectionPoolEntry

from ledger.errors import ChangedWhileRead, LedgerError
from ledger.logs import logger_of
from ledger.store import forks, sockets
from ledger.store.driver import run
from ledger.store.read_only import Way, find_way
from ledger.store.urls import check_options, masked, without_secrets
from ledger.store.urls import parse_url as parse_url  # noqa: PLC0414 - migrations import it from here

LOG = logger_of("store")
LOCK_WAIT_SECONDS = 120
WRITERS_CACHE_KIB, READERS_CACHE_KIB = 65_536, 16_384
# How long PostgreSQL may be silent, in libpq's units: a host that doesn't answer a connection (seconds), an idle
# connection before it is probed (seconds), data without acknowledgement (milliseconds). A URL's own options hold.
_LIMITS = {
    "connect_timeout": 10,
    "keepalives_idle": 30,
    "keepalives_interval": 10,
    "keepalives_count": 3,
    "tcp_user_timeout": 60_000,
}
# Execution options of connections: that transactions take the write lock as they begin, and how long they wait for it.
WRITE = "ledger_write"
WAIT = "ledger_wait"
# That a transaction inserts many rows and sorts few.
BULK = "ledger_bulk"
# SQLSTATE of what the role may not do.
_NO_PRIVILEGE = "42501"
_ASK_THE_OWNER = "this is for another role: the ledger's owner, or one of those of 'tollbook db roles'"
# SQLSTATE of a serialization failure and of a deadlock.
_GIVEN_UP = ("40001", "40P01")
# Key of a connection's info: how its file was opened.
_WAY = "ledger_way"


def make_engine(url: URL) -> Engine:
    """Returns an engine whose transactions begin as reads unless `Database.writing` asks otherwise."""
    is_sqlite = url.get_backend_name() == "sqlite"
    try:
        limits = {} if is_sqlite else _postgresql_limits(url)
        # A server that was restarted between two calls of a running application is noticed before it matters.
        engine = create_engine(url, pool_pre_ping=not is_sqlite, connect_args=limits)
    except (NoSuchModuleError, ModuleNotFoundError) as error:
        raise LedgerError("PostgreSQL needs the psycopg driver: pip install 'tollbook[postgres]'") from error
    except (ArgumentError, ValueError, TypeError) as error:
        raise _unusable(url, error) from None
    if is_sqlite:
        forks.register_sqlite(engine)
        event.listen(engine, "do_connect", _before_sqlite)
        event.listen(engine, "connect", _prepare_sqlite)
        event.listen(engine, "checkout", _check_way)
        event.listen(engine, "begin", _begin_sqlite)
    else:
        event.listen(engine, "connect", sockets.note_connect, insert=True)  # before SQLAlchemy's first statements
        event.listen(engine, "close", sockets.note_close)
    return engine


def _postgresql_limits(url: URL) -> dict[str, int]:
    """Returns the limits that neither the URL nor the environment states; refuses options that libpq doesn't know.

    Those of psycopg or SQLAlchemy would change what a ledger does.
    """
    from psycopg.pq import Conninfo  # not everybody has it, and who uses SQLite doesn't need it

    # By name, what the environment says, such as PGCONNECT_TIMEOUT.
    known = {option.keyword.decode(): option.val for option in Conninfo.get_defaults()}
    check_options(url, frozenset(known))
    return {name: limit for name, limit in _LIMITS.items() if name not in url.query and known.get(name, b"") is None}


def limit_waits(connection: Connection, lock_seconds: float) -> None:
    """Has a PostgreSQL transaction wait so long for locks, not for ever."""
    run(connection, wait_limits(lock_seconds)[0])


def wait_limits(lock_seconds: float, **milliseconds: int) -> list[str]:
    """Returns statements by which a PostgreSQL transaction waits so long; `milliseconds` are other limits by name."""
    limits = {"lock_timeout": round(lock_seconds * 1000)} | milliseconds
    return [f"SET LOCAL {name} = {value}" for name, value in limits.items()]


def connect(engine: Engine) -> Connection:
    """Connects; LedgerError where the driver can't even make something of the URL."""
    try:
        return engine.connect()
    except (ArgumentError, ValueError, TypeError, OverflowError, OSError) as error:
        if is_database_error(error):
            raise
        raise _unusable(engine.url, error) from None


def _unusable(url: URL, error: Exception) -> LedgerError:
    return LedgerError(f"{masked(url)} can't be opened: {first_line(error, url)}")


def _before_sqlite(
    _dialect: Dialect, record: ConnectionPoolEntry, arguments: list[str], options: MutableMapping[str, object]
) -> None:
    forks.refuse_inherited_sqlite()
    _create_privately(arguments[0])
    way = find_way(arguments[0])
    record.info[_WAY] = way
    LOG.debug("%(file)s: connecting, %(way)s", {"file": way.path, "way": "to write" if way.may_write else "to read"})
    if not way.may_write:
        arguments[0], options["uri"] = way.uri, True


def _check_way(_connection: object, record: ConnectionPoolEntry, _proxy: object) -> None:
    """Has a file opened anew that was written since: what is remembered of it may not hold."""
    if record.info[_WAY].is_outdated():
        raise DisconnectionError


@contextmanager
def unchanged(connection: Connection) -> Iterator[None]:
    """Raises ChangedWhileRead at the end where a file that isn't locked was written meanwhile."""
    way: Way | None = connection.info.get(_WAY)
    try:
        yield
    except Exception as error:
        if way is not None and is_database_error(error) and way.is_outdated():
            raise _changed(way) from None
        raise
    if way is not None and way.is_outdated():
        raise _changed(way)


def _changed(way: Way) -> ChangedWhileRead:
    return ChangedWhileRead(
        f"{way.path} may only be read, and was written while it was: read it again once nobody writes, or read a copy"
    )


def _create_privately(path: str) -> None:
    """Creates a file that only its owner can read, whatever the umask; one that is there keeps its mode.

    SQLite gives its write-ahead file and that one's index the mode of the database.
    """
    # What can't be created here SQLite can't create either, and says so. A link to nowhere is followed, as SQLite does.
    with suppress(OSError):
        file = os.open(os.path.realpath(path), os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600)
        try:
            if hasattr(os, "fchmod"):  # a umask may have taken the owner's rights too
                os.fchmod(file, 0o600)
        finally:
            os.close(file)


def _prepare_sqlite(connection: sqlite3.Connection, _record: object) -> None:
    # The driver must not begin transactions by itself: _begin_sqlite says which kind.
    connection.isolation_level = None
    connection.execute(f"PRAGMA busy_timeout = {LOCK_WAIT_SECONDS * 1000}")
    connection.execute("PRAGMA foreign_keys = ON")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA wal_autocheckpoint = 16384")


def _begin_sqlite(connection: Connection) -> None:
    writes = connection.get_execution_options().get(WRITE, False)
    way: Way = connection.info[_WAY]
    if writes and not way.may_write:
        rule = "nothing is changed; ask its owner for the right to write the file and its folder"
        raise LedgerError(f"{way.path} may only be read: {rule}")
    wait = round(connection.get_execution_options().get(WAIT, LOCK_WAIT_SECONDS) * 1000)
    if wait != connection.info.get(WAIT, LOCK_WAIT_SECONDS * 1000):
        run(connection, f"PRAGMA busy_timeout = {wait}")
        connection.info[WAIT] = wait
    # A writer comes back to pages of indexes; a reader goes through the book once.
    _set_pragma(connection, "cache_size", str(-WRITERS_CACHE_KIB if writes else -READERS_CACHE_KIB))
    # Each page that a statement with a trigger changes is kept until it ends: in files, that costs as much as the rows.
    bulk = connection.get_execution_options().get(BULK, False)
    _set_pragma(connection, "temp_store", "MEMORY" if bulk else "DEFAULT")
    run(connection, "BEGIN IMMEDIATE" if writes else "BEGIN")


def _set_pragma(connection: Connection, name: str, value: str) -> None:
    """Sets what a connection keeps from one transaction to the next, where it is another value."""
    if connection.info.get(name) != value:
        run(connection, f"PRAGMA {name} = {value}")
        connection.info[name] = value


def is_database_error(error: BaseException) -> bool:
    """Tells whether an exception comes from the database, by way of SQLAlchemy or of the driver itself."""
    # Of a damaged file even SQLite's own words about the damage may fail to decode.
    if isinstance(error, (StatementError, TimeoutError, sqlite3.Error, UnicodeDecodeError)):
        return True
    psycopg = sys.modules.get("psycopg")
    return psycopg is not None and isinstance(error, psycopg.Error)


def is_lock_wait(error: BaseException) -> bool:
    """Tells whether an exception says that another's lock was waited for in vain."""
    original = getattr(error, "orig", None) or error
    code: int = getattr(original, "sqlite_errorcode", 0)
    return code & 0xFF == sqlite3.SQLITE_BUSY or getattr(original, "sqlstate", None) == "55P03"


def is_given_up(error: BaseException) -> bool:
    """Tells whether PostgreSQL gave a transaction up for another one's: it could not be in order, or each waited."""
    original = getattr(error, "orig", None) or error
    return getattr(original, "sqlstate", None) in _GIVEN_UP


def first_line(error: BaseException, url: URL | None = None) -> str:
    """Returns the database's own words, without SQLAlchemy's statement and link, and without the secrets of the URL.

    Where a right is missing it adds whom to ask.
    """
    original = getattr(error, "orig", None) or error
    lines = without_secrets(str(original), url).strip().splitlines()
    words = lines[0] if lines else type(original).__name__
    return f"{words}; {_ASK_THE_OWNER}" if getattr(original, "sqlstate", None) == _NO_PRIVILEGE else words


def cause_to_show(error: Exception, url: URL) -> Exception | None:
    """Returns the error to show as the cause of ours; None where its words hold a secret of the URL."""
    return error if without_secrets(str(error), url) == str(error) else None


def refusal(error: Exception) -> str | None:
    """Returns what the database said, where the error is one of its; else None."""
    return f"the database refused: {first_line(error)}" if is_database_error(error) else None


def shown(engine: Engine) -> str:
    """Returns the file an engine is of, or its URL without secrets."""
    return str(engine.url.database) if engine.dialect.name == "sqlite" else masked(engine.url)
