"""Tables of bills: a CSV file in its own dialect -> a header and rows of texts."""

from __future__ import annotations

import codecs
import csv
import io
from collections.abc import Iterator, Mapping
from contextlib import suppress
from itertools import chain, islice
from typing import NamedTuple

from ledger.errors import LedgerError
from ledger.intake.containers.source import Source
from ledger.intake.containers.tables import is_separator_line
from ledger.values.layout import DELIMITERS, Layout

MAX_LINE = 2**20
"""The longest line in characters: a file without line ends is no table."""
_BYTE_ORDER_MARKS = {codecs.BOM_UTF16_LE: "utf-16", codecs.BOM_UTF16_BE: "utf-16"}


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
    return with_header(source.name, _csv_rows(source, blocks, layout))


def with_header(name: str, rows: Iterator[tuple[int, list[str]]]) -> Table:
    """Makes a table of rows, the first of which is its header; LedgerError where there is none."""
    found = next(rows, None)
    if found is None:
        raise LedgerError(f"{name} is empty: a header with the names of the columns is needed")
    line, names = found
    return Table(line, [name.strip() for name in names], rows)


def wrong(name: str, line: int, what: str, place: str = "") -> LedgerError:
    """An error about one line of a file; `place` is where on the line."""
    return LedgerError(f"{name}, line {line}{place}: {what}")


def _csv_rows(source: Source, blocks: Iterator[bytes], layout: Layout) -> Iterator[tuple[int, list[str]]]:
    lines = _lines(source, blocks, layout.encoding)
    skipped = sum(1 for _ in islice(lines, layout.skip_lines))
    first = next(lines, "")
    while first and not first.strip():
        skipped += 1
        first = next(lines, "")
    delimiter: str | None = layout.delimiter
    if is_separator_line(first.encode()):
        # Excel's own first line: it says how the others are separated.
        delimiter = delimiter or first.rstrip("\r\n")[-1]
        skipped += 1
        first = next(lines, "")
    delimiter = delimiter or _find_delimiter(first)
    csv.field_size_limit(MAX_LINE)
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
    counts = {delimiter: _count_cells(header, delimiter) for delimiter in DELIMITERS}
    return max(counts, key=counts.__getitem__)


def _count_cells(header: str, delimiter: str) -> int:
    csv.field_size_limit(MAX_LINE)
    with suppress(csv.Error):
        return len(next(csv.reader([header], delimiter=delimiter), []))
    return 0


def _lines(source: Source, blocks: Iterator[bytes], encoding: str) -> Iterator[str]:
    """Lines with their ends, decoded."""
    first = next(blocks, b"")
    name = _BYTE_ORDER_MARKS.get(first[:2], encoding)
    decoder = io.IncrementalNewlineDecoder(codecs.getincrementaldecoder(name)(), translate=True)
    waiting, number = "", 0
    for block in chain([first], blocks, [None]):
        try:
            waiting += decoder.decode(block or b"", final=block is None)
        except UnicodeError as fault:
            start = fault.start if isinstance(fault, UnicodeDecodeError) else 0
            line = number + waiting.count("\n") + (block or b"")[:start].count(b"\n") + 1
            what = f"isn't {name}: --encoding says which it is, such as utf-16-le, gb18030 or cp1252"
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
