"""`tollbook verify`: the book held against itself."""

from __future__ import annotations

import sys

import click

from ledger.cli.app import App, command_options, pass_app
from ledger.cli.output import Output, output_options
from ledger.cli.sheet import Column, Sheet
from ledger.exports.safe_text import visible


@click.command(
    epilog="""\b
Examples:
  tollbook verify
  tollbook verify --json | jq .ok
"""
)
@output_options()
@command_options
@pass_app
def verify(app: App, output: Output) -> None:
    """Work every charge out again and hold batches and roll-ups against the rows. Exit 1 where something is wrong.

    Each charge is priced again from its stored facts and the card entry it is pinned to; each batch is held
    against its digest; both roll-ups are summed anew from the rows and compared.
    """
    from ledger.verify import verify as check  # noqa: PLC0415 - start-up time

    result = check(app.open())
    document = {
        "schema": 1,
        "ok": result.passed,
        "checked": dict(result.checked),
        "problem_count": result.problem_count,
        "problems": result.problems,
    }
    rows = [(name.replace("_", " "), count) for name, count in result.checked.items()]
    title = "Verified: all sound" if result.passed else f"{result.problem_count:,} problems"
    output.write(Sheet(title, (Column("checked"), Column("rows", "count")), rows, document=document))
    for problem in result.problems:
        click.echo(f"Problem: {visible(problem)}", err=True)
    if result.problem_count > len(result.problems):
        click.echo(f"… and {result.problem_count - len(result.problems):,} more", err=True)
    if not result.passed:
        sys.exit(1)
