"""Quarter-hours added up as a report asks for them: a database can't read their packed cells."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ledger.book.cells import Cells, summed
from ledger.reports.plan import Plan
from ledger.store.expressions import HALF_BITS, LOWER_HALF
from ledger.store.tables import MEASURES
from ledger.values.calendar import QUARTER_US
from ledger.values.instants import MICROSECOND, to_microseconds

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

DAY_US = 86_400 * 1_000_000
# Local times of 1970 may lie before the epoch and division in SQL truncates towards zero: days count from far before.
DAYS_BEFORE_EPOCH = 1_000_000
# Beyond this, sums may leave 64 bits; they are estimated in floating point.
_CERTAIN = 2.0**62


def sums_of_quarters(
    plan: Plan, groups: Mapping[int, Sequence[Any]], parts: Iterable[Cells]
) -> Iterator[Sequence[Any]]:
    """Yields rows of the group columns, the day where it is needed, the sums and the latest usage.

    `groups` are each key's group columns, by its id. A key's day may come up in several parts.
    """
    measures = [MEASURES.index(name) for name in plan.measures]
    for cells in parts:
        if not len(cells.time):
            continue
        found = _summed_exactly(cells._replace(sums=cells.sums[measures]), _local_times(plan, cells.time))
        sums = found.sums.tolist()
        if plan.halves:
            sums = [half for column in sums for half in _halves(column)]
        day = [found.time.tolist()] if plan.needs_day else []
        keys, latest = found.key_place.tolist(), found.last_occurred_at.tolist()
        for key, *row in zip(keys, *day, *sums, latest, strict=True):
            yield (*groups[key], *row)


def _summed_exactly(cells: Cells, time: npt.NDArray[np.int64]) -> Cells:
    """Sums by key and time, as Python's integers where the sums may pass 64 bits."""
    import numpy as np

    sums: Any = cells.sums
    if np.abs(sums.astype(np.float64)).sum(axis=1).max() > _CERTAIN:
        sums = sums.astype(object)
    return summed([], cells.key_place, time, sums, cells.last_occurred_at)


def _halves(numbers: Sequence[int]) -> tuple[list[int], list[int]]:
    return [number >> HALF_BITS for number in numbers], [number & LOWER_HALF for number in numbers]


def _local_times(plan: Plan, quarters: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Returns what rows are by: the quarter-hour's start, the number of its day in the plan's zone, or nothing."""
    import numpy as np

    instants = quarters * QUARTER_US
    if plan.by_quarter:
        return instants
    if not plan.needs_day:
        return np.zeros_like(quarters)
    shifts = np.array([offset // MICROSECOND + DAYS_BEFORE_EPOCH * DAY_US for _moment, offset in plan.changes])
    changes = [to_microseconds(moment) for moment, _offset in plan.changes[1:]]
    days: npt.NDArray[np.int64] = (instants + shifts[np.searchsorted(changes, instants, side="right")]) // DAY_US
    return days
