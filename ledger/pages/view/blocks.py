"""Parts of a page: sections of text, tables and charts, from which HTML and Markdown are made alike."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple, TypeAlias

from ledger.pages.view.words import Name, Text

Tone: TypeAlias = Literal["", "good", "warn", "bad", "soft"]
Kind: TypeAlias = Literal["text", "number", "bar"]


class Bar(NamedTuple):
    """A bar in a row of its own, in tenths of a percent of the row: its start, its width, and the zero line."""

    start: int
    width: int
    tone: Tone = ""
    zero: int | None = None


class Cell(NamedTuple):
    """A cell: text, a smaller note under it, a bar before it."""

    text: Text
    note: Text = ()
    tone: Tone = ""
    bar: Bar | None = None


class Heading(NamedTuple):
    """The head of a column; cells of a column of numbers end at its right."""

    text: str
    kind: Kind = "text"


@dataclass(frozen=True, slots=True)
class Table:
    """Rows whose first cell heads them; `caption` says what they are, `narrow` ones stay tables on a phone."""

    caption: str
    headings: tuple[Heading, ...]
    rows: tuple[tuple[Cell, ...], ...]
    total: tuple[Cell, ...] | None = None
    narrow: bool = False


class Column(NamedTuple):
    """A column of a chart over days: its height in tenths of a percent, and the day it is of."""

    day: str
    height: int
    tone: Tone = ""
    is_expected: bool = False


@dataclass(frozen=True, slots=True)
class DayChart:
    """Columns over the days of a month, `lines` across at some heights with their amounts; `words` say it in text."""

    words: str
    columns: tuple[Column, ...]
    lines: tuple[tuple[int, str], ...]
    table: Table

    @property
    def widest_label(self) -> int:
        """The characters of the longest amount at a line."""
        return max(len(amount) for _height, amount in self.lines)


@dataclass(frozen=True, slots=True)
class Section:
    """A heading, and under it whatever there is of text, tables and a chart, in this order."""

    name: str
    heading: Text
    lines: tuple[Text, ...] = ()
    tables: tuple[Table, ...] = ()
    chart: DayChart | None = None
    note: Text = ()


class Fact(NamedTuple):
    """A line under the verdict."""

    label: str
    text: Text
    tone: Tone = ""


@dataclass(frozen=True, slots=True)
class Page:
    """The page of a month: `first` fits on one sheet of paper with the verdict and its facts."""

    title: str
    kicker: Text
    verdict: tuple[Text, ...]
    facts: tuple[Fact, ...]
    first: tuple[Section, ...]
    details: tuple[Section, ...]
    footer: tuple[Text, ...]
    control: str
    report_command: str
    command: str


def cell(text: str | Name, *, tone: Tone = "", bar: Bar | None = None, note: Text = ()) -> Cell:
    """Makes a cell of one text or name."""
    return Cell((text,), note, tone, bar)


def share_bar(part: int, whole: int, tone: Tone = "") -> Bar:
    """Makes a bar as long as a part of a whole, at most all of it; one that isn't nothing can be seen."""
    if part <= 0 or whole <= 0:
        return Bar(0, 0, tone)
    return Bar(0, min(max(part * 1000 // whole, 5), 1000), tone)


def movement_bars(changes: Sequence[int]) -> list[Bar]:
    """Makes bars from one zero line, all to one scale: what got dearer to the right, what got cheaper to the left."""
    most, least = max([0, *changes]), min([0, *changes])
    span = max(most - least, 1)
    zero = -least * 1000 // span
    bars = []
    for change in changes:
        width = max(abs(change) * 1000 // span, 4 if change else 0)
        start = min(zero, 1000 - width) if change >= 0 else max(zero - width, 0)
        bars.append(Bar(start, width, "bad" if change > 0 else "good", zero))
    return bars
