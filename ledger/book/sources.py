"""How far each source of usage has come, and where its rows are kept: in the book, or in a lake."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from datetime import UTC, datetime

from sqlalchemy import Connection, select

from ledger.book.records import Records, coded
from ledger.errors import LedgerError
from ledger.store.bulk import in_chunks, upsert
from ledger.store.log import memory_of
from ledger.store.tables import sources
from ledger.values.columns import columns_of
from ledger.values.instants import to_microseconds
from pricing.columns import NO_TIME_US


def note_sources(connection: Connection, records: Records) -> None:
    """Remembers per source the latest usage, and now as its last ingest."""
    import numpy as np

    names, source_of = coded(label.source for label in records.labels)
    source = np.array(source_of, dtype=np.int64)[records.number("label")]
    latest = np.full(len(names), NO_TIME_US, dtype=np.int64)
    np.maximum.at(latest, source, records.number("occurred_at"))
    _note(connection, {name: at for name, at in zip(names, latest.tolist(), strict=True) if at != NO_TIME_US}, None)


def _note(connection: Connection, latest: Mapping[str, int], lake: str | None) -> None:
    now = to_microseconds(datetime.now(UTC))
    found = [(name, at, now, lake) for name, at in latest.items()]
    if not found:
        return
    upsert(connection, sources, ("source",), columns_of(found), latest=("last_occurred_at", "last_ingest_at"))


def claim_sources(connection: Connection, latest: Mapping[str, int], lake: str) -> None:
    """Makes sources with usage a lake's own, noting the latest of each in microseconds; see `check_sources_of`.

    A source's home is set by its first usage and kept.
    """
    check_sources_of(connection, latest, lake)
    _note(connection, latest, lake)


def check_sources_of(connection: Connection, names: Iterable[str], lake: str) -> None:
    """Raises a LedgerError that names a source which isn't this lake's, or new."""
    elsewhere = sources_elsewhere(connection, lake)
    for name in sorted(elsewhere.keys() & set(names)):
        raise LedgerError(elsewhere[name])


def sources_elsewhere(connection: Connection, lake: str) -> dict[str, str]:
    """Returns the sources whose usage is in the book or in another lake, each with words that refuse it in this one."""
    rows = connection.execute(select(sources.c.source, sources.c.lake))
    homes = {row.source: "the book" if row.lake is None else f"lake {row.lake}" for row in rows if row.lake != lake}
    return {
        name: f"source {name!r} belongs to {home}, not to lake {lake}: a source stays where its first usage is; "
        "give usage of this lake another --source"
        for name, home in homes.items()
    }


def lakes_of(connection: Connection, names: Iterable[str]) -> dict[str, str]:
    """Returns the lake of each source that belongs to one; those of the book are looked up once."""
    of_book: set[str] = memory_of(connection).setdefault(lakes_of, set())
    unknown = set(names) - of_book
    if not unknown:
        return {}
    homes = _homes(connection, unknown)
    of_book.update(name for name, home in homes.items() if home is None)  # which stay the book's
    return {name: home for name, home in homes.items() if home is not None}


def _homes(connection: Connection, names: Iterable[str] | Collection[str]) -> dict[str, str | None]:
    """Reads the lake of each known source, None where it is the book's."""
    found: dict[str, str | None] = {}
    for chunk in in_chunks(sorted(set(names)), 500):
        query = select(sources.c.source, sources.c.lake).where(sources.c.source.in_(chunk))
        found.update((row.source, row.lake) for row in connection.execute(query))
    return found
