"""Files of archived rows: the columns of `booked_usage` as it had them, with what their numbers of keys stand for."""

from __future__ import annotations

from typing import Any, Final

import pyarrow as pa
import pyarrow.parquet as pq

from ledger.book.booked_pages import BookedPage
from ledger.book.charges import PlainRow
from ledger.lake.charges_file import plain_values
from ledger.lake.store import Lake
from ledger.store.tables import booked_usage
from ledger.store.tables.keys import RecordKey

_TIMES: Final = ("occurred_at", "storage_end")
_TEXTS: Final = ("request_id", "tags")
_CODED: Final = pa.dictionary(pa.int32(), pa.string())
_NUMBERS: Final = ("model_differs", "rate_entry_id", "conversion_id")


def to_table(page: BookedPage) -> Any:  # noqa: ANN401 - pyarrow has no types
    """Returns a page as Arrow columns: its own, then the labels and terms of keys, source and kind."""
    columns = {column.name: pa.array(page.values(column.name), _type(column.name)) for column in booked_usage.c}
    labels, code = page.labels
    place = pa.array(code)
    for name in RecordKey._fields:
        kind = pa.int64() if name in _NUMBERS else pa.string()
        columns[name] = pa.array([getattr(key, name) for key, _stream in labels], kind).take(place)
    for name in ("source", "kind"):
        columns[name] = pa.array([getattr(stream, name) for _key, stream in labels], pa.string()).take(place)
    return pa.table(columns)


def read_archived(lake: Lake, path: str) -> Any:  # noqa: ANN401 - pyarrow has no types
    """Reads a file as `to_table` made it."""
    with lake.open(path) as file:
        return pq.read_table(file)


def rows_between(table: Any, first: int, last: int) -> list[PlainRow]:  # noqa: ANN401
    """Returns the rows of ids between two as `booked_usage` had them, by id."""
    ids = table.column("id").to_numpy()
    start, stop = (int(ids.searchsorted(number, side)) for number, side in ((first, "left"), (last, "right")))
    part = table.slice(start, stop - start)
    return list(zip(*(plain_values(part.column(column.name)) for column in booked_usage.c), strict=True))


def _type(name: str) -> Any:  # noqa: ANN401 - pyarrow has no types
    if name in _TEXTS:
        return pa.string()
    return pa.timestamp("us", tz="UTC") if name in _TIMES else pa.int64()
