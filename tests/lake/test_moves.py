"""A source moved from the book to a lake: each request is in one of them, by the month in which it occurred."""

from __future__ import annotations

from pathlib import Path

import pytest

from ledger import Ledger
from tests.conftest import Cli, Outcome, close_connections
from tests.helpers.lake_usage import price
from tests.helpers.ledgers import PRO, requests_and_credits, responses, rows, tamper
from tests.helpers.sources import lines, response

MARCH = 1_773_000_000  # 2026-03-08
SOURCE = "evolink"


def of_march(*ids: str) -> str:
    return lines(response(name, created_at=MARCH) for name in ids)


def move(cli: Cli, source: str = SOURCE, month: str = "2026-03", lake: str = "lake") -> Outcome:
    return cli("lake", "move", source, "--lake", lake, "--from", month, "--json")


def test_each_request_is_charged_in_one_place(db_cli: Cli, cli: Cli, db_url: str, tmp_path: Path) -> None:
    (tmp_path / "usage.jsonl").write_text(responses(range(5)) + of_march("m1", "m2"))
    db_cli("ingest", "-", stdin=responses(range(3))).ok()
    assert move(db_cli).ok().json["moved"] is True
    held = db_cli("ingest", "usage.jsonl", "--json").json
    assert (held["accepted"], held["duplicate"], held["rejected"]) == (2, 3, 2)
    assert {each["reason"] for each in held["rejections"]} == {"source_in_lake"}
    assert "from 2026-03 on" in held["rejections"][0]["message"]

    refused = price(db_cli, "usage.jsonl", "2026-02")
    assert (refused.exit_code, "its usage of 2026-02 to the book: 'tollbook ingest'" in refused.stderr) == (2, True)
    priced = price(db_cli, "usage.jsonl", "2026-03").ok().json
    assert (priced["accepted"], priced["other_months"]) == (2, 5)
    db_cli("lake", "post", priced["manifest"]).ok()
    db_cli("verify").ok()
    db_cli("lake", "verify", "lake").ok()

    other = ("--db", f"sqlite:///{tmp_path / 'other.db'}")
    cli("ingest", "usage.jsonl", *other).ok()
    assert requests_and_credits(db_cli) == requests_and_credits(lambda *args, **more: cli(*args, *other, **more))


@pytest.mark.parametrize(("zone", "accepted"), [("UTC", 1), ("Asia/Shanghai", 0)])
def test_months_are_those_of_the_ledgers_zone(db_cli: Cli, zone: str, accepted: int) -> None:
    db_cli("db", "init", "--timezone", zone).ok()
    db_cli("ingest", "-", stdin=responses([1])).ok()
    move(db_cli).ok()
    evening = lines([response("late", created_at=1_772_296_200)])  # 2026-02-28T16:30:00Z, March in Shanghai
    assert db_cli("ingest", "-", "--json", stdin=evening).json["accepted"] == accepted


def test_a_source_with_usage_of_then_is_not_moved(db_cli: Cli) -> None:
    db_cli("ingest", "-", stdin=responses([1]) + of_march("m1", "m2")).ok()
    refused = move(db_cli)
    assert (refused.exit_code, "2 records of source 'evolink'" in refused.stderr) == (2, True)
    for name in ("m1", "m2"):
        db_cli("void", "--id", name, "--reason", "goes to the lake").ok()
    assert move(db_cli).ok().json["moved"] is True
    db_cli("verify").ok()


def test_a_source_with_storage_of_then_is_not_moved(db_cli: Cli, tmp_path: Path) -> None:
    of = {"kind": "cache_storage", "source": SOURCE, "request_id": "s1", "requested_model": PRO}
    stored = of | {"tokens": 1_000_000, "start": "2026-03-01T00:00:00Z", "end": "2026-03-01T02:00:00Z"}
    (tmp_path / "stored.jsonl").write_text(lines([stored]))
    db_cli("ingest", "stored.jsonl").ok()
    refused = move(db_cli)
    assert (refused.exit_code, "1 record of source 'evolink'" in refused.stderr) == (2, True)
    assert not (tmp_path / "lake").exists()
    before = db_cli("report", "--json").json["total"]
    db_cli("void", "--id", "s1", "--reason", "goes to the lake").ok()
    move(db_cli).ok()
    db_cli("lake", "post", price(db_cli, "stored.jsonl", "2026-03").ok().json["manifest"]).ok()
    assert db_cli("report", "--json").json["total"] == before
    db_cli("verify").ok()


def test_a_conflict_of_then_is_not_accepted(db_cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "again.jsonl").write_text(of_march("resp_000001"))
    db_cli("ingest", "-", stdin=responses([1, 2])).ok()
    assert db_cli("ingest", "again.jsonl", "--json").json["conflict"] == 1
    move(db_cli).ok()
    refused = db_cli("quarantine", "accept", "1", "--reason", "as they say")
    assert (refused.exit_code, "entry 1 can't be accepted: source 'evolink'" in refused.stderr) == (2, True)
    assert [row["state"] for row in db_cli("quarantine", "list", "--json").json["entries"]] == ["open"]
    db_cli("lake", "post", price(db_cli, "again.jsonl", "2026-03").ok().json["manifest"]).ok()
    assert db_cli("report", "--basis", "occurred", "--month", "2026-03", "--json").json["total"]["requests"] == 1
    db_cli("verify").ok()


def test_a_source_moves_once(db_cli: Cli, db_url: str, tmp_path: Path) -> None:
    db_cli("ingest", "-", stdin=responses([1])).ok()
    unknown = move(db_cli, "unheard-of")
    assert (unknown.exit_code, "no usage of source 'unheard-of'" in unknown.stderr) == (2, True)
    assert not (tmp_path / "lake").exists()
    move(db_cli).ok()
    again = move(db_cli)
    assert (again.exit_code, again.json["moved"]) == (0, False)
    assert "was moved there already" in again.stderr
    changed = move(db_cli, month="2026-04")
    assert (changed.exit_code, "a source moves once" in changed.stderr) == (2, True)
    assert move(db_cli, lake="second").exit_code == 2
    assert not (tmp_path / "second").exists()
    assert [what for (what,) in rows(db_url, "SELECT count(*) FROM log_entries WHERE rows LIKE '%settings%'")] == [2]


def test_a_lakes_source_is_not_moved(db_cli: Cli, tmp_path: Path) -> None:
    db_cli("db", "init").ok()
    (tmp_path / "usage.jsonl").write_text(responses(range(3)))
    db_cli("lake", "post", price(db_cli, "usage.jsonl", "2026-02").ok().json["manifest"]).ok()
    refused = move(db_cli, lake="second")
    assert (refused.exit_code, "from its first usage on" in refused.stderr) == (2, True)


def test_a_running_application_hears_of_it(db_cli: Cli, db_url: str) -> None:
    with Ledger(db_url) as ledger:
        assert ledger.record(response("f1")).status == "accepted"
        move(db_cli).ok()
        assert ledger.record(response("m1", created_at=MARCH)).status == "rejected"
        assert ledger.record(response("f2")).status == "accepted"
    db_cli("verify").ok()


def test_verify_notices_usage_in_both(db_cli: Cli, db_url: str) -> None:
    db_cli("ingest", "-", stdin=responses([1])).ok()
    move(db_cli).ok()
    close_connections()
    tamper(
        db_url, "UPDATE ledger_settings SET value = replace(value, '2026-03', '2026-02') WHERE name = 'moved_sources'"
    )
    found = db_cli("verify")
    assert (found.exit_code, "has usage of then in the book" in found.stderr) == (1, True)
