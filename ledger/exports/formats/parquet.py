"""Rows as a Parquet file with typed columns: decimals stay exact, nothing is altered."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from decimal import Decimal
from itertools import islice
from typing import Any, TypeAlias

from ledger.errors import LedgerError
from ledger.exports.formats.columns import Cell, Column, Kind, Row

# Each group costs some memory until the file is whole, and so does each row until its group is: between them, 10
# million charges take no more than any command may. Rows are taken over in slices, as Python's objects are the largest.
ROWS_IN_GROUP, ROWS_IN_SLICE = 50_000, 2_000
SLICES = ROWS_IN_GROUP // ROWS_IN_SLICE
# Digits of the widest decimal that Parquet's readers share, and how many of them follow the point.
DIGITS, PLACES = 38, 18

Converter: TypeAlias = Callable[[Cell], object]


def parquet_library() -> Any:  # noqa: ANN401 - it has no types
    """The library; LedgerError where it isn't installed."""
    try:
        import pyarrow as pa  # an extra
        import pyarrow.parquet
    except ImportError as error:
        raise LedgerError("a Parquet file takes a library more: pip install 'tollbook[parquet]'") from error
    return pa


def write_parquet(put: Callable[[bytes], object], columns: Sequence[Column], rows: Iterator[Row]) -> None:
    """Write the rows through `put`, a row group at a time; the same rows make the same bytes."""
    library = parquet_library()
    schema = library.schema([(column.name, _type(library, column.kind)) for column in columns])
    converters = [_CONVERTERS.get(column.kind) for column in columns]
    with (
        library.PythonFile(_Sink(put), mode="w") as sink,
        # Without the library's own schema: text is repeated, and kept in memory as such, but it is read as text.
        library.parquet.ParquetWriter(sink, schema, compression="zstd", store_schema=False) as writer,
    ):
        slices = iter(lambda: list(islice(rows, ROWS_IN_SLICE)), [])
        while group := [_slice(library, schema, converters, part) for part in islice(slices, SLICES)]:
            writer.write_table(library.Table.from_batches(group, schema=schema), row_group_size=ROWS_IN_GROUP)


def _slice(library: Any, schema: Any, converters: Sequence[Converter | None], rows: Sequence[Row]) -> Any:  # noqa: ANN401 - it has no types
    columns = zip(zip(*rows, strict=True), converters, schema, strict=True)
    arrays = [
        _array(library, field, [convert(cell) for cell in cells] if convert else cells)
        for cells, convert, field in columns
    ]
    return library.RecordBatch.from_arrays(arrays, schema=schema)


def _array(library: Any, field: Any, cells: Sequence[object]) -> Any:  # noqa: ANN401 - it has no types
    try:
        return library.array(cells, type=field.type)
    except (OverflowError, library.ArrowInvalid) as error:
        raise LedgerError(
            f"{field.name} has a number that a Parquet file can't hold as {field.type}: give --format csv or json"
        ) from error


def _type(library: Any, kind: Kind) -> Any:  # noqa: ANN401 - it has no types
    if kind == "time":
        return library.timestamp("us", tz="UTC")
    if kind in ("count", "serial"):
        return library.int64()
    if kind == "decimal":
        return library.decimal128(DIGITS, PLACES)
    if kind == "cents":
        return library.decimal128(DIGITS, 2)
    return library.bool_() if kind == "flag" else library.dictionary(library.int32(), library.string())


def _decimal(cell: Cell) -> Decimal | None:
    return None if cell is None else Decimal(str(cell))


def _time(cell: Cell) -> datetime | None:
    return None if cell is None else datetime.fromisoformat(str(cell))


_CONVERTERS: dict[Kind, Converter] = {"decimal": _decimal, "cents": _decimal, "time": _time}


class _Sink:
    """A stand-in for a file: it writes, and has no place to go back to."""

    closed = False

    def __init__(self, put: Callable[[bytes], object]) -> None:
        self._put = put

    def write(self, data: bytes) -> int:
        self._put(bytes(data))
        return len(data)

    def flush(self) -> None:
        """Nothing waits here."""

    def close(self) -> None:
        """The file is whole; its owner closes it."""
        self.closed = True
