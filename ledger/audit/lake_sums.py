"""A lake's sums compared with what they name: months, prices, the rows that they take back, and their batches."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from msgspec import json
from sqlalchemy import Connection, and_, or_, select

from ledger.audit.verification import LISTED_PROBLEMS
from ledger.book.archived import KIND as ARCHIVE
from ledger.book.lake_cells import LakeKeys, LakePage, LakeRow, read_lake
from ledger.book.sources import count_charged, moved_sources
from ledger.store.database import settings_in
from ledger.store.tables import (
    batches,
    booked_usage,
    conversions,
    lake_cells,
    lake_keys,
    rate_entries,
    sources,
    streams,
)
from ledger.values.calendar import QUARTER_US, Calendar


def check_sums(connection: Connection, calendar: Calendar, page: LakePage) -> Iterator[str]:
    """Yields what is wrong with rows: a key that is gone, another month than its usage, no exact reverse."""
    keys = page.keys.dimensions
    for row in page.rows:
        if row.key_id not in keys:
            yield f"lake sum {row.id}: the key that it names is missing"
        elif (keys[row.key_id].charge_class == "reversal") != (row.corrects_id is not None):
            yield f"lake sum {row.id}: is a {keys[row.key_id].charge_class} that takes back {row.corrects_id}"
    cells = page.cells()
    for place, time in sorted(set(zip(cells.key_place.tolist(), cells.time.tolist(), strict=True))):
        key = cells.keys[place]
        if calendar.month(time * QUARTER_US) != key.occurred_month:
            yield f"lake sums of {key.source!r}: occurred month {key.occurred_month} isn't that of their time"
    yield from _check_reversals(connection, page)


def _check_reversals(connection: Connection, page: LakePage) -> Iterator[str]:
    reversals = {row.corrects_id: row for row in page.rows if row.corrects_id is not None}
    for before in read_lake(connection, lake_cells.c.id.in_(list(reversals))) if reversals else ():
        after = before._replace(rows=[reversals.pop(row.id) for row in before.rows])
        for number, corrected in _inexact(before, after):
            yield f"lake sum {number}: isn't the exact reverse of {corrected}"
    for missing in reversals.values():
        yield f"lake sum {missing.id}: takes back {missing.corrects_id}, which doesn't exist"


def _inexact(before: LakePage, after: LakePage) -> Iterator[tuple[int, int]]:
    """Yields the ids of rows that aren't the reverse of the row at their place, and of that row."""
    import numpy as np

    pairs = [pair for pair in zip(before.rows, after.rows, strict=True) if _is_at_its_place(*pair, before.keys)]
    fitting = {one.id for one, _other in pairs}
    yield from ((other.id, one.id) for one, other in zip(before.rows, after.rows, strict=True) if one.id not in fitting)
    if pairs:
        one, other = (LakePage(rows, before.keys).by_row() for rows in zip(*pairs, strict=True))
        differ = (one.sums != -other.sums).any(axis=0)
        for place in np.unique(one.key_place[differ]).tolist():
            yield pairs[place][1].id, pairs[place][0].id


def _is_at_its_place(before: LakeRow, after: LakeRow, keys: LakeKeys) -> bool:
    """Tells whether a row is of the time and, but for class and books, the key of the one that it takes back."""
    one, other = (keys.dimensions.get(row.key_id) for row in (before, after))
    if one is None or other is None:
        return False
    exact = one._replace(charge_class="reversal", posted_month=other.posted_month)
    of_charges = one.charge_class == "charge" and other == exact
    return of_charges and (before.half_day, before.quarters) == (after.half_day, after.quarters)


def check_outside(connection: Connection) -> Iterator[str]:
    """Yields what is wrong between tables: rows outside of batches, missing prices, and sources in two homes."""
    of_batch = and_(
        batches.c.id == lake_cells.c.batch_id,
        lake_cells.c.id.between(batches.c.first_charge_id, batches.c.last_charge_id),
    )
    strays = select(lake_cells.c.id).where(~select(batches.c.id).where(of_batch).exists()).order_by(lake_cells.c.id)
    for number in connection.execute(strays.limit(LISTED_PROBLEMS)).scalars():
        yield f"lake sum {number}: is in no batch"
    for number in _unpriced(connection):
        yield f"lake_keys {number}: the price entry or the conversion that it names is missing"
    yield from _check_homes(connection)


def _unpriced(connection: Connection) -> list[int]:
    of = lake_keys.c
    entry = select(rate_entries.c.id).where(rate_entries.c.id == of.rate_entry_id).exists()
    conversion = select(conversions.c.id).where(conversions.c.id == of.conversion_id).exists()
    missing = or_(~entry, and_(of.conversion_id.is_not(None), ~conversion))
    return list(connection.execute(select(of.id).where(missing).limit(LISTED_PROBLEMS)).scalars())


def _with_usage(connection: Connection, names: Sequence[str]) -> set[str]:
    """Returns which of these sources have usage in the book: a stream alone may be of records that were held back."""
    known = connection.execute(select(streams.c.id, streams.c.source).where(streams.c.source.in_(names))).all()
    of = select(booked_usage.c.id).limit(1)
    found = ((source, of.where(booked_usage.c.stream_id == number)) for number, source in known)
    return {source for source, query in found if connection.execute(query).first() is not None}


def _check_homes(connection: Connection) -> Iterator[str]:
    """Compares the lake of each source with those that its sums were posted of, and with usage in the book."""
    homes = {row.source: row.lake for row in connection.execute(select(sources.c.source, sources.c.lake))}
    moved = moved_sources(settings_in(connection))
    posted = (
        select(lake_keys.c.source, lake_keys.c.occurred_month, batches.c.options)
        .join_from(lake_cells, lake_keys, lake_keys.c.id == lake_cells.c.key_id)
        .join(batches, batches.c.id == lake_cells.c.batch_id)
        .where(lake_cells.c.corrects_id.is_(None), batches.c.kind != ARCHIVE)
        .distinct()
    )
    named: set[tuple[str, str | None, str | None]] = set()
    for source, month, options in connection.execute(posted):
        home = moved.get(source)
        kept = home.lake if home is not None and home.keeps(month) else homes.get(source)
        named.add((source, json.decode(options).get("lake"), kept))
    for source, lake, kept in sorted(named, key=str):
        if kept != lake:
            yield f"sources: {source!r} has sums of lake {lake}, its row says {kept or 'the book'}"
    in_book = _with_usage(connection, [name for name, lake in homes.items() if lake is not None])
    for name, lake in sorted(homes.items()):
        if lake is not None and name in in_book:
            yield f"sources: {name!r} belongs to lake {lake}, and has usage in the book"
    for name, home in sorted(moved.items()):
        if count_charged(connection, name, home.month):
            yield f"sources: {name!r} belongs to {home}, and has usage of then in the book"
