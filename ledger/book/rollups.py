"""Sums of charges by day and by quarter-hour, kept in the transaction that posts them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec
from sqlalchemy import Connection, Table

from ledger.book.cells import LATEST, Cells, halves_of, summed, sums_fit
from ledger.book.key_ids import KeyIds, key_ids_of
from ledger.book.quarters import add_quarters
from ledger.book.records import coded
from ledger.book.rows import AMOUNTS, OPTIONAL_AMOUNTS, OPTIONAL_COUNTS, TOKENS, ChargeRow, Facts
from ledger.store.bulk import upsert
from ledger.store.driver import column_names
from ledger.store.tables import MEASURES, rollup_days, rollup_keys, rollup_quarters
from ledger.store.tables.rollups import Dimensions
from ledger.values.calendar import QUARTER_US, Calendar
from ledger.values.columns import Columns, numbered, plain
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
        """Adds sums by quarter-hour; with `halves`, where a day's may pass 64 bits, they are halves already."""
        ids = (self._unkept or key_ids_of(connection, rollup_keys)).of(connection, cells.keys)
        add_quarters(connection, self._quarters, cells.whole(), ids)
        days, by_day = self._sum_by_day(cells)
        if self._halves:
            by_day = by_day.halved()
        columns = by_day.columns(self._days, ids, [days[place] for place in by_day.time.tolist()])
        day, key, *sums = column_names(self._days)
        sums.remove(LATEST)
        upsert(connection, self._days, (day, key), columns, sums=sums, latest=(LATEST,))

    def _sum_by_day(self, cells: Cells) -> tuple[list[str], Cells]:
        """Sums the cells by day: their time is a place among the days, which come first."""
        import numpy as np

        if len(cells.time) == 1:  # as of a call that is booked by itself
            return [self._calendar.day(cells.time.item() * QUARTER_US)], cells._replace(time=np.zeros(1, np.int64))
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


_TAGS = Dimensions._fields.index("tags")
# The rows of MEASURES that count usage: a reversal takes it back, an adjustment has none. The others are money.
_COUNTED_ROWS = [place for place, name in enumerate(MEASURES) if not name.endswith("_nano")]
SIGNS = {"charge": 1, "replacement": 1, "reversal": -1, "adjustment": 0}


def dimensions_of(
    charges: Columns, facts: Columns, tags: TagSubset, places: Sequence[int] | None = None
) -> Iterator[tuple[Any, ...]]:
    """Lists the dimensions of charges, or of those at some places; plain tuples hash as Dimensions do.

    Of its usage are those that a charge doesn't have itself.
    """
    by_name = dict(zip((*Facts._fields, *ChargeRow._fields), (*facts, *charges), strict=True))
    columns = [by_name[name] for name in Dimensions._fields]
    if places is not None:
        columns = [[column[place] for place in places] for column in columns]
    columns[_TAGS] = list(map(tags, columns[_TAGS]))
    return zip(*columns, strict=True)


def sum_by_quarter(
    charges: Columns, facts: Columns, tags: TagSubset, alike: Alike | None = None, *, halves: bool = False
) -> Cells:
    """Sums the charges by dimensions and quarter-hour, with `halves` those of halves where whole sums may pass 64 bits.

    Without, they must fit, which `headroom` sees to before charges are posted.
    """
    import numpy as np

    keys, codes = coded(dimensions_of(charges, facts, tags, None if alike is None else alike.first))
    key_place = np.array(codes, dtype=np.int64)
    if alike is not None:
        key_place = key_place[alike.code]
    usage: Any = Facts._make(facts)  # columns by name
    occurred = np.array(usage.occurred_at, dtype=np.int64)
    measures = _measures(charges, facts)
    if halves and not sums_fit(measures):
        measures = halves_of(measures)
    columns = measures.astype(np.int64, copy=False)
    return summed([Dimensions(*key) for key in keys], key_place, occurred // QUARTER_US, columns, occurred)


def _measures(charges: Columns, facts: Columns) -> npt.NDArray[Any]:
    """Returns a row for each of MEASURES, negative where a reversal takes back; of Python integers past 64 bits."""
    import numpy as np

    charge: Any = ChargeRow._make(charges)  # columns by name, and so is usage
    usage: Any = Facts._make(facts)
    hours = token_hours(facts)
    is_wide = max(hours, default=0) > INT64_MAX
    measures = np.zeros((len(MEASURES), len(hours)), dtype=object if is_wide else np.int64)
    measures[0] = _by_name(usage.kind, lambda kind: kind == "request")
    of_all = (*facts[TOKENS], hours, *charges[AMOUNTS])
    if len(hours) == 1 and charge.charge_class[0] == "charge":  # as of a call that is booked by itself
        few = (*facts[OPTIONAL_COUNTS], *charges[OPTIONAL_AMOUNTS])
        measures[1:, 0] = [column[0] or 0 for column in (*of_all, *few)]
        return measures
    for place, column in enumerate(of_all, 1):
        measures[place] = column
    for place, column in enumerate((*facts[OPTIONAL_COUNTS], *charges[OPTIONAL_AMOUNTS]), 1 + len(of_all)):
        if any(column):  # as nearly never
            measures[place] = [number or 0 for number in column]
    if set(plain(charge.charge_class)) != {"charge"}:
        measures[_COUNTED_ROWS] *= _by_name(charge.charge_class, SIGNS.__getitem__)
    return measures


def _by_name(names: Sequence[str], number: Callable[[str], int]) -> npt.NDArray[np.int64]:
    """Returns a number for each name, of which there are few, and nearly always one."""
    import numpy as np

    names = plain(names)
    known = {name: number(name) for name in set(names)}
    if len(known) == 1:
        return np.full(len(names), known[names[0]], dtype=np.int64)
    return np.array([known[name] for name in names], dtype=np.int64)


def token_hours(facts: Columns) -> list[int]:
    """Computes tokens x clock hours of stored records, 0 for requests; one alone may pass 64 bits."""
    usage: Any = Facts._make(facts)  # columns by name
    kinds = plain(usage.kind)
    hours = [0] * len(kinds)
    if "cache_storage" not in kinds:
        return hours
    starts, ends, tokens = map(plain, (usage.occurred_at, usage.storage_end, usage.storage_tokens))
    for place, kind in enumerate(kinds):
        if kind == "cache_storage":
            start, end = from_microseconds(starts[place]), from_microseconds(ends[place])
            hours[place] = tokens[place] * clock_hours(start, end)
    return hours
