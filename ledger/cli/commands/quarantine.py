"""`tollbook quarantine`: what could not be recorded, and what to do about it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import click

from ledger.cli.app import POSITIVE, App, decide_exit
from ledger.cli.command import command, group, options
from ledger.cli.show.output import Output, note
from ledger.cli.show.sheet import Column, Sheet
from ledger.errors import LedgerError
from ledger.values.instants import moment_text
from ledger.values.words import counted

KEYS = (
    "id", "state", "reason", "message", "file", "line", "seen", "source", "request_id", "occurred_at", "fields",
    "complete", "options", "digest", "first_seen_at", "last_seen_at", "resolution", "resolved_at",
)  # fmt: skip
STATES = ("open", "resolved", "accepted", "discarded", "all")


@group("tollbook quarantine list", "tollbook quarantine retry")
def quarantine() -> None:
    """Items that could not be recorded: list, show, retry, accept, discard, export."""


_entry_options = options(
    click.option("--state", type=click.Choice(STATES), default="open", show_default=True, help="Which entries."),
    click.option("--reason", metavar="R", help="Only that reason."),
)


def _document(row: Any) -> dict[str, Any]:  # noqa: ANN401 - a row of the quarantine table
    import msgspec

    document = {name: getattr(row, name) for name in KEYS}
    moments = {name: moment_text(value) for name, value in document.items() if isinstance(value, datetime)}
    decoded = {name: msgspec.json.decode(document[name]) for name in ("fields", "options")}
    return document | moments | decoded | {"complete": bool(row.complete)}


@command(
    "tollbook quarantine list", "tollbook quarantine list --reason unknown_model --json", within=quarantine, name="list"
)
@_entry_options
def list_entries(app: App, state: str, reason: str | None, output: Output) -> None:
    """List entries, oldest first."""
    rows = _entries(app, state, reason)
    columns = (
        Column("id", "count"),
        Column("reason"),
        Column("file", priority=1),
        Column("line", "count", 1),
        Column("seen", "count", 3),
        Column("request_id", priority=2),
        Column("message"),
    )
    cells = [(row.id, row.reason, row.file, row.line, row.seen, row.request_id or "", row.message) for row in rows]
    document = {"entries": [_document(row) for row in rows]}
    output.write(Sheet(f"Quarantine, {state}: {len(rows):,}", columns, cells, document=document))


def _entries(app: App, state: str, reason: str | None) -> Sequence[Any]:
    from ledger.intake.quarantine import entries

    with app.open().reading() as connection:
        return entries(connection, state=None if state == "all" else state, reason=reason)


@command("tollbook quarantine show 3", within=quarantine)
@click.argument("number", type=POSITIVE, metavar="ID")
def show(app: App, number: int, output: Output) -> None:
    """Show one entry. For a conflict it has what is recorded in the ledger, too."""
    from ledger.intake.quarantine import get_entry
    from ledger.intake.retry import contradicts_archived, standing_fields

    with app.open().reading() as connection:
        row = get_entry(connection, number)
        standing = standing_fields(connection, row)
        archived = contradicts_archived(connection, row)
    document = {**_document(row), "standing": standing}
    rows = [(key, _shown(value)) for key, value in document.items() if key not in ("fields", "standing", "options")]
    for name, values in (("field", document["fields"]), ("stands", standing or {}), ("option", document["options"])):
        rows += [(f"{name} {key}", _shown(value)) for key, value in values.items()]
    output.write(Sheet(f"Quarantine entry {number}", (Column("what"), Column("value")), rows, document=document))
    for text in archived:
        note(text)


def _shown(value: object) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{key}={item}" for key, item in value.items())
    return "" if value is None else str(value)


@command("tollbook quarantine retry", "tollbook quarantine retry 3 4", within=quarantine)
@click.argument("numbers", type=POSITIVE, nargs=-1, metavar="[ID]...")
def retry(app: App, numbers: tuple[int, ...], output: Output) -> None:
    """Try entries again, after a card or model was added. Without an ID all that can be are."""
    from ledger.intake.retry import retry as try_again

    result = try_again(app.open(), app.config, numbers)
    document = {
        "batch": result.batch_id,
        "recorded": result.recorded,
        "duplicate": result.duplicate,
        "still_open": result.still_open,
    }
    columns = (Column("recorded", "count"), Column("duplicate", "count"), Column("still_open", "count"))
    cells = (len(result.recorded), len(result.duplicate), len(result.still_open))
    output.write(Sheet("Tried again", columns, [cells], document=document))
    if result.still_open:
        note("still open ones say why: tollbook quarantine list")
        decide_exit(3)


@command("tollbook quarantine accept 3 --reason 'the provider corrected its counts'", within=quarantine, shows=None)
@click.argument("number", type=POSITIVE, metavar="ID")
@click.option("--reason", default="conflict accepted", show_default=True, help="Why; kept with the batch.")
@click.option(
    "--labels",
    type=click.Choice(["booked", "new"]),
    default="booked",
    show_default=True,
    help="Project and tags: as they are booked, or those of the entry.",
)
def accept(app: App, number: int, reason: str, labels: str) -> None:
    """Replace the recorded facts by those of a conflict. A correction is posted.

    Project and tags stay as they are booked, also where the project was reassigned since.
    """
    from ledger.intake.retry import accept as post

    accepted = post(app.open(), app.config, number, reason, new_labels=labels == "new")
    click.echo(f"entry {number} accepted: batch {accepted.batch_id} reverses and replaces the charge", err=True)
    if accepted.kept_project is not None:
        note(
            f"project and tags stay as they are booked: {accepted.kept_project}; --labels new takes those of the entry"
        )


@command("tollbook quarantine discard 5 6 --reason 'test traffic'", within=quarantine, shows=None)
@click.argument("numbers", type=POSITIVE, nargs=-1, required=True, metavar="ID...")
@click.option("--reason", required=True, help="Why; kept with the entry.")
def discard(app: App, numbers: tuple[int, ...], reason: str) -> None:
    """Give entries up; the same lines are only counted from then on."""
    from ledger.intake.retry import discard as give_up

    if not reason.strip():
        raise LedgerError("--reason is empty: say why")
    give_up(app.open(), numbers, reason)
    click.echo(f"{len(numbers)} discarded", err=True)


@command(
    "tollbook quarantine export -o held.jsonl",
    "tollbook quarantine export --reason conflict | jq .fields",
    within=quarantine,
    shows=None,
)
@_entry_options
@click.option(
    "-o", "--output", "path", metavar="FILE", help="Write to FILE, whole or not at all; - is standard output."
)
def export(app: App, state: str, reason: str | None, path: str | None) -> None:
    """Write entries as JSON Lines, everything that is kept of them."""
    from ledger.values.safe_text import json_text

    rows = _entries(app, state, reason)
    with Output("json", None if path == "-" else path).stream() as out:
        for row in rows:
            out.write(json_text(_document(row)).encode() + b"\n")
    click.echo(counted(len(rows), "entry", "entries"), err=True)
