"""Records that come again just as they are booked: found together, so that few are compared one by one."""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy import Connection, select

from ledger.book.booked import KEY_LABELS
from ledger.book.charges import plain_rows
from ledger.book.records import NUMBERS, OPTIONAL, Label, Records, spread
from ledger.store.bulk import rows_by_key
from ledger.store.tables import record_keys, streams

# Whether its first charge is live and it has nothing beside `facts`, then these.
_BOOKED = """
    SELECT u.request_id, u.key_id, u.stream_id,
        u.input_nano IS NOT NULL AND NOT EXISTS (
            SELECT 1 FROM booked_corrections c WHERE c.corrects_id = u.id AND c.charge_class = 'reversal'
        ){absent},
        u.tags, {facts}
    FROM {{keys}} JOIN booked_usage u ON u.request_id = k0
"""
_OF_FEW = [name for name in OPTIONAL if name not in ("generation", "provider_amount_nano", "assumed")]


def find_booked(connection: Connection, records: Records) -> tuple[set[int], list[int]]:
    """Finds records whose request ids are booked; returns the places of repeats, and those of the others.

    A repeat is equal to a live record in identity, labels, tags, instants and counts. Whatever differs in any, or was
    corrected, is among the others.
    """
    places = {request_id: place for place, request_id in enumerate(records.request_ids)}
    of_few = [name for name in _OF_FEW if name in records.optional]
    absent = "".join(f" AND u.{name} IS NULL" for name in _OF_FEW if name not in of_few)
    names = [*NUMBERS[2:], *of_few]
    query = _BOOKED.format(absent=absent, facts=", ".join(f"u.{name}" for name in names))
    rows = list(rows_by_key(connection, query, [(request_id,) for request_id in places]))
    if not rows:
        return set(), []
    labels = spread(records.labels, records.number("label"))
    label_of = _labels(connection, {(row[1], row[2]) for row in rows})
    tags = spread([None if tags == "{}" else tags for tags in records.tags], records.number("tags"))
    facts = list(zip(tags, *map(records.values, names), strict=True))
    repeats = {
        place
        for row in rows
        if row[3] and row[4:] == facts[place := places[row[0]]] and label_of.get((row[1], row[2])) == labels[place]
    }
    booked = {row[0] for row in rows}
    ids = enumerate(records.request_ids)
    return repeats, [place for place, request_id in ids if place not in repeats and request_id in booked]


def _labels(connection: Connection, pairs: Iterable[tuple[int, int]]) -> dict[tuple[int, int], Label]:
    """Returns the labels of records by the ids of their keys and streams."""
    key, stream = record_keys.c, streams.c
    wanted = select(key.id, *(key[name] for name in KEY_LABELS)).where(key.id.in_({key_id for key_id, _ in pairs}))
    keys = {number: labels for number, *labels in plain_rows(connection, wanted)}
    wanted = select(stream.id, stream.kind, stream.source)
    of_streams = {number: labels for number, *labels in plain_rows(connection, wanted)}
    return {
        (key_id, stream_id): Label(*of_streams[stream_id], *keys[key_id])
        for key_id, stream_id in pairs
        if key_id in keys and stream_id in of_streams
    }
