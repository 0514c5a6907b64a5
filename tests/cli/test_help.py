"""Help, completion and configuration, as a stranger meets them."""

from __future__ import annotations

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


@pytest.mark.parametrize("name", [name for name in commands(root) if name], ids=" ".join)
def test_every_command_shows_an_example(cli: Cli, name: tuple[str, ...]) -> None:
    shown = cli(*name, "--help").ok().stdout
    assert f"  tollbook {' '.join(name)}" in shown.partition("Example")[2]


def test_commands_are_completed(script: Cli) -> None:
    completion = {"_TOLLBOOK_COMPLETE": "bash_complete", "COMP_WORDS": "tollbook rep", "COMP_CWORD": "1"}
    assert script(env=completion).stdout.split() == ["plain,reprice", "plain,report"]


def test_the_page_shows_the_configurations_defaults(tmp_path: Path) -> None:
    shown = code_under(CONFIGURATION, "The defaults", "toml") + code_under(CONFIGURATION, "Projects by rule", "toml")
    (tmp_path / "tollbook.toml").write_text(shown)
    found = load_config(tmp_path)
    default = Config().ledger
    assert (found.ledger.provider, found.ledger.timezone) == (default.provider, default.timezone)
    assert (found.ledger.keep_tags, found.ledger.rollup_tags) == (default.keep_tags, default.rollup_tags)
    assert [rule.project for rule in found.project_rules] == ["search"]
