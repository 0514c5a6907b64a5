"""What each command posted."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import msgspec
from sqlalchemy import Connection, func, select

from ledger.store.database import Database
from ledger.store.tables import batches


@dataclass(slots=True)
class BatchRow:
    """What one command posted. `amounts_nano` sums its charges by currency, reversals negative."""

    batch: int
    kind: str
    posted_at: datetime
    usage_records: int
    charges: int
    reason: str | None
    options: dict[str, Any]
    amounts_nano: dict[str, int] = field(default_factory=dict)


def batch_rows(database: Database, limit: int) -> list[BatchRow]:
    """The latest commands that posted, latest first."""
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
        rows = [
            BatchRow(run, kind, posted_at, int(usage), int(count), reason, msgspec.json.decode(options))
            for run, kind, posted_at, usage, count, reason, options in connection.execute(query)
        ]
        for row in rows:
            row.amounts_nano = _amounts(connection, row.batch)
    return rows


def _amounts(connection: Connection, run_id: int) -> dict[str, int]:
    """Nano by currency of what a run posted."""
    found: dict[str, int] = {}
    for amounts in connection.execute(select(batches.c.amounts).where(batches.c.run_id == run_id)).scalars():
        for currency, nano in msgspec.json.decode(amounts).items():
            found[currency] = found.get(currency, 0) + nano
    return found
