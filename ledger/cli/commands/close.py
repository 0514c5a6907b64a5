"""`tollbook close` and `reopen`: months whose books don't change any more."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import click

from ledger.cli.app import App, decide_exit
from ledger.cli.command import command
from ledger.cli.show.output import Output, note
from ledger.cli.show.sheet import Column, Sheet, json_row, without_fees
from ledger.errors import LedgerError
from ledger.reports.conversion_words import conversion_documents, conversion_words
from pricing.money import format_nano

if TYPE_CHECKING:
    from ledger.months.close import Closed


@command(
    "tollbook close 2026-03 --dry-run",
    "tollbook close 2026-03",
    "tollbook close --through 2026-05",
    "tollbook close 2026-06 --force --reason 'the lines in quarantine are of another vendor'",
)
@click.argument("month", required=False, metavar="[YYYY-MM|last]")
@click.option("--through", metavar="YYYY-MM", help="Close all open months up to this one, in order.")
@click.option("--force", is_flag=True, help="Close although lines are in quarantine or a source ends early.")
@click.option("--reason", help="Why it is forced; kept with the close.")
@click.option("--dry-run", is_flag=True, help="Say what would be closed and what objects to it; close nothing.")
def close(
    app: App,
    *,
    month: str | None,
    through: str | None,
    force: bool,
    reason: str | None,
    dry_run: bool,
    output: Output,
) -> None:
    """Close a month: its charges, reports and exports stay as they are for ever.

    Usage that comes later, and corrections, post in the earliest open month.
    """
    from ledger.months.close import close_months
    from ledger.months.objections import undated_quarantine
    from ledger.values.periods import parse_month

    if (month is None) == (through is None):
        raise LedgerError("give a month to close, such as 2026-03, or --through YYYY-MM")
    if force != (reason is not None) or reason == "":
        raise LedgerError("--force and --reason R go together")
    now = datetime.now(UTC)
    database = app.open()
    last = parse_month(month or through or "", zone=database.zone, now=now, option="the month").month or ""
    closed = close_months(
        database,
        last,
        through=through is not None,
        now=now,
        force_reason=reason,
        dry_run=dry_run,
        focus=app.config.focus,
    )
    with database.reading() as connection:
        undated = undated_quarantine(connection)
    decide_exit(int(dry_run and not force and any(each.objections for each in closed)))
    output.write(_sheet(closed, undated, dry_run=dry_run))
    if not closed:
        note(f"{last} is closed already: nothing was done; what comes later posts in the earliest open month")
    for each in closed:
        for objection in each.objections:
            note(f"{each.month}: {objection}")
        if each.unbooked_calls:
            note(f"{each.month}: booked {without_fees(each.unbooked_calls)}")
        for doubt in each.conversion_notes:
            note(f"{each.month}: {conversion_words(doubt)}")
    if undated:
        note(f"{undated} in quarantine without a readable time: they are of no month; 'tollbook quarantine list'")


def _sheet(closed: list[Closed], undated: int, *, dry_run: bool) -> Sheet:
    columns = (
        Column("month"),
        Column("number", "count"),
        Column("charges", "count"),
        Column("amounts", "facts"),
        Column("digest", priority=1),
    )
    rows = [(each.month, each.number, each.rows.charges, _amounts(each), each.rows.digest) for each in closed]
    document = {
        "closed": [
            json_row(columns, row)
            | {"objections": each.objections, "unbooked_tool_calls": each.unbooked_calls}
            | ({"conversion_notes": conversion_documents(each.conversion_notes)} if dry_run else {})
            for each, row in zip(closed, rows, strict=True)
        ],
        "undated_quarantine": undated,
        "dry_run": dry_run,
    }
    return Sheet("Would be closed" if dry_run else "Closed", columns, rows, document=document)


def _amounts(closed: Closed) -> dict[str, str]:
    return {currency: format_nano(nano) for currency, nano in sorted(closed.rows.amounts_nano.items())}


@command("tollbook reopen 2026-03 --reason 'the bank statement came late'")
@click.argument("month", metavar="YYYY-MM")
@click.option("--reason", required=True, help="Why; kept with the ledger.")
def reopen(app: App, *, month: str, reason: str, output: Output) -> None:
    """Open the last closed month again; closing it once more makes close no. 2, and no. 1 stays on record."""
    from ledger.months.close import reopen_month

    if not reason.strip():
        raise LedgerError("--reason is empty: say why")
    number, is_new = reopen_month(app.open(), month, reason, now=datetime.now(UTC))
    columns = (Column("month"), Column("number", "count"))
    document = {"month": month, "number": number}
    title = f"{'Reopened' if is_new else 'Open already'}; close no. {number} stays on record"
    output.write(Sheet(title, columns, [(month, number)], document=document))
    if not is_new:
        note(f"{month} was reopened before: nothing was done, and the reason given then holds")
