"""Charges read with the usage they are for: live ones, a batch's, and all that were posted."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import chain
from typing import Any, TypeAlias

from sqlalchemy import ColumnElement, Connection, Select, and_, or_, select, type_coerce

from ledger.book.rows import ChargeRow, Facts, adjustment_facts
from ledger.book.with_usage import WITH_USAGE, usage_column
from ledger.store.bulk import in_chunks, next_ids, rows_by_key
from ledger.store.driver import run
from ledger.store.tables import (
    booked_corrections,
    booked_usage,
    charges,
    lake_cells,
    record_keys,
    streams,
    usage_records,
)
from ledger.store.tables.columns import BigInt
from ledger.values.calendar import Calendar
from ledger.values.columns import columns_of

CHUNK = 8_000
# Tables whose ids are in one sequence, the order of posting.
NUMBERED_AS_CHARGES = (booked_usage, booked_corrections, lake_cells)
LIVE_CLASSES = ("charge", "replacement")
_WIDTH = len(ChargeRow._fields)
_USAGE_ID = ChargeRow._fields.index("usage_record_id")

PlainRow: TypeAlias = tuple[Any, ...]


def facts_columns() -> list[ColumnElement[Any]]:
    """Returns the columns of usage_records that make `Facts`, times as integers."""
    columns = [usage_records.c[name] for name in Facts._fields]
    return [
        type_coerce(column, BigInt) if column.name in ("occurred_at", "storage_end") else column for column in columns
    ]


@dataclass(frozen=True)
class PostedCharges:
    """Charges by id and, in step with them, their usage or its stand-in: plain rows, as of ChargeRow and Facts."""

    charges: list[Any]
    facts: list[Any]

    @cached_property
    def charge(self) -> Any:  # noqa: ANN401 - of lists
        """The columns of the charges, by name."""
        return ChargeRow._make(columns_of(self.charges) or [()] * _WIDTH)

    @cached_property
    def usage(self) -> Any:  # noqa: ANN401 - of lists
        """The columns of their usage, by name."""
        return Facts._make(columns_of(self.facts) or [()] * len(Facts._fields))


def plain_rows(connection: Connection, query: Select[Any]) -> list[PlainRow]:
    """Reads all rows as the driver returns them."""
    with connection.execute(query) as result:
        assert result.cursor is not None
        return list(result.cursor.fetchall())


def read_posted(connection: Connection, calendar: Calendar, condition: ColumnElement[bool]) -> PostedCharges:
    """Reads charges with their usage, or its stand-in, by id.

    A charge whose usage record is gone, as only tampering can make it, is left out: `verify` counts.
    """
    is_whole = or_(charges.c.usage_record_id.is_(None), and_(record_keys.c.id.is_not(None), streams.c.id.is_not(None)))
    query = select(*_labelled(charges.c, map(usage_column, Facts._fields))).select_from(WITH_USAGE)
    found = plain_rows(connection, query.where(condition, is_whole).order_by(charges.c.id))
    posted = PostedCharges([row[:_WIDTH] for row in found], [row[_WIDTH:] for row in found])
    for place, charge in enumerate(posted.charges):
        if charge[_USAGE_ID] is None:
            posted.facts[place] = adjustment_facts(ChargeRow._make(charge), calendar)
    return posted


def select_with_usage(condition: ColumnElement[bool]) -> Select[Any]:
    """Selects charges of usage by id: the columns of ChargeRow, then those of Facts; the condition is over both."""
    return (
        select(*_labelled(charges.c, facts_columns()))
        .join_from(charges, usage_records, charges.c.usage_record_id == usage_records.c.id)
        .where(condition)
        .order_by(charges.c.id)
    )


def _labelled(*columns: Iterable[ColumnElement[Any]]) -> Iterator[ColumnElement[Any]]:
    return (column.label(f"c{place}") for place, column in enumerate(chain.from_iterable(columns)))


def posted_pages(connection: Connection, calendar: Calendar, condition: ColumnElement[bool]) -> Iterator[PostedCharges]:
    """Reads charges with their usage, or its stand-in, by id, in pages."""
    for first, last in id_ranges(connection, 1, next_charge_id(connection) - 1, CHUNK):
        page = read_posted(connection, calendar, and_(condition, charges.c.id.between(first, last)))
        if page.charges:
            yield page


def posted_charges(
    connection: Connection, calendar: Calendar, first: int = 1, last: int | None = None
) -> Iterator[tuple[ChargeRow, Facts]]:
    """Reads charges with their usage, or its stand-in, by id from `first` to `last`, in pages."""
    last = next_charge_id(connection) - 1 if last is None else last
    for start, stop in id_ranges(connection, first, last, CHUNK):
        page = read_posted(connection, calendar, charges.c.id.between(start, stop))
        yield from zip(map(ChargeRow._make, page.charges), map(Facts._make, page.facts), strict=True)


def live_chunks(connection: Connection, condition: ColumnElement[bool]) -> Iterator[list[tuple[ChargeRow, Facts]]]:
    """Reads charges live when this began, with their usage, by id, in chunks; the condition is over both."""
    after, end = 0, next_charge_id(connection)
    while True:
        within = and_(is_live(), condition, charges.c.id > after, charges.c.id < end)
        rows = plain_rows(connection, select_with_usage(within).limit(CHUNK))
        chunk = [(ChargeRow._make(row[:_WIDTH]), Facts._make(row[_WIDTH:])) for row in rows]
        if not chunk:
            return
        yield chunk
        after = chunk[-1][0].id


def is_undone(charge_id: ColumnElement[int] = charges.c.id) -> ColumnElement[bool]:
    """Tells, in SQL, whether a reversal has taken the charge of this id back."""
    undoing = booked_corrections.alias("undoing")
    return select(undoing.c.id).where(undoing.c.corrects_id == charge_id, undoing.c.charge_class == "reversal").exists()


def is_live() -> ColumnElement[bool]:
    """Tells, in SQL, whether the charge counts: it is of usage, and no reversal has undone it."""
    of_usage = or_(*(charges.c.charge_class == charge_class for charge_class in LIVE_CLASSES))
    return and_(of_usage, ~is_undone())


def as_sealed(connection: Connection, rows: Sequence[PlainRow]) -> Sequence[PlainRow]:
    """Returns rows of charges as digests cover them: with the number that a record had before it was its charge's."""
    before = recorded_ids(connection, {row[_USAGE_ID] for row in rows} - {None})
    if not before:
        return rows
    after = _USAGE_ID + 1
    return [(*row[:_USAGE_ID], before.get(row[_USAGE_ID], row[_USAGE_ID]), *row[after:]) for row in rows]


def recorded_ids(connection: Connection, ids: Collection[int]) -> dict[int, int]:
    """Returns the numbers that records had before those of their charges, by these, where they had others."""
    of_record = booked_usage.c
    query = select(of_record.id, of_record.recorded_id).where(of_record.recorded_id.is_not(None))
    if ids and max(ids) - min(ids) < 2 * len(ids):  # as those of a page's first charges
        return dict(plain_rows(connection, query.where(of_record.id.between(min(ids), max(ids)))))
    found: dict[int, int] = {}
    for chunk in in_chunks(ids, 500):
        found.update(plain_rows(connection, query.where(of_record.id.in_(chunk))))
    return found


def id_ranges(
    connection: Connection, first: int, last: int, size: int, others: Sequence[tuple[int, int]] = ()
) -> Iterator[tuple[int, int]]:
    """Yields ranges of at most `size` ids that hold charges between two, however far apart these are.

    `others` are ranges of ids that charges elsewhere have.
    """
    queries = [
        f"SELECT min(id) FROM {table.name} WHERE id BETWEEN ? AND ?" for table in (booked_usage, booked_corrections)
    ]
    while first <= last:
        found = [run(connection, query, (first, last)).fetchone()[0] for query in queries]
        found += [max(first, start) for start, stop in others if stop >= first and start <= last]
        start = min((number for number in found if number is not None), default=None)
        if start is None:
            return
        stop = min(start + size - 1, last)
        yield start, stop
        first = stop + 1


def next_charge_id(connection: Connection) -> int:
    """Returns one more than the highest id of a charge or a lake's sum; only the holder of the write lock may ask."""
    return max(next_ids(connection, *NUMBERED_AS_CHARGES))


Identity = tuple[str, str, str]


@dataclass(slots=True)
class Known:
    """The latest usage record of an identity, and its live charge, if it has one."""

    id: int
    facts: Facts
    live_charge_id: int | None


_USAGE_COLUMNS = ", ".join(f"u.{name}" for name in ("id", *Facts._fields))


_LATEST = f"""
    SELECT {_USAGE_COLUMNS} FROM {{keys}} JOIN usage_records u
    ON u.request_id = k0 AND u.source = k1 AND u.kind = k2
    WHERE u.generation = (SELECT max(generation) FROM usage_records n
        WHERE n.request_id = k0 AND n.source = k1 AND n.kind = k2)
"""


def known_records(connection: Connection, identities: Sequence[Identity]) -> dict[Identity, Known]:
    """Returns the latest usage record of each identity, and its live charge."""
    found: dict[Identity, Known] = {}
    for number, *facts in rows_by_key(connection, _LATEST, identities):
        record = Facts._make(facts)
        found[record.identity] = Known(number, record, None)
    live = live_charges(connection, [known.id for known in found.values()])
    for known in found.values():
        known.live_charge_id = live.get(known.id)
    return found


def live_charges(connection: Connection, usage_record_ids: Sequence[int]) -> dict[int, int]:
    """Returns, by usage record id, the id of its charge or replacement that no reversal has undone, if any."""
    found: dict[int, int] = {}
    for chunk in in_chunks(usage_record_ids, 500):
        first, other = booked_usage.c, booked_corrections.c
        for query in (
            select(first.id, first.id).where(first.input_nano.is_not(None), first.id.in_(chunk), ~is_undone(first.id)),
            select(other.usage_record_id, other.id).where(
                other.charge_class == "replacement", other.usage_record_id.in_(chunk), ~is_undone(other.id)
            ),
        ):
            found.update(plain_rows(connection, query))
    return found
