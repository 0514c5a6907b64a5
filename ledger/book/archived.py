"""Usage whose rows were moved to files: which may be, how it goes, and how it is known when it comes again."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, Final, NamedTuple

import msgspec
from sqlalchemy import ColumnElement, Connection, and_, delete, func, select

from ledger.book.booked import KEY_LABELS
from ledger.book.booked_pages import BookedPage
from ledger.book.charges import Identity, plain_rows
from ledger.book.rows import Facts, compared_numbers
from ledger.book.seals import append_sealed
from ledger.errors import LedgerError
from ledger.store.bulk import append_rows, in_chunks, next_id, rows_by_key, stream_rows
from ledger.store.expressions import ROWS_AT_ONCE, microseconds
from ledger.store.tables import (
    ARCHIVED_THROUGH,
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
    usage, corrections = booked_usage.c, booked_corrections.c
    return and_(
        usage.key_id.in_(select(record_keys.c.id).where(record_keys.c.posted_month <= through)),
        usage.generation == 0,
        usage.calls.is_(None),
        usage.tool_calls.is_(None),
        usage.request_id.not_like("redacted:%"),
        ~select(corrections.id).where(corrections.usage_record_id == usage.id).exists(),
        usage.batch_id.in_(select(text_seals.c.batch_id).where(text_seals.c.sealed_by == text_seals.c.batch_id)),
    )


def move_out(connection: Connection, page: BookedPage, entry: Mapping[str, Any], *, now: datetime) -> None:
    """Deletes the rows of a page that a file has; `entry` says of `archives` where they are, through which month, why.

    LedgerError where a row was corrected, or is gone, since the page was read.
    """
    identities = identities_of(page, next_id(connection, archives))
    first, last = int(page.columns["id"][0]), int(page.columns["id"][-1])
    of_batches = page.number("batch_id")
    bounds = {"first_batch_id": int(of_batches.min()), "last_batch_id": int(of_batches.max())}
    digests = {"identities": digest_of(identities), "batches": digest_of(batches_between(connection, *bounds.values()))}
    own = {"first_id": first, "last_id": last, "rows": len(page), **bounds, **digests, "archived_at": now}
    append_sealed(connection, archives, {**entry, **own})
    append_rows(connection, archived_usage, identities)
    gone = delete(booked_usage).where(booked_usage.c.id.between(first, last), archivable(entry["through"]))
    if connection.execute(gone).rowcount != len(page):
        raise LedgerError("usage to archive was corrected meanwhile: run the same command again")


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


def batches_between(connection: Connection, first: int, last: int) -> Iterator[Sequence[Any]]:
    """Reads rows of `batches` of ids between two, which their digests no more cover once rows of theirs are away."""
    columns = (microseconds(column) if column is batches.c.posted_at else column for column in batches.c)
    return stream_rows(
        connection, select(*columns).where(batches.c.id.between(first, last)).order_by(batches.c.id), _row
    )


def _row(*values: Any) -> tuple[Any, ...]:
    return values


def find_archived(
    connection: Connection, settings: Mapping[str, str], identities: Sequence[Identity]
) -> dict[Identity, Archived]:
    """Finds records whose rows were moved; looks for none where nothing ever was."""
    if ARCHIVED_THROUGH not in settings:
        return {}
    wanted = {_identity(identity): identity for identity in identities}
    texts = [(str(upper), str(lower)) for upper, lower in wanted]
    found = {(upper, lower): known for upper, lower, *known in rows_by_key(connection, _KNOWN, texts)}
    keys: dict[int, RecordKey] = {}
    for chunk in in_chunks({key_id for key_id, _numbers in found.values()}, 500):
        for number, _digest, *values in plain_rows(connection, select(record_keys).where(record_keys.c.id.in_(chunk))):
            keys[number] = RecordKey(*values)
    return {wanted[halves]: Archived(keys[key_id], numbers) for halves, (key_id, numbers) in found.items()}


def check_unarchived(connection: Connection, batch: ColumnElement[bool], what: str) -> None:
    """Raises a LedgerError where rows were archived of the batches that meet a condition, and `what` needs them all."""
    if connection.execute(select(archives.c.id).limit(1)).first() is None:
        return
    of = batches.c
    added = func.sum(of.last_usage_record_id - of.first_usage_record_id + 1)
    count, first, last = connection.execute(
        select(added, func.min(of.first_charge_id), func.max(of.last_charge_id)).where(batch)
    ).one()
    usage = booked_usage.c
    of_batches = usage.id.between(first, last), usage.batch_id.in_(select(of.id).where(batch))
    if connection.execute(select(func.count()).where(*of_batches)).scalar_one() < (count or 0):
        raise LedgerError(f"{what} needs all its rows, and some were archived to {_places(connection)}")


def _places(connection: Connection) -> str:
    return ", ".join(where_archived(connection))


def is_archived(connection: Connection, source: str, month: str) -> bool:
    """Tells whether usage of a source was archived that occurred in a month or later."""
    of = lake_keys.c
    query = select(of.id).join_from(lake_keys, lake_cells, lake_cells.c.key_id == of.id)
    kept = query.join(archives, archives.c.batch_id == lake_cells.c.batch_id)
    return connection.execute(kept.where(of.source == source, of.occurred_month >= month).limit(1)).first() is not None


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
