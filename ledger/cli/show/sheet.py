"""A small table as a value, and as JSON, CSV, Markdown and text for people; `sheet_files` has the other formats.

Cells are plain values by the kind of their column, None where there is nothing:

| kind | cell | table | JSON | CSV |
|---|---|---|---|---|
| text | str | as it is | string | guarded text |
| count | int | 1,234,567 | number | 1234567 |
| money, usd | int, 10**-9 of the unit | 1,234.57 | "1234.5678" | 1234.5678 |
| decimal | str, a plain decimal | as it is | string | as it is |
| percent | int, tenths of a percent | +12.5% | "12.5" | 12.5 |
| flag | bool | yes, no | true, false | true, false |
| facts | mapping of text | k=v, k=v | object | guarded JSON |
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import accumulate, islice, takewhile
from typing import Literal, TypeAlias, TypeGuard

import msgspec
from msgspec.structs import replace

from ledger.values.markdown import markdown_text
from ledger.values.rounding import rounded
from ledger.values.safe_csv import CsvWriter, decimal_comma, guard
from ledger.values.safe_text import json_text, visible
from ledger.values.words import counted, grouped
from pricing.money import NANO, format_nano, parse_units

Kind: TypeAlias = Literal["text", "count", "money", "usd", "decimal", "percent", "flag", "facts"]
Cell: TypeAlias = str | int | Mapping[str, str] | None

SCHEMA = 1
LEFT_ALIGNED = frozenset({"text", "flag", "facts"})
SCALED = frozenset({"money", "usd", "percent"})
NO_TEXT = "(none)"
# Rows of CSV, and entries of a list in JSON, that are text and bytes at a time.
_ROWS_AT_ONCE = 5_000
_LEFT_OUT = "Not shown: {}; JSON and CSV have them."


class Column(msgspec.Struct, frozen=True):
    """One column. A narrow terminal leaves out the highest `priority` first, and 0 never.

    A table rounds money and usd to a few places, unless the column is `exact`. What isn't `shown` is for programs: in
    CSV and JSON alone.
    """

    name: str
    kind: Kind = "text"
    priority: int = 0
    exact: bool = False
    shown: bool = True

    @property
    def heading(self) -> str:
        """The name in words, which may break over lines."""
        return visible(self.name if self.name.startswith("tag:") else self.name.replace("_", " "))


def columns(kind: Kind, *names: str, priority: int = 0, exact: bool = False) -> tuple[Column, ...]:
    """Makes columns that differ in their names alone."""
    return tuple(Column(name, kind, priority, exact) for name in names)


class Sheet(msgspec.Struct, frozen=True):
    """A table that a command shows. `total` has a cell a column; text cells of it stay empty.

    `facts` are further keys of the JSON document, between title and rows; `document`, where it is given, is the JSON
    document in their place, or makes it, where that is large; its lists may be any iterables. `footnotes` come under
    the table and in Markdown, `lead` above it: its answer in short. `brief` are the rows that people are shown where
    there are too many; CSV and JSON have them all. `total_label` is what people see the total called.
    """

    title: str
    columns: Sequence[Column]
    rows: Iterable[Sequence[Cell]]
    total: Sequence[Cell] | None = None
    facts: Mapping[str, object] = {}
    document: Mapping[str, object] | Callable[[], Mapping[str, object]] | None = None
    footnotes: Sequence[str] = ()
    lead: Sheet | None = None
    brief: Sequence[Sequence[Cell]] | None = None
    total_label: str = "total"

    def for_people(self) -> Sheet:
        """The sheet as tables and Markdown have it: the rows and columns that are shown."""
        places = [place for place, column in enumerate(self.columns) if column.shown]
        return replace(
            self,
            columns=[self.columns[place] for place in places],
            rows=[[row[place] for place in places] for row in (self.rows if self.brief is None else self.brief)],
            total=None if self.total is None else [self.total[place] for place in places],
        )


def cells_of(record: object, columns: Sequence[Column], **others: Cell) -> list[Cell]:
    """A document's fields, or `others`, as cells: decimal texts become money or percents."""
    return [_cell_of(others.get(column.name, getattr(record, column.name, None)), column.kind) for column in columns]


def _cell_of(value: object, kind: Kind) -> Cell:
    if isinstance(value, list):
        return ", ".join(value).replace("_", " ")
    if isinstance(value, str) and kind in ("usd", "percent"):
        return parse_units(value, NANO if kind == "usd" else 10)
    assert value is None or isinstance(value, (str, int))
    return value


def json_row(columns: Sequence[Column], row: Sequence[Cell]) -> dict[str, object]:
    """The row as JSON has it, by column: counts as numbers, other figures as strings."""
    return {
        column.name: plain_cell(cell, column.kind) if cell is not None and column.kind in SCALED else cell
        for column, cell in zip(columns, row, strict=True)
    }


def plain_cell(cell: Cell, kind: Kind) -> str:
    """The cell as exact text for programs, unguarded; nothing is empty."""
    if cell is None:
        return ""
    if kind == "flag":
        return "true" if cell else "false"
    if isinstance(cell, Mapping):
        return json_text(dict(cell))
    if kind in ("money", "usd"):
        return format_nano(int(cell))
    if kind == "percent":
        return format_nano(int(cell) * (NANO // 10))
    return str(cell)


def shown_cell(cell: Cell, kind: Kind, places: int | None = None) -> str:
    """The cell for people; money is rounded half-even to `places` (None: all it has)."""
    if cell is None:
        return NO_TEXT if kind == "text" else ""
    if kind == "flag":
        return "yes" if cell else "no"
    if isinstance(cell, Mapping):
        return ", ".join(f"{visible(key)}={visible(value)}" for key, value in cell.items())
    if kind == "count":
        return f"{int(cell):,}"
    if kind in ("money", "usd"):
        return grouped(format_nano(int(cell))) if places is None else rounded(int(cell), places)
    if kind == "percent":
        return ("+" if int(cell) > 0 else "") + rounded(int(cell) * (NANO // 10), 1) + "%"
    return visible(str(cell))


def to_json(sheet: Sheet, *, indent: int | None = None) -> str:
    """The sheet as one JSON document, ended by a line break."""
    return "".join(json_pieces(sheet, indent=indent))


def json_pieces(sheet: Sheet, *, indent: int | None = None) -> Iterator[str]:
    """Yields the text of `to_json`: without `indent`, lists of the document some thousand entries at a time."""
    document = sheet.document if sheet.document is not None else _document(sheet)
    if callable(document):
        document = document()
    document = {"schema": SCHEMA, **document}
    if indent is not None:
        made = {key: list(value) if _is_list(value) else value for key, value in document.items()}
        yield json_text(made, indent=indent) + "\n"
        return
    for number, (key, value) in enumerate(document.items()):
        yield f"{',' if number else '{'}{json_text(key)}:"
        yield from _list_pieces(value) if _is_list(value) else [json_text(value)]
    yield "}\n"


def _is_list(value: object) -> TypeGuard[Iterable[object]]:
    return isinstance(value, Iterable) and not isinstance(value, (str, Mapping))


def _list_pieces(values: Iterable[object]) -> Iterator[str]:
    left, before = iter(values), "["
    while chunk := list(islice(left, _ROWS_AT_ONCE)):
        yield before + json_text(chunk)[1:-1]
        before = ","
    yield "]" if before == "," else "[]"


def _document(sheet: Sheet) -> dict[str, object]:
    columns = sheet.columns
    document: dict[str, object] = {"title": sheet.title, **sheet.facts}
    document["rows"] = [json_row(columns, row) for row in sheet.rows]
    if sheet.total is not None:
        total, texts = json_row(columns, sheet.total), {c.name for c in columns if c.kind in LEFT_ALIGNED}
        document["total"] = {name: cell for name, cell in total.items() if name not in texts}
    return document


def to_csv(sheet: Sheet, *, excel: bool = False) -> bytes:
    """The sheet as CSV, with `excel` as `CsvWriter` has it; without its total, which would be summed with the rest."""
    header = [guard(column.name) for column in sheet.columns]
    rows = (
        [_csv_cell(cell, column.kind, excel=excel) for column, cell in zip(sheet.columns, row, strict=True)]
        for row in sheet.rows
    )
    writer = CsvWriter(excel=excel)
    chunks = iter(lambda: list(islice(rows, _ROWS_AT_ONCE)), [])
    return b"".join([writer.encode([header]), *map(writer.encode, chunks)])


def _csv_cell(cell: Cell, kind: Kind, *, excel: bool) -> str:
    text = plain_cell(cell, kind)
    if kind in LEFT_ALIGNED:
        return guard(text) if kind != "flag" else text
    return decimal_comma(text) if excel else text


def to_markdown(sheet: Sheet, most_characters: int | None = None) -> str:
    """The sheet as a GitHub table with all places; data in it can't become markup.

    Rows that would make it longer than `most_characters` are left out, and counted below it.
    """
    sheet = sheet.for_people()
    columns = sheet.columns
    lines = [to_markdown(sheet.lead)] if sheet.lead else []
    lines += [f"**{markdown_text(sheet.title)}**", ""]
    lines.append(_markdown_row([column.name for column in columns]))
    lines.append("| " + " | ".join(":--" if column.kind in LEFT_ALIGNED else "--:" for column in columns) + " |")
    rows = [_markdown_row(_shown_row(columns, row)) for row in sheet.rows]
    tail = (
        []
        if sheet.total is None
        else [_markdown_row(total_row(columns, _shown_row(columns, sheet.total), sheet.total_label))]
    )
    for footnote in sheet.footnotes:
        tail += ["", markdown_text(footnote)]
    if most_characters is not None:
        room = most_characters - sum(len(line) + 1 for line in [*lines, *tail]) - len(_LEFT_OUT) - 20
        kept = list(takewhile(lambda end: end <= room, accumulate(len(row) + 1 for row in rows)))
        if len(kept) < len(rows):
            tail += ["", _LEFT_OUT.format(counted(len(rows) - len(kept), "more row"))]
            rows = rows[: len(kept)]
    return "\n".join([*lines, *rows, *tail]) + "\n"


def _shown_row(columns: Sequence[Column], row: Sequence[Cell]) -> list[str]:
    return [shown_cell(cell, column.kind) for column, cell in zip(columns, row, strict=True)]


def total_row(columns: Sequence[Column], shown: Sequence[str], label: str) -> list[str]:
    """A total's cells, its label in the first text column and nothing in the others."""
    cells = ["" if column.kind in LEFT_ALIGNED else cell for column, cell in zip(columns, shown, strict=True)]
    first = next((i for i, column in enumerate(columns) if column.kind in LEFT_ALIGNED), None)
    if first is not None:
        cells[first] = label
    return cells


def _markdown_row(cells: Sequence[str]) -> str:
    return "| " + " | ".join(markdown_text(cell) for cell in cells) + " |"


def without_fees(calls: int) -> str:
    """A note of calls of tools whose fees are not booked."""
    return f"without fees of {counted(calls, 'call')} of tools"
