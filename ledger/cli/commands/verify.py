"""`tollbook verify`: the book checked against its own rows."""

from __future__ import annotations

from datetime import UTC, datetime

import click

from ledger.cli.app import App, decide_exit
from ledger.cli.command import command
from ledger.cli.show.output import Output
from ledger.cli.show.sheet import Column, Sheet
from ledger.values.safe_text import visible
from ledger.values.words import counted


@command("tollbook verify", "tollbook verify --month 2026-03", "tollbook verify --json | jq .ok")
@click.option("--month", metavar="YYYY-MM|last", help="Only what is posted in that month, and its closes.")
def verify(app: App, month: str | None, output: Output) -> None:
    """Recompute every charge and compare batches and roll-ups with the rows. It fails where something is wrong.

    Each charge is priced again from its stored facts and the card entry it is pinned to; each batch is
    compared with its digest, both roll-ups with sums of the rows, and closed months with theirs.
    """
    from ledger.audit.verify import verify as check
    from ledger.values.periods import parse_month

    database = app.open()
    span = None if month is None else parse_month(month, zone=database.zone, now=datetime.now(UTC))
    result = check(database, None if span is None else span.month)
    document = {
        "ok": result.passed,
        "checked": dict(result.checked),
        "problem_count": result.problem_count,
        "problems": result.problems,
    }
    rows = [(name.replace("_", " "), count) for name, count in result.checked.items()]
    title = "Verified: all sound" if result.passed else counted(result.problem_count, "problem")
    decide_exit(0 if result.passed else 1)
    output.write(Sheet(title, (Column("checked"), Column("rows", "count")), rows, document=document))
    for problem in result.problems:
        click.echo(f"Problem: {visible(problem)}", err=True)
    if result.problem_count > len(result.problems):
        click.echo(f"… and {result.problem_count - len(result.problems):,} more", err=True)
