"""Layouts of bills: how a provider's file is written, as options or `[statement.NAME]` of tollbook.toml say it."""

from __future__ import annotations

import codecs
import re
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Final, Literal, TypeAlias
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec

from ledger.errors import LedgerError
from ledger.values.amounts import currency_of

COUNTS: Final[tuple[str, ...]] = ("input_tokens", "cached_input_tokens", "output_tokens")
FIELDS: Final[tuple[str, ...]] = ("request_id", "occurred_at", "day", "model", *COUNTS, "amount", "currency")
"""The fields that a row of a bill may have."""
DELIMITERS: Final = (",", ";", "\t", "|")
Delimiter: TypeAlias = Literal[",", ";", "\t", "|"]

# Encodings of Python that aren't of files.
NO_TEXT = frozenset({"punycode", "idna", "undefined", "unicode_escape", "raw_unicode_escape", "utf-7"})
# Letters of dates as spreadsheets show them -> those of strptime.
_LETTERS = {
    "YYYY": "%Y",
    "YY": "%y",
    "MMM": "%b",
    "MM": "%m",
    "DD": "%d",
    "HH": "%H",
    "mm": "%M",
    "ss": "%S",
    "Z": "%z",
}
# A zone that a format states as it is in each text: it is read there.
_ZONE = re.compile(r"%.|(?:UTC|GMT)(?![A-Za-z]| ?[+-])|(?:Z|[+-][0-9]{2}:?[0-9]{2})$")
_LETTER = re.compile("|".join(_LETTERS))


class Layout(msgspec.Struct, forbid_unknown_fields=True, frozen=True, kw_only=True, omit_defaults=True):
    """The layout of a bill's file; what is left out is found by the file itself, or is not there.

    `map` has the column of each field that isn't named alike. `date_format` is DD.MM.YYYY HH:mm or strptime's
    %d.%m.%Y %H:%M. `skip_lines` come before the header. A row with a cell `total_row` is the sum of others. `header`
    are the columns that the layout was made for. `timezone` is that of its days.
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
    timezone: str | None = None
    header: tuple[str, ...] = ()

    @property
    def strptime_format(self) -> str | None:
        """The date format in strptime's letters: DD.MM.YYYY is %d.%m.%Y."""
        shape = self.date_format
        if shape is None:
            return None
        if "%" not in shape:
            shape = _LETTER.sub(lambda found: _LETTERS[found[0]], shape)
        return _ZONE.sub(lambda found: _zone_letter(found[0]), shape)


def _zone_letter(piece: str) -> str:
    return piece if piece.startswith("%") else "%Z" if piece in ("UTC", "GMT") else "%z"


def parse_columns(texts: Sequence[str]) -> dict[str, str]:
    """Reads columns by field from `field=column` options; LedgerError for other fields and for two of one."""
    found: dict[str, str] = {}
    for text in texts:
        field, equals, column = text.partition("=")
        if not equals or not column.strip() or field not in FIELDS:
            raise LedgerError(f"--map {text!r}: give FIELD=COLUMN with one of {', '.join(FIELDS)}")
        if field in found:
            raise LedgerError(f"--map gives {field} twice: {found[field]!r} and {column.strip()!r}; keep one")
        found[field] = column.strip()
    return found


def check_layout(layout: Layout, called: Callable[[str], str]) -> None:
    """LedgerError where a layout can't be one, naming the key as it is `called`."""
    for field in layout.map:
        if field not in FIELDS:
            raise LedgerError(f"{called('map')} {field}: isn't a field of a bill; it is one of {', '.join(FIELDS)}")
    if layout.total_row is not None and not layout.total_row.strip():
        raise LedgerError(f"{called('total_row')} is empty: give a cell that rows of sums have")
    _check_date_format(layout, called)
    _check_encoding(layout, called)
    if layout.currency is not None and currency_of(layout.currency) is None:
        raise LedgerError(f"{called('currency')} {layout.currency!r} isn't a currency; give CRD or an ISO 4217 code")
    if layout.timezone is not None:
        try:
            ZoneInfo(layout.timezone)
        except (ZoneInfoNotFoundError, ValueError, OSError):
            raise LedgerError(
                f"{called('timezone')} {layout.timezone!r} is not known: give an IANA name such as Asia/Shanghai or UTC"
            ) from None
    if layout.skip_lines < 0:
        raise LedgerError(f"{called('skip_lines')} {layout.skip_lines} is negative; give 0 or more")


def _check_date_format(layout: Layout, called: Callable[[str], str]) -> None:
    """LedgerError where a format can't tell a day: it has a year, a month and a day, each once."""
    shape = layout.strptime_format
    if shape is None:
        return
    fault = None if re.search("%[Yy]", shape) and re.search("%[mbB]", shape) and "%d" in shape else "lacks one"
    try:
        datetime.strptime(datetime(2026, 3, 14, 1, 2, 3, tzinfo=UTC).strftime(shape), shape)  # noqa: DTZ007 - a trial
    except (ValueError, re.error) as error:
        fault = str(error)
    if fault:
        raise LedgerError(
            f"{called('date_format')} {layout.date_format!r} needs a year, a month and a day ({fault}): give it like "
            "DD.MM.YYYY HH:mm, or by strptime's letters"
        )


def _check_encoding(layout: Layout, called: Callable[[str], str]) -> None:
    try:
        is_text = codecs.lookup(layout.encoding).name not in NO_TEXT
        "1,;".encode(layout.encoding)
    except (LookupError, TypeError, ValueError):
        is_text = False
    if not is_text:
        raise LedgerError(
            f"{called('encoding')} {layout.encoding!r} is unknown: give one such as utf-8, utf-16, gb18030, cp1252"
        )
