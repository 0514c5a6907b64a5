"""`tollbook budget`: stating, listing, removing and applying budgets."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Cli
from tests.helpers.ledgers import PRO, responses, rows, tamper, value
from tests.helpers.sources import lines, record

JANUARY = ("--from", "2026-01-01")


def listed(cli: Cli) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = cli("budget", "list", "--json").ok().json["budgets"]
    return found


def spans(cli: Cli) -> list[tuple[str, str, str, str | None]]:
    return [(each["budget"], each["amount"], each["from"], each["until"]) for each in listed(cli)]


def use(cli: Cli) -> None:
    """Four requests of February."""
    cli("ingest", "-", stdin=responses(range(4))).ok()


# --- set, list, remove ----------------------------------------------------------------------------------------------


def test_a_budget_is_kept_as_it_is_stated(db_cli: Cli) -> None:
    found = db_cli(
        "budget", "set", "search", "--amount", "150000credits", "--period", "week", "--project", "b", "--project", "a",
        "--model", "m", "--tag", "team=x", "--tag", "env=", "--from", "2026-03-04", "--alert", "50, 80%",
        "--alert-forecast", "90,100", "--owner", "Ann", "--notify", "ops", "--json",
    ).ok()  # fmt: skip
    rule = {
        "amount": "150000", "currency": "CRD", "period": "week", "projects": ["a", "b"], "models": ["m"],
        "tags": ["env=", "team=x"], "alerts": [50, 80], "alert_forecast": [90, 100], "owner": "Ann", "notify": "ops",
        "months": {},
    }  # fmt: skip
    # 4 March is a Wednesday.
    assert found.json["changes"] == [{"change": "new", "budget": "search", "from": "2026-03-09", **rule, "before": {}}]
    assert "it holds from 2026-03-09, the first week that starts on 2026-03-04 or later" in found.stderr
    assert listed(db_cli) == [{"budget": "search", "from": "2026-03-09", "until": None, **rule}]
    db_cli("verify").ok()


def test_the_defaults_are_a_month_from_this_one_on(cli: Cli) -> None:
    [found] = cli("budget", "set", "all", "--amount", "2000usd", "--json").ok().json["changes"]
    assert (found["period"], found["alerts"], found["alert_forecast"]) == ("month", [80, 100], [100])
    assert found["from"].endswith("-01")
    assert Path("tollbook.db").exists()  # as `rates add`, it makes the ledger


def test_a_change_holds_from_its_period_on_and_what_was_before_stays(db_cli: Cli, db_url: str) -> None:
    db_cli("budget", "set", "all", "--amount", "5usd", *JANUARY).ok()
    changed = db_cli("budget", "set", "all", "--amount", "7usd", "--from", "9000-02-02", "--json").ok()
    assert changed.json["changes"][0]["before"] == {"amount": "5"}
    assert spans(db_cli) == [("all", "5", "2026-01-01", "9000-03-01"), ("all", "7", "9000-03-01", None)]
    again = db_cli("budget", "set", "all", "--amount", "7usd", "--from", "9000-03-01").ok()
    assert "nothing was changed" in again.stderr
    before = db_cli("budget", "set", "all", "--amount", "6usd", *JANUARY).ok()
    assert "it holds until 9000-03-01" in before.stderr
    assert spans(db_cli)[0] == ("all", "6", "2026-01-01", "9000-03-01")
    db_cli("budget", "remove", "all", "--from", "8000-01-02").ok()
    assert spans(db_cli) == [("all", "6", "2026-01-01", "8000-02-01")]
    assert value(db_url, "SELECT count(*) FROM budgets") == 4
    outcome = db_cli("budget", "remove", "all", "--from", "8500-01-01")
    assert (outcome.exit_code, outcome.stderr) == (
        2, "Error: budget 'all' has ended: nothing holds on 8500-01-01 or later\n",
    )  # fmt: skip


def test_a_start_in_a_closed_month_is_refused(db_cli: Cli, db_url: str) -> None:
    use(db_cli)
    db_cli("budget", "set", "all", "--amount", "5usd", "--from", "2026-02-01").ok()
    db_cli("close", "2026-02", "--force", "--reason", "a test").ok()
    for args in (("set", "all", "--amount", "6usd"), ("set", "b", "--amount", "6usd"), ("remove", "all")):
        outcome = db_cli("budget", *args, "--from", "2026-02-28")
        assert outcome.exit_code == 2
        assert "lies in 2026-02, which is closed: the first open day is 2026-03-01" in outcome.stderr
    assert value(db_url, "SELECT count(*) FROM budgets") == 1
    db_cli("budget", "set", "all", "--amount", "6usd", "--from", "2026-03-01").ok()


def test_names_that_the_ledger_has_never_seen_are_told(db_cli: Cli) -> None:
    seen = record("r1", requested_model=PRO, project="search", tags={"team": "web"})
    db_cli("ingest", "-", stdin=lines([seen])).ok()
    asked = ("--project", "serch", "--project", "search", "--model", "doubao", "--tag", "team=wed")
    told = db_cli("budget", "set", "all", "--amount", "5usd", *asked).ok().stderr
    assert "no project 'serch' in this ledger: did you mean 'search'?" in told
    assert "no model 'doubao' in this ledger" in told
    assert "no tag team = 'wed' in this ledger: did you mean 'web'?" in told
    assert "'search' in" not in told
    assert "no " not in db_cli("budget", "set", "b", "--amount", "5usd", "--project", "search").ok().stderr
    assert "no budget 'al' in this ledger: did you mean 'all'?" in db_cli("budget", "remove", "al").stderr


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (["--amount", "0usd"], "--amount 0usd: a budget is more than 0; give more"),
        (["--amount", "-1usd"], "--amount '-1usd' is negative"),
        (["--amount", "5"], "--amount '5' isn't an amount"),
        (["--amount", "5stones"], "--amount '5stones' isn't an amount"),
        (["--amount", "5cny"], "--amount 5cny: a budget is in usd or credits"),
        (["--amount", "9999999999usd"], "--amount is past 9.2 billion"),
        (["--period", "fortnight"], "--period 'fortnight' isn't a period: give one of day, week, month, quarter, year"),
        (["--period", "Month"], "--period 'Month' isn't a period: did you mean 'month'"),
        (["--from", "2026-02-30"], "--from '2026-02-30' isn't a day"),
        (["--from", "1969-12-31"], "--from '1969-12-31' isn't a day"),
        (["--from", "2026-03"], "--from '2026-03' isn't a day"),
        *(
            (["--alert", text], "aren't rising percents from 1 to 1000")
            for text in ("100,80", "80,80", "0", "1001", "80.5", "", "80,", "-5", "many", "9" * 30, "٨٠")
        ),
        (["--alert-forecast", "2,1"], "--alert-forecast '2, 1' aren't rising percents"),
        (["--tag", "team"], "--tag 'team' isn't a tag: give KEY=VALUE"),
        (["--tag", "=x"], "--tag '=x' isn't a tag: give KEY=VALUE"),
        (["--project", ""], "--project '' is no name of usage: give 1 to 200 characters"),
        (["--model", "x" * 201], "is no name of usage: give 1 to 200 characters"),
        (["--tag", f"k={'x' * 513}"], "is no name of usage: give 1 to 512 characters"),
        (["--project", "a\ud800"], "is no name of usage"),
        (["--owner", "a\nb"], r"--owner 'a\nb': give 1 to 200 printable characters"),
        (["--notify", "x" * 201], "--notify 'xxxx"),
    ],
)
def test_what_is_no_budget_is_refused_before_anything_is_made(cli: Cli, args: list[str], words: str) -> None:
    given = args if "--amount" in args else ["--amount", "5usd", *args]
    outcome = cli("budget", "set", "all", *given)
    assert (outcome.exit_code, outcome.stdout) == (2, "")
    assert words in outcome.stderr
    assert outcome.stderr.count("\n") == 1
    assert not Path("tollbook.db").exists()


@pytest.mark.parametrize("name", ["", " ", "a\tb", "\x1b[31m", "a\u202eb", "\ufeff", "x" * 201])
def test_a_name_is_printable(cli: Cli, name: str) -> None:
    outcome = cli("budget", "set", "--amount", "5usd", "--", name)
    assert (outcome.exit_code, outcome.stdout) == (2, "")
    assert "give 1 to 200 printable characters" in outcome.stderr


def test_names_are_text_whatever_they_hold(db_cli: Cli) -> None:
    asked = ("--project", "\x1b[31m\u202e", "--tag", f"k={'x' * 512}", "--tag", "<b>=")
    db_cli("budget", "set", "--amount", "5usd", *asked, "--", "👩‍💻 <b>\"x\", 'y'" + "x" * 100).ok()
    [found] = listed(db_cli)
    assert (found["projects"], found["tags"]) == (["\x1b[31m\u202e"], ["<b>=", f"k={'x' * 512}"])
    for name in ("table", "csv", "markdown", "json"):
        for command in ("list", "status"):
            shown = db_cli("budget", command, "--format", name).ok()
            assert not {"\x1b", "\u202e"} & {*shown.stdout, *shown.stderr}


# --- apply ----------------------------------------------------------------------------------------------------------

ALL = '[[budget]]\nname = "all"\namount = "2000usd"\nmonths = { "2026-12" = "3000usd" }\nfrom = 2026-01-01\n'
WEEK = (
    '[[budget]]\nname = "evals"\namount = "40 credits"\nperiod = "week"\nmodels = ["m"]\nfrom = "2026-01-05"\n'
    'tags = { env = ["ci", "dev"], team = "web" }\nalerts = [50]\nalert_forecast = 90\nowner = "Ann"\nnotify = "ops"\n'
)


def applied(cli: Cli, text: str, *options: str) -> list[tuple[str, str, dict[str, Any]]]:
    Path("tollbook.toml").write_text(text, encoding="utf-8")
    found = cli("budget", "apply", "--json", *options).ok().json["changes"]
    return [(each["change"], each["budget"], each["before"]) for each in found]


def test_a_file_is_applied_once_it_is_said_so(db_cli: Cli, db_url: str) -> None:
    assert applied(db_cli, ALL + WEEK) == [("new", "all", {}), ("new", "evals", {})]
    assert value(db_url, "SELECT count(*) FROM budgets") == 0
    assert applied(db_cli, ALL + WEEK, "--yes") == [("new", "all", {}), ("new", "evals", {})]
    assert spans(db_cli) == [("all", "2000", "2026-01-01", None), ("evals", "40", "2026-01-05", None)]
    assert listed(db_cli)[0]["months"] == {"2026-12": "3000"}
    assert listed(db_cli)[1] | {"tags": ["env=ci", "env=dev", "team=web"], "alert_forecast": [90]} == listed(db_cli)[1]
    assert applied(db_cli, WEEK + ALL, "--yes") == [("unchanged", "evals", {}), ("unchanged", "all", {})]
    assert value(db_url, "SELECT count(*) FROM budgets") == 2
    changed = applied(db_cli, ALL.replace("2000", "2500"), "--yes")
    assert changed == [("changed", "all", {"amount": "2000"})]
    # What the file doesn't have is left alone.
    assert [each["budget"] for each in listed(db_cli)] == ["all", "evals"]
    assert "only in the ledger, and left alone: evals" in db_cli("budget", "apply").ok().stderr
    db_cli("verify").ok()


def test_a_plan_makes_no_ledger(cli: Cli) -> None:
    assert applied(cli, ALL) == [("new", "all", {})]
    assert not Path("tollbook.db").exists()
    assert applied(cli, ALL, "--yes") == [("new", "all", {})]
    assert spans(cli) == [("all", "2000", "2026-01-01", None)]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "has no [[budget]]: add one"),
        (ALL.replace("2000", "0"), "budget[0].amount: 0usd: a budget is more than 0"),
        (ALL.replace("3000", "0"), "budget[0].months: 0usd: a budget is more than 0"),
        (ALL.replace("3000usd", "3credits"), "budget[0].months: 2026-12: 3credits is in another unit than the amount"),
        (ALL.replace("2026-12", "2026-13"), "budget[0].months: '2026-13' isn't a month"),
        (ALL + 'period = "week"\n', "budget[0].months: are amounts of single months"),
        (ALL + WEEK.replace("week", "fortnight"), "budget[1].period: 'fortnight' isn't a period"),
        (WEEK.replace("2026-01-05", "2026-01"), "budget[0].from: '2026-01' isn't a day"),
        (WEEK.replace("[50]", "[50, 40]"), "budget[0].alerts: '50, 40' aren't rising percents"),
        (WEEK.replace("[50]", "[50.5]"), "budget[0].alerts[0]: 50.5 isn't a whole number"),
        (WEEK.replace("= 90", "= 0"), "budget[0].alert_forecast: '0' aren't rising percents"),
        (WEEK.replace('"Ann"', '""'), "budget[0].owner: '' is empty"),
        (WEEK.replace('"evals"', '"a\\u0007"'), r"budget[0].name: 'a\x07': give 1 to 200 printable characters"),
        (ALL + ALL, "budget[1].name: 'all' is the name of budget[0] too"),
        (ALL + WEEK.replace("40 credits", "40cny"), "budget[1].amount: 40cny: a budget is in usd or credits"),
    ],
)
def test_a_file_that_is_wrong_changes_nothing(cli: Cli, text: str, words: str) -> None:
    Path("tollbook.toml").write_text(text, encoding="utf-8")
    outcome = cli("budget", "apply", "--yes")
    assert (outcome.exit_code, outcome.stdout) == (2, "")
    assert words in outcome.stderr
    assert not Path("tollbook.db").exists()


def test_a_start_in_a_closed_month_refuses_the_whole_file(db_cli: Cli, db_url: str) -> None:
    use(db_cli)
    db_cli("close", "2026-02", "--force", "--reason", "a test").ok()
    Path("tollbook.toml").write_text(ALL.replace("2026-01-01", "9000-01-01") + WEEK)
    outcome = db_cli("budget", "apply", "--yes")
    assert (outcome.exit_code, outcome.stdout) == (2, "")
    assert "budget 'evals': its start 2026-01-05 lies in 2026-01, which is closed" in outcome.stderr
    assert rows(db_url, "SELECT * FROM budgets") == []


def test_verify_finds_a_version_that_was_changed_behind_its_back(db_cli: Cli, db_url: str) -> None:
    db_cli("budget", "set", "all", "--amount", "5usd").ok()
    tamper(db_url, "UPDATE budgets SET amount_nano = 1")
    outcome = db_cli("verify")
    assert outcome.exit_code == 1
    assert "budgets 1 (all): it is no longer as it was recorded" in outcome.stderr
