"""A page's document as text: JSON with money as strings, and CSV as one tidy table of the same figures."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import NamedTuple

from ledger.pages.document import Value
from ledger.values.instants import moment_text
from ledger.values.safe_csv import CsvWriter, decimal_comma, guard
from ledger.values.safe_text import json_text

COLUMNS = ("section", "number", "item", "figure", "value")


class TidyRow(NamedTuple):
    """A figure: of which section, of which item of it, the first being 1; `value` is a number or text."""

    section: str
    number: int | None
    item: str
    figure: str
    value: str | int | Decimal


def to_json(document: Mapping[str, Value], *, indent: int | None = None) -> str:
    """Returns the document, money as strings."""
    return json_text(plain_value(document), indent=indent) + "\n"


def plain_value(value: Value) -> object:
    """Returns a value as JSON has it."""
    if isinstance(value, Mapping):
        return {key: plain_value(each) for key, each in value.items()}
    if isinstance(value, (str, int)) or value is None:
        return value
    if isinstance(value, Sequence):
        return [plain_value(each) for each in value]
    return _text_of(value)


def _text_of(value: Decimal | date | datetime) -> str:
    if isinstance(value, Decimal):
        return f"{value:f}"
    return moment_text(value) if isinstance(value, datetime) else value.isoformat()


def to_csv(document: Mapping[str, Value], *, excel: bool = False) -> bytes:
    """Returns the document as rows of a figure each; nothing that a spreadsheet would work out."""
    writer = CsvWriter(excel=excel)
    rows = [[guard(row.section), str(row.number or ""), guard(row.item), guard(row.figure), _cell(row.value, excel)]
            for row in _tidy(document)]  # fmt: skip
    return writer.encode([list(COLUMNS)]) + writer.encode(rows)


def _cell(value: str | int | Decimal, excel: bool) -> str:
    if isinstance(value, str):
        return guard(value)
    text = f"{value:f}" if isinstance(value, Decimal) else str(value)
    return decimal_comma(text) if excel else text


def _tidy(document: Mapping[str, Value]) -> Iterator[TidyRow]:
    """Yields the figures there are; the first one of an item in a list names it."""
    for section, value in document.items():
        if isinstance(value, Mapping):
            yield from (TidyRow(section, None, "", *figure) for figure in _figures(value))
        elif isinstance(value, Sequence) and not isinstance(value, str) and section != "rate_entries":
            for number, each in enumerate(value, 1):
                assert isinstance(each, Mapping)
                (_key, item), *rest = each.items()
                named = str(plain_value(item))
                yield from (TidyRow(section, number, named, *figure) for figure in _figures(dict(rest)))
        else:
            yield from (TidyRow("page", None, "", *figure) for figure in _figures({section: value}))


def _figures(values: Mapping[str, Value]) -> Iterator[tuple[str, str | int | Decimal]]:
    for key, value in values.items():
        if isinstance(value, bool):
            yield key, "true" if value else "false"
        elif isinstance(value, (str, int, Decimal)):
            yield key, value
        elif isinstance(value, (date, datetime)):
            yield key, _text_of(value)
        elif isinstance(value, Sequence) and value:
            yield key, ", ".join(str(plain_value(each)) for each in value)
