"""Copies of a ledger: of one moment, while others write, and looked at before they count."""

from __future__ import annotations

import errno
import os
import shlex
import sqlite3
from contextlib import closing
from pathlib import Path

from ledger.errors import LedgerError
from ledger.logs import logger_of
from ledger.store.database import Database
from ledger.store.engines import is_database_error, shown
from ledger.store.revision import HEAD_REVISION
from ledger.store.urls import for_other_programs

LOG = logger_of("store")
PAGES_AT_ONCE = 1_000
# What SQLite keeps beside a file by the names of it.
_BESIDE = ("-wal", "-shm", "-journal")


def refuse_target(database: Database, path: str, *, replace: bool) -> None:
    """Refuses a file that isn't there to be written: the ledger itself, another's, one in use, or no file at all."""
    target, ledger = os.path.realpath(path), os.path.realpath(shown(database.engine))
    names = [ledger, *(ledger + suffix for suffix in _BESIDE)]
    if target in names or any(_is_same_file(target, name) for name in names):
        raise LedgerError(f"{path} is the ledger itself: give the copy a file of its own")
    if not os.path.lexists(target):
        pass
    elif not Path(target).is_file():
        raise LedgerError(f"{path} isn't a file: give the copy one")
    elif not replace:
        raise LedgerError(f"{path} is there already: give another name, or --replace to have the copy take its place")
    # SQLite would take the write-ahead file or journal of what was there before for the copy's.
    for suffix in _BESIDE:
        if os.path.lexists(target + suffix):
            raise LedgerError(
                f"{path} has {path}{suffix} beside it: it is in use, or was left so by a killed process; "
                "end who has it open, or move both out of the way"
            )


def _is_same_file(path: str, other: str) -> bool:
    try:
        return Path(path).samefile(other)
    except OSError:
        return False


def copy_sqlite(database: Database, path: Path) -> None:
    """Copies a SQLite ledger, as it is at one moment, into an empty file that nobody else has, and checks the copy.

    Writers go on meanwhile. LedgerError where the copy isn't sound, OSError where the file takes no more.
    """
    uri = f"{path.absolute().as_uri()}?mode=rw&nolock=1"
    with database.reading() as connection, closing(sqlite3.connect(uri, uri=True)) as copy:
        # Whoever makes the file throws it away as a whole, and has it written through.
        copy.execute("PRAGMA journal_mode = OFF")
        copy.execute("PRAGMA synchronous = OFF")
        # The first read begins the snapshot, and all steps are of it: nothing that is written later starts them anew.
        connection.exec_driver_sql("SELECT count(*) FROM alembic_version").scalar_one()
        source = connection.connection.driver_connection
        assert isinstance(source, sqlite3.Connection)
        try:
            source.backup(copy, pages=PAGES_AT_ONCE, progress=_hear_signals)
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode in (sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR_WRITE):
                raise OSError(errno.EIO, str(error)) from error
            raise
    _check_copy(path)
    LOG.info("%(ledger)s: copied and checked", {"ledger": shown(database.engine)})


def _hear_signals(*_progress: int) -> None:
    """Does nothing, in Python: between two steps of a copy, where Ctrl-C and SIGTERM are heard."""


def _check_copy(path: Path) -> None:
    """Refuses a copy that is damaged, or no ledger of this code's schema."""
    # Immutable, so that nothing is made beside it.
    with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro&immutable=1", uri=True)) as copy:
        try:
            found = [row[0] for row in copy.execute("PRAGMA quick_check(1)")]
            revisions = copy.execute("SELECT version_num FROM alembic_version").fetchall()
        except Exception as error:
            if not is_database_error(error):
                raise
            found, revisions = [str(error)], []
    if found != ["ok"]:
        raise LedgerError(f"the copy isn't sound ({found[0]}) and isn't kept: run 'tollbook db check' on the ledger")
    if revisions != [(HEAD_REVISION,)]:
        raise LedgerError(f"the ledger was changed from schema {HEAD_REVISION} to another meanwhile: run it again")


def pg_dump_command(database: Database, path: str) -> str:
    """Returns the call of PostgreSQL's own program that copies the ledger's schema into a file; it has no password."""
    with database.reading() as connection:
        schema = connection.exec_driver_sql("SELECT quote_ident(current_schema())").scalar_one()
    options = ["--format=custom", f"--schema={schema}", f"--file={path}"]
    return shlex.join(["pg_dump", *options, f"--dbname={for_other_programs(database.engine.url)}"])
