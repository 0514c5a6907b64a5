"""The rows in a month's books, digested, and compared with what was closed."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

import msgspec
from sqlalchemy import Connection, func, select

from ledger.book.charges import as_sealed, id_ranges, next_charge_id, plain_rows
from ledger.book.open_months import standing_closes
from ledger.book.rows import ChargeRow
from ledger.book.seals import lines_to_seal, read_sealed, sealed_conversions
from ledger.store.expressions import ROWS_AT_ONCE
from ledger.store.tables import charges, closings

_CONVERSION, _CURRENCY, _AMOUNT = map(ChargeRow._fields.index, ("conversion_id", "currency", "amount_nano"))


@dataclass(frozen=True, slots=True)
class MonthRows:
    """The charges in a month's books: their number, their nano by currency, and a digest over them."""

    charges: int
    amounts_nano: dict[str, int]
    digest: str
    last_charge_id: int


class RowsRead:
    """The charges posted in a month, as far as they were read: rows are only ever added, so that reading can go on."""

    def __init__(self, month: str) -> None:
        self._month = month
        self._last = 0
        self._digest = hashlib.sha256()
        self._count = 0
        self._pinned: set[int | None] = set()
        self._amounts: Counter[str] = Counter()

    def read(self, connection: Connection, last_charge_id: int | None = None) -> MonthRows:
        """Reads on, up to an id or to the end: sha256 over JSON lines, with what they pin."""
        last = next_charge_id(connection) - 1 if last_charge_id is None else last_charge_id
        query = select(charges).where(charges.c.posted_month == self._month).order_by(charges.c.id)
        for start, stop in id_ranges(connection, self._last + 1, last, ROWS_AT_ONCE):
            rows = plain_rows(connection, query.where(charges.c.id.between(start, stop)))
            self._digest.update(lines_to_seal(as_sealed(connection, rows)))
            self._count += len(rows)
            self._pinned.update(row[_CONVERSION] for row in rows)
            for row in rows:
                self._amounts[row[_CURRENCY]] += row[_AMOUNT]
        self._last = last
        whole = self._digest.copy()
        known = sealed_conversions(connection)
        whole.update(
            msgspec.json.Encoder().encode_lines([known.get(number) for number in sorted(filter(None, self._pinned))])
        )
        return MonthRows(self._count, dict(self._amounts), whole.hexdigest(), last)


def check_closings(connection: Connection, month: str | None = None) -> Iterator[str]:
    """Yields what is wrong with the closes, in words: rows that are no longer what was closed, a broken chain."""
    for row, intact in read_sealed(connection, closings):
        name = f"{row.action} no. {row.number} of {row.month}"
        if not intact:
            yield f"{name}: it is no longer as it was recorded"
        if row.action == "close" and month in (None, row.month):
            found = RowsRead(row.month).read(connection, row.last_charge_id)
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
