"""The report as a table: its columns, rows in order, the total, and a title of what it covers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Literal, NamedTuple, TypeAlias

import msgspec

from ledger.errors import LedgerError
from ledger.reports.comparison import Compared
from ledger.reports.completeness import NotBooked
from ledger.reports.conversion_notes import ConversionNote
from ledger.reports.dimensions import check_dimension
from ledger.reports.plan import ADJUSTMENT, CORRECTION
from ledger.reports.selection import Selection
from ledger.reports.spend import SelectedSpend
from ledger.reports.tally import Dimensions, Tally, tallied
from ledger.values.periods import Span
from pricing.money import divide_half_even
from pricing.names import did_you_mean, with_question
from pricing.rate_entry import tier_order

Kind: TypeAlias = Literal["text", "count", "money", "usd", "percent"]
Cell: TypeAlias = str | int | None
Row: TypeAlias = tuple[Cell, ...]


class ReportColumn(NamedTuple):
    """A column of the report: cells of money and usd are nano, of percent tenths; None where there is no figure."""

    name: str
    kind: Kind


MEASURES = (
    ReportColumn("requests", "count"),
    ReportColumn("input_tokens", "count"),
    ReportColumn("cached_input_tokens", "count"),
    ReportColumn("output_tokens", "count"),
    ReportColumn("reasoning_tokens", "count"),
    ReportColumn("input_credits", "money"),
    ReportColumn("cached_input_credits", "money"),
    ReportColumn("output_credits", "money"),
    ReportColumn("cache_storage_credits", "money"),
    ReportColumn("credits", "money"),
    ReportColumn("usd", "usd"),
    ReportColumn("cache_savings_usd", "usd"),
)
AMOUNT = ReportColumn("amount", "money")
LIST_PRICES = (ReportColumn("list_usd", "usd"), ReportColumn("saved_usd", "usd"))
COMPARISON = (
    ReportColumn("previous_usd", "usd"),
    ReportColumn("change_usd", "usd"),
    ReportColumn("change_percent", "percent"),
)


class Layout(msgspec.Struct, frozen=True):
    """The order of rows, by a column (None: by time where that is a dimension, dearest first), and how many.

    With `list_prices` columns say what usage would have cost without contracts, and what these saved.
    """

    sort: str | None = None
    top: int | None = None
    list_prices: bool = False


class Earlier(msgspec.Struct, frozen=True):
    """A report's comparison: the spend of another span by the same dimensions."""

    spend: SelectedSpend
    span: Span


class Report(msgspec.Struct, frozen=True):
    """A finished report: `rows` in order, cells by column; `total` is of all rows, also of those that `top` hides."""

    title: str
    columns: tuple[ReportColumn, ...]
    rows: list[Row]
    total: Row
    data_through: str | None = None
    """The last usage booked up to the period's end, of what the filters pick."""
    notes: tuple[str, ...] = ()
    unbooked_calls: int = 0
    """Calls of tools whose fees are in no figure here."""
    parts_usd_nano: Mapping[str, int] = {}
    """The part of the total that is corrections of closed months and adjustments, where there are any."""
    compared: Compared | None = None
    not_booked: NotBooked = msgspec.field(default_factory=NotBooked)
    conversion_notes: tuple[ConversionNote, ...] = ()

    @property
    def corrections_usd_nano(self) -> int:
        return self.parts_usd_nano.get(CORRECTION, 0)

    @property
    def adjustments_usd_nano(self) -> int:
        return self.parts_usd_nano.get(ADJUSTMENT, 0)


def report_columns(
    dimensions: Sequence[str], *, compared: bool = False, sort: str | None = None, list_prices: bool = False
) -> tuple[ReportColumn, ...]:
    """Returns the columns in order; LedgerError for an unknown dimension, or one to sort by that isn't among them."""
    for dimension in dimensions:
        check_dimension(dimension)
    columns = [*(ReportColumn(dimension, "text") for dimension in dimensions), *MEASURES]
    if "currency" in dimensions:
        columns.append(AMOUNT)
    if list_prices:
        columns += LIST_PRICES
    if compared:
        if "day" in dimensions or "month" in dimensions:
            raise LedgerError(
                "--compare sets two periods side by side, which share no day or month: leave out --by day, month"
            )
        columns += COMPARISON
    names = [column.name for column in columns]
    if sort is not None and sort not in names:
        give = with_question(did_you_mean(sort, names), f"give one of {', '.join(names)}")
        raise LedgerError(f"--sort {sort!r} isn't a column of this report: {give}")
    return tuple(columns)


def build_report(
    spend: SelectedSpend,
    selection: Selection,
    span: Span,
    *,
    layout: Layout | None = None,
    earlier: Earlier | None = None,
) -> Report:
    """Builds the report of a selection's spend; rows that only the earlier span has are shown too."""
    layout = layout or Layout()
    columns = report_columns(
        selection.dimensions, compared=earlier is not None, sort=layout.sort, list_prices=layout.list_prices
    )
    tallies, whole = tallied(spend)
    before, whole_before = tallied(earlier.spend) if earlier else ({}, Tally())

    def row(dimensions: Dimensions, now: Tally, then: Tally) -> Row:
        return (*dimensions, *_cells(now, columns), *(_changes(now, then) if earlier else ()))

    rows = [row(key, tallies.get(key) or Tally(), before.get(key) or Tally()) for key in {**tallies, **before}]
    rows = _sorted(rows, columns, len(selection.dimensions), layout.sort)
    return Report(
        title=_title(selection, span, layout, earlier, len(rows)),
        columns=columns,
        rows=rows if layout.top is None else rows[: layout.top],
        total=row((None,) * len(selection.dimensions), whole, whole_before),
    )


def _cells(tally: Tally, columns: Iterable[ReportColumn]) -> list[Cell]:
    """Returns the measures of a row; `amount` only where it is of one currency."""
    cells: list[Cell] = [*tally.counts, *tally.credits_nano, tally.usd_nano, tally.savings_usd_nano]
    if AMOUNT in columns:
        amounts = list(tally.amount_nano.values())
        cells.append(sum(amounts) if len(amounts) <= 1 else None)
    if LIST_PRICES[0] in columns:
        cells += [tally.list_usd_nano, tally.list_usd_nano - tally.usd_nano]
    return cells


def _changes(tally: Tally, before: Tally) -> list[Cell]:
    """Compares by the rounded figures, so that what is printed adds up; no percent of nothing."""
    previous_nano = before.usd_nano
    change_nano = tally.usd_nano - previous_nano
    percent = divide_half_even(change_nano * 1_000, previous_nano) if previous_nano > 0 else None
    return [previous_nano, change_nano, percent]


def _sorted(rows: list[Row], columns: Sequence[ReportColumn], dimensions: int, sort: str | None) -> list[Row]:
    """Sorts by the column asked for (numbers falling, text rising), then by time, then dearest first, then by name."""
    names = [column.name for column in columns]
    usd = names.index("usd")
    times = [place for place, name in enumerate(names[:dimensions]) if name in ("day", "month")]

    def order(row: Row) -> tuple[object, ...]:
        asked = [_rank(row[names.index(sort)], sort)] if sort else []
        return (
            *asked,
            *(_rank(row[place], names[place]) for place in times),
            _rank(row[usd], "usd"),
            *(_rank(row[place], names[place]) for place in range(dimensions)),
        )

    return sorted(rows, key=order)


def _rank(cell: Cell, name: str) -> tuple[int | str, ...]:
    """Returns a sort key: numbers falling, text rising, tiers by their bounds, nothing last."""
    if cell is None:
        return (2,)
    if isinstance(cell, int):
        return (0, -cell)
    return (1, *tier_order(cell)) if name == "tier" else (1, cell)


def _title(selection: Selection, span: Span, layout: Layout, earlier: Earlier | None, found: int) -> str:
    """Says what the report covers: dimensions, period, basis, zone, filters, and what is compared or left out."""
    *first, last = selection.dimensions
    dimensions = f"{', '.join(first)} and {last}" if first else last
    parts = [f"Spend by {dimensions}, {span.label} ({selection.basis}, {selection.zone.key})"]
    for word, names in (
        ("project", selection.projects),
        ("model", selection.models),
        ("tag", [f"{key}={value}" for key, value in selection.tags]),
    ):
        if names:
            parts.append(f"{word} {' or '.join(names)}")
    if earlier is not None:
        parts.append(f"compared with {earlier.span.label.removeprefix('from ')}")
    if layout.top is not None:
        parts.append(f"top {min(layout.top, found)} of {found} by {layout.sort or 'usd'}")
    return "; ".join(parts)
