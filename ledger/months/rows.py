"""The rows in a month's books, digested, and compared with what was closed."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from operator import itemgetter
from typing import Protocol

import msgspec
from sqlalchemy import Connection, and_, func, select

from ledger.book.charges import PlainRow, as_sealed, id_ranges, next_charge_id, plain_rows
from ledger.book.lake_cells import posted_in, read_lake
from ledger.book.open_months import standing_closes
from ledger.book.rows import ChargeRow
from ledger.book.seals import cells_to_seal, lines_to_seal, read_sealed, sealed_conversions
from ledger.store.expressions import ROWS_AT_ONCE
from ledger.store.tables import archives, charges, closings, lake_cells

_CONVERSION, _CURRENCY, _AMOUNT = map(ChargeRow._fields.index, ("conversion_id", "currency", "amount_nano"))


@dataclass(frozen=True, slots=True)
class MonthRows:
    """The charges, and sums of lakes, in a month's books: their number, their nano by currency, and a digest."""

    charges: int
    amounts_nano: dict[str, int]
    digest: str
    last_charge_id: int


class ArchivedCharges(Protocol):
    """Charges that were archived, as far as their files are opened."""

    def charges(self, month: str, first: int, last: int) -> list[PlainRow]: ...
    def ranges(self, month: str) -> list[tuple[int, int]]: ...
    def hides(self, month: str) -> bool: ...


class RowsRead:
    """The charges and sums posted in a month, as far as they were read: rows are only added, so that it can go on."""

    def __init__(self, month: str) -> None:
        self._month = month
        self._last = 0
        self._digest = hashlib.sha256()
        self._count = 0
        self._pinned: set[int | None] = set()
        self._amounts: Counter[str] = Counter()
        self._of_lakes = hashlib.sha256()
        self._sums = 0

    def read(
        self, connection: Connection, last_charge_id: int | None = None, archived: ArchivedCharges | None = None
    ) -> MonthRows:
        """Reads on, up to an id or to the end: sha256 over JSON lines, with what they pin."""
        last = next_charge_id(connection) - 1 if last_charge_id is None else last_charge_id
        query = select(charges).where(charges.c.posted_month == self._month).order_by(charges.c.id)
        others = archived.ranges(self._month) if archived is not None else ()
        for start, stop in id_ranges(connection, self._last + 1, last, ROWS_AT_ONCE, others):
            rows = plain_rows(connection, query.where(charges.c.id.between(start, stop)))
            if archived is not None and others:
                rows = sorted([*rows, *archived.charges(self._month, start, stop)], key=itemgetter(0))
            self._digest.update(lines_to_seal(as_sealed(connection, rows)))
            self._count += len(rows)
            self._pinned.update(row[_CONVERSION] for row in rows)
            for row in rows:
                self._amounts[row[_CURRENCY]] += row[_AMOUNT]
        self._read_sums(connection, last)
        self._last = last
        whole = self._digest.copy()
        if self._sums:  # a month without any is digested as before there were any
            whole.update(self._of_lakes.digest())
        known = sealed_conversions(connection)
        whole.update(
            msgspec.json.Encoder().encode_lines([known.get(number) for number in sorted(filter(None, self._pinned))])
        )
        return MonthRows(self._count + self._sums, dict(self._amounts), whole.hexdigest(), last)

    def _read_sums(self, connection: Connection, last: int) -> None:
        """Reads on sums of lakes."""
        for page in read_lake(connection, and_(posted_in(self._month), lake_cells.c.id.between(self._last + 1, last))):
            lines, pinned = cells_to_seal(page.rows, page.keys.sealed)
            self._of_lakes.update(lines)
            self._sums += len(page.rows)
            self._pinned |= pinned
            self._amounts.update(page.amounts_nano)


def check_closings(
    connection: Connection, month: str | None = None, archived: ArchivedCharges | None = None
) -> Iterator[str]:
    """Yields what is wrong with the closes, in words: rows that are no longer what was closed, a broken chain.

    Of a month whose rows were archived they are compared where the files are opened.
    """
    for row, intact in read_sealed(connection, closings):
        name = f"{row.action} no. {row.number} of {row.month}"
        if not intact:
            yield f"{name}: it is no longer as it was recorded"
        is_whole = archived is None or not archived.hides(row.month)
        if row.action == "close" and month in (None, row.month) and is_whole:
            found = RowsRead(row.month).read(connection, row.last_charge_id, archived)
            if (found.digest, found.charges) != (row.rows_digest, row.charges):
                yield f"{name}: its {row.charges} charges are no longer those that were closed"
    yield from _strays(connection, month)


def _strays(connection: Connection, month: str | None) -> Iterator[str]:
    for row in standing_closes(connection):
        if month in (None, row.month):
            of_charges = charges.c.posted_month == row.month, charges.c.id > row.last_charge_id
            kept = select(archives.c.batch_id)  # sums of what was in the month as it was closed
            of_sums = posted_in(row.month), lake_cells.c.id > row.last_charge_id, lake_cells.c.batch_id.not_in(kept)
            queries = [select(func.count()).where(*conditions) for conditions in (of_charges, of_sums)]
            count = sum(int(connection.execute(query).scalar_one()) for query in queries)
            if count:
                yield f"{row.month}: {count} charges were posted in it after it was closed"
