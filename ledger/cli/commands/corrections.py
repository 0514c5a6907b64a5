"""`tollbook batches`, `void` and `reassign`: batches, and their corrections."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import click

from ledger.cli.app import POSITIVE, App, check_text
from ledger.cli.command import command
from ledger.cli.show.output import Output, note
from ledger.cli.show.sheet import Column, Sheet, json_row
from ledger.errors import LedgerError
from ledger.values.instants import moment_text
from pricing.money import format_nano

if TYPE_CHECKING:
    from ledger.book.corrections.reversing import Corrected
    from ledger.store.database import Database


@command("tollbook batches", "tollbook batches --limit 5 --json")
@click.option("--limit", type=POSITIVE, default=50, show_default=True, help="How many of the latest to show.")
def batches(app: App, limit: int, output: Output) -> None:
    """Show what each command posted, the latest first."""
    from ledger.book.corrections.batches import batch_rows

    rows = batch_rows(app.open(), limit)
    columns = (
        Column("batch", "count"),
        Column("kind"),
        Column("posted_at"),
        Column("usage_records", "count", 2),
        Column("charges", "count"),
        Column("amounts", "facts"),
        Column("reason", priority=1),
        Column("files", priority=3),
    )
    cells = [
        (
            row.batch, row.kind, moment_text(row.posted_at, "seconds"), row.usage_records, row.charges,
            {currency: format_nano(nano) for currency, nano in row.amounts_nano.items()}, row.reason or "",
            ", ".join(row.options.get("files", ())),
        )
        for row in rows
    ]  # fmt: skip
    document = {
        "batches": [
            {**json_row(columns[:-1], line[:-1]), "options": row.options} for row, line in zip(rows, cells, strict=True)
        ],
    }
    output.write(Sheet("Batches, the latest first", columns, cells, document=document))


@command(
    "tollbook void --batch 12 --reason 'ingested twice under another source'",
    "tollbook void --id resp_02177148667427813c33",
)
@click.option("--batch", type=POSITIVE, metavar="B", help="Everything that batch recorded: see 'tollbook batches'.")
@click.option("--id", "request_id", metavar="ID", help="One request.")
@click.option("--source", metavar="S", help="The stream that --id is of, where several have it.")
@click.option("--kind", type=click.Choice(["request", "cache_storage"]), help="Only that kind of --id.")
@click.option("--reason", default="voided", show_default=True, help="Why; kept with the batch.")
@click.option("--dry-run", is_flag=True, help="Say what would be reversed; post nothing.")
def void(
    app: App,
    *,
    batch: int | None,
    request_id: str | None,
    source: str | None,
    kind: str | None,
    reason: str,
    dry_run: bool,
    output: Output,
) -> None:
    """Reverse a batch or one request; its ids may be recorded again."""
    from ledger.book.corrections.reversing import Selection
    from ledger.book.corrections.reversing import void as post_void
    from ledger.book.known_names import unknown_names_in
    from ledger.book.without_rows import unfound_without_rows

    if (batch is None) == (request_id is None):
        raise LedgerError("give either --batch B or --id ID")
    if batch is not None and (source is not None or kind is not None):
        raise LedgerError("--source and --kind go with --id")
    database = app.open()
    selection = Selection(batch=batch, request_id=request_id, kind=kind, source=source)
    if request_id is not None and source is None:
        _one_source(database, request_id)
    voided = post_void(database, selection, reason, dry_run=dry_run)
    _show(voided, "voided", output, dry_run=dry_run)
    for text in (
        [] if voided.reversed else [*unknown_names_in(database, sources=[source]), *unfound_without_rows(database)]
    ):
        note(text)


def _one_source(database: Database, request_id: str) -> None:
    from ledger.book.corrections.reversing import sources_of
    from ledger.book.without_rows import unfound_without_rows

    found = sources_of(database, request_id)
    if not found:
        raise LedgerError("; ".join([f"no usage record has the id {request_id!r}", *unfound_without_rows(database)]))
    if len(found) > 1:
        raise LedgerError(f"{request_id!r} is an id of several sources ({', '.join(found)}): give --source")


@command(
    "tollbook reassign --project unassigned --to search --since 2026-03-01",
    "tollbook reassign --project search --to support --id resp_02177148667427813c33",
)
@click.option("--project", required=True, metavar="P", help="Where the usage is booked now.")
@click.option("--to", "to_project", required=True, metavar="Q", help="Where it belongs.")
@click.option(
    "--since", metavar="TIME", help="Only usage from then on (inclusive; a date is midnight in the ledger's zone)."
)
@click.option("--until", metavar="TIME", help="Only usage before then (exclusive).")
@click.option("--model", metavar="M", help="Only that billed model.")
@click.option("--source", metavar="S", help="Only that stream.")
@click.option("--batch", type=POSITIVE, metavar="B", help="Only what that batch recorded.")
@click.option("--id", "request_id", metavar="ID", help="Only that request.")
@click.option("--reason", default="reassigned", show_default=True, help="Why; kept with the batch.")
@click.option("--dry-run", is_flag=True, help="Say what would be moved; post nothing.")
def reassign(
    app: App,
    *,
    project: str,
    to_project: str,
    since: str | None,
    until: str | None,
    reason: str,
    dry_run: bool,
    output: Output,
    **selected: Any,
) -> None:
    """Move usage from one project to another: each charge is reversed and replaced."""
    from ledger.book.corrections.reversing import Selection
    from ledger.book.corrections.reversing import reassign as post_reassign
    from ledger.book.known_names import mistaken_project, unknown_names_in
    from ledger.book.without_rows import unfound_without_rows
    from ledger.values.periods import parse_span

    check_text("--to", to_project)
    if to_project == project:
        raise LedgerError(f"--project and --to are both {project!r}: nothing to move")
    database = app.open()
    span = parse_span(since=since, until=until, zone=database.zone, now=datetime.now(UTC))
    selection = Selection(project=project, since=span.start, until=span.end, **selected)
    mistaken = mistaken_project(database, to_project)
    moved = post_reassign(database, selection, to_project, reason, dry_run=dry_run)
    _show(moved, f"moved to {to_project}", output, dry_run=dry_run)
    if moved.reversed == 0:
        mistaken = unknown_names_in(
            database, projects=[project], models=[selected["model"]], sources=[selected["source"]]
        )
        mistaken = [*mistaken, *unfound_without_rows(database)]
    for text in mistaken:
        note(text)


def _show(corrected: Corrected, what: str, output: Output, *, dry_run: bool) -> None:
    amounts = {currency: format_nano(nano) for currency, nano in sorted(corrected.amounts.items())}
    columns = (Column("batch", "count"), Column("charges", "count"), Column("amounts", "facts"))
    row = (corrected.batch_id, corrected.reversed, amounts)
    document = {**json_row(columns, row), "dry_run": dry_run}
    title = f"{'Would be ' if dry_run else ''}{what}"
    output.write(Sheet(title[0].upper() + title[1:], columns, [row], document=document))
    if corrected.reversed == 0:
        note("nothing matches: no live charge was changed")
