"""Findings of checks: rows by table, and problems."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from ledger.cli.show.sheet import Column, Sheet
from ledger.values.safe_text import visible
from ledger.values.words import counted

if TYPE_CHECKING:
    from ledger.audit.verification import Verification


def verification_sheet(result: Verification, **more: object) -> Sheet:
    """Returns how many rows were checked; `more` goes into the document."""
    document: dict[str, object] = {
        "ok": result.passed,
        "checked": dict(result.checked),
        "problem_count": result.problem_count,
        "problems": result.problems,
        **more,
    }
    rows = [(name.replace("_", " "), count) for name, count in result.checked.items()]
    title = "Verified: all sound" if result.passed else counted(result.problem_count, "problem")
    return Sheet(title, (Column("checked"), Column("rows", "count")), rows, document=document)


def tell_problems(result: Verification) -> None:
    """Tells the first problems on standard error, each in a line, and how many more there are."""
    for problem in result.problems:
        click.echo(f"Problem: {visible(problem)}", err=True)
    if result.problem_count > len(result.problems):
        click.echo(f"… and {result.problem_count - len(result.problems):,} more", err=True)
