"""What the books have of a lake's charges: manifests by the month that they are posted in."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from sqlalchemy import ColumnElement, Connection, func, select

from ledger.book.corrections.void_sums import postings_of
from ledger.store.tables import batches, lake_cells, lake_keys


class Posting(NamedTuple):
    """All charges of a manifest in the books of a month: as a batch posted them, or as another took them back.

    `batch` is the one that did, `first_id` the number of its first sum, `corrects` what it took back. With bounds, in
    microseconds, only usage of [start_us, end_us) is meant.
    """

    lake: str
    manifest: int
    digest: str
    batch: int
    first_id: int
    posted_month: str
    occurred_month: str
    corrects: Posting | None = None
    start_us: int | None = None
    end_us: int | None = None

    @property
    def posted_by(self) -> int:
        """The batch that posted its sums."""
        return (self.corrects or self).batch


def read_postings(connection: Connection, lake: str) -> Iterator[Posting]:
    """Reads the postings of a lake's manifests: none of one that was taken back in the same month."""
    for batch, manifest, digest in postings_of(connection, lake):
        of_run = lake_cells.c.batch_id.in_(select(batches.c.id).where(batches.c.run_id == batch))
        taken_back = lake_cells.c.corrects_id.in_(select(lake_cells.c.id).where(of_run))
        for booked in booked_in(connection, of_run):
            posting = Posting(lake, manifest, digest, *booked)
            back = [Posting(lake, manifest, digest, *each, posting) for each in booked_in(connection, taken_back)]
            if all(each.posted_month != posting.posted_month for each in back):
                yield posting
                yield from back


def booked_in(connection: Connection, sums: ColumnElement[bool]) -> list[tuple[int, int, str, str]]:
    """Reads the batch that booked sums, the number of its first one, and the months they are posted in and of."""
    keys, run = lake_keys.c, batches.c.run_id
    query = (
        select(run, func.min(lake_cells.c.id), keys.posted_month, keys.occurred_month)
        .join_from(lake_cells, batches, batches.c.id == lake_cells.c.batch_id)
        .join(lake_keys, keys.id == lake_cells.c.key_id)
        .where(sums)
        .group_by(run, keys.posted_month, keys.occurred_month)
    )
    return [(batch, first_id, posted, occurred) for batch, first_id, posted, occurred in connection.execute(query)]
