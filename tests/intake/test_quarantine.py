"""What can't be recorded waits in quarantine: kept once, without the payload, until it is tried again or given up."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Cli
from tests.helpers.ledgers import (
    CODE,
    charges,
    counts,
    database_files,
    report,
    requests_and_credits,
    rows,
    value,
)
from tests.helpers.sources import AT, lines, record, response, usage

NEW_MODEL = """
provider = "evolink"
currency = "CRD"
per_tokens = 1_000_000
[[model]]
id = "doubao-next"
[[model.price]]
effective_from = 2026-02-01
tiers = [{ input = "10", output = "100" }]
"""
OTHER_COUNTS = usage(output_tokens=500, total_tokens=88 + 500)


def held(cli: Cli, *args: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = cli("quarantine", "list", "--json", *args).ok().json["entries"]
    return found


def ingest(cli: Cli, *objects: object, args: tuple[str, ...] = ()) -> Any:
    text = "".join(obj + "\n" if isinstance(obj, str) else lines([obj]) for obj in objects)
    return cli("ingest", "-", "--json", *args, stdin=text)


@pytest.fixture
def conflict(db_cli: Cli) -> Cli:
    """A ledger with one response, and a contradiction of it in quarantine as number 1."""
    ingest(db_cli, response("r1")).ok()
    ingest(db_cli, response("r1", usage=OTHER_COUNTS, metadata={"project": "search"}))
    return db_cli


# --- what is kept ---------------------------------------------------------------------------------------------------


def test_an_entry_tells_where_why_and_what_may_be_kept(db_cli: Cli, tmp_path: Path) -> None:
    line = response("r1", model="unheard-of", metadata={"project": "search", "team": "a", "secret": "s"})
    (tmp_path / "usage.jsonl").write_text("\n" + lines([response("r0"), line]))
    outcome = db_cli("ingest", "usage.jsonl", "--tag", "env=prod", "--json")
    assert outcome.exit_code == 3
    [rejection] = outcome.json["rejections"]
    assert (rejection["file"], rejection["line"], rejection["reason"]) == ("usage.jsonl", 3, "unknown_model")
    shown = db_cli("quarantine", "show", 1, "--json").ok().json
    assert shown["fields"] == {
        "provider": "evolink",
        "source": "evolink",
        "kind": "request",
        "request_id": "r1",
        "occurred_at": "2026-02-19T07:37:54Z",
        "reported_model": "unheard-of",
        "project": "search",
        "status": "completed",
        "service_tier": "default",
        "input_tokens": 88,
        "cached_input_tokens": 0,
        "output_tokens": 230,
        "reasoning_tokens": 211,
        "tags": {"env": "prod", "team": "a"},
    }
    assert (shown["file"], shown["line"], shown["seen"], shown["state"]) == ("usage.jsonl", 3, 1, "open")
    assert (shown["options"]["tags"], shown["complete"], shown["standing"]) == ({"env": "prod"}, True, None)
    assert shown["message"].startswith("'unheard-of': the card of evolink knows doubao-seed-2.0-code")


def test_a_model_that_differs_in_case_alone_is_held_with_the_one_that_was_meant(db_cli: Cli) -> None:
    db_cli("ingest", "-", stdin=lines([response("r1", model="Doubao-Seed-2.0-Pro")]))
    meant = "did you mean 'doubao-seed-2.0-pro', which differs in case alone?"
    assert held(db_cli)[0]["message"].startswith(f"'Doubao-Seed-2.0-Pro': {meant} The card of evolink knows doubao-")


def test_the_same_line_again_is_counted_under_whatever_file(db_cli: Cli, tmp_path: Path) -> None:
    bad = lines([response("r1", model="unheard-of")])
    for name, copies in (("a.jsonl", 1), ("b.jsonl", 2)):
        (tmp_path / name).write_text(bad * copies)
        assert counts(db_cli("ingest", name, "--json").json) == {"rejected": copies}
    [entry] = held(db_cli)
    assert (entry["seen"], entry["file"]) == (3, "a.jsonl")
    # The same line of another source is another request.
    db_cli("ingest", "a.jsonl", "--source", "mirror")
    assert [(entry["source"], entry["seen"]) for entry in held(db_cli)] == [("evolink", 3), ("mirror", 1)]


def test_an_entry_is_what_the_latest_run_read(db_cli: Cli, tmp_path: Path) -> None:
    """Too long a tag by one configuration; by another the line is whole, and only its model unknown."""
    line = response("r1", model="unheard-of", metadata={"note": "x" * 600})
    (tmp_path / "tollbook.toml").write_text('[ledger]\nkeep_tags = ["note"]\n')
    ingest(db_cli, line)
    assert [(entry["reason"], entry["complete"]) for entry in held(db_cli)] == [("too_long", False)]
    (tmp_path / "tollbook.toml").unlink()
    ingest(db_cli, line, args=("--project", "search"))
    [entry] = held(db_cli)
    assert (entry["reason"], entry["complete"], entry["seen"]) == ("unknown_model", True, 2)
    assert (entry["fields"]["project"], entry["options"]["project"]) == ("search", "search")


CANARY = "canary-4711"


def payloads() -> list[object]:
    """Lines that are refused for one reason or another, each with a secret where the ledger must not look."""
    text = {"output": [{"content": [{"text": CANARY}]}], "instructions": CANARY, "user": CANARY, "api_key": CANARY}
    secret = text | {"metadata": {"project": "search", "secret": CANARY, CANARY: "x"}, "error": {"message": CANARY}}
    asked = {"model": CODE, "input": CANARY, "messages": [{"content": CANARY}], "headers": {"Authorization": CANARY}}
    return [
        response("good", **secret),
        response("unknown model", **secret, model="unheard-of"),
        response("conflict", **secret),
        response("conflict", **secret, usage=OTHER_COUNTS),
        response("no usage", **secret, usage=None),
        response("wrong counts", **secret, usage=usage(total_tokens=1)),
        response("strange status", **secret, status="strange"),
        response("", **secret),
        {"request": asked, "response": response("enveloped", **secret), "note": CANARY},
        {"request": asked, "response": response("enveloped, refused", **secret, usage=None)},
        {"request": CANARY, "response": response("prompt for a request", **secret)},
        {"request": asked, "response": CANARY},
        record("unknown field", prompt=CANARY),
        json.dumps(response("cut", **secret))[:-400] + CANARY,
        json.dumps(CANARY),
        f"plain {CANARY}",
        f'{{"id": "broken", "output": "{CANARY}" "',
        [response("a list", **secret)],
    ]


def test_nothing_of_a_payload_is_ever_in_the_database(db_cli: Cli, db_url: str) -> None:
    outcome = ingest(db_cli, *payloads())
    assert outcome.exit_code == 3
    assert outcome.json["accepted"] == 3
    ingest(db_cli, *payloads())
    db_cli("quarantine", "retry")
    db_cli("void", "--id", "good").ok()
    assert CANARY.encode() not in database_files(db_url)
    assert b"search" in database_files(db_url)
    everything = db_cli("quarantine", "export", "--state", "all").ok().stdout
    assert CANARY not in outcome.stdout + outcome.stderr + everything


# --- retry ----------------------------------------------------------------------------------------------------------


def test_retry_after_a_card_is_added_records_with_the_options_of_the_run(db_cli: Cli, tmp_path: Path) -> None:
    ingest(db_cli, response("r1", model="doubao-next"), args=("--project", "search", "--tag", "env=prod"))
    ingest(db_cli, response("r2", model="doubao-next"), response("r3", model="unheard-of"))
    tried = db_cli("quarantine", "retry", "--json")
    assert (tried.exit_code, tried.json["recorded"], tried.json["still_open"]) == (3, [], [1, 2, 3])
    (tmp_path / "next.toml").write_text(NEW_MODEL)
    db_cli("rates", "add", "next.toml").ok()
    tried = db_cli("quarantine", "retry", "--json")
    assert tried.exit_code == 3
    assert {key: tried.json[key] for key in ("recorded", "duplicate", "still_open")} == {
        "recorded": [1, 2], "duplicate": [], "still_open": [3]
    }  # fmt: skip
    assert {(row["project"], str(row["tags"])) for row in charges(db_cli)} == {
        ("search", "{'env': 'prod'}"), ("unassigned", "{}")
    }  # fmt: skip
    assert report(db_cli)["total"]["credits"] == f"{2 * (88 * 10 + 230 * 100) / 10**6:.6f}".rstrip("0")
    assert [entry["id"] for entry in held(db_cli)] == [3]
    assert [(entry["state"], entry["resolution"]) for entry in held(db_cli, "--state", "resolved")] == [
        ("resolved", "retried: accepted")
    ] * 2
    [batch] = [row for row in db_cli("batches", "--json").ok().json["batches"] if row["kind"] == "retry"]
    assert (batch["batch"], batch["usage_records"]) == (tried.json["batch"], 2)
    db_cli("verify").ok()


def test_a_line_that_comes_again_and_is_recorded_settles_its_entry(db_cli: Cli, tmp_path: Path) -> None:
    ingest(db_cli, response("r1", model="doubao-next"), response("r2", model="doubao-after-next"))
    (tmp_path / "next.toml").write_text(NEW_MODEL)
    db_cli("rates", "add", "next.toml").ok()
    ingest(db_cli, response("r1", model="doubao-next"))
    assert [entry["request_id"] for entry in held(db_cli)] == ["r2"]
    [entry] = held(db_cli, "--state", "resolved")
    assert entry["resolution"] == "the line was recorded when it came again"


def test_retry_of_what_was_recorded_meanwhile_is_a_duplicate(db_cli: Cli, tmp_path: Path) -> None:
    ingest(db_cli, response("r1", model="doubao-next"))
    (tmp_path / "next.toml").write_text(NEW_MODEL)
    db_cli("rates", "add", "next.toml").ok()
    # The same facts in another line.
    ingest(db_cli, response("r1", model="doubao-next", store=False)).ok()
    tried = db_cli("quarantine", "retry", 1, 1, "--json").ok().json
    assert (tried["recorded"], tried["duplicate"], tried["batch"]) == ([], [1], None)
    assert held(db_cli) == []


def test_what_holds_too_little_can_not_be_retried(db_cli: Cli) -> None:
    refused = [response("r1", usage=None), response("r2", usage=usage(total_tokens=1)), response("r3", created_at=None)]
    ingest(db_cli, *refused, response("r4", status="strange"), '{"id": "r5", ')
    for entry in held(db_cli):
        assert not entry["complete"]
        outcome = db_cli("quarantine", "retry", entry["id"])
        assert outcome.exit_code == 2
        assert f"entry {entry['id']} ({entry['reason']}) holds too little" in outcome.stderr
    assert db_cli("quarantine", "retry", "--json").ok().json["still_open"] == []
    assert requests_and_credits(db_cli) == (0, "0")


# --- discard, list, export ------------------------------------------------------------------------------------------


def test_discard_needs_a_reason_and_the_line_is_only_counted_from_then_on(conflict: Cli) -> None:
    assert conflict("quarantine", "discard", 1).exit_code == 2
    blank = conflict("quarantine", "discard", 1, "--reason", " ")
    assert (blank.exit_code, blank.stderr) == (2, "Error: --reason is empty: say why\n")
    conflict("quarantine", "discard", 1, "--reason", "test traffic").ok()
    ingest(conflict, response("r1", usage=OTHER_COUNTS, metadata={"project": "search"}))
    assert held(conflict) == []
    [entry] = held(conflict, "--state", "discarded")
    assert (entry["seen"], entry["resolution"]) == (2, "test traffic")


def test_a_settled_line_that_comes_again_unsettled_is_open_again(conflict: Cli, db_url: str) -> None:
    conflict("quarantine", "accept", 1).ok()
    conflict("void", "--id", "r1").ok()
    ingest(conflict, response("r1")).ok()
    ingest(conflict, response("r1", usage=OTHER_COUNTS, metadata={"project": "search"}))
    [entry] = held(conflict)
    assert (entry["id"], entry["seen"], entry["resolution"], entry["resolved_at"]) == (1, 2, None, None)


def test_a_number_that_is_not_there_is_named(db_cli: Cli) -> None:
    for command in (["show", "7"], ["retry", "7"], ["accept", "7"], ["discard", "7", "--reason", "r"]):
        outcome = db_cli("quarantine", *command)
        assert (outcome.exit_code, outcome.stderr.count("\n")) == (2, 1)
        assert "there is no quarantine entry 7: see 'tollbook quarantine list'" in outcome.stderr


def test_discard_of_several_is_all_or_none(conflict: Cli) -> None:
    assert conflict("quarantine", "discard", 1, 2, "--reason", "r").exit_code == 2
    assert [entry["state"] for entry in held(conflict)] == ["open"]


def test_export_writes_every_entry_as_a_line(db_cli: Cli, tmp_path: Path) -> None:
    ingest(db_cli, response("r1", model="unheard-of"), response("r2", usage=None), response("r3", model="unheard-of"))
    db_cli("quarantine", "export", "--reason", "unknown_model", "-o", "held.jsonl").ok()
    exported = [json.loads(line) for line in (tmp_path / "held.jsonl").read_text().splitlines()]
    assert exported == held(db_cli, "--reason", "unknown_model")
    assert [entry["fields"]["request_id"] for entry in exported] == ["r1", "r3"]
    # What is exported can be mended and ingested as records.
    mended = lines(entry["fields"] | {"requested_model": CODE} for entry in exported)
    assert counts(db_cli("ingest", "-", "--json", stdin=mended).ok().json) == {"accepted": 2}


def test_status_and_the_count_of_an_ingest_tell_of_quarantine(conflict: Cli, db_url: str) -> None:
    ingest(conflict, response("r2", usage=None), "{")
    assert conflict("status", "--json").ok().json["quarantine"] == {
        "conflict": 1, "missing_usage": 1, "invalid_json": 1
    }  # fmt: skip
    assert value(db_url, "SELECT count(*) FROM quarantine") == 3


def test_times_of_entries_are_kept_where_they_can_be_read(db_cli: Cli, db_url: str) -> None:
    refused = [response("r1", model="unheard-of"), response("r2", usage=None), response("r3", created_at="noon"), "{"]
    ingest(db_cli, *refused)
    found = [at for (at,) in rows(db_url, "SELECT occurred_at FROM quarantine ORDER BY id")]
    assert found == [AT * 10**6, AT * 10**6, None, None]
