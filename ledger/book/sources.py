"""How far each source of usage has come."""

from __future__ import annotations

from datetime import UTC, datetime

from sqlalchemy import Connection

from ledger.book.records import Records, coded
from ledger.store.bulk import upsert
from ledger.store.tables import sources
from ledger.values.instants import to_microseconds


def note_sources(connection: Connection, records: Records) -> None:
    """Remembers per source the latest usage, and now as its last ingest."""
    import numpy as np

    now = to_microseconds(datetime.now(UTC))
    names, source_of = coded(label.source for label in records.labels)
    source = np.array(source_of, dtype=np.int64)[records.number("label")]
    latest = {code: int(records.number("occurred_at")[source == code].max()) for code in np.unique(source).tolist()}
    columns = [[names[code] for code in latest], list(latest.values()), [now] * len(latest)]
    upsert(connection, sources, ("source",), columns, latest=("last_occurred_at", "last_ingest_at"))
