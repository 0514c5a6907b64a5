"""Sources compared with the usage that roll-ups have of them."""

from __future__ import annotations

from collections.abc import Iterator

from sqlalchemy import Connection, text

from ledger.book.rows import ADJUSTMENT
from ledger.values.instants import iso_text

# An adjustment is of no stream of ids: it stands under its provider's name.
_LATEST = text(
    "SELECT used.source, used.latest, sources.last_occurred_at FROM ("
    "SELECT source, max(last_occurred_at) AS latest FROM rollup_days JOIN rollup_keys ON id = key_id "
    "WHERE kind <> :adjustment GROUP BY source) AS used "
    "LEFT JOIN sources ON sources.source = used.source ORDER BY used.source"
)


def check_sources(connection: Connection) -> Iterator[str]:
    """Yields what is wrong with the rows: a source with usage has none, or has come less far than its usage."""
    for name, latest, kept in connection.execute(_LATEST, {"adjustment": ADJUSTMENT}):
        if kept is None:
            yield f"sources: {name!r} has usage up to {iso_text(latest)} and no row"
        elif kept < latest:
            yield f"sources: {name!r} has usage up to {iso_text(latest)}, its row says {iso_text(kept)}"
