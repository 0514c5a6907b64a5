"""Arrow columns of usage as numpy arrays: texts by code, counts and times as int64."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pricing.columns import NO_TIME_US, time_column
from pricing.errors import RecordError
from pricing.record_fields import COUNTS, FEW_HAVE, READERS
from pricing.record_values import PENDING_STATUSES

if TYPE_CHECKING:
    import numpy.typing as npt

    from pricing.money import Int64Array

    Mask = npt.NDArray[np.bool_]

# Texts that many rows have alike.
LABELS = ("kind", "status", "provider", "source", "requested_model", "reported_model", "project", "service_tier")
ALL_COUNTS = (*COUNTS, *FEW_HAVE, "tool_calls")


class Texts(NamedTuple):
    """A column by code: the distinct texts as its field reads them, and the codes of those that it refuses."""

    values: list[Any]
    codes: Int64Array
    refused: Mask

    def rows(self, matches: Mask) -> Mask:
        """Returns the rows whose code matches."""
        return matches.take(self.codes) if matches.any() else np.zeros(len(self.codes), bool)

    def among(self, *values: object) -> Mask:
        """Returns the rows that have one of these values."""
        return self.rows(np.array([value in values for value in self.values], bool))


@dataclass(frozen=True, slots=True)
class Usage:
    """The rows of a batch: `arrow` as they came, the rest as arrays, with what a row lacks as 0 or NO_TIME_US."""

    length: int
    arrow: dict[str, Any]
    labels: dict[str, Texts]
    counts: dict[str, Int64Array]
    times: dict[str, Int64Array]
    is_storage: Mask
    is_pending: Mask

    @classmethod
    def of(cls, columns: dict[str, Any], length: int) -> Usage:
        """Reads a batch's columns."""
        labels = {name: _texts(name, columns.get(name), length) for name in LABELS}
        return cls(
            length,
            columns,
            labels,
            {name: _counts(columns.get(name), length) for name in (*ALL_COUNTS, "tokens")},
            {name: _times(columns.get(name), length) for name in ("occurred_at", "start", "end")},
            labels["kind"].among("cache_storage"),
            labels["status"].among(*PENDING_STATUSES),
        )

    @property
    def begins(self) -> Int64Array:
        """The time that a row is priced by."""
        return np.where(self.is_storage, self.times["start"], self.times["occurred_at"])

    def lacks(self, name: str) -> Mask:
        """Returns the rows without a value in a column."""
        if name not in self.arrow:
            return np.ones(self.length, bool)
        return mask_of(self.arrow[name].is_null())


def mask_of(column: Any) -> Mask:  # noqa: ANN401 - pyarrow has no types
    """Returns a column of truth values as an array; null is True."""
    mask: Mask = pc.fill_null(column, True).to_numpy(zero_copy_only=False)
    return mask


def distinct(*codes: Int64Array) -> tuple[Int64Array, Int64Array]:
    """Numbers distinct combinations of codes; returns a row of each, and each row's number."""
    combined = codes[0]
    for code in codes[1:]:
        if code.any():  # numbered anew each time, so that products stay small
            _rows, combined = _numbered(combined * (int(code.max()) + 1) + code)
    return _numbered(combined)


def _numbered(codes: Int64Array) -> tuple[Int64Array, Int64Array]:
    number = pa.array(codes).dictionary_encode().indices.to_numpy().astype(np.int64)
    rows = np.empty(int(number.max(initial=-1)) + 1, np.int64)
    rows[number] = np.arange(len(number))
    return rows, number


def _texts(name: str, column: Any, length: int) -> Texts:  # noqa: ANN401 - pyarrow has no types
    stated: list[str | None] = [None]
    codes = np.zeros(length, np.int64)
    if column is not None:
        coded = column if pa.types.is_dictionary(column.type) else column.dictionary_encode()
        stated = [*coded.dictionary.to_pylist(), None]
        codes = coded.indices.cast(pa.int64()).fill_null(len(stated) - 1).to_numpy()
    values, refused = [], np.zeros(len(stated), bool)
    for place, text in enumerate(stated):
        try:
            values.append(READERS[name](text, name))
        except RecordError:
            values.append(None)
            refused[place] = True
    return Texts(values, codes, refused)


def _counts(column: Any, length: int) -> Int64Array:  # noqa: ANN401 - pyarrow has no types
    """Returns counts with 0 for null; one past 2**63 - 1 turns negative."""
    if column is None:
        return np.zeros(length, np.int64)
    counts: Int64Array = column.fill_null(0).to_numpy().astype(np.int64, copy=False)
    return counts


def _times(column: Any, length: int) -> Int64Array:  # noqa: ANN401 - pyarrow has no types
    if column is None:
        return np.full(length, NO_TIME_US)
    ticks = column.view(pa.int64()).fill_null(NO_TIME_US).to_numpy()
    return time_column(ticks.view(f"datetime64[{column.type.unit}]")).values
