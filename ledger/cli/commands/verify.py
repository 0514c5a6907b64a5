"""`tollbook verify`: the book held against itself."""

from __future__ import annotations

import sys
from datetime import UTC, datetime

import click

from ledger.cli.app import App, command_options, decide_exit, pass_app
from ledger.cli.show.output import Output, output_options
from ledger.cli.show.sheet import Column, Sheet
from ledger.values.safe_text import visible


@click.command(
    epilog="""\b
Examples:
  tollbook verify
  tollbook verify --month 2026-03
  tollbook verify --json | jq .ok
"""
)
@click.option("--month", metavar="YYYY-MM|last", help="Only what is posted in that month, and its closes.")
@output_options()
@command_options
@pass_app
def verify(app: App, month: str | None, output: Output) -> None:
    """Work every charge out again and hold batches and roll-ups against the rows. Exit 1 where something is wrong.

    Each charge is priced again from its stored facts and the card entry it is pinned to; each batch is held
    against its digest; both roll-ups are summed anew from the rows and compared. Closed months are held against theirs.
    """
    from ledger.audit.verify import verify as check
    from ledger.values.periods import parse_month

    database = app.open()
    span = None if month is None else parse_month(month, zone=database.zone, now=datetime.now(UTC))
    result = check(database, None if span is None else span.month)
    document = {
        "schema": 1,
        "ok": result.passed,
        "checked": dict(result.checked),
        "problem_count": result.problem_count,
        "problems": result.problems,
    }
    rows = [(name.replace("_", " "), count) for name, count in result.checked.items()]
    title = "Verified: all sound" if result.passed else f"{result.problem_count:,} problems"
    code = decide_exit(0 if result.passed else 1)
    output.write(Sheet(title, (Column("checked"), Column("rows", "count")), rows, document=document))
    for problem in result.problems:
        click.echo(f"Problem: {visible(problem)}", err=True)
    if result.problem_count > len(result.problems):
        click.echo(f"… and {result.problem_count - len(result.problems):,} more", err=True)
    sys.exit(code)
