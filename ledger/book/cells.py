"""Sums of charges by time and key, in columns."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from sqlalchemy import Table

from ledger.store.binary import Values
from ledger.store.driver import column_names
from ledger.store.tables.rollups import Dimensions
from ledger.values.halves import HALF_BITS, LOWER_HALF

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
        """Makes two columns of each measure, its halves."""
        return self._replace(sums=halves_of(self.sums))

    def whole(self) -> Cells:
        """Joins measures that are two columns each, their halves: of sums past 64 bits the lower 64."""
        return self._replace(sums=(self.sums[::2] << HALF_BITS) + self.sums[1::2])


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
    order = np.lexsort((key_place, time))
    key_place, time = key_place[order], time[order]
    is_next = (key_place[1:] != key_place[:-1]) | (time[1:] != time[:-1])
    starts = np.concatenate([[0], np.flatnonzero(is_next) + 1])
    return Cells(
        keys,
        time[starts],
        key_place[starts],
        np.add.reduceat(measures[:, order], starts, axis=1),
        np.maximum.reduceat(occurred_at[order], starts),
    )
