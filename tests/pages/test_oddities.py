"""Odd days, new projects and spend without a project."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest

from ledger.pages.figures.days import read_daily
from ledger.pages.figures.oddities import find_oddities
from ledger.pages.figures.values import Oddity
from pricing.money import NANO
from tests.helpers.book import Book, Booked
from tests.helpers.page_months import month_read
from tests.pages.test_days import dollars

APRIL = datetime(2026, 4, 2, tzinfo=UTC)
FIRST = date(2026, 2, 1)


def oddities(book: Book, month: str = "2026-03", now: datetime = APRIL, *projects: str) -> tuple[Oddity, ...]:
    with month_read(book.database, month, *projects) as (snapshot, spend):
        return find_oddities(snapshot, spend, read_daily(snapshot, spend), now=now)


def steady(project: str = "search", each: int = 10, days: int = 59) -> list[Booked]:
    """A request of as many USD each day from 1 February, a fifth of it at weekends."""
    dates = [FIRST + timedelta(days=number) for number in range(days)]
    return [dollars(each // 5 if day.weekday() > 4 else each, day, project=project) for day in dates]


def test_a_day_far_outside_its_range_is_named_with_the_project_that_moved_it_most(empty_db_url: str) -> None:
    book = Book(empty_db_url).add(*steady(), *steady("support", each=20))
    book.add(dollars(50, date(2026, 3, 25), project="search"), dollars(1, date(2026, 3, 26))).post()
    [odd] = oddities(book)
    assert (odd.kind, odd.name, odd.day, odd.usd_nano) == ("day", "search", date(2026, 3, 25), 80 * NANO)
    assert odd.low_nano is not None
    assert odd.high_nano is not None
    assert 0 < odd.low_nano <= 30 * NANO <= odd.high_nano < 80 * NANO


def test_a_day_without_usage_is_odd_and_one_that_isnt_over_is_not(empty_db_url: str) -> None:
    charges = [one for one in steady() if one.at.date() != date(2026, 3, 24)]
    book = Book(empty_db_url).add(*charges).post()
    assert [(odd.name, odd.day, odd.usd_nano) for odd in oddities(book)] == [("search", date(2026, 3, 24), 0)]
    assert oddities(book, now=datetime(2026, 3, 24, 23, 59, tzinfo=UTC)) == ()
    assert len(oddities(book, now=datetime(2026, 3, 25, tzinfo=UTC))) == 1


def test_a_project_that_vanished_moved_its_days(empty_db_url: str) -> None:
    """Support stops with February, and what is booked late of it in March isn't March's own usage."""
    book = Book(empty_db_url).add(*steady(), *steady("support", each=90, days=28))
    book.add(dollars(100, date(2026, 2, 3), project="late", posted_month="2026-03")).post()
    days = [odd for odd in oddities(book) if odd.kind == "day"]
    assert len(days) == 5
    assert {(odd.name, odd.usd_nano) for odd in days if odd.day and odd.day.weekday() < 5} == {("support", 10 * NANO)}


def test_of_a_month_with_late_usage_alone_those_who_stopped_are_named(empty_db_url: str) -> None:
    book = Book(empty_db_url).add(*steady(days=28))
    book.add(dollars(9, date(2026, 2, 3), project="late", posted_month="2026-03")).post()
    days = [odd for odd in oddities(book) if odd.kind == "day"]
    assert {(odd.name, odd.usd_nano) for odd in days} == {("search", 0)}


def test_the_furthest_five_days_are_named(empty_db_url: str) -> None:
    book = Book(empty_db_url).add(*steady())
    book.add(*[dollars(100 + day, date(2026, 3, 14 + day), project="launch") for day in range(1, 16)]).post()
    days = [odd.day for odd in oddities(book) if odd.kind == "day"]
    assert days == sorted(days, key=lambda day: day or FIRST)
    assert len(days) == 5


def test_of_a_young_ledger_no_day_is_odd_and_in_its_first_month_no_project_is_new(empty_db_url: str) -> None:
    book = Book(empty_db_url).add(dollars(1, date(2026, 2, 1)), dollars(99, date(2026, 2, 20), project="b")).post()
    assert oddities(book, "2026-02") == ()


def test_new_projects_come_dearest_first_and_what_has_no_project_last(empty_db_url: str) -> None:
    book = Book(empty_db_url).add(
        dollars(5, date(2026, 2, 27)), dollars(2, date(2026, 2, 28), project="unassigned"),
        dollars(6, date(2026, 3, 1)), dollars(1, date(2026, 3, 2), project="ide"),
        dollars(3, date(2026, 3, 2), project="docs"),
        dollars(2, date(2026, 3, 2), project="unassigned"),
        # Late usage of February, booked later: March's books don't know it, as they didn't when they were closed.
        dollars(4, date(2026, 2, 28), project="docs", posted_month="2026-04"),
    ).post()  # fmt: skip
    assert oddities(book) == (
        Oddity("new_project", "docs", 3 * NANO),
        Oddity("new_project", "ide", NANO),
        Oddity("unassigned", "unassigned", 2 * NANO),
    )
    assert oddities(book, "2026-03", APRIL, "ide") == (Oddity("new_project", "ide", NANO),)


@pytest.mark.parametrize("month", ["2026-01", "2026-03"])
def test_a_month_without_usage_has_nothing_odd(empty_db_url: str, month: str) -> None:
    assert oddities(Book(empty_db_url).add(dollars(1, date(2026, 5, 1))).post(), month) == ()
