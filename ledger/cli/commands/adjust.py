"""`tollbook adjust`: credit notes and surcharges."""

from __future__ import annotations

from datetime import UTC, datetime

import click

from ledger.cli.app import App, command_options, pass_app
from ledger.cli.show.output import Output, note, output_options
from ledger.cli.show.sheet import Column, Sheet
from ledger.errors import LedgerError
from ledger.values.amounts import parse_amount


@click.command(
    epilog="""\b
Examples:
  tollbook adjust --project search --amount -12.50usd --month 2026-03 --reason 'outage of 7 March' --reference CN-17
  tollbook adjust --project support --amount 900credits --month 2026-04 --reason 'priority access' --reference INV-4
"""
)
@click.option("--project", required=True, metavar="P", help="Whose spend it changes.")
@click.option("--amount", required=True, metavar="AMOUNT", help="With its unit; negative for a credit note.")
@click.option("--month", required=True, metavar="YYYY-MM", help="The month it is for; posts in an open one.")
@click.option("--reason", required=True, help="Why; kept with the batch.")
@click.option("--reference", required=True, metavar="X", help="The same reference and facts again do nothing.")
@click.option("--provider", metavar="P", help="Whose currency a credit amount is in.  [default: as for ingest]")
@output_options()
@command_options
@pass_app
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
    """Book an amount that no usage stands behind, as model `adjustment`."""
    from ledger.book.corrections.adjust import adjust as post
    from ledger.book.posting import Run
    from ledger.intake.fields.record import MAX_NAME
    from ledger.values.periods import parse_month

    parsed = parse_amount(amount, "--amount", signed=True)
    if parsed.nano == 0 or abs(parsed.nano) >= 2**62:
        raise LedgerError(f"--amount {amount} is no adjustment: give an amount other than 0, below 4.6 billion")
    for name, text in (("--project", project), ("--reason", reason), ("--reference", reference)):
        if not text.strip() or len(text) > MAX_NAME or "\0" in text:
            raise LedgerError(f"{name} {text[:40]!r}: give 1 to {MAX_NAME} characters")
    database, now = app.open(), datetime.now(UTC)
    span = parse_month(month, zone=database.zone, now=now)
    of_month = span.month or ""
    billed_by = provider or app.config.ledger.provider
    facts = {"project": project, "amount": parsed.text, "month": of_month, "provider": billed_by}
    run = Run("adjust", facts, reason, reference)
    batch, in_books, repeated = post(database, run, project=project, amount=parsed, month=of_month, provider=billed_by)
    columns = (
        Column("batch", "count"),
        Column("project"),
        Column("month"),
        Column("posted_month"),
        Column("amount", "money", exact=True),
        Column("currency"),
    )
    row = (batch, project, of_month, in_books, parsed.nano, parsed.currency)
    document = {"schema": 1, "batch": batch, **facts, "posted_month": in_books, "repeated": repeated}
    output.write(Sheet("Adjusted", columns, [row], document=document))
    if span.start is not None and span.start > now:
        note(f"{of_month} lies ahead: that is where the amount stands")
    if repeated:
        note(f"batch {batch} of this reference did it already: nothing was posted")
