"""The spend in a month's books by project and model, and which of it is the month's own usage."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import Literal, TypeAlias

from ledger.pages.figures.values import CacheEconomics, MonthPart
from ledger.reports.bridge.bridge import CELLS
from ledger.reports.plan import ADJUSTMENT, CORRECTION
from ledger.reports.selection import Selection
from ledger.reports.snapshot import Snapshot
from ledger.reports.spend import SelectedSpend, SpendRow
from ledger.reports.tally import Tally, tally_of_all
from ledger.values.calendar import month_start, shift_month
from ledger.values.spend import Convertible
from pricing.money import round_usd

PartKind: TypeAlias = Literal["late", "correction", "adjustment"]
PARTS: tuple[PartKind, ...] = ("late", "correction", "adjustment")
MONTH_DIMENSIONS = (*CELLS, "occurred_month")


@dataclass(frozen=True, slots=True)
class MonthSpend:
    """The spend posted in a month of the ledger's zone, all of it or that of some projects.

    Rows are by project, model, part of the total and month of occurrence.
    """

    month: str
    selection: Selection
    spend: SelectedSpend
    total: Tally

    @property
    def first_day(self) -> date:
        return self.last_day.replace(day=1)

    @property
    def last_day(self) -> date:
        assert self.selection.end is not None
        return self.selection.end.astimezone(self.selection.zone).date() - timedelta(days=1)

    @property
    def usd_nano(self) -> int:
        return self.total.usd_nano

    def own_rows(self) -> Iterator[SpendRow]:
        """Yields usage that happened in the month, less what was taken back of it."""
        return (row for row in self.spend.rows if self.part_of(row) is None)

    def part_of(self, row: SpendRow) -> PartKind | None:
        """Tells what a row is besides the month's own usage, which is None."""
        _project, _model, part, occurred_month = row.dimensions
        if part == ADJUSTMENT:
            return "adjustment"
        if part == CORRECTION:
            return "correction"
        return None if occurred_month == self.month else "late"


def read_month_spend(snapshot: Snapshot, selection: Selection) -> MonthSpend:
    """Reads the spend of a month, whose bounds and projects the selection has."""
    asked = replace(selection, basis="posted", dimensions=MONTH_DIMENSIONS)
    spend = snapshot.spend(asked)
    assert selection.start is not None
    month = f"{selection.start.astimezone(selection.zone):%Y-%m}"
    return MonthSpend(month, asked, spend, tally_of_all(spend))


def read_month_before(snapshot: Snapshot, month: MonthSpend) -> MonthSpend:
    """Reads the spend of the month before, of the same projects."""
    start = month_start(shift_month(month.month, -1), month.selection.zone)
    return read_month_spend(snapshot, replace(month.selection, start=start, end=month.selection.start))


def month_parts(month: MonthSpend) -> tuple[MonthPart, ...]:
    """Sums late usage, corrections and adjustments by the month that they belong to.

    Each is rounded once; the rest of the report's total is the month's own usage, without any remainder.
    """
    nano: dict[tuple[PartKind, str], Convertible] = {}
    requests: dict[tuple[PartKind, str], int] = {}
    for row in month.spend.rows:
        kind, occurred = month.part_of(row), row.dimensions[3]
        if kind is not None and occurred is not None:
            nano.setdefault((kind, occurred), Convertible())[row.per_usd_nano] += row.sums.amount_nano
            requests[kind, occurred] = requests.get((kind, occurred), 0) + row.sums.requests
    return tuple(
        MonthPart(kind, occurred, requests[kind, occurred], round_usd(nano[kind, occurred].usd))
        for kind, occurred in sorted(nano, key=lambda part: (PARTS.index(part[0]), part[1]))
    )


def cache_economics(month: MonthSpend) -> CacheEconomics:
    """Sums the cache over all that is posted in the month, as a report's total does."""
    total = month.total
    _requests, input_tokens, cached_tokens, *_output = total.counts
    return CacheEconomics(input_tokens, cached_tokens, total.savings_usd_nano, round_usd(total.storage_nano.usd))
