"""Usage whose rows were moved to files: which may be, how it goes, and how it is known when it comes again."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, Final, NamedTuple

import msgspec
from sqlalchemy import ColumnElement, Connection, Select, and_, delete, func, select

from ledger.book.booked import KEY_LABELS
from ledger.book.booked_pages import BookedPage, read_booked
from ledger.book.charges import Identity, plain_rows
from ledger.book.rows import Facts, compared_numbers
from ledger.book.seals import StoredUsage, append_sealed, sealed_conversions, texts_digest, usage_digest
from ledger.errors import LedgerError
from ledger.store.bulk import append_rows, in_chunks, next_id, rows_by_key, stream_rows
from ledger.store.driver import run
from ledger.store.expressions import ROWS_AT_ONCE, microseconds
from ledger.store.log import memory_of
from ledger.store.tables import (
    archived_usage,
    archives,
    batches,
    booked_corrections,
    booked_usage,
    lake_cells,
    lake_keys,
    record_keys,
    text_seals,
)
from ledger.store.tables.keys import RecordKey
from ledger.values.columns import rows_of
from ledger.values.halves import digest_halves

KIND: Final = "archive"
# Of an archived record whose numbers aren't those of one that comes again: no record has occurred then.
_OTHER_TIME_US = -(2**63)
_KNOWN = """
    SELECT known.upper, known.lower, known.key_id, known.numbers FROM {keys} CROSS JOIN archived_usage known
    WHERE known.upper = CAST(k0 AS BIGINT) AND known.lower = CAST(k1 AS BIGINT)
"""


class Archived(NamedTuple):
    """A record whose row was moved, as far as it is known: its labels, and half of a digest of its numbers."""

    key: RecordKey
    numbers: int

    def facts(self, new: Facts) -> Facts:
        """Returns it as `same_facts` compares it with one of its identity: of that are whatever isn't known, as tags.

        Where its numbers are others than the new one's, it has occurred at another time.
        """
        labels = {name: getattr(self.key, name) for name in KEY_LABELS}
        time = new.occurred_at if _numbers(new) == self.numbers else _OTHER_TIME_US
        return new._replace(occurred_at=time, calls=None, tool_calls=None, **labels)


def archivable(through: str) -> ColumnElement[bool]:
    """Tells, in SQL, which rows of `booked_usage` may be moved: posted in a month or before, and never corrected.

    What needs its row to be told apart stays: ids that are redacted or were recorded again, calls of tools, and what
    was sealed row by row. The guard of deletes says the same.
    """
    usage, corrections, seals = booked_usage.c, booked_corrections.c, text_seals.c
    own_seal = select(seals.id).where(seals.batch_id == usage.batch_id, seals.sealed_by == usage.batch_id)
    return and_(
        is_posted(through),
        usage.generation == 0,
        usage.calls.is_(None),
        usage.tool_calls.is_(None),
        usage.request_id.not_like("redacted:%"),
        ~select(corrections.id).where(corrections.usage_record_id == usage.id).exists(),
        own_seal.exists(),
    )


def is_posted(through: str) -> ColumnElement[bool]:
    """Tells, in SQL, which rows of `booked_usage` are posted in a month or before."""
    return booked_usage.c.key_id.in_(select(record_keys.c.id).where(record_keys.c.posted_month <= through))


def move_out(connection: Connection, page: BookedPage, entry: Mapping[str, Any], *, now: datetime) -> None:
    """Deletes the rows of a page that a file has; `entry` has what `archives` says of where they are.

    Their sums must be booked before. LedgerError where a row was corrected, or is gone, since the page was read.
    """
    ids, of_batches, batch_id = page.number("id"), page.number("batch_id"), entry["batch_id"]
    first, last = int(ids[0]), int(ids[-1])
    first_batch, last_batch = int(of_batches.min()), int(of_batches.max())
    identities = identities_of(page, next_id(connection, archives))
    seal_staying(connection, page, batch_id)
    own = {
        "first_id": first,
        "last_id": last,
        "rows": len(page),
        "first_batch_id": first_batch,
        "last_batch_id": last_batch,
        "batches": digest_of(sealed_beside(connection, first_batch, last_batch, batch_id)),
        "identities": digest_of(identities),
    }
    append_sealed(connection, archives, {**entry, **own, "archived_at": now})
    gone = delete(booked_usage).where(booked_usage.c.id.between(first, last), archivable(entry["through"]))
    if connection.execute(gone).rowcount != len(page):
        raise LedgerError("usage to archive was corrected or archived meanwhile: run the same command again")
    append_rows(connection, archived_usage, identities)


def seal_staying(connection: Connection, page: BookedPage, sealed_by: int) -> None:
    """Seals the rows that stay of the batches whose others, those of the page, go: their own digests cover all."""
    going = Counter(page.number("batch_id").tolist())
    of_page = select(batches).where(batches.c.id.between(min(going), max(going))).order_by(batches.c.id)
    found = {batch.id: batch for batch in connection.execute(of_page) if batch.id in going}
    first, last = (
        min(each.first_charge_id for each in found.values()),
        max(each.last_charge_id for each in found.values()),
    )
    of_batch = booked_usage.c.batch_id
    counts = select(of_batch, func.count()).where(booked_usage.c.id.between(first, last)).group_by(of_batch)
    there = {number: count for number, count in connection.execute(counts) if number in going}
    staying = sorted(number for number, count in there.items() if count > going[number])
    number = next_id(connection, text_seals)
    gone = set(page.number("id").tolist()) if staying else set()
    known = sealed_conversions(connection)
    for place, batch_id in enumerate(staying):
        batch = found[batch_id]
        ids = batch.first_charge_id, batch.last_charge_id
        usage = read_booked(connection, page.named, *ids).without(gone).between(*ids)
        digest = staying_digest(batch._asdict(), usage, known)
        append_rows(connection, text_seals, [(number + place, batch_id, sealed_by, None, None, digest)])


def staying_digest(batch: Mapping[str, Any], usage: StoredUsage, known: Mapping[int, tuple[Any, ...]]) -> str:
    """Computes what seals the rows that stay of a batch."""
    return usage_digest(batch, usage, texts_digest("", usage.texts), (), known)


def identities_of(page: BookedPage, archive: int) -> list[tuple[int, ...]]:
    """Returns the rows of `archived_usage` of a page, in their order."""
    _charges, columns, _alike = page.charges()
    each = zip(map(Facts._make, rows_of(columns)), page.number("key_id").tolist(), strict=True)
    return sorted((*_identity(facts.identity), archive, key_id, _numbers(facts)) for facts, key_id in each)


def digest_of(rows: Iterable[Sequence[Any]]) -> str:
    """Computes sha256 over rows as JSON arrays, a line each: those of `archived_usage` are in order of identity."""
    digest = hashlib.sha256()
    for chunk in in_chunks(rows, ROWS_AT_ONCE):
        digest.update(msgspec.json.Encoder().encode_lines(chunk))
    return digest.hexdigest()


def sealed_beside(connection: Connection, first: int, last: int, sealed_by: int) -> Iterator[Sequence[Any]]:
    """Reads what an archive seals beside its rows: batches of ids between two, and the seals of what stays of them.

    A batch's own digest can't be compared any more once rows of it are elsewhere.
    """
    columns = (microseconds(column) if column is batches.c.posted_at else column for column in batches.c)
    of_batches = select(*columns).where(batches.c.id.between(first, last)).order_by(batches.c.id)
    of_staying = select(text_seals).where(text_seals.c.sealed_by == sealed_by).order_by(text_seals.c.id)
    yield from stream_rows(connection, of_batches, _row)
    yield from stream_rows(connection, of_staying, _row)


def _row(*values: Any) -> tuple[Any, ...]:
    return values


def find_archived(connection: Connection, identities: Sequence[Identity]) -> dict[Identity, Archived]:
    """Finds records whose rows were moved; looks for none where nothing ever was."""
    if not any_archived(connection):
        return {}
    wanted = {_identity(identity): identity for identity in identities}
    found: dict[tuple[int, int], tuple[int, int]] = {}
    # Of more at once PostgreSQL reads all identities that there are.
    for texts in in_chunks(((str(upper), str(lower)) for upper, lower in wanted), 2_000):
        found.update(((upper, lower), (key, own)) for upper, lower, key, own in rows_by_key(connection, _KNOWN, texts))
    keys: dict[int, RecordKey] = {}
    for chunk in in_chunks({key_id for key_id, _numbers in found.values()}, 500):
        for number, _digest, *values in plain_rows(connection, select(record_keys).where(record_keys.c.id.in_(chunk))):
            keys[number] = RecordKey(*values)
    for key_id, _numbers in found.values():
        if key_id not in keys:
            raise LedgerError(f"record_keys {key_id}: is missing, and archived usage names it: 'tollbook verify'")
    return {wanted[halves]: Archived(keys[key_id], numbers) for halves, (key_id, numbers) in found.items()}


def any_archived(connection: Connection) -> bool:
    """Tells whether any rows were archived; remembered as long as usage alone is booked."""
    memory = memory_of(connection)
    found: bool | None = memory.get(any_archived)
    if found is None:
        found = memory[any_archived] = run(connection, "SELECT 1 FROM archives LIMIT 1").fetchone() is not None
    return found


def check_unarchived(connection: Connection, batch: ColumnElement[bool], what: str) -> None:
    """Raises a LedgerError where rows were archived of the batches that meet a condition, and `what` needs them all."""
    if not any_archived(connection):
        return
    of = batches.c
    added = func.sum(of.last_usage_record_id - of.first_usage_record_id + 1)
    count, first, last = connection.execute(
        select(added, func.min(of.first_charge_id), func.max(of.last_charge_id)).where(batch)
    ).one()
    usage = booked_usage.c
    of_batches = usage.id.between(first, last), usage.batch_id.in_(select(of.id).where(batch))
    if connection.execute(select(func.count()).where(*of_batches)).scalar_one() < (count or 0):
        raise LedgerError(f"{what} needs all its rows, and some were archived to {named_places(connection)}")


def named_places(connection: Connection) -> str:
    """Returns the places that rows were moved to, as messages name them."""
    return ", ".join(where_archived(connection))


def is_archived(connection: Connection, source: str, month: str) -> bool:
    """Tells whether usage of a source was archived that occurred in a month or later."""
    of = lake_keys.c
    found = _sums_kept(of.id).where(of.source == source, of.occurred_month >= month).limit(1)
    return connection.execute(found).first() is not None


def archived_through(connection: Connection) -> str | None:
    """Returns the last month whose books had rows that were archived."""
    month: str | None = connection.execute(_sums_kept(func.max(lake_keys.c.posted_month))).scalar()
    return month


def _sums_kept(column: ColumnElement[Any]) -> Select[Any]:
    """Selects a column of the sums of rows that were archived."""
    query = select(column).join_from(lake_keys, lake_cells, lake_cells.c.key_id == lake_keys.c.id)
    return query.join(archives, archives.c.batch_id == lake_cells.c.batch_id)


def lakes_at(connection: Connection, location: str) -> set[str]:
    """Returns the ids of the lakes to which rows were archived at a place."""
    return set(connection.execute(select(archives.c.lake).where(archives.c.location == location)).scalars())


def where_archived(connection: Connection) -> Iterator[str]:
    """Yields the places that rows were moved to, in order of time."""
    yield from dict.fromkeys(connection.execute(select(archives.c.location).order_by(archives.c.id)).scalars())


def _identity(identity: Identity) -> tuple[int, int]:
    return digest_halves(identity)


def _numbers(facts: Facts) -> int:
    return digest_halves(compared_numbers(facts))[0]
