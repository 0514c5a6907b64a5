"""Quarantined lines tried again or given up, and conflicts accepted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import groupby
from operator import attrgetter
from typing import Any

import msgspec
from sqlalchemy import Connection, Row, update

from ledger.book.archived import find_archived, named_places
from ledger.book.booked import append_uncharged
from ledger.book.charges import Identity, Known, known_records, next_charge_id, posted_charges
from ledger.book.corrections.reversing import reversal
from ledger.book.open_months import first_open_month, posted_month
from ledger.book.posting import Poster, Run
from ledger.book.records import PRICED, Rated
from ledger.book.sources import note_sources
from ledger.config import Config
from ledger.errors import LedgerError
from ledger.intake.fields.record import Item
from ledger.intake.formats.records import parse
from ledger.intake.labels import RunOptions
from ledger.intake.pipeline import Intake
from ledger.intake.portions.portion import Portion, resolved
from ledger.intake.quarantine import entries, get_entry, settle
from ledger.intake.rating import fields_of
from ledger.store.bulk import next_id
from ledger.store.database import Database
from ledger.store.log import noting_held
from ledger.store.tables import batches, quarantine
from ledger.values.columns import columns_of

CONFLICT = "conflict"


@dataclass(slots=True)
class Retried:
    """The fate of entries tried again; those still open have their latest reason."""

    recorded: list[int] = field(default_factory=list)
    duplicate: list[int] = field(default_factory=list)
    still_open: list[int] = field(default_factory=list)
    batch_id: int | None = None


def retry(database: Database, config: Config, numbers: Sequence[int] = ()) -> Retried:
    """Tries open entries again, with the options of the run that held them back.

    Where none is named: all whose facts are complete, except conflicts, which want a decision.
    """
    result = Retried()
    run = Run("retry")
    with database.writing() as connection:
        chosen = [get_entry(connection, number) for number in dict.fromkeys(numbers)] or [
            row for row in entries(connection) if row.complete and row.reason != CONFLICT
        ]
        for row in chosen:
            if row.state != "open":
                raise LedgerError(f"quarantine entry {row.id} is {row.state}: only open ones can be retried")
            if not row.complete:
                raise LedgerError(
                    f"quarantine entry {row.id} ({row.reason}) holds too little: mend the line and ingest it, "
                    f"or 'tollbook quarantine discard {row.id} --reason R'"
                )
        chosen.sort(key=attrgetter("options", "id"))
        for options, rows in groupby(chosen, key=attrgetter("options")):
            intake = Intake(database, config, msgspec.json.decode(options, type=RunOptions), run)
            intake.prepare(connection)
            _retry_together(connection, intake, list(rows), result)
    result.batch_id = run.id
    return result


def _retry_together(connection: Connection, intake: Intake, rows: Sequence[Row[Any]], result: Retried) -> None:
    portion = _portion(intake, rows)
    posted = intake.post(connection, intake.rate(portion), portion)
    for place, number in enumerate(portion.lines):
        outcome = posted.outcome(place)
        if outcome != "conflict":
            settle(connection, number, "resolved", f"retried: {outcome}")
            (result.recorded if outcome == "accepted" else result.duplicate).append(number)
    result.still_open += [again.line for again in portion.held]
    with noting_held(connection, [again.line for again in portion.held]):
        for again in portion.held:
            changed = update(quarantine).where(quarantine.c.id == again.line)
            connection.execute(changed.values(reason=again.reason, message=again.message))


def _portion(intake: Intake, rows: Sequence[Row[Any]]) -> Portion:
    """Returns the entries' facts; the entry's number is the line, to find it by again."""
    stated = {row.id: msgspec.json.decode(row.fields) for row in rows}
    assumed = {number for number, fields in stated.items() if fields.pop("assumed", False)}
    portion = resolved([Item(number, None, parse(fields)) for number, fields in stated.items()], intake.resolver)
    portion.set_rows(
        [one._replace(facts=one.facts._replace(assumed=int(one.line in assumed))) for one in portion.rows()]
    )
    return portion


def discard(database: Database, numbers: Sequence[int], reason: str) -> None:
    """Gives entries up, with the reason; their lines are only counted from then on."""
    with database.writing() as connection:
        for number in dict.fromkeys(numbers):
            row = get_entry(connection, number)
            if row.state != "open":
                raise LedgerError(f"quarantine entry {number} is {row.state}: only open ones can be discarded")
            settle(connection, number, "discarded", reason)


@dataclass(frozen=True, slots=True)
class Accepted:
    """An accepted conflict's batch; `kept_project` is the booked one where its own project or tags were passed over."""

    batch_id: int
    kept_project: str | None


def accept(database: Database, config: Config, number: int, reason: str, *, new_labels: bool = False) -> Accepted:
    """Replaces recorded facts by a conflict's; project and tags stay as booked, unless `new_labels`."""
    with database.writing() as connection:
        row = get_entry(connection, number)
        if row.state != "open" or row.reason != CONFLICT:
            raise LedgerError(
                f"quarantine entry {number} is {row.state} ({row.reason}): only open conflicts can be accepted"
            )
        run = Run("accept", {"quarantine": number}, reason=reason)
        intake = Intake(database, config, msgspec.json.decode(row.options, type=RunOptions), run)
        intake.prepare(connection)
        portion = _portion(intake, [row])
        rated = intake.rate(portion)
        if not len(rated):
            raise LedgerError(f"the facts of quarantine entry {number} can't be priced: {portion.held[0].message}")
        if not len(rated := intake.leave_to_lakes(connection, rated, portion)):
            raise LedgerError(f"quarantine entry {number} can't be accepted: {portion.held[0].message}")
        [facts] = rated.records.rows()
        known = known_records(connection, [facts.identity]).get(facts.identity)
        if known is None and find_archived(connection, [facts.identity]):
            raise LedgerError(
                f"what quarantine entry {number} contradicts was archived to {named_places(connection)}, "
                f"and stays as booked: book the difference by 'tollbook adjust', and discard the entry"
            )
        if known is None or known.live_charge_id is None:
            raise LedgerError(
                f"what quarantine entry {number} contradicts was voided: "
                f"'tollbook quarantine retry {number}' records it"
            )
        kept_project = _replace(connection, intake.poster, known, rated, new_labels=new_labels)
        settle(connection, number, "accepted", reason)
        assert run.id is not None
        return Accepted(run.id, kept_project)


def _replace(connection: Connection, poster: Poster, known: Known, rated: Rated, *, new_labels: bool) -> str | None:
    """Reverses a record's live charge; adds new facts as its next generation, charged.

    Returns the project that stays where the new facts have another, or other tags. The record keeps the project that
    it came with, the charge the one that it was reassigned to.
    """
    number = known.live_charge_id or 0
    [(before, facts_before)] = posted_charges(connection, poster.calendar, number, number)
    [facts] = rated.records.rows()
    facts = facts._replace(generation=known.facts.generation + 1)
    project, differs = facts.project, (facts.project, facts.tags) != (before.project, known.facts.tags)
    if not new_labels:
        project = before.project
        facts = facts._replace(project=known.facts.project, tags=known.facts.tags)
    batch_id, charge_id = next_id(connection, batches), next_charge_id(connection)
    usage_id = charge_id + 1  # that of its first charge, as ever
    month, first_open = poster.calendar.month(facts.occurred_at), first_open_month(connection)
    replacement = before._replace(
        id=usage_id,
        batch_id=batch_id,
        usage_record_id=usage_id,
        charge_class="replacement",
        corrects_id=before.id,
        occurred_month=month,
        posted_month=posted_month(month, first_open),
        project=project,
        provider=facts.provider,
        **dict(zip(PRICED, rated.prices()[0], strict=True)),
    )
    usage = append_uncharged(connection, batch_id, usage_id, facts)
    rows = [reversal(before, charge_id, batch_id, first_open), replacement]
    poster.seal(connection, batch_id, usage, columns_of(rows), columns_of([facts_before, facts]))
    note_sources(connection, rated.records)
    return project if differs and not new_labels else None


def standing_fields(connection: Connection, row: Row[Any]) -> dict[str, object] | None:
    """Returns the record that a conflict contradicts, as a records line; else None."""
    if row.reason != CONFLICT:
        return None
    identity = _identity(row)
    known = known_records(connection, [identity]).get(identity)
    return None if known is None else fields_of(known.facts)


def contradicts_archived(connection: Connection, row: Row[Any]) -> list[str]:
    """Returns the note that an entry contradicts a record whose row was archived, if it does."""
    if row.reason != CONFLICT or not find_archived(connection, [_identity(row)]):
        return []
    return [f"what it contradicts was archived to {named_places(connection)}: 'export charges --lake' has it"]


def _identity(row: Row[Any]) -> Identity:
    fields = msgspec.json.decode(row.fields)
    return fields["request_id"], row.source, fields.get("kind", "request")
