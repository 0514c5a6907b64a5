"""The one way to correct a posted charge: reverse it, and replace it where another is right. Nothing is edited."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, and_, func, select, true, type_coerce, union_all

from ledger.cards import next_id
from ledger.db import Database
from ledger.errors import LedgerError
from ledger.facts import ChargeRow, Facts, columns_of
from ledger.models import batches, charges, usage_records
from ledger.posting import Poster, Run
from ledger.types import BigInt

CHUNK = 8_000
# Batches whose usage records can be voided; corrections themselves are undone by their opposite.
VOIDABLE = ("ingest", "record", "retry", "accept")


@dataclass(frozen=True, slots=True)
class Corrected:
    """What a correction did: its batch (None where nothing matched), charges reversed, their nano by currency."""

    batch_id: int | None
    reversed: int
    amounts: dict[str, int]


@dataclass(frozen=True, slots=True)
class Selection:
    """Which usage to correct; every condition that is given holds. Times are of occurrence, `until` exclusive."""

    batch: int | None = None
    request_id: str | None = None
    kind: str | None = None
    source: str | None = None
    project: str | None = None
    model: str | None = None
    since: datetime | None = None
    until: datetime | None = None

    def condition(self, connection: Connection) -> ColumnElement[bool]:
        """The selection over usage_records and charges."""
        terms: list[ColumnElement[bool]] = [true()]
        if self.batch is not None:
            first, last = usage_range(connection, self.batch)
            terms.append(usage_records.c.id.between(first, last))
            # Other writers' batches may lie in between.
            of_run = select(batches.c.id).where(batches.c.run_id == self.batch)
            terms.append(usage_records.c.batch_id.in_(of_run))
        equals = (
            (usage_records.c.request_id, self.request_id),
            (usage_records.c.kind, self.kind),
            (usage_records.c.source, self.source),
            (charges.c.project, self.project),
            (charges.c.billed_model, self.model),
        )
        terms += [column == value for column, value in equals if value is not None]
        if self.since is not None:
            terms.append(usage_records.c.occurred_at >= self.since)
        if self.until is not None:
            terms.append(usage_records.c.occurred_at < self.until)
        return and_(*terms)


def usage_range(connection: Connection, run_id: int) -> tuple[int, int]:
    """First and last id of the usage records that a run's batches added; LedgerError for a batch that added none."""
    row = connection.execute(
        select(
            func.min(batches.c.kind),
            func.min(batches.c.first_usage_record_id),
            func.max(batches.c.last_usage_record_id),
        ).where(batches.c.run_id == run_id)
    ).one()
    kind, first, last = row
    if kind is None:
        raise LedgerError(f"there is no batch {run_id}: see 'tollbook batches'")
    if kind not in VOIDABLE:
        raise LedgerError(f"batch {run_id} is a {kind}, which adds no usage: correct it by its opposite")
    return int(first), int(last)


def void(database: Database, selection: Selection, reason: str, *, dry_run: bool = False) -> Corrected:
    """Reverse the live charges of the selection; their ids may be recorded again."""
    return _correct(database, Run("void", reason=reason), selection, lambda _charge: None, dry_run=dry_run)


def reassign(
    database: Database, selection: Selection, to_project: str, reason: str, *, dry_run: bool = False
) -> Corrected:
    """Move the live charges of the selection to another project: each is reversed and replaced."""
    run = Run("reassign", {"to": to_project}, reason=reason)
    return _correct(database, run, selection, lambda charge: charge._replace(project=to_project), dry_run=dry_run)


def sources_of(database: Database, request_id: str) -> list[str]:
    """The sources that have a usage record of that id."""
    query = select(usage_records.c.source).where(usage_records.c.request_id == request_id).distinct()
    with database.reading() as connection:
        return sorted(connection.execute(query).scalars())


def _correct(
    database: Database,
    run: Run,
    selection: Selection,
    replacement: Callable[[ChargeRow], ChargeRow | None],
    *,
    dry_run: bool,
) -> Corrected:
    poster = Poster(database, run)
    amounts: dict[str, int] = {}
    count = 0
    with database.reading() if dry_run else database.writing() as connection:
        for chunk in _chunks_of_live_charges(connection, selection):
            if not dry_run:
                post_corrections(poster, connection, [(charge, facts, replacement(charge)) for charge, facts in chunk])
            count += len(chunk)
            for charge, _facts in chunk:
                amounts[charge.currency] = amounts.get(charge.currency, 0) + charge.amount_nano
    return Corrected(poster.run.id, count, amounts)


def post_corrections(
    poster: Poster, connection: Connection, corrections: Sequence[tuple[ChargeRow, Facts, ChargeRow | None]]
) -> None:
    """Post a reversal of each charge and its replacement, if any, as one batch."""
    batch_id = next_id(connection, batches)
    number = next_id(connection, charges)
    rows: list[ChargeRow] = []
    facts_of_rows: list[Facts] = []
    for charge, facts, replacement in corrections:
        rows.append(reversal(charge, number + len(rows), batch_id))
        facts_of_rows.append(facts)
        if replacement is not None:
            rows.append(
                replacement._replace(
                    id=number + len(rows), batch_id=batch_id, charge_class="replacement", corrects_id=charge.id
                )
            )
            facts_of_rows.append(facts)
    poster.seal(connection, batch_id, (), columns_of(rows), columns_of(facts_of_rows))


def reversal(charge: ChargeRow, number: int, batch_id: int) -> ChargeRow:
    """The row that takes a charge back: the same facts, amounts negated."""
    return charge._replace(
        id=number,
        batch_id=batch_id,
        charge_class="reversal",
        corrects_id=charge.id,
        input_nano=-charge.input_nano,
        cached_input_nano=-charge.cached_input_nano,
        output_nano=-charge.output_nano,
        cache_storage_nano=-charge.cache_storage_nano,
        amount_nano=-charge.amount_nano,
    )


def _chunks_of_live_charges(connection: Connection, selection: Selection) -> Iterator[list[tuple[ChargeRow, Facts]]]:
    """Live charges that stood at the start, by id, a chunk at a time."""
    condition = selection.condition(connection)
    after, end = 0, next_id(connection, charges)
    while True:
        query = live_charges_query(and_(condition, charges.c.id > after, charges.c.id < end), CHUNK)
        chunk = [split_row(row) for row in connection.execute(query)]
        if not chunk:
            return
        yield chunk
        after = chunk[-1][0].id


def live_charges_query(condition: ColumnElement[bool], limit: int) -> Select[Any]:
    """Charges and replacements that no reversal undid, each with its usage record's facts, by id.

    One arm a class, for each has a partial index on usage_record_id.
    """
    undoing = charges.alias("undoing")
    undone = (
        select(undoing.c.id).where(undoing.c.corrects_id == charges.c.id, undoing.c.charge_class == "reversal").exists()
    )
    columns = (*charges.c, *facts_columns())
    arms = [
        select(*(column.label(f"c{place}") for place, column in enumerate(columns)))
        .join_from(usage_records, charges, charges.c.usage_record_id == usage_records.c.id)
        .where(charges.c.charge_class == charge_class, condition, ~undone)
        for charge_class in ("charge", "replacement")
    ]
    both = union_all(*arms).subquery()
    return select(both).order_by(both.c.c0).limit(limit)


def facts_columns() -> list[ColumnElement[Any]]:
    """The columns of usage_records that make `Facts`, times as integers."""
    columns = [usage_records.c[name] for name in Facts._fields]
    return [
        type_coerce(column, BigInt) if column.name in ("occurred_at", "storage_end") else column for column in columns
    ]


def posted_charges(connection: Connection, chunk: int = CHUNK) -> Iterator[tuple[ChargeRow, Facts]]:
    """Every charge ever posted with its usage record, by id, read in pages."""
    after = 0
    while True:
        query = (
            select(*charges.c, *facts_columns())
            .join_from(charges, usage_records, charges.c.usage_record_id == usage_records.c.id)
            .where(charges.c.id > after)
            .order_by(charges.c.id)
            .limit(chunk)
        )
        page = [split_row(row) for row in connection.execute(query)]
        if not page:
            return
        yield from page
        after = page[-1][0].id


def split_row(row: Sequence[Any]) -> tuple[ChargeRow, Facts]:
    """A row of `live_charges_query` as charge and facts."""
    width = len(ChargeRow._fields)
    return ChargeRow(*row[:width]), Facts(*row[width:])
