"""The columns of usage records in Arrow, and what pricing adds to them."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
from pyarrow import types

from pricing.record_fields import READERS
from pricing.record_values import read_count, read_tags
from pricing.times import read_time

_TIME = pa.timestamp("us", tz="UTC")
_TAGS = pa.map_(pa.string(), pa.string())
_TYPES: dict[object, Any] = {read_count: pa.int64(), read_time: _TIME, read_tags: _TAGS}
# Few distinct texts a batch: each is there once.
_CODED = pa.dictionary(pa.int32(), pa.string())

USAGE_SCHEMA = pa.schema([(name, _TYPES.get(read, pa.string())) for name, read in READERS.items()])
"""The fields of a `records` line. A batch may leave any of them out, and have them in any order and among others."""

RESULT_SCHEMA = pa.schema(
    [
        ("outcome", _CODED),
        ("reason", _CODED),
        ("message", _CODED),
        ("currency", _CODED),
        ("billed_model", _CODED),
        ("model_differs", pa.bool_()),
        ("rate_entry", _CODED),
        ("tier", _CODED),
        ("per_usd_nano", pa.int64()),
        ("conversion_from", _TIME),
        ("input_nano", pa.int64()),
        ("cached_input_nano", pa.int64()),
        ("output_nano", pa.int64()),
        ("cache_storage_nano", pa.int64()),
        ("amount_nano", pa.int64()),
        ("cache_write_5m_nano", pa.int64()),
        ("cache_write_1h_nano", pa.int64()),
        ("call_nano", pa.int64()),
    ]
)
"""The columns that are added to each row: `outcome` is accepted, pending or rejected.

Reason and message are of what is rejected, the others of what is accepted. Amounts are in nano of the currency,
those of the last three meters null without tokens. The conversion is null in USD.
"""


def usage_columns(batch: Any) -> dict[str, Any]:  # noqa: ANN401 - pyarrow has no types
    """Returns a batch's columns of usage by name; TypeError or ValueError naming one that can't be read."""
    if not isinstance(batch, pa.RecordBatch):
        raise TypeError(f"{type(batch).__name__} is no record batch: of a table, give table.to_batches()")
    columns: dict[str, Any] = {}
    for name, column in zip(batch.schema.names, batch.columns, strict=True):
        if name in columns:
            raise ValueError(f"column {name} is there twice: which one counts can't be known; leave one out")
        if name in RESULT_SCHEMA.names:
            raise ValueError(f"column {name} is one that pricing adds: rename it, or leave it out")
        if name in USAGE_SCHEMA.names and not types.is_null(column.type):
            columns[name] = _readable(name, column)
    return columns


def _readable(name: str, column: Any) -> Any:  # noqa: ANN401 - pyarrow has no types
    wanted = USAGE_SCHEMA.field(name).type
    coded = types.is_dictionary(column.type)
    if not _stands_for(column.type.value_type if coded else column.type, wanted, name):
        raise TypeError(f"column {name} is {column.type}: it holds {wanted} in usage records; cast it to that")
    try:
        for part in tag_parts(column)[1:] if wanted == _TAGS else [column]:
            part.validate(full=True)
    except pa.ArrowInvalid as error:
        raise ValueError(f"column {name} is damaged: {error}") from None
    return column.dictionary_decode() if coded and (wanted != pa.string() or name == "request_id") else column


def tag_parts(tags: Any) -> tuple[Any, Any, Any]:  # noqa: ANN401 - pyarrow has no types
    """Returns where each row's tags begin, and the last one's end, among all keys and all values of the rows."""
    offsets = tags.offsets.to_numpy()
    first, length = int(offsets[0]), int(offsets[-1] - offsets[0])
    return offsets - first, tags.keys.slice(first, length), tags.items.slice(first, length)


def _stands_for(given: Any, wanted: Any, name: str) -> bool:  # noqa: ANN401 - pyarrow has no types
    """Tells whether values of a type are read as those of the wanted one."""
    if wanted == pa.string():
        # The gateway's own figure is never priced, but carried along as it is.
        is_number = types.is_decimal(given) or types.is_integer(given) or types.is_floating(given)
        return _is_text(given) or (name == "provider_amount" and is_number)
    if wanted == _TAGS:
        return bool(types.is_map(given)) and _is_text(given.key_type) and _is_text(given.item_type)
    if wanted == _TIME:
        return bool(types.is_timestamp(given)) and given.tz is not None
    return bool(types.is_integer(given))


def _is_text(given: Any) -> bool:  # noqa: ANN401 - pyarrow has no types
    return bool(types.is_string(given) or types.is_large_string(given))
