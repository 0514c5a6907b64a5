"""CSV by RFC 4180 (comma, CRLF, UTF-8) in which no text of the data can become a formula or a terminal escape."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Sequence

from ledger.values.safe_text import UNSAFE, ZERO_WIDTH, visible

BYTE_ORDER_MARK = "\ufeff"
# What a spreadsheet takes for the start of a formula, also in full width or small, and a sign of minus.
_STARTS = "=+\\-@\u2212\ufe62\ufe63\ufe66\ufe6b\uff0b\uff0d\uff1d\uff20"
# What it may drop before that: blanks of any script, controls, marks without a width or of direction.
_DROPPED = rf"\s\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\u2800\ufe00-\ufe0f{ZERO_WIDTH}"
_FORMULA = re.compile(f"[{_DROPPED}]*[{_STARTS}]|[\t\r\n\x00]")
_ENDS_CELL = {False: re.compile('[",\r\n]'), True: re.compile('[";\r\n]')}
_SUSPECT = re.compile(f"^(?:{_FORMULA.pattern})|{UNSAFE.pattern}")


def guard(text: str) -> str:
    """Returns the text of a cell: a leading apostrophe where it could be read as a formula, controls escaped.

    Only text is guarded: a number such as -1.5 stays one. Tabs and line ends inside the text stay too, quoted.
    """
    if _SUSPECT.search(text) is None:
        return text
    return f"'{without_controls(text)}" if begins_formula(text) else without_controls(text)


def begins_formula(text: str) -> bool:
    """Tells whether the text begins as what a spreadsheet would work out."""
    return _FORMULA.match(text) is not None


def without_controls(text: str) -> str:
    """Returns the text with its controls escaped, except tabs and line ends."""
    if UNSAFE.search(text) is None:
        return text
    return "".join(part if part in ("\t", "\r", "\n") else visible(part) for part in re.split("([\t\r\n])", text))


def decimal_comma(decimal: str) -> str:
    """Returns the plain decimal as a European Excel reads it: "-1234.5" is "-1234,5"."""
    return decimal.replace(".", ",")


def quoted(text: str, *, excel: bool = False) -> str:
    """Returns the text of a cell as `CsvWriter` writes it: within quotes where it holds what would end it."""
    if _ENDS_CELL[excel].search(text) is None:
        return text
    return '"' + text.replace('"', '""') + '"'


class CsvWriter:
    """Rows of ready cells to UTF-8 bytes; the caller guards text cells and leaves numbers alone.

    With `excel` they are what an Excel with decimal commas opens by a double click: cells are parted by semicolons, and
    a byte order mark comes first, without which it takes the text for another encoding.
    """

    def __init__(self, *, excel: bool = False) -> None:
        self._buffer = io.StringIO(newline="")
        self._writer = csv.writer(self._buffer, lineterminator="\r\n", delimiter=";" if excel else ",")
        if excel:
            self._buffer.write(BYTE_ORDER_MARK)

    def encode(self, rows: Iterable[Sequence[object]]) -> bytes:
        """Returns the rows as bytes, each ended by CRLF; None is an empty cell."""
        self._writer.writerows(rows)
        text = self._buffer.getvalue()
        self._buffer.seek(0)
        self._buffer.truncate()
        return text.encode()
