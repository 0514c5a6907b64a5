"""Rows turned to columns and back."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

# Columns of many rows: what bulk work is done on. Numbers may be arrays.
Columns = Sequence[Any]


def columns_of(rows: Sequence[Sequence[Any]]) -> Columns:
    """Turns rows into columns."""
    return list(zip(*rows, strict=True))


def rows_of(columns: Columns) -> Iterator[tuple[Any, ...]]:
    """Turns columns into rows."""
    return zip(*map(plain, columns), strict=True)


def plain(column: Any) -> Sequence[Any]:  # noqa: ANN401 - a sequence, or an array of any type
    """Returns a column of Python's own values, which an array doesn't have."""
    return column.tolist() if hasattr(column, "tolist") else column  # type: ignore[no-any-return]
