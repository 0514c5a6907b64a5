"""The rows of the model's book, in plain lists: what is live is looked for each time, and nothing is ever changed."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction

from tests.model.prices import Price, Usage

ZERO = Decimal(0)


@dataclass(frozen=True)
class Record:
    """A usage record as it was added by a batch; the same id has several where it was voided or corrected."""

    usage: Usage
    batch: int


@dataclass(frozen=True)
class Row:
    """A charge, a reversal, a replacement or an adjustment (which has no record). Its number is its place + 1."""

    kind: str
    record: Record | None
    occurred: str
    posted: str
    project: str
    price: Price
    batch: int
    corrects: int | None = None

    @property
    def amount(self) -> Decimal:
        return sum(self.price.amounts, ZERO)

    @property
    def sign(self) -> int:
        """The requests and tokens that it counts as."""
        return 0 if self.record is None else -1 if self.kind == "reversal" else 1


def next_month(month: str) -> str:
    year, number = int(month[:4]), int(month[5:])
    return f"{year + number // 12}-{number % 12 + 1:02}"


def last_day(month: str) -> str:
    return f"{month}-{'28' if month.endswith('02') else '30' if month[5:] in ('04', '06') else '31'}"


def usd(rows: Iterable[Row]) -> Decimal:
    """Adds up amounts in USD, rounded half-even to 9 places once."""
    exact = sum((Fraction(row.amount) / Fraction(row.price.per_usd) for row in rows), Fraction())
    return Decimal(round(exact * 10**9)).scaleb(-9)


class Book:
    """Rows, the records that they are for, the batches that they came in, and the months that are closed."""

    def __init__(self) -> None:
        self.rows: list[Row] = []
        self.records: list[Record] = []
        self.batches: list[tuple[int, str]] = []  # the run and its kind, by number of the batch
        self.closed: list[str] = []

    @property
    def first_open(self) -> str:
        return next_month(self.closed[-1]) if self.closed else ""

    def live(self) -> list[tuple[int, Row]]:
        """The rows that hold, by number: charges and replacements that nothing reversed."""
        reversed_ = {row.corrects for row in self.rows if row.kind == "reversal"}
        return [(number, row) for number, row in enumerate(self.rows, 1)
                if row.kind in ("charge", "replacement") and number not in reversed_]  # fmt: skip

    def live_of(self, usage: Usage) -> tuple[int, Row] | None:
        """The row that holds for an id."""
        for number, row in self.live():
            if row.record is not None and row.record.usage.identity == usage.identity:
                return number, row
        return None

    @property
    def batch(self) -> int:
        return len(self.batches) + 1

    def seal(self, kind: str, run: int | None) -> int | None:
        """Ends a batch, if it has rows; the first of a run gives it its number."""
        if self.rows and self.rows[-1].batch == self.batch:
            run = run or self.batch
            self.batches.append((run, kind))
        return run

    def post(self, kind: str, record: Record, project: str, price: Price, corrects: int | None = None) -> None:
        month = record.usage.at[:7]
        self.rows.append(Row(kind, record, month, max(month, self.first_open), project, price, self.batch, corrects))

    def reverse(self, number: int) -> None:
        row = self.rows[number - 1]
        back = row.price._replace(amounts=tuple(-amount for amount in row.price.amounts))
        posted = max(row.posted, self.first_open)
        self.rows.append(Row("reversal", row.record, row.occurred, posted, row.project, back, self.batch, number))

    def replace(self, number: int, *, project: str | None = None, price: Price | None = None) -> None:
        self.reverse(number)
        row = self.rows[number - 1]
        posted, project, price = max(row.posted, self.first_open), project or row.project, price or row.price
        self.rows.append(Row("replacement", row.record, row.occurred, posted, project, price, self.batch, number))
