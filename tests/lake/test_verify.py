"""`lake verify` passes a sound lake, and names whatever was changed in one."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import fsspec
import msgspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ledger.lake.manifest import Manifest, read_manifest
from tests.conftest import Cli, Outcome
from tests.helpers.ledgers import PRO, responses, tamper
from tests.helpers.sources import lines, record

MONTHS = ("2026-02", "2026-03")
REQUESTS = 200
OF_STORAGE = {
    **dict.fromkeys(("occurred_at", "input_tokens", "output_tokens"), ...),
    "start": "2026-03-01T10:30:00Z",
    "end": "2026-03-01T13:00:00Z",
    "tokens": 7_000_000,
}
Rows = list[dict[str, Any]]


def make_lake(cli: Cli, folder: Path) -> Path:
    """Makes a lake of two manifests, of which the first is posted."""
    usage = folder / "usage"
    usage.mkdir()
    (usage / "a.jsonl").write_text(responses(range(0, 10 * REQUESTS, 10)))
    (usage / "b.jsonl").write_text(lines([record("s1", kind="cache_storage", requested_model=PRO, **OF_STORAGE)]))
    cli("db", "rollups", "--tag", "team").ok()
    for month in MONTHS:
        cli("lake", "price", "--input", usage, "--output", "lake", "--month", month, "--json").ok()
    cli("lake", "post", folder / "lake" / "manifests" / "000001.json").ok()
    return folder / "lake"


@pytest.fixture
def lake(tmp_path: Path, db_cli: Cli) -> Path:
    return make_lake(db_cli, tmp_path)


def stated(lake: Path, number: int) -> Manifest:
    path = lake / "manifests" / f"{number:06}.json"
    return read_manifest(path.read_bytes(), path.name)[0]


def change(lake: Path, number: int, part: str, changed: Callable[[Rows], Rows], *, known: bool = False) -> str:
    """Writes the last file of a manifest's part anew; where it is `known`, the manifest says so. Returns its path."""
    manifest = stated(lake, number)
    file = getattr(manifest, part)[-1]
    table = pq.read_table(lake / file.path, partitioning=None)
    rows = changed(table.to_pylist())
    pq.write_table(pa.Table.from_pylist(rows, schema=table.schema), lake / file.path)
    if known:
        digest = hashlib.sha256((lake / file.path).read_bytes()).hexdigest()
        files = (*getattr(manifest, part)[:-1], msgspec.structs.replace(file, rows=len(rows), sha256=digest))
        write(lake, msgspec.structs.replace(manifest, **{part: files}))
    return str(file.path)


def write(lake: Path, manifest: Manifest) -> None:
    (lake / manifest.name).write_bytes(manifest.encoded())


def problems(outcome: Outcome) -> list[str]:
    assert outcome.exit_code == 1, outcome
    return [line.removeprefix("Problem: ") for line in outcome.stderr.splitlines() if line.startswith("Problem: ")]


def changing(row: int, **values: Any) -> Callable[[Rows], Rows]:
    """Changes a row: a function changes what was there."""

    def changed(rows: Rows) -> Rows:
        for name, each in values.items():
            rows[row][name] = each(rows[row][name]) if callable(each) else each
        return rows

    return changed


def test_a_sound_lake_passes(db_cli: Cli, lake: Path) -> None:
    outcome = db_cli("lake", "verify", lake, "--sample", "all", "--json").ok()
    requests = sum(file.rows for number in (1, 2) for file in stated(lake, number).charges)
    sums = [sum(file.rows for file in stated(lake, number).cells) for number in (1, 2)]
    assert requests == REQUESTS + 1
    assert outcome.json == {
        "schema": 1,
        "ok": True,
        "checked": {
            "manifests": 2,
            "files": sum(len(stated(lake, number).files) for number in (1, 2)),
            "posted sums": sums[0],
            "charges": requests,
            "sums": sum(sums),
            "charges priced again": requests,
        },
        "problem_count": 0,
        "problems": [],
        "unposted": [2],
    }
    assert outcome.stderr == "Note: manifest 2 isn't posted: 'tollbook lake post' books its sums\n"
    db_cli("lake", "post", lake / "manifests" / "000002.json").ok()
    assert db_cli("lake", "verify", lake, "--json").ok().json["unposted"] == []


def test_so_many_charges_of_each_manifest_are_priced_again(cli: Cli, sqlite_url: str, tmp_path: Path) -> None:
    lake = make_lake(cli, tmp_path)
    for sample, priced in (("0", 0), ("7", 7 + 7), ("all", REQUESTS + 1)):
        checked = cli("lake", "verify", lake, "--sample", sample, "--json").ok().json["checked"]
        assert checked.get("charges priced again", 0) == priced, sample


def test_a_month_of_a_lake(db_cli: Cli, lake: Path) -> None:
    checked = db_cli("lake", "verify", lake, "--month", "2026-03", "--json").ok().json["checked"]
    assert checked["files"] == len(stated(lake, 2).files)
    assert checked["charges"] == sum(file.rows for file in stated(lake, 2).charges)
    change(lake, 1, "charges", changing(0, output_tokens=10**6))
    db_cli("lake", "verify", lake, "--month", "2026-03").ok()
    assert problems(db_cli("lake", "verify", lake, "--month", "2026-02"))


def more(by: int) -> Callable[[int], int]:
    return lambda number: number + by


CHANGES: dict[str, tuple[str, Callable[[Rows], Rows], Sequence[str]]] = {
    "amount": ("charges", changing(0, output_nano=more(9), amount_nano=more(9)), ("output_nano is", "is booked with")),
    "whole": ("charges", changing(0, amount_nano=more(9)), ("amount isn't the sum of its meters", "amount_nano is")),
    "tokens": ("charges", changing(0, input_tokens=more(7)), ("input_tokens is", "its facts and card entry give")),
    "tier": ("charges", changing(0, tier="999"), ("are missing", "are of no charges", "is booked with")),
    "entry": ("charges", changing(0, rate_entry="evolink/none#1"), ("are missing", "its rate entry isn't one of")),
    "conversion": ("charges", changing(0, per_usd_nano=more(1)), ("are missing", "its conversion isn't one of")),
    "tag": ("charges", changing(0, tags='{"team":"x"}'), ("are missing", "are of no charges")),
    "deleted": ("charges", lambda rows: rows[1:], ("are of no charges", "its charges are")),
    "twice": (
        "charges",
        lambda rows: [*rows, rows[0]],
        ("requests is 1, its charges come to 2", "accepted 2 times"),
    ),
    "cell": ("cells", changing(0, output_nano=more(9), amount_nano=more(9)), ("output_nano is",)),
    "cell deleted": ("cells", lambda rows: rows[1:], ("are missing",)),
    "cell twice": ("cells", lambda rows: [*rows, rows[0]], ("are there 2 times",)),
    "cell without time": ("cells", changing(0, quarter=None), ("row 1: has no quarter",)),
}


def test_what_was_changed_is_named(cli: Cli, sqlite_url: str, tmp_path: Path) -> None:
    lake = make_lake(cli, tmp_path)
    shutil.copytree(lake, tmp_path / "sound")
    for name, (part, changed, named) in CHANGES.items():
        for known in (False, True):
            path = change(lake, 2, part, changed, known=known)
            found = problems(cli("lake", "verify", lake, "--sample", "all"))
            for said in named:
                assert any(said in problem for problem in found), (name, said, found)
            assert all("manifest 2: " in problem or path in problem for problem in found), (name, found)
            was_told = any(f"manifest 2: {path} isn't the file that was written" in problem for problem in found)
            assert was_told is not known, (name, found)
            shutil.rmtree(lake)
            shutil.copytree(tmp_path / "sound", lake)
    cli("lake", "verify", lake).ok()


def test_a_file_that_is_missing_is_named(cli: Cli, sqlite_url: str, tmp_path: Path) -> None:
    lake = make_lake(cli, tmp_path)
    (tmp_path / "usage" / "c.jsonl").write_text("nonsense\n")
    assert cli("lake", "price", "--input", "usage", "--output", lake, "--month", MONTHS[1]).exit_code == 3
    for number, part in ((1, "charges"), (1, "cells"), (3, "quarantine")):
        path = getattr(stated(lake, number), part)[0].path
        (lake / path).rename(lake / "aside")
        [found] = problems(cli("lake", "verify", lake))
        assert found.startswith(f"manifest {number}: {path} can't be read: ")
        (lake / "aside").rename(lake / path)
    cli("lake", "verify", lake).ok()


def test_a_manifest_that_was_changed_is_named(db_cli: Cli, lake: Path) -> None:
    write(lake, msgspec.structs.replace(stated(lake, 1), run="another"))
    found = problems(db_cli("lake", "verify", lake))
    assert found[0].endswith(
        "000002.json: it doesn't follow the manifest before it: that one was changed or is missing"
    )
    assert found[1] == "manifest 1: batch 1 posted another of this number: it was changed or is missing"
    (lake / stated(lake, 1).name).unlink()
    assert [each.partition(": ")[2] for each in problems(db_cli("lake", "verify", lake))] == [
        each.partition(": ")[2] for each in found
    ]


def test_the_newest_manifest_has_the_sums_of_its_charges(db_cli: Cli, lake: Path) -> None:
    manifest = stated(lake, 2)
    write(lake, msgspec.structs.replace(manifest, amounts={"CRD": "1"}, counts={**manifest.counts, "accepted": 7}))
    accepted = sum(file.rows for file in manifest.charges)
    assert problems(db_cli("lake", "verify", lake)) == [
        f"manifest 2: it says that 7 were accepted, its charges are {accepted}",
        f"manifest 2: it says amounts {{'CRD': '1'}}, its charges come to {dict(manifest.amounts)}",
    ]
    (lake / manifest.name).write_text("{}")
    [found] = problems(db_cli("lake", "verify", lake))
    assert "000002.json: this is no manifest of 'tollbook lake price'" in found


def test_posted_sums_are_those_of_the_file(db_cli: Cli, db_url: str, lake: Path) -> None:
    tamper(db_url, "UPDATE lake_cells SET half_day = half_day + 43200000000 WHERE id = 1")
    [found] = problems(db_cli("lake", "verify", lake))
    assert "manifest 1: batch 1 posted its sums: those of " in found
    tamper(db_url, "UPDATE lake_cells SET half_day = half_day - 43200000000 WHERE id = 1")
    db_cli("lake", "verify", lake).ok()
    db_cli("void", "--batch", 1, "--reason", "a test").ok()
    assert db_cli("lake", "verify", lake, "--json").ok().json["unposted"] == [1, 2]
    db_cli("lake", "post", lake / stated(lake, 1).name).ok()
    assert db_cli("lake", "verify", lake, "--json").ok().json["unposted"] == [2]


def test_what_is_no_lake_is_refused_and_left_alone(cli: Cli, sqlite_url: str, tmp_path: Path) -> None:
    for asked, said in (
        (
            ("nowhere",),
            "Error: nowhere: this is no lake: name the folder or URL that 'tollbook lake price' or 'archive' wrote\n",
        ),
        (("lake", "--sample", "few"), "Error: --sample few: it is a number of charges, or all\n"),
    ):
        outcome = cli("lake", "verify", *asked)
        assert (outcome.exit_code, outcome.stderr) == (2, said)
    assert not (tmp_path / "nowhere").exists()


def test_a_lake_may_be_in_a_store(cli: Cli, sqlite_url: str, tmp_path: Path) -> None:
    lake = make_lake(cli, tmp_path)
    memory = fsspec.filesystem("memory")
    memory.put(str(lake), "/verified", recursive=True)
    try:
        here = cli("lake", "verify", lake, "--json").ok().json
        assert cli("lake", "verify", "memory://verified", "--json").ok().json == here
        memory.rm(f"/verified/{stated(lake, 1).cells[0].path}")
        [found] = problems(cli("lake", "verify", "memory://verified"))
        assert f"manifest 1: {stated(lake, 1).cells[0].path} can't be read" in found
    finally:
        memory.rm("/verified", recursive=True)
