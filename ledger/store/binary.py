"""Rows and arrays in PostgreSQL's binary form, made of whole columns.

A value is its length in four bytes, -1 for null, then its bytes; a row is the number of its values in two, then these.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache
from itertools import chain, count
from typing import TYPE_CHECKING, Any, TypeAlias

from ledger.values.columns import rows_of

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    import psycopg

# A column's values: texts, bytes or integers, None for null; of integers alone an array too.
Values: TypeAlias = "Sequence[Any] | npt.NDArray[np.int64]"

# By type: its number, an array's numpy type where its values are of one length, and how one is encoded.
_TYPES: Mapping[str, tuple[int, str | None, Callable[[Any], bytes]]] = {
    "BIGINT": (20, ">i8", struct.Struct(">q").pack),
    "SMALLINT": (21, ">i2", struct.Struct(">h").pack),
    "TEXT": (25, None, str.encode),
    "BYTEA": (17, None, bytes),
}
_COPY_HEAD, COPY_END = b"PGCOPY\n\xff\r\n\0" + bytes(8), b"\xff\xff"
_SLICE = 2_500
# Below that many values preparing blocks of them takes longer than it saves.
_FEW = 16
_NULL = (-1).to_bytes(4, signed=True)


def copy_pieces(kinds: Sequence[str], columns: Sequence[Values]) -> Iterator[bytes]:
    """Yields rows of columns of these types for COPY: the server takes one piece in while the next is made."""
    yield _COPY_HEAD
    for start in range(0, len(columns[0]), _SLICE):
        yield _rows(kinds, [column[start : start + _SLICE] for column in columns])
    yield COPY_END


class Array(bytes):
    """A column as an array of one dimension, in binary form."""


def array_of(kind: str, column: Values) -> Array:
    """Returns a column as an array."""
    has_null = not hasattr(column, "dtype") and None in column
    number, _fixed, encode = _TYPES[kind]
    head = struct.pack(">iiIii", 1, has_null, number, len(column), 1)
    if len(column) < _FEW:
        return Array(head + b"".join([_NULL if value is None else _value(encode(value)) for value in column]))
    return Array(head + _joined([*_fields(kind, column)], len(column)))


def _value(encoded: bytes) -> bytes:
    return len(encoded).to_bytes(4) + encoded


def array_cursor(connection: psycopg.Connection[Any]) -> psycopg.Cursor[Any]:
    """Returns a cursor that takes arrays for %b; their type is that to which the statement casts them."""
    cursor = connection.cursor()
    cursor.adapters.register_dumper(Array, _array_dumper())
    return cursor


@cache
def _array_dumper() -> type[psycopg.adapt.Dumper]:
    import psycopg  # an extra

    class ArrayDumper(psycopg.adapt.Dumper):
        format = psycopg.pq.Format.BINARY

        def dump(self, obj: Array) -> Array:
            return obj

    return ArrayDumper


def _rows(kinds: Sequence[str], columns: Sequence[Values]) -> bytes:
    values = chain.from_iterable(map(_fields, kinds, columns))
    return _joined([(">i2", len(columns)), *values], len(columns[0]))


def _fields(kind: str, column: Values) -> Iterator[tuple[str, Any]]:
    """Yields the lengths of a column's values, and these: each with its numpy type, empty where lengths differ."""
    import numpy as np

    _number, fixed, encode = _TYPES[kind]
    if fixed is not None and (hasattr(column, "dtype") or None not in column):
        yield ">i4", int(fixed[-1])
        yield fixed, column
        return
    if None in column:
        encoded = [b"" if value is None else encode(value) for value in column]
        lengths = [-1 if value is None else len(each) for value, each in zip(column, encoded, strict=True)]
    else:
        encoded = list(map(encode, column))
        lengths = list(map(len, encoded))
    yield ">i4", lengths
    widths = set(lengths)
    if len(widths) > 1:
        yield "", encoded
    elif max(widths, default=0) > 0:
        (width,) = widths
        yield f"S{width}", np.frombuffer(b"".join(encoded), dtype=f"S{width}")


def _joined(fields: Sequence[tuple[str, Any]], rows: int) -> bytes:
    """Joins fields row by row: those next to each other that have a numpy type are one block a row."""
    import numpy as np

    parts: list[Any] = []
    block: list[tuple[str, Any]] = []

    def end_block() -> None:
        table = np.empty(rows, dtype=[(str(place), kind) for place, (kind, _values) in zip(count(), block)])
        for place, (_kind, values) in enumerate(block):
            table[str(place)] = values
        parts.append(table.view(f"V{table.itemsize}"))
        block.clear()

    for kind, values in fields:
        if kind:
            block.append((kind, values))
        else:
            end_block()
            parts.append(values)
    if block:
        end_block()
    if len(parts) == 1:
        return parts[0].tobytes()  # type: ignore[no-any-return]
    return b"".join(chain.from_iterable(rows_of(parts)))
