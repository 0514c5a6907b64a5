"""A provider's statement as CSV, read strictly, row by row: what can't be read as it is is refused, never guessed.

Errors name the file, the line and the column.
"""

from __future__ import annotations

import csv
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import NamedTuple
from zoneinfo import ZoneInfo

from ledger.errors import LedgerError
from ledger.intake.containers.lines import line_chunks
from ledger.intake.containers.source import Source
from ledger.intake.fields.record import Item, RecordError
from ledger.intake.fields.times import read_time
from ledger.values.amounts import CREDITS
from ledger.values.calendar import Calendar
from ledger.values.instants import to_microseconds
from ledger.values.periods import parse_day
from pricing.money import CURRENCIES, INT64_MAX, NANO, parse_units

COUNTS = ("input_tokens", "cached_input_tokens", "output_tokens")
FIELDS = ("request_id", "occurred_at", "day", "model", *COUNTS, "amount", "currency")
_COUNT = re.compile(r"[0-9]{1,19}")


class Line(NamedTuple):
    """A row: day YYYY-MM-DD in the statement's zone; counts in the order of the statement's `counts`, 0 where empty."""

    request_id: str | None
    day: str | None
    model: str | None
    counts: tuple[int, ...]
    amount_nano: int


class ProviderStatement:
    """An opened statement, its header read; `currency` and `places` are known once its lines were read.

    Times without a zone are of `naive_zone`, and refused where that is None.
    """

    def __init__(
        self, source: Source, columns: Mapping[str, str], *, zone: ZoneInfo, naive_zone: ZoneInfo | None = None
    ) -> None:
        self.name = source.name
        self.currency: str | None = None
        self.places = 0
        """Most places after the point that its amounts are printed with."""
        self._source = source
        self._calendar = Calendar(zone)
        self._naive_zone = naive_zone
        self._days: dict[str, str] = {}
        self._records = self._read_records()
        _line, names = next(self._records, (0, []))
        self._header = [name.strip() for name in names]
        self._places = self._find_columns(columns)
        self.counts = [name for name in COUNTS if name in self._places]

    @property
    def by_request(self) -> bool:
        """True where it has request ids; else it is compared by day and model."""
        return "request_id" in self._places

    @property
    def is_dated(self) -> bool:
        """True where its rows have days."""
        return "day" in self._places or "occurred_at" in self._places

    @property
    def rows_are_requests(self) -> bool:
        """True where each row is of one request; a row of a day and model alone may be of many."""
        return self.by_request or "occurred_at" in self._places

    def lines(self) -> Iterator[Line]:
        """Yields its rows in order; once only."""
        for line, cells in self._records:
            if len(cells) != len(self._header):
                raise self._wrong(
                    line, f"{len(cells)} cells where the header has {len(self._header)}: quote what holds a comma"
                )
            self._check_currency(line, cells)
            yield Line(
                self._text(line, cells, "request_id", needed=True),
                self._day(line, cells),
                self._text(line, cells, "model", needed=not self.by_request),
                tuple(self._count(line, cells, name) for name in self.counts),
                self._amount(line, cells),
            )

    # --- header -----------------------------------------------------------------------------------------------------

    def _find_columns(self, columns: Mapping[str, str]) -> dict[str, int]:
        if not self._header:
            raise LedgerError(f"{self.name} is empty: a header with the names of the columns is needed")
        twice = [name for name, count in Counter(self._header).items() if name and count > 1]
        if twice:
            raise self._wrong(1, f"the header names {twice[0]!r} twice: which one counts can't be known; keep one")
        for field, column in columns.items():
            if column not in self._header:
                raise self._wrong(1, f"no column {column!r}, as --map {field}={column} says: {self._named()}")
        # A mapped field is in that column alone, and a mapped column is of its field alone.
        given = {field: column for field, column in columns.items() if column in self._header}
        own = {name: name for name in FIELDS if name in self._header and name not in given.values()}
        places = {field: self._header.index(column) for field, column in (own | given).items()}
        self._check_needed(places)
        return places

    def _check_needed(self, places: Mapping[str, int]) -> None:
        needed = ["amount"]
        if "request_id" not in places:
            needed += ["model"] if "day" in places or "occurred_at" in places else ["model", "day"]
        missing = [name for name in needed if name not in places]
        if missing:
            instead = " (or request_id)" if "request_id" not in places and missing != ["amount"] else ""
            raise self._wrong(
                1, f"no column {', '.join(missing)}{instead}: {self._named()}; --map {missing[0]}=COLUMN says which"
            )

    def _named(self) -> str:
        return f"it has {', '.join(repr(name) for name in self._header[:12])}"

    # --- cells ------------------------------------------------------------------------------------------------------

    def _cell(self, cells: Sequence[str], field: str) -> str | None:
        place = self._places.get(field)
        return None if place is None else cells[place].strip()

    def _text(self, line: int, cells: Sequence[str], field: str, *, needed: bool) -> str | None:
        text = self._cell(cells, field)
        if text == "" and needed:
            raise self._wrong(line, "is empty: a row is known by it", field)
        return text or None

    def _day(self, line: int, cells: Sequence[str]) -> str | None:
        text = self._cell(cells, "day")
        if text is not None:
            day = self._days.get(text)
            if day is None:
                try:
                    day = self._days[text] = parse_day(text, "the cell")
                except LedgerError as error:
                    raise self._wrong(line, str(error), "day") from None
            return day
        text = self._cell(cells, "occurred_at")
        return None if text is None else self._calendar.day(self._instant(line, text))

    def _instant(self, line: int, text: str) -> int:
        try:
            return read_time(text, "the cell")
        except RecordError as error:
            if error.reason == "no_time_zone" and self._naive_zone is not None:
                return to_microseconds(datetime.fromisoformat(text).replace(tzinfo=self._naive_zone))
            hint = ", or give --timezone" if error.reason == "no_time_zone" else ""
            raise self._wrong(line, f"{error}{hint}", "occurred_at") from None

    def _count(self, line: int, cells: Sequence[str], field: str) -> int:
        text = self._cell(cells, field) or "0"
        if _COUNT.fullmatch(text) is None or int(text) > INT64_MAX:
            raise self._wrong(line, f"{text[:40]!r} is not a count: write digits alone, like 1234", field)
        return int(text)

    def _amount(self, line: int, cells: Sequence[str]) -> int:
        text = self._cell(cells, "amount") or ""
        try:
            amount_nano = parse_units(text, NANO)
        except ValueError:
            raise self._wrong(
                line,
                f"{text[:40]!r} is not an amount: write a plain decimal of at most 9 places, like 1234.5, without "
                "thousands separators and units",
                "amount",
            ) from None
        if abs(amount_nano) > INT64_MAX:
            raise self._wrong(line, f"{text[:40]} is more than a request can cost: check the column", "amount")
        self.places = max(self.places, len(text.partition(".")[2]))
        return amount_nano

    def _check_currency(self, line: int, cells: Sequence[str]) -> None:
        text = self._cell(cells, "currency")
        if text is None:
            return
        code = CREDITS if text.lower() in {"credit", "credits"} else text.upper()
        if code == self.currency:
            return
        if code not in CURRENCIES:
            raise self._wrong(line, f"{text[:40]!r} is not a currency: give CRD or an ISO 4217 code", "currency")
        if self.currency is not None:
            raise self._wrong(
                line, f"{code} after {self.currency}: a statement has one currency; split the file", "currency"
            )
        self.currency = code

    # --- lines ------------------------------------------------------------------------------------------------------

    def _read_records(self) -> Iterator[tuple[int, list[str]]]:
        """Rows with the line they begin on, blank lines left out."""
        reader = csv.reader(self._texts(), strict=True)
        while True:
            line = reader.line_num + 1
            try:
                cells = next(reader)
            except StopIteration:
                return
            except csv.Error as error:
                raise self._wrong(line, f"can't be read as CSV ({error}): check its quotes") from None
            if cells:
                yield line, cells

    def _texts(self) -> Iterator[str]:
        for piece in line_chunks(self._source.blocks()):
            if isinstance(piece, Item):
                raise self._wrong(piece.line, "is too long to be read: check the file")
            for number, raw in enumerate(piece.lines, piece.first_line):
                try:
                    text = raw.decode()
                except UnicodeDecodeError as fault:
                    raise self._wrong(number, f"byte {fault.start + 1} is not UTF-8: convert the file") from None
                if "\0" in text:
                    raise self._wrong(number, "holds a NUL byte: the file is damaged, or not UTF-8")
                yield text + "\n"
        if self._source.fault is not None:
            raise LedgerError(f"{self.name}: the compressed data is damaged or ends early: fetch the file again")

    def _wrong(self, line: int, what: str, field: str | None = None) -> LedgerError:
        place = "" if field is None else f", column {self._header[self._places[field]]!r}"
        return LedgerError(f"{self.name}, line {line}{place}: {what}")


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
