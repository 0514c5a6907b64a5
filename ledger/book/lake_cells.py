"""Sums of charges whose rows a lake keeps, read as the book has them: packed rows by half day and key."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from sqlalchemy import ColumnElement, Connection, and_, select

from ledger.book.cells import Cells
from ledger.book.charges import plain_rows
from ledger.book.open_months import posted_month
from ledger.book.quarters import unpack_quarters
from ledger.book.records import coded, sum_by_code
from ledger.book.rollups import TagSubset
from ledger.book.seals import amounts_by_currency
from ledger.errors import LedgerError
from ledger.store.expressions import microseconds
from ledger.store.tables import MEASURES, lake_cells, lake_keys
from ledger.store.tables.rollups import Dimensions

ROWS = 2_000
_AMOUNT = MEASURES.index("amount_nano")
_SELECTED = select(
    *(microseconds(column) if column.name == "half_day" else column for column in lake_cells.c)
).order_by(lake_cells.c.id)


class LakeRow(NamedTuple):
    """A row of `lake_cells`, in the table's order; `half_day` is in microseconds."""

    id: int
    batch_id: int
    key_id: int
    half_day: int
    quarters: int
    cells: bytes
    corrects_id: int | None


class LakeKeys:
    """The keys that rows of a lake name, by id: dimensions, and the digest and conversion that seals cover."""

    def __init__(self, connection: Connection) -> None:
        rows = plain_rows(connection, select(lake_keys))
        self.dimensions = {number: Dimensions(*values) for number, _digest, *values in rows}
        self.sealed = {row[0]: (row[1], self.dimensions[row[0]].conversion_id) for row in rows}


class LakePage(NamedTuple):
    """Rows by id, and what they name."""

    rows: Sequence[LakeRow]
    keys: LakeKeys

    def between(self, first: int, last: int) -> LakePage:
        """Returns the rows of ids between two."""
        return self._replace(rows=[row for row in self.rows if first <= row.id <= last])

    def cells(self, tags: TagSubset | None = None) -> Cells:
        """Returns what the rows hold, by dimensions, of the tags those in the subset.

        A row whose key is gone, as only tampering can make it, is left out: `verify` counts.
        """
        import numpy as np

        page = self._replace(rows=[row for row in self.rows if row.key_id in self.keys.dimensions])
        if not page.rows:
            empty = np.zeros(0, dtype=np.int64)
            return Cells([], empty, empty, np.zeros((len(MEASURES), 0), dtype=np.int64), empty)
        keys = [self.keys.dimensions[row.key_id] for row in page.rows]
        if tags is not None:
            keys = [key._replace(tags=tags(key.tags)) for key in keys]
        return merged(page.by_row()._replace(keys=keys))

    def key_of(self, row: LakeRow) -> Dimensions:
        """Returns what a row's charges have alike; LedgerError where its key is gone."""
        key = self.keys.dimensions.get(row.key_id)
        if key is None:
            raise LedgerError(f"lake sum {row.id}: the key that it names is missing: 'tollbook verify' says more")
        return key

    def by_row(self) -> Cells:
        """Returns the cells row by row, in order: the place of a key is that of the row."""
        import numpy as np

        cells = unpack_quarters([(row.half_day, row.key_id, row.quarters, row.cells) for row in self.rows], lake_cells)
        counts = [row.quarters.bit_count() for row in self.rows]
        return cells._replace(key_place=np.repeat(np.arange(len(counts)), counts))

    @property
    def amounts_nano(self) -> dict[str, int]:
        """Nano by currency."""
        return amounts_of(self.cells())


def merged(cells: Cells) -> Cells:
    """Returns cells whose keys come several times with each key once."""
    import numpy as np

    keys, codes = coded(cells.keys)
    return cells._replace(keys=keys, key_place=np.array(codes, dtype=np.int64)[cells.key_place])


def reversal_of(key: Dimensions, first_open: str) -> Dimensions:
    """Returns the dimensions of what takes charges back: in their month, or the first open one after it."""
    return key._replace(charge_class="reversal", posted_month=posted_month(key.posted_month, first_open))


def amounts_of(cells: Cells) -> dict[str, int]:
    """Sums the nano of cells by currency."""
    parts = sum_by_code(cells.sums[_AMOUNT], cells.key_place)
    named = zip(cells.keys, parts, strict=False)  # of the keys that are used
    return amounts_by_currency((key.currency, amount) for key, (amount, count) in named if count)


def lake_page(connection: Connection, keys: LakeKeys, first: int, last: int) -> LakePage:
    """Reads the rows of ids between two, of which there must be few."""
    found = plain_rows(connection, _SELECTED.where(lake_cells.c.id.between(first, last)))
    return LakePage([LakeRow(*row) for row in found], keys)


def read_lake(connection: Connection, condition: ColumnElement[bool]) -> Iterator[LakePage]:
    """Reads the rows that meet a condition, by id, in pages."""
    keys: LakeKeys | None = None
    after = 0
    while found := plain_rows(connection, _SELECTED.limit(ROWS).where(and_(condition, lake_cells.c.id > after))):
        keys = keys or LakeKeys(connection)
        yield LakePage([LakeRow(*row) for row in found], keys)
        after = found[-1][0]


def lake_sources(connection: Connection, condition: ColumnElement[bool] | None = None) -> list[str]:
    """Returns the sources, in order, whose sums of a lake meet a condition on `lake_keys`, all of them without one.

    What was posted and voided counts: it is in the book, and its rows are in no table.
    """
    query = select(lake_keys.c.source).distinct().order_by(lake_keys.c.source)
    return list(connection.execute(query if condition is None else query.where(condition)).scalars())


def posted_in(month: str) -> ColumnElement[bool]:
    """Tells, in SQL, whether a row of `lake_cells` is posted in a month."""
    return lake_cells.c.key_id.in_(select(lake_keys.c.id).where(lake_keys.c.posted_month == month))
