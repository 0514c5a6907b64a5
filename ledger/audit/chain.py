"""Batches as they were sealed: their rows, read in pages, and the chain of digests over them."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from operator import itemgetter
from typing import Any

from sqlalchemy import Connection, Row, select

from ledger.audit.verification import Verification
from ledger.book.charges import PlainRow, PostedCharges, as_sealed, facts_columns, plain_rows, recorded_ids
from ledger.book.rows import ChargeRow
from ledger.book.seals import amounts_text, batch_digest, sealed_conversions
from ledger.store.tables import batches, booked_usage, usage_records

PAGE_ROWS = 8_000
_CLASS = ChargeRow._fields.index("charge_class")


def pages(connection: Connection) -> Iterator[list[Row[Any]]]:
    """Reads batches in sequence, in lists that hold about PAGE_ROWS charges."""
    after = 0
    while found := connection.execute(
        select(batches).where(batches.c.sequence > after).order_by(batches.c.sequence).limit(2_000)
    ).all():
        after = found[-1].sequence
        page: list[Row[Any]] = []
        size = 0
        for batch in found:
            page.append(batch)
            size += batch.last_charge_id - batch.first_charge_id + 1
            if size >= PAGE_ROWS:
                yield page
                page, size = [], 0
        if page:
            yield page


def _added_in(
    connection: Connection, page: Sequence[Row[Any]], posted: PostedCharges
) -> tuple[list[int], list[PlainRow]]:
    """Returns the records that the page's batches added: their ids, and their rows as they were digested."""
    charged = [
        (charge[0], charge[1], *facts)
        for charge, facts in zip(posted.charges, posted.facts, strict=True)
        if charge[_CLASS] == "charge"
    ]
    columns = [usage_records.c.id, usage_records.c.batch_id, *facts_columns()]
    uncharged = (
        select(*columns)
        .join_from(usage_records, booked_usage, booked_usage.c.id == usage_records.c.id)
        .where(booked_usage.c.id.between(page[0].first_charge_id, page[-1].last_charge_id))
        .where(booked_usage.c.input_nano.is_(None))
    )
    rows = sorted([*charged, *plain_rows(connection, uncharged)], key=itemgetter(0))
    ids = [row[0] for row in rows]
    before = recorded_ids(connection, ids)
    return ids, [(before.get(row[0], row[0]), *row[1:]) for row in rows] if before else rows


class Chain:
    """Checks each batch: its digest covers its rows and the digest before it; sequence has no gap."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._conversions = sealed_conversions(connection)
        self._sequence = 0
        self._digest = ""

    def check(self, page: Sequence[Row[Any]], posted: PostedCharges, result: Verification) -> None:
        """Tells what is wrong with the batches of a page."""
        usage_ids, added = _added_in(self._connection, page, posted)
        sealed = as_sealed(self._connection, posted.charges)
        for batch in page:
            result.checked["batches"] += 1
            rows = added[_between(usage_ids, batch.first_charge_id, batch.last_charge_id)]
            own = _between(posted.charge.id, batch.first_charge_id, batch.last_charge_id)
            charge_rows = sealed[own]
            if batch.sequence != self._sequence + 1:
                result.problem(
                    f"batch {batch.id}: sequence {batch.sequence} follows {self._sequence}: a batch is missing"
                )
            if batch.previous != self._digest:
                result.problem(f"batch {batch.id}: doesn't follow the digest of the batch before it")
            if batch.amounts != amounts_text([column[own] for column in posted.charge]):
                result.problem(f"batch {batch.id}: its amounts aren't the sums of its charges")
            if batch_digest(batch._asdict(), rows, charge_rows, self._conversions) != batch.digest:
                result.problem(f"batch {batch.id}: it or its rows are no longer as they were sealed")
            self._sequence, self._digest = batch.sequence, batch.digest


def _between(ids: Sequence[int], first: int, last: int) -> slice:
    return slice(bisect_left(ids, first), bisect_right(ids, last))
