"""Periods of budgets: where they begin and what they are called."""

from __future__ import annotations

from datetime import date, timedelta
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.values.budget_periods import Period, first_start, next_start, period_label, period_start

DAYS = st.dates(date(1970, 1, 1), date(9998, 12, 31))
PERIODS = st.sampled_from(get_args(Period))


@pytest.mark.parametrize(
    ("day", "period", "start", "after", "label"),
    [
        ("2026-03-31", "day", "2026-03-31", "2026-04-01", "2026-03-31"),
        ("2026-03-01", "week", "2026-02-23", "2026-03-02", "2026-W09"),  # a Sunday
        ("2026-03-02", "week", "2026-03-02", "2026-03-09", "2026-W10"),
        ("2027-01-01", "week", "2026-12-28", "2027-01-04", "2026-W53"),
        ("2026-12-31", "month", "2026-12-01", "2027-01-01", "2026-12"),
        ("2028-02-29", "month", "2028-02-01", "2028-03-01", "2028-02"),
        ("2026-03-31", "quarter", "2026-01-01", "2026-04-01", "2026-Q1"),
        ("2026-10-01", "quarter", "2026-10-01", "2027-01-01", "2026-Q4"),
        ("2026-12-31", "year", "2026-01-01", "2027-01-01", "2026"),
        ("9998-12-31", "year", "9998-01-01", "9999-01-01", "9998"),
    ],
)
def test_a_day_lies_in_one_period(day: str, period: Period, start: str, after: str, label: str) -> None:
    first = period_start(date.fromisoformat(day), period)
    assert (first.isoformat(), next_start(first, period).isoformat()) == (start, after)
    assert period_label(first, period) == label


@given(DAYS, PERIODS)
def test_periods_follow_each_other_without_gap(day: date, period: Period) -> None:
    start = period_start(day, period)
    after = next_start(start, period)
    assert start <= day < after
    assert period_start(after - timedelta(days=1), period) == start
    assert period_start(after, period) == after
    assert first_start(day, period) == (start if day == start else after)
