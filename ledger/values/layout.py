"""Layouts of bills: how a provider's file is written, as options or `[statement.NAME]` of tollbook.toml say it."""

from __future__ import annotations

import re
from typing import Final, Literal, TypeAlias

import msgspec

DELIMITERS: Final = (",", ";", "\t", "|")
Delimiter: TypeAlias = Literal[",", ";", "\t", "|"]

# Letters of dates as spreadsheets show them -> those of strptime.
_LETTERS = {"YYYY": "%Y", "YY": "%y", "MM": "%m", "DD": "%d", "HH": "%H", "mm": "%M", "ss": "%S"}
_LETTER = re.compile("|".join(_LETTERS))


class Layout(msgspec.Struct, forbid_unknown_fields=True, frozen=True, kw_only=True, omit_defaults=True):
    """How a bill's file is laid out; what is left out is found by the file itself, or is not there.

    `map` has the column of each field that isn't named alike. `date_format` is DD.MM.YYYY HH:mm or strptime's
    %d.%m.%Y %H:%M. `skip_lines` come before the header. A row with a cell `total_row` is the sum of others. `header`
    are the columns that the layout was made for.
    """

    map: dict[str, str] = {}
    delimiter: Delimiter | None = None
    decimal: Literal[".", ","] | None = None
    date_format: str | None = None
    encoding: str = "utf-8"
    skip_lines: int = 0
    total_row: str | None = None
    currency: str | None = None
    sheet: str | None = None
    header: tuple[str, ...] = ()

    @property
    def strptime_format(self) -> str | None:
        """The date format in strptime's letters: DD.MM.YYYY is %d.%m.%Y."""
        if self.date_format is None or "%" in self.date_format:
            return self.date_format
        return _LETTER.sub(lambda found: _LETTERS[found[0]], self.date_format)
