"""Figures of a month made by hand, as its readers would find them, and the sections they become."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from fractions import Fraction
from typing import Any, get_args
from zoneinfo import ZoneInfo

from ledger.budgets.forecast import Forecast
from ledger.budgets.status import BudgetStatus
from ledger.pages.figures.month import Close, MonthFigures, Totals
from ledger.pages.figures.values import (
    CacheEconomics,
    Crossing,
    Days,
    Lever,
    MonthPart,
    Oddity,
    Ranked,
    WalletLine,
)
from ledger.pages.view.blocks import Section, Table
from ledger.pages.view.page import page_of
from ledger.pages.view.words import plain
from ledger.reports.bridge.values import Bridge, Cause, Movement
from ledger.reports.completeness import Completeness, NotBooked
from ledger.values.amounts import Amount
from ledger.values.budget import Budget
from pricing.money import NANO, Conversion

ZONE = ZoneInfo("UTC")
APRIL = datetime(2026, 4, 1, tzinfo=UTC)
CENT = NANO // 100
PROJECTS = (
    ("contract-review", 24_42, 22_43), ("ide-assistant", 5_37, 7_19), ("data-extraction", 8_03, 6_68),
    ("support", 43, 58), ("unassigned", 0, 31), ("search", 3_25, 4),
)  # fmt: skip


def budget_status(name: str, cents: int, used_cents: int, **changes: Any) -> BudgetStatus:
    """A budget of a month of March 2026, which is over."""
    facts: dict[str, Any] = {"name": name, "amount": Amount(cents * CENT, "USD"), "period": "month"}
    status: dict[str, Any] = {
        "label": "2026-03", "start": datetime(2026, 3, 1, tzinfo=UTC), "end": APRIL, "at": APRIL,
        "amount_nano": cents * CENT, "actual_nano": used_cents * CENT,
    }  # fmt: skip
    fields = {key: value for key, value in changes.items() if key in Budget.__struct_fields__}
    rest = {key: value for key, value in changes.items() if key not in fields}
    return BudgetStatus(budget=Budget(**(facts | fields)), **(status | rest))


def _bridge() -> Bridge:
    movements = (Movement(project, before * CENT, after * CENT) for project, before, after in PROJECTS)
    cents = (-312, 194, 241, -136, -466, 0, 0, 52)
    return Bridge(
        41_500_000_000,
        37_230_000_000,
        tuple(sorted(movements, key=lambda each: -abs(each.change_nano))),
        tuple((cause, one * CENT) for cause, one in zip(get_args(Cause), cents, strict=True)),
    )


def march(**changes: Any) -> MonthFigures:
    """March 2026, closed on 3 April: 37.23 of 40.00 USD after 41.50 in February."""
    days = tuple((date(2026, 3, day), (40 + day * 37 % 170) * CENT) for day in range(1, 32))
    figures = MonthFigures(
        month="2026-03",
        zone=ZONE,
        at=APRIL,
        total=Totals(37_226_808_279, 86_000, 31_000_000),
        previous=Totals(41_500_000_000, 90_000, 33_000_000),
        close=Close(datetime(2026, 4, 3, 9, tzinfo=UTC), 1),
        completeness=Completeness("2026-03-31T23:47:15Z", NotBooked()),
        budgets=(
            budget_status("ide", 6_00, 7_19, projects=("ide-assistant",), owner="Ann"),
            budget_status("everything", 40_00, 37_23, owner="Platform"),
            budget_status("search", 5_00, 4, projects=("search",), owner="Bo"),
        ),
        wallets=(
            WalletLine(
                "evolink", "CRD", 7_000 * NANO, ((7, Fraction(84)), (28, Fraction(761, 10))), 500 * NANO,
                date(2026, 4, 30),
            ),
        ),
        bridge=_bridge(),
        levers=(
            Lever(
                "uncached_prefix", "contract-review", "doubao-seed-2.0-pro", None, 4_10 * CENT, 900,
                share=Fraction(12, 100), possible_share=Fraction(71, 100),
            ),
            Lever("price_step", "ide-assistant", "doubao-seed-2.0-pro", "Ann", 97 * CENT, 14, bound=128_000),
            Lever("cache_storage", "support", None, "Cy", 40 * CENT, 0),
        ),
        projects=tuple(
            Ranked(project, after * CENT, before * CENT, after * 20, after * 8_000)
            for project, before, after in PROJECTS
        ),
        models=(
            Ranked("doubao-seed-2.0-pro", 28_00 * CENT, 33_00 * CENT, 9_000, 14_000_000),
            Ranked("doubao-seed-2.0-code", 7_19 * CENT, 5_37 * CENT, 7_000, 9_000_000),
            Ranked("doubao-seed-2.0-lite", 2_04 * CENT, 3_13 * CENT, 70_000, 8_000_000),
        ),
        days=Days(days),
        oddities=(
            Oddity("day", "contract-review", 2_06 * CENT, date(2026, 3, 10), 30 * CENT, 1_80 * CENT),
            Oddity("unassigned", "unassigned", 31 * CENT),
        ),
        parts=(MonthPart("late", "2026-02", 3, 12 * CENT), MonthPart("correction", "2026-02", -1, -4 * CENT)),
        cache=CacheEconomics(31_000_000, 8_060_000, 8_72 * CENT, 2 * CENT),
        crossings=(
            Crossing("ide", "2026-03", 80, datetime(2026, 3, 21, 10, 15, tzinfo=UTC)),
            Crossing("ide", "2026-03", 100, datetime(2026, 3, 26, 14, 30, tzinfo=UTC)),
            Crossing("everything", "2026-03", 80, datetime(2026, 3, 27, 8, tzinfo=UTC)),
        ),
        conversions=(Conversion("CRD", 72 * NANO, datetime(2026, 2, 1, tzinfo=UTC), checked_on=date(2026, 11, 22)),),
        rate_entries=("evolink/doubao-seed-2.0-pro/2026-02-01#0123456789ab",),
    )  # fmt: skip
    return replace(figures, **changes)


def running_march(**changes: Any) -> MonthFigures:
    """March 2026 as of 20 March 10:15, open, with a forecast."""
    at = datetime(2026, 3, 20, 10, 15, tzinfo=UTC)
    whole = march()
    expected = tuple((date(2026, 3, day), 1_30 * CENT) for day in range(21, 32))
    forecast = Forecast("weekdays", 35_10 * CENT, 38_40 * CENT, 42_00 * CENT, ())
    budgets = tuple(
        replace(each, at=at, actual_nano=each.actual_nano * 2 // 3, forecast=forecast) for each in whole.budgets
    )
    days = Days(whole.days.actual[:20], expected, "weekdays", 35_10 * CENT, 38_40 * CENT, 42_00 * CENT)
    running = replace(
        whole, at=at, close=None, total=Totals(24_100_000_000, 56_000, 20_000_000),
        previous_until=at - timedelta(days=28), days=days, budgets=budgets,
    )  # fmt: skip
    return replace(running, **changes)


def section(figures: MonthFigures, name: str) -> Section:
    page = page_of(figures)
    [found] = [each for each in (*page.first, *page.details) if each.name == name]
    return found


def rows(table: Table) -> list[list[str]]:
    return [[plain(cell.text) for cell in row] for row in table.rows]
