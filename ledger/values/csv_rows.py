"""CSV as others write it -> rows of texts: the file's own separator, encoding by its mark, and Excel's line `sep=;`."""

from __future__ import annotations

import codecs
import csv
import io
from collections.abc import Iterable, Iterator
from contextlib import suppress
from itertools import chain, islice

from ledger.errors import LedgerError
from ledger.values.layout import DELIMITERS, Layout

MAX_LINE = 2**21
"""The longest line in characters, above any prompt: a file without line ends is no table."""
SEPARATOR_LINE = b"sep="
"""The beginning of a first line as Excel writes it: `sep=;`."""
_BYTE_ORDER_MARKS = {codecs.BOM_UTF16_LE: "utf-16", codecs.BOM_UTF16_BE: "utf-16"}
_OTHER_ENCODING = "--encoding says which it is, such as utf-16-le, gb18030 or cp1252"


def csv_rows(
    name: str, blocks: Iterable[bytes], layout: Layout, *, other_encoding: str = _OTHER_ENCODING
) -> Iterator[tuple[int, list[str]]]:
    """Yields each row with the line it begins on, blank ones left out; LedgerError names the file and the line.

    `other_encoding` says what to do where the text isn't in the encoding that it was read by.
    """
    lines = _lines(name, iter(blocks), layout.encoding, other_encoding)
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
            raise wrong(name, line, f"can't be read as CSV ({error}): check its quotes") from None
        if any(cell and not cell.isspace() for cell in cells):
            yield line, cells


def is_separator_line(line: bytes) -> bool:
    """Tells whether a line only says what parts the cells of the others."""
    return line.lower().startswith(SEPARATOR_LINE) and len(line.rstrip(b"\r\n")) == len(SEPARATOR_LINE) + 1


def wrong(name: str, line: int, what: str, place: str = "") -> LedgerError:
    """An error about one line of a file; `place` is where on the line."""
    return LedgerError(f"{name}, line {line}{place}: {what}")


def _find_delimiter(header: str) -> str:
    """The delimiter that cuts the header into most cells; a wrong one leaves rows that don't fit the header."""
    counts = {delimiter: _count_cells(header, delimiter) for delimiter in DELIMITERS}
    return max(counts, key=counts.__getitem__)


def _count_cells(header: str, delimiter: str) -> int:
    csv.field_size_limit(MAX_LINE)
    with suppress(csv.Error):
        return len(next(csv.reader([header], delimiter=delimiter), []))
    return 0


def _lines(name: str, blocks: Iterator[bytes], encoding: str, other_encoding: str) -> Iterator[str]:
    """Lines with their ends, decoded."""
    first = next(blocks, b"")
    encoding = _BYTE_ORDER_MARKS.get(first[:2], encoding)
    decoder = io.IncrementalNewlineDecoder(codecs.getincrementaldecoder(encoding)(), translate=True)
    waiting, number = "", 0
    for block in chain([first], blocks, [None]):
        try:
            waiting += decoder.decode(block or b"", final=block is None)
        except UnicodeError as fault:
            start = fault.start if isinstance(fault, UnicodeDecodeError) else 0
            line = number + waiting.count("\n") + (block or b"")[:start].count(b"\n") + 1
            raise wrong(name, line, f"isn't {encoding}: {other_encoding}") from None
        *whole, waiting = waiting.split("\n")
        for text in whole:
            number += 1
            yield _checked(name, number, text + "\n", encoding, other_encoding)
        if len(waiting) > MAX_LINE:
            raise wrong(name, number + 1, "is too long to be read: check the file")
    if waiting:
        yield _checked(name, number + 1, waiting, encoding, other_encoding)


def _checked(name: str, line: int, text: str, encoding: str, other_encoding: str) -> str:
    if "\0" in text:
        raise wrong(name, line, f"holds a NUL byte: the file is damaged, or isn't {encoding}: {other_encoding}")
    return text
