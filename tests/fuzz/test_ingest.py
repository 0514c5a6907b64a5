"""Damaged usage in each input format: nothing else is booked, nothing else is lost, no content gets through."""

from __future__ import annotations

import random
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ledger.config import Config
from ledger.intake.labels import Resolver, RunOptions
from ledger.intake.portions.fast_lines import OrdinaryLines
from ledger.intake.portions.portion import LineFacts, Portion, portions
from tests.conftest import Cli, Outcome, close_connections
from tests.fuzz.conftest import Fuzz
from tests.fuzz.files import UsageFile, array_file, compressed, events_file, lines_file, table_file
from tests.fuzz.mutations import MARK, damage
from tests.fuzz.oracle import Row
from tests.helpers import ledgers
from tests.helpers.sources import source

Make = Callable[[random.Random, str, str], UsageFile]
FORMATS: dict[str, tuple[str, Make]] = {
    "responses": ("responses", lines_file),
    "chat": ("chat", lines_file),
    "envelope": ("envelope", lines_file),
    "records": ("records", lines_file),
    "litellm": ("litellm", lines_file),
    "otel": ("otel", lines_file),
    "anthropic": ("anthropic", lines_file),
    "gemini": ("gemini", lines_file),
    "bedrock": ("bedrock", lines_file),
    "responses array": ("responses", array_file),
    "chat array": ("chat", array_file),
    "envelope array": ("envelope", array_file),
    "gemini array": ("gemini", array_file),
    "sse": ("sse", events_file),
    "records table": ("records", table_file),
}
BOOKED = """
    SELECT request_id, status, input_tokens, cached_input_tokens, output_tokens, reasoning_tokens, storage_tokens,
        amount_nano
    FROM usage_records JOIN charges ON charges.usage_record_id = usage_records.id"""
FATES = ("accepted", "duplicate", "conflict", "rejected", "pending")


def booked(url: str) -> list[Row]:
    return [Row(found[0], found[1], found[2:6], found[6], found[7]) for found in ledgers.rows(url, BOOKED)]


def ingest(cli: Cli, url: str, read_as: str) -> Any:
    """Ingests the file `usage`: it ends as the contract says, and shows nothing of the content."""
    outcome: Outcome = cli("ingest", "usage", "--input-format", read_as, "--json", env={"TOLLBOOK_DB": url})
    told = outcome.json
    assert told["read"] == sum(told[name] for name in FATES)
    assert outcome.exit_code == (3 if told["rejected"] or told["conflict"] else 0)
    for text in (outcome.stdout, outcome.stderr):
        assert MARK not in text
        assert "\x1b" not in text
    return told


def check(cli: Cli, url: str, made: UsageFile, read_as: str) -> None:
    """Ingests the file twice; `made` says what must and what may be booked."""
    Path("usage").write_bytes(made.data)
    before = set(booked(url))
    first = ingest(cli, url, read_as)
    rows = booked(url)
    assert len(rows) == len(set(rows)) == len(before) + first["accepted"]
    made.deny(set(rows) - before - made.possible, "booked, and not as the oracle reads it")
    made.deny(made.sure - set(rows), "lost")
    again = ingest(cli, url, read_as)
    assert again["accepted"] == 0
    assert again["duplicate"] == first["accepted"] + first["duplicate"]
    same = ("read", "conflict", "rejected", "pending", "ignored")
    assert [again[name] for name in same] == [first[name] for name in same]
    assert sorted(booked(url), key=repr) == sorted(rows, key=repr)


@pytest.fixture
def new_ledger(sqlite_template: Path, tmp_path: Path) -> Callable[[], str]:
    def make() -> str:
        close_connections()
        for path in tmp_path.glob("tollbook.db*"):
            path.unlink()
        shutil.copyfile(sqlite_template, tmp_path / "tollbook.db")
        return f"sqlite:///{tmp_path / 'tollbook.db'}"

    return make


@pytest.mark.parametrize("name", FORMATS)
def test_what_is_damaged_costs_nothing_else(fuzz: Fuzz, cli: Cli, new_ledger: Callable[[], str], name: str) -> None:
    form, make = FORMATS[name]

    def one_round(chance: random.Random) -> None:
        read_as = chance.choice([form, "auto"])
        made = make(chance, form, read_as)
        made.data = compressed(chance, made.data)
        url = new_ledger()
        check(cli, url, made, read_as)
        assert MARK.encode() not in ledgers.database_files(url)

    fuzz(4, one_round)


def test_the_same_on_postgres(fuzz: Fuzz, cli: Cli, postgres_url: str) -> None:
    def one_round(chance: random.Random) -> None:
        for form, make in FORMATS.values():
            check(cli, postgres_url, make(chance, form, form), form)

    fuzz(1, one_round)
    assert MARK.encode() not in ledgers.database_files(postgres_url)
    cli("verify", env={"TOLLBOOK_DB": postgres_url}).ok()


@pytest.mark.parametrize("name", FORMATS)
def test_a_file_damaged_as_a_whole(fuzz: Fuzz, cli: Cli, new_ledger: Callable[[], str], name: str) -> None:
    """Bytes of it, compressed or not: what is booked is priced rightly, and repeating it changes nothing."""
    form, make = FORMATS[name]

    def one_round(chance: random.Random) -> None:
        read_as = chance.choice([form, "auto"])
        made = make(chance, form, read_as)
        plain = compressed(chance, made.data)
        Path("usage").write_bytes(damage(chance, plain))
        url = new_ledger()
        first = ingest(cli, url, read_as)
        rows = booked(url)
        assert len(rows) == first["accepted"]
        assert MARK.encode() not in ledgers.database_files(url)
        assert ingest(cli, url, read_as)["accepted"] == 0
        assert booked(url) == rows
        cli("verify", env={"TOLLBOOK_DB": url}).ok()

    fuzz(2, one_round)


def read_portions(data: bytes, read_as: str) -> tuple[list[LineFacts], Portion]:
    """All rows; and all that is held back, and the counts."""
    rows, whole = list[LineFacts](), Portion()
    for portion in portions(source(data), read_as, Resolver(RunOptions(), Config())):
        rows += portion.rows()
        whole.held += portion.held
        whole.rejected += portion.rejected
        whole.pending += portion.pending
    return rows, whole


def test_the_fast_way_and_the_general_way_agree(fuzz: Fuzz, monkeypatch: pytest.MonkeyPatch) -> None:
    def one_round(chance: random.Random) -> None:
        read_as = chance.choice(["responses", "auto"])
        data = lines_file(chance, "responses", read_as).data
        fast_rows, fast = read_portions(data, read_as)
        with monkeypatch.context() as patched:
            patched.setattr(OrdinaryLines, "read", lambda _self, _chunk: None)
            general_rows, general = read_portions(data, read_as)
        # A key twice that decides nothing is passed over by the fast way alone.
        lenient = {held.line for held in general.held if held.reason == "duplicate_key"}
        lenient &= {row.line for row in fast_rows}
        by_line = {row.line: row for row in general_rows}
        whys = {held.line: held.reason for held in general.held}
        for row in fast_rows:
            assert row.line in lenient or by_line.pop(row.line, None) == row, (row, whys.get(row.line))
        assert not by_line
        assert fast.held == [held for held in general.held if held.line not in lenient]
        assert (fast.rejected + len(lenient), fast.pending) == (general.rejected, general.pending)

    fuzz(20, one_round)
