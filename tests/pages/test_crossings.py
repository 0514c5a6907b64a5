"""Crossings: against the status of budgets, against plain loops over the charges, and their times as examples."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from functools import cache
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings

from ledger.budgets.asked import Asked
from ledger.budgets.schedule import Part, Schedule
from ledger.budgets.status import status_of
from ledger.pages.figures.crossings import read_crossings
from ledger.pages.figures.values import Crossing
from ledger.reports.selection import Selection
from ledger.reports.snapshot import Snapshot
from ledger.values.amounts import Amount
from ledger.values.budget import Budget
from ledger.values.budget_periods import next_start, period_start
from pricing.money import NANO, round_usd
from tests.budgets.test_status import BUDGETS, FIRST, SHANGHAI, credits, is_covered, random_charges, shanghai, usd
from tests.helpers.book import PRO, QUARTER, Book, Booked
from tests.helpers.page_months import selection_of

FEBRUARY, MARCH, APRIL = date(2026, 2, 1), date(2026, 3, 1), date(2026, 4, 1)


def schedule(*parts: tuple[date, Budget | None]) -> Schedule:
    return Schedule(tuple(Part(start, budget, FIRST) for start, budget in parts))


def crossings(book: Book, schedules: Mapping[str, Schedule], month: str = "2026-03") -> tuple[Crossing, ...]:
    with book.database.reading() as connection:
        snapshot = Snapshot(connection, book.zone, book.rollup_tags)
        return read_crossings(snapshot, schedules, selection_of(book.database, month))


# --- laws -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("rolled_up", [("team", "env"), ("team",)], ids=["roll-ups", "charges"])
def test_what_a_status_shows_as_crossed_at_the_months_end_has_its_time(
    empty_db_url: str, rolled_up: tuple[str, ...]
) -> None:
    book = Book(empty_db_url, timezone="Asia/Shanghai", rollup_tags=rolled_up)
    book.add(*random_charges(Random(23))).post()
    end = shanghai(2026, 4, 1)
    with book.database.reading() as connection:
        snapshot = Snapshot(connection, book.zone, book.rollup_tags)
        month = selection_of(book.database, "2026-03")

        @settings(max_examples=15)
        @given(BUDGETS)
        def law(budgets: list[Budget]) -> None:
            schedules = {budget.name: schedule((date(2026, 1, 1), budget)) for budget in budgets}
            found = {(each.budget, each.period, each.percent): each.at for each in read_crossings(
                snapshot, schedules, month)}  # fmt: skip
            asked = cache(lambda last: status_of(budgets, Asked(last, end, end), Selection(SHANGHAI), snapshot.spend))
            expected = {}
            for budget in budgets:
                first = period_start(MARCH, budget.period)
                while first < APRIL:
                    last = min(next_start(first, budget.period), APRIL) - timedelta(days=1)
                    [status] = [each for each in asked(last).budgets if each.budget == budget]
                    for percent in status.crossed:
                        key = (budget.name, status.label, percent)
                        expected[key] = in_plain_loops(book, budget, first, percent, end)
                    first = next_start(first, budget.period)
            assert found == expected

        law()


def in_plain_loops(book: Book, budget: Budget, first: date, percent: int, end: datetime) -> datetime:
    """The end of the first quarter-hour up to which the period's charges reach the percent, a quarter at a time."""
    start, stop = (shanghai(day.year, day.month, day.day) for day in (first, next_start(first, budget.period)))
    own = [
        (book.posted_at(one), one)
        for one in book.priced
        if start <= book.posted_at(one) < min(stop, end) and is_covered(budget, one.booked)
    ]
    for quarter in sorted({at - (at - datetime(1970, 1, 1, tzinfo=UTC)) % QUARTER for at, _one in own}):
        so_far = [one for at, one in own if at < quarter + QUARTER]
        nano = round_usd(usd(so_far)) if budget.amount.currency == "USD" else credits(so_far)
        if nano * 100 >= budget.amount_nano_in(f"{first:%Y-%m}") * percent:
            next_day = (quarter.astimezone(SHANGHAI) + timedelta(days=1)).replace(hour=0, minute=0)
            return min(quarter + QUARTER, next_day - timedelta(microseconds=1))
    raise AssertionError(f"{percent} % of {budget} is never reached")


# --- examples -------------------------------------------------------------------------------------------------------


def credit(count: int, at: str, **changes: Any) -> Booked:
    """A request of so many credits: output of pro is 160 per 1M."""
    return Booked(model=PRO, output_tokens=count * 6_250, at=datetime.fromisoformat(f"2026-{at}+00:00"), **changes)


def budget(credits: int, **changes: Any) -> Budget:
    return Budget(**{"name": "b", "amount": Amount(credits * NANO, "CRD"), "alerts": (50, 100), **changes})


def of_budget(book: Book, *parts: tuple[date, Budget | None], month: str = "2026-03") -> list[tuple[str, int, str]]:
    found = crossings(book, {"b": schedule(*parts)}, month)
    return [(each.period, each.percent, f"{each.at:%m-%dT%H:%M}") for each in found]


def test_an_alert_is_reached_at_the_end_of_its_quarter_hour(empty_db_url: str) -> None:
    book = (
        Book(empty_db_url)
        .add(
            credit(4, "03-05T10:00"), credit(1, "03-07T09:14:59"), credit(4, "03-07T09:15"), credit(1, "03-31T23:59:59")
        )
        .post()
    )
    assert of_budget(book, (MARCH, budget(10))) == [("2026-03", 50, "03-07T09:15"), ("2026-03", 100, "03-31T23:59")]


def test_late_usage_and_corrections_of_earlier_months_count_at_the_start_of_their_books(empty_db_url: str) -> None:
    book = Book(empty_db_url).add(credit(6, "02-20T10:00"), credit(9, "02-21T10:00", posted_month="2026-03"))
    book.add(book.priced[0].booked.reversed(1, posted_month="2026-03"), credit(7, "03-10T12:00")).post()
    # 9 late - 6 taken back in the first quarter-hour, then 7.
    assert of_budget(book, (FEBRUARY, budget(6))) == [("2026-03", 50, "03-01T00:15"), ("2026-03", 100, "03-10T12:15")]


def test_an_alert_that_is_no_longer_reached_at_the_end_isnt_crossed(empty_db_url: str) -> None:
    book = Book(empty_db_url).add(credit(6, "02-20T10:00"), credit(2, "02-25T10:00"))
    book.add(book.priced[0].booked.reversed(1, posted_month="2026-03"), credit(2, "03-10T12:00")).post()
    quarter = budget(8, period="quarter")
    parts = [(date(2026, 1, 1), quarter)]
    assert of_budget(book, *parts, month="2026-02") == [
        ("2026-Q1", 50, "02-20T10:15"), ("2026-Q1", 100, "02-25T10:15")
    ]  # fmt: skip
    # 8 of 8, then 2, then 4: half was first reached in February.
    assert of_budget(book, *parts, month="2026-03") == [("2026-Q1", 50, "02-20T10:15")]


def test_each_part_of_a_schedule_has_its_own_periods(empty_db_url: str) -> None:
    book = (
        Book(empty_db_url)
        .add(credit(3, "03-02T10:00"), credit(3, "03-10T10:00"), credit(3, "03-16T10:00"), credit(3, "03-24T10:00"))
        .post()
    )
    parts = [(MARCH, budget(6)), (date(2026, 3, 16), budget(3, period="week")), (date(2026, 3, 23), None)]
    assert of_budget(book, *parts) == [
        ("2026-03", 50, "03-02T10:15"),
        ("2026-03", 100, "03-10T10:15"),
        ("2026-W12", 50, "03-16T10:15"),
        ("2026-W12", 100, "03-16T10:15"),
    ]


def test_planned_amounts_of_a_month_hold_and_no_alerts_are_no_crossings(empty_db_url: str) -> None:
    book = Book(empty_db_url).add(credit(4, "03-05T10:00"), credit(4, "03-06T10:00")).post()
    assert of_budget(book, (MARCH, budget(100, months={"2026-03": 8 * NANO}))) == [
        ("2026-03", 50, "03-05T10:15"), ("2026-03", 100, "03-06T10:15")
    ]  # fmt: skip
    assert of_budget(book, (MARCH, budget(1, alerts=()))) == []


def test_the_pages_own_project_does_not_narrow_a_budget(empty_db_url: str) -> None:
    book = Book(empty_db_url).add(credit(4, "03-05T10:00", project="a"), credit(4, "03-06T10:00", project="b")).post()
    with book.database.reading() as connection:
        month = selection_of(book.database, "2026-03", "a")
        found = read_crossings(Snapshot(connection, book.zone), {"b": schedule((MARCH, budget(8)))}, month)
    assert [each.percent for each in found] == [50, 100]
