"""`tollbook redact`: request ids and tags made unreadable."""

from __future__ import annotations

import re

import click

from ledger.cli.app import App, parse_tag
from ledger.cli.command import command
from ledger.cli.show.output import Output, note
from ledger.cli.show.sheet import Column, Sheet
from ledger.errors import LedgerError
from ledger.values.words import counted


@command(
    "tollbook redact --tag user=ann --reason 'erasure request 17'",
    "tollbook redact --id resp_02177148667427813c33 --reason 'erasure request 17' --yes",
)
@click.option("--tag", "tags", multiple=True, metavar="KEY=VALUE", help="That value of a tag; repeatable.")
@click.option("--id", "request_ids", multiple=True, metavar="ID", help="That request id; repeatable.")
@click.option(
    "--reason", required=True, metavar="R", help="Why; kept with the batch. Don't name in it what is redacted."
)
@click.option("--rollups", is_flag=True, help="Also a tag that is rolled up: all charges are summed again.")
@click.option("--yes", is_flag=True, help="Do it; else it is shown alone.")
def redact(
    app: App,
    *,
    tags: tuple[str, ...],
    request_ids: tuple[str, ...],
    reason: str,
    rollups: bool,
    yes: bool,
    output: Output,
) -> None:
    """Replace request ids and values of tags by words that nobody can read; it can't be undone.

    Amounts, closes and the chain of batches stay and can be verified, and a redacted request that comes again is still
    known. Files that were exported before, rows that were archived, and backups keep the text.
    """
    from ledger.book.archived import where_archived
    from ledger.book.posting import Run
    from ledger.book.redaction import KIND, Texts
    from ledger.book.redaction import redact as post_redaction

    texts = Texts(frozenset(request_ids), frozenset(map(parse_tag, tags)))
    if not texts.request_ids and not texts.tags:
        raise LedgerError("give what to redact: --tag KEY=VALUE or --id ID")
    for text in (*texts.request_ids, *(value for _key, value in texts.tags)):
        if text and re.search(rf"(?<!\w){re.escape(text)}(?!\w)", reason):
            raise LedgerError("--reason is kept and names what is redacted: give another, such as a ticket's number")
    named = {"ids": len(texts.request_ids), "tags": sorted({key for key, _value in texts.tags}), "rollups": rollups}
    run = Run(KIND, named, reason=reason)
    database = app.open()
    found = post_redaction(database, texts, run, rollups=rollups, dry_run=not yes)
    columns = (
        Column("batch", "count"),
        Column("by_id", "count"),
        Column("by_tag", "count"),
        Column("batches", "count"),
        Column("quarantined", "count"),
        Column("closed_months"),
    )
    months = ", ".join(found.closed_months)
    row = (found.batch_id, found.by_id, found.by_tag, len(found.batches), found.quarantined, months)
    output.write(Sheet("Redacted" if yes else "Would be redacted", columns, [row]))
    if months and yes:
        note(f"exports of {months} differ from earlier ones in these texts alone, from now on")
    with database.reading() as connection:
        for place in where_archived(connection):
            note(f"rows that were archived to {place} weren't looked at: what has it there keeps it")
    if not (found.batches or found.quarantined):
        note("nothing in the ledger has it")
    elif not yes:
        note(f"nothing was changed: --yes redacts {counted(found.by_id + found.by_tag, 'text')} for good")
    else:
        note("files exported before, backups and spools keep it, as do files that were read")
