"""How far each source of usage has come."""

from __future__ import annotations

from datetime import UTC, datetime

from sqlalchemy import Connection

from ledger.book.records import Records, coded
from ledger.store.bulk import upsert
from ledger.store.tables import sources
from ledger.values.columns import columns_of
from ledger.values.instants import to_microseconds
from pricing.columns import NO_TIME_US


def note_sources(connection: Connection, records: Records) -> None:
    """Remembers per source the latest usage, and now as its last ingest."""
    import numpy as np

    now = to_microseconds(datetime.now(UTC))
    names, source_of = coded(label.source for label in records.labels)
    source = np.array(source_of, dtype=np.int64)[records.number("label")]
    latest = np.full(len(names), NO_TIME_US, dtype=np.int64)
    np.maximum.at(latest, source, records.number("occurred_at"))
    found = [(name, at, now) for name, at in zip(names, latest.tolist(), strict=True) if at != NO_TIME_US]
    upsert(connection, sources, ("source",), columns_of(found), latest=("last_occurred_at", "last_ingest_at"))
