"""The days of a month, and of the weeks before it: what each cost, and what those to come will."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import date, datetime, timedelta
from typing import TypeAlias

from ledger.budgets.coverage import summed
from ledger.budgets.forecast import forecast_at
from ledger.budgets.history import BY_OWN_DAY, own_days
from ledger.pages.figures.month_spend import MonthSpend
from ledger.pages.figures.values import Days
from ledger.reports.snapshot import Snapshot
from ledger.reports.spend import SpendRow
from ledger.values.calendar import day_start

# Eight weeks tell a day, and how far those of four weeks were missed says how far it may be off.
WEEKS_BEFORE = 12

DailyRows: TypeAlias = Mapping[date, list[SpendRow]]
"""Usage by the day on which it happened, booked in its own month; days without any are left out."""


def read_daily(snapshot: Snapshot, month: MonthSpend) -> DailyRows:
    """Reads the days of a month and of the twelve weeks before it, of the month's projects."""
    first = month.first_day
    start = day_start(first - timedelta(weeks=WEEKS_BEFORE), snapshot.zone)
    asked = replace(month.selection, start=start, dimensions=BY_OWN_DAY)
    return {date.fromisoformat(day): rows for day, rows in own_days(snapshot.amounts(asked).rows).items()}


def month_days(month: MonthSpend, daily: DailyRows, *, now: datetime) -> Days:
    """Returns the days of a month, each rounded once, up to today while it runs; then also those to come.

    With the month's late usage, corrections and adjustments the days add up to its total. The forecast is of the
    whole total, by the days before today.
    """
    first, today = month.first_day, now.astimezone(month.selection.zone).date()
    last = min(max(today, max(daily, default=today)), month.last_day)
    dates = [first + timedelta(days=number) for number in range((last - first).days + 1)]
    actual = tuple((day, summed(daily.get(day, ())).usd_nano) for day in dates)
    if today > month.last_day or today < first:
        return Days(actual)
    return _with_forecast(Days(actual), month, daily, now)


def _with_forecast(days: Days, month: MonthSpend, daily: DailyRows, now: datetime) -> Days:
    selection, spent = month.selection, month.usd_nano
    assert selection.start is not None
    assert selection.end is not None
    history = [(day, summed(rows).usd_nano) for day, rows in daily.items()]
    found = forecast_at(history, spent=spent, at=now, start=selection.start, end=selection.end, zone=selection.zone)
    costs = [spent, *(cost for _day, cost in found.by_day)]
    expected = tuple((day, after - before) for (day, after), before in zip(found.by_day, costs, strict=False))
    return replace(
        days,
        expected=expected,
        method=found.method,
        low_nano=found.low,
        forecast_nano=found.expected,
        high_nano=found.high,
    )
