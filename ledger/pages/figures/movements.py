"""The spend of a month and of the like part of the month before, cell by cell, from one snapshot of a ledger."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime

from ledger.pages.figures.month_spend import MONTH_DIMENSIONS
from ledger.reports.bridge.bridge import bridge_between
from ledger.reports.bridge.values import Bridge
from ledger.reports.comparison import compared_with
from ledger.reports.selection import Selection
from ledger.reports.spend import SelectedSpend
from ledger.values.periods import Span


@dataclass(frozen=True, slots=True)
class TwoMonths:
    """The spend of a period and of the one it is compared with, by MONTH_DIMENSIONS; `compared` is that one."""

    before: SelectedSpend
    after: SelectedSpend
    compared: Span


def read_two_months(
    read: Callable[[Selection], SelectedSpend], base: Selection, span: Span, *, now: datetime
) -> TwoMonths:
    """Reads a period and the one before it: of a period that isn't over, as much of it.

    `base` has zone, basis and filters, as for a report with the same options.
    """
    compared = compared_with("previous", span, zone=base.zone, now=now).span

    def of(period: Span) -> SelectedSpend:
        return read(replace(base, start=period.start, end=period.end, dimensions=MONTH_DIMENSIONS))

    return TwoMonths(of(compared), of(span), compared)


def bridge_of(months: TwoMonths) -> Bridge:
    """Returns why spend moved; of one project alone, `by_project` has just that one."""
    return bridge_between(months.before, months.after)
