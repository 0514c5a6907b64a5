"""Completions in a shell: names of card, ledger and configuration; nothing, and no word, where they can't be read."""

from __future__ import annotations

from pathlib import Path

import click
import pytest

from ledger.cli import cli as root
from ledger.cli.bash_words import joined_words
from ledger.cli.completion import FileName, Names
from ledger.reports.dimensions import DIMENSIONS
from tests.cli.test_help import commands
from tests.conftest import Cli
from tests.helpers.ledgers import CODE, LITE, MINI, PRO
from tests.helpers.sources import lines, record

OTHERS = {"doubao-seed-1.8", "doubao-seed-2.1-pro", "doubao-seed-2.1-turbo", "doubao-seed-evolving"}
MODELS = {CODE, LITE, MINI, PRO, *OTHERS}
KEPT_TAGS = {"tag:team", "tag:env", "tag:feature", "tag:user"}


def completed(cli: Cli, line: str, shell: str = "bash", **environment: str) -> set[str]:
    """The values offered for the last word of a line, parted by blanks as bash parts it; nothing else is printed."""
    words = line.split(" ")
    asked = {"_TOLLBOOK_COMPLETE": f"{shell}_complete", "COMP_WORDS": line, "COMP_CWORD": str(len(words) - 1)}
    outcome = cli(env=asked | environment).ok()
    assert outcome.stderr == ""
    return {line.removeprefix("plain,") for line in outcome.stdout.splitlines() if line}


@pytest.fixture
def booked(db_cli: Cli) -> Cli:
    """Usage of February and March; one project's name is a command to a shell."""
    db_cli(
        "ingest",
        "-",
        stdin=lines(
            record(f"r{number}", occurred_at=f"2026-0{number}-05T12:00:00Z", requested_model=PRO, project=name)
            for number, name in ((2, "search"), (3, "support"), (4, "$(touch made)"), (5, "two words"), (6, "--db"))
        ),
    ).ok()
    db_cli("db", "rollups", "--tag", "tenant").ok()
    return db_cli


def test_names_come_from_ledger_card_and_configuration(booked: Cli) -> None:
    Path("tollbook.toml").write_text('[ledger]\nkeep_tags = ["tier"]\n[[project]]\nid = "billing"\n')
    assert completed(booked, "tollbook report --project ") == {"search", "support", "billing"}
    assert completed(booked, "tollbook reassign --project s") == {"search", "support"}
    assert completed(booked, "tollbook adjust --month 2026-0") == {f"2026-0{number}" for number in range(2, 7)}
    assert completed(booked, "tollbook close l") == {"last"}
    assert completed(booked, "tollbook report --model doubao") == MODELS
    assert completed(booked, "tollbook report --by ") == {*DIMENSIONS, "tag:tenant", "tag:tier"}
    assert completed(booked, "tollbook export chargeback --by ") == {"project", "tag:tenant", "tag:tier"}
    assert completed(booked, "tollbook report --project nobody") == set()


def test_models_are_those_of_the_ledgers_own_cards_too(booked: Cli) -> None:
    Path("own.toml").write_text(
        'provider = "evolink"\ncurrency = "CRD"\nper_tokens = 1_000_000\n[[model]]\nid = "doubao-own"\n'
        '[[model.price]]\neffective_from = 2026-02-01\ntiers = [{ input = "1", output = "2" }]\n'
    )
    booked("rates", "add", "own.toml").ok()
    assert completed(booked, "tollbook price --model doubao-") == {*MODELS, "doubao-own"}


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_each_shell_is_answered(sqlite_url: str, cli: Cli, shell: str) -> None:
    asked = {"COMP_CWORD": "--m"} if shell == "fish" else {}
    assert "--model" in "\n".join(completed(cli, "tollbook price --m", shell, **asked))
    asked = {"COMP_CWORD": "tag:t"} if shell == "fish" else {}
    assert "tag:team" in completed(cli, "tollbook report --by tag:t", shell, **asked)


def test_without_a_ledger_there_are_no_names_and_none_is_made(cli: Cli, tmp_path: Path) -> None:
    assert completed(cli, "tollbook report --project ") == set()
    assert completed(cli, "tollbook report --month ") == {"last"}
    assert completed(cli, "tollbook price --model d") == MODELS
    assert completed(cli, "tollbook report --by tag:") == KEPT_TAGS
    assert completed(cli, "tollbook report --db other.db --project ") == set()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "url",
    [
        "damaged.db", "folder.db", "tollbook.toml", "sqlite:///nowhere/a.db", "oracle://scott:tiger@db/x", "",
        "postgresql://postgres@127.0.0.1:1/none", "postgresql://postgres@127.0.0.1:1/none?connect_timeout=2",
        "\x1b[31m",
    ],
)  # fmt: skip
def test_what_cannot_be_read_is_passed_over(cli: Cli, url: str) -> None:
    Path("damaged.db").write_bytes(b"SQLite format 3\0" + b"\xff" * 5_000)
    Path("folder.db").mkdir()
    Path("tollbook.toml").write_text("[ledger\n")
    for option in ("--project", "--model", "--month", "--by"):
        assert completed(cli, f"tollbook report {option} none", TOLLBOOK_DB=url) == set()
    assert {path.name for path in Path.cwd().iterdir()} == {"damaged.db", "folder.db", "tollbook.toml"}


def test_files_are_left_to_the_shell(cli: Cli) -> None:
    for line in ("ingest us", "estimate --config us", "report --db us", "reconcile --statement us", "report -o us"):
        assert completed(cli, f"tollbook {line}") == {"file,us"}


def test_commands_are_completed_without_a_look_into_them(script: Cli) -> None:
    asked = {"_TOLLBOOK_COMPLETE": "bash_complete", "COMP_CWORD": "1", "PYTHONPROFILEIMPORTTIME": "1"}
    outcome = script(env=asked | {"COMP_WORDS": "tollbook rep"}).ok()
    assert outcome.stdout.split() == ["plain,report", "plain,reprice"]
    assert "ledger.cli.commands" not in outcome.stderr


def test_names_of_a_file_are_read_without_the_database_library(sqlite_url: str, script: Cli) -> None:
    script("ingest", "-", stdin=lines([record("r1", requested_model=PRO, project="search")])).ok()
    asked = {"_TOLLBOOK_COMPLETE": "bash_complete", "COMP_CWORD": "3", "PYTHONPROFILEIMPORTTIME": "1"}
    for words, found in (("report --project ", "search"), ("report --model d", PRO), ("report --by da", "day")):
        outcome = script(env=asked | {"COMP_WORDS": f"tollbook {words}"}).ok()
        assert f"plain,{found}\n" in outcome.stdout
        assert "sqlalchemy" not in outcome.stderr


def test_every_option_of_such_a_name_is_completed() -> None:
    named, files = 0, 0
    for path in commands(root):
        command: click.Command = root
        for name in path:
            assert isinstance(command, click.Group)
            command = command.get_command(click.Context(command), name) or command
        for parameter in command.params:
            if {"--model", "--project", "--to", "--month", "--compare", "--by"} & set(parameter.opts):
                assert isinstance(parameter.type, Names), (path, parameter.name)
                named += 1
            if path and "FILE" in (parameter.metavar or "") and parameter.metavar != "FORMAT=FILE":
                assert isinstance(parameter.type, (FileName, click.Path)), (path, parameter.name)
                files += 1
    assert named > 15
    assert files > 15


@pytest.mark.parametrize(
    ("words", "joined"),
    [
        ("report --by tag : te", "report --by tag:te"),
        ("report --by tag :", "report --by tag:"),
        ("report --by = tag : te", "report --by tag:te"),
        ("report --project =", "report --project "),
        ("report --db sqlite : ///a.db --project s", "report --db sqlite:///a.db --project s"),
        ("report --tag team = a --by ", "report --tag team=a --by "),
        ("report --since 2026-03-01T10 : 00 : 00Z --by t", "report --since 2026-03-01T10:00:00Z --by t"),
    ],
)
def test_words_that_bash_parts_are_joined(words: str, joined: str) -> None:
    assert joined_words(words.split(" ")) == joined.split(" ")


def test_bash_is_answered_with_the_rest_of_a_parted_word(cli: Cli) -> None:
    assert completed(cli, "tollbook report --by ta") == KEPT_TAGS
    assert completed(cli, "tollbook report --by tag : te") == {"team"}
    assert completed(cli, "tollbook report --by tag :") == {"team", "env", "feature", "user"}
