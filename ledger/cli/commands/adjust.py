"""`tollbook adjust`: credit notes and surcharges."""

from __future__ import annotations

from datetime import UTC, datetime

import click

from ledger.cli.app import App, check_text
from ledger.cli.command import command
from ledger.cli.show.output import Output, note
from ledger.cli.show.sheet import Column, Sheet, columns
from ledger.errors import LedgerError
from ledger.values.amounts import parse_amount

COLUMNS = (
    Column("batch", "count"),
    *columns("text", "project", "month", "posted_month"),
    Column("amount", "money", exact=True),
    Column("currency"),
)


@command(
    "tollbook adjust --project search --amount -12.50usd --month 2026-03 --reason 'outage of 7 March' --reference CN-17",  # noqa: E501 - one line to copy
    "tollbook adjust --project support --amount 900credits --month 2026-04 --reason 'priority access' --reference INV-4",  # noqa: E501
)
@click.option("--project", required=True, metavar="P", help="Whose spend it changes.")
@click.option("--amount", required=True, metavar="AMOUNT", help="With its unit; negative for a credit note.")
@click.option("--month", required=True, metavar="YYYY-MM", help="The month it is for; posts in an open one.")
@click.option("--reason", required=True, help="Why; kept with the batch.")
@click.option("--reference", required=True, metavar="X", help="The same reference and facts again do nothing.")
@click.option("--provider", metavar="P", help="Whose currency a credit amount is in.  [default: as for ingest]")
def adjust(
    app: App,
    *,
    project: str,
    amount: str,
    month: str,
    reason: str,
    reference: str,
    provider: str | None,
    output: Output,
) -> None:
    """Book an amount without usage, as model `adjustment`."""
    from ledger.book.corrections.adjust import adjust as post
    from ledger.book.known_names import mistaken_project
    from ledger.book.posting import Run
    from ledger.values.periods import parse_month

    parsed = parse_amount(amount, "--amount", signed=True)
    if parsed.nano == 0 or abs(parsed.nano) >= 2**62:
        raise LedgerError(f"--amount {amount!r}: give an amount other than 0 and below 4.6 billion, such as -12.50usd")
    for option, text in (("--project", project), ("--reason", reason), ("--reference", reference)):
        check_text(option, text)
    database, now = app.open(), datetime.now(UTC)
    mistaken = mistaken_project(database, project)
    span = parse_month(month, zone=database.zone, now=now)
    of_month = span.month or ""
    billed_by = app.provider(provider)
    facts = {"project": project, "amount": parsed.text, "month": of_month, "provider": billed_by}
    run = Run("adjust", facts, reason, reference)
    batch, in_books, repeated = post(database, run, project=project, amount=parsed, month=of_month, provider=billed_by)
    row = (batch, project, of_month, in_books, parsed.nano, parsed.currency)
    document = {"batch": batch, **facts, "posted_month": in_books, "repeated": repeated}
    output.write(Sheet("Adjusted", COLUMNS, [row], document=document))
    if span.start is not None and span.start > now:
        note(f"{of_month} lies ahead: the amount is booked there")
    for text in mistaken:
        note(text)
    if repeated:
        note(f"batch {batch} of this reference did it already: nothing was posted")
