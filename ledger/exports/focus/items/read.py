"""What FOCUS exports of a month are made of: its roll-up by day, or its charges, with what tells corrections apart."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from sqlalchemy import Connection, and_, func, select

from ledger.book.with_usage import ChargeWithUsage, charge_column, select_charges
from ledger.lake.given import Lakes
from ledger.lake.posted import Posting
from ledger.store.bulk import stream_rows
from ledger.store.tables import batches, charges, rollup_days, rollup_keys

CORRECTING = ("reversal", "replacement")


class RolledUp(NamedTuple):
    """Charges of a day, summed by key; amounts and counts of reversals are negative, `tags` are the rolled-up ones."""

    day: str
    charge_class: str
    occurred_month: str
    project: str
    provider: str
    currency: str
    billed_model: str
    tier: str
    rate_entry_id: int
    conversion_id: int | None
    tags: str
    input_tokens: int
    cached_input_tokens: int
    output_tokens: int
    storage_token_hours: int
    cache_write_5m_tokens: int
    cache_write_1h_tokens: int
    calls: int
    input_nano: int
    cached_input_nano: int
    output_nano: int
    cache_storage_nano: int
    cache_write_5m_nano: int
    cache_write_1h_nano: int
    call_nano: int


class PostedCharge(ChargeWithUsage, frozen=True, gc=False):
    """A charge with its usage, and its batch's reason and reference.

    `corrected_posted_month` is that of the charge that this one reverses or replaces.
    """

    corrected_posted_month: str | None
    reason: str | None
    reference: str | None


class LakePosted(PostedCharge, frozen=True, gc=False):
    """A charge whose row a lake has: its `id` is that of its batch's first sum."""

    number: str
    corrected_number: str | None


def read_rolled_up(connection: Connection, month: str) -> Iterator[RolledUp]:
    """Yields the roll-up of a month's books without adjustments, in order of days, some thousands of rows at a time."""
    keys = rollup_keys
    wanted = and_(keys.c.posted_month == month, keys.c.charge_class != "adjustment")
    # Keys are numbered as they first come up: their range keeps those of other months from being looked up.
    first, last = connection.execute(select(func.min(keys.c.id), func.max(keys.c.id)).where(wanted)).one()
    if first is None:
        return
    columns = [(keys if name in keys.c else rollup_days).c[name] for name in RolledUp._fields]
    query = (
        select(*columns)
        .join_from(rollup_days, keys, keys.c.id == rollup_days.c.key_id)
        .where(rollup_days.c.key_id.between(first, last), wanted)
        .order_by(rollup_days.c.day)
    )
    yield from stream_rows(connection, query, RolledUp)


def corrects_earlier_usage(connection: Connection, month: str) -> bool:
    """Tells whether the month's books hold reversals or replacements of usage that occurred before it."""
    query = select(rollup_keys.c.id).where(
        rollup_keys.c.posted_month == month,
        rollup_keys.c.occurred_month < month,
        rollup_keys.c.charge_class.in_(CORRECTING),
    )
    return connection.execute(query.limit(1)).first() is not None


def read_late_corrected(connection: Connection, month: str) -> Iterator[PostedCharge]:
    """Reads reversals and replacements of late usage posted in the same month, which roll-ups don't tell apart."""
    late = and_(
        charges.c.corrects_id.is_not(None),
        charges.c.posted_month == month,
        charges.c.occurred_month < month,
        charge_column("corrected_posted_month") == month,
    )
    return stream_rows(connection, select_charges(PostedCharge).where(late), PostedCharge)


def read_adjustments(connection: Connection, month: str) -> Iterator[PostedCharge]:
    """Yields the month's adjustments in order of posting, found by their batches: charges are many, adjustments few."""
    in_batch = charges.c.id.between(batches.c.first_charge_id, batches.c.last_charge_id)
    of_month = and_(charges.c.charge_class == "adjustment", charges.c.posted_month == month)
    return stream_rows(
        connection, select_charges(PostedCharge).where(batches.c.kind == "adjust", in_batch, of_month), PostedCharge
    )


def read_posted(connection: Connection, month: str, lakes: Lakes) -> Iterator[PostedCharge]:
    """Yields all charges of a month's books, those of lakes too, in order of posting, some thousands at a time."""

    def wanted(posting: Posting) -> Posting | None:
        return posting if posting.posted_month == month else None

    book = stream_rows(connection, select_charges(PostedCharge).where(charges.c.posted_month == month), PostedCharge)
    return lakes.beside(book, connection, wanted, LakePosted)
