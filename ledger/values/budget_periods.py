"""Periods of a budget: days, ISO weeks, calendar months, quarters and years, by the days they begin on."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Literal, TypeAlias

Period: TypeAlias = Literal["day", "week", "month", "quarter", "year"]

_MONTHS = {"month": 1, "quarter": 3, "year": 12}


def period_start(day: date, period: Period) -> date:
    """Returns the first day of the period that a day lies in: of a week, its Monday."""
    if period == "day":
        return day
    if period == "week":
        return day - timedelta(days=day.weekday())
    months = _MONTHS[period]
    return date(day.year, (day.month - 1) // months * months + 1, 1)


def next_start(start: date, period: Period) -> date:
    """Returns the first day of the period after the one that begins on `start`."""
    if period in ("day", "week"):
        return start + timedelta(days=1 if period == "day" else 7)
    month = start.month - 1 + _MONTHS[period]
    return date(start.year + month // 12, month % 12 + 1, 1)


def first_start(day: date, period: Period) -> date:
    """Returns the first day, from `day` on, that a period begins on: of months, 1 April for 1 April and 1 May for 2."""
    start = period_start(day, period)
    return start if start == day else next_start(start, period)


def period_label(start: date, period: Period) -> str:
    """Names the period that begins on `start`: 2026-03-05, 2026-W10, 2026-03, 2026-Q1, 2026."""
    if period == "week":
        year, week, _weekday = start.isocalendar()
        return f"{year}-W{week:02}"
    if period == "quarter":
        return f"{start.year}-Q{start.month // 3 + 1}"
    return start.isoformat()[: {"day": 10, "month": 7, "year": 4}[period]]
