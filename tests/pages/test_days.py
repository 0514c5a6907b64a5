"""The days of a month, and what those to come are expected to cost."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from fractions import Fraction
from typing import Any

import pytest

from ledger.budgets.forecast import forecast
from ledger.budgets.history import read_histories
from ledger.pages.figures.days import month_days, read_daily
from ledger.pages.figures.month_spend import month_parts
from ledger.pages.figures.values import Days
from ledger.reports.selection import Selection
from ledger.values.amounts import Amount
from ledger.values.budget import Budget
from pricing.money import NANO
from tests.helpers.book import PRO, Book, Booked
from tests.helpers.page_months import month_read
from tests.reports.test_plan import random_charges, with_corrections


def dollars(count: int, day: date, **changes: Any) -> Booked:
    """A request at noon of so many USD: 1,000 tokens of output are 0.16 credits, which make 1 USD here."""
    at = datetime(day.year, day.month, day.day, 12, tzinfo=UTC)
    return Booked(**{"model": PRO, "output_tokens": count * 1_000, "at": at, "per_usd": "0.16", **changes})


def days_of(book: Book, month: str, now: datetime, *projects: str) -> Days:
    with month_read(book.database, month, *projects) as (snapshot, spend):
        return month_days(spend, read_daily(snapshot, spend), now=now)


def test_days_are_by_when_usage_happened_without_late_usage_and_corrections(empty_db_url: str) -> None:
    book = Book(empty_db_url).add(
        dollars(1, date(2026, 3, 1)), dollars(2, date(2026, 3, 31)), dollars(3, date(2026, 3, 31), project="support"),
        dollars(4, date(2026, 2, 27), posted_month="2026-03"), dollars(5, date(2026, 3, 2), posted_month="2026-04"),
    )  # fmt: skip
    book.add(book.priced[1].booked.reversed(2)).post()
    found = days_of(book, "2026-03", datetime(2026, 4, 2, tzinfo=UTC))
    assert found == Days(tuple((date(2026, 3, day), {1: NANO, 31: 3 * NANO}.get(day, 0)) for day in range(1, 32)))
    of_one = days_of(book, "2026-03", datetime(2026, 4, 2, tzinfo=UTC), "search")
    assert [nano for _day, nano in of_one.actual if nano] == [NANO]


@pytest.mark.parametrize("month", ["2026-02", "2026-03", "2026-05", "2026-06"])
def test_days_and_parts_add_up_to_the_month(empty_db_url: str, month: str) -> None:
    book = Book(empty_db_url, timezone="America/New_York").add(*with_corrections(random_charges(4, 200), 5)).post()
    with month_read(book.database, month) as (snapshot, spend):
        daily = read_daily(snapshot, spend)
        found = month_days(spend, daily, now=datetime(2026, 8, 1, tzinfo=UTC))
        by_day: dict[date, Fraction] = {}
        for one in book.priced:
            if one.posted_month == one.occurred_month == month:
                usd = Fraction(one.nano["amount_nano"]) / Fraction(one.booked.per_usd or 1)
                day = one.booked.at.astimezone(book.zone).date()
                by_day[day] = by_day.get(day, Fraction()) + usd
        assert {day: nano for day, nano in found.actual if nano} == {day: round(usd) for day, usd in by_day.items()}
        shown = [nano for _day, nano in found.actual] + [part.usd_nano for part in month_parts(spend)]
        # Each is rounded once.
        assert abs(sum(shown) - spend.usd_nano) <= len(shown)


def test_a_running_month_has_the_forecast_of_a_budget_of_all_usage(empty_db_url: str) -> None:
    first = date(2026, 2, 1)
    book = Book(empty_db_url).add(
        *(dollars(2 if (first + timedelta(days=day)).weekday() > 4 else 10, first + timedelta(days=day))
          for day in range(47)),
        dollars(7, date(2026, 2, 3), posted_month="2026-03"),
    ).post()  # fmt: skip
    now = datetime(2026, 3, 19, 18, tzinfo=UTC)
    with month_read(book.database, "2026-03") as (snapshot, spend):
        whole = Budget(name="all", amount=Amount(NANO, "USD"))
        [history] = read_histories([whole], now, Selection(book.zone), snapshot.spend)
    expected = forecast(
        history, spent=spend.usd_nano, today=now.date(), passed=0.75, first=date(2026, 3, 1), end=date(2026, 4, 1)
    )
    found = days_of(book, "2026-03", now)
    assert found.method == "weekdays"
    assert (found.low_nano, found.forecast_nano, found.high_nano) == (expected.low, expected.expected, expected.high)
    assert [day.day for day, _nano in found.actual] == list(range(1, 20))
    assert [day.day for day, _nano in found.expected] == list(range(19, 32))
    spent = sum(nano for _day, nano in found.actual) + 7 * NANO
    assert spent + sum(nano for _day, nano in found.expected) == found.forecast_nano
    # A Thursday of which a quarter is left, then Friday and Saturday.
    assert [nano / NANO for _day, nano in found.expected[:3]] == pytest.approx([2.5, 10, 2], rel=0.1)


def test_a_month_that_is_over_or_has_barely_begun_has_no_forecast(empty_db_url: str) -> None:
    book = Book(empty_db_url).add(dollars(1, date(2026, 3, 1))).post()
    over = days_of(book, "2026-03", datetime(2026, 4, 1, tzinfo=UTC))
    assert (len(over.actual), over.method, over.expected, over.forecast_nano) == (31, None, (), None)
    early = days_of(book, "2026-03", datetime(2026, 3, 2, tzinfo=UTC))
    assert (len(early.actual), early.method, early.expected, early.forecast_nano) == (2, "too early", (), None)
