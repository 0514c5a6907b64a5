"""`tollbook reprice`: usage priced again by the cards and conversions in force now."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import click

from ledger.cli.app import POSITIVE, App
from ledger.cli.command import command
from ledger.cli.show.output import Output, note
from ledger.cli.show.sheet import Column, Sheet, columns
from ledger.errors import LedgerError
from ledger.values.spend import Spend, total
from ledger.values.words import counted

if TYPE_CHECKING:
    from ledger.book.corrections.reprice import Repriced
    from ledger.book.posting import Run
    from ledger.store.database import Database


@command(
    "tollbook reprice --since 2026-04-15 --until 2026-05-01 --dry-run",
    "tollbook reprice --since 2026-04-15 --model doubao-seed-2.0-pro --reason 'price list of 15 April'",
    "tollbook reprice --undo 31",
)
@click.option("--since", metavar="TIME", help="Usage from then on; a date is midnight in the ledger's zone.")
@click.option("--until", metavar="TIME", help="Only usage before then (exclusive).")
@click.option("--model", metavar="M", help="Only that billed model.")
@click.option("--undo", type=POSITIVE, metavar="BATCH", help="Bring the charges back that this reprice replaced.")
@click.option("--reason", default="repriced", show_default=True, help="Why; kept with the batch.")
@click.option("--reference", metavar="X", help="The same reference and facts again do nothing.")
@click.option("--dry-run", is_flag=True, help="Show the money that would move; post nothing.")
def reprice(
    app: App,
    *,
    since: str | None,
    until: str | None,
    model: str | None,
    undo: int | None,
    reason: str,
    reference: str | None,
    dry_run: bool,
    output: Output,
) -> None:
    """Price usage again and correct what differs, by month, model and project; the second time nothing does.

    What is corrected of closed months posts in the earliest open one.
    """
    from ledger.book.corrections.reprice import undo_reprice
    from ledger.book.known_names import unknown_names_in
    from ledger.book.posting import Run

    if (undo is None) == (since is None) or (undo is not None and (until or model)):
        raise LedgerError("give --since TIME, perhaps with --until and --model, or --undo BATCH alone")
    database = app.open()
    options = {"since": since, "until": until, "model": model, "undo": undo}
    run = Run("reprice", {name: value for name, value in options.items() if value is not None}, reason, reference)
    if undo is not None:
        repriced = undo_reprice(database, undo, run, dry_run=dry_run)
    else:
        repriced = _reprice(database, run, since, until, model, dry_run=dry_run)
    output.write(_sheet(repriced, dry_run=dry_run))
    _tell(repriced)
    for text in unknown_names_in(database, models=[model]):
        note(text)


def _reprice(
    database: Database, run: Run, since: str | None, until: str | None, model: str | None, *, dry_run: bool
) -> Repriced:
    from ledger.book.corrections.reprice import reprice as post
    from ledger.book.corrections.reversing import Selection
    from ledger.values.periods import parse_span

    span = parse_span(since=since, until=until, zone=database.zone, now=datetime.now(UTC))
    return post(database, Selection(model=model, since=span.start, until=span.end), run, dry_run=dry_run)


def _sheet(repriced: Repriced, *, dry_run: bool) -> Sheet:
    shown = (
        *columns("text", "month", "model", "project"),
        Column("charges", "count"),
        *columns("usd", "before_usd", "after_usd", priority=1),
        Column("change_usd", "usd"),
        Column("before_amounts", "facts", 3),
        Column("after_amounts", "facts", 2),
    )
    rows = [
        (
            *key,
            moved.before.records or moved.after.records,
            *_usd(moved.before, moved.after),
            moved.before.amounts,
            moved.after.amounts,
        )
        for key, moved in sorted(repriced.moved.items())
    ]
    before = total([moved.before for moved in repriced.moved.values()])
    after = total([moved.after for moved in repriced.moved.values()])
    return Sheet(
        "Money that would move" if dry_run else "Repriced",
        shown,
        rows,
        (None, None, None, repriced.charges, *_usd(before, after), None, None),
        facts={"batch": repriced.batch_id, "charges": repriced.charges, "dry_run": dry_run},
    )


def _usd(before: Spend, after: Spend) -> tuple[int, int, int]:
    """Nano-USD before and after, and the change."""
    return before.usd_nano, after.usd_nano, after.usd_nano - before.usd_nano


def _tell(repriced: Repriced) -> None:
    if repriced.repeated:
        note(f"batch {repriced.batch_id} of this reference did it already: nothing was posted")
    elif not repriced.charges:
        note("nothing differs: no charge was changed")
    if repriced.unpriced:
        charges = counted(repriced.unpriced, "charge")
        note(f"left as booked, without a price on the cards in force: {charges}; {repriced.message}")
