"""`Ledger.record` and `usage_record`: what a running application books, and what never leaves it."""

from __future__ import annotations

import asyncio
import json
import os
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy.engine import make_url

from ledger import Ledger, Recorded, usage_record
from ledger.errors import DatabaseFailure, LedgerError
from tests.conftest import Cli
from tests.helpers.ledgers import (
    CODE,
    LITE,
    PRO,
    charges,
    counts,
    database_files,
    execute,
    report,
    requests_and_credits,
    rows,
    value,
)
from tests.helpers.sources import AT, chat, lines, response, usage

# The API reference's response: 88 tokens at 32 and 230 at 160 credits per 1M.
REFERENCE = "0.039616"
ACCEPTED = Recorded("accepted", REFERENCE, "CRD")
CANARY = "canary-4711"


class Model:
    """What the SDK's objects have in common."""

    def __init__(self, payload: Any) -> None:
        self.payload = payload

    def model_dump(self, *, mode: str) -> Any:
        assert mode == "json"
        return self.payload


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def book(db_url: str, folder: Path) -> Ledger:
    return Ledger(db_url)


# --- booking --------------------------------------------------------------------------------------------------------


def test_a_response_is_booked_once(book: Ledger, db_cli: Cli) -> None:
    assert book.record(response("r1")) == ACCEPTED
    assert book.record(response("r1")) == Recorded("duplicate")
    assert book.record(Model(response("r2")), project="search", tags={"team": "a"}) == ACCEPTED
    assert book.record(chat("c1"), requested_model=PRO).amount == "0.001952"  # 10 x 32 + 30 x 6.4 + 9 x 160
    assert {(row["request_id"], row["project"], str(row["tags"])) for row in charges(db_cli)} == {
        ("r1", "unassigned", "{}"), ("r2", "search", "{'team': 'a'}"), ("c1", "unassigned", "{}")
    }  # fmt: skip
    assert [batch["kind"] for batch in db_cli("batches", "--json").ok().json["batches"]] == ["record"] * 3
    db_cli("verify").ok()


def test_the_requested_model_is_billed_and_the_difference_flagged(book: Ledger, db_cli: Cli) -> None:
    book.record(response("r1"), requested_model=LITE)
    assert {(row["billed_model"], row["model_differs"]) for row in charges(db_cli)} == {(LITE, True)}


def test_a_contradiction_is_told_and_waits_in_quarantine(book: Ledger, db_cli: Cli) -> None:
    book.record(response("r1"))
    told = book.record(response("r1", created_at=AT + 1))
    assert (told.status, told.reason, told.amount) == ("conflict", "conflict", None)
    [entry] = db_cli("quarantine", "list", "--json").ok().json["entries"]
    assert (entry["file"], entry["reason"]) == ("(application)", "conflict")
    db_cli("quarantine", "accept", entry["id"]).ok()
    assert book.record(response("r1", created_at=AT + 1)) == Recorded("duplicate")
    db_cli("verify").ok()


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"model": "unheard-of"}, "unknown_model"),
        ({"usage": None}, "missing_usage"),
        ({"usage": usage(input_tokens=2**70, total_tokens=2**70 + 230)}, "count_out_of_range"),
        ({"usage": usage(input_tokens=88.0)}, "not_an_integer"),
        ({"usage": usage(total_tokens=1)}, "total_mismatch"),
        ({"service_tier": "flex"}, "unpriced_service_tier"),
        ({"id": ""}, "missing_id"),
        ({"created_at": None}, "missing_time"),
        ({"created_at": float("nan")}, "time_out_of_range"),
        ({"status": "strange"}, "unknown_status"),
        ({"id": "a\ud800"}, "lone_surrogate"),
        ({"id": "a\0"}, "nul_byte"),
        ({"metadata": {"project": "a\0"}}, "nul_byte"),
        ({"metadata": {"team": "\ud800"}}, "lone_surrogate"),
        ({"output": [object()], "usage": object()}, "invalid_usage"),
    ],
)
def test_what_can_not_be_booked_is_told_not_raised(
    cli: Cli, sqlite_url: str, changes: dict[str, Any], reason: str
) -> None:
    told = Ledger(sqlite_url).record(response(**{"request_id": "r1", **changes} if "id" not in changes else changes))
    assert (told.status, told.reason) == ("rejected", reason)
    assert told.message
    assert [row["reason"] for row in cli("quarantine", "list", "--json").ok().json["entries"]] == [reason]
    assert requests_and_credits(cli) == (0, "0")


def test_a_request_that_is_not_finished_is_pending(book: Ledger, db_cli: Cli) -> None:
    assert book.record(response("r1", status="in_progress", usage=None)) == Recorded("pending")
    assert book.record(response("r1")) == ACCEPTED
    assert requests_and_credits(db_cli) == (1, REFERENCE)


def test_values_that_are_no_json_don_t_keep_a_response_from_being_booked(book: Ledger) -> None:
    assert book.record(response("r1", output=[object()], seen_at=Path("x"), big=2**200, half="\ud800")) == ACCEPTED


@pytest.mark.parametrize(
    "other",
    [
        None, 7, "text", [], {}, object(), {"a": 1}, {1: {2: 3}}, {"error": {"message": "overloaded"}},
        {"resourceSpans": []}, {"type": "response.completed"},
        {"request_id": "r1"}, {"object": "chat.completion.chunk", "id": "x"}, Model(None), Model([]), Model({}),
    ],
)  # fmt: skip
def test_what_is_no_response_is_quarantined_and_makes_no_usage_record(
    sqlite_url: str, folder: Path, other: Any
) -> None:
    told = Ledger(sqlite_url).record(other)
    assert (told.status, bool(told.reason), bool(told.message)) == ("rejected", True, True)
    with pytest.raises(LedgerError):
        usage_record(other)
    assert value(sqlite_url, "SELECT count(*) FROM quarantine") == 1


@pytest.mark.parametrize(
    "arguments",
    [
        {"requested_model": "m" * 201}, {"requested_model": 7}, {"requested_model": "a\0"}, {"project": "p" * 201},
        {"project": "a\0"}, {"project": "\ud800"}, {"project": 7}, {"tags": 7}, {"tags": {"n": []}}, {"tags": {1: "n"}},
        {"tags": {"k": "v" * 513}}, {"tags": {"k": "\0"}},
    ],
)  # fmt: skip
def test_a_response_with_labels_that_could_not_be_kept_is_quarantined(
    sqlite_url: str, folder: Path, arguments: Any
) -> None:
    told = Ledger(sqlite_url).record(response("r1"), **arguments)
    assert (told.status, bool(told.reason), bool(told.message)) == ("rejected", True, True)
    assert value(sqlite_url, "SELECT count(*) FROM quarantine") == 1
    with pytest.raises(LedgerError):
        usage_record(response("r1"), **arguments)
    assert value(sqlite_url, "SELECT count(*) FROM usage_records") == 0


def test_an_empty_project_is_none(book: Ledger, db_cli: Cli) -> None:
    book.record(response("r1", metadata={"project": "search"}), project="", tags={})
    assert {row["project"] for row in charges(db_cli)} == {"search"}
    assert usage_record(response("r1", metadata={"project": "search"}), project="")["project"] == "search"


def test_provider_and_source_are_the_ledgers(db_url: str, folder: Path, db_cli: Cli) -> None:
    mirror = Ledger(db_url, provider="volcengine", source="mirror")
    assert mirror.record(response("r1"), requested_model=PRO) == Recorded("accepted", "0.0039616", "CNY")
    assert Ledger(db_url).record(response("r1"), requested_model=PRO).status == "accepted"
    told = Ledger(db_url, provider="nobody").record(response("r2"))
    assert (told.status, told.reason) == ("rejected", "unknown_provider")
    assert {row["source"] for row in charges(db_cli)} == {"mirror", "evolink"}


def test_a_ledger_is_made_where_there_is_none(empty_db_url: str, folder: Path, cli: Cli) -> None:
    (folder / "tollbook.toml").write_text('[ledger]\ntimezone = "Asia/Shanghai"\nkeep_tags = ["kind"]\n')
    Ledger(empty_db_url).record(response("r1", metadata={"kind": "batch", "team": "a"}))
    assert cli("db", "current", "--json", "--db", empty_db_url).ok().json["timezone"] == "Asia/Shanghai"
    assert rows(empty_db_url, "SELECT tags FROM usage_records") == [('{"kind":"batch"}',)]


def test_tags_of_none_are_none_and_numbers_are_their_text(book: Ledger, db_cli: Cli) -> None:
    book.record(response("r1"), tags={"team": None, "n": 1})
    book.record(response("r2"), project=" ", tags=None)
    assert {str(row["tags"]) for row in charges(db_cli)} == {"{'n': '1'}", "{}"}


# --- many, later, closed --------------------------------------------------------------------------------------------


def test_many_are_booked_in_one_batch_with_their_results_in_order(book: Ledger, db_cli: Cli) -> None:
    given = [response("r1"), None, response("r1"), response("r2", status="queued"), response("r3", model="unheard-of")]
    told = book.record_many([*given, response("r4")], project="search")
    assert [one.status for one in told] == ["accepted", "rejected", "duplicate", "pending", "rejected", "accepted"]
    assert (told[0], told[4].reason, told[5]) == (ACCEPTED, "unknown_model", ACCEPTED)
    assert book.record_many([]) == []
    assert len(db_cli("batches", "--json").ok().json["batches"]) == 1
    with pytest.raises(LedgerError, match="pass one dict to record"):
        book.record_many(response("r1"))
    db_cli("verify").ok()


def test_recording_may_be_awaited(book: Ledger) -> None:
    assert asyncio.run(book.arecord(response("r1"), tags={"team": "a"})) == ACCEPTED
    assert book.record(response("r1")) == Recorded("duplicate")


def test_a_closed_ledger_refuses_and_never_shows_its_password(db_url: str, folder: Path) -> None:
    with Ledger(db_url) as book:
        assert book.record(response("r1")) == ACCEPTED
    assert repr(book).startswith("<Ledger ")
    assert repr(book).endswith(", closed>")
    if "@" in db_url:
        assert make_url(db_url).password not in repr(book).partition("@")[0].split(":")
    calls: list[Callable[[], object]] = [
        lambda: book.record(response("r2")),
        lambda: book.record_many([response("r2")]),
        lambda: asyncio.run(book.arecord(response("r2"))),
        book.report,
        book.__enter__,
    ]
    for call in calls:
        with pytest.raises(LedgerError, match="is closed"):
            call()
    book.close()


def test_without_a_url_the_environment_decides_then_the_configuration(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "tollbook.toml").write_text('[ledger]\ndb = "configured.db"\n')
    monkeypatch.delenv("TOLLBOOK_DB", raising=False)
    assert "configured.db" in repr(Ledger())
    monkeypatch.setenv("TOLLBOOK_DB", "environment.db")
    assert "environment.db" in repr(Ledger())
    assert "stated.db" in repr(Ledger("stated.db"))


def test_a_database_that_is_away_is_a_failure_by_name(folder: Path) -> None:
    with pytest.raises(DatabaseFailure, match="can't be opened"):
        Ledger("postgresql://nobody:secret@127.0.0.1:1/nothing")


# --- reports --------------------------------------------------------------------------------------------------------


def test_a_report_has_the_figures_of_the_command(book: Ledger, db_cli: Cli) -> None:
    book.record_many([response("r1"), response("r2")], project="search", tags={"team": "a"})
    book.record(response("r3"), project="ads")
    found = book.report(("project", "currency"), month="2026-02")
    shown = db_cli("report", "--by", "project", "--by", "currency", "--month", "2026-02", "--json").ok().json
    assert [row["project"] for row in found] == [row["project"] for row in shown["rows"]] == ["search", "ads"]
    for row, other in zip([*found, found.total], [*shown["rows"], shown["total"]], strict=True):
        assert row.requests == other["requests"]
        for name in ("credits", "input_credits", "usd", "cache_savings_usd", "amount"):
            assert getattr(row, name) == Decimal(other[name])
    assert found.title == shown["title"]
    assert book.report(tags={"team": "a"}).total.credits == 2 * Decimal(REFERENCE)
    assert book.report(project="ads", since=date(2026, 1, 1)).total.requests == 1
    with pytest.raises(LedgerError, match="isn't a dimension"):
        book.report("colour")


def test_a_report_says_what_waits_in_quarantine(book: Ledger) -> None:
    book.record(response("r1"))
    assert not book.report().not_booked
    book.record(response("r2", model="unheard-of"))
    found = book.report()
    assert (found.not_booked.lines, found.not_booked.tokens, found.total.requests) == (1, 88 + 230, 1)


def test_a_report_becomes_a_frame_without_floats(book: Ledger) -> None:
    book.record(response("r1"))
    frame = book.report("project").to_pandas()
    assert frame["project"].tolist() == ["unassigned"]
    assert str(frame["requests"].dtype) == "int64"
    assert frame["credits"].tolist() == [Decimal(REFERENCE)]
    assert "amount" not in frame.columns
    assert not [name for name in frame.columns if "float" in str(frame[name].dtype)]


# --- threads and failures -------------------------------------------------------------------------------------------


def test_threads_share_a_ledger_and_lose_and_double_nothing(db_url: str, folder: Path, db_cli: Cli) -> None:
    books = [Ledger(db_url), Ledger(db_url)]
    with ThreadPoolExecutor(8) as pool:
        told = list(pool.map(lambda n: books[n % 2].record(response(f"r{n // 3}")).status, range(60)))
    assert Counter(told) == {"accepted": 20, "duplicate": 40}
    assert report(db_cli)["total"]["requests"] == 20
    db_cli("verify").ok()


def test_a_ledger_whose_tags_changed_meanwhile_goes_on_with_them(book: Ledger, db_cli: Cli, db_url: str) -> None:
    book.record(response("r1", metadata={"team": "a"}))
    db_cli("db", "rollups", "--tag", "team").ok()
    book.record(response("r2", metadata={"team": "b"}))
    assert {row["tag:team"] for row in db_cli("report", "--by", "tag:team", "--json").ok().json["rows"]} == {"a", "b"}
    db_cli("verify").ok()


def test_a_database_that_fails_is_told_as_a_ledger_error_and_nothing_is_kept(
    db_url: str, book: Ledger, db_cli: Cli
) -> None:
    execute(db_url, "ALTER TABLE rollup_days RENAME TO hidden")
    with pytest.raises(LedgerError, match=r"the database failed: .*rollup_days"):
        book.record(response("r1"))
    execute(db_url, "ALTER TABLE hidden RENAME TO rollup_days")
    assert value(db_url, "SELECT count(*) FROM usage_records") == 0
    assert book.record(response("r1")) == ACCEPTED
    db_cli("verify").ok()


def test_a_server_that_restarted_between_two_responses_goes_unnoticed(postgres_url: str, folder: Path) -> None:
    book = Ledger(postgres_url)
    book.record(response("r1"))
    others = "datname = current_database() AND pid <> pg_backend_pid()"
    execute(postgres_url, f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE {others}")
    assert book.record(response("r2")) == ACCEPTED


# --- usage_record ---------------------------------------------------------------------------------------------------

SECRET = {
    "output": [{"content": [{"text": CANARY}]}], "instructions": CANARY, "user": CANARY, "error": {"message": CANARY},
    "metadata": {"project": "search", "team": "a", "secret": CANARY, CANARY: "x"}, "prompt_cache_key": CANARY,
}  # fmt: skip
FIELDS = {
    "kind", "request_id", "occurred_at", "requested_model", "reported_model", "project", "status", "service_tier",
    "input_tokens", "cached_input_tokens", "output_tokens", "reasoning_tokens", "tags",
}  # fmt: skip


def test_a_usage_record_holds_nothing_of_the_payload_beyond_the_facts(folder: Path) -> None:
    made = usage_record(response("r1", **SECRET), requested_model=PRO, tags={"env": "prod"})
    assert set(made) == FIELDS
    assert CANARY not in json.dumps(made)
    assert (made["project"], made["tags"], made["requested_model"]) == ("search", {"team": "a", "env": "prod"}, PRO)


def test_keep_tags_of_the_configuration_decide_what_a_usage_record_keeps(folder: Path) -> None:
    (folder / "tollbook.toml").write_text('[ledger]\nkeep_tags = ["region"]\n')
    made = usage_record(response("r1", metadata={"region": "eu", "team": "a"}))
    assert made["tags"] == {"region": "eu"}


CASES: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "plain": (response("r1"), {}),
    "options": (response("r1", **SECRET), {"requested_model": PRO, "project": "ads", "tags": {"team": "b"}}),
    "metadata": (response("r1", **SECRET), {}),
    "fraction of a second": (response("r1", created_at=AT + 0.123457), {}),
    "failed": (response("r1", status="failed", usage=None, error={"code": "x"}), {}),
    "failed with usage": (response("r1", status="failed"), {}),
    "incomplete": (response("r1", status="incomplete", service_tier="auto"), {"requested_model": CODE}),
    "chat": (chat("r1", metadata={"project": "search"}), {"requested_model": LITE}),
}


@pytest.mark.parametrize("name", CASES)
def test_a_usage_record_ingests_to_the_facts_that_record_books(cli: Cli, tmp_path: Path, name: str) -> None:
    payload, arguments = CASES[name]
    Ledger("booked.db").record(payload, **arguments)
    line = json.dumps(usage_record(payload, **arguments))
    found = cli("ingest", "-", "--db", "ingested.db", "--input-format", "records", "--json", stdin=f"{line}\n").ok()
    assert counts(found.json) == {"accepted": 1}
    both = [f"sqlite:///{tmp_path / name}" for name in ("booked.db", "ingested.db")]
    facts = "SELECT * FROM usage_records"
    assert rows(both[0], facts) == rows(both[1], facts)
    again = cli("ingest", "-", "--db", "booked.db", "--json", stdin=lines([json.loads(line)])).ok().json
    assert (counts(again), again["differing_labels"]) == ({"duplicate": 1}, 0)
    assert CANARY.encode() not in database_files(both[0]) + database_files(both[1])


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"usage": None}, "usage is missing"),
        ({"status": "queued"}, "is not finished"),
        ({"usage": usage(total_tokens=1)}, "total_tokens"),
        ({"metadata": {"team": "t" * 513}}, "at most 512"),
        ({"metadata": {"project": "p" * 201}}, "at most 200"),
    ],
)
def test_a_response_without_usage_to_record_is_named(folder: Path, changes: dict[str, Any], words: str) -> None:
    with pytest.raises(LedgerError, match=words):
        usage_record(response("r1", **changes))


def test_a_working_directory_that_is_gone_is_told_as_the_ledgers_error(sqlite_url: str, tmp_path: Path) -> None:
    gone, here = tmp_path / "gone", Path.cwd()
    gone.mkdir()
    os.chdir(gone)
    gone.rmdir()
    try:
        with pytest.raises(LedgerError):
            Ledger(sqlite_url)
    finally:
        os.chdir(here)
