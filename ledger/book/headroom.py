"""The room for charges in roll-ups, whose sums end at 64 bits: looked at before anything is appended.

Only days and the measures in BOUNDING are looked at. Charges, replacements and reversals have cells of their own, in
which no two amounts differ in sign: so a quarter-hour never passes its day, cached and written input never the input,
and a meter never the amount. An adjustment is an amount in the first quarter-hour of its month, and the only one of its
day.
"""

from __future__ import annotations

from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from operator import add, mul, neg
from typing import TYPE_CHECKING, Any, NamedTuple

from sqlalchemy import Connection

from ledger.book.cells import Cells
from ledger.book.records import coded, sum_by_code
from ledger.book.rollups import SIGNS, TagSubset, dimensions_of, token_hours
from ledger.book.rows import ChargeRow, Facts
from ledger.errors import LedgerError
from ledger.store.bulk import rows_by_key
from ledger.store.driver import run
from ledger.store.log import memory_while_alone
from ledger.store.tables import MEASURES
from ledger.store.tables.rollups import Dimensions
from ledger.values.calendar import QUARTER_US, Calendar
from ledger.values.columns import Columns, distinct, numbered, plain
from pricing.money import INT64_MAX, format_nano

if TYPE_CHECKING:
    from pricing.money import Int64Array

BOUNDING = ("input_tokens", "output_tokens", "storage_token_hours", "calls", "amount_nano")
_BOUNDING_ROWS = [MEASURES.index(name) for name in BOUNDING]
INT64_MIN = -(2**63)
LISTED_DAYS = 400

_AMOUNT = ChargeRow._fields.index("amount_nano")
_STANDING = f"""
    SELECT k0, k1, {", ".join(f"d.{name}" for name in BOUNDING)}
    FROM {{keys}} JOIN rollup_keys k ON k.digest = k0 JOIN rollup_days d ON d.key_id = k.id AND d.day = k1
"""
_FULLEST = f"SELECT day, {', '.join(f'max({name}), min({name})' for name in BOUNDING)} FROM rollup_days"


class Cell(NamedTuple):
    """A day's sums: dimensions in the order of Dimensions, and the day YYYY-MM-DD in the ledger's zone."""

    key: tuple[Any, ...]
    day: str


Sums = tuple[int, ...]  # in the order of BOUNDING


class Headroom:
    """Compares charges that are about to be posted with what the cells hold; the caller holds the write lock."""

    def __init__(self, calendar: Calendar, rollup_tags: Sequence[str]) -> None:
        self._calendar = calendar
        self._tags = TagSubset(rollup_tags)

    def is_ample(self, connection: Connection, occurred_at: Sequence[int] | Int64Array, parts: Sequence[Any]) -> bool:
        """Tells whether the largest part, as often as there are parts, fits even into the fullest cell of their days.

        That is quickly seen, and nearly always so; the fullest cells are remembered, as full as they may be by then.
        `parts` are columns in the order of BOUNDING.
        """
        import numpy as np

        added = [_largest(column) * len(column) for column in parts]
        quarters = distinct(np.asarray(occurred_at) // QUARTER_US)
        days = sorted({self._calendar.day(quarter * QUARTER_US) for quarter in quarters.tolist()})
        fullest: dict[str, list[int]] = memory_while_alone(connection).setdefault(Headroom, {})
        if not fullest.keys() >= set(days):
            fullest.update(_fullest(connection, days))
        full = {day: list(map(add, fullest.pop(day), added)) for day in days}
        if max(map(max, full.values())) > INT64_MAX:
            return False
        fullest.update(full)
        return True

    def refusals(
        self,
        connection: Connection,
        charges: Columns,
        facts: Columns,
        recorded: AbstractSet[tuple[str, str, str]],
        sums: dict[Cell, Sums],
    ) -> dict[int, str]:
        """Finds the records, in order, that a cell has no room for after those before them: by place, why.

        Identities that are `recorded`, or come a second time, add nothing. The others are added to `sums`, which holds
        cells that were looked at before, as they are by now.
        """
        usage: Any = Facts._make(facts)  # columns by name
        parts = self._parts(charges, facts)
        sums |= self._standing(connection, {cell for cell, _part in parts} - sums.keys())
        taken, refused = set(recorded), {}
        identities = zip(usage.request_id, usage.source, usage.kind, strict=True)
        for place, (identity, (cell, part)) in enumerate(zip(identities, parts, strict=True)):
            if identity in taken:
                continue
            total = tuple(map(add, sums[cell], part))
            passed = _passed(cell, total)
            if passed is None:
                sums[cell] = total
                taken.add(identity)
            else:
                refused[place] = f"{passed}; correct the record, or record it under another project"
        return refused

    def check(self, connection: Connection, charges: Columns, facts: Columns) -> None:
        """Raises a LedgerError where a cell would end up past 64 bits; what it comes to on the way doesn't matter."""
        usage: Any = Facts._make(facts)  # columns by name
        parts = (usage.input_tokens, usage.output_tokens, token_hours(facts), usage.calls, charges[_AMOUNT])
        if self.is_ample(connection, usage.occurred_at, parts):
            return
        added = self._parts(charges, facts)
        sums = self._standing(connection, {cell for cell, _part in added})
        for cell, part in added:
            sums[cell] = tuple(map(add, sums[cell], part))
        for cell, total in sums.items():
            passed = _passed(cell, total)
            if passed is not None:
                month = Dimensions(*cell.key).posted_month
                raise LedgerError(
                    f"{passed}; nothing was changed: give less, or another project, or do it once {month} is closed"
                )

    def check_cells(self, connection: Connection, cells: Cells, sums: dict[Cell, Sums]) -> None:
        """Raises a LedgerError where a day has no room for a lake's sums of one sign.

        They are added to `sums`, which holds days that were looked at before, as they are by now.
        """
        import numpy as np

        memory_while_alone(connection).pop(Headroom, None)
        quarters, quarter = numbered(cells.time)
        days, day = coded(self._calendar.day(each * QUARTER_US) for each in quarters.tolist())
        names, code = numbered(cells.key_place * len(days) + np.array(day, dtype=np.int64)[quarter])
        found = [Cell(tuple(cells.keys[name // len(days)]), days[name % len(days)]) for name in names.tolist()]
        parts = [[part for part, _count in sum_by_code(cells.sums[place], code)] for place in _BOUNDING_ROWS]
        sums |= self._standing(connection, set(found) - sums.keys())
        for cell, *part in zip(found, *parts, strict=True):
            sums[cell] = total = tuple(map(add, sums[cell], part))
            if (passed := _passed(cell, total)) is not None:
                raise LedgerError(f"{passed}; nothing was posted: price the usage under another project")

    def _parts(self, charges: Columns, facts: Columns) -> list[tuple[Cell, Sums]]:
        """Returns the cell of each charge, and what it adds to it."""
        charge: Any = ChargeRow._make(charges)  # columns by name, and so is usage
        usage: Any = Facts._make(facts)
        signs = [SIGNS[name] for name in charge.charge_class]
        calls = [count or 0 for count in usage.calls]
        counts = (plain(usage.input_tokens), plain(usage.output_tokens), token_hours(facts), calls)
        cells = map(Cell, dimensions_of(charges, facts, self._tags), map(self._calendar.day, plain(usage.occurred_at)))
        parts = zip(*(map(mul, signs, column) for column in counts), plain(charge.amount_nano), strict=True)
        return list(zip(cells, parts, strict=True))

    @staticmethod
    def _standing(connection: Connection, cells: AbstractSet[Cell]) -> dict[Cell, Sums]:
        by_digest = {(Dimensions(*cell.key).digest, cell.day): cell for cell in cells}
        sums: dict[Cell, Sums] = dict.fromkeys(sorted(cells, key=str), (0,) * len(BOUNDING))
        for digest, day, *total in rows_by_key(connection, _STANDING, list(by_digest)):
            sums[by_digest[digest, day]] = tuple(total)
        return sums


def _fullest(connection: Connection, days: Sequence[str]) -> dict[str, list[int]]:
    """Reads the largest absolute value of each sum in any cell, by day."""
    on_days, between = f"IN ({', '.join('?' * len(days))})", days
    if len(days) > LISTED_DAYS:
        on_days, between = "BETWEEN ? AND ?", [days[0], days[-1]]
    rows = run(connection, f"{_FULLEST} WHERE day {on_days} GROUP BY day", between)
    found = {day: list(map(max, sums[::2], map(neg, sums[1::2]))) for day, *sums in rows}
    return dict.fromkeys(days, [0] * len(BOUNDING)) | found


def _largest(column: Sequence[int | None] | Int64Array) -> int:
    """Returns the largest absolute value."""
    if isinstance(column, Sequence):
        return max(map(abs, filter(None, column)), default=0)
    if len(column) == 1:
        return abs(int(column[0]))
    return max(int(column.max()), -int(column.min()))


def _passed(cell: Cell, total: Sums) -> str | None:
    """Says which sum ends past 64 bits; None where all fit."""
    for name, value in zip(BOUNDING, total, strict=True):
        if not INT64_MIN <= value <= INT64_MAX:
            key = Dimensions(*cell.key)
            is_money = name == "amount_nano"
            what = f"the amount in {key.currency}" if is_money else name
            said, most = (format_nano(value), format_nano(INT64_MAX)) if is_money else (str(value), str(INT64_MAX))
            return (
                f"{what} of project {key.project!r} and {key.billed_model} on {cell.day} would come to {said}: "
                f"a day's sum holds at most {most}"
            )
    return None
