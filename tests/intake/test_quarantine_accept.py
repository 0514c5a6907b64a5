"""A conflict is accepted by a correction, or left; what is settled is settled once."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Cli
from tests.helpers.ledgers import LITE, PRO, REFERENCE_NANO, counts, nano, report, requests_and_credits, rows
from tests.helpers.sources import lines, record, response, usage

OTHER_COUNTS = usage(output_tokens=500, total_tokens=88 + 500)


def held(cli: Cli, *args: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = cli("quarantine", "list", "--json", *args).ok().json["entries"]
    return found


def ingest(cli: Cli, *objects: object) -> Any:
    return cli("ingest", "-", "--json", stdin=lines(objects))


@pytest.fixture
def conflict(db_cli: Cli) -> Cli:
    """A ledger with one response, and a contradiction of it in quarantine as number 1."""
    ingest(db_cli, response("r1")).ok()
    ingest(db_cli, response("r1", usage=OTHER_COUNTS, metadata={"project": "search"}))
    return db_cli


def test_accept_posts_a_reversal_and_a_replacement(conflict: Cli, db_url: str) -> None:
    shown = conflict("quarantine", "show", 1, "--json").ok().json
    assert (shown["fields"]["output_tokens"], shown["standing"]["output_tokens"]) == (500, 230)
    told = conflict("quarantine", "accept", 1, "--reason", "corrected counts").ok().stderr
    assert told.startswith("entry 1 accepted: batch 2 reverses and replaces the charge\n")
    assert rows(db_url, "SELECT charge_class, corrects_id, project, amount_nano FROM charges ORDER BY id") == [
        ("charge", None, "unassigned", REFERENCE_NANO),
        ("reversal", 1, "unassigned", -REFERENCE_NANO),
        ("replacement", 1, "unassigned", 88 * 32_000 + 500 * 160_000),
    ]
    assert rows(db_url, "SELECT generation, output_tokens FROM usage_records ORDER BY id") == [(0, 230), (1, 500)]
    totals = {row["project"]: (row["requests"], nano(row["credits"])) for row in report(conflict)["rows"]}
    assert totals == {"unassigned": (1, 88 * 32_000 + 500 * 160_000)}
    [entry] = held(conflict, "--state", "accepted")
    assert entry["resolution"] == "corrected counts"
    conflict("verify").ok()


@pytest.mark.parametrize(
    ("options", "project", "team"),
    [((), "checkout", "a"), (("--labels", "booked"), "checkout", "a"), (("--labels", "new"), "search", "b")],
)
def test_accept_keeps_the_booked_project_and_tags_unless_told(
    db_cli: Cli, db_url: str, options: tuple[str, ...], project: str, team: str
) -> None:
    own = record("r1", occurred_at="2026-03-01T12:00:00Z", requested_model=PRO, project="shop", tags={"team": "a"})
    ingest(db_cli, own).ok()
    db_cli("reassign", "--project", "shop", "--to", "checkout").ok()
    ingest(db_cli, own | {"output_tokens": 7, "project": "search", "tags": {"team": "b"}})
    told = db_cli("quarantine", "accept", 1, *options).ok().stderr
    assert told.splitlines()[1:] == (
        []
        if project == "search"
        else ["Note: project and tags stay as they are booked: checkout; --labels new takes those of the entry"]
    )
    [row] = report(db_cli, "--by", "project", "--by", "tag:team")["rows"]
    assert (row["project"], row["tag:team"], row["output_tokens"]) == (project, team, 7)
    [last] = rows(db_url, "SELECT project, tags FROM usage_records ORDER BY id DESC LIMIT 1")
    assert last == ("shop" if project == "checkout" else "search", f'{{"team":"{team}"}}')
    db_cli("verify").ok()


def test_a_rule_made_since_does_not_move_what_is_accepted(conflict: Cli) -> None:
    ingest(conflict, response("r1", usage=usage(output_tokens=501, total_tokens=88 + 501)))
    Path("tollbook.toml").write_text('[[project_rule]]\nproject = "ruled"\nsource = "evolink"\n')
    conflict("quarantine", "accept", 2).ok()
    assert [row["project"] for row in report(conflict)["rows"]] == ["unassigned"]


def test_after_accept_the_new_facts_are_known_and_the_old_ones_contradict(conflict: Cli) -> None:
    conflict("quarantine", "accept", 1).ok()
    assert counts(ingest(conflict, response("r1", usage=OTHER_COUNTS)).ok().json) == {"duplicate": 1}
    assert counts(ingest(conflict, response("r1")).json) == {"conflict": 1}
    conflict("quarantine", "accept", 2).ok()
    assert requests_and_credits(conflict)[0] == 1
    conflict("void", "--id", "r1").ok()
    assert requests_and_credits(conflict) == (0, "0")
    assert counts(ingest(conflict, response("r1")).ok().json) == {"accepted": 1}
    conflict("verify").ok()


def test_the_batch_of_an_accept_can_be_voided(conflict: Cli) -> None:
    conflict("quarantine", "accept", 1).ok()
    assert conflict("void", "--batch", 2, "--json").ok().json["charges"] == 1
    assert requests_and_credits(conflict) == (0, "0")
    conflict("verify").ok()


def test_accept_of_a_conflict_whose_record_was_voided_says_to_retry(conflict: Cli) -> None:
    conflict("void", "--id", "r1").ok()
    outcome = conflict("quarantine", "accept", 1)
    assert outcome.exit_code == 2
    assert "was voided: 'tollbook quarantine retry 1' records it" in outcome.stderr
    assert conflict("quarantine", "retry", 1, "--json").ok().json["recorded"] == [1]
    assert requests_and_credits(conflict)[0] == 1


def test_retry_leaves_conflicts_to_a_decision(conflict: Cli) -> None:
    assert conflict("quarantine", "retry", "--json").ok().json["still_open"] == []
    tried = conflict("quarantine", "retry", 1, "--json")
    assert (tried.exit_code, tried.json["still_open"]) == (3, [1])
    assert [entry["reason"] for entry in held(conflict)] == ["conflict"]


def test_only_conflicts_are_accepted(db_cli: Cli) -> None:
    ingest(db_cli, response("r1", model="unheard-of"))
    outcome = db_cli("quarantine", "accept", 1)
    assert (outcome.exit_code, "entry 1 is open (unknown_model): only open conflicts" in outcome.stderr) == (2, True)


def test_a_contradicting_provider_is_accepted_at_its_own_card(db_cli: Cli, db_url: str) -> None:
    own = record("r1", requested_model=PRO, source="gateway", input_tokens=1_000, output_tokens=100)
    ingest(db_cli, own).ok()
    ingest(db_cli, own | {"provider": "volcengine", "requested_model": LITE})
    db_cli("quarantine", "accept", 1).ok()
    assert rows(db_url, "SELECT provider, currency, billed_model, amount_nano FROM charges ORDER BY id") == [
        ("evolink", "CRD", PRO, 1_000 * 32_000 + 100 * 160_000),
        ("evolink", "CRD", PRO, -(1_000 * 32_000 + 100 * 160_000)),
        ("volcengine", "CNY", LITE, 1_000 * 600 + 100 * 3_600),
    ]
    db_cli("verify").ok()


@pytest.mark.parametrize("state", ["resolved", "discarded", "accepted"])
def test_what_is_settled_can_not_be_settled_again(conflict: Cli, state: str) -> None:
    if state == "discarded":
        conflict("quarantine", "discard", 1, "--reason", "r").ok()
    elif state == "accepted":
        conflict("quarantine", "accept", 1).ok()
    else:
        conflict("void", "--id", "r1").ok()
        conflict("quarantine", "retry", 1).ok()
    for command in (["retry", "1"], ["accept", "1"], ["discard", "1", "--reason", "r"]):
        outcome = conflict("quarantine", *command)
        assert outcome.exit_code == 2
        assert f"entry 1 is {state}" in outcome.stderr
