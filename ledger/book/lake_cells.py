"""Sums of charges whose rows a lake keeps, read as the book has them: packed rows by half day and key."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from sqlalchemy import ColumnElement, Connection, and_, select

from ledger.book.cells import Cells
from ledger.book.charges import plain_rows
from ledger.book.quarters import unpack_quarters
from ledger.book.records import coded, sum_by_code
from ledger.book.rollups import TagSubset
from ledger.book.seals import amounts_by_currency
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
    """What rows of a lake name, by id: dimensions, and the digest and conversion that seals cover."""

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
        return self._by(lambda key: key if tags is None else key._replace(tags=tags(key.tags)))

    def reversed(self, month_of: Callable[[str], str]) -> Cells:
        """Returns what takes the rows back, posted in the month that a posted month's reversals go to."""
        cells = self._by(
            lambda key: key._replace(charge_class="reversal", posted_month=month_of(key.posted_month)),
        )
        return cells._replace(sums=-cells.sums)

    def _by(self, changed: Callable[[Dimensions], Dimensions]) -> Cells:
        import numpy as np

        found = [row for row in self.rows if row.key_id in self.keys.dimensions]
        if not found:
            empty = np.zeros(0, dtype=np.int64)
            return Cells([], empty, empty, np.zeros((len(MEASURES), 0), dtype=np.int64), empty)
        cells = unpack_quarters([(row.half_day, row.key_id, row.quarters, row.cells) for row in found], lake_cells)
        ids, place = np.unique(cells.key_place, return_inverse=True)
        keys, codes = coded(changed(self.keys.dimensions[number]) for number in ids.tolist())
        return cells._replace(keys=keys, key_place=np.array(codes, dtype=np.int64)[place])

    @property
    def amounts_nano(self) -> dict[str, int]:
        """Nano by currency."""
        return amounts_of(self.cells())


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
