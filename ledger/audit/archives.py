"""Rows that were archived, read from the files that have them as far as these are opened."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from functools import lru_cache
from operator import itemgetter
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import Connection, Row, select

from ledger.audit.verification import Verification
from ledger.book.booked_pages import BookedPage, Named, page_of
from ledger.book.charges import PlainRow
from ledger.book.lake_cells import LakePage
from ledger.book.rows import ChargeRow
from ledger.book.seals import StoredUsage
from ledger.errors import LedgerError
from ledger.store.tables import archives, lake_cells, lake_keys
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
        self._closed: list[Row[Any]] = []
        self._months: dict[int, set[str]] = {}
        # Rows of a page may be in a file of one month and of the next.
        self._table_of = lru_cache(2)(self._read)
        # Records that batches lack, of files that aren't opened.
        self.missing = 0

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
        self._closed = [entry for entry in self._entries if entry.id not in self._opened]

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
    def entries(self) -> Sequence[Row[Any]]:
        """The entries of all that was archived, by first id."""
        return self._entries

    @property
    def opened(self) -> Sequence[Row[Any]]:
        """The entries whose files are opened."""
        return list(self._opened.values())

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
        return any(month in self._months[entry.batch_id] for entry in self._closed)

    def lacks(self, batch: Row[Any], usage: StoredUsage) -> bool:
        """Tells whether rows of a batch lie in files that aren't opened, with the `usage` that is here; counts them."""
        missing = batch.last_usage_record_id - batch.first_usage_record_id + 1 - len(usage)
        first, last = batch.first_charge_id, batch.last_charge_id
        if missing <= 0 or not any(entry.first_id <= last and first <= entry.last_id for entry in self._closed):
            return False
        self.missing += missing
        return True

    def counted(self, sums: LakePage) -> LakePage:
        """Returns sums but those whose charges are read from opened files."""
        read = {entry.batch_id for entry in self._opened.values()}
        return sums._replace(rows=[row for row in sums.rows if row.batch_id not in read])

    def page(self, entry: Row[Any]) -> BookedPage:
        """Reads an opened file."""
        return self._page(self._rows_of(entry, entry.first_id, entry.last_id))

    def _page(self, rows: Sequence[PlainRow]) -> BookedPage:
        return page_of(rows, Named(self._connection))

    def _rows_of(self, entry: Row[Any], first: int, last: int) -> list[PlainRow]:
        from ledger.lake.archived_file import rows_between  # an extra's

        return rows_between(self._table_of(entry.id), first, last)

    def _read(self, number: int) -> Any:  # noqa: ANN401 - pyarrow has no types
        from ledger.lake.archived_file import read_archived  # an extra's

        entry = self._opened[number]
        return read_archived(self._lakes[entry.lake], entry.file)
