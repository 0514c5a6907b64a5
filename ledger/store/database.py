"""An open ledger: its settings, its one write lock, read snapshots, and what becomes of them in a fork."""

from __future__ import annotations

import logging
import os
import time
import weakref
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from itertools import count
from typing import Any, NamedTuple, TypeVar
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from sqlalchemy import Connection, Engine, RootTransaction, func, select, text
from sqlalchemy.engine import URL
from sqlalchemy.exc import PendingRollbackError

from ledger.errors import DatabaseFailure, LedgerError, TransactionGivenUp
from ledger.logs import logger_of
from ledger.store import forks
from ledger.store.actor import default_actor
from ledger.store.driver import run, run_together
from ledger.store.engines import (
    BULK,
    LOCK_WAIT_SECONDS,
    WAIT,
    WRITE,
    cause_to_show,
    connect,
    first_line,
    is_database_error,
    is_given_up,
    is_lock_wait,
    make_engine,
    shown,
    unchanged,
    wait_limits,
)
from ledger.store.log import CHANGES, Changes, Head, append_entry, recall
from ledger.store.revision import name_other_schema
from ledger.store.tables import ledger_settings
from ledger.store.urls import masked

LOG = logger_of("store")
# A wait for the write lock from which on it is told to who isn't interested in detail.
LONG_WAIT_SECONDS = 0.1
# Writers see what those before them committed, whatever the server's default is.
_ISOLATION = "SET LOCAL transaction_isolation = 'read committed'"
_LOCK = "SELECT value FROM ledger_settings WHERE name = 'lock' FOR UPDATE"
# How much longer than an application waits a server lets its transaction be.
_RELEASE_MILLISECONDS = 2_000
# How often a transaction is run that PostgreSQL gives up for another one's.
_ATTEMPTS = 3

T = TypeVar("T")


class _Kept(NamedTuple):
    """The state left to the next writer: the log's last entry, the settings, and `memory_of` the transaction."""

    head: Head
    settings: dict[str, str]
    memory: dict[Any, Any]


class Database:
    """An open ledger of the right revision. Its settings are read once, and by each writer as they are under the lock.

    `is_new` where opening made it, `has_written` once a writer's transaction was committed, whatever it changed.
    `actor` is who changes it, None for TOLLBOOK_ACTOR, else the operating system's and the database's user. Threads
    share it. A child made by a fork has connections of its own; see `ledger.store.forks`.
    """

    def __init__(self, engine: Engine, *, is_new: bool = False, actor: str | None = None) -> None:
        self.is_new = is_new
        self.actor = actor
        self.has_written = False
        self.is_sqlite = engine.dialect.name == "sqlite"
        self._settings: dict[str, str] | None = None
        self._kept: _Kept | None = None
        self._in_use: weakref.WeakSet[Connection] = weakref.WeakSet()
        self._adopt(engine)
        forks.follow(self)

    def _adopt(self, engine: Engine) -> None:
        self.engine = engine
        # Whoever lets go of a ledger lets go of its connections, without having to say so.
        self._end = weakref.finalize(self, forks.let_go, engine)
        self._end.atexit = False

    def close(self) -> None:
        """Lets go of all connections; whoever goes on gets new ones."""
        with forks.passing(is_sqlite=self.is_sqlite):
            self.engine.dispose()

    def renew_after_fork(self) -> None:
        """Starts afresh in a child: an engine of its own, and no way to the parent's connections."""
        self._end.detach()
        self._kept = None
        forks.keep(self.engine)
        for connection in list(self._in_use):
            _sever(connection)
        # An engine whose locks and pool nobody holds; SQLAlchemy's dispose(close=False) would keep some of the locks.
        self._adopt(make_engine(self.engine.url))

    @property
    def url(self) -> str:
        """The URL without its secrets, fit to print."""
        return masked(self.engine.url)

    @property
    def settings(self) -> dict[str, str]:
        if self._settings is None:
            with self.reading() as connection:
                self._settings = settings_in(connection)
        return self._settings

    @settings.setter
    def settings(self, settings: dict[str, str]) -> None:
        self._settings = settings

    @property
    def zone_name(self) -> str:
        return self.settings["timezone"]

    @property
    def zone(self) -> ZoneInfo:
        return zone_named(self.zone_name)

    @property
    def rollup_tags(self) -> tuple[str, ...]:
        return tuple(key for key in self.settings["rollup_tags"].split(",") if key)

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """Opens a connection in one read-only snapshot."""
        options = {} if self.is_sqlite else {"isolation_level": "REPEATABLE READ", "postgresql_readonly": True}
        with self._transaction(options) as transaction:
            yield transaction.connection

    @contextmanager
    def scratch(self) -> Iterator[Connection]:
        """Opens a connection in one snapshot that may make temporary tables; rolled back at the end."""
        options = {} if self.is_sqlite else {"isolation_level": "REPEATABLE READ", "postgresql_readonly": False}
        with self._transaction(options) as transaction:
            if not self.is_sqlite:
                _check_may_scratch(transaction.connection)
            try:
                yield transaction.connection
            finally:
                transaction.rollback()

    @contextmanager
    def writing(self, *, wait: float | None = None, bulk: bool = False) -> Iterator[Connection]:
        """Opens a connection that holds the ledger's one write lock; commits at the end, rolls back on an exception.

        DatabaseFailure where the ledger was upgraded since it was opened.
        It waits two minutes for the lock. A running application that can `wait` for so many seconds alone is given up
        by a server soon after: its statement, and its lock where the server hears nothing more of it.
        A `bulk` transaction inserts many rows, and sorts few: SQLite keeps in memory what it else keeps in files.
        """
        started = time.monotonic()
        seconds = LOCK_WAIT_SECONDS if wait is None else max(wait, 0.001)
        changes = Changes()
        with self._transaction({WRITE: True, WAIT: seconds, BULK: bulk}, changes) as transaction:
            connection = transaction.connection
            first: list[str] = []
            if not self.is_sqlite:
                given_up = () if wait is None else ("statement_timeout", "idle_in_transaction_session_timeout")
                after = round(seconds * 1000) + _RELEASE_MILLISECONDS
                first = [_ISOLATION, *wait_limits(seconds, **dict.fromkeys(given_up, after)), _LOCK]
            (revision,) = run_together(connection, *first, "SELECT version_num FROM alembic_version").fetchone()
            if (other := name_other_schema(str(revision), shown(self.engine))) is not None:
                raise DatabaseFailure(other)
            self._recall(connection)
            waited, locked = time.monotonic() - started, time.monotonic()
            level = logging.INFO if waited >= LONG_WAIT_SECONDS else logging.DEBUG
            LOG.log(level, "write lock after %(seconds).3f s", {"seconds": waited})
            actor = self.actor or default_actor(connection)
            yield connection
            is_kept = transaction.is_active
            head = append_entry(connection, actor) if is_kept else None
        if head is not None:
            self._kept = _Kept(head, self.settings, changes.memory)
        told = {"outcome": "committed" if is_kept else "rolled back", "seconds": time.monotonic() - locked}
        LOG.info("transaction %(outcome)s after %(seconds).3f s", told)
        self.has_written = self.has_written or is_kept

    def write(self, work: Callable[[Connection], T], *, wait: float | None = None, bulk: bool = False) -> T:
        """Runs `work` in a transaction of `writing`, and again where PostgreSQL gave that up for another one's.

        What fails must leave nothing behind but what its connection takes back.
        """
        until = None if wait is None else time.monotonic() + wait
        attempts = count(1)
        while True:
            try:
                left = None if until is None else until - time.monotonic()
                with self.writing(wait=left, bulk=bulk) as connection:
                    return work(connection)
            except TransactionGivenUp as error:
                if next(attempts) == _ATTEMPTS:
                    raise
                LOG.warning("%(error)s: the transaction is run again", {"error": str(error)})

    def _recall(self, connection: Connection) -> None:
        """Takes up what the last writer left where the log shows that it holds; else reads the settings."""
        kept, self._kept = self._kept, None
        if kept is not None and recall(connection, kept.head, kept.memory):
            self.settings = kept.settings
        else:
            self.settings = settings_in(connection)

    @contextmanager
    def _transaction(self, options: Mapping[str, Any], changes: Changes | None = None) -> Iterator[RootTransaction]:
        """Begins a transaction on a connection with these options: the one place where connections are used."""
        process = os.getpid()
        with (
            forks.passing(is_sqlite=self.is_sqlite),
            _failures(process, self.engine.url),
            connect(self.engine).execution_options(**options, **{CHANGES: changes or Changes()}) as connection,
            connection.begin() as transaction,
            unchanged(connection),
        ):
            self._in_use.add(connection)
            yield transaction
            if os.getpid() != process and transaction.is_active:
                transaction.rollback()  # only forgets it: the transaction is the parent's, to commit or not


def _check_may_scratch(connection: Connection) -> None:
    """Refuses who may not make temporary tables, with the statement that lets them."""
    query = (
        "SELECT format('GRANT TEMPORARY ON DATABASE %I TO %I', current_database(), current_user)"
        " WHERE NOT has_database_privilege(current_database(), 'TEMPORARY')"
    )
    grant = connection.execute(text(query)).scalar()
    if grant is not None:
        raise LedgerError(f"this works in temporary tables, and you may make none here: have the owner run '{grant}'")


def _sever(connection: Connection) -> None:
    """Takes its driver's connection from one that is in use: what is run on it fails, and its end changes nothing."""
    forks.keep(connection._dbapi_connection)  # noqa: SLF001 - every public way closes the driver's connection
    connection._dbapi_connection = None  # noqa: SLF001


def lock_writers_out(connection: Connection) -> None:
    """Takes a PostgreSQL ledger's one write lock; on SQLite its transaction has it from the beginning."""
    if connection.dialect.name != "sqlite":
        run(connection, _LOCK)


def settings_in(connection: Connection) -> dict[str, str]:
    rows = connection.execute(select(ledger_settings.c.name, ledger_settings.c.value))
    return {row.name: row.value for row in rows}


def read_clock(connection: Connection) -> datetime:
    """Reads the time that all writers of a ledger agree on: the server's, on SQLite this machine's."""
    if connection.dialect.name == "sqlite":
        return datetime.now(UTC)
    moment: datetime = connection.execute(select(func.clock_timestamp())).scalar_one()
    return moment.astimezone(UTC)


@contextmanager
def _failures(process: int, url: URL) -> Iterator[None]:
    """Says the database's errors in one line: SQLAlchemy's, and those of drivers that bulk work calls itself."""
    started = time.monotonic()
    try:
        yield
    except Exception as error:
        if os.getpid() != process and isinstance(error, PendingRollbackError):
            raise LedgerError(
                "this transaction is the parent process's: in a child made by fork, begin one of its own"
            ) from error
        if not is_database_error(error):
            raise
        said = f"the database failed: {first_line(error, url)}"
        if is_lock_wait(error):
            seconds = time.monotonic() - started
            said = f"another program has been writing the ledger for {seconds:.0f} s: try again once it is done"
        failure = TransactionGivenUp if is_given_up(error) else DatabaseFailure
        raise failure(said) from cause_to_show(error, url)


def zone_named(name: str) -> ZoneInfo:
    """Returns the IANA zone of that name; LedgerError where there is none."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise LedgerError(f"time zone {name!r} is not known: give an IANA name such as Asia/Shanghai or UTC") from error
