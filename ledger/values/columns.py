"""Rows turned to columns and back."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pricing.money import Int64Array

# Columns of many rows: what bulk work is done on. Numbers may be arrays.
Columns = Sequence[Any]
# Numbers below so many times their count are numbered by a table of all that are below, which is sooner than sorting.
_DENSE = 8


def columns_of(rows: Sequence[Sequence[Any]]) -> Columns:
    """Turns rows into columns."""
    return list(zip(*rows, strict=True))


def rows_of(columns: Columns) -> Iterator[tuple[Any, ...]]:
    """Turns columns into rows."""
    return zip(*map(plain, columns), strict=True)


def plain(column: Any) -> Sequence[Any]:  # noqa: ANN401 - a sequence, or an array of any type
    """Returns a column of Python's own values, which an array doesn't have."""
    return column.tolist() if hasattr(column, "tolist") else column  # type: ignore[no-any-return]


def distinct(numbers: Int64Array) -> Int64Array:
    """Returns the distinct numbers in order."""
    import numpy as np

    return numbers if len(numbers) == 1 else np.unique(numbers)  # one, as of a call that is booked by itself


def numbered(numbers: Int64Array) -> tuple[Int64Array, Int64Array]:
    """Returns the distinct numbers in order, and the place of each number among them."""
    import numpy as np

    if len(numbers) == 1:
        return numbers, np.zeros(1, dtype=np.int64)
    if len(numbers) and numbers.min() >= 0 and (most := int(numbers.max())) < _DENSE * len(numbers):
        place_of = np.zeros(most + 1, dtype=np.int64)
        place_of[numbers] = 1
        found = place_of.nonzero()[0]
        place_of[found] = np.arange(len(found))
        return found, place_of[numbers]
    found, places = np.unique(numbers, return_inverse=True)
    return found, places.astype(np.int64, copy=False)
