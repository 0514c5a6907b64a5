"""A lake's sums posted: once, in the months that take them, and only where the ledger can hold them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ledger.values.calendar import QUARTER
from tests.conftest import Cli, Outcome
from tests.helpers.lakes import LAKE, at, cell_rows, lake_of, write_lake
from tests.helpers.ledgers import nano, responses, rows, value

MONTH = "2026-02"  # in which the responses lie


@pytest.fixture
def other(cli: Cli, tmp_path: Path) -> str:
    """A ledger in which the usage was booked request by request: what the lake's sums are made of."""
    url = f"sqlite:///{tmp_path / 'other.db'}"
    cli("ingest", "-", "--source", "gateway", "--db", url, stdin=responses(range(40))).ok()
    return url


def refused(outcome: Outcome) -> str:
    assert outcome.exit_code == 2, outcome
    assert outcome.stderr.count("\n") == 1, outcome.stderr
    return outcome.stderr


def total(cli: Cli, *args: str) -> Any:
    return cli("report", "--json", *args).ok().json["total"]


def test_sums_are_posted_once(db_cli: Cli, other: str, tmp_path: Path, cli: Cli) -> None:
    manifest = lake_of(other, tmp_path / "lake", MONTH)
    posted = db_cli("lake", "post", manifest, "--json").ok().json
    assert (posted["committed"], posted["requests"], posted["sources"]) == (True, 40, ["gateway"])
    assert total(db_cli) == total(lambda *args: cli(*args, "--db", other))
    assert posted["amounts"]["CRD"] == total(db_cli)["credits"]
    db_cli("verify").ok()
    again = db_cli("lake", "post", manifest, "--json").ok()
    assert (again.json["committed"], again.json["repeated"], again.json["batch"]) == (False, True, posted["batch"])
    assert "posted this manifest already: nothing was posted" in again.stderr
    assert total(db_cli)["requests"] == 40
    db_cli("verify").ok()


def test_a_trial_posts_nothing(db_cli: Cli, db_url: str, other: str, tmp_path: Path) -> None:
    manifest = lake_of(other, tmp_path / "lake", MONTH)
    tried = db_cli("lake", "post", manifest, "--dry-run", "--json").ok().json
    assert (tried["committed"], tried["batch"], tried["requests"]) == (False, None, 40)
    assert [value(db_url, f"SELECT count(*) FROM {name}") for name in ("lake_cells", "batches", "sources")] == [0, 0, 0]
    assert db_cli("lake", "post", manifest, "--json").ok().json["amounts"] == tried["amounts"]


def test_usage_of_a_closed_month_posts_in_the_first_open_one(db_cli: Cli, other: str, tmp_path: Path) -> None:
    manifest = lake_of(other, tmp_path / "lake", MONTH)
    db_cli("close", MONTH).ok()
    posted = db_cli("lake", "post", manifest, "--json").ok()
    assert posted.json["posted_month"] == "2026-03"
    assert "2026-02 is closed" in posted.stderr
    assert total(db_cli, "--month", "2026-03")["requests"] == 40
    assert total(db_cli, "--month", MONTH, "--basis", "occurred")["requests"] == 40
    assert total(db_cli, "--month", MONTH)["requests"] == 0
    db_cli("verify").ok()


def test_a_source_has_one_home(db_cli: Cli, db_url: str, other: str, tmp_path: Path) -> None:
    manifest = lake_of(other, tmp_path / "lake", MONTH)
    db_cli("lake", "post", manifest).ok()
    assert rows(db_url, "SELECT source, lake FROM sources") == [("gateway", LAKE)]
    stated = responses([1, 2]) + responses([3])
    ingested = db_cli("ingest", "-", "--source", "gateway", "--json", stdin=stated)
    assert (ingested.json["rejected"], ingested.json["accepted"]) == (3, 0)
    assert {each["reason"] for each in ingested.json["rejections"]} == {"source_in_lake"}
    assert "'gateway' belongs to lake" in ingested.json["rejections"][0]["message"]
    db_cli("ingest", "-", stdin=responses([4])).ok()  # of another source
    assert db_cli("quarantine", "retry", "--json").json["recorded"] == []
    of_book = [row | {"source": "evolink"} for row in cell_rows(other, MONTH)]
    second = write_lake(tmp_path / "lake", MONTH, of_book, number=2)
    assert "'evolink' belongs to the book" in refused(db_cli("lake", "post", second))
    third = lake_of(other, tmp_path / "second", MONTH, lake="second")
    assert f"'gateway' belongs to lake {LAKE}, not to lake second" in refused(db_cli("lake", "post", third))
    db_cli("verify").ok()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"project": " "}, "row 1: project is blank"),
        ({"project": "p" * 201}, "row 1: project has 201 characters: at most 200 are kept"),
        ({"source": "s" * 65}, "row 1: source has 65 characters: at most 64 are kept"),
        ({"requests": -1}, "row 1: requests -1 is negative"),
        ({"input_tokens": 2**63}, "row 1: input_tokens 9223372036854775808 passes what a ledger's sum holds"),
        ({"occurred_month": "2026-03"}, "occurred_month '2026-03' isn't one of 2026-02"),
        ({"quarter": at("2026-03-01T00:00")}, "last_occurred_at"),
        ({"quarter": at("2026-03-01T00:00"), "last_occurred_at": at("2026-03-01T00:01")}, "lies in 2026-03, not in"),
        ({"quarter": at("2026-02-01T00:01")}, "begins none"),
        ({"status": "queued"}, "status 'queued' isn't one of completed, incomplete, failed, cancelled"),
        ({"kind": "adjustment"}, "kind 'adjustment' isn't one of request, cache_storage"),
        ({"amount_nano": 5}, "amount_nano isn't the sum of its meters"),
        ({"cached_input_tokens": 10**9}, "are more than input_tokens"),
        ({"tags": '{"team":"x"}'}, "tag 'team' isn't one that is rolled up"),
        ({"rate_entry": "evolink/nothing/2026-02-01#1"}, "add the card that it is of with 'tollbook rates add FILE'"),
        ({"per_usd_nano": 7}, "0.000000007 CRD for 1 USD from 2026-02-01T00:00Z, isn't in this ledger"),
        ({"currency": "USD"}, "currency USD goes with no conversion"),
    ],
    ids=lambda each: "-".join(each) if isinstance(each, dict) else "",
)  # fmt: skip
def test_what_no_ledger_could_hold_is_refused(
    cli: Cli, sqlite_url: str, other: str, tmp_path: Path, change: dict[str, Any], said: str
) -> None:
    first, *others = cell_rows(other, MONTH)
    manifest = write_lake(tmp_path / "lake", MONTH, [first | change, *others])
    assert said in refused(cli("lake", "post", manifest))
    assert said in refused(cli("lake", "post", manifest, "--dry-run"))
    assert [value(sqlite_url, f"SELECT count(*) FROM {name}") for name in ("lake_cells", "batches")] == [0, 0]


def test_sums_past_64_bits_are_refused(db_cli: Cli, other: str, tmp_path: Path) -> None:
    first, *_others = cell_rows(other, MONTH)
    full = first | {"input_tokens": 2**62, "cached_input_tokens": 0}
    later = {"quarter": first["quarter"].replace(minute=0), "last_occurred_at": first["quarter"].replace(minute=1)}
    manifest = write_lake(tmp_path / "lake", MONTH, [full, full | later])
    said = refused(db_cli("lake", "post", manifest))
    assert f"would come to {2**63}" in said
    assert "nothing was posted" in said
    db_cli("lake", "post", write_lake(tmp_path / "lake", MONTH, [full], number=2)).ok()
    third = write_lake(tmp_path / "lake", MONTH, [full | later], number=3)
    assert f"would come to {2**63}" in refused(db_cli("lake", "post", third))
    db_cli("verify").ok()


def test_files_that_are_others_are_refused(cli: Cli, sqlite_url: str, other: str, tmp_path: Path) -> None:
    folder = tmp_path / "lake"
    manifest = lake_of(other, folder, MONTH)
    (folder / "cells" / "000001.parquet").write_bytes(b"PAR1")
    assert "isn't the file that the manifest names" in refused(cli("lake", "post", manifest))
    assert "the ledger's of UTC" in refused(cli("lake", "post", lake_of(other, folder, MONTH, timezone="Asia/Tokyo")))
    tagged = lake_of(other, folder, MONTH, rollup_tags=("team",))
    assert "the ledger rolls up none" in refused(cli("lake", "post", tagged))
    assert "can't be read" in refused(cli("lake", "post", folder / "manifests" / "000009.json"))
    manifest.write_text("{}")
    assert "no manifest of 'tollbook lake price'" in refused(cli("lake", "post", manifest))
    assert nano("0") == value(sqlite_url, "SELECT count(*) FROM batches")


def test_many_sums_are_posted_in_pages(db_cli: Cli, db_url: str, other: str, tmp_path: Path) -> None:
    first, *_others = cell_rows(other, MONTH)
    begin = first["quarter"].replace(hour=0, minute=0)
    many = [
        first | {
            "project": f"project-{number % 2_100}",
            "quarter": begin + QUARTER * (number // 2_100),
            "last_occurred_at": begin + QUARTER * (number // 2_100),
        }
        for number in range(21_000)
    ]  # fmt: skip
    posted = db_cli("lake", "post", write_lake(tmp_path / "lake", MONTH, many), "--json").ok().json
    assert (posted["requests"], posted["cells"]) == (21_000 * first["requests"], 21_000)
    # A batch of 20,000 cells, and one of what is left; ten of a project are in one row, but for those cut in two.
    assert value(db_url, "SELECT count(*) FROM batches") == 2
    assert value(db_url, "SELECT count(*) FROM lake_cells") == 2_100 + 1_000
    assert total(db_cli)["requests"] == 21_000 * first["requests"]
    db_cli("verify").ok()
    db_cli("void", "--batch", posted["batch"], "--reason", "a test").ok()
    assert total(db_cli)["requests"] == 0
    db_cli("verify").ok()
