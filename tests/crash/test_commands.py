"""Each command of the registry is known to be killed, or to change no ledger."""

from __future__ import annotations

from collections.abc import Iterator

import click

from ledger.cli import COMMANDS, cli
from ledger.library import Ledger
from tests.crash.script import READING, STEPS


def command_names(group: click.Group, *parents: str) -> Iterator[str]:
    """The names of all commands, as they are given on the command line."""
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        if isinstance(command, click.Group):
            yield from command_names(command, *parents, name)
        else:
            yield " ".join([*parents, name])


def test_each_command_that_writes_is_killed() -> None:
    names, killed = set(command_names(cli)), {step.command for step in STEPS if not step.is_of_library}
    assert {name.split()[0] for name in names} == set(COMMANDS)
    assert killed <= names
    assert not killed & READING
    missing = sorted(names - killed - READING)
    assert not missing, f"add a step of each to STEPS, or to READING where it changes no ledger: {missing}"


def test_each_way_of_the_library_to_record_is_killed() -> None:
    recording = {name for name in vars(Ledger) if "record" in name and not name.startswith("_")}
    killed = {step.command.removeprefix("Ledger.") for step in STEPS if step.is_of_library}
    assert recording - killed == {"arecord"}, "arecord is record, awaited; add a step of each other to STEPS"
