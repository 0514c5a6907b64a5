"""The one way to correct a posted charge: reverse it, and replace it where another is right. Nothing is edited."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TypeAlias

from sqlalchemy import ColumnElement, Connection, and_, func, select, true

from ledger.book.archived import KIND as ARCHIVE
from ledger.book.archived import check_unarchived
from ledger.book.charges import live_chunks, next_charge_id
from ledger.book.corrections.void_sums import is_of_lake, void_sums
from ledger.book.lake_posting import LakePoster
from ledger.book.open_months import first_open_month, posted_month
from ledger.book.posting import Poster, Run
from ledger.book.redaction import known_ids
from ledger.book.rows import ChargeRow, Facts, negated
from ledger.book.without_rows import Outside, check_rows, sources_without_rows
from ledger.errors import LedgerError
from ledger.store.bulk import next_id
from ledger.store.database import Database
from ledger.store.expressions import column_within
from ledger.store.tables import batches, charges, lake_keys, usage_records
from ledger.values.columns import columns_of

# Batches whose usage records can be voided; corrections themselves are undone by their opposite.
VOIDABLE = ("ingest", "record", "retry", "accept")


# A charge to reverse, the usage it is for, and what replaces it, if anything does.
Correction: TypeAlias = tuple[ChargeRow, Facts, ChargeRow | None]


@dataclass(frozen=True, slots=True)
class Corrected:
    """The outcome of a correction: its batch (None where nothing matched), charges reversed, nano by currency."""

    batch_id: int | None
    reversed: int
    amounts: dict[str, int]


@dataclass(frozen=True, slots=True)
class Selection:
    """Conditions of usage to correct, which all hold. Times are of occurrence, `until` exclusive."""

    batch: int | None = None
    request_id: str | None = None
    kind: str | None = None
    source: str | None = None
    project: str | None = None
    model: str | None = None
    since: datetime | None = None
    until: datetime | None = None

    def condition(self, connection: Connection) -> ColumnElement[bool]:
        """Returns the selection over usage_records and charges."""
        terms = [column_within(usage_records.c.occurred_at, self.since, self.until)]
        if self.batch is not None:
            first, last = charge_range(connection, self.batch)
            terms.append(usage_records.c.id.between(first, last))  # which are those of their first charges
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
        return and_(*terms)

    def without_rows(self, connection: Connection) -> list[Outside]:
        """Returns the sources, in order, whose usage of the selection the book has no rows of."""
        if self.batch is not None or self.request_id is not None:
            return []  # of what has rows
        of = lake_keys.c
        equals = ((of.source, self.source), (of.project, self.project), (of.billed_model, self.model))
        keys = and_(true(), *(column == value for column, value in equals if value is not None))
        return sources_without_rows(connection, keys, self.since, self.until)


def charge_range(connection: Connection, run_id: int) -> tuple[int, int]:
    """Returns the first and last id of the charges of a run that added usage; LedgerError where it added none."""
    row = connection.execute(
        select(
            func.min(batches.c.kind),
            func.min(batches.c.first_charge_id),
            func.max(batches.c.last_charge_id),
        ).where(batches.c.run_id == run_id)
    ).one()
    kind, first, last = row
    if kind is None:
        raise LedgerError(f"there is no batch {run_id}: see 'tollbook batches'")
    if kind == "lake":
        raise LedgerError(f"batch {run_id} is of a lake's sums, whose rows lie there: correct them there, and void it")
    if kind == ARCHIVE:
        raise LedgerError(f"batch {run_id} is of sums whose rows were archived: correct them by 'tollbook adjust'")
    if kind not in VOIDABLE:
        raise LedgerError(f"batch {run_id} is a {kind}, which adds no usage: correct it by its opposite")
    check_unarchived(connection, batches.c.run_id == run_id, f"a correction of batch {run_id}")
    return int(first), int(last)


def void(database: Database, selection: Selection, reason: str, *, dry_run: bool = False) -> Corrected:
    """Reverses the live charges of the selection; their ids may be recorded again.

    Of a lake's batch its sums are taken back, after which the manifest may be posted again.
    """
    if selection.batch is not None:
        with database.reading() as connection:
            of_lake = is_of_lake(connection, selection.batch)
        if of_lake:
            return _void_sums(database, Run("void", reason=reason), selection.batch, dry_run=dry_run)
    return _correct(database, Run("void", reason=reason), selection, lambda _charge: None, dry_run=dry_run)


def _void_sums(database: Database, run: Run, batch: int, *, dry_run: bool) -> Corrected:
    poster = LakePoster(database, run)
    with database.reading() if dry_run else database.writing() as connection:
        count, amounts = void_sums(connection, poster, batch, dry_run=dry_run)
    return Corrected(poster.run.id, count, dict(amounts))


def reassign(
    database: Database, selection: Selection, to_project: str, reason: str, *, dry_run: bool = False
) -> Corrected:
    """Moves the live charges of the selection to another project: each is reversed and replaced."""
    run = Run("reassign", {"to": to_project}, reason=reason)
    return _correct(database, run, selection, lambda charge: charge._replace(project=to_project), dry_run=dry_run)


def sources_of(database: Database, request_id: str) -> list[str]:
    """Returns the sources that have a usage record of that id."""
    with database.reading() as connection:
        known = known_ids(connection, database.settings, [request_id])
        query = select(usage_records.c.source).where(usage_records.c.request_id.in_(known)).distinct()
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
        check_rows(selection.without_rows(connection), run.kind)
        if selection.request_id is not None:
            [known] = known_ids(connection, database.settings, [selection.request_id])
            selection = replace(selection, request_id=known)
        for chunk in live_chunks(connection, selection.condition(connection)):
            if not dry_run:
                post_corrections(poster, connection, [(charge, facts, replacement(charge)) for charge, facts in chunk])
            count += len(chunk)
            for charge, _facts in chunk:
                amounts[charge.currency] = amounts.get(charge.currency, 0) + charge.amount_nano
    return Corrected(poster.run.id, count, amounts)


def post_corrections(poster: Poster, connection: Connection, corrections: Sequence[Correction]) -> None:
    """Posts a reversal of each charge and its replacement, if any, as one batch."""
    batch_id = next_id(connection, batches)
    number = next_charge_id(connection)
    first_open = first_open_month(connection)
    rows: list[ChargeRow] = []
    facts_of_rows: list[Facts] = []
    for charge, facts, replacement in corrections:
        rows.append(reversal(charge, number + len(rows), batch_id, first_open))
        facts_of_rows.append(facts)
        if replacement is not None:
            rows.append(
                replacement._replace(
                    id=number + len(rows),
                    batch_id=batch_id,
                    charge_class="replacement",
                    corrects_id=charge.id,
                    posted_month=posted_month(replacement.posted_month, first_open),
                )
            )
            facts_of_rows.append(facts)
    poster.seal(connection, batch_id, None, columns_of(rows), columns_of(facts_of_rows))


def reversal(charge: ChargeRow, number: int, batch_id: int, first_open: str) -> ChargeRow:
    """Returns the row that takes a charge back, amounts negated; in the charge's month while that is open."""
    return negated(charge)._replace(
        posted_month=posted_month(charge.posted_month, first_open),
        id=number,
        batch_id=batch_id,
        charge_class="reversal",
        corrects_id=charge.id,
    )
