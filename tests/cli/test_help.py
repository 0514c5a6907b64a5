"""Help, completion and configuration, as a stranger meets them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from ledger.cli import cli as root
from ledger.config import Config, load_config
from tests.conftest import Cli
from tests.helpers.pages import CONFIGURATION, code_under


def commands(command: click.Command, name: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    yield name
    if isinstance(command, click.Group):
        context = click.Context(command)
        for part in command.list_commands(context):
            below = command.get_command(context, part)
            assert below is not None
            yield from commands(below, (*name, part))


NAMES = list(commands(root))
GROUPS = sorted({name[:-1] for name in NAMES if name})
NARROW = {"COLUMNS": "80"}


@pytest.mark.parametrize("name", NAMES[1:], ids=" ".join)
def test_every_help_is_readable(cli: Cli, name: tuple[str, ...]) -> None:
    shown = cli(*name, "--help", env=NARROW).ok().stdout
    assert f"  tollbook {' '.join(name)}" in shown.partition("Example")[2]
    assert not re.search(r"\d{9}|RANGE|INTEGER", shown.partition("Example")[0])
    # What an exit code means is said once, in the first help.
    assert not re.search(r"(?i)\bexits? (with )?(codes? )?\d", shown)


@pytest.mark.parametrize("name", GROUPS, ids=" ".join)
def test_a_group_has_its_commands_on_a_line_each(cli: Cli, name: tuple[str, ...]) -> None:
    shown = cli(*name, "--help", env=NARROW).ok().stdout.splitlines()
    below = [each[-1] for each in NAMES if each and each[:-1] == name]
    assert [line for line in shown if line.endswith("...") and "Usage" not in line] == []
    for command in below:
        [place] = [number for number, line in enumerate(shown) if re.match(rf"  {command}  +\S", line)]
        assert len(shown[place]) <= 80
        assert re.match(r"$|  \S", shown[place + 1]), f"{command} takes more than a line"


def test_the_first_help_is_by_what_people_do(cli: Cli) -> None:
    shown = cli("--help", env=NARROW).ok().stdout
    sections = re.findall(r"^(\S.*):$", shown, re.MULTILINE)
    assert sections == [
        "Options", "Record", "Look", "Estimate", "Correct and close", "Check", "Prices and credits", "Set up",
    ]  # fmt: skip
    assert re.findall(r"^    (\d)  \S", shown, re.MULTILINE) == ["0", "1", "2", "3"]


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("reprot", "No such command 'reprot'. Did you mean 'report'?"),
        ("Report --by model", "No such command 'Report'. Did you mean 'report', which differs in case alone?"),
        ("rates lst", "No such command 'lst'. Did you mean 'list'?"),
        ("rates conversion ad --per-usd 1", "No such command 'ad'. Did you mean 'add'?"),
        ("comment githb", "No such command 'githb'. Did you mean 'github'?"),
        ("xyzzy", "No such command 'xyzzy'."),
        ("report --projct search", "No such option '--projct'. Did you mean '--project'?"),
        ("rates --hlp", "No such option '--hlp'. Did you mean '--help'?"),
        ("batches --limit 0", "Invalid value for '--limit': 0 is not in the range x>=1."),
        ("batches --limit 9223372036854775808", "'--limit': it is past 2**63 - 1, the largest count: give less"),
    ],
)
def test_a_mistake_on_the_line_is_told_with_what_was_likely_meant(cli: Cli, line: str, words: str) -> None:
    outcome = cli(*line.split())
    assert (outcome.exit_code, outcome.stdout) == (2, "")
    assert outcome.stderr.splitlines()[-1].endswith(words)


def test_the_page_shows_the_configurations_defaults(tmp_path: Path) -> None:
    shown = code_under(CONFIGURATION, "The defaults", "toml") + code_under(CONFIGURATION, "Projects by rule", "toml")
    (tmp_path / "tollbook.toml").write_text(shown)
    found = load_config(tmp_path)
    default = Config().ledger
    assert (found.ledger.provider, found.ledger.timezone) == (default.provider, default.timezone)
    assert (found.ledger.keep_tags, found.ledger.rollup_tags) == (default.keep_tags, default.rollup_tags)
    assert [rule.project for rule in found.project_rules] == ["search"]
