"""Rows of closed months moved from the ledger to Parquet files of a lake; their sums stay."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

import pyarrow as pa
import pyarrow.parquet as pq
from sqlalchemy import ColumnElement, Connection, func, select, text

from ledger.book.archived import KIND, archivable, is_posted, move_out
from ledger.book.booked_pages import BookedPage, Named, page_of
from ledger.book.charges import plain_rows
from ledger.book.lake_posting import LakePoster
from ledger.book.newest import next_batch_and_charge
from ledger.book.open_months import last_closed
from ledger.book.posting import Run
from ledger.book.rollups import TagSubset, sum_by_quarter
from ledger.errors import LedgerError
from ledger.lake.archived_file import read_archived, to_table
from ledger.lake.manifest import LakeFile
from ledger.lake.store import Lake, open_lake
from ledger.store.database import Database
from ledger.store.tables import booked_usage
from ledger.store.tables.book import LAST_REDACTION

# Rows of a file, and of the transaction that deletes them: as many as fit into memory well.
_ROWS: Final = 16_000


@dataclass(slots=True)
class Moved:
    """The outcome of a run: rows moved, up to `last_id`, files that have them, and rows of these months that stay."""

    location: str
    rows: int = 0
    files: int = 0
    staying: int = 0
    batch_id: int | None = None
    last_id: int = 0


def archive(
    database: Database,
    through: str,
    name: str,
    *,
    dry_run: bool = False,
    progress: Callable[[int, str], None] = lambda _rows, _done: None,
) -> Moved:
    """Moves rows posted in a closed month or before it to a lake, file by file, each in a transaction of its own.

    A run that ends early is gone on with by another. LedgerError where the month isn't closed.
    """
    with database.reading() as connection:
        _check_owner(database, connection)
        _check_closed(connection, through)
        rows, posted = _count(connection, archivable(through)), _count(connection, is_posted(through))
    if dry_run or not rows:
        return Moved(name, rows, -(-rows // _ROWS), staying=posted - rows)
    lake = _open_to_last(name)
    moved = Moved(lake.url("").rstrip("/"))
    options = {"lake": lake.id, "through": through, "rollup_tags": sorted(database.rollup_tags)}
    poster = LakePoster(database, Run(KIND, options))
    while _move_file(database, poster, lake, through, moved):
        progress(moved.rows, "archived")
    moved.staying = posted - moved.rows
    moved.batch_id = poster.run.id
    return moved


def _move_file(database: Database, poster: LakePoster, lake: Lake, through: str, moved: Moved) -> bool:
    """Moves the next rows to a file of their own; returns False where none are left."""
    with database.reading() as connection:
        redacted, page = database.settings.get(LAST_REDACTION), _next_page(connection, through, moved.last_id)
    if not len(page):
        return False
    file = _write(lake, page)
    with database.writing(bulk=True) as connection:
        _check_closed(connection, through)
        if database.settings.get(LAST_REDACTION) != redacted:
            raise LedgerError("usage was redacted meanwhile: run the same command again")
        batch_id, _charge = next_batch_and_charge(connection)
        charges, facts, alike = page.charges()
        # Before the rows go: theirs are the highest ids then, and no later row gets an id of one that went.
        sums = sum_by_quarter(charges, facts, TagSubset(database.rollup_tags), alike)
        poster.post(connection, sums, rolled_up=True)
        entry = {"batch_id": batch_id, "through": through, "lake": lake.id, "location": moved.location}
        move_out(connection, page, {**entry, "file": file.path, "sha256": file.sha256}, now=datetime.now(UTC))
    moved.rows += len(page)
    moved.files += 1
    moved.last_id = int(page.columns["id"][-1])
    return True


def _open_to_last(name: str) -> Lake:
    """Opens a lake that outlasts this process."""
    from fsspec.implementations.memory import MemoryFileSystem

    if name == "-":
        raise LedgerError("-o -: rows are archived to a folder or URL, not to standard output")
    lake = open_lake(name)
    if isinstance(lake.store, MemoryFileSystem):
        raise LedgerError(f"{name}: it is gone as this process ends, and the rows with it: name a folder or a store")
    return lake


def _check_owner(database: Database, connection: Connection) -> None:
    """Refuses a role of PostgreSQL that may not delete, before anything is written."""
    may = "SELECT has_table_privilege('booked_usage', 'DELETE')"
    if not database.is_sqlite and not connection.execute(text(may)).scalar_one():
        raise LedgerError("archive is the ledger's owner's: this role may not delete from booked_usage")


def _check_closed(connection: Connection, through: str) -> None:
    closed = last_closed(connection)
    if closed is None or closed.month < through:
        newest = "no month is" if closed is None else f"{closed.month} is the last that is"
        raise LedgerError(f"{through} isn't closed ({newest}): only rows of closed months are archived")


def _next_page(connection: Connection, through: str, after: int) -> BookedPage:
    rows = select(*booked_usage.c).where(booked_usage.c.id > after, archivable(through))
    return page_of(plain_rows(connection, rows.order_by(booked_usage.c.id).limit(_ROWS)), Named(connection))


def _write(lake: Lake, page: BookedPage) -> LakeFile:
    """Writes a page to a file of the lake, and reads it back: its rows are deleted next."""
    first, last = page.columns["id"][0], page.columns["id"][-1]
    table, sink = to_table(page), pa.BufferOutputStream()
    pq.write_table(table, sink, compression="zstd")
    data = sink.getvalue().to_pybytes()
    # Named by its content too: another ledger's file of such ids is another.
    digest = hashlib.sha256(data).hexdigest()
    file = lake.add(data, f"archive/{first:012}-{last:012}-{digest[:16]}.parquet", len(page))
    if not read_archived(lake, file.path).equals(table):
        raise LedgerError(f"{lake.url(file.path)}: what was written reads otherwise: nothing was deleted")
    return file


def _count(connection: Connection, condition: ColumnElement[bool]) -> int:
    return int(connection.execute(select(func.count()).select_from(booked_usage).where(condition)).scalar_one())
