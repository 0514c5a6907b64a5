"""Roll-ups recomputed from charges, in temporary tables that no order of adding can overflow.

Each measure is two columns there, its upper and its lower half: only what a cell comes to in the end has to fit into
64 bits, whatever it came to on the way.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from sqlalchemy import Column, Connection, MetaData, Table, text

from ledger.book.cells import Cells, sums_fit
from ledger.book.rollups import Alike, RollUp
from ledger.store.tables import MEASURES, rollup_days, rollup_quarters
from ledger.store.tables.columns import BigInt
from ledger.values.calendar import Calendar
from ledger.values.columns import Columns
from ledger.values.halves import HALF_BITS, LOWER_HALF

UPPER_MOST = 2 ** (63 - HALF_BITS) - 1


class TooLarge(NamedTuple):
    """A cell that the roll-up `table` can't hold: its time as the table has it, its key, and what passes 64 bits."""

    table: str
    time: str | int
    key_id: int
    measure: str


class RebuiltRollUps:
    """Both roll-ups as the charges that are added make them. The tables last as long as the transaction, or `drop`.

    Keys that are new are stored with `keeps_keys` alone.
    """

    def __init__(
        self, connection: Connection, calendar: Calendar, rollup_tags: Sequence[str], *, keeps_keys: bool = False
    ) -> None:
        self._connection = connection
        self._metadata = MetaData()
        self._tables = {kept.name: _in_halves(kept, self._metadata) for kept in (rollup_days, rollup_quarters)}
        self._metadata.create_all(connection)
        days, quarters = self._tables.values()
        self._roll_up = RollUp(calendar, rollup_tags, (days, quarters), halves=True, keeps_keys=keeps_keys)

    def add(self, charges: Columns, facts: Columns, alike: Alike | None = None) -> None:
        """Adds charges, given as columns; `facts` are the columns of each one's usage record."""
        if charges and len(charges[0]):
            self._roll_up.add(self._connection, charges, facts, alike)

    def add_cells(self, cells: Cells) -> None:
        """Adds sums that are booked as such."""
        if len(cells.time):
            self._roll_up.add_cells(self._connection, cells if sums_fit(cells.sums) else cells.halved())

    def too_large(self) -> Iterator[TooLarge]:
        """Yields days whose sums don't fit into 64 bits; where a day's fit, its quarter-hours' do: see `headroom`."""
        uppers = [_upper(name) for name in MEASURES]
        outside = " OR ".join(f"{upper} NOT BETWEEN {-UPPER_MOST - 1} AND {UPPER_MOST}" for upper in uppers)
        rebuilt = self._tables[rollup_days.name].name
        query = text(f"SELECT day, key_id, {', '.join(uppers)} FROM {rebuilt} WHERE {outside}")
        for day, key_id, *sums in self._connection.execute(query):
            for measure, upper in zip(MEASURES, sums, strict=True):
                if not -UPPER_MOST - 1 <= upper <= UPPER_MOST:
                    yield TooLarge(rollup_days.name, day, key_id, measure)

    def cells(self, kept: Table) -> str:
        """Returns a SELECT of the roll-up's columns, in its order; of a cell that is `too_large`, its lower 64 bits."""
        columns = ", ".join(_whole(column.name) if column.name in MEASURES else column.name for column in kept.c)
        return f"SELECT {columns} FROM {self._tables[kept.name].name}"

    def drop(self) -> None:
        """Drops the tables, where the transaction is kept."""
        self._metadata.drop_all(self._connection)


def _in_halves(kept: Table, metadata: MetaData) -> Table:
    """Returns a temporary table of the roll-up's columns, with two for each measure."""
    columns: list[Column[int]] = []
    for name, column in kept.c.items():
        if name in MEASURES:
            columns += [Column(f"{name}_{half}", BigInt, nullable=False) for half in ("upper", "lower")]
        else:
            columns.append(Column(name, column.type, primary_key=column.primary_key))
    return Table(f"rebuilt_{kept.name}", metadata, *columns, prefixes=["TEMPORARY"])


def _upper(name: str) -> str:
    """Returns the upper half with what lower halves came to beyond their 32 bits."""
    return f"({name}_upper + ({name}_lower >> {HALF_BITS}))"


def _whole(name: str) -> str:
    return f"({_upper(name)} << {HALF_BITS}) | ({name}_lower & {LOWER_HALF}) AS {name}"
