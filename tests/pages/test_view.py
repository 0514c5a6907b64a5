"""The words, tables and bars that a month's figures become, in HTML and in Markdown."""

from __future__ import annotations

import subprocess
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from ledger.pages.figures.month import Close, MonthFigures, Totals
from ledger.pages.figures.values import Days
from ledger.pages.view.blocks import movement_bars, share_bar
from ledger.pages.view.days import _step
from ledger.pages.view.page import page_of
from ledger.pages.view.words import change_percent, change_words, percent, plain, rates
from ledger.reports.completeness import Completeness, NotBooked, Silence
from ledger.values.safe_text import visible
from pricing.money import NANO
from tests.helpers.page_figures import CENT, PROJECTS, budget_status, march, rows, running_march, section


def verdict(figures: MonthFigures) -> str:
    return " ".join(map(plain, page_of(figures).verdict))


def fact(figures: MonthFigures, label: str) -> str:
    [found] = [each for each in page_of(figures).facts if each.label == label]
    return plain(found.text)


# --- the verdict and its facts --------------------------------------------------------------------------------------


def test_a_closed_month_in_one_sentence() -> None:
    assert verdict(march()) == (
        "March 2026: 37.23 of 40.00 USD (93 %), 10.3 % less than February; final, closed 3 April"
    )


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"budgets": ()}, "March 2026: 37.23 USD, 10.3 % less than February; final, closed 3 April"),
        ({"previous": None, "bridge": None}, "March 2026: 37.23 of 40.00 USD (93 %); final, closed 3 April"),
        (
            {"previous": Totals(0, 2, 2)},
            "March 2026: 37.23 of 40.00 USD (93 %), 0.00 USD in February; final, closed 3 April",
        ),
        (
            {"previous": Totals()},
            "March 2026: 37.23 of 40.00 USD (93 %), nothing in February; final, closed 3 April",
        ),
        (
            {"previous": Totals(-1_982_340_000_000, 300, 300)},
            "March 2026: 37.23 of 40.00 USD (93 %), −1,982.34 USD in February; final, closed 3 April",
        ),
        (
            {"total": Totals(-1_982_340_000_000, 300, 300)},
            "March 2026: −1,982.34 of 40.00 USD (−4,955 %), 41.50 USD in February; final, closed 3 April",
        ),
        (
            {"close": Close(datetime(2027, 1, 2, tzinfo=UTC), 1)},
            "March 2026: 37.23 of 40.00 USD (93 %), 10.3 % less than February; final, closed 2 January 2027",
        ),
        (
            {"completeness": Completeness(None, NotBooked(lines=2))},
            "March 2026: at least 37.23 of 40.00 USD (93 %), 10.3 % less than February; final, closed 3 April",
        ),
        ({"total": Totals()}, "March 2026: nothing booked, 41.50 USD in February; final, closed 3 April"),
        (
            {"project": "search", "previous": None},
            "March 2026, search: 37.23 of 5.00 USD (744 %); final, closed 3 April",
        ),
    ],
)  # fmt: skip
def test_the_sentence_of_other_months(changes: dict[str, Any], expected: str) -> None:
    assert verdict(march(**changes)) == expected


def test_a_running_month_says_so_far_by_then_and_what_is_expected() -> None:
    assert verdict(running_march()) == (
        "March 2026: 24.10 of 40.00 USD (60 %) so far, 41.9 % less than February by then, "
        "38.40 USD expected at its end; open, as of 20 March 10:15"
    )


def test_only_a_monthly_budget_in_usd_of_all_usage_is_the_months_budget() -> None:
    others = (
        budget_status("one model", 50_00, 1, models=("m",)), budget_status("tagged", 50_00, 1, tags=(("a", "b"),)),
        budget_status("weekly", 50_00, 1, period="week"),
    )  # fmt: skip
    assert "37.23 USD, " in verdict(march(budgets=others))
    assert "37.23 of 60.00 USD" in verdict(march(budgets=(*others, budget_status("whole", 60_00, 37_23))))


def test_completeness_names_what_waits_and_who_is_silent() -> None:
    silence = Silence("gate<way", datetime(2026, 3, 20, 4, tzinfo=UTC), timedelta(hours=26), declared=True)
    never = Silence("batch", None, timedelta(days=7), declared=False)
    waiting = NotBooked(lines=3, tokens=1200, priced_lines=2, usd_nano=5 * CENT, undated_lines=1)
    figures = march(completeness=Completeness("2026-03-31T23:47:15Z", waiting, (silence, never)))
    words = fact(figures, "Not complete")
    assert words.startswith("data through 31 March 23:47; ")
    assert "3 lines in quarantine, 1,200 tokens, 0.05 USD for 2 of them, 1 without a price" in words
    assert "; silent: gate<way since 20 March 04:00, expected every 26 hours, as declared; " in words
    assert "; silent: batch, never seen, expected every 168 hours by its last four weeks" in words
    assert fact(march(unbooked_calls=3), "Not complete").endswith("; without fees of 3 calls of tools")
    assert fact(march(), "Complete") == "data through 31 March 23:47; nothing waits in quarantine"
    assert "no usage is booked" in fact(
        march(total=Totals(), completeness=Completeness(None, NotBooked())), "No requests"
    )


def test_more_silent_sources_than_there_is_room_for_are_counted() -> None:
    silent = tuple(Silence(f"s{number}", None, timedelta(days=7), declared=True) for number in range(5))
    words = fact(march(completeness=Completeness("2026-03-31T23:47:15Z", NotBooked(), silent)), "Not complete")
    assert "silent: s2, never seen" in words
    assert words.endswith("; 2 other sources silent too")


def test_from_a_million_on_amounts_have_no_cents() -> None:
    figures = march(total=Totals(1_234_567_890_000_000, 10, 10), previous=None, budgets=())
    assert verdict(figures) == "March 2026: 1,234,568 USD; final, closed 3 April"
    assert page_of(figures).control == "Control total 1,234,567.89 USD"


def test_a_forced_close_gives_its_reason() -> None:
    forced = Close(datetime(2026, 4, 3, 9, tzinfo=UTC), 2, "<late> bill")
    assert "closed all the same: <late> bill" in fact(march(close=forced), "Complete")
    assert plain(page_of(march(close=forced)).footer[-1]) == "Close no. 2. Page format 1."


def test_the_wallet_has_both_rates_and_what_expires() -> None:
    assert fact(march(), "Wallet") == (
        "evolink: 7,000.00 CRD, lasts 84 days at the rate of the last 7 days and 76 days at the rate of the last 28 "
        "days, 500.00 CRD of it expire before the next report, first on 30 April"
    )
    [line] = march().wallets
    idle = replace(line, lasts_days=((7, None), (28, None)), expiring_nano=0, expires_first=None)
    assert fact(march(wallets=(idle,)), "Wallet") == (
        "evolink: 7,000.00 CRD, not used, nothing expires before the next report"
    )


def test_a_thousand_requests_are_compared_by_their_exact_means() -> None:
    # 37.226808279 / 86 = 0.4328…; 41.5 / 90 = 0.4611…
    assert fact(march(), "1,000 requests") == "0.433 USD, 6.1 % less than February"


# --- why it moved ---------------------------------------------------------------------------------------------------


def test_the_four_largest_movements_and_all_others_add_up() -> None:
    by_project, by_cause = section(march(), "why").tables
    assert [(row[0], row[2]) for row in rows(by_project)] == [
        ("search", "−3.21"), ("contract-review", "−1.99"), ("ide-assistant", "+1.82"), ("data-extraction", "−1.35"),
        ("2 others", "+0.46"),
    ]  # fmt: skip
    assert [(row[0], row[2]) for row in rows(by_cause)] == [
        ("fewer requests", "−3.12"), ("longer prompts and answers", "+1.94"), ("dearer price steps", "+2.41"),
        ("more from cache", "−1.36"), ("cheaper models", "−4.66"), ("corrections", "+0.52"),
    ]  # fmt: skip
    assert by_cause.total is not None
    assert plain(by_cause.total[2].text) == "−4.27"
    assert plain(section(march(), "why").note).startswith("No change by prices and exchange rate. ")


def test_movements_run_from_one_zero_line_to_one_scale() -> None:
    # From −100 to 300: the zero line is a quarter of the way, and 300 is as wide as the rest.
    left, right, nothing = movement_bars([-100, 300, 0])
    assert (left.start, left.width, left.zero) == (0, 250, 250)
    assert (right.start, right.width, right.zero) == (250, 750, 250)
    assert nothing.width == 0
    assert all(bar.start + bar.width <= 1000 for bar in movement_bars([-1, 10**12, -(10**12), 1]))
    assert movement_bars([]) == []


@pytest.mark.parametrize(
    ("part", "whole", "width"), [(50, 100, 500), (250, 100, 1000), (1, 10**9, 5), (0, 9, 0), (-4, 9, 0)]
)
def test_a_share_bar_is_never_longer_than_all_of_it(part: int, whole: int, width: int) -> None:
    assert share_bar(part, whole).width == width


# --- levers, top, days ----------------------------------------------------------------------------------------------


def test_levers_have_their_saving_and_their_owner() -> None:
    [table] = section(march(), "levers").tables
    assert [row[1] for row in rows(table)] == ["4.10", "0.97", "0.40"]
    assert [plain(row[0].note) for row in table.rows] == ["", "of Ann", "of Cy"]
    assert "14 prompts just over 128,000 tokens" in rows(table)[1][0]
    skipped = section(march(levers=(), rows_skipped=True), "levers")
    assert "more than 1,000,000 requests: --rows reads them" in plain(skipped.note)
    assert skipped.lines == ()
    assert rows(section(march(levers=march().levers[::-1]), "levers").tables[0])[0][1] == "0.40"


def test_the_top_five_have_the_total_of_all() -> None:
    projects, models = section(march(), "top").tables
    assert [row[0] for row in rows(projects)] == [project for project, _before, _after in PROJECTS[:5]]
    assert rows(projects)[0] == ["contract-review", "22.43", "−8.1 %", "60 %", "0.000500", "1.25"]
    assert projects.total is not None
    assert [plain(cell.text) for cell in projects.total][:4] == ["all 6", "37.23", "−10.3 %", "100 %"]
    assert [table.headings[0].text for table in section(march(project="search"), "top").tables] == ["model"]
    assert len(models.rows) == 3


def test_days_to_come_are_outlined_and_odd_ones_marked() -> None:
    chart = section(running_march(), "days").chart
    assert chart is not None
    assert [column.is_expected for column in chart.columns] == [False] * 20 + [True] * 11
    assert [column.day for column in chart.columns if column.tone == "warn"] == ["10"]
    assert max(column.height for column in chart.columns) == 1000
    assert len(chart.table.rows) == 31
    assert plain(section(running_march(), "days").lines[2]) == (
        "Expected at the end of the month: 38.40 USD, from 35.10 to 42.00 USD."
    )


def test_what_is_in_no_day_is_told() -> None:
    # 12 cents of late usage, less 4 of a correction.
    assert plain(section(march(), "days").lines[1]) == "Late usage and corrections, +0.08 USD, are in no day."
    assert len(section(march(parts=()), "days").lines) == 1
    nothing = section(march(days=Days(((date(2026, 3, 1), 0),))), "days")
    assert [plain(line) for line in nothing.lines][1:] == ["Late usage and corrections, +0.08 USD, are in no day."]


def test_a_day_of_corrections_alone_has_no_column_below_zero() -> None:
    chart = section(march(days=Days(((date(2026, 3, 1), -CENT), (date(2026, 3, 2), CENT)))), "days").chart
    assert chart is not None
    assert [column.height for column in chart.columns] == [0, 1000]
    assert section(march(days=Days(((date(2026, 3, 1), 0),))), "days").chart is None


@pytest.mark.parametrize("most", [1, 7, 99, 1_000, 1_999, 2_000, 4_999, 5_000, 9_999, 3 * NANO])
def test_two_to_five_lines_cross_the_chart(most: int) -> None:
    assert 1 <= most // _step(most) <= 4 + (most < 5)


# --- commands ---------------------------------------------------------------------------------------------------------


def test_the_command_makes_this_page_again() -> None:
    again = "tollbook budget report --month 2026-03 --format"
    assert page_of(march()).command == f"{again} html"
    assert page_of(march(rows=True), "markdown").command == f"{again} markdown --rows"
    assert page_of(march(rows=True, project="it's"), "csv").command == f"{again} csv --project 'it'\"'\"'s' --rows"
    assert page_of(march(rows=True)).report_command == "tollbook report --month 2026-03"


@pytest.mark.parametrize(
    "project", ["a b", "it's $HOME `x`", "in\u200bvisible's \\n \u00ad", "\U000e0041 tag", "\u202e"]
)
def test_a_shell_reads_the_project_back_from_the_command(project: str) -> None:
    command = page_of(march(project=project)).command
    assert visible(command) == command
    run = ["bash", "-c", f"printf %s {command.partition(' --project ')[2]}"]
    shown = subprocess.run(run, check=True, capture_output=True, env={"LC_ALL": "C.UTF-8"}, text=True, encoding="utf-8")
    assert shown.stdout == project


# --- words ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("after", "before", "cell"),
    [
        (90, 100, "−10.0 %"),
        (100, 100, "0.0 %"),
        (5, 0, "new"),
        (0, 0, "—"),
        (5, None, "—"),
        (1_200, 100, "×12"),
        (5, -3, "—"),
        (-5, 9, "—"),
    ],
)
def test_a_change_as_a_cell(after: int, before: int | None, cell: str) -> None:
    assert change_percent(after, before) == cell


def test_changes_percents_and_rates_in_words() -> None:
    assert [change_words(after, 1_000) for after in (897, 1_103, 1_000)] == [
        "10.3 % less than", "10.3 % more than", "as much as",
    ]  # fmt: skip
    assert [percent(part, 1_000) for part in (999, 1_000, 1, 0, 12_345_600, -9, -19)] == [
        "99 %", "100 %", "<1 %", "0 %", "1,234,560 %", "0 %", "−1 %",
    ]  # fmt: skip
    assert rates([(NANO, 2), (CENT, 4), (5, 0)], 1) == ["0.500", "0.002", "—"]
