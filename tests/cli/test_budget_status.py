"""`tollbook budget status`, as it is shown and as a gate."""

from __future__ import annotations

import csv
import io
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from ledger.values.budget_periods import next_start
from tests.conftest import Cli
from tests.helpers.budgets import FROM, NOTHING_WAITS, status, use
from tests.helpers.ledgers import MINI, PRO


@pytest.fixture
def march(db_cli: Cli) -> Cli:
    """144 credits, 2 USD, of search; 8 credits of support; 16 of ide, 4 of them in February."""
    use(db_cli, ("2026-03-02", "search", PRO, 16), ("2026-03-20", "ide", MINI, 2), ("2026-03-21", "ide", MINI, 2))
    use(db_cli, *((f"2026-03-{day:02}", "search", PRO, 16) for day in range(3, 11)))
    use(db_cli, ("2026-03-05", "support", MINI, 2), ("2026-03-30", "ide", MINI, 1), ("2026-02-05", "ide", MINI, 2))
    return db_cli


def test_budgets_come_worst_first_then_what_none_covers_and_all(march: Cli) -> None:
    march("budget", "set", "search", "--amount", "4usd", "--project", "search", *FROM).ok()
    march("budget", "set", "pro", "--amount", "160credits", "--model", PRO, *FROM).ok()
    march("budget", "set", "ide", "--amount", "1credits", "--period", "week", "--project", "ide", *FROM).ok()
    found = status(march)
    assert [(each["budget"], each["period"], each["actual"], each["used_percent"]) for each in found["rows"]] == [
        ("ide", "2026-W14", "1", "100"), ("pro", "2026-03", "144", "90"), ("search", "2026-03", "2", "50"),
    ]  # fmt: skip
    assert found["rows"][1] == {
        "budget": "pro", "period": "2026-03", "actual": "144", "amount": "160", "currency": "CRD",
        "used_percent": "90", "elapsed_percent": "100", "left": "16", "days_left": "0", "left_a_day": None,
        "crossed": [80], "forecast_method": None, "forecast_low": None, "forecast": None, "forecast_high": None,
        "variance": None, "runs_out": None, "crossed_by_forecast": [], "owner": None, "not_booked": NOTHING_WAITS,
    }  # fmt: skip
    # 2 of support; the week of ide ends in April, its usage is of none but its budget all the same.
    assert found["unbudgeted"] == {"requests": 1, "credits": "2", "usd": "0.027777778"}
    total = march("report", "--month", "2026-03", "--json").ok().json
    assert found["total"] == {name: total["total"][name] for name in ("requests", "credits", "usd")}
    assert found["data_through"] == total["data_through"] == "2026-03-30T10:00:00Z"
    read = list(
        csv.DictReader(io.StringIO(march("budget", "status", "--month", "2026-03", "--format", "csv").ok().stdout))
    )
    assert [(each["kind"], each["budget"]) for each in read][-2:] == [("unbudgeted", "unbudgeted"), ("total", "total")]
    assert read[-1]["actual"] == total["total"]["usd"]
    shown = march("budget", "status", "--month", "2026-03").ok().stdout.splitlines()
    assert [line.split()[0] for line in shown[-6:]] == ["ide", "pro", "search", "unbudgeted", "total", "data"]


def test_a_status_is_as_of_its_time(march: Cli) -> None:
    march("budget", "set", "all", "--amount", "310credits", *FROM).ok()
    [found] = status(march, "--at", "2026-03-04")["rows"]
    # Three days of search; 27 of 31 days are to come.
    assert (found["actual"], found["days_left"], found["elapsed_percent"]) == ("48", "27", "12.9")
    assert found["left_a_day"] == str(9.703703703)  # 262 / 27
    [found] = status(march, "--at", "2026-03-04T09:59:00Z")["rows"]
    assert found["actual"] == "32"
    [found] = status(march, "--month", "2026-02")["rows"]
    assert (found["period"], found["actual"]) == ("2026-02", "2")


def test_a_budget_is_as_it_was_in_its_period(march: Cli) -> None:
    march("budget", "set", "all", "--amount", "100credits", "--from", "2026-02-01").ok()
    march("budget", "set", "all", "--amount", "200credits", "--from", "2026-02-02").ok()
    march("budget", "remove", "all", "--from", "2026-04-01").ok()
    amounts = [
        [each["amount"] for each in status(march, "--month", month)["rows"]]
        for month in ("2026-01", "2026-02", "2026-03", "2026-04")
    ]
    assert amounts == [[], ["100"], ["200"], []]


def test_a_month_without_usage_or_budget_says_so(db_cli: Cli) -> None:
    outcome = db_cli("budget", "status", "--month", "2026-05", "--json").ok()
    nothing = {"requests": 0, "credits": "0", "usd": "0"}
    assert outcome.json["rows"] == []
    assert (outcome.json["unbudgeted"], outcome.json["total"], outcome.json["data_through"]) == (nothing, nothing, None)
    assert "no budget holds on 2026-05" in outcome.stderr
    assert "nothing is booked in 2026-05" in outcome.stderr


def test_the_gate_fails_past_all_of_a_budget(march: Cli) -> None:
    asked = ("--month", "2026-03", "--fail-on", "actual")
    march("budget", "set", "search", "--amount", "144credits", "--project", "search", *FROM).ok()
    status(march, *asked)
    march("budget", "set", "search", "--amount", "143.999999999credits", "--project", "search", *FROM).ok()
    assert status(march, *asked, code=1)["rows"][0]["used_percent"] == "100"
    status(march, "--month", "2026-03")


def test_a_credits_budget_names_what_it_isnt_compared_with(db_cli: Cli) -> None:
    use(db_cli, ("2026-03-02", "search", PRO, 16))
    use(db_cli, ("2026-03-03", "search", PRO, 16), provider="volcengine")
    db_cli("budget", "set", "search", "--amount", "100credits", *FROM).ok()
    outcome = db_cli("budget", "status", "--month", "2026-03", "--json").ok()
    assert (outcome.json["rows"][0]["actual"], outcome.json["rows"][0]["not_compared"]) == ("16", ["1.6 CNY"])
    assert "budget search is in credits: 1.6 CNY of its usage are not in it" in outcome.stderr
    # Nobody may take that for a budget that was kept.
    gate = db_cli("budget", "status", "--month", "2026-03", "--fail-on", "actual")
    assert (gate.exit_code, gate.stdout) == (2, "")
    assert "have no conversion to credits: give its amount in usd" in gate.stderr
    db_cli("budget", "set", "search", "--amount", "0.4usd", *FROM).ok()
    [row] = status(db_cli, "--month", "2026-03", "--fail-on", "actual", code=1)["rows"]
    assert row["actual"] == "0.444444444"  # 16 / 72 + 1.6 / 7.2


def test_late_usage_counts_in_the_books_it_is_posted_in(db_cli: Cli) -> None:
    use(db_cli, ("2026-02-27", "search", PRO, 16), ("2026-03-02", "search", PRO, 8))
    db_cli("close", "2026-02", "--force", "--reason", "a test").ok()
    use(db_cli, ("2026-02-20", "search", PRO, 4))
    db_cli("budget", "set", "all", "--amount", "100credits", "--from", "2026-03-01").ok()
    assert status(db_cli, "--month", "2026-03")["rows"][0]["actual"] == "12"
    assert status(db_cli, "--month", "2026-03", "--basis", "occurred")["rows"][0]["actual"] == "8"


def test_tags_that_are_not_rolled_up_are_read_from_the_charges(db_cli: Cli) -> None:
    use(db_cli, ("2026-03-02", "search", PRO, 16), tags={"team": "web"})
    use(db_cli, ("2026-03-03", "search", PRO, 8))
    db_cli("budget", "set", "web", "--amount", "100credits", "--tag", "team=web", *FROM).ok()
    outcome = db_cli("budget", "status", "--month", "2026-03", "--json").ok()
    assert (outcome.json["rows"][0]["actual"], outcome.json["unbudgeted"]["credits"]) == ("16", "8")
    assert "tag 'team' is not rolled up" in outcome.stderr


def test_a_month_may_have_an_amount_of_its_own(march: Cli) -> None:
    planned = (
        '[[budget]]\nname = "all"\namount = "100credits"\nfrom = 2026-01-01\nmonths = { "2026-03" = "300credits" }\n'
    )
    Path("tollbook.toml").write_text(planned, encoding="utf-8")
    march("budget", "apply", "--yes").ok()
    assert [status(march, "--month", f"2026-0{month}")["rows"][0]["amount"] for month in (2, 3)] == ["100", "300"]


# --- forecasts ------------------------------------------------------------------------------------------------------


@pytest.fixture
def steady(db_cli: Cli) -> Cli:
    """8 credits of search on each day from 1 February to 20 March, and 8 of ide on the last two of them."""
    days = [f"2026-02-{day:02}" for day in range(1, 29)] + [f"2026-03-{day:02}" for day in range(1, 21)]
    use(db_cli, *((day, "search", PRO, 8) for day in days), *((day, "ide", PRO, 8) for day in days[-2:]))
    return db_cli


FORECAST = ("forecast_method", "forecast_low", "forecast", "forecast_high", "variance", "runs_out")


def test_a_running_period_is_told_to_its_end(steady: Cli) -> None:
    steady("budget", "set", "search", "--amount", "230credits", "--project", "search", *FROM, "--alert-forecast",
           "90,100,110").ok()  # fmt: skip
    steady("budget", "set", "ide", "--amount", "500credits", "--project", "ide", *FROM).ok()
    steady("budget", "set", "weekly", "--amount", "1usd", "--period", "week", "--project", "search", *FROM).ok()
    rows = {each["budget"]: each for each in status(steady, "--at", "2026-03-20")["rows"]}
    found = rows["search"]
    # 20 days of March and 11 to come, at 8 a day; the 230 are passed on the 29th.
    assert [found[name] for name in FORECAST] == ["weekdays", "248", "248", "248", "18", "2026-03-29"]
    assert (found["crossed"], found["crossed_by_forecast"]) == ([], [90, 100])
    # Of two days nothing can be told.
    assert [rows["ide"][name] for name in FORECAST] == ["too early", None, None, None, None, None]
    # In USD, to Sunday: 7 days at 8 / 72.
    assert rows["weekly"]["forecast"] == "0.777777778"
    assert rows["weekly"]["runs_out"] is None
    # What is over is as it is.
    assert {
        each["forecast_method"] for each in status(steady, "--month", "2026-03")["rows"] if each["budget"] != "weekly"
    } == {None}
    shown = steady("budget", "status", "--at", "2026-03-20").ok().stdout
    assert "2026-03-29" in shown


def test_a_wide_terminal_has_what_is_expected_over_the_amount_and_past_which_alerts(steady: Cli) -> None:
    steady("budget", "set", "search", "--amount", "230credits", "--project", "search", *FROM).ok()
    outcome = steady("budget", "status", "--at", "2026-03-20", env={"COLUMNS": "200"}).ok()
    [row] = [line for line in outcome.stdout.splitlines() if line.startswith("search")]
    assert row.split()[-3:] == ["18.00", "2026-03-29", "100%"]
    assert "left out" not in outcome.stderr


def test_the_gate_fails_where_a_budget_will_be_over(steady: Cli) -> None:
    asked = ("--at", "2026-03-20", "--fail-on", "forecast")
    steady("budget", "set", "search", "--amount", "248credits", "--project", "search", *FROM).ok()
    status(steady, *asked)
    steady("budget", "set", "search", "--amount", "247.9credits", "--project", "search", *FROM).ok()
    status(steady, *asked, code=1)
    status(steady, "--at", "2026-03-20", "--fail-on", "actual")
    # Where nothing can be told, and of what is over, what was spent decides.
    steady("budget", "set", "search", "--amount", "1000credits", "--project", "search", *FROM).ok()
    steady("budget", "set", "ide", "--amount", "15credits", "--project", "ide", *FROM).ok()
    status(steady, *asked, code=1)
    status(steady, "--month", "2026-03", "--fail-on", "forecast", code=1)


def test_late_usage_and_adjustments_count_and_raise_no_day(steady: Cli) -> None:
    steady("budget", "set", "all", "--amount", "1000credits", "--project", "search", *FROM).ok()
    [before] = status(steady, "--at", "2026-03-20")["rows"]
    steady("close", "2026-02", "--force", "--reason", "a test").ok()
    use(steady, ("2026-02-27", "search", PRO, 20))
    booked = ("--project", "search", "--month", "2026-03", "--reason", "a test", "--reference", "CN-1")
    steady("adjust", "--amount", "16credits", *booked).ok()
    [after] = status(steady, "--at", "2026-03-20")["rows"]
    assert [(each["actual"], each["forecast"]) for each in (before, after)] == [("160", "248"), ("196", "284")]


def test_no_day_after_now_is_taken_for_one_without_usage(db_cli: Cli) -> None:
    today = datetime.now(UTC).date()
    days = [(today - timedelta(days=age)).isoformat() for age in range(28, 0, -1)]
    use(db_cli, *((day, "search", PRO, 8) for day in days))
    db_cli(
        "budget", "set", "year", "--amount", "100000credits", "--period", "year", "--from", f"{days[0][:4]}-01-01"
    ).ok()
    db_cli("budget", "set", "next", "--amount", "100000credits").ok()
    soon = today + timedelta(days=40)
    found = {each["budget"]: each for each in status(db_cli, "--at", soon.isoformat())["rows"]}
    length = (next_start(soon.replace(day=1), "month") - soon.replace(day=1)).days
    assert found["next"]["forecast"] == str(8 * length)
