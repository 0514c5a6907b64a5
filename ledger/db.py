"""Opening and creating ledgers: engines from a URL, one write lock, read snapshots, the schema's revision.

Nothing happens at import. `open_ledger` only reads unless it is told to create.
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from sqlalchemy import Connection, Engine, create_engine, event, inspect, select, text
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError

from ledger.errors import LedgerError
from ledger.models import ledger_settings

DEFAULT_URL = "sqlite:///tollbook.db"
HEAD_REVISION = "0001"
MAX_ROLLUP_TAGS = 4
LOCK_WAIT_SECONDS = 120
# Any number serves, as long as every process that creates a ledger in one PostgreSQL database takes the same.
CREATION_LOCK = 7_405_261

_WRITE = "ledger_write"


class Database:
    """An open ledger of the right revision, with its settings read once."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine

    @property
    def url(self) -> str:
        """The URL without its password, fit to print."""
        return self.engine.url.render_as_string(hide_password=True)

    @cached_property
    def settings(self) -> dict[str, str]:
        with self.reading() as connection:
            rows = connection.execute(select(ledger_settings.c.name, ledger_settings.c.value))
            return {row.name: row.value for row in rows}

    @property
    def zone_name(self) -> str:
        return self.settings["timezone"]

    @cached_property
    def zone(self) -> ZoneInfo:
        return zone_named(self.zone_name)

    @property
    def rollup_tags(self) -> tuple[str, ...]:
        return tuple(key for key in self.settings["rollup_tags"].split(",") if key)

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """A connection in one read-only snapshot."""
        options = (
            {}
            if self.engine.dialect.name == "sqlite"
            else {"isolation_level": "REPEATABLE READ", "postgresql_readonly": True}
        )
        with self.engine.connect().execution_options(**options) as connection, connection.begin():
            yield connection

    @contextmanager
    def scratch(self) -> Iterator[Connection]:
        """A connection in one snapshot that may make temporary tables; rolled back at the end."""
        options = {} if self.engine.dialect.name == "sqlite" else {"isolation_level": "REPEATABLE READ"}
        with self.engine.connect().execution_options(**options) as connection:
            transaction = connection.begin()
            try:
                yield connection
            finally:
                transaction.rollback()

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """A connection that holds the ledger's one write lock; commits at the end, rolls back on an exception."""
        with self.engine.connect().execution_options(**{_WRITE: True}) as connection, connection.begin():
            if connection.dialect.name != "sqlite":
                # Settings of the transaction alone: a writer waits its turn, but not for ever.
                connection.exec_driver_sql(f"SET LOCAL lock_timeout = '{LOCK_WAIT_SECONDS}s'")
                connection.execute(select(ledger_settings).where(ledger_settings.c.name == "lock").with_for_update())
            yield connection


def zone_named(name: str) -> ZoneInfo:
    """The IANA zone of that name; LedgerError where there is none."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise LedgerError(f"time zone {name!r} is not known: give an IANA name such as Asia/Shanghai or UTC") from error


def parse_url(url: str) -> URL:
    """A SQLAlchemy URL from a URL or a plain SQLite path; PostgreSQL always means psycopg 3."""
    if "://" not in url:
        url = f"sqlite:///{url}"
    url = re.sub(r"^postgres(ql)?://", "postgresql+psycopg://", url)
    try:
        parsed = make_url(url)
    except ArgumentError as error:
        raise LedgerError(
            f"database URL {url!r} can't be read: give sqlite:///FILE or postgresql://USER@HOST/NAME"
        ) from error
    if parsed.get_backend_name() not in ("sqlite", "postgresql"):
        raise LedgerError(f"database {parsed.get_backend_name()!r} is not supported: use sqlite or postgresql")
    if parsed.get_backend_name() == "sqlite" and parsed.database in (None, "", ":memory:"):
        raise LedgerError("a ledger can't live in memory: give a file, such as sqlite:///tollbook.db")
    return parsed


def make_engine(url: URL) -> Engine:
    """An engine whose transactions begin as reads unless `Database.writing` asks otherwise."""
    try:
        engine = create_engine(url)
    except (NoSuchModuleError, ModuleNotFoundError) as error:
        raise LedgerError("PostgreSQL needs the psycopg driver: pip install 'tollbook[postgres]'") from error
    if engine.dialect.name == "sqlite":
        event.listen(engine, "connect", _prepare_sqlite)
        event.listen(engine, "begin", _begin_sqlite)
    return engine


def _prepare_sqlite(connection: sqlite3.Connection, _record: object) -> None:
    # The driver must not begin transactions by itself: _begin_sqlite says which kind.
    connection.isolation_level = None
    connection.execute(f"PRAGMA busy_timeout = {LOCK_WAIT_SECONDS * 1000}")
    connection.execute("PRAGMA foreign_keys = ON")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA cache_size = -65536")
    connection.execute("PRAGMA wal_autocheckpoint = 16384")


def _begin_sqlite(connection: Connection) -> None:
    writes = connection.get_execution_options().get(_WRITE, False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


def open_ledger(url: str, *, create: bool = False, timezone: str = "UTC", rollup_tags: Sequence[str] = ()) -> Database:
    """Open a ledger; make it first where `create` says so and there is none. LedgerError names what is wrong."""
    engine = make_engine(parse_url(url))
    try:
        revision = _revision(engine)
        if revision is None and create:
            create_database(url, timezone=timezone, rollup_tags=rollup_tags)
            revision = HEAD_REVISION
    except DBAPIError as error:
        raise LedgerError(f"{_shown(engine)} can't be opened: {first_line(error)}") from error
    if revision is None:
        raise LedgerError(f"there is no ledger at {_shown(engine)}: ingest into it, or run 'tollbook db init'")
    if revision < HEAD_REVISION:
        raise LedgerError(
            f"the ledger at {_shown(engine)} is of schema {revision}, this tollbook needs {HEAD_REVISION}: "
            "run 'tollbook db upgrade'"
        )
    if revision > HEAD_REVISION:
        raise LedgerError(
            f"the ledger at {_shown(engine)} is of schema {revision}, newer than this tollbook's "
            f"{HEAD_REVISION}: run 'pip install --upgrade tollbook'"
        )
    return Database(engine)


def ledger_exists(url: str) -> bool:
    """Whether there is a ledger at `url`, of whatever revision; LedgerError where what is there is none."""
    engine = make_engine(parse_url(url))
    try:
        return _revision(engine) is not None
    except DBAPIError as error:
        raise LedgerError(f"{_shown(engine)} can't be opened: {first_line(error)}") from error


def first_line(error: BaseException) -> str:
    """The database's own words, without SQLAlchemy's statement and link."""
    original = getattr(error, "orig", None) or error
    lines = str(original).strip().splitlines()
    return lines[0] if lines else type(original).__name__


def _shown(engine: Engine) -> str:
    if engine.dialect.name == "sqlite":
        return str(engine.url.database)
    return engine.url.render_as_string(hide_password=True)


def _revision(engine: Engine) -> str | None:
    """The schema's revision; None where there is no ledger yet. A foreign database is refused."""
    if engine.dialect.name == "sqlite":
        path = Path(str(engine.url.database))
        if path.is_dir():
            raise LedgerError(f"{path} is a folder: give a database file")
        if not path.exists() or path.stat().st_size == 0:
            return None
    with engine.connect() as connection:
        return _revision_in(connection)


def _revision_in(connection: Connection) -> str | None:
    tables = set(inspect(connection).get_table_names())
    if "alembic_version" in tables:
        rows = connection.execute(text("SELECT version_num FROM alembic_version")).scalars().all()
        if len(rows) == 1 and ("ledger_settings" in tables):
            return str(rows[0])
        if not rows and "ledger_settings" not in tables:
            return None
        raise LedgerError("this database is another application's: give the ledger one of its own")
    if tables & {"usage_records", "charges", "batches"} or (tables and connection.dialect.name == "sqlite"):
        raise LedgerError("this database has tables that aren't a ledger's: give the ledger a database of its own")
    return None


def create_database(url: str, timezone: str = "UTC", rollup_tags: Sequence[str] = ()) -> None:
    """Build the schema by its migrations and store zone and rolled-up tags; does nothing to a ledger that is there."""
    zone_named(timezone)
    if len(rollup_tags) > MAX_ROLLUP_TAGS:
        raise LedgerError(f"{len(rollup_tags)} rollup_tags: at most {MAX_ROLLUP_TAGS} are rolled up")
    parsed = parse_url(url)
    engine = make_engine(parsed)
    if engine.dialect.name == "sqlite":
        folder = Path(str(parsed.database)).parent
        if not folder.is_dir():
            raise LedgerError(f"{folder} is no folder: make it first")
        with engine.connect() as connection:  # outside any transaction, as WAL requires
            driver = connection.connection.driver_connection
            assert isinstance(driver, sqlite3.Connection)
            driver.execute("PRAGMA journal_mode = WAL")
    try:
        with engine.connect().execution_options(**{_WRITE: True}) as connection, connection.begin():
            if connection.dialect.name != "sqlite":
                connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": CREATION_LOCK})
            if _revision_in(connection) is None:
                migrate(connection, "head")
                _store_settings(connection, timezone, rollup_tags)
    except DBAPIError as error:
        raise LedgerError(f"{_shown(engine)} can't be created: {first_line(error)}") from error


def _store_settings(connection: Connection, timezone: str, rollup_tags: Sequence[str]) -> None:
    values = {
        "timezone": timezone,
        "rollup_tags": ",".join(sorted(set(rollup_tags))),
        "lock": "",
        "created_at": datetime.now(UTC).isoformat(timespec="seconds"),
    }
    connection.execute(ledger_settings.insert(), [{"name": name, "value": value} for name, value in values.items()])


def upgrade_database(url: str) -> tuple[str, str]:
    """Run the migrations a ledger lacks, in one transaction; its revision before and after."""
    engine = make_engine(parse_url(url))
    before = _revision(engine)
    if before is None:
        raise LedgerError(f"there is no ledger at {_shown(engine)}: ingest into it, or run 'tollbook db init'")
    if before > HEAD_REVISION:
        raise LedgerError(
            f"the ledger is of schema {before}, newer than this tollbook's {HEAD_REVISION}: "
            "run 'pip install --upgrade tollbook'"
        )
    if before < HEAD_REVISION:
        with engine.connect().execution_options(**{_WRITE: True}) as connection, connection.begin():
            if connection.dialect.name != "sqlite":
                connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": CREATION_LOCK})
            migrate(connection, "head")
    return before, HEAD_REVISION


def migrations_folder() -> Path:
    """Where the migrations are: inside the package when installed, beside it in a checkout."""
    inside = Path(__file__).parent / "migrations"
    return inside if inside.is_dir() else Path(__file__).parents[1] / "migrations"


def migrate(connection: Connection, revision: str) -> None:
    """Run the migrations up to a revision inside the connection's transaction."""
    from alembic import command  # noqa: PLC0415 - slow to import, needed by creation and upgrades alone
    from alembic.config import Config  # noqa: PLC0415

    config = Config()
    config.set_main_option("script_location", str(migrations_folder()).replace("%", "%%"))
    config.attributes["connection"] = connection
    command.upgrade(config, revision)
