"""Names that nothing is booked under: the nearest one that something is, beside what the command does with them."""

from __future__ import annotations

import pytest

from ledger.reports import unknown
from tests.conftest import Cli
from tests.helpers.ledgers import CODE, PRO, apply_projects
from tests.helpers.sources import lines, record

TAGGED = {"team": "discovery", "env": "prod"}


@pytest.fixture
def booked(db_cli: Cli) -> Cli:
    """Usage of search and of support in March; env is rolled up, team isn't."""
    db_cli(
        "ingest",
        "-",
        stdin=lines(
            [
                record("r1", occurred_at="2026-03-05T12:00:00Z", requested_model=PRO, project="search", tags=TAGGED),
                record("r2", occurred_at="2026-03-06T12:00:00Z", requested_model=CODE, project="support"),
            ]
        ),
    ).ok()
    db_cli("db", "rollups", "--tag", "env").ok()
    return db_cli


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ("--project serch", "no project 'serch' in this ledger: did you mean 'search'?"),
        ("--project SEARCH", "no project 'SEARCH' in this ledger: did you mean 'search', which differs in case alone?"),
        ("--project zzz", "no project 'zzz' in this ledger: known are search, support"),
        ("--model doubao-seed-2.0-por", f"no model 'doubao-seed-2.0-por' in this ledger: did you mean '{PRO}'?"),
        ("--tag taem=discovery", "no tag key 'taem' in this ledger: did you mean 'team'?"),
        ("--tag team=discvery", "no tag team = 'discvery' in this ledger: did you mean 'discovery'?"),
        ("--tag env=PROD", "no tag env = 'PROD' in this ledger: did you mean 'prod', which differs in case alone?"),
        ("--by tag:taem", "no tag key 'taem' in this ledger: did you mean 'team'?"),
    ],
)
def test_a_report_says_which_of_its_names_are_unknown(booked: Cli, options: str, words: str) -> None:
    outcome = booked("report", *options.split()).ok()
    assert f"Note: {words}\n" in outcome.stderr


def test_a_report_says_nothing_of_names_that_are_known(booked: Cli) -> None:
    for options in (
        "--project search --project support --model doubao-seed-2.0-pro --tag team=discovery --tag env=prod",
        "--by tag:team --by tag:env",
        "--project search --month 2026-02",
        "--by tag:team --tag team=discovery --project support",
    ):
        assert " in this ledger" not in booked("report", *options.split()).ok().stderr


def test_one_known_name_does_not_hide_an_unknown_one(booked: Cli) -> None:
    outcome = booked("report", "--project", "search", "--project", "suport", "--json").ok()
    assert [row["model"] for row in outcome.json["rows"]] == [PRO]
    assert outcome.stderr == "Note: no project 'suport' in this ledger: did you mean 'support'?\n"


def test_a_ledger_without_usage_has_no_names(db_cli: Cli) -> None:
    outcome = db_cli("report", "--project", "search", "--tag", "team=a").ok()
    assert "no project 'search' in this ledger: known are none" in outcome.stderr
    assert "no tag key 'team' in this ledger: known are none" in outcome.stderr


def test_of_a_large_ledger_only_the_latest_tags_are_read(booked: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unknown, "MOST_READ", 1)
    outcome = booked("report", "--tag", "team=discvery").ok()
    assert "Note: no tag key 'team' in the latest 1 request: known are none\n" in outcome.stderr


def test_a_project_of_the_configuration_is_known(booked: Cli) -> None:
    apply_projects(booked, '[[project]]\nid = "billing"\n')
    assert "no project" not in booked("report", "--project", "billing").ok().stderr
    assert "did you mean 'billing'?" in booked("report", "--project", "biling").ok().stderr


def test_chargeback_and_profiles_say_it_too(booked: Cli) -> None:
    teams = booked("export", "chargeback", "--month", "2026-03", "--by", "tag:taem").ok()
    assert "Note: no tag key 'taem' in this ledger: did you mean 'team'?" in teams.stderr
    profile = booked("workload", "pull", "--since", "2026-03-01", "--project", "serch").ok()
    assert "Note: no project 'serch' in this ledger: did you mean 'search'?" in profile.stderr


def test_an_estimate_without_a_mean_says_why(booked: Cli) -> None:
    arguments = ("estimate", "-", "--model", PRO, "--project")
    assert "did you mean 'search'?" in booked(*arguments, "serch", stdin="a prompt").ok().stderr
    assert "in this ledger" not in booked(*arguments, "search", stdin="a prompt").ok().stderr


def test_a_correction_of_an_unknown_name_changes_nothing_and_says_why(booked: Cli) -> None:
    nothing = booked("reassign", "--project", "serch", "--to", "support", "--model", "doubao-seed-2.0-cod").ok()
    assert nothing.stderr.splitlines() == [
        "Note: nothing matches: no live charge was changed",
        "Note: no project 'serch' in this ledger: did you mean 'search'?",
        f"Note: no model 'doubao-seed-2.0-cod' in this ledger: did you mean '{CODE}'?",
    ]
    voided = booked("void", "--id", "r1", "--source", "evolnk").ok()
    assert "Note: no source 'evolnk' in this ledger: did you mean 'evolink'?" in voided.stderr
    repriced = booked("reprice", "--since", "2026-03-01", "--model", "doubao-seed-2.0-cod").ok()
    assert f"did you mean '{CODE}'?" in repriced.stderr


def test_money_for_a_new_project_that_looks_like_another_is_booked_with_a_question(booked: Cli) -> None:
    booking = ("--amount", "-1usd", "--month", "2026-03", "--reason", "r", "--reference")
    mistaken = "Note: project 'serch' is new in this ledger: did you mean 'search'?\n"
    dry = booked("reassign", "--project", "support", "--to", "serch", "--dry-run").ok()
    assert dry.stderr == mistaken
    assert booked("adjust", "--project", "serch", *booking, "CN-1").ok().stderr == mistaken
    # It has been booked under now; and a name like no other needs no question.
    assert booked("adjust", "--project", "serch", *booking, "CN-2").ok().stderr == ""
    assert booked("adjust", "--project", "images", *booking, "CN-3").ok().stderr == ""
