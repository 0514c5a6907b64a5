"""The command line as a whole: which ledger it works on, exit codes, quiet ends, and wrong options in one line."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner

from ledger.cli import cli as root
from tests.conftest import Cli, close_connections, command_environment
from tests.helpers.ledgers import requests_and_credits, responses, value
from tests.helpers.sources import lines, response

# --- which ledger ---------------------------------------------------------------------------------------------------


def test_the_option_beats_the_variable_beats_the_configuration_beats_the_default(cli: Cli, tmp_path: Path) -> None:
    def ledgers() -> set[str]:
        return {path.name for path in tmp_path.glob("*.db")}

    made = {"stdin": responses([1])}
    cli("ingest", "-", **made).ok()
    assert ledgers() == {"tollbook.db"}
    (tmp_path / "tollbook.toml").write_text('[ledger]\ndb = "configured.db"\n')
    cli("ingest", "-", **made).ok()
    assert ledgers() == {"tollbook.db", "configured.db"}
    variable = {"TOLLBOOK_DB": "sqlite:///variable.db"}
    cli("ingest", "-", **made, env=variable).ok()
    assert ledgers() == {"tollbook.db", "configured.db", "variable.db"}
    cli("ingest", "-", "--db", "option.db", **made, env=variable).ok()
    assert ledgers() == {"tollbook.db", "configured.db", "variable.db", "option.db"}
    assert cli("status", "--json", env=variable).ok().json["database"].endswith("variable.db")


@pytest.mark.parametrize(
    "command",
    [["report"], ["status"], ["quarantine", "list"], ["rates", "conversion", "list"], ["db", "check"]],
    ids=" ".join,
)
def test_the_database_may_stand_anywhere_on_the_line(cli: Cli, tmp_path: Path, command: list[str]) -> None:
    cli("ingest", "-", "--db", "book.db", stdin=responses([1])).ok()
    for place in range(len(command) + 1):
        cli(*command[:place], "--db", "book.db", *command[place:]).ok()
    # The last one given holds.
    cli("--db", "other.db", *command, "--db", "book.db").ok()
    assert [path.name for path in tmp_path.glob("*.db")] == ["book.db"]


def test_a_reading_command_works_from_a_ledger_that_is_elsewhere(cli: Cli, tmp_path: Path) -> None:
    folder = tmp_path / "a folder"
    folder.mkdir()
    cli("ingest", "-", "--db", folder / "book.db", stdin=responses([1])).ok()
    for spelled in (f"sqlite:///{folder}/book.db", "a folder/book.db", "sqlite:///a folder/book.db"):
        assert cli("status", "--json", "--db", spelled).ok().json["requests"] == 1


# --- exit codes -----------------------------------------------------------------------------------------------------


def test_exit_codes_tell_done_failed_wrong_and_held_back(cli: Cli, sqlite_url: str) -> None:
    good, bad = responses([1]), lines([response("x", model="unheard-of")])
    assert cli("ingest", "-", stdin=good).exit_code == 0
    assert cli("ingest", "-", "--strict", stdin=bad).exit_code == 1
    assert cli("ingest", "-", "--nonsense", stdin=good).exit_code == 2
    assert cli("ingest", "-", stdin=bad).exit_code == 3
    assert cli("ingest", "-", "--allow-rejected", "1", stdin=bad).exit_code == 0
    assert cli("nonsense").exit_code == 2
    assert cli("--version").exit_code == 0
    assert cli("quarantine", "retry").exit_code == 3


def test_data_alone_goes_to_standard_output(cli: Cli, sqlite_url: str) -> None:
    outcome = cli("ingest", "-", "--json", stdin=responses(range(3)) + "{\n")
    assert json.loads(outcome.stdout)["schema"] == 1
    assert outcome.stdout.count("\n") == 1
    for command in (["report"], ["batches"], ["status"], ["verify"], ["quarantine", "list"], ["rates", "list"]):
        assert json.loads(cli(*command, "--json").stdout)["schema"] == 1


# --- quiet ends -----------------------------------------------------------------------------------------------------


@pytest.fixture
def big(cli: Cli, sqlite_url: str) -> None:
    """Far more charge lines than a pipe holds."""
    cli("ingest", "-", stdin=responses(range(600))).ok()


@pytest.mark.parametrize(
    "command",
    [
        ["export", "charges"],
        ["export", "charges", "--json"],
        ["report", "--by", "day", "--by", "model", "--by", "project", "--by", "status"],
        ["--help"],
        ["verify", "--json"],
    ],
    ids=" ".join,
)
def test_a_reader_that_goes_away_ends_a_command_as_done(
    big: None, console_script: Path, tmp_path: Path, command: list[str]
) -> None:
    process = subprocess.Popen(
        [str(console_script), *command],
        cwd=tmp_path, env=command_environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.close()
    told = process.stderr.read().decode()
    process.stderr.close()
    assert process.wait(timeout=60) == 0
    assert [line for line in told.splitlines() if not line.startswith("Note: ")] == []


@pytest.mark.parametrize("format_name", ["table", "json", "markdown", "junit"])
@pytest.mark.parametrize(("limit", "exit_code"), [("0.000001usd", 1), ("1usd", 0)])
def test_a_gate_that_failed_still_does_where_the_reader_goes_away(
    console_script: Path, tmp_path: Path, limit: str, exit_code: int, format_name: str
) -> None:
    options = ("--model", "doubao-seed-2.0-code", "--output-tokens", "1", "--fail-over", limit, "--format", format_name)
    (tmp_path / "prompt.txt").write_text("hello")
    process = subprocess.Popen(
        [str(console_script), "estimate", "prompt.txt", *options],
        cwd=tmp_path, env=command_environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.close()
    told = process.stderr.read().decode()
    process.stderr.close()
    assert process.wait(timeout=60) == exit_code
    assert [line for line in told.splitlines() if not line.startswith("Note: ")] == []


@pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")
def test_ctrl_c_ends_an_ingest_without_a_word_and_keeps_what_is_recorded(
    cli: Cli, sqlite_url: str, console_script: Path, tmp_path: Path
) -> None:
    (tmp_path / "other.jsonl").write_text(responses(range(5, 9)))
    process = subprocess.Popen(
        [str(console_script), "ingest", "other.jsonl", "-"],
        cwd=tmp_path, env=command_environment(), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    # It waits for standard input once the file is recorded.
    for _ in range(600):
        if value(sqlite_url, "SELECT count(*) FROM usage_records") == 4:
            break
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert (process.returncode, out, err) == (130, b"", b"")
    assert requests_and_credits(cli)[0] == 4
    cli("verify").ok()


# --- wrong options --------------------------------------------------------------------------------------------------

ODD = ("", " ", "-1", "9" * 30, "1e3", "\udcff", "x" * 5_000, "\x1b[31m", "2026-13-99", "é=ü", "/", "=", "%s")
# What makes a command go as far as it can with the option under test.
ENOUGH = {
    "price": ["--model", "doubao-seed-2.0-pro", "--input-tokens", "1"],
    "ingest": ["usage.jsonl"],
    "reassign": ["--project", "a", "--to", "b"],
    "void": ["--id", "resp_000001", "--dry-run"],
    "rates show": ["doubao-seed-2.0-pro"],
    "rates add": ["card.toml"],
    "rates conversion add": ["--per-usd", "72", "--from", "2026-02-01"],
    "quarantine show": ["1"],
    "quarantine accept": ["1"],
    "quarantine discard": ["1", "--reason", "r"],
    "db rollups": ["--none"],
}


def commands(command: click.Command, name: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    if isinstance(command, click.Group):
        context = click.Context(command)
        for part in command.list_commands(context):
            below = command.get_command(context, part)
            assert below is not None
            yield from commands(below, (*name, part))
    else:
        yield name, command


def options() -> Iterator[tuple[tuple[str, ...], str]]:
    """Each option that takes a value, with the words that call its command."""
    for name, command in commands(root):
        for parameter in command.params:
            if isinstance(parameter, click.Option) and not parameter.is_flag and parameter.name != "output_path":
                yield name, parameter.opts[0]


@pytest.fixture(scope="session")
def prepared_ledger(tmp_path_factory: pytest.TempPathFactory, sqlite_template: Path) -> Path:
    """A SQLite ledger of two requests and one line in quarantine, made once and copied."""
    path = tmp_path_factory.mktemp("prepared") / "tollbook.db"
    shutil.copyfile(sqlite_template, path)
    usage = responses(range(2)) + "{\n"
    made = CliRunner().invoke(root, ["ingest", "-", "--db", str(path), "--allow-rejected", "1"], input=usage)
    assert made.exit_code == 0, made.output
    close_connections()
    return path


@pytest.fixture
def prepared(tmp_path: Path, prepared_ledger: Path) -> None:
    """A copy of the prepared ledger in the test's folder, with usage to ingest and a card to add beside it."""
    shutil.copyfile(prepared_ledger, tmp_path / "tollbook.db")
    (tmp_path / "usage.jsonl").write_text(responses([1]))
    (tmp_path / "card.toml").write_text('provider = "x"\ncurrency = "USD"\nper_tokens = 1\n')


@pytest.mark.long
@pytest.mark.parametrize(
    ("name", "option"), list(options()), ids=lambda value: value if isinstance(value, str) else " ".join(value)
)
def test_no_value_of_any_option_ends_in_a_traceback(
    cli: Cli, prepared: None, name: tuple[str, ...], option: str
) -> None:
    for odd in ODD:
        outcome = cli(*name, option, odd, *ENOUGH.get(" ".join(name), []))
        assert outcome.exit_code in (0, 1, 2, 3), (odd, outcome)
        assert "\x1b" not in outcome.stdout + outcome.stderr


ARGUMENTS: list[list[str]] = [
    ["quarantine", "show", "{}"], ["quarantine", "retry", "{}"], ["quarantine", "accept", "{}"],
    ["quarantine", "discard", "{}", "--reason", "r"], ["rates", "show", "{}"], ["rates", "add", "{}"],
    ["ingest", "{}"], ["report", "{}"], ["{}"], ["export", "{}"], ["rates", "{}"],
]  # fmt: skip


@pytest.mark.parametrize("command", ARGUMENTS, ids=" ".join)
def test_no_argument_ends_in_a_traceback(cli: Cli, prepared: None, command: list[str]) -> None:
    for odd in ODD:
        outcome = cli(*(word.format(odd) for word in command))
        assert outcome.exit_code in (0, 2), (odd, outcome)
        assert "\x1b" not in outcome.stdout + outcome.stderr


def test_output_that_can_not_be_written_is_one_line(cli: Cli, tmp_path: Path, sqlite_url: str) -> None:
    for odd in ("", "/nowhere/x.csv", ".", "x" * 300 + ".csv", "report.ods"):
        outcome: Any = cli("report", "--output", odd)
        assert (outcome.exit_code, outcome.stdout, outcome.stderr.count("\n")) == (2, "", 1)
    assert [path.name for path in tmp_path.iterdir() if not path.name.startswith("tollbook.db")] == []
