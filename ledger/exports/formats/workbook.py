"""Rows as an Excel workbook of one sheet, with typed columns and without a formula: text is written as text."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from ledger.errors import LedgerError
from ledger.exports.formats.columns import Cell, Column, Kind, Row
from ledger.values.safe_csv import without_controls

if TYPE_CHECKING:
    from xlsxwriter.workbook import Workbook

# What Excel itself can hold.
MOST_ROWS = 1_048_576 - 1  # the header is one
MOST_CHARACTERS = 32_767
BLOCK_BYTES = 1 << 20

# A date of a workbook has no zone, so that the Z is shown with it; decimals show cents at least, and what else is.
_SHOWN_AS: dict[Kind, str] = {
    "time": 'yyyy-mm-dd"T"hh:mm:ss"Z"',
    "count": "0",
    "decimal": "0.00#######",
    "cents": "0.00",
}
_WIDTHS: dict[Kind, int] = {"time": 22, "count": 10, "decimal": 14, "cents": 10, "flag": 8}
_TEXT_WIDTH = 18

WriteCell: TypeAlias = Callable[[int, int, Any], None]


def workbook_class() -> Callable[..., Workbook]:
    """The library's class of a workbook; LedgerError where it isn't installed."""
    try:
        from xlsxwriter.workbook import Workbook  # an extra
    except ImportError as error:
        raise LedgerError("an Excel file takes a library more: pip install 'tollbook[excel]'") from error
    return Workbook  # type: ignore[no-any-return]  # it has no types


def write_workbook(put: Callable[[bytes], object], name: str, columns: Sequence[Column], rows: Iterable[Row]) -> None:
    """Write the workbook through `put`. Rows wait in a temporary file; the same rows make the same bytes."""
    new_workbook = workbook_class()
    with tempfile.TemporaryDirectory(prefix="tollbook-") as folder:
        path = Path(folder) / "workbook.xlsx"
        workbook = new_workbook(str(path), {"constant_memory": True, "tmpdir": folder})
        workbook.set_properties({"created": datetime(2000, 1, 1)})  # noqa: DTZ001 - a time of now would differ each time
        sheet = _Sheet(workbook, name)
        try:
            sheet.write(columns, rows)
        except BaseException:
            sheet.abandon()
            raise
        workbook.close()
        with path.open("rb") as file:
            while block := file.read(BLOCK_BYTES):
                put(block)


class _Sheet:
    """The one sheet of a workbook, written row by row."""

    def __init__(self, workbook: Workbook, name: str) -> None:
        self._workbook = workbook
        self._sheet = workbook.add_worksheet(name)
        self._plain = workbook.add_format()

    def write(self, columns: Sequence[Column], rows: Iterable[Row]) -> None:
        """The header, which stays in sight, and the rows."""
        self._sheet.freeze_panes(1, 0)
        for place, (name, kind) in enumerate(columns):
            self._sheet.set_column(place, place, max(_WIDTHS.get(kind, _TEXT_WIDTH), len(name) + 2))
            self._text(0, place, name)
        writers = [self._writer(kind) for _name, kind in columns]
        for number, row in enumerate(rows, 1):
            if number > MOST_ROWS:
                raise LedgerError(f"an Excel sheet holds {MOST_ROWS:,} rows and these are more: give --format csv")
            for place, cell in enumerate(row):
                if cell is not None:
                    writers[place](number, place, cell)

    def abandon(self) -> None:
        """Let go of the temporary file."""
        self._sheet.row_data_fh.close()

    def _writer(self, kind: Kind) -> WriteCell:
        """Makes what writes cells of the kind. Decimals go in digit by digit, no float ever holds one."""
        sheet = self._sheet
        shown_as = self._workbook.add_format({"num_format": _SHOWN_AS[kind]}) if kind in _SHOWN_AS else self._plain

        def number(row: int, place: int, cell: Cell) -> None:
            sheet.write_number(row, place, Decimal(cell or 0), shown_as)

        def time(row: int, place: int, cell: str) -> None:
            sheet.write_datetime(row, place, datetime.fromisoformat(cell).replace(tzinfo=None), shown_as)

        def flag(row: int, place: int, cell: bool) -> None:
            sheet.write_boolean(row, place, cell)

        if kind in ("count", "decimal", "cents"):
            return number
        return time if kind == "time" else flag if kind == "flag" else self._text

    def _text(self, row: int, place: int, text: str) -> None:
        """Text as text: never a formula, a link or a number, whatever it looks like."""
        text = without_controls(text)
        if text.startswith("<r>") and text.endswith("</r>"):
            # The library would take it for markup of its own and write it as it is; in two pieces it is escaped.
            written = self._sheet.write_rich_string(row, place, text[:1], self._plain, text[1:])
        else:
            written = self._sheet.write_string(row, place, text)
        if written != 0:
            raise LedgerError(
                f"{text[:40]!r}… has {len(text):,} characters, a cell of Excel holds {MOST_CHARACTERS:,}: "
                "give --format csv"
            )
