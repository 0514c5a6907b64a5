"""How far each source of usage has come, and where its rows are kept: in the book, or in a lake."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from datetime import UTC, datetime
from typing import NamedTuple

import msgspec
from sqlalchemy import Connection, func, select

from ledger.book.charges import is_live
from ledger.book.records import Records, coded
from ledger.errors import LedgerError
from ledger.store.bulk import in_chunks, upsert
from ledger.store.log import memory_of
from ledger.store.tables import charges, sources, usage_records
from ledger.values.columns import columns_of
from ledger.values.instants import to_microseconds
from pricing.columns import NO_TIME_US

# The setting that names the sources of the book whose usage of later months a lake keeps.
MOVED = "moved_sources"


class Home(NamedTuple):
    """The lake that keeps a source's usage: what occurred in `month` or later, all of it where that is empty."""

    lake: str
    month: str = ""

    def keeps(self, month: str) -> bool:
        """Tells whether usage that occurred in a month is there."""
        return month >= self.month

    def __str__(self) -> str:
        return f"lake {self.lake}" + (f" from {self.month} on" if self.month else "")


def moved_sources(settings: Mapping[str, str]) -> dict[str, Home]:
    """Returns the sources of the book that were moved to a lake, by name."""
    stated = settings.get(MOVED)
    return {} if stated is None else msgspec.json.decode(stated, type=dict[str, Home])


def note_sources(connection: Connection, records: Records) -> None:
    """Remembers per source the latest usage, and now as its last ingest."""
    import numpy as np

    if len(records.labels) == 1:  # as of a call that is booked by itself
        _note(connection, {records.labels[0].source: int(records.number("occurred_at").max())}, None)
        return
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
    """Makes new sources with usage a lake's own, noting the latest of each in microseconds; see `check_sources_of`.

    A source's home is set by its first usage and kept, unless it is moved.
    """
    _note(connection, latest, lake)


def check_sources_of(
    connection: Connection, names: Iterable[str], settings: Mapping[str, str], lake: str, month: str
) -> None:
    """Raises a LedgerError that names a source whose usage of the month isn't this lake's, or new."""
    elsewhere = sources_elsewhere(connection, settings, lake, month)
    for name in sorted(elsewhere.keys() & set(names)):
        raise LedgerError(elsewhere[name])


def sources_elsewhere(connection: Connection, settings: Mapping[str, str], lake: str, month: str) -> dict[str, str]:
    """Returns the sources whose usage of a month is in the book or in another lake, each with words that refuse it."""
    moved = moved_sources(settings)
    elsewhere: dict[str, str] = {}
    for name, first in connection.execute(select(sources.c.source, sources.c.lake)):
        home = moved.get(name)
        kept = home.lake if home is not None and home.keeps(month) else first
        if kept == lake:
            continue
        if home is not None and home.lake == lake:
            said = f"{home}, and its usage of {month} to the book: 'tollbook ingest' books that"
        elif home is None and first is None:
            said = (
                f"the book, not to lake {lake}: give usage of this lake another --source, or move the source from a "
                "month on with 'tollbook lake move'"
            )
        else:
            said = f"{home or f'lake {first}'}, not to lake {lake}: give usage of this lake another --source"
        elsewhere[name] = f"source {name!r} belongs to {said}"
    return elsewhere


def lakes_of(connection: Connection, names: Iterable[str], settings: Mapping[str, str]) -> dict[str, Home]:
    """Returns where the usage of each source that a lake keeps is; those of the book are looked up once."""
    moved = {name: home for name, home in moved_sources(settings).items() if name in set(names)}
    of_book: set[str] = memory_of(connection).setdefault(lakes_of, set())
    unknown = set(names) - of_book
    if not unknown:
        return moved
    homes = homes_of(connection, unknown)
    of_book.update(name for name, home in homes.items() if home is None)  # which stay the book's until moved
    return {name: Home(home) for name, home in homes.items() if home is not None} | moved


def homes_of(connection: Connection, names: Iterable[str] | Collection[str]) -> dict[str, str | None]:
    """Reads the lake of each known source by its first usage, None where that is in the book."""
    found: dict[str, str | None] = {}
    for chunk in in_chunks(sorted(set(names)), 500):
        query = select(sources.c.source, sources.c.lake).where(sources.c.source.in_(chunk))
        found.update((row.source, row.lake) for row in connection.execute(query))
    return found


def count_charged(connection: Connection, source: str, month: str) -> int:
    """Counts the book's records of a source, stored ones too, that occurred in a month or later and are charged."""
    of = select(func.count()).join_from(charges, usage_records, usage_records.c.id == charges.c.usage_record_id)
    query = of.where(usage_records.c.source == source, charges.c.occurred_month >= month, is_live())
    return int(connection.execute(query).scalar_one())
