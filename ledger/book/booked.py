"""Rows of `booked_usage`: usage records, each with its first charge, as they are stored."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from sqlalchemy import Connection

from ledger.book.key_ids import StreamIds, key_ids_of
from ledger.book.records import Label, Rated, recoded, spread
from ledger.book.rows import TOKENS, Facts
from ledger.book.seals import StoredUsage
from ledger.store.bulk import append_new_rows, append_rows
from ledger.store.log import memory_of
from ledger.store.tables import booked_usage, record_keys
from ledger.store.tables.keys import RecordKey
from ledger.values.columns import plain

if TYPE_CHECKING:
    from pricing.money import Int64Array

# The labels of a record that its key has, in the order of `Label`; its stream has the others.
KEY_LABELS = RecordKey._fields[: RecordKey._fields.index("occurred_month")]
# Amounts of meters that every first charge has.
_OWN = ("input_nano", "cached_input_nano", "output_nano")


class Months(NamedTuple):
    """The months of records: in which each distinct one `occurred` and is `posted`, and each record's place of them."""

    occurred: list[str]
    posted: list[str]
    code: Int64Array


def append_charged(
    connection: Connection, batch_id: int, ids: Sequence[int], rated: Rated, months: Months, *, or_go_back: bool
) -> StoredUsage | None:
    """Appends records that are charged; returns None, and appends none, where the identity of any is known.

    Their keys and streams are appended where they are new. `or_go_back` is that of `append_new_rows`.
    """
    import numpy as np

    records = rated.records
    first, code = recoded(records.number("label"), rated.term, months.code)
    labels, terms = records.number("label")[first].tolist(), rated.term[first].tolist()
    keys = [
        RecordKey._make(
            (*_label_part(records.labels[label]), months.occurred[month], months.posted[month], *rated.terms[term])
        )
        for label, term, month in zip(labels, terms, months.code[first].tolist(), strict=True)
    ]
    key_ids = key_ids_of(connection, record_keys).of(connection, keys)
    streams = [(label.source, label.kind) for label in records.labels]
    stream_ids = _stream_ids(connection, streams)
    columns: dict[str, Any] = {
        "id": np.array(ids, dtype=np.int64),
        "batch_id": np.full(len(ids), batch_id, dtype=np.int64),
        "key_id": np.array(key_ids, dtype=np.int64)[code],
        "stream_id": np.array(stream_ids, dtype=np.int64)[records.number("label")],
        "request_id": records.request_ids,
        "generation": np.array(records.values("generation"), dtype=np.int64),
        **{name: rated.amount(name) for name in _OWN},
        **{name: records.number(name) for name in ("occurred_at", *Facts._fields[TOKENS])},
        **{name: column for name, column in records.optional.items() if name not in ("generation", "assumed")},
        **rated.optional,
    }
    for name, column in (
        ("cache_storage_nano", plain(rated.amount("cache_storage_nano"))),
        ("assumed", records.optional.get("assumed", ())),
    ):
        if any(column):
            columns[name] = [value or None for value in column]
    tags = [None if tags == "{}" else tags for tags in records.tags]
    if any(tags):
        columns["tags"] = spread(tags, records.number("tags"))
    # A column that no row has a value in is left out: naming it would cost half of what the others do.
    if not append_new_rows(connection, booked_usage, columns, or_go_back=or_go_back):
        return None
    return _stored(columns, key_ids, keys, stream_ids, streams)


def append_uncharged(connection: Connection, batch_id: int, number: int, facts: Facts) -> StoredUsage:
    """Appends a record whose first charge, of the id `number`, is a replacement."""
    label = Label(*(getattr(facts, name) for name in Label._fields))
    key, stream = RecordKey(*_label_part(label)), (facts.source, facts.kind)
    [key_id] = key_ids_of(connection, record_keys).of(connection, [key])
    [stream_id] = _stream_ids(connection, [stream])
    stated: dict[str, Any] = facts._asdict() | {
        "id": number,
        "batch_id": batch_id,
        "key_id": key_id,
        "stream_id": stream_id,
        "tags": None if facts.tags == "{}" else facts.tags,
        "assumed": facts.assumed or None,
    }
    row = {column.name: stated.get(column.name) for column in booked_usage.columns}
    append_rows(connection, booked_usage, [list(row.values())])
    return _stored({name: [value] for name, value in row.items()}, [key_id], [key], [stream_id], [stream])


def _stored(
    columns: Mapping[str, Any],
    key_ids: Sequence[int],
    keys: Sequence[RecordKey],
    stream_ids: Sequence[int],
    streams: Sequence[tuple[str, str]],
) -> StoredUsage:
    sealed = [(key.digest, key.conversion_id) for key in keys]
    return StoredUsage(columns, dict(zip(key_ids, sealed, strict=True)), dict(zip(stream_ids, streams, strict=True)))


def _label_part(label: Label) -> list[Any]:
    return [getattr(label, name) for name in KEY_LABELS]


def _stream_ids(connection: Connection, streams: Iterable[tuple[str, str]]) -> list[int]:
    known: StreamIds = memory_of(connection).setdefault(StreamIds, StreamIds())
    return known.of(connection, streams)
