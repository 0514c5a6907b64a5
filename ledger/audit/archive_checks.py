"""What the ledger says of archived rows compared with itself, and with the files that have them."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterator
from itertools import islice
from typing import Any

import msgspec
from sqlalchemy import Connection, Row, select

from ledger.audit.archives import Archives
from ledger.audit.verification import LISTED_PROBLEMS, Verification
from ledger.book.archived import digest_of, identities_of, sealed_beside
from ledger.book.booked_pages import BookedPage
from ledger.book.cells import Cells
from ledger.book.charges import NUMBERED_AS_CHARGES
from ledger.book.lake_cells import read_lake
from ledger.book.rollups import TagSubset, sum_by_quarter
from ledger.book.seals import read_sealed
from ledger.store.expressions import ROWS_AT_ONCE
from ledger.store.tables import archived_usage, archives, batches, lake_cells


def check_archives(connection: Connection, archived: Archives, result: Verification) -> None:
    """Checks, after all batches were looked at, entries, identities, and opened files by their sums."""
    for row, intact in read_sealed(connection, archives):
        result.checked[archives.name] += 1
        if not intact:
            result.problem(f"archive {row.id}: it is no longer as it was recorded")
        first, last = row.first_batch_id, row.last_batch_id
        if digest_of(sealed_beside(connection, first, last, row.batch_id)) != row.batches:
            result.problem(f"archive {row.id}: batches {first} to {last}, or their seals, are no longer as they were")
    away = sum(entry.rows for entry in archived.entries) - archived.read
    if away != archived.missing:
        result.problem(f"{away} usage records were archived, and {archived.missing} are missing in batches")
    _check_identities(connection, archived, result)
    for entry in archived.opened:
        for problem in _check_file(connection, entry, archived.page(entry), result):
            result.problem(problem)


def _check_file(connection: Connection, entry: Row[Any], page: BookedPage, result: Verification) -> Iterator[str]:
    result.checked["archived rows"] += len(page)
    for number in _there_twice(connection, page):
        yield f"charge {number}: its number is there twice"
    if digest_of(identities_of(page, entry.id)) != entry.identities:
        yield f"archive {entry.id}: its rows aren't of the identities that were kept"
    if not _has_sums(connection, entry, page):
        yield f"archive {entry.id}: its rows don't come to the sums that were kept"


def _check_identities(connection: Connection, archived: Archives, result: Verification) -> None:
    found = defaultdict[int, Any](hashlib.sha256)
    of = archived_usage.c
    query = select(archived_usage).order_by(of.upper, of.lower).execution_options(yield_per=ROWS_AT_ONCE)
    encode = msgspec.json.Encoder().encode_lines
    with connection.execute(query) as rows:
        for part in rows.partitions():
            result.checked[archived_usage.name] += len(part)
            by_archive = defaultdict[int, list[tuple[int, ...]]](list)
            for row in part:
                by_archive[row.archive_id].append(tuple(row))
            for number, own in by_archive.items():
                found[number].update(encode(own))
    for entry in archived.entries:
        if found.pop(entry.id, hashlib.sha256()).hexdigest() != entry.identities:
            result.problem(f"archive {entry.id}: the identities of its rows are no longer those that were kept")
    for number in islice(found, LISTED_PROBLEMS):
        result.problem(f"archived_usage: identities are of archive {number}, which is missing")


def _there_twice(connection: Connection, page: BookedPage) -> list[int]:
    """Returns the ids of archived charges that others in the ledger have."""
    own = set(page.number("id").tolist())
    tables = (table.c.id for table in NUMBERED_AS_CHARGES)
    found = (select(number).where(number.between(min(own), max(own))) for number in tables)
    return sorted(own & {number for query in found for number in connection.execute(query).scalars()})


def _has_sums(connection: Connection, entry: Row[Any], page: BookedPage) -> bool:
    """Tells whether rows of a file come to the sums in its batch."""
    options = connection.execute(select(batches.c.options).where(batches.c.id == entry.batch_id)).scalar()
    tags = TagSubset(msgspec.json.decode(options or "{}").get("rollup_tags", ()))
    charges, facts, alike = page.charges()
    kept = [_by_cell(sums.cells()) for sums in read_lake(connection, lake_cells.c.batch_id == entry.batch_id)]
    return {cell: sums for part in kept for cell, sums in part.items()} == _by_cell(
        sum_by_quarter(charges, facts, tags, alike)
    )


def _by_cell(cells: Cells) -> dict[tuple[Any, int], tuple[int, ...]]:
    sums = zip(*cells.sums.tolist(), cells.last_occurred_at.tolist(), strict=True)
    each: Iterator[tuple[int, int]] = zip(cells.key_place.tolist(), cells.time.tolist(), strict=True)
    return {(cells.keys[place], time): own for (place, time), own in zip(each, sums, strict=True)}
