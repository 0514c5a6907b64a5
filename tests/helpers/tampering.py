"""Changes of a ledger's schema behind its back, written down as text, and what `db check` has to say of them."""

from __future__ import annotations

import re
from typing import NamedTuple

from tests.conftest import Cli


class Tampering(NamedTuple):
    """Statements and the problem to be named, with … for any words."""

    name: str
    statements: list[str]
    problem: str

    def __str__(self) -> str:
        return self.name


def tamperings(text: str) -> list[Tampering]:
    """Reads blocks of a name, indented statements with ; between them, and `=>` the problem."""
    return [_tampering(block) for block in text.strip().split("\n\n")]


def _tampering(block: str) -> Tampering:
    name, rest = block.split("\n", 1)
    statements, problem = rest.split("\n  => ")
    return Tampering(name, [" ".join(part.split()) for part in re.split(r";\n  (?! )", statements)], problem)


def assert_named(cli: Cli, url: str, problem: str) -> None:
    """The check fails, and one of its lines names the problem."""
    outcome = cli("db", "check", "--db", url)
    assert outcome.exit_code == 1, outcome
    assert outcome.stdout == ""
    lines = outcome.stderr.splitlines()
    assert all(line.startswith("Problem: ") for line in lines), lines
    pattern = ".*".join(map(re.escape, problem.split(" … ")))
    assert any(re.search(pattern, line) for line in lines), lines
