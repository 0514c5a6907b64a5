"""Sums of charges by time and key, in columns."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from sqlalchemy import Table

from ledger.store.binary import Values
from ledger.store.driver import column_names
from ledger.store.tables.rollups import MEASURES, Dimensions
from ledger.values.columns import numbered
from ledger.values.halves import HALF_BITS, LOWER_HALF
from pricing.money import INT64_MAX

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt


LATEST = "last_occurred_at"


class Cells(NamedTuple):
    """Sums in columns: the cell's time, its key's place in `keys`, a column of measures, and the latest usage in it."""

    keys: list[Dimensions]
    time: npt.NDArray[np.int64]
    key_place: npt.NDArray[np.int64]
    sums: npt.NDArray[np.int64]
    last_occurred_at: npt.NDArray[np.int64]

    def columns(self, table: Table, key_ids: Sequence[int], times: Sequence[int | str]) -> list[Values]:
        """Returns the columns of a roll-up table, `times` being as the table has them."""
        columns: list[Values] = [times, [key_ids[place] for place in self.key_place.tolist()], *self.sums]
        columns.insert(column_names(table).index(LATEST), self.last_occurred_at)
        return columns

    def halved(self) -> Cells:
        """Makes two columns of each measure, its halves, where they aren't already."""
        return self if len(self.sums) > len(MEASURES) else self._replace(sums=halves_of(self.sums))

    def whole(self) -> Cells:
        """Joins measures that are two columns each, their halves: of sums past 64 bits the lower 64."""
        if len(self.sums) == len(MEASURES):
            return self
        return self._replace(sums=(self.sums[::2] << HALF_BITS) + self.sums[1::2])


def sums_fit(measures: npt.NDArray[Any]) -> bool:
    """Tells whether no sum of some numbers of a row can pass 64 bits, by the largest of all."""
    largest: int = max(int(measures.max()), -int(measures.min()))
    return largest * len(measures[0]) <= INT64_MAX


def halves_of(measures: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Returns two rows for each row of measures, its upper and its lower half."""
    import numpy as np

    both = np.stack([measures >> HALF_BITS, measures & LOWER_HALF], axis=1)
    return both.reshape(2 * len(measures), -1)


def summed(
    keys: list[Dimensions],
    key_place: npt.NDArray[np.int64],
    time: npt.NDArray[np.int64],
    measures: npt.NDArray[np.int64],
    occurred_at: npt.NDArray[np.int64],
) -> Cells:
    """Sums columns of measures by time and key, in order of both."""
    import numpy as np

    if len(time) == 1:  # as of a call that is booked by itself
        return Cells(keys, time, key_place, measures, occurred_at)
    first, width = time.min(), int(key_place.max()) + 1
    times, time_place = numbered(time - first)
    names, place = numbered(time_place * width + key_place)  # of places, so that products stay small
    sums = np.zeros((len(measures), len(names)), dtype=measures.dtype)
    for row in np.flatnonzero(measures.any(axis=1)):  # many are of what few requests have
        np.add.at(sums[row], place, measures[row])
    latest = np.full(len(names), np.iinfo(np.int64).min)
    np.maximum.at(latest, place, occurred_at)
    time_place, key_place = np.divmod(names, width)
    return Cells(keys, times[time_place] + first, key_place, sums, latest)
