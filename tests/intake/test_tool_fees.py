"""Tools that a gateway bills apart from tokens: refused, or booked without those fees and said so everywhere."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
import pytest

from ledger.book.rows import ChargeRow, Facts, adjustment_facts
from ledger.book.seals import batch_digest
from ledger.library import Ledger
from ledger.reports.unbooked import charges_of_calls
from ledger.store.opening import open_ledger
from ledger.store.tables import batches, charges
from ledger.values.calendar import Calendar
from tests.conftest import Cli
from tests.helpers.ledgers import LITE, PRO, counts, tamper, value
from tests.helpers.sources import chat, lines, only_record, parse_object, record, response
from tests.intake.test_otel import export, span

SEARCH = {"id": "ws_1", "type": "web_search_call", "status": "completed"}
UNBOOKED = '[ledger]\ntool_fees = "unbooked"\n'


def usage(**more: Any) -> dict[str, Any]:
    return {"input_tokens": 1_000, "output_tokens": 100} | more


CALLS: list[tuple[dict[str, Any], int]] = [
    (response(output=[SEARCH]), 1),
    (response(output=[SEARCH, {"type": "message"}, SEARCH | {"type": "file_search_call"}]), 2),
    (response(output=[SEARCH | {"type": "code_interpreter_call"}, SEARCH | {"type": "image_generation_call"}]), 2),
    (response(usage=usage(tool_usage={"web_search": 3})), 3),
    (response(usage=usage(tool_usage={"web_search": 3, "image_process": 2})), 5),
    # The parts again, and the items too: the largest of several statements of the same calls.
    (response(usage=usage(tool_usage={"web_search": 3}, tool_usage_details={"web_search": {"engine": 3}})), 3),
    (response(usage=usage(tool_usage={"web_search": 3}), output=[SEARCH]), 3),
    (response(usage=usage(server_tool_use={"web_search_requests": 2, "web_fetch_requests": 3})), 5),
    (response(usage=usage(web_search_requests=2, web_fetch_requests=3)), 5),
    (chat(usage={"prompt_tokens": 9, "completion_tokens": 1, "server_tool_use": {"web_search_requests": 2}}), 2),
    (chat(usage={"prompt_tokens": 9, "completion_tokens": 1, "num_search_queries": 4}), 4),
    (response(output=[{"type": "openrouter:web_search"}, {"type": "server_tool_use"}, {"type": "web_search"}]), 3),
    (chat(usage={"prompt_tokens": 9, "completion_tokens": 1, "plugins": {"search": {"count": 1}}}), 1),
    ({"request": {}, "response": response(output=[SEARCH])}, 1),
    (record(tool_calls=6), 6),
    (response(tool_usage={"web_search": {"num_requests": 2}}, output=[SEARCH]), 2),
    (export(span({"gen_ai.usage.server_tool_use.web_search_requests": 2})), 2),
]
FREE = [
    response(output=[{"type": "function_call", "name": "web_search_call"}, {"type": "function_call_output"}]),
    response(output=[{"type": "custom_tool_call"}, {"type": "mcp_call"}, {"type": "computer_call"}]),
    response(output=[{"type": 5}, 5, None, {"type": ["web_search_call"]}], tools=[{"type": "web_search_call"}]),
    response(usage=usage(tool_usage={"web_search": 0}, server_tool_use=None)),
    chat(choices=[{"message": {"tool_calls": [{"type": "function"}]}}]),
    record(tool_calls=0),
]


@pytest.mark.parametrize(("obj", "calls"), CALLS, ids=lambda found: str(found)[-60:])
def test_calls_that_are_billed_apart_are_counted(obj: dict[str, Any], calls: int) -> None:
    assert only_record(parse_object(obj)).tool_calls == calls


@pytest.mark.parametrize("obj", FREE, ids=lambda found: str(found)[-60:])
def test_calls_that_cost_their_tokens_alone_are_not(obj: dict[str, Any]) -> None:
    assert only_record(parse_object(obj)).tool_calls == 0


def test_they_are_refused_unless_told_otherwise(db_cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "usage.jsonl").write_text(lines([response("r1"), response("r2", output=[SEARCH])]))
    outcome = db_cli("ingest", "usage.jsonl", "--json")
    assert (outcome.exit_code, counts(outcome.json)) == (3, {"accepted": 1, "rejected": 1})
    assert outcome.json["rejections"][0]["reason"] == "unpriced_tool_fees"
    assert "--tool-fees unbooked" in outcome.json["rejections"][0]["message"]
    again = db_cli("ingest", "usage.jsonl", "--tool-fees", "unbooked", "--json").ok()
    assert counts(again.json) == {"accepted": 1, "duplicate": 1}
    assert db_cli("quarantine", "list", "--json").ok().json["entries"] == []


@pytest.mark.parametrize("spaces", [None, (",", ":")], ids=["spaced", "compact"])
def test_the_short_way_leaves_them_to_the_general_one(cli: Cli, spaces: tuple[str, str] | None) -> None:
    plain = [response(f"r{n}") for n in range(20)]
    text = "\n".join(json.dumps(obj, separators=spaces) for obj in [*plain, response("x", output=[SEARCH])])
    escaped = text.replace("web_search_call", "web_search\\u005fcall")
    for number, usage_text in enumerate((text, escaped)):
        found = cli("ingest", "-", "--source", f"s{number}", "--json", stdin=usage_text).json
        assert (found["accepted"], found["rejections"][0]["reason"]) == (20, "unpriced_tool_fees")


@pytest.fixture
def booked(db_cli: Cli, tmp_path: Path) -> Cli:
    """Two requests of February and one of March, with 3, 2 and 1 calls, in two projects."""
    (tmp_path / "tollbook.toml").write_text(UNBOOKED)
    february, march = 1_771_486_674, 1_773_300_000
    made = [
        record("a", requested_model=LITE, project="search", tool_calls=3, occurred_at=february, tags={"team": "x"}),
        record("b", requested_model=PRO, project="chat", tool_calls=2, occurred_at=february, tags={"team": "y"}),
        record("c", requested_model=LITE, project="search", tool_calls=1, occurred_at=march),
        record("d", requested_model=LITE, project="search", occurred_at=march),
    ]
    db_cli("ingest", "-", stdin=lines(made)).ok()
    return db_cli


def calls(cli: Cli, *options: str) -> int:
    return int(cli("report", "--json", *options).ok().json.get("unbooked_tool_calls", 0))


def test_reports_say_how_many_calls_they_leave_out(booked: Cli) -> None:
    assert calls(booked) == 3 + 2 + 1
    assert calls(booked, "--month", "2026-02") == 3 + 2
    assert calls(booked, "--month", "2026-02", "--basis", "occurred") == 3 + 2
    assert calls(booked, "--project", "search") == 3 + 1
    assert calls(booked, "--model", PRO) == 2
    assert calls(booked, "--tag", "team=x") == 3
    assert "unbooked_tool_calls" not in booked("report", "--month", "2026-01", "--json").ok().json
    assert "without fees of 6 calls of tools" in booked("report").ok().stdout
    assert (
        "without fees of 1 call of tools" in booked("report", "--month", "2026-03", "--format", "markdown").ok().stdout
    )
    assert "without fees of 6 calls of tools" in booked("report", "--format", "csv").ok().stderr
    assert booked("status", "--json").ok().json["unbooked_tool_calls"] == 6
    assert "without fees of 6 calls of tools" in booked("status").ok().stdout


def test_corrections_take_their_calls_along(booked: Cli) -> None:
    booked("void", "--id", "a").ok()
    assert calls(booked) == 2 + 1
    booked("reassign", "--project", "chat", "--to", "bots").ok()
    assert (calls(booked), calls(booked, "--project", "bots"), calls(booked, "--project", "chat")) == (3, 2, 0)
    booked("ingest", "-", stdin=lines([record("a", requested_model=LITE, tool_calls=4)])).ok()
    assert calls(booked) == 4 + 2 + 1
    booked("verify").ok()


def test_a_close_names_them(booked: Cli) -> None:
    outcome = booked("close", "2026-02", "--force", "--reason", "a test", "--json").ok()
    assert outcome.json["closed"][0]["unbooked_tool_calls"] == 5
    assert "2026-02: booked without fees of 5 calls of tools" in outcome.stderr
    booked("void", "--id", "a").ok()
    assert calls(booked, "--month", "2026-02") == 5
    assert calls(booked, "--month", "2026-03") == 1 - 3
    booked("verify").ok()


def test_a_conflict_that_is_accepted_keeps_its_calls(booked: Cli) -> None:
    other = record(
        "d", requested_model=LITE, project="search", occurred_at=1_773_300_000, input_tokens=11, tool_calls=9
    )
    assert booked("ingest", "-", stdin=lines([other])).exit_code == 3
    booked("quarantine", "accept", "1", "--reason", "a test").ok()
    assert calls(booked) == 6 + 9


def test_more_calls_than_64_bits_hold_are_told_all_the_same(booked: Cli) -> None:
    most = 2**63 - 1
    made = [record(f"m{n}", requested_model=LITE, tool_calls=most) for n in range(3)]
    booked("ingest", "-", stdin=lines(made)).ok()
    assert calls(booked) == 3 * most + 6


def test_verify_sees_a_count_that_was_changed(booked: Cli, db_url: str) -> None:
    booked("verify").ok()
    tamper(db_url, "UPDATE usage_records SET tool_calls = 1 WHERE request_id = 'a'")
    assert booked("verify").exit_code == 1


def test_the_configuration_serves_running_applications_too(db_url: str, tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.chdir(tmp_path)
    book = Ledger(db_url)
    asked = response("a", output=[SEARCH])
    assert book.record(asked).reason == "unpriced_tool_fees"
    book.close()
    (tmp_path / "tollbook.toml").write_text(UNBOOKED)
    book = Ledger(db_url)
    assert book.record(asked).status == "accepted"
    book.close()
    assert value(db_url, "SELECT sum(tool_calls) FROM usage_records") == 1


def test_a_choice_that_is_none_is_refused(cli: Cli, tmp_path: Path) -> None:
    assert cli("ingest", "-", "--tool-fees", "free", stdin="").exit_code == 2
    (tmp_path / "tollbook.toml").write_text('[ledger]\ntool_fees = "free"\n')
    outcome = cli("ingest", "-", stdin=lines([response()]))
    assert (outcome.exit_code, "ledger.tool_fees" in outcome.stderr, "unbooked" in outcome.stderr) == (2, True, True)


def test_no_report_looks_through_all_charges_for_calls(cli: Cli, sqlite_url: str) -> None:
    cli("ingest", "-", "--tool-fees", "unbooked", stdin=lines([record("a", requested_model=LITE, tool_calls=1)])).ok()
    with open_ledger(sqlite_url).reading() as connection:
        for query, _sign in charges_of_calls():
            text = query.add_columns(charges.c.id).compile(connection, compile_kwargs={"literal_binds": True})
            plan = [str(row[3]) for row in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {text}")]
            scans = [step for step in plan if step.startswith("SCAN")]
            assert [step for step in scans if "ix_booked_usage_tool_calls" not in step and "stated" not in step] == []


def test_a_record_without_calls_is_digested_as_before_they_were_counted() -> None:
    batch = {column.name: 1 for column in batches.c}
    charge = ChargeRow._make(["2026-02" if name == "occurred_month" else "x" for name in ChargeRow._fields])
    facts = adjustment_facts(charge, Calendar(ZoneInfo("UTC")))
    place = 2 + Facts._fields.index("tool_calls")
    old, new = (1, 1, *facts[: place - 2]), (1, 1, *facts)

    def digest(row: tuple[object, ...]) -> str:
        lines = [[batch[column.name] for column in batches.c if column.name != "digest"], list(row)]
        return hashlib.sha256(b"".join(msgspec.json.encode(line) + b"\n" for line in lines)).hexdigest()

    assert batch_digest(batch, [new], [], {}) == digest(old)
    # Nor do columns at the end of a row that hold nothing, which its table got later.
    assert set(new[place:]) == {None}
    for last in range(place, len(new)):
        stated = (*new[:last], 3)
        assert batch_digest(batch, [(*stated, *new[last + 1 :])], [], {}) == digest(stated)
