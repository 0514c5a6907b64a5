"""A sheet as a table for people, fitted to a width; names are never cut."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass

from rich.box import SIMPLE
from rich.cells import cell_len
from rich.console import Console
from rich.table import Table
from rich.text import Text

from ledger.cli.show.sheet import LEFT_ALIGNED, Cell, Column, Sheet, shown_cell, total_row
from ledger.values.rounding import common_places
from ledger.values.safe_text import visible

GAP = 2
# A name may break over lines to make room for numbers, but not below these widths while a number can still be left out
# instead, or at all.
NAME_WIDTH = 24
LEAST_NAME_WIDTH = 8


@dataclass(slots=True)
class _Shown:
    """A column's ready cells and the widths it can have."""

    column: Column
    cells: list[str]
    total: str

    @property
    def is_text(self) -> bool:
        return self.column.kind in LEFT_ALIGNED

    @property
    def content_width(self) -> int:
        return max(map(cell_len, [*self.cells, self.total]), default=0)

    @property
    def natural_width(self) -> int:
        return max(cell_len(self.column.heading), self.content_width)

    @property
    def tight_width(self) -> int:
        """The width with the heading broken between words."""
        word = max(map(cell_len, self.column.heading.split()), default=0)
        return max(word, self.content_width)

    def least_width(self, name_width: int) -> int:
        return min(self.tight_width, name_width) if self.is_text else self.tight_width


def to_table(sheet: Sheet, *, width: int | None, colour: bool, ascii_only: bool = False) -> tuple[str, list[str]]:
    """The table's text, and the columns left out to fit `width` cells (None: no limit)."""
    sheet = sheet.for_people()
    shown = _fit_columns(_prepare(sheet), width)
    widths = _widths(shown, width)
    table_width = sum(widths) + GAP * (len(widths) - 1)
    text_width = width or max(table_width, cell_len(visible(sheet.title)), *map(cell_len, sheet.footnotes), 1)
    console = Console(
        file=io.StringIO(),
        width=max(table_width, text_width),
        force_terminal=colour,
        highlight=False,
        markup=False,
        emoji=False,
        color_system="standard" if colour else None,
        legacy_windows=False,
    )
    console.print(Text(visible(sheet.title), style="bold"), width=text_width, overflow="fold")
    console.print(_table(shown, widths, with_total=sheet.total is not None), crop=False, overflow="ignore")
    for footnote in sheet.footnotes:
        console.print(Text(visible(footnote), style="dim"), width=text_width, overflow="fold")
    assert isinstance(console.file, io.StringIO)
    text = console.file.getvalue()
    if ascii_only:
        text = text.replace("─", "-")
    if not colour:
        text = "".join(f"{line.rstrip()}\n" for line in text.splitlines())
    kept = {item.column.name for item in shown}
    return text, [column.name for column in sheet.columns if column.name not in kept]


def _prepare(sheet: Sheet) -> list[_Shown]:
    columns = sheet.columns
    rows = [*sheet.rows, *([sheet.total] if sheet.total is not None else [])]
    places = _places(columns, rows)
    cells = [
        [shown_cell(cell, column.kind, at) for cell, column, at in zip(row, columns, places, strict=True)]
        for row in rows
    ]
    total = total_row(columns, cells.pop(), sheet.total_label) if sheet.total is not None else [""] * len(columns)
    return [_Shown(column, [row[i] for row in cells], total[i]) for i, column in enumerate(columns)]


def _places(columns: Sequence[Column], rows: Sequence[Sequence[Cell]]) -> list[int | None]:
    """Places of each column's amounts: the same for all columns of one kind."""
    amounts: dict[tuple[str, bool], list[int]] = {}
    for row in rows:
        for column, cell in zip(columns, row, strict=True):
            if column.kind in ("money", "usd") and isinstance(cell, int):
                amounts.setdefault((column.kind, column.exact), []).append(cell)
    places = {key: common_places(values, exact=key[1]) for key, values in amounts.items()}
    return [places.get((column.kind, column.exact)) for column in columns]


def _fit_columns(shown: list[_Shown], width: int | None) -> list[_Shown]:
    """Leaves out the least important columns that the width has no room for."""
    if width is None:
        return shown
    kept = list(shown)
    while _total_width([item.least_width(NAME_WIDTH) for item in kept]) > width:
        droppable = [item for item in kept if item.column.priority > 0]
        if not droppable:
            break
        # Of equal priority the rightmost goes first.
        kept.remove(max(reversed(droppable), key=lambda item: item.column.priority))
    return kept


def _widths(shown: Sequence[_Shown], width: int | None) -> list[int]:
    """Column widths: headings break without room, and names get what numbers leave."""
    natural = [item.natural_width for item in shown]
    if width is None or _total_width(natural) <= width:
        return natural
    tight = [item.tight_width for item in shown]
    if _total_width(tight) <= width:
        return _grow(tight, natural, width)
    least = [item.least_width(NAME_WIDTH) for item in shown]
    if _total_width(least) > width:
        least = [item.least_width(LEAST_NAME_WIDTH) for item in shown]
    return _grow(least, tight, width)


def _grow(widths: list[int], wished: Sequence[int], width: int) -> list[int]:
    """Shares out the room left, a cell at a time to the narrowest that wishes for more."""
    widths = list(widths)
    for _ in range(width - _total_width(widths)):
        wishing = [i for i in range(len(widths)) if widths[i] < wished[i]]
        if not wishing:
            break
        widths[min(wishing, key=lambda i: widths[i])] += 1
    return widths


def _total_width(widths: Sequence[int]) -> int:
    return sum(widths) + GAP * (len(widths) - 1)


def _table(shown: Sequence[_Shown], widths: Sequence[int], *, with_total: bool) -> Table:
    table = Table(
        box=SIMPLE,
        show_edge=False,
        pad_edge=False,
        padding=(0, GAP - 1, 0, 0),
        show_footer=with_total,
        header_style="bold",
        footer_style="bold",
    )
    for item, width in zip(shown, widths, strict=True):
        table.add_column(
            Text(item.column.heading),
            footer=Text(item.total),
            width=width,
            overflow="fold",
            justify="left" if item.is_text else "right",
            vertical="top",
            no_wrap=False,
        )
    for cells in zip(*(item.cells for item in shown), strict=True):
        table.add_row(*map(Text, cells))
    return table
