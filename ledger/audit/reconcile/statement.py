"""A provider's statement, read strictly, row by row: what has two readings is refused, never guessed.

Errors name the file, the line and the column.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from itertools import islice
from typing import NamedTuple
from zoneinfo import ZoneInfo

from ledger.audit.reconcile.currency import BillCurrency
from ledger.audit.reconcile.days import BillDays
from ledger.audit.reconcile.sides import Grain
from ledger.audit.reconcile.tables import Iso, Number, Table
from ledger.errors import LedgerError
from ledger.values.csv_rows import wrong
from ledger.values.currencies import says_currency
from ledger.values.figures import parse_figure, shown_figure
from ledger.values.layout import COUNTS, DELIMITERS, FIELDS, Layout
from pricing.money import INT64_MAX

KEYS = ("request_id", "occurred_at", "day", "model")
# What bills call a row that is the sum of the others.
_SUM = re.compile(
    r"(?:(?:sub|grand )?totals?(?: général)?|sum|gesamt(?:betrag)?|(?:zwischen|gesamt)?summe|[合总小共總総][计計]|总额)"
    r"\s*[:：]?\s*(?:\(.*\)|(?:for|of|in) .*|due|amount)?",
    re.IGNORECASE,
)
# Lines that are looked through for a header below the first.
_LOOKED_THROUGH = 40
_COUNT = re.compile(r"[0-9]{1,19}")
# Columns that say the sign of an amount by their name, and what they say of one that is to be taken off.
_SAYS_SIGN = re.compile(
    r"\W*(?:(?:dr|debit|d|soll|s)\s*[/|-]\s*(?:cr|credit|c|haben|h)|(?:cr|credit|c|haben|h)\s*[/|-]\s*(?:dr|debit|d|soll|s)"
    r"|sign|(?:debit[ _-]?credit|credit[ _-]?debit)(?:[ _-]?\w+)?|借贷(?:标志|方向)?|收支)\W*",
    re.IGNORECASE,
)
_TAKEN_OFF = re.compile(r"cr\.?|credit|c|haben|h|-|贷|收入", re.IGNORECASE)
# What the format of a true number has beside it, such as tokens.
_BESIDE_COUNT = re.compile(r" [^0-9]+$")


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
        self, name: str, table: Table, layout: Layout, *, zone: ZoneInfo, naive_zone: ZoneInfo | None = None
    ) -> None:
        self.name = name
        self.layout = layout
        self.header = table.header
        self.places = 0
        """Most places after the point that its amounts are printed with, at most 9."""
        self.totals = 0
        """Rows left out as sums of others, by `total_row`."""
        self.unmapped_days: dict[str, set[tuple[str, ...]]] = {}
        """Days in columns of no field, each in all its readings, where rows have neither a day nor a request."""
        self._marks: dict[str, int] = {}
        self._table = table
        self._days = BillDays(layout, zone, naive_zone)
        self._check_header()
        self._places = self._find_columns({**table.columns, **layout.map})
        self.counts = [name for name in COUNTS if name in self._places]
        self.grain = Grain("request_id" in self._places, self.is_dated, "model" in self._places)
        """The key of its rows: their request, else their day and model as far as they have them."""
        try:
            self._currency = BillCurrency(layout.currency, self.header[self._places["amount"]])
        except ValueError as error:
            raise self._wrong(table.header_line, str(error), "amount") from None
        unmapped = [(at, name) for at, name in enumerate(self.header) if at not in self._places.values()]
        self._signs = [at for at, name in unmapped if _SAYS_SIGN.fullmatch(name)]
        says = "currency" not in self._places
        self._unmapped_currencies = [at for at, name in unmapped if says and says_currency(name)]

    @property
    def currency(self) -> str | None:
        """Its currency as far as it is known: the card's is meant where nothing says another."""
        return self._currency.code

    @property
    def is_dated(self) -> bool:
        """Tells whether its rows have days."""
        return "day" in self._places or "occurred_at" in self._places

    @property
    def rows_are_requests(self) -> bool:
        """Tells whether each row is of one request; a row of a day and model alone may be of many."""
        return self.grain.by_request or "occurred_at" in self._places

    def lines(self) -> Iterator[Line]:
        """Reads its rows in order; once only."""
        by_request = self.grain.by_request
        for line, cells in self._table.rows:
            if self._is_total(line, cells):
                self.totals += 1
                continue
            while len(cells) > len(self.header) and not cells[-1].strip():
                cells.pop()
            if len(cells) != len(self.header):
                sums = f", or leave out a sum: --total-row {cells[0]!r}" if len(cells) < len(self.header) else ""
                what = f"{len(cells)} cells where the header has {len(self.header)}: quote what holds a separator{sums}"
                raise self._wrong(line, what)
            self._note_currency(line, cells)
            if not by_request and not self.is_dated:
                self._note_days(cells)
            yield Line(
                self._text(line, cells, "request_id", needed=True),
                self._day(line, cells),
                self._text(line, cells, "model", needed=not by_request),
                tuple(self._count(line, cells, name) for name in self.counts),
                self._amount(line, cells),
            )

    # --- header -----------------------------------------------------------------------------------------------------

    def _check_header(self) -> None:
        saved = self.layout.header
        if not saved or list(saved) == self.header:
            return
        new = [name for name in self.header if name not in saved]
        gone = [name for name in saved if name not in self.header]
        parts = [
            f"new {', '.join(map(repr, new))}" if new else "",
            f"gone {', '.join(map(repr, gone))}" if gone else "",
        ]
        difference = "; ".join(filter(None, parts)) or "the same columns in another order"
        raise self._wrong(
            self._table.header_line,
            f"the header isn't the one that the layout was saved for ({difference}): check it, then --save-as again",
        )

    def _find_columns(self, columns: Mapping[str, str]) -> dict[str, int]:
        line = self._table.header_line
        twice = [name for name, count in Counter(self.header).items() if name and count > 1]
        if twice:
            raise self._wrong(line, f"the header names {twice[0]!r} twice: which one counts can't be known; keep one")
        for field, column in columns.items():
            if column not in self.header:
                raise self._wrong(
                    line, f"no column {column!r}, as --map {field}={column} says: {self._named()}{self._below()}"
                )
        # A mapped field is in that column alone, and a mapped column is of its field alone.
        own = {name: name for name in FIELDS if name in self.header and name not in columns.values()}
        places = {field: self.header.index(column) for field, column in {**own, **columns}.items()}
        if "amount" not in places:
            raise self._wrong(line, f"no column amount: {self._named()}; --map amount=COLUMN says which{self._below()}")
        return places

    def _named(self) -> str:
        return f"it has {', '.join(repr(name) for name in self.header[:12])}"

    def _below(self) -> str:
        """Names the lines to leave out where a header seems to be below them: the first of the widest lines."""
        found: list[tuple[int, list[str]]] = []
        with suppress(LedgerError):
            for line, cells in islice(self._table.rows, _LOOKED_THROUGH):
                text = "\t".join(cells)  # cut by what parts the first line, which may part no other
                words = max((text.split(delimiter) for delimiter in DELIMITERS), key=len)
                found.append((line, [word for word in words if word.strip()]))
        line, words = max(found, key=lambda each: len(each[1]), default=(0, []))
        if len(words) <= len([name for name in self.header if name]) or any(map(_is_figure, words)):
            return ""
        return f"; line {line} looks like the header: --skip-lines {line - 1}"

    # --- cells ------------------------------------------------------------------------------------------------------

    def _is_total(self, line: int, cells: Sequence[str]) -> bool:
        wanted = self.layout.total_row
        if wanted is not None:
            return any(cell.strip().casefold() == wanted.casefold() for cell in cells)
        keys = [self._places[field] for field in KEYS if field in self._places] or range(len(cells))
        for place in [0, *keys]:
            if place < len(cells) and _SUM.fullmatch(cells[place].strip()):
                name = cells[place].strip()[:40]
                raise self._wrong(line, f"looks like the sum of the others: --total-row {name!r} leaves it out")
        return False

    def _cell(self, cells: Sequence[str], field: str) -> str | None:
        place = self._places.get(field)
        return None if place is None else cells[place] if isinstance(cells[place], Iso) else cells[place].strip()

    def _text(self, line: int, cells: Sequence[str], field: str, *, needed: bool) -> str | None:
        text = self._cell(cells, field)
        if text == "" and needed:
            raise self._wrong(line, "is empty: a row is known by it; --total-row NAME leaves out a sum", field)
        return text or None

    def _day(self, line: int, cells: Sequence[str]) -> str | None:
        field = "day" if "day" in self._places else "occurred_at"
        if field not in self._places:
            return None
        text = self._cell(cells, field) or ""
        try:
            if field == "occurred_at":
                return self._days.day_at(text)
            day = self._days.day(text)
            field = "occurred_at"
            if field in self._places:
                self._days.check_same(day, self._cell(cells, field) or "")
        except ValueError as error:
            raise self._wrong(line, str(error), field) from None
        return day

    def _count(self, line: int, cells: Sequence[str], field: str) -> int:
        text = self._cell(cells, field) or "0"
        if isinstance(cells[self._places[field]], Number):
            text = _BESIDE_COUNT.sub("", text)
        if _COUNT.fullmatch(text) is None or int(text) > INT64_MAX:
            raise self._wrong(line, f"{shown_figure(text)} isn't a count: give digits alone, without separators", field)
        return int(text)

    def _amount(self, line: int, cells: Sequence[str]) -> int:
        cell = cells[self._places["amount"]]
        mark = "." if isinstance(cell, Number) else self.layout.decimal
        try:
            figure = parse_figure(cell, mark)
            if figure.currency is None:
                self._currency.note_none(line)
            else:
                self._currency.note(line, figure.currency)
        except ValueError as error:
            raise self._wrong(line, str(error), "amount") from None
        self._check_alone(line, cells, positive=figure.nano > 0)
        if abs(figure.nano) > INT64_MAX:
            raise self._wrong(line, f"{cell[:40]} is more than a request can cost", "amount")
        if figure.mark is not None and mark is None:
            self._note_mark(line, figure.mark)
        self.places = max(self.places, figure.places)
        return figure.nano

    def _check_alone(self, line: int, cells: Sequence[str], *, positive: bool) -> None:
        """Refuses an amount that has its sign in another column, or its end in one without a name, as 1,234.50 has."""
        for place in self._signs:
            if positive and _TAKEN_OFF.fullmatch(cells[place].strip()):
                what = f"says the sign of the amount by {cells[place].strip()}: write amounts with one, such as -1234.5"
                raise wrong(self.name, line, what, f", column {self.header[place]!r}")
        after = self._places["amount"] + 1
        if after < len(cells) and not self.header[after] and cells[after][:1].isdigit():
            what = (
                f"is followed by {cells[after][:40]!r} under no name: quote what holds a separator, or name the column"
            )
            raise self._wrong(line, what, "amount")

    def _note_currency(self, line: int, cells: Sequence[str]) -> None:
        """Notes what the column of the currency says, or those that are of currencies by their name."""
        place = self._places.get("currency")
        try:
            if place is not None:
                self._currency.note_text(line, cells[place].strip())
            for place in self._unmapped_currencies:
                if cells[place].strip() and not _is_figure(cells[place]):
                    self._currency.note_unmapped(line, cells[place].strip())
        except ValueError as error:
            raise wrong(self.name, line, str(error), f", column {self.header[place or 0]!r}") from None

    def _note_days(self, cells: Sequence[str]) -> None:
        for place, cell in enumerate(cells):
            days = () if place in self._places.values() else self._days.readings(cell)
            if days:
                self.unmapped_days.setdefault(self.header[place], set()).add(days)

    def _note_mark(self, line: int, mark: str) -> None:
        """Refuses a second decimal mark: 9,60 in a column makes 1.234 another number than it looks."""
        self._marks.setdefault(mark, line)
        if len(self._marks) > 1:
            others = " and ".join(f"{found!r} on line {number}" for found, number in self._marks.items())
            raise self._wrong(line, f"the decimal marks are {others}: --decimal says which it is", "amount")

    def _wrong(self, line: int, what: str, field: str | None = None) -> LedgerError:
        place = "" if field is None else f", column {self.header[self._places[field]]!r}"
        return wrong(self.name, line, what, place)


def _is_figure(text: str) -> bool:
    """Tells whether a cell is an amount, as those of `costInBillingCurrency` are."""
    with suppress(ValueError):
        parse_figure(text, ".")
        return True
    return False
