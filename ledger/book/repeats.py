"""Records that come again just as they are booked: found together, so that few are compared one by one."""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy import Connection, select

from ledger.book.booked import KEY_LABELS
from ledger.book.charges import plain_rows
from ledger.book.records import NUMBERS, OPTIONAL, Label, Records, coded, spread
from ledger.store.bulk import rows_by_key
from ledger.store.tables import record_keys, streams
from ledger.values.columns import columns_of

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
    import numpy as np

    places = {request_id: place for place, request_id in enumerate(records.request_ids)}
    of_few = [name for name in _OF_FEW if name in records.optional]
    absent = "".join(f" AND u.{name} IS NULL" for name in _OF_FEW if name not in of_few)
    names = [*NUMBERS[2:], *of_few]
    query = _BOOKED.format(absent=absent, facts=", ".join(f"u.{name}" for name in names))
    rows = list(rows_by_key(connection, query, [(request_id,) for request_id in places]))
    if not rows:
        return set(), []
    ids, key_ids, stream_ids, live, *columns = columns_of(rows)
    place = np.array([places[request_id] for request_id in ids])
    same = np.array(live, dtype=bool)
    pairs, pair = coded(zip(key_ids, stream_ids, strict=True))
    label_of = _labels(connection, pairs)
    number_of: dict[Label | None, int] = {label: number for number, label in enumerate(records.labels)}
    theirs = np.array([number_of.get(label_of.get(each), -1) for each in pairs])
    ours = np.array([number_of[label] for label in records.labels])
    same &= theirs[pair] == ours[records.number("label")][place]
    tags = spread([None if tags == "{}" else tags for tags in records.tags], records.number("tags"))
    for booked, read in zip(columns, [tags, *map(records.values, names)], strict=True):
        same &= np.array(booked, dtype=object) == np.array(read, dtype=object)[place]
    repeats = set(place[same].tolist())
    known = set(ids)
    numbered = enumerate(records.request_ids)
    return repeats, [at for at, request_id in numbered if at not in repeats and request_id in known]


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
