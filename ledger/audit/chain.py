"""Batches as they were sealed: their rows, read in pages, and the chain of digests over them."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from typing import Any

from sqlalchemy import Connection, Row, select

from ledger.audit.verification import Verification
from ledger.book.charges import PlainRow, PostedCharges, facts_columns, plain_rows
from ledger.book.seals import amounts_text, batch_digest, sealed_conversions
from ledger.store.tables import batches, usage_records

PAGE_ROWS = 8_000


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


def added_in(connection: Connection, page: Sequence[Row[Any]]) -> list[PlainRow]:
    """Reads rows of usage_records that the page's batches added, as they were digested."""
    ranges = [batch for batch in page if batch.last_usage_record_id >= batch.first_usage_record_id]
    if not ranges:
        return []
    columns = [usage_records.c.id, usage_records.c.batch_id, *facts_columns()]
    query = select(*columns).where(
        usage_records.c.id.between(ranges[0].first_usage_record_id, ranges[-1].last_usage_record_id)
    )
    return plain_rows(connection, query.order_by(usage_records.c.id))


class Chain:
    """Checks each batch: its digest covers its rows and the digest before it; sequence has no gap."""

    def __init__(self, connection: Connection) -> None:
        self._conversions = sealed_conversions(connection)
        self._sequence = 0
        self._digest = ""

    def check(
        self,
        page: Sequence[Row[Any]],
        added: Sequence[PlainRow],
        posted: PostedCharges,
        result: Verification,
    ) -> None:
        usage_ids = [row[0] for row in added]
        for batch in page:
            result.checked["batches"] += 1
            rows = added[_between(usage_ids, batch.first_usage_record_id, batch.last_usage_record_id)]
            own = _between(posted.charge.id, batch.first_charge_id, batch.last_charge_id)
            charge_rows = posted.charges[own]
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
