"""Each request is booked once: repeats, contradictions, and ids recorded again after a void."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Cli
from tests.helpers.ledgers import (
    CODE,
    LITE,
    MINI,
    PRO,
    REFERENCE_NANO,
    REPORTED,
    charges,
    counts,
    nano,
    report,
    requests_and_credits,
    responses,
    rows,
    value,
)
from tests.helpers.sources import AT, chat, lines, record, response, usage

# The response of the API reference at 88 tokens in and 230 out, in credits.
REFERENCE = "0.039616"


def ingest(cli: Cli, *objects: object, args: tuple[str, ...] = ()) -> dict[str, int]:
    return counts(cli("ingest", "-", "--json", *args, stdin=lines(objects)).json)


def test_the_reference_in_credits() -> None:
    assert nano(REFERENCE) == REFERENCE_NANO == 88 * 32_000 + 230 * 160_000


# --- once -----------------------------------------------------------------------------------------------------------


def test_the_same_file_twice_is_booked_once(db_cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "usage.jsonl").write_text(responses(range(50)))
    assert counts(db_cli("ingest", "usage.jsonl", "--json").ok().json) == {"accepted": 50}
    booked, reported = charges(db_cli), report(db_cli)
    for files in (["usage.jsonl"], ["usage.jsonl", "usage.jsonl"]):
        again = db_cli("ingest", *files, "--json").ok().json
        assert counts(again) == {"duplicate": 50 * len(files)}
        assert (again["credits"], again["usd"], again["batch"]) == ("0", "0", None)
    assert (charges(db_cli), report(db_cli)) == (booked, reported)
    assert len(db_cli("batches", "--json").ok().json["batches"]) == 1
    db_cli("verify").ok()


def test_files_that_overlap_are_booked_once(db_cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "morning.jsonl").write_text(responses(range(30)))
    (tmp_path / "day.jsonl").write_text(responses(range(20, 60)))
    both = db_cli("ingest", "morning.jsonl", "day.jsonl", "--json").ok().json
    assert counts(both) == {"accepted": 60, "duplicate": 10}
    assert report(db_cli)["total"]["requests"] == 60
    db_cli("verify").ok()


def test_one_request_in_several_formats_is_one(db_cli: Cli) -> None:
    envelope = {"request": {"model": CODE}, "response": response("r1")}
    own = record("r1", requested_model=CODE, occurred_at=AT, input_tokens=88, output_tokens=230, reasoning_tokens=211)
    assert ingest(db_cli, response("r1"), envelope, own) == {"accepted": 1, "duplicate": 2}
    assert requests_and_credits(db_cli) == (1, REFERENCE)


def test_chat_objects_and_own_records_are_booked_too(db_cli: Cli) -> None:
    assert ingest(db_cli, chat("c1"), record("r1", requested_model=MINI)) == {"accepted": 2}
    by_model = {row["model"]: nano(row["credits"]) for row in report(db_cli)["rows"]}
    assert by_model == {
        # 40 in, 30 of them cached, 9 out; 10 in and 2 out.
        LITE: 10 * 6_000 + 30 * 1_200 + 9 * 36_000,
        MINI: 10 * 2_000 + 2 * 20_000,
    }


def test_repeats_and_contradictions_within_one_portion(db_cli: Cli, db_url: str) -> None:
    other = response("r1", usage=usage(output_tokens=231, total_tokens=88 + 231))
    found = ingest(db_cli, response("r1"), other, response("r1"), response("r2"), other, response("r2"))
    assert found == {"accepted": 2, "duplicate": 2, "conflict": 2}
    # The first one stands.
    kept = rows(db_url, "SELECT request_id, output_tokens FROM usage_records ORDER BY id")
    assert kept == [("r1", 230), ("r2", 230)]
    entries = db_cli("quarantine", "list", "--json").ok().json["entries"]
    assert [(row["reason"], row["line"], row["seen"]) for row in entries] == [("conflict", 2, 2)]
    db_cli("verify").ok()


def test_a_contradiction_of_the_ledger_and_its_repeats_within_one_portion(db_cli: Cli) -> None:
    other = response("r1", usage=usage(output_tokens=231, total_tokens=88 + 231))
    assert ingest(db_cli, response("r1")) == {"accepted": 1}
    # What repeats the ledger is a duplicate, also after what contradicts it.
    assert ingest(db_cli, other, response("r1"), other) == {"duplicate": 1, "conflict": 2}
    assert requests_and_credits(db_cli) == (1, REFERENCE)


CONTRADICTIONS: dict[str, dict[str, Any]] = {
    "second": {"created_at": AT + 1},
    "status": {"status": "incomplete"},
    "input": {"usage": usage(input_tokens=89, total_tokens=89 + 230)},
    "cached input": {"usage": usage(input_tokens_details={"cached_tokens": 1})},
    "output": {"usage": usage(output_tokens=231, total_tokens=88 + 231)},
    "reasoning": {"usage": usage(output_tokens_details={"reasoning_tokens": 210})},
    "reported model": {"model": "doubao-seed-2-0-pro-260215"},
}
SAME: dict[str, dict[str, Any]] = {
    "another fraction of the second": {"created_at": AT + 0.75},
    "no reported model": {"model": None},
    "another service tier": {"service_tier": "auto"},
    "another project": {"metadata": {"project": "elsewhere"}},
    "other tags": {"metadata": {"team": "others"}},
    "another output": {"output": []},
}  # fmt: skip


@pytest.mark.parametrize("name", CONTRADICTIONS)
def test_every_fact_of_identity_contradicts(cli: Cli, sqlite_url: str, name: str) -> None:
    known = usage(input_tokens_details={"cached_tokens": 0}, output_tokens_details={"reasoning_tokens": 211})
    assert ingest(cli, response("r1", usage=known)) == {"accepted": 1}
    changed = CONTRADICTIONS[name]
    if "usage" in changed:
        changed = {"usage": known | changed["usage"]}
    assert ingest(cli, response("r1", **{"usage": known, **changed})) == {"conflict": 1}


@pytest.mark.parametrize("name", SAME)
def test_everything_else_is_the_same_request(cli: Cli, sqlite_url: str, name: str) -> None:
    # A record that names no model can't be priced alone, so the one that is known names the requested one too.
    known = {"request": {"model": CODE}, "response": response("r1")}
    again = {"request": {"model": CODE}, "response": response("r1", **SAME[name])}
    assert ingest(cli, known) == {"accepted": 1}
    assert ingest(cli, again) == {"duplicate": 1}


def test_the_provider_and_the_requested_model_are_facts_too(cli: Cli, sqlite_url: str) -> None:
    own = record("r1", requested_model=PRO, source="gateway")
    assert ingest(cli, own) == {"accepted": 1}
    assert ingest(cli, own | {"requested_model": LITE}) == {"conflict": 1}
    assert ingest(cli, own | {"provider": "volcengine"}) == {"conflict": 1}
    assert ingest(cli, own | {"provider": "evolink", "reported_model": REPORTED[CODE]}) == {"duplicate": 1}


def test_duplicates_with_other_labels_are_counted_and_the_first_stand(cli: Cli, sqlite_url: str) -> None:
    first = response("r1", metadata={"project": "search", "team": "a"})
    ingest(cli, first)
    other_labels = ({"project": "ads", "team": "a"}, {"project": "search"})
    others = [response("r1", metadata=labels) for labels in other_labels]
    again = cli("ingest", "-", "--json", stdin=lines([first, *others])).ok()
    assert (again.json["duplicate"], again.json["differing_labels"]) == (3, 2)
    assert "other project or tags in 2 duplicates: those recorded first hold" in again.stderr
    assert [(row["project"], row["tags"]) for row in charges(cli)] == [("search", {"team": "a"})] * 2


def test_source_and_kind_tell_requests_of_one_id_apart(db_cli: Cli) -> None:
    storage = {"kind": "cache_storage", "request_id": "r1", "tokens": 1_000, "start": AT, "end": AT + 3_600,
               "requested_model": CODE}  # fmt: skip
    assert ingest(db_cli, response("r1"), storage) == {"accepted": 2}
    assert ingest(db_cli, response("r1"), storage, args=("--source", "mirror")) == {"accepted": 2}
    assert ingest(db_cli, response("r1"), storage, args=("--source", "mirror")) == {"duplicate": 2}
    assert report(db_cli)["total"]["requests"] == 2
    db_cli("verify").ok()


def test_storage_contradicts_by_tokens_start_and_end(cli: Cli, sqlite_url: str) -> None:
    storage = {"kind": "cache_storage", "request_id": "s1", "tokens": 1_000, "start": AT, "end": AT + 3_600,
               "requested_model": CODE}  # fmt: skip
    assert ingest(cli, storage) == {"accepted": 1}
    for name, other in (("tokens", 1_001), ("start", AT + 1), ("end", AT + 3_601)):
        assert ingest(cli, storage | {name: other}) == {"conflict": 1}
    assert ingest(cli, storage | {"end": AT + 3_600.25}) == {"duplicate": 1}


# --- recorded again after a void ------------------------------------------------------------------------------------


def test_an_id_may_be_recorded_again_after_each_void(db_cli: Cli, db_url: str) -> None:
    for generation, output in enumerate((230, 240, 250)):
        line = response("r1", usage=usage(output_tokens=output, total_tokens=88 + output))
        assert ingest(db_cli, line, line) == {"accepted": 1, "duplicate": 1}
        assert value(db_url, "SELECT max(generation) FROM usage_records") == generation
        credits = f"{(88 * 32_000 + output * 160_000) / 10**9:.6f}".rstrip("0")
        assert requests_and_credits(db_cli) == (1, credits)
        db_cli("verify").ok()
        assert db_cli("void", "--id", "r1", "--json").ok().json["charges"] == 1
        assert requests_and_credits(db_cli) == (0, "0")
        db_cli("verify").ok()
    assert ingest(db_cli, response("r1")) == {"accepted": 1}
    assert ingest(db_cli, response("r1"), response("r2")) == {"accepted": 1, "duplicate": 1}
    assert requests_and_credits(db_cli) == (2, f"{2 * REFERENCE_NANO / 10**9:.6f}")
    db_cli("verify").ok()


def test_voided_and_new_and_known_ids_in_one_portion(db_cli: Cli, db_url: str) -> None:
    db_cli("ingest", "-", stdin=responses(range(9))).ok()
    for number in (2, 5):
        db_cli("void", "--id", f"resp_{number:06}").ok()
    again = db_cli("ingest", "-", "--json", stdin=responses(range(12))).ok().json
    assert counts(again) == {"accepted": 2 + 3, "duplicate": 7}
    assert value(db_url, "SELECT count(*) FROM usage_records WHERE generation = 1") == 2
    assert report(db_cli)["total"]["requests"] == 12
    db_cli("verify").ok()
