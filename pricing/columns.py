"""Columns in, columns out: the arrays that the columnar rating rule in `pricing.charge` works on.

numpy is imported inside functions: a single price needs none.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, TypeAlias

from pricing.errors import InvalidUsage
from pricing.money import INT64_MAX
from pricing.usage import US_PER_SECOND, epoch_us, instant

if TYPE_CHECKING:
    import numpy.typing as npt

    from pricing.money import Int64Array

    Column: TypeAlias = Sequence[Any] | npt.NDArray[Any]

# Stands for "no time"; before any price.
NO_TIME_US = -(2**63)
FIRST_US = epoch_us(dt.datetime.min.replace(tzinfo=dt.UTC))
LAST_US = epoch_us(dt.datetime.max.replace(tzinfo=dt.UTC))
_US_PER_UNIT = {"D": 86_400 * US_PER_SECOND, "h": 3_600 * US_PER_SECOND, "m": 60 * US_PER_SECOND,
                "s": US_PER_SECOND, "ms": 1_000, "us": 1}  # fmt: skip


class ModelColumn(NamedTuple):
    """A model a row by code: `categories[codes[row]]`; code -1 is no model."""

    categories: Sequence[str]
    codes: npt.NDArray[Any]


class Categorical(Protocol):
    """The common part of `ModelColumn` and `pandas.Categorical`."""

    @property
    def categories(self) -> Any:  # noqa: ANN401 - a pandas Index where it is a pandas.Categorical
        """The distinct names."""

    @property
    def codes(self) -> Any:  # noqa: ANN401 - an array of any integer type
        """A position in `categories` a row, or -1."""


ModelNames: TypeAlias = "str | Column | Categorical"


@dataclass(frozen=True, slots=True)
class CountColumn:
    """Counts as int64, below 0 where the row holds no valid count, and the column they came from."""

    values: Int64Array
    source: Column

    def original(self, row: int) -> Any:  # noqa: ANN401 - foreign data, for the scalar rule to refuse
        """Returns the value in `row`, as a Python object."""
        value = self.source[row]
        return value.item() if hasattr(value, "item") else value


@dataclass(frozen=True, slots=True)
class TimeColumn:
    """Microseconds UTC as int64, NO_TIME_US where the row holds no time, and the column they came from."""

    values: Int64Array
    source: Column

    def original(self, row: int) -> Any:  # noqa: ANN401 - foreign data, for the scalar rule to refuse
        """Returns the row's datetime; where it has none, what the column holds."""
        us = int(self.values[row])
        if isinstance(self.source, list) or not FIRST_US <= us <= LAST_US:
            return self.source[row]
        return instant(us)


def count_column(column: Column) -> CountColumn:
    """Reads whole numbers as a column; an array of another type is a TypeError."""
    import numpy as np

    source = _as_source(column)
    if isinstance(source, np.ndarray):
        if source.dtype.kind not in "iu":
            raise TypeError(f"counts are an array of {source.dtype}: pass an integer array or a list of int")
        return CountColumn(source.astype(np.int64, copy=False), source)  # a uint64 past 2**63 - 1 turns negative
    if set(map(type, source)) <= {int} and all(item <= INT64_MAX for item in source):
        return CountColumn(np.array([max(item, -1) for item in source], np.int64), source)
    valid = (item if type(item) is int and 0 <= item <= INT64_MAX else -1 for item in source)
    return CountColumn(np.fromiter(valid, np.int64, len(source)), source)


def time_column(column: Column) -> TimeColumn:
    """Reads aware datetimes, numpy datetime64 (UTC) or numpy int64 (microseconds UTC) as a column."""
    import numpy as np

    source = _as_source(column)
    if not isinstance(source, np.ndarray):
        return TimeColumn(np.fromiter(map(_us_or_none, source), np.int64, len(source)), source)
    if source.dtype == np.int64:
        return TimeColumn(source, source)
    unit, count = np.datetime_data(source.dtype) if source.dtype.kind == "M" else ("", 1)
    if count == 1 and unit in _US_PER_UNIT:
        return TimeColumn(_in_calendar(source.view(np.int64), _US_PER_UNIT[unit]), source)
    if count == 1 and unit == "ns":
        nanoseconds = source.view(np.int64)
        return TimeColumn(np.where(np.isnat(source), NO_TIME_US, nanoseconds // 1_000), source)
    raise TypeError(
        f"times are an array of {source.dtype}: pass aware datetimes, datetime64 of D to ns, or int64 microseconds"
    )


def model_column(model: ModelNames, length: int) -> tuple[list[Any], Int64Array]:
    """Returns distinct names, and a position in them a row, -1 for none; one str is that of all rows."""
    import numpy as np

    if isinstance(model, str):
        return [model], np.zeros(length, np.int64)
    coded: Any = model
    if hasattr(coded, "codes"):
        names = list(coded.categories)
        codes = np.asarray(coded.codes).astype(np.int64, copy=False)
        if len(codes) and (codes.min() < -1 or codes.max() >= len(names)):
            raise ValueError(f"model codes run from {codes.min()} to {codes.max()}: they index {len(names)} categories")
        return names, codes
    items = list(_as_source(model))
    positions: dict[str | int, int] = {}
    # what is no name is its own, so that 1, True and NaN stay apart
    keys = [item if isinstance(item, str) else id(item) for item in items]
    codes = np.array([positions.setdefault(key, len(positions)) for key in keys], np.int64)
    return list(dict(zip(keys, items, strict=True)).values()), codes


def service_column(service_tier: ModelNames | None, length: int) -> tuple[list[Any], Int64Array]:
    """Returns distinct service tiers, the last of them None, and a position in them a row."""
    import numpy as np

    if service_tier is None:
        return [None], np.zeros(length, np.int64)
    names, codes = model_column(service_tier, length)
    return [*names, None], np.where(codes < 0, len(names), codes)


def check_lengths(**columns: Sequence[Any] | Int64Array) -> None:
    """Raises ValueError unless all columns have the same number of rows."""
    lengths = {name: len(column) for name, column in columns.items()}
    if len(set(lengths.values())) > 1:
        message = "columns differ in length: " + ", ".join(f"{name} {length}" for name, length in lengths.items())
        raise ValueError(message)


def _as_source(column: Any) -> Any:  # noqa: ANN401 - the one place that looks at what was handed in
    """Returns a one-dimensional numpy array for what offers one with a number or time type, else a list."""
    import numpy as np

    if not hasattr(column, "__array__"):
        return column if isinstance(column, list) else list(column)
    array = np.asarray(column)
    if array.ndim != 1:
        raise ValueError(f"a column has {array.ndim} dimensions: pass one value a row")
    return array.tolist() if array.dtype.kind in "OUT" else array


def _us_or_none(at: dt.datetime) -> int:
    try:
        return min(epoch_us(at), LAST_US)  # 23:59 of year 9999 west of Greenwich is later than UTC can write
    except InvalidUsage:
        return NO_TIME_US


def _in_calendar(ticks: Int64Array, us_per_tick: int) -> Int64Array:
    """Converts ticks to microseconds; NO_TIME_US outside the years 1 to 9999, NaT included."""
    import numpy as np

    known = (ticks >= -(-FIRST_US // us_per_tick)) & (ticks <= LAST_US // us_per_tick)
    return np.where(known, ticks * us_per_tick, NO_TIME_US)
