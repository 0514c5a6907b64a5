"""A lake's sums taken back: each row of a batch by one that negates it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import msgspec
from sqlalchemy import ColumnElement, Connection, and_, select

from ledger.book.lake_cells import read_lake
from ledger.book.lake_posting import LakePoster
from ledger.book.open_months import first_open_month
from ledger.store.tables import batches, lake_cells

KIND = "lake"


def is_of_lake(connection: Connection, batch: int) -> bool:
    """Tells whether a batch posted sums of a lake."""
    query = select(batches.c.id).where(batches.c.id == batch, batches.c.run_id == batch, batches.c.kind == KIND)
    return connection.execute(query).first() is not None


def live_sums(batch: int) -> ColumnElement[bool]:
    """Tells, in SQL, whether a row of `lake_cells` is of a run and counts still."""
    back = lake_cells.alias("back")
    of_run = select(batches.c.id).where(batches.c.run_id == batch)
    taken_back = select(back.c.id).where(back.c.corrects_id == lake_cells.c.id).exists()
    return and_(lake_cells.c.batch_id.in_(of_run), ~taken_back)


def void_sums(connection: Connection, poster: LakePoster, batch: int, *, dry_run: bool) -> tuple[int, Counter[str]]:
    """Takes back what counts of a lake's batch; returns how many rows, and their nano by currency.

    Each goes back in its own month while that is open, else in the first open one.
    """
    first_open, count = first_open_month(connection), 0
    amounts: Counter[str] = Counter()
    for page in read_lake(connection, live_sums(batch)):
        count += len(page.rows)
        amounts.update(page.amounts_nano)
        if not dry_run:
            poster.reverse(connection, page, first_open)
    return count, amounts


def posted_as(connection: Connection, digest: str) -> tuple[str, int | None]:
    """Returns the reference of a manifest's next posting, and the batch of the one that counts, if any does.

    Once its sums are taken back it may be posted again, under a reference with the number of the posting.
    """
    number, reference = 1, digest
    while (batch := _batch_of(connection, reference)) is not None:
        if _counts(connection, batch):
            return reference, batch
        number += 1
        reference = f"{digest}#{number}"
    return reference, None


def postings_of(connection: Connection, lake: str) -> Iterator[tuple[int, int, str]]:
    """Yields each batch that posted sums of a lake, in order, with its manifest's number and digest."""
    query = select(batches.c.id, batches.c.reference, batches.c.options).where(
        batches.c.kind == KIND, batches.c.id == batches.c.run_id
    )
    for batch, reference, options in connection.execute(query.order_by(batches.c.id)).all():
        stated = msgspec.json.decode(options)
        if stated.get("lake") == lake:
            yield batch, stated.get("manifest"), str(reference).partition("#")[0]


def live_manifests(connection: Connection, lake: str) -> dict[int, int]:
    """Returns the numbers of a lake's manifests whose sums count, each with the batch that posted them."""
    posted = postings_of(connection, lake)
    return {manifest: batch for batch, manifest, _digest in posted if _counts(connection, batch)}


def _counts(connection: Connection, batch: int) -> bool:
    return connection.execute(select(lake_cells.c.id).where(live_sums(batch)).limit(1)).first() is not None


def _batch_of(connection: Connection, reference: str) -> int | None:
    return connection.execute(select(batches.c.id).where(batches.c.reference == reference)).scalar()
