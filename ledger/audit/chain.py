"""Batches as they were sealed: their rows, read in pages, and the chain of digests over them."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from operator import itemgetter
from typing import Any

from sqlalchemy import Connection, Row, select

from ledger.audit.archives import Archives
from ledger.audit.verification import Verification
from ledger.book.archived import staying_digest
from ledger.book.booked_pages import BookedPage, Named, read_booked
from ledger.book.charges import PlainRow, PostedCharges, as_sealed, read_posted
from ledger.book.lake_cells import LakeKeys, LakePage, lake_page
from ledger.book.redaction import KIND as REDACT
from ledger.book.redaction import rows_of_redaction
from ledger.book.sealed_rows import added_in
from ledger.book.seals import (
    StoredUsage,
    amounts_by_currency,
    amounts_text,
    batch_digest,
    cells_digest,
    sealed_conversions,
    texts_digest,
    usage_digest,
)
from ledger.store.tables import batches, booked_corrections, charges, text_seals
from ledger.values.calendar import Calendar
from pricing.money import INT64_MAX

# Columns take a fraction of the memory of rows, and what is done once a page is less of many rows.
ROWS_AT_ONCE, COLUMNS_AT_ONCE = 8_000, 30_000


@dataclass(frozen=True)
class Page:
    """Batches in sequence, each with the seals of its texts in order, and what they posted.

    Usage that was sealed by columns is in `booked`, that of it with its first charge in `charged`; `posted` has
    corrections, and usage of before with its charges. `sums` has those of lakes, which are in batches of their own.
    """

    batches: list[Row[Any]]
    seals: dict[int, list[Row[Any]]]
    posted: PostedCharges
    booked: BookedPage | None
    charged: BookedPage | None
    sums: LakePage

    @property
    def ids(self) -> tuple[int, int]:
        """The first and the last id of a charge."""
        return self.batches[0].first_charge_id, self.batches[-1].last_charge_id


def pages(connection: Connection, calendar: Calendar, archived: Archives) -> Iterator[Page]:
    """Reads batches in sequence, those sealed alike in pages of about so many charges as are read at once."""
    named, keys = Named(connection), LakeKeys(connection)
    after = -INT64_MAX  # whatever somebody has set them to
    while found := connection.execute(
        select(batches).where(batches.c.sequence > after).order_by(batches.c.sequence).limit(2_000)
    ).all():
        after = found[-1].sequence
        seals: dict[int, list[Row[Any]]] = defaultdict(list)
        of_found = text_seals.c.batch_id.in_(batch.id for batch in found)
        for seal in connection.execute(select(text_seals).where(of_found).order_by(text_seals.c.id)):
            seals[seal.batch_id].append(seal)
        by_columns = [_is_by_columns(seals.get(batch.id, ())) for batch in found]
        for form, alike in groupby(zip(by_columns, found, strict=True), itemgetter(0)):
            size = COLUMNS_AT_ONCE if form and not archived.read else ROWS_AT_ONCE  # archived ones are read as rows
            for page in _pages([batch for _form, batch in alike], size):
                ids = page[0].first_charge_id, page[-1].last_charge_id
                posted, booked = _read(connection, calendar, named, ids, archived, by_columns=form)
                sums = lake_page(connection, keys, *ids)
                yield Page(page, seals, posted, booked, booked and booked.charged(), sums)


def _pages(found: Sequence[Row[Any]], rows: int) -> Iterator[list[Row[Any]]]:
    page: list[Row[Any]] = []
    size = 0
    for batch in found:
        page.append(batch)
        size += batch.last_charge_id - batch.first_charge_id + 1
        if size >= rows:
            yield page
            page, size = [], 0
    if page:
        yield page


def _is_by_columns(seals: Sequence[Row[Any]]) -> bool:
    return bool(seals) and seals[0].sealed_by == seals[0].batch_id


def _read(
    connection: Connection,
    calendar: Calendar,
    named: Named,
    ids: tuple[int, int],
    archived: Archives,
    *,
    by_columns: bool,
) -> tuple[PostedCharges, BookedPage | None]:
    within = charges.c.id.between(*ids)
    if not by_columns:
        return read_posted(connection, calendar, within), None
    booked = read_booked(connection, named, *ids, archived.rows(*ids))
    corrections = select(booked_corrections.c.id).where(booked_corrections.c.id.between(*ids))
    if not connection.execute(corrections.limit(1)).first():
        return PostedCharges([], []), booked
    return read_posted(connection, calendar, charges.c.id.in_(corrections)), booked


class Chain:
    """Checks each batch: its digest covers its rows and the digest before it; sequence has no gap."""

    def __init__(self, connection: Connection, archived: Archives) -> None:
        self._connection = connection
        self._archived = archived
        self._conversions = sealed_conversions(connection)
        self._sequence = 0
        self._digest = ""

    def check(self, page: Page, result: Verification) -> None:
        """Tells what is wrong with the batches of a page."""
        usage_ids, added = added_in(self._connection, *page.ids, page.posted) if page.booked is None else ([], [])
        sealed = as_sealed(self._connection, page.posted.charges)
        for batch in page.batches:
            result.checked["batches"] += 1
            if batch.sequence != self._sequence + 1:
                result.problem(
                    f"batch {batch.id}: sequence {batch.sequence} follows {self._sequence}: a batch is missing"
                )
            if batch.previous != self._digest:
                result.problem(f"batch {batch.id}: doesn't follow the digest of the batch before it")
            ids = batch.first_charge_id, batch.last_charge_id
            self._sequence, self._digest = batch.sequence, batch.digest
            usage = None if page.booked is None else page.booked.between(*ids)
            if usage is not None and self._archived.lacks(batch, usage):
                # What its digest covers isn't all here; what is has a seal of its own.
                if len(usage) and not self._staying_stand(batch, usage, page.seals[batch.id]):
                    result.problem(f"batch {batch.id}: its rows that stay are no longer as they were sealed")
                continue
            own = _between(page.posted.charge.id, *ids)
            amounts = amounts_by_currency(
                zip(page.posted.charge.currency[own], page.posted.charge.amount_nano[own], strict=True)
            )
            if page.charged is not None:
                amounts.update(page.charged.amounts(*ids))
            sums = page.sums.between(*ids)
            amounts.update(sums.amounts_nano)
            if batch.amounts != amounts_text(amounts):
                result.problem(f"batch {batch.id}: its amounts aren't the sums of its charges")
            if sums.rows:
                stands = self._sums_stand(batch, sums)
            elif usage is not None:
                stands = self._usage_stands(page, batch, usage, sealed[own])
            else:
                stands = self._rows_stand(page, batch, added[_between(usage_ids, *ids)], sealed[own])
            if not stands:
                result.problem(f"batch {batch.id}: it or its rows are no longer as they were sealed")

    def _staying_stand(self, batch: Row[Any], usage: StoredUsage, seals: Sequence[Row[Any]]) -> bool:
        """Tells whether rows of a batch are those that stayed when others were archived last."""
        kept = [seal.rows_digest for seal in seals if seal.rows_digest is not None]
        return bool(kept) and kept[-1] == staying_digest(batch._asdict(), usage, self._conversions)

    def _sums_stand(self, batch: Row[Any], sums: LakePage) -> bool:
        """Tells whether a batch of a lake's sums is as it was sealed."""
        sealed: str = batch.digest
        return cells_digest(batch._asdict(), sums.rows, sums.keys.sealed, self._conversions) == sealed

    def _rows_stand(self, page: Page, batch: Row[Any], added: Sequence[PlainRow], charged: Sequence[PlainRow]) -> bool:
        """Tells whether a batch whose rows are sealed with their texts is as it was sealed last."""
        seals = page.seals.get(batch.id, [])
        if any(seal.salt is not None for seal in seals):
            return False
        if batch.kind == REDACT:
            added = rows_of_redaction(self._connection, batch.id)
        digest: str = seals[-1].rows_digest if seals else batch.digest
        return batch_digest(batch._asdict(), added, charged, self._conversions) == digest

    def _usage_stands(self, page: Page, batch: Row[Any], usage: StoredUsage, corrections: Sequence[PlainRow]) -> bool:
        """Tells whether a batch of usage is as it was sealed by columns, its texts as they were sealed last."""
        first, *others = (seal for seal in page.seals[batch.id] if seal.rows_digest is None)  # but those of what stays
        *before, last = first, *others
        if any(seal.salt is not None for seal in before) or last.salt is None:
            return False
        sealed: str = batch.digest
        known = usage_digest(batch._asdict(), usage, first.digest, corrections, self._conversions)
        return texts_digest(last.salt, usage.texts) == last.digest and known == sealed


def _between(ids: Sequence[int], first: int, last: int) -> slice:
    return slice(bisect_left(ids, first), bisect_right(ids, last))
