"""Rows as an Excel workbook of one sheet, with typed columns and without a formula: text is written as text."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias
from unicodedata import east_asian_width

from ledger.errors import LedgerError
from ledger.exports.formats.columns import Column, Kind, Row
from ledger.values.safe_csv import without_controls

if TYPE_CHECKING:
    from xlsxwriter.format import Format
    from xlsxwriter.workbook import Workbook

# What Excel itself can hold.
MOST_ROWS = 1_048_576 - 1  # the header is one
MOST_CHARACTERS = 32_767
MOST_DIGITS = 15
BLOCK_BYTES = 1 << 20

# A date of a workbook has no zone, so that the Z is shown with it; decimals show cents at least, and what else is. Text
# stays text also where a cell is edited.
_TEXT = "@"
_SHOWN_AS: dict[Kind, str] = {
    "time": 'yyyy-mm-dd"T"hh:mm:ss"Z"',
    "count": "#,##0",
    "serial": "0",
    "decimal": "#,##0.00#######",
    "cents": "#,##0.00",
}
_ABOUT = '"\u2248"'
# In characters. Text is given the room that its longest line takes, up to the most.
_TIME_WIDTH, _LEAST_WIDTH, _MOST_WIDTH, _MARGIN = 20, 8, 60, 2
_FILTER_WIDTH = 2

WriteCell: TypeAlias = Callable[[int, int, Any, "Format"], object]


def workbook_class() -> Callable[..., Workbook]:
    """The library's class of a workbook; LedgerError where it isn't installed."""
    try:
        from xlsxwriter.workbook import Workbook  # an extra
    except ImportError as error:
        raise LedgerError("an Excel file takes a library more: pip install 'tollbook[excel]'") from error
    return Workbook  # type: ignore[no-any-return]  # it has no types


def write_workbook(
    put: Callable[[bytes], object],
    name: str,
    columns: Sequence[Column],
    rows: Iterable[Row],
    *,
    title: str = "",
    total: Row | None = None,
) -> int:
    """Write the workbook through `put`; returns how many numbers Excel will round, which it keeps 15 digits of.

    Rows wait in a temporary file; the same rows make the same bytes. `title` is a property of the workbook, `total` a
    row below the others that the filter leaves alone.
    """
    new_workbook = workbook_class()
    with tempfile.TemporaryDirectory(prefix="tollbook-") as folder:
        path = Path(folder) / "workbook.xlsx"
        workbook = new_workbook(str(path), {"constant_memory": True, "tmpdir": folder})
        created = datetime(2000, 1, 1)  # noqa: DTZ001 - a time of now would differ each time
        workbook.set_properties({"created": created, "title": without_controls(title)})
        sheet = _Sheet(workbook, name, columns)
        try:
            sheet.write(rows, total)
        except BaseException:
            sheet.abandon()
            raise
        workbook.close()
        with path.open("rb") as file:
            while block := file.read(BLOCK_BYTES):
                put(block)
    return sheet.rounded


class _Sheet:
    """The one sheet of a workbook, written row by row; `rounded` counts the numbers of too many digits."""

    def __init__(self, workbook: Workbook, name: str, columns: Sequence[Column]) -> None:
        self.rounded = 0
        self._workbook = workbook
        self._sheet = workbook.add_worksheet(name)
        self._columns = columns
        self._writers = [self._writer(column.kind) for column in columns]
        self._widths = [_TIME_WIDTH if column.kind == "time" else _LEAST_WIDTH for column in columns]
        self._formats: dict[tuple[str, bool], Format] = {}

    def write(self, rows: Iterable[Row], total: Row | None) -> None:
        """Write the header, which stays in sight and has a filter, the rows, and the total."""
        self._sheet.freeze_panes(1, 0)
        for place, column in enumerate(self._columns):
            self._text(0, place, column.name, self._format(_TEXT, bold=True))
            self._widen(place, column.name, _FILTER_WIDTH)
        formats, number = self._formats_of_columns(bold=False), 0
        for number, row in enumerate(rows, 1):
            self._row(number, row, formats)
        self._sheet.autofilter(0, 0, number, len(self._columns) - 1)
        if total is not None:
            number += 1
            self._row(number, total, self._formats_of_columns(bold=True))
        self._sheet.ignore_errors({"number_stored_as_text": f"A1:XFD{number + 1}"})
        for place, width in enumerate(self._widths):
            self._sheet.set_column(place, place, width + _MARGIN)

    def abandon(self) -> None:
        """Let go of the temporary file."""
        self._sheet.row_data_fh.close()

    def _formats_of_columns(self, *, bold: bool) -> list[Format]:
        return [self._format(_SHOWN_AS.get(column.kind, _TEXT), bold=bold) for column in self._columns]

    def _format(self, shown_as: str, *, bold: bool) -> Format:
        found = self._formats.get((shown_as, bold))
        if found is None:
            found = self._workbook.add_format({"num_format": shown_as, "bold": bold})
            self._formats[shown_as, bold] = found
        return found

    def _row(self, number: int, row: Row, formats: Sequence[Format]) -> None:
        if number > MOST_ROWS:
            raise LedgerError(
                f"an Excel sheet holds {MOST_ROWS:,} rows and these are more: "
                "give a shorter period, or --format csv or parquet"
            )
        for place, cell in enumerate(row):
            if cell is not None:
                self._writers[place](number, place, cell, formats[place])

    def _writer(self, kind: Kind) -> WriteCell:
        """Returns what writes cells of the kind."""
        if kind in ("count", "serial", "decimal", "cents"):
            return self._number
        return self._time if kind == "time" else self._flag if kind == "flag" else self._text

    def _number(self, row: int, place: int, cell: str | int, shown: Format) -> None:
        """Writes a number digit by digit; one that no double holds in full is shown with a sign before it."""
        digits = str(cell)
        if len(digits) > MOST_DIGITS and _significant_digits(digits) > MOST_DIGITS:
            self.rounded += 1
            shown = self._format(f"{_ABOUT}{shown.num_format}", bold=shown.bold)
        self._sheet.write_number(row, place, Decimal(digits), shown)
        self._widen(place, digits, len(digits) // 3)

    def _time(self, row: int, place: int, cell: str, shown: Format) -> None:
        self._sheet.write_datetime(row, place, datetime.fromisoformat(cell).replace(tzinfo=None), shown)

    def _flag(self, row: int, place: int, cell: bool, _shown: Format) -> None:
        self._sheet.write_boolean(row, place, cell)

    def _text(self, row: int, place: int, text: str, shown: Format) -> None:
        """Writes text as text: never a formula, a link or a number, whatever it looks like."""
        text = without_controls(text)
        if text.startswith("<r>") and text.endswith("</r>"):
            # The library would take it for markup of its own and write it as it is; in two pieces it is escaped.
            written = self._sheet.write_rich_string(row, place, text[:1], shown, text[1:], shown)
        else:
            written = self._sheet.write_string(row, place, text, shown)
        if written != 0:
            raise LedgerError(
                f"{text[:40]!r}… has {len(text):,} characters, a cell of Excel holds {MOST_CHARACTERS:,}: "
                "give --format csv"
            )
        self._widen(place, text)

    def _widen(self, place: int, text: str, more: int = 0) -> None:
        if self._widths[place] < _MOST_WIDTH:
            self._widths[place] = min(max(self._widths[place], _width(text) + more), _MOST_WIDTH)


def _significant_digits(number: str) -> int:
    """Counts digits without zeros at either end: "-120.50" has 4."""
    return len(number.lstrip("-").replace(".", "").strip("0"))


def _width(text: str) -> int:
    """Counts the characters of the longest line, wide ones as two."""
    if not text.isascii():
        return max(sum(1 + (east_asian_width(each) in "WF") for each in line) for line in text.split("\n"))
    return len(text) if "\n" not in text else max(map(len, text.split("\n")))
