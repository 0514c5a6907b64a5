"""Tables of bills: a CSV file in its own dialect, or a sheet of a workbook -> a header and rows of texts."""

from __future__ import annotations

import codecs
import csv
import io
from collections.abc import Iterator, Mapping
from datetime import date, datetime, time
from itertools import chain, islice
from typing import Any, NamedTuple

from ledger.errors import LedgerError
from ledger.intake.containers.source import Source
from ledger.values.layout import DELIMITERS, Layout

MAX_LINE = 2**20
"""The longest line in characters: a file without line ends is no table."""
_BYTE_ORDER_MARKS = {codecs.BOM_UTF16_LE: "utf-16", codecs.BOM_UTF16_BE: "utf-16"}
_SEPARATOR_LINE = "sep="


class Table(NamedTuple):
    """A header with the line it is on, and the rows below it, each with the line it begins on; blank rows left out.

    `columns` are those of a bill's own format by the field that each holds.
    """

    header_line: int
    header: list[str]
    rows: Iterator[tuple[int, list[str]]]
    columns: Mapping[str, str] = {}


def read_csv(source: Source, blocks: Iterator[bytes], layout: Layout) -> Table:
    """Reads a CSV file's table; LedgerError names the file, the line and what to give."""
    return _with_header(source.name, _csv_rows(source, blocks, layout))


def read_workbook(name: str, data: bytes, layout: Layout) -> Table:
    """Reads the table of an .xlsx file's sheet; LedgerError where there are several, or none can be read."""
    return _with_header(name, _sheet_rows(name, data, layout))


def _with_header(name: str, rows: Iterator[tuple[int, list[str]]]) -> Table:
    found = next(rows, None)
    if found is None:
        raise LedgerError(f"{name} is empty: a header with the names of the columns is needed")
    line, names = found
    return Table(line, [name.strip() for name in names], rows)


def wrong(name: str, line: int, what: str, place: str = "") -> LedgerError:
    """An error about one line of a file; `place` is where on the line."""
    return LedgerError(f"{name}, line {line}{place}: {what}")


# --- CSV --------------------------------------------------------------------------------------------------------------


def _csv_rows(source: Source, blocks: Iterator[bytes], layout: Layout) -> Iterator[tuple[int, list[str]]]:
    lines = _lines(source, blocks, layout.encoding)
    skipped = sum(1 for _ in islice(lines, layout.skip_lines))
    first = next(lines, "")
    while first and not first.strip():
        skipped += 1
        first = next(lines, "")
    delimiter: str | None = layout.delimiter
    if first.lower().startswith(_SEPARATOR_LINE) and len(first.rstrip("\r\n")) == len(_SEPARATOR_LINE) + 1:
        # Excel's own first line: it says how the others are separated.
        delimiter = delimiter or first.rstrip("\r\n")[-1]
        skipped += 1
        first = next(lines, "")
    delimiter = delimiter or _find_delimiter(first)
    reader = csv.reader(chain([first], lines), strict=True, delimiter=delimiter)
    while True:
        line = reader.line_num + 1 + skipped
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            raise wrong(source.name, line, f"can't be read as CSV ({error}): check its quotes") from None
        if any(cell and not cell.isspace() for cell in cells):
            yield line, cells


def _find_delimiter(header: str) -> str:
    """The delimiter that cuts the header into most cells; a wrong one leaves rows that don't fit the header."""
    counts = {delimiter: len(next(csv.reader([header], delimiter=delimiter), [])) for delimiter in DELIMITERS}
    return max(counts, key=counts.__getitem__)


def _lines(source: Source, blocks: Iterator[bytes], encoding: str) -> Iterator[str]:
    """Lines with their ends, decoded."""
    first = next(blocks, b"")
    name = _BYTE_ORDER_MARKS.get(first[:2], encoding)
    try:
        decoder = codecs.getincrementaldecoder(name)()
    except LookupError:
        raise LedgerError(
            f"--encoding {encoding!r} is unknown: give one such as utf-8, utf-16, gb18030, cp1252"
        ) from None
    waiting, number = "", 0
    for block in chain([first], blocks, [None]):
        try:
            waiting += decoder.decode(block or b"", final=block is None)
        except UnicodeDecodeError as fault:
            line = number + waiting.count("\n") + (block or b"")[: fault.start].count(b"\n") + 1
            what = f"is not {name}: --encoding says which it is, such as utf-16, gb18030 or cp1252"
            raise wrong(source.name, line, what) from None
        *whole, waiting = waiting.split("\n")
        for text in whole:
            number += 1
            yield _checked(source.name, number, text + "\n")
        if len(waiting) > MAX_LINE:
            raise wrong(source.name, number + 1, "is too long to be read: check the file")
    if waiting:
        yield _checked(source.name, number + 1, waiting)
    if source.fault is not None:
        raise LedgerError(f"{source.name}: the compressed data is damaged or ends early: fetch the file again")


def _checked(name: str, line: int, text: str) -> str:
    if "\0" in text:
        raise wrong(name, line, "holds a NUL byte: the file is damaged, or --encoding says how it is written")
    return text


# --- workbooks --------------------------------------------------------------------------------------------------------


def _sheet_rows(name: str, data: bytes, layout: Layout) -> Iterator[tuple[int, list[str]]]:
    try:
        from openpyxl import load_workbook  # an extra
        from openpyxl.utils.exceptions import InvalidFileException
    except ImportError as error:
        raise LedgerError(
            f"{name}: reading an Excel file takes a library more: pip install 'tollbook[excel]'"
        ) from error
    try:
        workbook = load_workbook(io.BytesIO(data), read_only=True, data_only=True)
    except (InvalidFileException, KeyError, ValueError, OSError) as error:
        raise LedgerError(f"{name} can't be read as an Excel workbook ({error}): save it again as .xlsx") from None
    sheet = _sheet(name, workbook, layout.sheet)
    width = 0
    for line, cells in enumerate(sheet.iter_rows(values_only=True), 1):
        texts = [_cell_text(cell) for cell in cells]
        if line > layout.skip_lines and any(texts):
            while len(texts) > width and not texts[-1]:
                texts.pop()
            width = width or len(texts)
            yield line, texts + [""] * (width - len(texts))


def _sheet(name: str, workbook: Any, wanted: str | None) -> Any:  # noqa: ANN401 - openpyxl has no types
    sheets = {sheet.title: sheet for sheet in workbook.worksheets}
    if wanted is None and len(sheets) == 1:
        return next(iter(sheets.values()))
    if wanted not in sheets:
        raise LedgerError(f"{name} has the sheets {', '.join(map(repr, sheets))}: --sheet NAME says which")
    return sheets[wanted]


def _cell_text(cell: object) -> str:
    """A cell as text: numbers in their shortest decimal form, days and times as ISO 8601."""
    if cell is None:
        return ""
    if isinstance(cell, datetime):
        return cell.date().isoformat() if cell.time() == time() else cell.isoformat()
    if isinstance(cell, date):
        return cell.isoformat()
    if isinstance(cell, float) and cell.is_integer():
        return str(int(cell))
    return repr(cell) if isinstance(cell, float) else str(cell).strip()
