"""Inputs are files, folders, globs and URLs of stores; what stands for nothing is refused by name."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import fsspec
import pytest

from ledger.errors import LedgerError
from ledger.intake.containers.inputs import find_inputs
from ledger.intake.containers.source import open_source
from tests.conftest import Cli
from tests.helpers.sources import chat, lines, read_source, response, told

GOOD = lines([response("a"), chat("c")])
SAID = [(1, "a"), (2, "c")]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("b.jsonl", "a.jsonl", "deep/c.jsonl", "deep/_SUCCESS", ".hidden.jsonl", "_temporary/d.jsonl"):
        path = tmp_path / "usage" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(GOOD)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def store() -> Iterator[fsspec.AbstractFileSystem]:
    memory = fsspec.filesystem("memory")
    for name in ("b.jsonl", "a.jsonl", "deep/c.jsonl", "deep/_SUCCESS", "_temporary/d.jsonl"):
        memory.pipe(f"/usage/{name}", GOOD.encode())
    yield memory
    memory.rm("/usage", recursive=True)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("usage", ["usage/a.jsonl", "usage/b.jsonl", "usage/deep/c.jsonl"]),
        ("usage/", ["usage/a.jsonl", "usage/b.jsonl", "usage/deep/c.jsonl"]),
        ("usage/*.jsonl", ["usage/a.jsonl", "usage/b.jsonl"]),
        ("usage/[ab].jsonl", ["usage/a.jsonl", "usage/b.jsonl"]),
        ("usage/**/c.jsonl", ["usage/deep/c.jsonl"]),
        ("usage/b.jsonl", ["usage/b.jsonl"]),
        ("usage/missing.jsonl", ["usage/missing.jsonl"]),
        ("-", ["-"]),
        ("", [""]),
    ],
)
def test_names_stand_for_files(folder: Path, name: str, expected: list[str]) -> None:
    assert find_inputs([name]) == expected


def test_a_file_whose_name_is_a_pattern_is_that_file(folder: Path) -> None:
    Path("usage/[draft].jsonl").write_text(GOOD)
    assert find_inputs(["usage/[draft].jsonl"]) == ["usage/[draft].jsonl"]


@pytest.mark.parametrize("name", ["usage/*.csv", "empty", "memory://usage/*.csv", "memory://empty"])
def test_what_stands_for_no_file_is_refused(folder: Path, store: fsspec.AbstractFileSystem, name: str) -> None:
    Path("empty").mkdir()
    store.makedirs("/empty", exist_ok=True)
    with pytest.raises(LedgerError, match="there are no files"):
        find_inputs([name])


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("memory://usage", ["a.jsonl", "b.jsonl", "deep/c.jsonl"]),
        ("memory://usage/*.jsonl", ["a.jsonl", "b.jsonl"]),
        ("memory://usage/a.jsonl", ["a.jsonl"]),
    ],
)
def test_urls_stand_for_files_of_a_store(store: fsspec.AbstractFileSystem, name: str, expected: list[str]) -> None:
    found = find_inputs([name])
    assert [each.rpartition("usage/")[2] for each in found] == expected
    for each in found:
        with open_source(each) as source:
            assert source.size == len(GOOD)
            assert told(read_source(source)) == SAID


@pytest.mark.parametrize(
    ("name", "message"),
    [("nowhere://usage/a.jsonl", "Protocol not known: nowhere"), ("s3://bucket/a.jsonl", "s3fs")],
)
def test_a_store_that_can_not_be_reached_is_told(name: str, message: str) -> None:
    with pytest.raises(LedgerError, match=message):
        find_inputs([name])


def test_a_missing_file_of_a_store_is_told_by_its_url(store: fsspec.AbstractFileSystem) -> None:
    with pytest.raises(FileNotFoundError, match=r"No such file .*memory://usage/missing\.jsonl"):
        open_source("memory://usage/missing.jsonl")


def test_ingest_takes_folders_globs_and_urls(cli: Cli, tmp_path: Path) -> None:
    for number in range(3):
        path = tmp_path / "usage" / f"{number}.jsonl"
        path.parent.mkdir(exist_ok=True)
        path.write_text(lines([response(f"r{number}")]))
    fsspec.filesystem("memory").pipe("/ingested/4.jsonl", lines([response("r4")]).encode())
    usage = tmp_path / "usage"
    said = cli("ingest", usage, usage / "*.jsonl", "memory://ingested", "--json").ok().json
    assert (said["read"], said["accepted"], said["duplicate"]) == (3 + 3 + 1, 3 + 1, 3)
