"""How a budget's month goes: to date as reports say it, at the pace of four weeks, with a change on top."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from ledger.config import read_config
from ledger.errors import LedgerError
from ledger.estimates.history.budget_pace import BudgetPace, budget_pace
from ledger.reports.report import ReportOptions, run_report
from ledger.store.database import Database
from ledger.store.opening import open_ledger
from ledger.values.budget import Budget
from tests.conftest import Cli
from tests.helpers.book import CODE, MINI, PRO, Book, Booked

# An input token of code is 32 credits a million, and 72 credits are a dollar.
INPUT_USD = Fraction(32, 72 * 1_000_000)
# Ten days and a half of March are left.
NOW = datetime(2026, 3, 21, 12, tzinfo=UTC)


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def budget(tmp_path: Path, amount: str = "100usd", **narrowed: list[str]) -> Budget:
    """The one budget of a tollbook.toml."""
    lines = "".join(f"{key} = {value}\n" for key, value in narrowed.items())
    (tmp_path / "budget.toml").write_text(f'[[budget]]\nname = "search"\namount = "{amount}"\n{lines}')
    return read_config(tmp_path / "budget.toml").budgets[0]


def pace_of(book: Book, asked: Budget, now: datetime = NOW) -> BudgetPace:
    return budget_pace(book.database, asked, now=now)


def requests(count: int, moments: Iterable[str], **changes: object) -> list[Booked]:
    return [Booked(at=at(moment), input_tokens=1_000, **changes) for moment in moments for _ in range(count)]  # type: ignore[arg-type]


def test_a_month_is_what_was_spent_and_the_run_rate_with_the_change_for_what_is_left(
    db_url: str, tmp_path: Path
) -> None:
    book = Book(db_url).add(
        *requests(1, ["2026-02-02T00:00:00"]),  # so that the ledger is older than four weeks
        *requests(2, ["2026-02-21T12:10:00"]),  # before them
        *requests(4, ["2026-02-21T12:15:00", "2026-02-28T23:59:59"]),
        *requests(3, ["2026-03-01T00:00:00", "2026-03-21T11:59:59"]),
    )
    pace = pace_of(book.post(), budget(tmp_path))
    request = 1_000 * INPUT_USD
    assert pace.month == "2026-03"
    assert pace.limit_usd == 100
    assert pace.month_to_date_usd == (3 + 3) * request
    # The four weeks end with the quarter-hour of now, and so begin at 12:15.
    assert pace.run_days == 28
    assert pace.run_rate_usd == (4 + 4 + 3 + 3) * request * 30 / 28
    assert pace.days_left == Fraction(21, 2)
    change = Fraction(7, 3)
    assert pace.projected_usd(change) == 6 * request + (15 * request + change) * Fraction(21, 2) / 30
    assert pace.projected_usd(-15 * request) == pace.month_to_date_usd


def test_a_projection_in_round_numbers(tmp_path: Path) -> None:
    fifty, rate, days = Fraction(50), Fraction(75), Fraction(28)
    pace = BudgetPace(budget(tmp_path), "2026-06", Fraction(100), fifty, rate, days, days_left=Fraction(10))
    assert pace.projected_usd(Fraction(0)) == 50 + 75 * 10 // 30
    assert pace.projected_usd(Fraction(15)) == 80
    assert pace.projected_usd(Fraction(-75)) == 50


def test_only_the_budgets_projects_and_models_count(db_url: str, tmp_path: Path) -> None:
    moments = ["2026-02-10T00:00:00", "2026-03-10T00:00:00"]
    book = Book(db_url).add(
        *requests(1, moments, project="search", model=CODE),
        *requests(2, moments, project="ads", model=CODE),
        *requests(4, moments, project="care", model=CODE),
        *requests(8, moments, project="search", model=PRO),  # the same price
    )
    book.post()
    cases: list[tuple[int, dict[str, Any]]] = [
        (15, {}),
        (9, {"projects": ["search"]}),
        (11, {"projects": ["search", "ads"]}),
        (8, {"models": [PRO]}),
        (1, {"projects": ["search"], "models": [CODE]}),
        (0, {"projects": ["nobody"]}),
        (0, {"models": [MINI]}),
    ]
    for count, narrowed in cases:
        pace = pace_of(book, budget(tmp_path, **narrowed))
        assert pace.month_to_date_usd == count * 1_000 * INPUT_USD
        assert pace.run_rate_usd == pace.month_to_date_usd * 30 / 28


def test_usage_posted_late_stands_in_the_month_but_says_nothing_of_the_pace(db_url: str, tmp_path: Path) -> None:
    book = Book(db_url).add(
        *requests(1, ["2026-02-02T00:00:00"]),
        *requests(5, ["2026-02-01T00:00:00"], posted_month="2026-03"),
        *requests(2, ["2026-02-25T00:00:00"]),
    )
    pace = pace_of(book.post(), budget(tmp_path))
    assert pace.month_to_date_usd == 5 * 1_000 * INPUT_USD
    assert pace.run_rate_usd == 2 * 1_000 * INPUT_USD * 30 / 28


def test_voids_are_taken_back_from_both(db_url: str, tmp_path: Path) -> None:
    old = Booked(at=at("2026-02-02T00:00:00"), input_tokens=1_000)
    kept, voided = (Booked(at=at("2026-03-10T00:00:00"), input_tokens=1_000) for _ in range(2))
    book = Book(db_url).add(old, kept, voided, voided.reversed(3)).post()
    pace = pace_of(book, budget(tmp_path))
    assert pace.month_to_date_usd == 1_000 * INPUT_USD
    assert pace.run_rate_usd == 1_000 * INPUT_USD * 30 / 28


@pytest.mark.parametrize(
    ("first", "days"),
    [
        ("2026-03-11T12:07:00", Fraction(10) + Fraction(15, 24 * 60)),  # from 12:00 on the 11th to 12:15 on the 21st
        ("2026-03-20T12:15:00", Fraction(1)),
        ("2026-03-21T11:59:59", Fraction(1)),  # of some minutes: taken for a day
        ("2026-03-21T12:14:00", Fraction(1)),
        ("2026-02-21T12:15:00", Fraction(28)),
        ("2026-02-21T12:14:59", Fraction(28)),
    ],
)
def test_what_began_lately_goes_at_the_pace_since_its_first_request(
    db_url: str, tmp_path: Path, first: str, days: Fraction
) -> None:
    book = Book(db_url).add(
        *requests(9, ["2026-02-02T00:00:00"], project="other"),  # the ledger is old, the budget's project new
        *requests(1, [first]),
        Booked(at=NOW - timedelta(seconds=1), input_tokens=1_000),
    )
    pace = pace_of(book.post(), budget(tmp_path, projects=["search"]))
    assert pace.run_days == days
    recent = 1 if first == "2026-02-21T12:14:59" else 2
    assert pace.run_rate_usd == recent * 1_000 * INPUT_USD * 30 / days


def test_storage_is_spent_too(db_url: str, tmp_path: Path) -> None:
    stored = Booked(at=at("2026-03-10T10:00:00"), storage=timedelta(hours=2), storage_tokens=1_000_000)
    pace = pace_of(Book(db_url).add(stored).post(), budget(tmp_path))
    assert pace.month_to_date_usd == Fraction(17, 100) * 2 / 72
    assert pace.run_days == 28
    assert pace.run_rate_usd == pace.month_to_date_usd * 30 / 28


def test_an_empty_ledger_spends_nothing_but_the_change(db_url: str, tmp_path: Path) -> None:
    pace = pace_of(Book(db_url), budget(tmp_path))
    assert pace.month_to_date_usd == pace.run_rate_usd == 0
    assert pace.projected_usd(Fraction(60)) == 60 * Fraction(21, 2) / 30


@pytest.mark.parametrize(
    ("timezone", "now", "month", "days_left"),
    [
        ("UTC", "2026-03-31T20:00:00", "2026-03", Fraction(4, 24)),
        ("Asia/Shanghai", "2026-03-31T20:00:00", "2026-04", Fraction(30) - Fraction(4, 24)),
        # March in New York has an hour less: its clocks go forward on the 8th.
        ("America/New_York", "2026-03-01T05:00:00", "2026-03", Fraction(31) - Fraction(1, 24)),
        ("America/New_York", "2026-03-01T04:59:59.999999", "2026-02", Fraction(1, 24 * 3_600 * 1_000_000)),
    ],
)
def test_the_month_is_of_the_ledgers_zone(
    empty_db_url: str, tmp_path: Path, timezone: str, now: str, month: str, days_left: Fraction
) -> None:
    moments = ["2026-02-02T00:00:00", "2026-03-01T04:30:00", "2026-03-31T19:30:00"]
    book = Book(empty_db_url, timezone=timezone).add(*requests(1, moments)).post()
    pace = pace_of(book, budget(tmp_path), at(now))
    assert (pace.month, pace.days_left) == (month, days_left)
    of_month = [moment for moment in moments if f"{at(moment).astimezone(book.zone):%Y-%m}" == month]
    assert pace.month_to_date_usd == len(of_month) * 1_000 * INPUT_USD


def test_months_of_several_conversions_and_cards_are_what_the_report_says(db_url: str, tmp_path: Path) -> None:
    book = Book(db_url).add(
        *requests(3, ["2026-03-02T00:00:00"]),
        *requests(2, ["2026-03-12T00:00:00"], per_usd="68"),
        *requests(1, ["2026-03-12T00:00:00"], provider="volcengine", per_usd="7.2"),
        *requests(1, ["2026-02-12T00:00:00"], posted_month="2026-03"),
    )
    pace = pace_of(book.post(), budget(tmp_path))
    exact = Fraction(4 * 32_000, 72) + Fraction(2 * 32_000, 68) + Fraction(3_200, Fraction("7.2"))
    assert pace.month_to_date_usd == exact / 1_000_000
    report = run_report(book.database, ReportOptions(month="2026-03"), now=NOW)
    usd = report.total[[column.name for column in report.columns].index("usd")]
    assert usd == round(pace.month_to_date_usd * 10**9)


# --- budgets in other units -----------------------------------------------------------------------------------------


@pytest.fixture
def ledger(cli: Cli, db_url: str) -> Database:
    cli("rates", "conversion", "add", "--per-usd", "68", "--from", "2026-03-10", "--reason", "page", "--db", db_url)
    return open_ledger(db_url)


@pytest.mark.parametrize(
    ("amount", "now", "usd"),
    [
        ("50usd", NOW, Fraction(50)),
        ("0.000000001usd", NOW, Fraction(1, 10**9)),
        ("3600credits", NOW, Fraction(3600, 68)),
        ("3600credits", at("2026-03-09T23:59:59"), Fraction(50)),
        ("36cny", NOW, Fraction(5)),
    ],
)
def test_a_budget_in_another_unit_is_converted_at_what_is_in_effect_now(
    ledger: Database, tmp_path: Path, amount: str, now: datetime, usd: Fraction
) -> None:
    assert budget_pace(ledger, budget(tmp_path, amount), now=now).limit_usd == usd


def test_a_budget_in_a_unit_without_a_conversion_is_refused(ledger: Database, tmp_path: Path) -> None:
    with pytest.raises(LedgerError, match="budget 'search' is in EUR, which no rate card is in: give its amount in"):
        budget_pace(ledger, budget(tmp_path, "5eur"), now=NOW)


def test_a_unit_that_cards_convert_differently_is_refused(cli: Cli, db_url: str, tmp_path: Path) -> None:
    (tmp_path / "card.toml").write_text(
        'provider = "resold"\ncurrency = "CRD"\nper_tokens = 1_000_000\n'
        '[[conversion]]\nper_usd = "60"\neffective_from = 2026-02-01\n'
        '[[model]]\nid = "m"\n[[model.price]]\neffective_from = 2026-02-01\n'
        'tiers = [{ input = "1", output = "2" }]\n'
    )
    cli("rates", "add", "card.toml", "--reason", "resold", "--db", db_url).ok()
    words = "budget 'search' is in CRD, which is 72 for 1 USD by evolink and 60 for 1 USD by resold: give its amount in"
    with pytest.raises(LedgerError, match=words):
        budget_pace(open_ledger(db_url), budget(tmp_path, "5credits"), now=NOW)
    assert budget_pace(open_ledger(db_url), budget(tmp_path, "5usd"), now=NOW).limit_usd == 5
