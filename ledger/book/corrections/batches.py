"""Batches by the command that posted them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from msgspec import json
from sqlalchemy import Connection, func, select

from ledger.book.archived import KIND as ARCHIVE
from ledger.store.database import Database
from ledger.store.tables import batches


@dataclass(frozen=True, slots=True)
class BatchRow:
    """The batches of one command. `amounts_nano` sums its charges by currency, reversals negative."""

    batch: int
    kind: str
    posted_at: datetime
    usage_records: int
    charges: int
    reason: str | None
    options: dict[str, Any]
    amounts_nano: Mapping[str, int]


def batch_rows(database: Database, limit: int) -> list[BatchRow]:
    """Returns the latest commands that posted, latest first."""
    query = (
        select(
            batches.c.run_id,
            func.min(batches.c.kind),
            func.min(batches.c.posted_at),
            func.sum(batches.c.last_usage_record_id - batches.c.first_usage_record_id + 1),
            func.sum(batches.c.last_charge_id - batches.c.first_charge_id + 1),
            func.min(batches.c.reason),
            func.min(batches.c.options),
        )
        .group_by(batches.c.run_id)
        .order_by(batches.c.run_id.desc())
        .limit(limit)
    )
    with database.reading() as connection:
        return [
            BatchRow(
                *(run, kind, at, int(usage), int(count), reason, json.decode(options)),
                # Of an archive they were booked before.
                Counter() if kind == ARCHIVE else _amounts(connection, run),
            )
            for run, kind, at, usage, count, reason, options in connection.execute(query).all()
        ]


def _amounts(connection: Connection, run_id: int) -> Counter[str]:
    """Sums the nano that a run posted, by currency."""
    found: Counter[str] = Counter()
    for amounts in connection.execute(select(batches.c.amounts).where(batches.c.run_id == run_id)).scalars():
        found.update(json.decode(amounts))
    return found
