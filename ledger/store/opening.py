"""Opening and creating ledgers: the schema's revision, and who may make one.

Nothing happens at import. `open_ledger` only reads, except with `create`.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from sqlalchemy import Connection, Engine, inspect, text

from ledger.errors import DatabaseFailure, LedgerError
from ledger.logs import logger_of
from ledger.store import forks
from ledger.store.actor import default_actor
from ledger.store.database import Database, lock_writers_out, settings_in, zone_named
from ledger.store.engines import (
    LOCK_WAIT_SECONDS,
    WRITE,
    cause_to_show,
    connect,
    first_line,
    is_database_error,
    is_lock_wait,
    limit_waits,
    make_engine,
    shown,
)
from ledger.store.log import CHANGES, Changes, append_entry, note_settings
from ledger.store.revision import HEAD_REVISION, name_other_schema
from ledger.store.tables import ledger_settings
from ledger.store.urls import parse_url

LOG = logger_of("store")
MAX_ROLLUP_TAGS = 4
# Any number serves, as long as every process that creates a ledger in one PostgreSQL database takes the same.
CREATION_LOCK = 7_405_261


def open_ledger(
    url: str,
    *,
    create: bool = False,
    timezone: str = "UTC",
    rollup_tags: Sequence[str] = (),
    actor: str | None = None,
) -> Database:
    """Opens a ledger for `actor`; where there is none, `create` makes one. LedgerError names what is wrong."""
    engine = make_engine(parse_url(url))
    try:
        with forks.passing(is_sqlite=engine.dialect.name == "sqlite"), _refusals(engine, "opened"):
            revision = _revision(engine)
            is_new = revision is None and create
            if is_new:
                create_database(url, timezone=timezone, rollup_tags=rollup_tags, actor=actor)
                revision = HEAD_REVISION
        _check_revision(revision, shown(engine))
    except BaseException:
        forks.let_go(engine)
        raise
    LOG.info("%(ledger)s: opened, schema %(schema)s", {"ledger": shown(engine), "schema": revision})
    return Database(engine, is_new=is_new, actor=actor)


def _check_revision(revision: str | None, where: str) -> None:
    if revision is None:
        raise LedgerError(f"there is no ledger at {where}: ingest into it, or run 'tollbook db init'")
    if (other := name_other_schema(revision, where)) is not None:
        raise LedgerError(other)


def ledger_exists(url: str) -> bool:
    """Tells whether there is a ledger at `url`, of whatever revision; LedgerError where what is there is none."""
    with _engine_of(url, "opened") as engine:
        return _revision(engine) is not None


@contextmanager
def _engine_of(url: str, done: str) -> Iterator[Engine]:
    """Opens an engine for one look or change, with no connection left afterwards."""
    engine = make_engine(parse_url(url))
    try:
        with forks.passing(is_sqlite=engine.dialect.name == "sqlite"), _refusals(engine, done):
            yield engine
    finally:
        forks.let_go(engine)


@contextmanager
def _refusals(engine: Engine, done: str) -> Iterator[None]:
    """Refusals of the database as LedgerError, which says what can't be `done`."""
    try:
        yield
    except Exception as error:
        if not is_database_error(error):
            raise
        said = first_line(error, engine.url)
        if is_lock_wait(error):
            said = "another program has been changing it for long; try again once it is done"
        raise DatabaseFailure(f"{shown(engine)} can't be {done}: {said}") from cause_to_show(error, engine.url)


def _revision(engine: Engine) -> str | None:
    """Returns the schema's revision; None where there is no ledger yet. A foreign database is refused."""
    if engine.dialect.name == "sqlite":
        path = Path(str(engine.url.database))
        if path.is_dir():
            raise LedgerError(f"{path} is a folder: give a database file")
        if not path.exists() or path.stat().st_size == 0:
            return None
    with connect(engine) as connection:
        return _revision_in(connection)


def _revision_in(connection: Connection) -> str | None:
    tables = set(inspect(connection).get_table_names())
    if "alembic_version" in tables:
        rows = connection.execute(text("SELECT version_num FROM alembic_version")).scalars().all()
        if len(rows) == 1 and ("ledger_settings" in tables):
            # A schema made by alembic alone has no settings yet, and so no row for writers to queue on.
            return str(rows[0]) if settings_in(connection) else None
        if not rows and "ledger_settings" not in tables:
            return None
        raise LedgerError("this database is another application's: give the ledger one of its own")
    if tables & {"usage_records", "charges", "batches"} or (tables and connection.dialect.name == "sqlite"):
        raise LedgerError("this database has tables that aren't a ledger's: give the ledger a database of its own")
    return None


def create_database(url: str, timezone: str = "UTC", rollup_tags: Sequence[str] = (), actor: str | None = None) -> None:
    """Builds the schema and stores zone and tags; does nothing to a ledger that is there."""
    zone_named(timezone)
    tags = joined_tags(rollup_tags)
    with _engine_of(url, "created") as engine:
        if engine.dialect.name == "sqlite":
            _prepare_file(engine)
        with _changing(engine) as connection:
            if _revision_in(connection) is None:
                if _was_migrated(connection):
                    migrate(connection, "head")
                else:
                    for statement in new_schema(connection.dialect.name):
                        connection.exec_driver_sql(statement, execution_options={"no_parameters": True})
                _store_settings(connection, timezone, tags)
                append_entry(connection, actor or default_actor(connection))
        LOG.info("%(ledger)s: created, zone %(zone)s", {"ledger": shown(engine), "zone": timezone})


@contextmanager
def _changing(engine: Engine) -> Iterator[Connection]:
    """Opens a connection in a transaction that no other process's change of the schema overlaps."""
    options = {WRITE: True, CHANGES: Changes()}
    with connect(engine).execution_options(**options) as connection, connection.begin():
        if connection.dialect.name != "sqlite":
            limit_waits(connection, LOCK_WAIT_SECONDS)
            connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": CREATION_LOCK})
        yield connection


def _was_migrated(connection: Connection) -> bool:
    """Tells whether Alembic ran migrations by itself, up or down."""
    return "alembic_version" in inspect(connection).get_table_names()


def _prepare_file(engine: Engine) -> None:
    folder = Path(str(engine.url.database)).parent
    if not folder.is_dir():
        raise LedgerError(f"{folder} isn't a folder: make it first")
    with connect(engine) as connection:  # outside any transaction, as WAL requires
        driver = connection.connection.driver_connection
        assert isinstance(driver, sqlite3.Connection)
        driver.execute("PRAGMA journal_mode = WAL")


def joined_tags(keys: Sequence[str]) -> str:
    """Joins tags to roll up as the ledger keeps them; LedgerError where they are too many or unfit."""
    if len(set(keys)) > MAX_ROLLUP_TAGS:
        raise LedgerError(f"{len(set(keys))} tags to roll up: at most {MAX_ROLLUP_TAGS} are")
    for key in keys:
        if not key or "," in key:
            raise LedgerError(f"tag {key!r} can't be rolled up: a key is a name without commas")
    return ",".join(sorted(set(keys)))


def _store_settings(connection: Connection, timezone: str, rollup_tags: str) -> None:
    values = {
        "timezone": timezone,
        "rollup_tags": rollup_tags,
        "lock": "",
        "created_at": datetime.now(UTC).isoformat(timespec="seconds"),
    }
    connection.execute(ledger_settings.insert(), [{"name": name, "value": value} for name, value in values.items()])
    note_settings(connection)


def upgrade_database(url: str, actor: str | None = None) -> tuple[str, str]:
    """Runs the migrations a ledger lacks, in one transaction of `actor`; returns its revision before and after."""
    with _engine_of(url, "upgraded") as engine:
        before = _revision(engine)
        if before is None or before > HEAD_REVISION:
            _check_revision(before, shown(engine))
        assert before is not None
        if before < HEAD_REVISION:
            with _changing(engine) as connection:
                lock_writers_out(connection)
                migrate(connection, "head", actor)
            LOG.info("%(ledger)s: upgraded from schema %(before)s", {"ledger": shown(engine), "before": before})
    return before, HEAD_REVISION


def migrations_folder() -> Path:
    """Returns the migrations' folder: in the package when installed, beside it in a checkout."""
    inside = Path(__file__).parents[1] / "migrations"
    return inside if inside.is_dir() else Path(__file__).parents[2] / "migrations"


def new_schema(dialect: str) -> Iterator[str]:
    """Yields the statements of a new ledger's schema, as the migrations, which take half a second longer, leave it."""
    statements = (migrations_folder() / f"{dialect}_head.sql").read_text(encoding="utf-8")
    if dialect != "sqlite":  # a server takes them at once
        yield statements
        return
    statement = ""
    for line in statements.splitlines(keepends=True):
        statement += line
        if sqlite3.complete_statement(statement):
            yield statement
            statement = ""


def migrate(connection: Connection, revision: str, actor: str | None = None) -> None:
    """Runs the migrations up to a revision inside the connection's transaction; the log names `actor`.

    LedgerError where one says that it can't take over what is booked.
    """
    from alembic import command  # slow to import, needed by creation and upgrades alone
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(migrations_folder()).replace("%", "%%"))
    config.attributes.update(connection=connection, actor=actor)
    try:
        command.upgrade(config, revision)
    except RuntimeError as error:
        raise LedgerError(f"nothing was upgraded: {error}") from error
