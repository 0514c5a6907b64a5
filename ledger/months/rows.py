"""The rows in a month's books, digested, and compared with what was closed."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

import msgspec
from sqlalchemy import Connection, func, select

from ledger.book.open_months import standing_closes
from ledger.book.rows import ChargeRow
from ledger.book.seals import read_sealed, sealed_conversions
from ledger.store.bulk import next_id
from ledger.store.expressions import ROWS_AT_ONCE
from ledger.store.tables import charges, closings


@dataclass(frozen=True, slots=True)
class MonthRows:
    """The charges in a month's books: their number, their nano by currency, and a digest over them."""

    charges: int
    amounts_nano: dict[str, int]
    digest: str
    last_charge_id: int


def rows_of_month(connection: Connection, month: str, last_charge_id: int | None = None) -> MonthRows:
    """Digests the charges posted in a month, up to an id: sha256 over JSON lines, with what they pin."""
    last = next_id(connection, charges) - 1 if last_charge_id is None else last_charge_id
    query = select(charges).where(charges.c.posted_month == month, charges.c.id <= last).order_by(charges.c.id)
    result = connection.execute(query, execution_options={"yield_per": ROWS_AT_ONCE})
    digest = hashlib.sha256()
    encode_lines = msgspec.json.Encoder().encode_lines
    count = 0
    pinned: set[int | None] = set()
    amounts: Counter[str] = Counter()
    for page in result.partitions():
        rows = [ChargeRow(*row) for row in page]
        digest.update(encode_lines(rows))
        count += len(rows)
        pinned.update(row.conversion_id for row in rows)
        for row in rows:
            amounts[row.currency] += row.amount_nano
    known = sealed_conversions(connection)
    digest.update(encode_lines([known.get(number) for number in sorted(number for number in pinned if number)]))
    return MonthRows(count, dict(amounts), digest.hexdigest(), last)


def check_closings(connection: Connection, month: str | None = None) -> Iterator[str]:
    """Yields what is wrong with the closes, in words: rows that are no longer what was closed, a broken chain."""
    for row, intact in read_sealed(connection, closings):
        name = f"{row.action} no. {row.number} of {row.month}"
        if not intact:
            yield f"{name}: it is no longer as it was recorded"
        if row.action == "close" and month in (None, row.month):
            found = rows_of_month(connection, row.month, row.last_charge_id)
            if (found.digest, found.charges) != (row.rows_digest, row.charges):
                yield f"{name}: its {row.charges} charges are no longer those that were closed"
    yield from _strays(connection, month)


def _strays(connection: Connection, month: str | None) -> Iterator[str]:
    for row in standing_closes(connection):
        if month in (None, row.month):
            query = select(func.count()).where(charges.c.posted_month == row.month, charges.c.id > row.last_charge_id)
            count = int(connection.execute(query).scalar_one())
            if count:
                yield f"{row.month}: {count} charges were posted in it after it was closed"
