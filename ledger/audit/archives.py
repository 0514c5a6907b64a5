"""Rows that were archived: what the ledger says of them, and the files that have them."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterator, Sequence
from functools import lru_cache
from itertools import islice
from operator import itemgetter
from typing import TYPE_CHECKING, Any, Final

import msgspec
from sqlalchemy import Connection, Row, select

from ledger.audit.verification import LISTED_PROBLEMS, Verification
from ledger.book.archived import digest_of, identities_of, sealed_beside
from ledger.book.booked_pages import BookedPage, Named, page_of
from ledger.book.cells import Cells
from ledger.book.charges import NUMBERED_AS_CHARGES, PlainRow
from ledger.book.lake_cells import LakePage, read_lake
from ledger.book.rollups import TagSubset, sum_by_quarter
from ledger.book.rows import ChargeRow
from ledger.book.seals import read_sealed
from ledger.errors import LedgerError
from ledger.store.expressions import ROWS_AT_ONCE
from ledger.store.tables import archived_usage, archives, batches, lake_cells, lake_keys
from ledger.values.columns import rows_of

if TYPE_CHECKING:
    from ledger.lake.store import Lake

_MONTH: Final = ChargeRow._fields.index("posted_month")


class Archives:
    """The files that rows were archived to; of those in the `lakes` that are given, the rows too."""

    def __init__(self, connection: Connection, lakes: Sequence[Lake] = ()) -> None:
        self._connection = connection
        self._lakes = {lake.id: lake for lake in lakes}
        self._entries: Sequence[Row[Any]] = ()
        self._opened: dict[int, Row[Any]] = {}
        self._months: dict[int, set[str]] = {}
        # Rows of a page may be in a file of one month and of the next.
        self._table_of = lru_cache(2)(self._read)
        self._missing = 0

    def open(self, result: Verification) -> None:
        """Reads what was archived; opens the files in lakes that are given, and tells which aren't as written."""
        named = (column for column in archives.c if column is not archives.c.archived_at)
        self._entries = self._connection.execute(select(*named).order_by(archives.c.first_id)).all()
        months = select(lake_cells.c.batch_id, lake_keys.c.posted_month).distinct()
        kept = months.join(lake_keys, lake_keys.c.id == lake_cells.c.key_id)
        self._months = defaultdict(set)
        for batch_id, month in self._connection.execute(
            kept.where(lake_cells.c.batch_id.in_(select(archives.c.batch_id)))
        ):
            self._months[batch_id].add(month)
        for entry in self._entries if self._lakes else ():
            if entry.lake not in self._lakes:
                result.problem(f"archive {entry.id}: its file lies in {entry.location}, which --archive doesn't name")
            elif not (wrong := self._find_wrong(entry)):
                self._opened[entry.id] = entry
            else:
                result.problem(f"archive {entry.id}: {wrong}")

    def _find_wrong(self, entry: Row[Any]) -> str:
        from ledger.lake.manifest import LakeFile  # an extra's

        try:
            self._lakes[entry.lake].check([LakeFile(entry.file, entry.rows, entry.sha256)])
        except LedgerError as error:
            return str(error)
        return ""

    def rows(self, first: int, last: int, month: str | None = None) -> list[PlainRow]:
        """Reads rows of ids between two from opened files, of those with charges in a month's books if one is given."""
        found: list[PlainRow] = []
        for entry in self._opened.values():
            is_of_month = month is None or month in self._months[entry.batch_id]
            if is_of_month and entry.first_id <= last and first <= entry.last_id:
                found += self._rows_of(entry, first, last)
        return sorted(found, key=itemgetter(0))

    def charges(self, month: str, first: int, last: int) -> list[PlainRow]:
        """Reads archived charges of ids between two that are posted in a month, by id."""
        page = self._page(self.rows(first, last, month))
        return [row for row in rows_of(page.charges()[0]) if row[_MONTH] == month] if len(page) else []

    @property
    def read(self) -> int:
        """How many rows opened files have."""
        return sum(entry.rows for entry in self._opened.values())

    def ranges(self, month: str) -> list[tuple[int, int]]:
        """Returns the first and the last id of each opened file with charges in a month's books."""
        own = (entry for entry in self._opened.values() if month in self._months[entry.batch_id])
        return [(entry.first_id, entry.last_id) for entry in own]

    def hides(self, month: str) -> bool:
        """Tells whether rows in a month's books are in files that aren't opened."""
        closed = (entry for entry in self._entries if entry.id not in self._opened)
        return any(month in self._months[entry.batch_id] for entry in closed)

    def lacks(self, batch: Row[Any], present: int) -> bool:
        """Tells whether rows of a batch are in files that aren't opened, of which so many are there; counts others."""
        missing = batch.last_usage_record_id - batch.first_usage_record_id + 1 - present
        closed = (entry for entry in self._entries if entry.id not in self._opened)
        if missing <= 0 or not any(
            entry.first_id <= batch.last_charge_id and batch.first_charge_id <= entry.last_id for entry in closed
        ):
            return False
        self._missing += missing
        return True

    def counted(self, sums: LakePage) -> LakePage:
        """Returns sums but those whose charges are read from opened files."""
        read = {entry.batch_id for entry in self._opened.values()}
        return sums._replace(rows=[row for row in sums.rows if row.batch_id not in read])

    def check(self, result: Verification) -> None:
        """Checks, after all batches were looked at, entries, identities, and opened files by their sums."""
        for row, intact in read_sealed(self._connection, archives):
            result.checked[archives.name] += 1
            if not intact:
                result.problem(f"archive {row.id}: it is no longer as it was recorded")
            first, last = row.first_batch_id, row.last_batch_id
            if digest_of(sealed_beside(self._connection, first, last, row.batch_id)) != row.batches:
                result.problem(
                    f"archive {row.id}: batches {first} to {last}, or their seals, are no longer as they were"
                )
        archived = sum(entry.rows for entry in self._entries if entry.id not in self._opened)
        if archived != self._missing:
            result.problem(f"{archived} usage records were archived, and {self._missing} are missing in batches")
        self._check_identities(result)
        for entry in self._opened.values():
            page = self._page(self._rows_of(entry, entry.first_id, entry.last_id))
            result.checked["archived rows"] += len(page)
            for number in self._there_twice(page):
                result.problem(f"charge {number}: its number is there twice")
            if digest_of(identities_of(page, entry.id)) != entry.identities:
                result.problem(f"archive {entry.id}: its rows aren't of the identities that were kept")
            if not self._has_sums(entry, page):
                result.problem(f"archive {entry.id}: its rows don't come to the sums that were kept")

    def _check_identities(self, result: Verification) -> None:
        found = defaultdict[int, Any](hashlib.sha256)
        of = archived_usage.c
        query = select(archived_usage).order_by(of.upper, of.lower).execution_options(yield_per=ROWS_AT_ONCE)
        encode = msgspec.json.Encoder().encode_lines
        with self._connection.execute(query) as rows:
            for part in rows.partitions():
                result.checked[archived_usage.name] += len(part)
                by_archive = defaultdict[int, list[tuple[int, ...]]](list)
                for row in part:
                    by_archive[row.archive_id].append(tuple(row))
                for number, own in by_archive.items():
                    found[number].update(encode(own))
        for entry in self._entries:
            if found.pop(entry.id, hashlib.sha256()).hexdigest() != entry.identities:
                result.problem(f"archive {entry.id}: the identities of its rows are no longer those that were kept")
        for number in islice(found, LISTED_PROBLEMS):
            result.problem(f"archived_usage: identities are of archive {number}, which is missing")

    def _there_twice(self, page: BookedPage) -> list[int]:
        """Returns the ids of archived charges that others in the ledger have."""
        own = set(page.number("id").tolist())
        tables = (table.c.id for table in NUMBERED_AS_CHARGES)
        found = (select(number).where(number.between(min(own), max(own))) for number in tables)
        return sorted(own & {number for query in found for number in self._connection.execute(query).scalars()})

    def _has_sums(self, entry: Row[Any], page: BookedPage) -> bool:
        """Tells whether rows of a file come to the sums in its batch."""
        options = self._connection.execute(select(batches.c.options).where(batches.c.id == entry.batch_id)).scalar()
        tags = TagSubset(msgspec.json.decode(options or "{}").get("rollup_tags", ()))
        charges, facts, alike = page.charges()
        kept = [_by_cell(sums.cells()) for sums in read_lake(self._connection, lake_cells.c.batch_id == entry.batch_id)]
        return {cell: sums for part in kept for cell, sums in part.items()} == _by_cell(
            sum_by_quarter(charges, facts, tags, alike)
        )

    def _page(self, rows: Sequence[PlainRow]) -> BookedPage:
        return page_of(rows, Named(self._connection))

    def _rows_of(self, entry: Row[Any], first: int, last: int) -> list[PlainRow]:
        from ledger.lake.archived_file import rows_between  # an extra's

        return rows_between(self._table_of(entry.id), first, last)

    def _read(self, number: int) -> Any:  # noqa: ANN401 - pyarrow has no types
        from ledger.lake.archived_file import read_archived  # an extra's

        entry = self._opened[number]
        return read_archived(self._lakes[entry.lake], entry.file)


def _by_cell(cells: Cells) -> dict[tuple[Any, int], tuple[int, ...]]:
    sums = zip(*cells.sums.tolist(), cells.last_occurred_at.tolist(), strict=True)
    each: Iterator[tuple[int, int]] = zip(cells.key_place.tolist(), cells.time.tolist(), strict=True)
    return {(cells.keys[place], time): own for (place, time), own in zip(each, sums, strict=True)}
