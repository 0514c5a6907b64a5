"""Quarter-hours added up as a report asks for them: a database can't read their packed cells."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ledger.book.cells import Cells, summed
from ledger.reports.plan import Plan
from ledger.store.tables import MEASURES
from ledger.values.calendar import QUARTER_US
from ledger.values.halves import HALF_BITS, LOWER_HALF
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
    plan: Plan, groups: Mapping[int, tuple[Any, ...]], parts: Iterable[Cells]
) -> Iterator[Sequence[Any]]:
    """Yields rows of the group columns, the day where it is needed, the sums and the latest usage.

    `groups` are each key's group columns, by its id. A group's day may come up in several parts.
    """
    import numpy as np

    measures = [MEASURES.index(name) for name in plan.measures]
    ids = sorted(groups)
    places: dict[tuple[Any, ...], int] = {}
    group_of = np.array([places.setdefault(groups[number], len(places)) for number in ids])
    names = list(places)
    for cells in parts:
        group = group_of[np.searchsorted(ids, cells.key_place)]
        found = _summed_exactly(group, _local_times(plan, cells.time), cells.sums[measures], cells.last_occurred_at)
        sums = found.sums.tolist()
        if plan.halves:
            sums = [half for column in sums for half in _halves(column)]
        day = [found.time.tolist()] if plan.needs_day else []
        columns = (found.key_place.tolist(), *day, *sums, found.last_occurred_at.tolist())
        for place, *row in zip(*columns, strict=True):
            yield (*names[place], *row)


def _summed_exactly(
    group: npt.NDArray[np.int64],
    time: npt.NDArray[np.int64],
    measures: npt.NDArray[Any],
    occurred_at: npt.NDArray[np.int64],
) -> Cells:
    """Sums by group and time, as Python's integers where the sums may pass 64 bits."""
    import numpy as np

    if np.abs(measures.astype(np.float64)).sum(axis=1).max() > _CERTAIN:
        measures = measures.astype(object)
    return summed([], group, time, measures, occurred_at)


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
