"""Sheets of workbooks -> rows of texts: what a cell shows, with the currency that its format has."""

from __future__ import annotations

import io
import re
import zipfile
import zlib
from collections.abc import Iterator
from datetime import date, datetime, time
from typing import Any

from ledger.audit.reconcile.tables import Iso, Number, Table, with_header
from ledger.errors import LedgerError
from ledger.values.csv_rows import wrong
from ledger.values.layout import Layout

# Pieces of a number format: a sign with its locale, texts, filling, conditions; [$-409] is a locale alone.
_PIECE = re.compile(
    r'\[\$(?P<sign>[^\]\-]*)(?:-(?P<locale>[^\]]*))?\]|"(?P<quoted>[^"]*)"|\\(?P<escaped>.)|[_*].|\[[^\]]*\]|General|[eE][+-]'
    r"|(?P<bare>[^\W\d_]*[$€£¥￥]|[^\W\d_]+|[%;])|."
)
# Signs of several currencies by the locale beside them, as the last digits of its number or its name.
_LOCALES = {
    "$": {"409": "USD", "en-us": "USD", "1009": "CAD", "c0c": "CAD", "en-ca": "CAD", "c09": "AUD", "en-au": "AUD"},
    "¥": {"804": "CNY", "zh-cn": "CNY", "411": "JPY", "ja-jp": "JPY"},
}


def read_workbook(name: str, data: bytes, layout: Layout) -> Table:
    """Reads the table of an .xlsx file's sheet; LedgerError where there are several, or none can be read."""
    return with_header(name, _guarded(name, data, layout))


def _guarded(name: str, data: bytes, layout: Layout) -> Iterator[tuple[int, list[str]]]:
    try:
        from openpyxl import load_workbook  # an extra
    except ImportError as error:
        raise LedgerError(
            f"{name}: reading an Excel file takes a library more: pip install 'tollbook[excel]'"
        ) from error
    try:
        shown, written = (
            _sheet(name, load_workbook(io.BytesIO(data), read_only=True, data_only=values), layout.sheet)
            for values in (True, False)
        )
        yield from _rows(name, shown, written, layout)
    except (zipfile.BadZipFile, zlib.error, SyntaxError, KeyError, ValueError, OSError, EOFError) as error:
        what = str(error)[:80] or type(error).__name__
        raise LedgerError(f"{name} can't be read as an Excel workbook ({what}): save it again as .xlsx") from None


def _rows(name: str, shown: Any, written: Any, layout: Layout) -> Iterator[tuple[int, list[str]]]:  # noqa: ANN401 - openpyxl has no types
    from openpyxl.utils import get_column_letter

    for sheet in (shown, written):
        sheet.reset_dimensions()  # a writer may state them too small
    width = 0
    for line, (cells, formulas) in enumerate(
        zip(shown.iter_rows(), written.iter_rows(values_only=True), strict=True), 1
    ):
        if line <= layout.skip_lines:
            continue
        texts = [_text(cell) for cell in cells]
        for place, (text, formula) in enumerate(zip(texts, formulas, strict=False), 1):
            if not text and isinstance(formula, str) and formula.startswith("="):
                cell = f", cell {get_column_letter(place)}{line}"
                raise wrong(name, line, "has a formula without its value: open the file in Excel and save it", cell)
        if any(texts):
            while len(texts) > width and not texts[-1]:
                texts.pop()
            width = width or len(texts)
            yield line, texts + [""] * (width - len(texts))


def _sheet(name: str, workbook: Any, wanted: str | None) -> Any:  # noqa: ANN401 - openpyxl has no types
    sheets = {sheet.title: sheet for sheet in workbook.worksheets}
    visible = [sheet for sheet in sheets.values() if sheet.sheet_state == "visible"]
    if wanted is None and len(visible) == 1:
        return visible[0]
    if wanted not in sheets:
        raise LedgerError(f"{name} has the sheets {', '.join(map(repr, sheets))}: --sheet NAME says which")
    return sheets[wanted]


def _text(cell: Any) -> str:  # noqa: ANN401 - openpyxl has no types
    """A cell as text: numbers in their shortest form with their unit, days and times as ISO 8601."""
    value = cell.value
    if value is None:
        return ""
    if isinstance(value, datetime):
        return Iso(value.date().isoformat() if value.time() == time() else value.isoformat())
    if isinstance(value, date):
        return Iso(value.isoformat())
    if not isinstance(value, int | float) or isinstance(value, bool):
        return str(value).strip()
    digits = str(int(value)) if isinstance(value, float) and value.is_integer() else repr(value)
    return Number(f"{digits} {_unit(cell.number_format or '', value)}".strip())


def _unit(number_format: str, value: float) -> str:
    """The text that a number format shows beside the digits of a value, such as `€`, `USD`, `kr` or `%`."""
    sections = [""]
    for found in _PIECE.finditer(number_format):
        if found["bare"] == ";":
            sections.append("")
        elif found["sign"] is not None:
            sections[-1] += _sign(found["sign"], found["locale"])
        else:
            sections[-1] += found["quoted"] or found["escaped"] or found["bare"] or " "
    place = 1 if value < 0 else 2 if value == 0 else 0
    return " ".join(sections[place if place < len(sections) else 0].split()).strip("()-+ ≈")


def _sign(sign: str, locale: str | None) -> str:
    known = _LOCALES.get(sign.replace("￥", "¥"))
    if known is None or not locale:
        return sign
    name = locale.lower()
    return known.get(name) or known.get(name[-4:].lstrip("0")) or f"{sign}-{locale}"
