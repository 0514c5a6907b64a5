"""A sheet as an Excel workbook or a Parquet file, by the same writers as exports."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from ledger.cli.show import sheet as sheets
from ledger.cli.show.sheet import LEFT_ALIGNED, Sheet, plain_cell, total_row
from ledger.exports.formats.columns import Cell, Column, Kind, Row
from ledger.values.safe_text import visible

# What a sheet's other kinds are in a file: times stay text, money and percents are decimals.
_KINDS: dict[sheets.Kind, Kind] = {"text": "text", "count": "count", "flag": "flag", "facts": "facts"}
_NAME_ENDS = re.compile(r"[,;:(]")
_NOT_IN_NAMES = re.compile(r"[\[\]*?/\\]|^'|'$")
_MOST_OF_NAME = 31


def refuse_missing_library(file_format: str) -> None:
    """Refuses a format whose library isn't installed."""
    if file_format == "xlsx":
        from ledger.exports.formats.workbook import workbook_class  # an extra

        workbook_class()
    elif file_format == "parquet":
        from ledger.exports.formats.parquet import parquet_library  # an extra

        parquet_library()


def write_sheet_file(put: Callable[[bytes], object], sheet: Sheet, file_format: str) -> int:
    """Writes the sheet through `put`; returns how many numbers Excel will round.

    Parquet has no total, as CSV has none.
    """
    columns = [Column(column.name, _KINDS.get(column.kind, "decimal")) for column in sheet.columns]
    rows = (_file_row(sheet.columns, row) for row in sheet.rows)
    if file_format == "parquet":
        from ledger.exports.formats.parquet import write_parquet  # an extra

        write_parquet(put, columns, rows)
        return 0
    from ledger.exports.formats.workbook import write_workbook  # an extra

    total = None if sheet.total is None else _total_row(sheet.columns, sheet.total, sheet.total_label)
    return write_workbook(put, _name(sheet.title), columns, rows, title=visible(sheet.title), total=total)


def _file_row(columns: Sequence[sheets.Column], row: Sequence[sheets.Cell]) -> Row:
    return tuple(_file_cell(cell, column.kind) for cell, column in zip(row, columns, strict=True))


def _file_cell(cell: sheets.Cell, kind: sheets.Kind) -> Cell:
    if cell is None or kind in ("count", "flag"):
        assert cell is None or isinstance(cell, int)
        return cell
    # A name of a file may hold bytes that are no text.
    return plain_cell(cell, kind).encode(errors="backslashreplace").decode()


def _total_row(columns: Sequence[sheets.Column], total: Sequence[sheets.Cell], label: str) -> Row:
    words = total_row(columns, [""] * len(columns), label)
    cells = _file_row(columns, total)
    return tuple(
        (word or None) if column.kind in LEFT_ALIGNED else cell
        for column, word, cell in zip(columns, words, cells, strict=True)
    )


def _name(title: str) -> str:
    """Returns a name that Excel takes for a sheet: the title up to its first comma or so."""
    first = _NAME_ENDS.split(visible(title))[0]
    return _NOT_IN_NAMES.sub(" ", first).strip()[:_MOST_OF_NAME].rstrip("' ") or "tollbook"
