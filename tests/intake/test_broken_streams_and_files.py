"""What a hostile tester broke: closed and full streams, a damaged file, an empty --db, a blank before a formula."""

from __future__ import annotations

import json
import sqlite3
import subprocess
from contextlib import closing
from pathlib import Path

import pytest

from ledger.values.safe_csv import guard
from tests.conftest import Cli
from tests.helpers.sources import lines, response


@pytest.mark.parametrize("command", ["report", "export charges --json", "ingest usage.jsonl --json"])
def test_a_closed_standard_output_is_one_line_and_nothing_is_recorded(
    command: str, console_script: Path, tmp_path: Path
) -> None:
    (tmp_path / "usage.jsonl").write_text(lines([response("r1")]))
    done = subprocess.run(
        ["sh", "-c", f'exec "$0" {command} >&-', str(console_script)], cwd=tmp_path, capture_output=True, check=False
    )
    assert done.returncode == 2
    assert done.stderr.decode().startswith("Error: standard output is closed")
    assert not (tmp_path / "tollbook.db").exists()


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
@pytest.mark.parametrize("line", ["--help", "--version", "report --help"])
def test_help_onto_a_full_disk_is_one_line(line: str, console_script: Path, tmp_path: Path) -> None:
    done = subprocess.run(
        ["sh", "-c", f'exec "$0" {line} >/dev/full', str(console_script)],
        cwd=tmp_path,
        capture_output=True,
        check=False,
    )
    assert (done.returncode, done.stderr.decode()) == (2, "Error: input or output: No space left on device\n")


def test_words_of_sqlite_that_can_not_be_decoded_are_one_line(cli: Cli, tmp_path: Path) -> None:
    """SQLite names the part of a damaged schema it can't read, and the bytes of that name need not be text."""
    cli("db", "init").ok()
    with closing(sqlite3.connect(tmp_path / "tollbook.db")) as connection:
        connection.execute("PRAGMA writable_schema = ON")
        damage = "UPDATE sqlite_master SET name = CAST(x'ffd7' AS TEXT), sql = 'CREATE TABEL x' WHERE name = 'charges'"
        connection.execute(damage)
        connection.commit()
    outcome = cli("report")
    assert (outcome.exit_code, outcome.stdout) == (2, "")
    assert outcome.stderr.startswith("Error: tollbook.db can't be opened: ")


def test_a_stream_recorded_whole_settles_its_cut_off_capture(db_cli: Cli) -> None:
    events = [
        {"type": f"response.{kind}", "response": response("r1") | {"status": kind}} for kind in ("created", "completed")
    ]
    cut, whole = (f"data: {json.dumps(event)}\n\n" for event in events)
    held = db_cli("ingest", "-", "--input-format", "sse", "--json", stdin=cut)
    assert (held.exit_code, held.json["rejections"][0]["reason"]) == (3, "no_terminal_event")
    other = db_cli("ingest", "-", "--source", "other", "--json", stdin=cut + whole)
    assert other.json["accepted"] == 1
    assert len(db_cli("quarantine", "list", "--json").ok().json["entries"]) == 1
    db_cli("ingest", "-", stdin=cut + whole).ok()
    assert db_cli("quarantine", "list", "--json").ok().json["entries"] == []
    (settled,) = db_cli("quarantine", "list", "--state", "resolved", "--json").ok().json["entries"]
    assert settled["resolution"] == "the request was recorded with its usage"


@pytest.mark.parametrize("empty", ["", " "])
def test_an_empty_db_is_refused_rather_than_taken_for_none(cli: Cli, tmp_path: Path, empty: str) -> None:
    outcome = cli("ingest", "-", "--db", empty, stdin=lines([response("r1")]))
    assert (outcome.exit_code, list(tmp_path.iterdir())) == (2, [])
    assert "--db is empty" in outcome.stderr


@pytest.mark.parametrize(("text", "cell"), [(" =1+1", "' =1+1"), ("  @sum", "'  @sum"), (" a=1", " a=1"), (" ", " ")])
def test_a_blank_before_a_formula_does_not_hide_it(text: str, cell: str) -> None:
    assert guard(text) == cell
