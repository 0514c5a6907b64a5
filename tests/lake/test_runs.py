"""Runs over a lake: each request once among them, each run whole or not at all, whatever becomes of files."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import fsspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from filelock import FileLock

from ledger.lake.manifest import read_manifest
from tests.conftest import Cli
from tests.helpers.lake_usage import MONTHS, OTHER_COUNTS, SAME, charged, price, write_usage
from tests.helpers.ledgers import LITE, responses
from tests.helpers.sources import lines, record, response


@pytest.fixture
def usage(tmp_path: Path) -> Path:
    return write_usage(tmp_path)


def test_the_same_run_again_changes_nothing(cli: Cli, usage: Path, tmp_path: Path, engine: tuple[str, ...]) -> None:
    cli("db", "init").ok()
    first = price(cli, usage, "2026-02", *engine).json
    files = {path: path.read_bytes() for path in (tmp_path / "lake").rglob("*") if path.is_file()}
    again = price(cli, usage, "2026-02", *engine)
    assert (first["is_new"], again.json["is_new"]) == (True, False)
    assert {key: again.json[key] for key in ("read", "accepted", "digest")} == {
        key: first[key] for key in ("read", "accepted", "digest")
    }
    assert {path: path.read_bytes() for path in (tmp_path / "lake").rglob("*") if path.is_file()} == files


def test_what_an_earlier_run_accepted_is_known(cli: Cli, usage: Path, tmp_path: Path, engine: tuple[str, ...]) -> None:
    cli("db", "init").ok()
    first = price(cli, usage, "2026-02", *engine).json
    with (usage / "d.jsonl").open("w") as file:
        file.write(responses([5, 6]) + lines([response("resp_000007", usage=OTHER_COUNTS), response("new")]))
    second = price(cli, usage, "2026-02", *engine).json
    assert second["accepted"] == 1
    assert second["duplicate"] == first["accepted"] + first["duplicate"] + 2
    assert second["conflict"] == first["conflict"] + 1
    rows = charged(tmp_path / "lake")
    assert len(rows) == first["accepted"] + 1
    held = pq.read_table(tmp_path / "lake" / second["quarantine"][0]).to_pylist()
    assert {row["reason"] for row in held} == {"conflict", "invalid_json", "unknown_model"}
    stated = {row["request_id"]: json.loads(row["fields"]) for row in held if row["reason"] == "conflict"}
    assert stated["resp_000007"]["input_tokens"] == 7


def test_a_run_in_which_all_is_known(db_cli: Cli, usage: Path, tmp_path: Path) -> None:
    db_cli("db", "init").exit_code  # noqa: B018 - where there is none
    first = price(db_cli, usage, "2026-02").json
    (usage / "d.jsonl").write_text(responses([5, 6]))
    second = price(db_cli, usage, "2026-02").json
    assert (second["accepted"], second["charges"], second["cells"]) == (0, [], [])
    assert second["duplicate"] == first["accepted"] + first["duplicate"] + 2


def test_manifests_are_chained_and_name_every_file(cli: Cli, usage: Path, tmp_path: Path) -> None:
    cli("db", "init").ok()
    for month in MONTHS:
        price(cli, usage, month)
    lake = tmp_path / "lake"
    found = [read_manifest(path.read_bytes(), path.name) for path in sorted((lake / "manifests").iterdir())]
    assert [(manifest.number, manifest.month) for manifest, _digest in found] == [(1, MONTHS[0]), (2, MONTHS[1])]
    assert [manifest.previous for manifest, _digest in found] == ["", found[0][1]]
    named = {str(lake / file.path): file.rows for manifest, _digest in found for file in manifest.files}
    assert named == {str(path): pq.read_metadata(path).num_rows for path in lake.rglob("*.parquet")}
    (lake / "manifests" / "000001.json").unlink()
    outcome = price(cli, usage, "2026-02")
    assert (outcome.exit_code, outcome.stderr.count("\n")) == (2, 1)
    assert "doesn't follow the manifest before it" in outcome.stderr


def test_files_of_a_run_that_was_killed_go(cli: Cli, usage: Path, tmp_path: Path) -> None:
    cli("db", "init").ok()
    price(cli, usage, "2026-02")
    lake = tmp_path / "lake"
    whole = sorted(lake.rglob("*.parquet"))
    stray = lake / "charges" / "occurred_day=2026-02-01" / "000002-abcdef01.parquet"
    stray.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(whole[0], stray)
    price(cli, usage, "2026-03")
    assert not stray.exists()
    assert set(whole) < set(lake.rglob("*.parquet"))


def test_nothing_is_removed_where_manifests_are_lost(cli: Cli, usage: Path, tmp_path: Path) -> None:
    cli("db", "init").ok()
    for month in MONTHS:
        price(cli, usage, month)
    lake = tmp_path / "lake"
    files = sorted(lake.rglob("*.parquet"))
    shutil.rmtree(lake / "manifests")
    outcome = price(cli, usage, "2026-02")
    assert (outcome.exit_code, outcome.stderr.count("\n")) == (2, 1)
    assert "no manifest names it: restore the manifests" in outcome.stderr
    assert sorted(lake.rglob("*.parquet")) == files


@pytest.mark.parametrize("name", ["{}//lake", "{}/./lake", "{}/usage/../lake", "{}/l[a]ke", "{}/l*ke", "{}/it's"])
def test_charges_stay_however_the_lake_is_named(cli: Cli, usage: Path, tmp_path: Path, name: str) -> None:
    """A run that takes what others left behind for its own would remove what was priced."""
    cli("db", "init").ok()
    lake = name.format(tmp_path)
    accepted = price(cli, usage / "a.jsonl", "2026-02", lake=lake).ok().json["accepted"]
    files = set(Path(lake).rglob("*.parquet"))
    again = price(cli, usage, "2026-02", lake=lake).json
    assert accepted <= again["duplicate"]
    assert files < set(Path(lake).rglob("*.parquet"))


@pytest.mark.parametrize("name", ["it's", "t[m]p", "t*"])
def test_temporary_files_may_be_in_any_folder(
    cli: Cli, usage: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    (tmp_path / name).mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / name))
    cli("db", "init").ok()
    assert price(cli, usage / "a.jsonl", "2026-02").ok().json["accepted"] > 0


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (Path.unlink, "No such file or directory"),
        (
            lambda path: path.write_text("damaged"),
            r"isn't the file that the manifest names \(sha256 \w{12}…\): restore it",
        ),
    ],
)
def test_charges_that_cant_be_read_are_told_in_one_line(
    cli: Cli, usage: Path, tmp_path: Path, damage: Any, said: str
) -> None:
    cli("db", "init").ok()
    price(cli, usage / "a.jsonl", "2026-02").ok()
    damage(next((tmp_path / "lake" / "charges").rglob("*.parquet")))
    outcome = price(cli, usage, "2026-02")
    assert (outcome.exit_code, outcome.stderr.count("\n")) == (2, 1)
    assert re.search(said, outcome.stderr)
    assert len(list((tmp_path / "lake" / "manifests").iterdir())) == 1


def test_a_lake_is_made_where_a_run_was_killed_that_made_one(cli: Cli, usage: Path, tmp_path: Path) -> None:
    cli("db", "init").ok()
    (tmp_path / "lake").mkdir()
    (tmp_path / "lake" / ".lake.json.4711").write_text("")
    price(cli, usage / "a.jsonl", "2026-02").ok()


def test_one_run_at_a_time(cli: Cli, usage: Path, tmp_path: Path) -> None:
    cli("db", "init").ok()
    price(cli, usage, "2026-02")
    with FileLock(tmp_path / "lake" / ".lock"):
        outcome = price(cli, usage, "2026-03")
    said = "Error: lake: another run is at work there: wait until it has ended\n"
    assert (outcome.exit_code, outcome.stderr) == (2, said)


def test_a_source_is_the_books_or_the_lakes(db_cli: Cli, usage: Path, tmp_path: Path) -> None:
    db_cli("ingest", "-", "--source", "booked", stdin=responses([1])).ok()
    outcome = price(db_cli, usage, "2026-02", "--source", "booked")
    assert (outcome.exit_code, outcome.stderr.count("\n")) == (2, 1)
    assert "source 'booked' belongs to the book" in outcome.stderr
    assert not list((tmp_path / "lake").rglob("*.parquet"))
    posted = price(db_cli, usage, "2026-02", "--source", "of-lake").json["manifest"]
    db_cli("lake", "post", posted).ok()
    refused = db_cli("ingest", "-", "--source", "of-lake", "--json", stdin=responses([1])).json
    assert [each["reason"] for each in refused["rejections"]] == ["source_in_lake"]
    elsewhere = price(db_cli, usage, "2026-02", "--source", "of-lake", lake="second")
    assert (elsewhere.exit_code, "belongs to lake" in elsewhere.stderr) == (2, True)
    db_cli("verify").ok()


def test_a_source_of_the_book_may_have_usage_of_other_months_there(cli: Cli, usage: Path, tmp_path: Path) -> None:
    of_march = lines([response("m1", created_at=1_773_000_000)])
    cli("ingest", "-", stdin=of_march).ok()  # of the source evolink
    own = [record("r1", source="own", requested_model=LITE)]
    (tmp_path / "both.jsonl").write_text(of_march + lines(own))
    priced = price(cli, "both.jsonl", "2026-02").ok().json
    assert (priced["accepted"], priced["other_months"], priced["sources"]) == (1, 1, ["own"])
    refused = price(cli, "both.jsonl", "2026-03")
    assert (refused.exit_code, "source 'evolink' belongs to the book" in refused.stderr) == (2, True)


@pytest.fixture
def store() -> Iterator[fsspec.AbstractFileSystem]:
    memory = fsspec.filesystem("memory")
    yield memory
    for name in ("/usage", "/lake"):
        if memory.exists(name):
            memory.rm(name, recursive=True)


def test_usage_and_lake_may_be_in_a_store(
    cli: Cli, usage: Path, tmp_path: Path, store: fsspec.AbstractFileSystem
) -> None:
    cli("db", "init").ok()
    for path in usage.iterdir():
        store.pipe(f"/usage/{path.name}", path.read_bytes())
    here = price(cli, usage, "2026-02").json
    there = price(cli, "memory://usage", "2026-02", "--source", "there", lake="memory://lake").json
    same = ("read", "accepted", "duplicate", "conflict", "rejected", "amounts", "by_project")
    assert {key: there[key] for key in same} == {key: here[key] for key in same}
    again = price(cli, "memory://usage/*.jsonl", "2026-02", "--source", "there", lake="memory://lake").json
    assert (again["is_new"], again["digest"]) == (False, there["digest"])
    store.pipe("/usage/d.jsonl", responses([5]).encode())
    later = price(cli, "memory://usage/d.jsonl", "2026-02", "--source", "there", lake="memory://lake").json
    assert (later["accepted"], later["duplicate"]) == (0, 1)
    posted = cli("lake", "post", there["manifest"], "--json").ok().json
    assert posted["amounts"] == there["amounts"]
    assert cli("lake", "post", there["manifest"], "--json").ok().json["repeated"]
    missing = cli("lake", "post", "memory://lake/manifests/000009.json")
    assert (missing.exit_code, missing.stderr.count("\n")) == (2, 1)
    names = {path.rpartition("/lake/")[2] for path in store.find("/lake/charges")}
    assert names == set(there["charges"])


def test_several_processes_price_what_one_does(cli: Cli, usage: Path, tmp_path: Path) -> None:
    cli("db", "init").ok()
    alone = price(cli, usage, "2026-02", "--processes", "1", lake="alone").json
    together = price(cli, usage, "2026-02", "--processes", "2", lake="together").json
    assert {name: together[name] for name in SAME} == {name: alone[name] for name in SAME}
    assert charged(tmp_path / "together") == charged(tmp_path / "alone")
    cli("ingest", "-", stdin=responses([3_000])).ok()  # which makes the source the book's
    refused = price(cli, usage, "2026-02", "--processes", "2", lake="third")
    assert (refused.exit_code, refused.stderr.count("\n")) == (2, 1)
    assert "source 'evolink' belongs to the book" in refused.stderr


def test_parquet_of_records_goes_in_too(cli: Cli, tmp_path: Path) -> None:
    cli("db", "init").ok()
    stated = [record(name, requested_model=LITE) for name in ("r1", "r2", "r1")]
    table = pa.Table.from_pylist(stated)
    times = pa.array([each["occurred_at"] for each in stated]).cast(pa.timestamp("us", "UTC"))
    pq.write_table(table.set_column(table.schema.get_field_index("occurred_at"), "occurred_at", times), "usage.parquet")
    priced = price(cli, "usage.parquet", "2026-02").ok().json
    assert (priced["read"], priced["accepted"], priced["duplicate"]) == (3, 2, 1)
    assert sorted(row["request_id"] for row in charged(tmp_path / "lake")) == ["r1", "r2"]


def test_a_folder_that_is_no_lake_stays_as_it_is(cli: Cli, usage: Path, tmp_path: Path) -> None:
    cli("db", "init").ok()
    outcome = price(cli, usage, "2026-02", lake=usage)
    assert (outcome.exit_code, outcome.stderr.count("\n")) == (2, 1)
    assert "this is no lake, and not empty" in outcome.stderr
    assert sorted(path.name for path in usage.iterdir()) == ["a.jsonl", "b.jsonl", "c.jsonl"]


def test_a_manifest_is_posted_once_whatever_became_of_its_bytes(cli: Cli, usage: Path, tmp_path: Path) -> None:
    cli("db", "init").ok()
    manifest = Path(price(cli, usage, "2026-02").json["manifest"])
    cli("lake", "post", manifest).ok()
    whole = manifest.read_bytes()
    manifest.write_bytes(whole.replace(b'  "number"', b'   "number"'))
    outcome = cli("lake", "post", manifest)
    assert (outcome.exit_code, outcome.stderr.count("\n")) == (2, 1)
    assert "batch 1 has the sums of another manifest 1 of lake" in outcome.stderr
    cli("void", "--batch", "1", "--reason", "priced again").ok()
    cli("lake", "post", manifest).ok()


def test_a_lake_that_lost_what_is_posted_prices_nothing(cli: Cli, usage: Path, tmp_path: Path) -> None:
    cli("db", "init").ok()
    manifest = Path(price(cli, usage, "2026-02").json["manifest"])
    cli("lake", "post", manifest).ok()
    files = sorted((tmp_path / "lake").rglob("*.parquet"))
    manifest.unlink()
    outcome = price(cli, usage, "2026-02")
    assert (outcome.exit_code, outcome.stderr.count("\n")) == (2, 1)
    assert "it has 0 manifests, and the ledger sums of manifest 1: restore them" in outcome.stderr
    assert sorted((tmp_path / "lake").rglob("*.parquet")) == files


def test_earlier_charges_are_those_that_were_written(cli: Cli, usage: Path, tmp_path: Path) -> None:
    cli("db", "init").ok()
    price(cli, usage, "2026-02")
    one, other, *_others = sorted((tmp_path / "lake" / "charges").rglob("*.parquet"))
    shutil.copy(one, other)
    (usage / "d.jsonl").write_text(responses([5]))
    outcome = price(cli, usage, "2026-02")
    assert (outcome.exit_code, outcome.stderr.count("\n")) == (2, 1)
    assert f"{other}: isn't the file" in outcome.stderr


def test_charges_of_a_store_that_are_lost_are_told_in_one_line(
    cli: Cli, usage: Path, store: fsspec.AbstractFileSystem
) -> None:
    cli("db", "init").ok()
    price(cli, usage, "2026-02", lake="memory://lake")
    store.rm(store.find("/lake/charges")[0])
    outcome = price(cli, usage / "a.jsonl", "2026-02", lake="memory://lake")
    assert (outcome.exit_code, outcome.stderr.count("\n")) == (2, 1)
    assert outcome.stderr.startswith("Error: memory://lake: ")
