"""The log's signed-off head: a cut-off tail and a rewritten ledger are named by it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.audit.test_log import TOP_UP
from tests.conftest import Cli
from tests.helpers.ledgers import tamper, value


@pytest.fixture
def signed(db_cli: Cli, tmp_path: Path) -> Path:
    """The head of a ledger with three top-ups."""
    for reference in "ABC":
        db_cli(*TOP_UP, reference).ok()
    db_cli("verify", "--head", "head.json").ok()
    return tmp_path / "head.json"


def test_a_head_is_written_and_the_newer_one_replaces_it(db_cli: Cli, db_url: str, signed: Path) -> None:
    first = json.loads(signed.read_text())
    assert list(first) == ["schema", "sequence", "digest", "at", "ledger"]
    assert (first["schema"], first["sequence"]) == (1, 4)
    assert first["digest"] == value(db_url, "SELECT digest FROM log_entries WHERE id = 4")
    db_cli(*TOP_UP, "D").ok()
    found = db_cli("verify", "--head", "head.json", "--json").ok().json
    assert json.loads(signed.read_text())["sequence"] == 5
    assert found["head"] == {key: json.loads(signed.read_text())[key] for key in ("sequence", "digest")}


def cut_off(url: str, table: str, number: int) -> None:
    """The last entry goes, together with its row."""
    tamper(url, f"DELETE FROM {table} WHERE id = {number}", "DELETE FROM log_entries WHERE id = 4")


def test_a_cut_off_tail_is_named_and_the_head_is_left(db_cli: Cli, db_url: str, signed: Path) -> None:
    before = signed.read_bytes()
    cut_off(db_url, "wallet_moves", 3)
    db_cli("verify").ok()  # the rest is sound in itself
    outcome = db_cli("verify", "--head", "head.json")
    assert outcome.exit_code == 1
    assert outcome.stderr == "Problem: log entry 4: was signed off and is missing: the log ends with 3\n"
    assert signed.read_bytes() == before


def test_a_rewritten_ledger_is_named(db_cli: Cli, db_url: str, signed: Path) -> None:
    cut_off(db_url, "wallet_moves", 3)
    db_cli(*TOP_UP, "other").ok()
    db_cli(*TOP_UP, "more").ok()
    db_cli("verify").ok()
    outcome = db_cli("verify", "--head", "head.json")
    assert outcome.exit_code == 1
    assert outcome.stderr == ("Problem: log entry 4: isn't the one that was signed off: the ledger was rewritten\n")


def test_no_head_is_written_of_what_isn_t_sound(db_cli: Cli, db_url: str, tmp_path: Path) -> None:
    tamper(db_url, "UPDATE log_entries SET actor = 'eve'")
    assert db_cli("verify", "--head", "head.json").exit_code == 1
    assert not (tmp_path / "head.json").exists()


@pytest.mark.parametrize(
    "content",
    ["", "{", "[]", '{"schema":2}', '{"schema":1,"sequence":0,"digest":"","at":"","ledger":""}', "\x00", '"x"'],
)
def test_a_damaged_head_is_refused(db_cli: Cli, signed: Path, content: str) -> None:
    signed.write_text(content)
    outcome = db_cli("verify", "--head", "head.json")
    assert (outcome.exit_code, outcome.stdout) == (2, "")
    assert "--head head.json: " in outcome.stderr
    assert "nothing was checked" in outcome.stderr
    assert signed.read_text() == content


def test_a_head_is_of_the_whole_ledger_and_needs_a_place(db_cli: Cli) -> None:
    assert "leave --month out" in db_cli("verify", "--head", "h", "--month", "2026-02").stderr
    assert db_cli("verify", "--head", "no/folder/h").exit_code == 2
