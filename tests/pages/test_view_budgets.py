"""The budgets of a month's page in words: which are rows, what is left or expected, and what is advised."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from ledger.budgets.forecast import Forecast
from ledger.budgets.status import BudgetStatus
from ledger.pages.figures.month import MonthFigures
from ledger.pages.view.budgets import budget_lines
from ledger.pages.view.words import plain
from ledger.reports.completeness import NotBooked
from tests.helpers.page_figures import CENT, budget_status, march, rows, running_march, section


def test_budgets_over_or_at_risk_are_rows_and_the_rest_is_counted() -> None:
    found = section(march(), "budgets")
    assert rows(found.tables[0]) == [
        ["ide", "7.19", "6.00 USD", "119 %", "1.19 over", "over since 26 March"],
        ["everything", "37.23", "40.00 USD", "93 %", "2.77", "80 % reached on 27 March"],
    ]
    assert plain(found.note) == "1 other fine."
    assert [heading.text for heading in found.tables[0].headings][4] == "left"


def test_a_budget_of_which_usage_waits_in_quarantine_has_spent_at_least_so_much() -> None:
    waiting = budget_status("ide", 6_00, 7_19, not_booked=NotBooked(lines=1))
    found = march(budgets=(waiting,))
    assert rows(section(found, "budgets").tables[0])[0][1] == "at least 7.19"
    assert budget_lines(found)[0].startswith("budget ide: at least 7.19 of 6.00 USD (119 %), over")


def test_a_budget_below_zero_has_usage() -> None:
    found = section(march(budgets=(budget_status("credited", 6_00, -7_19),)), "budgets")
    assert plain(found.note) == "1 budget, fine: at most −119 % used."


def test_a_running_month_tells_what_budgets_will_be() -> None:
    found = section(running_march(), "budgets")
    assert found.tables[0].headings[4].text == "expected"
    assert [plain(row[4].note) for row in found.tables[0].rows] == ["35.10–42.00"] * 2


def test_a_budget_without_usage_is_named_as_silent() -> None:
    found = section(march(budgets=(budget_status("quiet", 5_00, 0),)), "budgets")
    assert rows(found.tables[0]) == [["quiet", "0.00", "5.00 USD", "0 %", "5.00", "nothing booked"]]


def test_a_weekly_budget_that_was_over_before_the_last_week_is_at_risk() -> None:
    crossing = replace(march().crossings[1], budget="weekly", period="2026-W12")
    weekly = budget_status("weekly", 2_00, 40, period="week", label="2026-W14")
    found = section(march(budgets=(weekly,), crossings=(crossing,)), "budgets")
    assert rows(found.tables[0])[0][5] == "100 % reached in 2026-W12"
    assert plain(found.tables[0].rows[0][0].note) == "week 2026-W14"


def test_more_budgets_than_there_is_room_for_are_counted() -> None:
    many = tuple(budget_status(f"b{number}", 1_00, 2_00 + number) for number in range(9))
    found = section(march(budgets=many), "budgets")
    assert len(found.tables[0].rows) == 5
    assert plain(found.note) == "4 more like these: tollbook budget status --month 2026-03 has them."


def test_a_month_of_fine_budgets_and_one_without_any() -> None:
    fine = section(march(budgets=(budget_status("a", 5_00, 1_00), budget_status("b", 5_00, 2_00))), "budgets")
    assert (fine.tables, plain(fine.note)) == ((), "All 2 budgets fine: at most 40 % used.")


@pytest.mark.parametrize(
    ("figures", "words"),
    [
        (march(budgets=()), "No budget holds in this month."),
        (march(budgets=(), project="search"), "No budget names search."),
        (
            running_march(budgets=()),
            "No budget holds in this month: tollbook budget set NAME --amount 100usd makes one.",
        ),
        (
            running_march(budgets=(), project="search"),
            "No budget names search: tollbook budget set NAME --amount 100usd --project PROJECT makes one.",
        ),
    ],
)
def test_a_budget_is_advised_where_it_would_still_help(figures: MonthFigures, words: str) -> None:
    assert plain(section(figures, "budgets").lines[0]) == words


def running(name: str, expected_cents: int, **changes: Any) -> BudgetStatus:
    """A budget of 112.79 USD in a period that runs on, of which 50.00 are used."""
    forecast = Forecast("weekdays", 50_00 * CENT, expected_cents * CENT, 130_00 * CENT)
    return budget_status(name, 112_79, 50_00, forecast=forecast, **changes)


@pytest.mark.parametrize("alert", [60, 80, 86])
def test_the_percent_expected_is_that_of_the_forecast(alert: int) -> None:
    # 97.00 / 112.79 = 0.8600…
    found = section(march(close=None, budgets=(running("q", 97_00, alert_forecast=(alert,)),)), "budgets")
    assert [row[5] for row in rows(found.tables[0])] == ["86 % expected"]
    fine = section(march(close=None, budgets=(running("q", 97_00, alert_forecast=(87,)),)), "budgets")
    assert plain(fine.note) == "1 budget, fine: at most 44 % used."
    # 120.00 / 112.79 = 1.0639…
    over = section(march(close=None, budgets=(running("q", 120_00, alert_forecast=(150,)),)), "budgets")
    assert [row[5] for row in rows(over.tables[0])] == ["106 % expected"]


def test_what_is_left_of_a_month_and_expected_of_a_quarter_are_told_apart() -> None:
    quarter = running("q", 113_00, period="quarter", label="2026-Q1")
    over, near = budget_status("m", 10_00, 49_07), budget_status("n", 10_00, 9_00)
    found = section(march(close=None, budgets=(over, quarter, near)), "budgets")
    assert found.tables[0].headings[4].text == "expected or left"
    assert [row[4] for row in rows(found.tables[0])] == ["39.07 over", "113.00", "1.00 left"]
    alone = section(march(close=None, budgets=(near,)), "budgets")
    assert (alone.tables[0].headings[4].text, rows(alone.tables[0])[0][4]) == ("left", "1.00")
