"""The book compared with itself: charges with their prices, batches with digests, roll-ups with rows."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple

from sqlalchemy import Connection, Table, case, func, select, text, true

from ledger.audit.archive_checks import check_archives
from ledger.audit.archives import Archives
from ledger.audit.chain import Chain, pages
from ledger.audit.charge_checks import ChargeChecks, CheckedCharges
from ledger.audit.lake_sums import check_outside, check_sums
from ledger.audit.log.rows import check_log
from ledger.audit.sources import check_sources
from ledger.audit.verification import LISTED_PROBLEMS, Head, Verification
from ledger.book.archived import KIND as ARCHIVE
from ledger.book.booked_pages import BookedPage
from ledger.book.charges import PostedCharges, is_undone, posted_pages
from ledger.book.corrections.reversing import reversal
from ledger.book.lake_cells import posted_in, read_lake
from ledger.book.project_names import check_projects
from ledger.book.rebuilt_rollups import RebuiltRollUps
from ledger.book.redaction import KIND as REDACT
from ledger.book.rollups import TagSubset
from ledger.book.rows import ChargeRow
from ledger.budgets.definitions import check_budgets
from ledger.budgets.events import check_events
from ledger.months.rows import check_closings
from ledger.store.bulk import in_chunks
from ledger.store.database import Database, settings_in, zone_named
from ledger.store.tables import (
    archives,
    batches,
    booked_corrections,
    booked_usage,
    budget_events,
    budgets,
    card_versions,
    charges,
    closings,
    conversions,
    lake_cells,
    lake_keys,
    projects,
    rate_entries,
    record_keys,
    rollup_days,
    rollup_keys,
    rollup_quarters,
    sources,
    streams,
    text_seals,
    usage_records,
    wallet_entries,
    wallet_moves,
)
from ledger.store.tables.keys import RecordKey
from ledger.store.tables.rollups import Dimensions
from ledger.values.calendar import Calendar
from ledger.wallet.entries import check_wallets

if TYPE_CHECKING:
    from ledger.lake.store import Lake

STORED = (booked_usage, booked_corrections, record_keys, streams)
# Usage with the key and the stream that it names, and the id of the latter where both are there.
_NAMED = booked_usage.outerjoin(record_keys, record_keys.c.id == booked_usage.c.key_id).outerjoin(
    streams, streams.c.id == booked_usage.c.stream_id
)
_IS_NAMED = case((record_keys.c.id.is_not(None), streams.c.id))
_CLASS = ChargeRow._fields.index("charge_class")


def verify(
    database: Database, month: str | None = None, signed: Head | None = None, lakes: Sequence[Lake] = ()
) -> Verification:
    """Checks the whole ledger in one snapshot, or with `month` what is posted in that month; nothing is changed.

    `signed` is an entry of the log that must be there still, `lakes` have rows that were archived. Whatever was done to
    the tables is a problem, no error.
    """
    result = Verification()
    with database.scratch() as connection:
        archived = Archives(connection, lakes)
        with result.checking(connection, archives.name):
            archived.open(result)
        if month is None:
            with result.checking(connection, "the log"):
                result.head = check_log(connection, result, signed)
        usage: UsageCounts | None = None
        with result.checking(connection, "batches, charges and roll-ups"):
            usage = _check_book(connection, database, month, archived, result)
        if month is None:
            with result.checking(connection, archives.name):
                check_archives(connection, archived, result)
        with result.checking(connection, "replacements"):
            _check_replacements(connection, result)
        for table in (card_versions, rate_entries):
            with result.checking(connection, table.name):
                _check_contents(connection, table, result)
        for table, key in ((rollup_keys, Dimensions), (record_keys, RecordKey), (lake_keys, Dimensions)):
            with result.checking(connection, table.name):
                _check_keys(connection, table, key, result)
        with result.checking(connection, ", ".join(table.name for table in STORED)):
            _check_stored(connection, usage or UsageCounts.of(connection), result)
        checks: tuple[tuple[str, Callable[[], Iterator[str]]], ...] = (
            (closings.name, lambda: check_closings(connection, month, archived)),
            ("wallets", lambda: check_wallets(connection, month)),
            (projects.name, lambda: check_projects(connection)),
            (budgets.name, lambda: check_budgets(connection)),
            (budget_events.name, lambda: check_events(connection)),
            (sources.name, lambda: check_sources(connection)),
            (lake_cells.name, lambda: check_outside(connection)),
        )
        for name, check in checks:
            with result.checking(connection, name):
                for problem in check():
                    result.problem(problem)
        for table in (closings, wallet_moves, wallet_entries, projects, budgets, budget_events, conversions, sources):
            with result.checking(connection, table.name):
                result.checked[table.name] = _count_rows(connection, table)
    return result


def _check_book(
    connection: Connection, database: Database, month: str | None, archived: Archives, result: Verification
) -> UsageCounts | None:
    """Checks batches, charges and, by the sums of these, roll-ups; returns counts of usage that it came to."""
    calendar = Calendar(zone_named(settings_in(connection)["timezone"]))
    rebuilt = RebuiltRollUps(connection, calendar, database.rollup_tags)
    checks = ChargeChecks(connection, calendar, result)
    whole = 0
    for posted, booked, records in _posted(connection, calendar, month, archived, result):
        whole += records
        checks.check(CheckedCharges.posted(posted), result)
        _check_reversals(connection, posted, result)
        rebuilt.add(posted.charge, posted.usage)
        if booked:
            checks.check(CheckedCharges.booked(booked), result)
            rebuilt.add(*booked.charges(tags=bool(database.rollup_tags)))
    for sums in read_lake(connection, true() if month is None else posted_in(month)):
        result.checked[lake_cells.name] += len(sums.rows)
        for problem in check_sums(connection, calendar, sums):
            result.problem(problem)
        rebuilt.add_cells(archived.counted(sums).cells(TagSubset(database.rollup_tags)))
    usage = UsageCounts.of(connection, whole - archived.read) if month is None else None
    if usage is not None:
        _check_counts(connection, usage, archived.read, result)
    for cell in rebuilt.too_large():
        result.problem(f"{cell.table}: {cell.measure} of key {cell.key_id} at {cell.time} pass 64 bits")
    for kept in (rollup_days, rollup_quarters):
        _compare(connection, kept, rebuilt.cells(kept), month, result)
    return usage


def _count_rows(connection: Connection, table: Table) -> int:
    return int(connection.execute(select(func.count()).select_from(table)).scalar_one())


def _posted(
    connection: Connection, calendar: Calendar, month: str | None, archived: Archives, result: Verification
) -> Iterator[tuple[PostedCharges, BookedPage | None, int]]:
    """Reads charges to check, in pages; of the whole ledger with their batches, which are checked on the way.

    With each come its usage by columns, and how many records of it lack nothing and were in no page before.
    """
    if month is not None:
        for posted in posted_pages(connection, calendar, charges.c.posted_month == month):
            yield posted, None, 0
        return
    chain, last = Chain(connection, archived), 0
    for page in pages(connection, calendar, archived):
        chain.check(page, result)
        is_whole = page.booked is not None and page.charged is page.booked and page.ids[0] > last
        last = max(last, page.ids[1])
        yield page.posted, page.charged, len(page.booked or ()) if is_whole else 0


def _check_contents(connection: Connection, table: Table, result: Verification) -> None:
    """Checks that card versions or card entries still read as they were digested."""
    for row in connection.execute(select(table.c.id, table.c.content, table.c.digest)):
        result.checked[table.name] += 1
        if hashlib.sha256(row.content.encode()).hexdigest() != row.digest:
            result.problem(f"{table.name} {row.id}: its content is no longer that of its digest")


def _check_keys(connection: Connection, table: Table, key: type[Dimensions | RecordKey], result: Verification) -> None:
    """Checks that keys still have the dimensions that they were digested with."""
    for number, digest, *values in connection.execute(select(table)):
        result.checked[table.name] += 1
        if key._make(values).digest != digest:
            result.problem(f"{table.name} {number}: its dimensions are no longer those of its digest")


def _check_stored(connection: Connection, usage: UsageCounts, result: Verification) -> None:
    """Checks keys, streams, seals and numbers: what is named is there, what seals again redacts, none is twice."""
    if usage.named < usage.all:
        without = select(booked_usage.c.id).select_from(_NAMED).where(_IS_NAMED.is_(None))
        for number in connection.execute(without.limit(LISTED_PROBLEMS)).scalars():
            result.problem(f"usage record {number}: the key or the stream that it names is missing")
    redacted = select(batches.c.id).where(batches.c.kind.in_((REDACT, ARCHIVE)))
    strays = text_seals.c.sealed_by != text_seals.c.batch_id, text_seals.c.sealed_by.not_in(redacted)
    for number in connection.execute(select(text_seals.c.batch_id).where(*strays).limit(LISTED_PROBLEMS)).scalars():
        result.problem(f"batch {number}: its request ids and tags are sealed by a batch that redacts nothing")
    # Looked up by the ids of corrections, of which there are few.
    twice = select(booked_usage.c.id).where(booked_usage.c.id.in_(select(booked_corrections.c.id)))
    charged = twice.where(booked_usage.c.input_nano.is_not(None))
    for number in connection.execute(charged.limit(LISTED_PROBLEMS)).scalars():
        result.problem(f"charge {number}: its number is there twice")


def _check_reversals(connection: Connection, posted: PostedCharges, result: Verification) -> None:
    """Checks that a reversal negates the charge it names, and is of the same usage."""
    for reversals in in_chunks((ChargeRow._make(row) for row in posted.charges if row[_CLASS] == "reversal"), 500):
        chunk = {charge.corrects_id: charge for charge in reversals}
        for row in connection.execute(select(charges).where(charges.c.id.in_(list(chunk)))):
            before = ChargeRow(*row)
            after = chunk.pop(before.id)
            exact = reversal(before, after.id, after.batch_id, after.posted_month)
            if after != exact._replace(posted_month=after.posted_month) or before.charge_class == "reversal":
                result.problem(f"charge {after.id}: isn't the exact reverse of charge {before.id}")
        for missing in chunk.values():
            result.problem(f"charge {missing.id}: reverses charge {missing.corrects_id}, which doesn't exist")


def _check_replacements(connection: Connection, result: Verification) -> None:
    """Checks that what is replaced is reversed: else both would count."""
    unpaired = select(charges.c.id, charges.c.corrects_id).where(
        charges.c.charge_class == "replacement", ~is_undone(charges.c.corrects_id)
    )
    for number, replaced in connection.execute(unpaired.order_by(charges.c.id).limit(LISTED_PROBLEMS)):
        result.problem(f"charge {number}: replaces charge {replaced}, which no reversal takes back")


class UsageCounts(NamedTuple):
    """Numbers of usage records: all, those whose key and stream are there, with an amount, and with amount and key."""

    all: int
    named: int
    charged: int
    charged_by_key: int

    @classmethod
    def of(cls, connection: Connection, whole: int = -1) -> UsageCounts:
        """Counts them in one reading of the table; so many were found to be there with all that they name."""
        if (rows := _count_rows(connection, booked_usage)) == whole:
            return cls(rows, rows, rows, rows)
        usage = booked_usage.c
        charged_by_key = case((record_keys.c.id.is_not(None), usage.input_nano))
        counted = (func.count(), func.count(_IS_NAMED), func.count(usage.input_nano), func.count(charged_by_key))
        return cls(*connection.execute(select(*counted).select_from(_NAMED)).one())


def _check_counts(connection: Connection, usage: UsageCounts, archived: int, result: Verification) -> None:
    """Checks that no row is outside the batches, of which so many were read as archived, and each has its charge."""
    if usage.charged < usage.all:
        other = booked_corrections.c
        replaced = select(other.id).where(
            other.usage_record_id == booked_usage.c.id, other.charge_class == "replacement"
        )
        uncharged = select(booked_usage.c.id).where(booked_usage.c.input_nano.is_(None), ~replaced.exists())
        for number in connection.execute(uncharged.limit(LISTED_PROBLEMS)).scalars():
            result.problem(f"usage record {number}: has no charge")
    connection.execute(select(usage_records.c.id).limit(1))  # the view is there
    result.checked[usage_records.name] = usage.named + archived
    count = usage.charged_by_key + _count_rows(connection, booked_corrections) + archived
    if count != result.checked[charges.name]:
        result.problem(f"{count} charges are in the book, {result.checked[charges.name]} of them in batches")
    result.checked[charges.name] = count


def _compare(connection: Connection, kept: Table, worked_out: str, month: str | None, result: Verification) -> None:
    """Finds cells that differ between a roll-up, or the part of it posted in a month, and what the rows make of it."""
    names = ", ".join(column.name for column in kept.c)
    cell = ", ".join(column.name for column in kept.primary_key)
    of_month = "" if month is None else "WHERE key_id IN (SELECT id FROM rollup_keys WHERE posted_month = :month) "
    differing = connection.execute(
        text(
            f"SELECT {cell}, count(*) AS sides FROM ("
            f"SELECT {names} FROM (SELECT {names}, 1 AS side FROM {kept.name} {of_month}"
            f"UNION ALL SELECT {names}, -1 FROM ({worked_out}) AS rebuilt) AS both_sides "
            f"GROUP BY {names} HAVING sum(side) <> 0) AS differing GROUP BY {cell} ORDER BY {cell}"
        ),
        {} if month is None else {"month": month},
    )
    for time, key_id, _sides in differing:
        if key_id < 0:
            result.problem(f"{kept.name}: charges at {time} are of a key that rollup_keys lacks")
        else:
            result.problem(f"{kept.name}: the cell of key {key_id} at {time} isn't the sum of its charges")
    result.checked[kept.name] = _count_rows(connection, kept)
