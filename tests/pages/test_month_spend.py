"""The parts of a month and its cache, against the report and against plain loops."""

from __future__ import annotations

from collections import defaultdict
from datetime import UTC, date, datetime
from fractions import Fraction
from typing import Any

import pytest

from ledger.pages.figures.month_spend import cache_economics, month_parts
from ledger.pages.figures.values import CacheEconomics, MonthPart
from ledger.reports.report import ReportOptions, run_report
from ledger.store.database import Database
from pricing.money import round_usd
from tests.helpers.book import Book, Priced
from tests.helpers.page_months import month_read
from tests.pages.test_days import dollars
from tests.reports.test_plan import random_charges, with_corrections


def report_total(database: Database, month: str) -> dict[str, Any]:
    report = run_report(database, ReportOptions(month=month), now=datetime(2026, 8, 1, tzinfo=UTC))
    return dict(zip((column.name for column in report.columns), report.total, strict=True))


def usd(one: Priced) -> Fraction:
    return Fraction(one.nano["amount_nano"]) / Fraction(one.booked.per_usd or 1)


def test_late_usage_corrections_and_adjustments_are_named_by_their_month(empty_db_url: str) -> None:
    late = dollars(1, date(2026, 3, 9), posted_month="2026-05")
    book = Book(empty_db_url).add(late, late, dollars(1, date(2026, 5, 10)), dollars(2, date(2026, 2, 3)))
    book.add(book.priced[3].booked.reversed(4, posted_month="2026-05"), book.priced[2].booked.reversed(3)).post()
    with month_read(book.database, "2026-05") as (_snapshot, month):
        assert month_parts(month) == (
            MonthPart("late", "2026-03", 2, 2 * 10**9),
            MonthPart("correction", "2026-02", -1, -2 * 10**9),
        )
        assert (list(month.own_rows()) != [], month.usd_nano) == (True, 0)
    with month_read(book.database, "2026-03") as (_snapshot, month):
        assert (month_parts(month), month.usd_nano) == ((), 0)


@pytest.mark.parametrize("month", ["2026-02", "2026-03", "2026-05", "2026-06"])
def test_parts_and_the_months_own_usage_are_the_reports_total(empty_db_url: str, month: str) -> None:
    book = Book(empty_db_url, timezone="Asia/Shanghai").add(*with_corrections(random_charges(9, 200), 3)).post()
    parts: dict[tuple[str, str], list[Priced]] = defaultdict(list)
    own = Fraction()
    for one in book.priced:
        if one.posted_month == month and one.occurred_month == month:
            own += usd(one)
        elif one.posted_month == month:
            kind = "late" if one.booked.charge_class == "charge" else "correction"
            parts[kind, one.occurred_month].append(one)
    with month_read(book.database, month) as (_snapshot, found):
        assert {(part.kind, part.occurred_month): (part.requests, part.usd_nano) for part in month_parts(found)} == {
            key: (sum(one.measures["requests"] for one in all_), round(sum(map(usd, all_), Fraction())))
            for key, all_ in parts.items()
        }
        assert found.usd_nano == round(own + sum((usd(one) for all_ in parts.values() for one in all_), Fraction()))
        total = report_total(book.database, month)
        assert found.usd_nano == total["usd"]
        cache = cache_economics(found)
        assert cache == CacheEconomics(
            total["input_tokens"], total["cached_input_tokens"], total["cache_savings_usd"], cache.storage_nano
        )
        storage = sum((Fraction(one.nano["cache_storage_nano"]) / Fraction(one.booked.per_usd or 1)
                       for one in book.priced if one.posted_month == month), Fraction())  # fmt: skip
        assert cache.storage_nano == round(storage)


def test_a_page_of_one_project_has_its_part_alone(empty_db_url: str) -> None:
    march = date(2026, 3, 9)
    book = Book(empty_db_url).add(dollars(1, march), dollars(2, march, project="support")).post()
    with month_read(book.database, "2026-03", "support") as (_snapshot, month):
        assert month.usd_nano == round_usd(Fraction(2))
