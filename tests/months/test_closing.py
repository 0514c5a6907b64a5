"""Closed months: in order, once they have ended; nothing in them changes, what comes later posts in an open month."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from ledger.months.close import close_months
from ledger.store.opening import open_ledger
from tests.conftest import Cli
from tests.helpers.ledgers import LITE, nano, rows, tamper, value
from tests.helpers.sources import lines, record

FEBRUARY, MARCH, APRIL = ("2026-02", "2026-03", "2026-04")
# One request of 1,000 tokens in at lite's 6 credits per 1M.
ONE_NANO = 1_000 * 6_000


def usage(*days: str, **changes: Any) -> str:
    """A request of 1,000 tokens at noon of each day; its id is the day."""
    made = [
        record(f"r-{day}", occurred_at=f"{day}T12:00:00Z", requested_model=LITE, input_tokens=1_000, output_tokens=0)
        | changes
        for day in days
    ]
    return lines(made)


def ingest(cli: Cli, *days: str, **changes: Any) -> None:
    cli("ingest", "-", stdin=usage(*days, **changes)).ok()


def credits_of(cli: Cli, month: str, basis: str = "posted") -> int:
    return nano(cli("report", "--month", month, "--basis", basis, "--json").ok().json["total"]["credits"])


def months(url: str) -> list[tuple[Any, ...]]:
    return rows(url, "SELECT occurred_month, posted_month, charge_class, amount_nano FROM charges ORDER BY id")


def test_usage_of_a_closed_month_posts_in_the_earliest_open_one(db_cli: Cli, db_url: str) -> None:
    ingest(db_cli, "2026-02-28", "2026-03-31")
    found = db_cli("close", FEBRUARY, "--json").ok().json
    assert [(each["month"], each["number"], each["charges"], each["amounts"]) for each in found["closed"]] == [
        (FEBRUARY, 1, 1, {"CRD": "0.006"})
    ]
    ingest(db_cli, "2026-02-27", "2026-04-01")
    assert months(db_url) == [
        (FEBRUARY, FEBRUARY, "charge", ONE_NANO),
        (MARCH, MARCH, "charge", ONE_NANO),
        (FEBRUARY, MARCH, "charge", ONE_NANO),
        (APRIL, APRIL, "charge", ONE_NANO),
    ]
    assert [credits_of(db_cli, month) for month in (FEBRUARY, MARCH)] == [ONE_NANO, 2 * ONE_NANO]
    assert [credits_of(db_cli, month, "occurred") for month in (FEBRUARY, MARCH)] == [2 * ONE_NANO, ONE_NANO]
    db_cli("verify").ok()


def test_corrections_of_a_closed_month_post_in_the_earliest_open_one(db_cli: Cli, db_url: str) -> None:
    ingest(db_cli, "2026-02-26", "2026-02-27", "2026-03-30")
    db_cli("close", "--through", MARCH, "--force", "--reason", "all is there").ok()
    db_cli("void", "--id", "r-2026-02-26").ok()
    db_cli("reassign", "--project", "unassigned", "--to", "search", "--id", "r-2026-02-27").ok()
    assert months(db_url)[3:] == [
        (FEBRUARY, APRIL, "reversal", -ONE_NANO),
        (FEBRUARY, APRIL, "reversal", -ONE_NANO),
        (FEBRUARY, APRIL, "replacement", ONE_NANO),
    ]
    assert credits_of(db_cli, FEBRUARY) == 2 * ONE_NANO
    db_cli("verify").ok()


def test_an_accepted_conflict_of_a_closed_month_posts_in_an_open_one(db_cli: Cli, db_url: str) -> None:
    ingest(db_cli, "2026-02-28")
    db_cli("close", FEBRUARY).ok()
    db_cli("ingest", "-", stdin=usage("2026-02-28", input_tokens=3_000))
    db_cli("quarantine", "accept", 1, "--reason", "the provider's own figure").ok()
    assert months(db_url)[1:] == [
        (FEBRUARY, MARCH, "reversal", -ONE_NANO),
        (FEBRUARY, MARCH, "replacement", 3 * ONE_NANO),
    ]
    db_cli("verify").ok()


def test_closed_reports_and_exports_are_the_same_bytes_whatever_is_posted_later(db_cli: Cli) -> None:
    ingest(db_cli, "2026-02-10", "2026-02-28")
    db_cli("close", FEBRUARY).ok()
    commands = (
        ["report", "--month", FEBRUARY, "--by", "day", "--by", "project", "--json"],
        ["export", "charges", "--month", FEBRUARY],
    )
    before = [db_cli(*command).ok().stdout for command in commands]
    ingest(db_cli, "2026-02-11", "2026-03-11")
    db_cli("void", "--id", "r-2026-02-10").ok()
    db_cli("rates", "conversion", "add", "--per-usd", "68", "--from", "2026-02-05").ok()
    ingest(db_cli, "2026-02-12")
    assert [db_cli(*command).ok().stdout for command in commands] == before


def test_the_zone_decides_where_a_month_ends(cli: Cli, sqlite_url: str) -> None:
    cli("db", "init", "--timezone", "Asia/Shanghai", "--db", sqlite_url).ok()
    # 16:00Z on 28 February is midnight of 1 March in Shanghai.
    both = usage("2026-02-28", occurred_at="2026-02-28T15:59:59Z") + usage("x", occurred_at="2026-02-28T16:00:00Z")
    cli("ingest", "-", "--db", sqlite_url, stdin=both).ok()
    assert cli("close", FEBRUARY, "--json", "--db", sqlite_url).ok().json["closed"][0]["charges"] == 1


# --- done before ----------------------------------------------------------------------------------------------------


def test_what_succeeded_before_is_a_note_when_it_is_repeated(db_cli: Cli, db_url: str) -> None:
    ingest(db_cli, "2026-02-28", "2026-03-31")
    db_cli("close", "--through", MARCH).ok()
    booked = rows(db_url, "SELECT * FROM closings ORDER BY id")
    options: list[tuple[str, list[str]]] = [(MARCH, []), (FEBRUARY, []), (MARCH, ["--through"]), (MARCH, ["--dry-run"])]
    for month, option in options:
        outcome = db_cli("close", *option, month, "--json").ok()
        assert outcome.json["closed"] == []
        assert f"Note: {month} is closed already: nothing was done" in outcome.stderr
    assert rows(db_url, "SELECT * FROM closings ORDER BY id") == booked
    first = db_cli("reopen", MARCH, "--reason", "late", "--json").ok()
    booked = rows(db_url, "SELECT * FROM closings ORDER BY id")
    again = db_cli("reopen", MARCH, "--reason", "the script ran twice", "--json").ok()
    assert (again.json, first.json["number"]) == (first.json, 1)
    assert f"Note: {MARCH} was reopened before: nothing was done" in again.stderr
    assert rows(db_url, "SELECT * FROM closings ORDER BY id") == booked


def test_only_a_repeated_reopening_is_a_note(db_cli: Cli) -> None:
    ingest(db_cli, "2026-02-28", "2026-03-31")
    assert db_cli("reopen", MARCH, "--reason", "never closed").exit_code == 2
    db_cli("close", "--through", MARCH).ok()
    assert db_cli("reopen", FEBRUARY, "--reason", "not the last").exit_code == 2
    db_cli("reopen", MARCH, "--reason", "late").ok()
    db_cli("reopen", FEBRUARY, "--reason", "late too").ok()
    outcome = db_cli("reopen", MARCH, "--reason", "not what was done last")
    assert (outcome.exit_code, "can't be reopened" in outcome.stderr) == (2, True)


# --- refusals -------------------------------------------------------------------------------------------------------


def test_months_close_in_order_once_they_have_ended(db_cli: Cli, db_url: str) -> None:
    ingest(db_cli, "2026-02-28", "2026-04-30")
    for words, months_given in (
        ("2026-02 is open still", (APRIL,)),
        ("has not ended", ("9998-11",)),
        ("isn't a month", ("2026-13",)),
        ("give a month", ()),
    ):
        outcome = db_cli("close", *months_given)
        assert (outcome.exit_code, outcome.stdout, outcome.stderr.count("Error")) == (2, "", 1)
        assert words in outcome.stderr
    assert value(db_url, "SELECT count(*) FROM closings") == 0
    found = db_cli("close", "--through", APRIL, "--json").ok().json["closed"]
    assert [(each["month"], each["charges"]) for each in found] == [(FEBRUARY, 1), (MARCH, 0), (APRIL, 1)]
    status = db_cli("status", "--json").ok().json
    assert (status["closed_through"], status["open_months"]) == (APRIL, [])


def test_dated_quarantine_of_the_month_blocks_it_and_undated_is_only_listed(db_cli: Cli, db_url: str) -> None:
    ingest(db_cli, "2026-02-28")
    db_cli("ingest", "-", stdin=usage("2026-02-27", requested_model="unheard-of") + '{"id": "resp_1"}\n')
    outcome = db_cli("close", FEBRUARY)
    assert (outcome.exit_code, value(db_url, "SELECT count(*) FROM closings")) == (2, 0)
    assert "2026-02: 1 quarantined line is of that month" in outcome.stderr
    tried = db_cli("close", FEBRUARY, "--dry-run", "--json")
    assert (tried.exit_code, tried.json["undated_quarantine"], len(tried.json["closed"][0]["objections"])) == (1, 1, 1)
    forced = db_cli("close", FEBRUARY, "--force", "--reason", "another vendor's").ok()
    assert "1 in quarantine without a readable time" in forced.stderr
    assert rows(db_url, "SELECT forced, reason FROM closings") == [(1, "another vendor's")]


def test_a_source_that_ends_before_the_month_is_asked_about(db_cli: Cli) -> None:
    ingest(db_cli, "2026-02-28")
    db_cli("ingest", "-", "--source", "batch", stdin=usage("2026-02-27")).ok()
    outcome = db_cli("close", FEBRUARY)
    assert (outcome.exit_code, "source 'batch' ends on 2026-02-27" in outcome.stderr) == (2, True)
    db_cli("ingest", "-", "--source", "batch", stdin=usage("2026-03-01")).ok()
    db_cli("close", FEBRUARY).ok()


@pytest.mark.parametrize("options", [["--force"], ["--reason", "x"], ["--force", "--reason", ""]], ids=" ".join)
def test_force_and_its_reason_go_together(db_cli: Cli, options: list[str]) -> None:
    ingest(db_cli, "2026-02-28")
    assert db_cli("close", FEBRUARY, *options).exit_code == 2


# --- reopening ------------------------------------------------------------------------------------------------------


def test_a_reopened_month_takes_its_usage_again_and_closes_as_no_2(db_cli: Cli, db_url: str) -> None:
    ingest(db_cli, "2026-02-28", "2026-03-31")
    first = db_cli("close", "--through", MARCH, "--json").ok().json["closed"]
    outcome = db_cli("reopen", FEBRUARY, "--reason", "late")
    assert (outcome.exit_code, "only the last one can" in outcome.stderr) == (2, True)
    assert db_cli("reopen", MARCH, "--reason", "late", "--json").ok().json["number"] == 1
    ingest(db_cli, "2026-03-30", "2026-02-27")
    assert months(db_url)[2:] == [(MARCH, MARCH, "charge", ONE_NANO), (FEBRUARY, MARCH, "charge", ONE_NANO)]
    again = db_cli("close", MARCH, "--json").ok().json["closed"][0]
    assert (again["number"], again["charges"], again["digest"] != first[1]["digest"]) == (2, 3, True)
    digests = rows(db_url, "SELECT month, number, action, rows_digest FROM closings ORDER BY id")
    assert digests == [
        (FEBRUARY, 1, "close", first[0]["digest"]),
        (MARCH, 1, "close", first[1]["digest"]),
        (MARCH, 1, "reopen", first[1]["digest"]),
        (MARCH, 2, "close", again["digest"]),
    ]
    db_cli("verify").ok()


def test_the_only_closed_month_can_be_reopened(db_cli: Cli, db_url: str) -> None:
    ingest(db_cli, "2026-03-31")
    db_cli("close", MARCH).ok()
    db_cli("reopen", MARCH, "--reason", "too early").ok()
    ingest(db_cli, "2026-02-28")
    assert months(db_url)[1:] == [(FEBRUARY, FEBRUARY, "charge", ONE_NANO)]


# --- verify ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("statement", "words"),
    [
        ("UPDATE closings SET reason = 'nicer'", "no longer as it was recorded"),
        ("UPDATE closings SET charges = 2", "no longer as it was recorded"),
        ("UPDATE charges SET posted_month = '2026-03'", "no longer those that were closed"),
        ("UPDATE charges SET posted_month = '2026-02' WHERE id = 2", "posted in it after it was closed"),
    ],
)
def test_verify_finds_what_was_changed_behind_a_close(db_cli: Cli, db_url: str, statement: str, words: str) -> None:
    ingest(db_cli, "2026-02-28")
    db_cli("close", FEBRUARY).ok()
    ingest(db_cli, "2026-03-01")
    db_cli("verify").ok()
    tamper(db_url, statement)
    outcome = db_cli("verify")
    assert (outcome.exit_code, words in outcome.stderr) == (1, True)


def test_verify_of_one_month_checks_what_is_posted_in_it(db_cli: Cli, db_url: str) -> None:
    ingest(db_cli, "2026-02-28", "2026-03-31")
    db_cli("close", FEBRUARY).ok()
    found = db_cli("verify", "--month", FEBRUARY, "--json").ok().json
    assert (found["checked"]["charges"], found["checked"]["rollup_days"]) == (1, 2)
    tamper(db_url, "UPDATE charges SET input_nano = 1, amount_nano = 1 WHERE posted_month = '2026-03'")
    db_cli("verify", "--month", FEBRUARY).ok()
    assert [db_cli("verify", "--month", MARCH).exit_code, db_cli("verify").exit_code] == [1, 1]
    tamper(db_url, "UPDATE charges SET input_nano = 1, amount_nano = 1 WHERE posted_month = '2026-02'")
    outcome = db_cli("verify", "--month", FEBRUARY)
    assert (outcome.exit_code, outcome.stderr.count("Problem")) == (1, 4)  # price, close, both roll-ups


def test_a_close_keeps_the_rolled_up_tags_that_stand_as_it_holds_the_lock(db_cli: Cli, db_url: str) -> None:
    ingest(db_cli, "2026-02-28", tags={"team": "a"})
    database = open_ledger(db_url)
    assert database.rollup_tags == ()
    # Someone else changes them after this process has read the settings, before it closes.
    db_cli("db", "rollups", "--tag", "team").ok()
    close_months(database, FEBRUARY, now=datetime(2026, 3, 1, tzinfo=UTC))
    database.close()
    settings = value(db_url, "SELECT settings FROM closings")
    assert json.loads(settings)["rollup_tags"] == ["team"]
