"""Pieces of SQL that several rooms write alike."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, and_, literal_column, true, type_coerce
from sqlalchemy.types import BigInteger

from ledger.values.halves import HALF_BITS, LOWER_HALF

ROWS_AT_ONCE = 5_000


def column_within(column: ColumnElement[Any], start: object, end: object) -> ColumnElement[bool]:
    """Tells, in SQL, whether the column lies in [start, end); None is open."""
    conditions: list[ColumnElement[bool]] = [true()]
    if start is not None:
        conditions.append(column >= start)
    if end is not None:
        conditions.append(column < end)
    return and_(*conditions)


def microseconds(instant: ColumnElement[datetime]) -> ColumnElement[int]:
    """Returns the instant column as the integer that is stored."""
    return type_coerce(instant, BigInteger)


def literal_int(value: int) -> ColumnElement[int]:
    """Writes a number into the statement: PostgreSQL takes two bound parameters for different expressions."""
    return literal_column(str(value), BigInteger)


def terms_of(column: ColumnElement[int], *, halves: bool) -> list[ColumnElement[Any]]:
    """Returns what is summed of a column: itself, or its upper and lower half."""
    if not halves:
        return [column]
    return [column.bitwise_rshift(HALF_BITS), column.bitwise_and(LOWER_HALF)]


def joined(sums: Sequence[Any], *, halves: bool) -> list[int]:
    """Returns the whole sums of columns whose `terms_of` were summed."""
    if not halves:
        return [int(value) for value in sums]
    return [(upper << HALF_BITS) + lower for upper, lower in zip(sums[::2], sums[1::2], strict=True)]
