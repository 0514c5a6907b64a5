"""Sums of charges by day and by quarter-hour, kept in the transaction that posts them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec
from sqlalchemy import Connection, Table

from ledger.book.cells import LATEST, Cells, summed
from ledger.book.key_ids import KeyIds, key_ids_of
from ledger.book.quarters import add_quarters
from ledger.book.records import coded
from ledger.book.rows import AMOUNTS, OPTIONAL_AMOUNTS, OPTIONAL_COUNTS, TOKENS, ChargeRow, Facts
from ledger.store.bulk import upsert
from ledger.store.tables import rollup_days, rollup_keys, rollup_quarters
from ledger.store.tables.rollups import Dimensions
from ledger.values.calendar import QUARTER_US, Calendar
from ledger.values.columns import Columns, numbered, plain
from ledger.values.halves import HALF_BITS, LOWER_HALF
from ledger.values.instants import from_microseconds
from pricing.money import INT64_MAX
from pricing.usage import clock_hours

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt


class Alike(NamedTuple):
    """Charges of which those of one `code` have the same dimensions; `first` has the place of one of each code."""

    first: list[int]
    code: npt.NDArray[np.int64]


class RollUp:
    """Adds charges to both roll-ups within a transaction.

    `tables` are the roll-ups by day and by quarter-hour. With `halves`, others that have two columns for each measure:
    see `rebuilt`. Without `keeps_keys` new keys aren't stored, so that whoever may only read can add: see KeyIds.
    """

    def __init__(
        self,
        calendar: Calendar,
        rollup_tags: Sequence[str],
        tables: tuple[Table, Table] = (rollup_days, rollup_quarters),
        *,
        halves: bool = False,
        keeps_keys: bool = True,
    ) -> None:
        self._calendar = calendar
        self._tags = TagSubset(rollup_tags)
        self._days, self._quarters = tables
        self._halves = halves
        self._unkept = None if keeps_keys else KeyIds(rollup_keys, keeps=False)

    def add(self, connection: Connection, charges: Columns, facts: Columns, alike: Alike | None = None) -> None:
        """Adds charges, given as columns; `facts` are the columns of each one's usage record."""
        self.add_cells(connection, sum_by_quarter(charges, facts, self._tags, alike, halves=self._halves))

    def add_cells(self, connection: Connection, cells: Cells) -> None:
        """Adds sums by quarter-hour, whose measures are two columns each where this is with `halves`."""
        ids = (self._unkept or key_ids_of(connection, rollup_keys)).of(connection, cells.keys)
        add_quarters(connection, self._quarters, cells.whole() if self._halves else cells, ids)
        days, by_day = self._sum_by_day(cells)
        columns = by_day.columns(self._days, ids, [days[place] for place in by_day.time.tolist()])
        day, key, *sums = self._days.c.keys()
        sums.remove(LATEST)
        upsert(connection, self._days, (day, key), columns, sums=sums, latest=(LATEST,))

    def _sum_by_day(self, cells: Cells) -> tuple[list[str], Cells]:
        """Sums the cells by day: their time is a place among the days, which come first."""
        import numpy as np

        quarters, place_of_quarter = numbered(cells.time)
        day_of_quarter = [self._calendar.day(quarter * QUARTER_US) for quarter in quarters.tolist()]
        days = sorted(set(day_of_quarter))
        place_of_day = {day: place for place, day in enumerate(days)}
        day_places = np.array([place_of_day[day] for day in day_of_quarter], dtype=np.int64)
        return days, summed(
            cells.keys, cells.key_place, day_places[place_of_quarter], cells.sums, cells.last_occurred_at
        )


class TagSubset:
    """The rolled-up keys of a record's tags, as JSON; remembers what it has seen."""

    def __init__(self, keys: Sequence[str]) -> None:
        self._keys = tuple(sorted(keys))
        self._known: dict[str, str] = {"{}": "{}"}

    def __call__(self, tags: str) -> str:
        if not self._keys:
            return "{}"
        found = self._known.get(tags)
        if found is None:
            values = msgspec.json.decode(tags)
            kept = {key: values[key] for key in self._keys if key in values}
            found = self._known[tags] = msgspec.json.encode(kept, order="sorted").decode()
        return found


SIGNS = {"charge": 1, "replacement": 1, "reversal": -1, "adjustment": 0}


def dimensions_of(charges: Columns, facts: Columns, tags: TagSubset) -> Iterator[tuple[Any, ...]]:
    """Lists each charge's dimensions, of its usage what it doesn't have itself; plain tuples hash as Dimensions do."""
    usage = dict(zip(Facts._fields, facts, strict=True))
    usage["tags"] = list(map(tags, usage["tags"]))
    by_name = usage | dict(zip(ChargeRow._fields, charges, strict=True))
    return zip(*(by_name[name] for name in Dimensions._fields), strict=True)


def sum_by_quarter(
    charges: Columns, facts: Columns, tags: TagSubset, alike: Alike | None = None, *, halves: bool = False
) -> Cells:
    """Sums the charges by dimensions and quarter-hour: each measure whole, or as its upper and its lower half.

    Whole sums must fit into 64 bits, which `headroom` sees to before charges are posted; those of halves always do.
    """
    import numpy as np

    if alike is None:
        keys, codes = coded(dimensions_of(charges, facts, tags))
        key_place = np.array(codes, dtype=np.int64)
    else:
        keys, codes = coded(dimensions_of(_taken(charges, alike.first), _taken(facts, alike.first), tags))
        key_place = np.array(codes, dtype=np.int64)[alike.code]
    usage: Any = Facts._make(facts)  # columns by name
    occurred = np.array(usage.occurred_at, dtype=np.int64)
    measures = _measures(charges, facts)
    if halves:
        measures = [half for measure in measures for half in _halves(measure)]
    columns = np.array(measures, dtype=np.int64)
    return summed([Dimensions(*key) for key in keys], key_place, occurred // QUARTER_US, columns, occurred)


def _measures(charges: Columns, facts: Columns) -> list[npt.NDArray[Any]]:
    """Returns a column for each of MEASURES, negative where a reversal takes back; of Python integers past 64 bits."""
    import numpy as np

    charge: Any = ChargeRow._make(charges)  # columns by name, and so is usage
    usage: Any = Facts._make(facts)
    sign = _by_name(charge.charge_class, SIGNS.__getitem__)
    hours = token_hours(facts)
    wide = max(hours, default=0) > INT64_MAX
    return [
        sign * _by_name(usage.kind, lambda kind: kind == "request"),
        *(sign * np.array(column, dtype=np.int64) for column in facts[TOKENS]),
        sign * np.array(hours, dtype=object if wide else np.int64),
        *(np.array(column, dtype=np.int64) for column in charges[AMOUNTS]),
        *(sign * _counted(column) for column in facts[OPTIONAL_COUNTS]),
        *map(_counted, charges[OPTIONAL_AMOUNTS]),
    ]


def _by_name(names: Sequence[str], number: Callable[[str], int]) -> npt.NDArray[np.int64]:
    """Returns a number for each name, of which there are few, and nearly always one."""
    import numpy as np

    names = plain(names)
    known = {name: number(name) for name in set(names)}
    if len(known) == 1:
        return np.full(len(names), known[names[0]], dtype=np.int64)
    return np.array([known[name] for name in names], dtype=np.int64)


def _taken(columns: Columns, places: Sequence[int]) -> Columns:
    """Returns the columns of the rows at these places."""
    return [[column[place] for place in places] for column in columns]


def _counted(column: Sequence[int | None]) -> npt.NDArray[np.int64]:
    """Returns a column of numbers, 0 where there is none."""
    import numpy as np

    if not any(column):  # as nearly always
        return np.zeros(len(column), dtype=np.int64)
    return np.array([number or 0 for number in column], dtype=np.int64)


def _halves(measure: npt.NDArray[Any]) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Returns the upper half of each number and its lower 32 bits."""
    import numpy as np

    return (measure >> HALF_BITS).astype(np.int64), (measure & LOWER_HALF).astype(np.int64)


def token_hours(facts: Columns) -> list[int]:
    """Computes tokens x clock hours of stored records, 0 for requests; one alone may pass 64 bits."""
    usage: Any = Facts._make(facts)  # columns by name
    kinds = plain(usage.kind)
    hours = [0] * len(kinds)
    if "cache_storage" not in kinds:
        return hours
    starts = plain(usage.occurred_at)
    for place, kind in enumerate(kinds):
        if kind == "cache_storage":
            start, end = from_microseconds(starts[place]), from_microseconds(usage.storage_end[place])
            hours[place] = usage.storage_tokens[place] * clock_hours(start, end)
    return hours
