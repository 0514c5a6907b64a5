"""Large files read by a process of their own come out as they do in one process."""

from __future__ import annotations

import gzip
import json
import multiprocessing
import pickle
from codecs import BOM_UTF8
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pytest

from ledger.config import Config
from ledger.errors import LedgerError
from ledger.intake.containers.source import open_source
from ledger.intake.labels import Resolver, RunOptions
from ledger.intake.portions import read_ahead as ahead
from ledger.intake.portions.portion import Portion, portions
from tests.conftest import Cli
from tests.helpers.ledgers import responses
from tests.helpers.sources import AT, lines, record, response

OPTIONS = RunOptions(project="search", tags={"env": "prod"})


def usage_file(folder: Path) -> Path:
    path = folder / "usage.jsonl"
    odd = lines([record("r1"), response("r2", usage=None), response("r3", status="queued"), {"what": "is this"}])
    path.write_text(responses(range(50)) + odd + "{broken\n" + responses(range(50, 60)))
    return path


def told(portion: Portion) -> tuple[Any, ...]:
    return (portion.rows(), portion.held, portion.rejected, portion.pending, portion.ignored)


@pytest.mark.parametrize("input_format", ["auto", "responses"])
def test_the_other_process_reads_the_same(tmp_path: Path, input_format: str) -> None:
    path = str(usage_file(tmp_path))
    with open_source(path) as source:
        here = list(portions(source, input_format, Resolver(OPTIONS, Config())))
    with open_source(path) as source:
        there = list(ahead.PortionsAhead(source, input_format, OPTIONS, Config()))
    assert [told(portion) for portion in there] == [told(portion) for portion in here]
    assert sum(len(portion.lines) for portion in here) >= 60
    assert sum(portion.rejected for portion in here) >= 2
    assert here[-1].bytes_read == there[-1].bytes_read == Path(path).stat().st_size
    assert input_format != "auto" or sum(portion.pending for portion in here) == 1


def test_what_the_system_refuses_to_the_other_process_is_told(tmp_path: Path) -> None:
    path = usage_file(tmp_path)
    source = open_source(str(path))
    path.unlink()
    with source, pytest.raises(LedgerError, match="No such file"):
        list(ahead.PortionsAhead(source, "auto", OPTIONS, Config()))


def test_a_reader_that_is_no_longer_wanted_ends(tmp_path: Path) -> None:
    with open_source(str(usage_file(tmp_path))) as source:
        found = ahead.PortionsAhead(source, "auto", OPTIONS, Config())
        first = next(found)
        found.close()
    assert first.lines
    assert not multiprocessing.active_children()


def test_nothing_is_read_on_where_the_ledger_cant_be_opened(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cli: Cli
) -> None:
    monkeypatch.setattr(ahead, "WORTHWHILE_BYTES", 1)
    monkeypatch.setattr("os.cpu_count", lambda: 2)
    started = Mock(wraps=ahead.PortionsAhead)
    monkeypatch.setattr("ledger.intake.files.PortionsAhead", started)
    assert cli("ingest", "--db", str(tmp_path), str(usage_file(tmp_path))).exit_code == 2
    assert started.call_count == 1
    assert not multiprocessing.active_children()


def test_only_large_plain_files_are_worth_a_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = usage_file(tmp_path)
    with open_source(str(path)) as source:
        assert not ahead.is_worthwhile(source)
        monkeypatch.setattr(ahead, "WORTHWHILE_BYTES", path.stat().st_size)
        monkeypatch.setattr("os.cpu_count", lambda: 2)
        assert ahead.is_worthwhile(source)
        monkeypatch.setattr("os.cpu_count", lambda: 1)
        assert not ahead.is_worthwhile(source)


def test_a_line_of_json_survives_the_way_between_processes(tmp_path: Path) -> None:
    path = tmp_path / "one.jsonl"
    path.write_text(json.dumps(response("資源-1", metadata={"team": "搜索"}), ensure_ascii=False) + "\n")
    with open_source(str(path)) as source:
        [portion] = ahead.PortionsAhead(source, "auto", OPTIONS, Config())
    assert portion.rows()[0].facts.request_id == "資源-1"
    assert json.loads(portion.rows()[0].facts.tags) == {"env": "prod", "team": "搜索"}


def read_ahead(path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Portion]:
    """Portions that the other process sent, in this one so that sizes can be set."""
    monkeypatch.setattr("ledger.intake.containers.lines.CHUNK_LINES", 7)
    sent: list[Any] = []
    ahead._read(Mock(send=sent.append), str(path), "auto", OPTIONS, Config())
    assert sent.pop() is None
    return sent


@pytest.mark.parametrize("packed", [bytes, gzip.compress])
@pytest.mark.parametrize("before", [b"", BOM_UTF8])
def test_lines_are_read_again_from_their_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, before: bytes, packed: Callable[[bytes], bytes]
) -> None:
    monkeypatch.setattr("ledger.intake.containers.lines.MAX_ITEM_BYTES", 30_000)
    monkeypatch.setattr("ledger.intake.containers.source.BLOCK", 1_000)
    path = tmp_path / "usage.jsonl"
    parts = [responses(range(9)), "x" * 30_001 + "\n\n", responses(range(9, 20)).replace("\n", "\r\n"), "{broken\n"]
    text = before + "".join([*parts, responses(range(20, 30))]).encode().removesuffix(b"\n")
    path.write_bytes(packed(text))
    portions_sent = read_ahead(path, monkeypatch)
    assert all(b"created_at" not in pickle.dumps(portion) for portion in portions_sent) == (packed is bytes)
    with path.open("ab") as file:
        file.write(packed(b"more that came meanwhile\n"))
    lines = text.removeprefix(before).replace(b"\r\n", b"\n").split(b"\n")
    found = [row for portion in portions_sent for row in portion.rows()]
    assert len(found) == 30
    assert all(row.raw == lines[row.line - 1] for row in found)


def test_a_file_that_was_changed_meanwhile_is_noticed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = usage_file(tmp_path)
    first, *_others, last = read_ahead(path, monkeypatch)
    text = path.read_bytes()
    path.write_bytes(text[:100] + b"X" + text[101:-1])
    with pytest.raises(LedgerError, match="its lines from 1 on were changed since they were read"):
        first.raw(0)
    with pytest.raises(LedgerError, match="were changed"):
        last.raw(len(last.lines) - 1)


def test_a_conflict_in_a_large_file_is_known_by_its_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cli: Cli
) -> None:
    """The same entry as where one process reads the file, so that the line is counted and not added."""
    path = tmp_path / "usage.jsonl"
    path.write_text(responses(range(60)) + responses([7], created_at=AT + 1))
    assert cli("ingest", str(path)).exit_code == 3
    monkeypatch.setattr(ahead, "WORTHWHILE_BYTES", 1)
    monkeypatch.setattr("os.cpu_count", lambda: 2)
    assert cli("ingest", str(path)).exit_code == 3
    [entry] = cli("quarantine", "list", "--json").ok().json["entries"]
    assert (entry["line"], entry["seen"]) == (61, 2)
