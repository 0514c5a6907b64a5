"""Sums by quarter-hour, packed: a row holds the cells of one key in half a day, UTC.

The row's `quarters` have bit n set where the n-th quarter-hour has a cell. Its `cells` begin with a byte for each of
the measures and for the latest usage, in microseconds after the quarter-hour began: the bytes that such a number takes
in this row. Then come the cells in order of time, each its numbers in that order, the lowest byte first; a number n is
written as 2n, and as -2n - 1 where it is negative. A width is the least that holds the row's numbers, so that the same
sums are the same bytes on every database.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from functools import cache
from itertools import accumulate, pairwise
from operator import add, lt
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from sqlalchemy import ColumnElement, Connection, Table, select

from ledger.book.cells import Cells, summed
from ledger.errors import LedgerError
from ledger.store.bulk import rows_by_key, upsert
from ledger.store.driver import run
from ledger.store.expressions import column_within, microseconds
from ledger.store.tables import MEASURES, rollup_quarters
from ledger.values.calendar import QUARTER_US
from ledger.values.columns import numbered
from ledger.values.instants import to_microseconds

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

QUARTERS = 48
HALF_DAY_US = QUARTERS * QUARTER_US
_WIDTHS = len(MEASURES) + 1
_MAX_BYTES = 8
# Rows that are taken apart at a time: their cells in columns take ten megabytes.
_ROWS_AT_ONCE = 1_000


# A row of the roll-up: the start of its half day in microseconds, its key's id, its quarters and its cells.
Packed: TypeAlias = tuple[int, int, int, bytes]
_Name: TypeAlias = tuple[int, int]  # of a row: its half day and key


def add_quarters(connection: Connection, table: Table, cells: Cells, key_ids: Sequence[int]) -> None:
    """Adds sums by quarter-hour to the rows of their half days and keys, which are read and written whole."""
    if len(cells.time) == 1 and _add_cell(connection, table, cells, key_ids[cells.key_place.item()]):
        return
    for names, row, own in _by_row(cells, key_ids):
        _add_to_rows(connection, table, names, row, own)


def pack_quarters(cells: Cells, key_ids: Sequence[int]) -> list[Packed]:
    """Packs sums by quarter-hour into rows of half days and keys, in order of both."""
    return [
        packed
        for names, row, own in _by_row(cells, key_ids)
        for packed in _packed(names, summed([], own.time % QUARTERS, row, own.sums, own.last_occurred_at))
    ]


def unpack_quarters(rows: Sequence[Packed], table: Table = rollup_quarters) -> Cells:
    """Returns the cells of rows as `read_quarters` does; LedgerError where another program changed them."""
    return _unpacked(rows, table)[0]


def _by_row(cells: Cells, key_ids: Sequence[int]) -> Iterator[tuple[list[_Name], npt.NDArray[np.int64], Cells]]:
    """Yields rows by name, the place among them of each cell, and their cells, some rows at a time."""
    import numpy as np

    half_day = cells.time // QUARTERS
    first = int(half_day.min())
    rows, row = numbered((half_day - first) * len(key_ids) + cells.key_place)
    half_days, places = np.divmod(rows, len(key_ids))
    half_days = (half_days + first) * HALF_DAY_US
    names = list(zip(half_days.tolist(), [key_ids[place] for place in places.tolist()], strict=True))
    for start in range(0, len(names), _ROWS_AT_ONCE):
        own = (row >= start) & (row < start + _ROWS_AT_ONCE) if len(names) > _ROWS_AT_ONCE else slice(None)
        yield names[start : start + _ROWS_AT_ONCE], row[own] - start, _only(cells, own)


def _add_to_rows(
    connection: Connection, table: Table, names: Sequence[_Name], row: npt.NDArray[np.int64], cells: Cells
) -> None:
    """Adds cells to the rows of these half days and keys; `row` are the rows' places."""
    import numpy as np

    quarter, sums, last = cells.time % QUARTERS, cells.sums, cells.last_occurred_at
    held = _held(connection, table, names)
    if held:
        row_of = {name: place for place, name in enumerate(names)}
        before, counts = _unpacked(held)
        rows_before = np.repeat([row_of[half_day, key_id] for half_day, key_id, *_packed in held], counts)
        row = np.concatenate([rows_before, row])
        quarter = np.concatenate([before.time % QUARTERS, quarter])
        sums = np.concatenate([before.sums, sums], axis=1)
        last = np.concatenate([before.last_occurred_at, last])
    columns = list(zip(*_packed(names, summed([], quarter, row, sums, last)), strict=True))
    upsert(connection, table, ("half_day", "key_id"), columns, replaced=("quarters", "cells"))


def _add_cell(connection: Connection, table: Table, cells: Cells, key_id: int) -> bool:
    """Adds the only cell, as of a call that is booked by itself; returns False where `_with` can't."""
    quarter, last = cells.time.item(), cells.last_occurred_at.item()
    half_day = quarter // QUARTERS * HALF_DAY_US
    query = f"SELECT quarters, cells FROM {table.name} WHERE half_day = ? AND key_id = ?"
    bits, packed = run(connection, query, (half_day, key_id)).fetchone() or (0, bytes(_WIDTHS))
    changed = _with(bits, packed, quarter % QUARTERS, [*cells.sums[:, 0].tolist(), last - quarter * QUARTER_US])
    if changed is None:
        return False
    columns = [[value] for value in (half_day, key_id, *changed)]
    upsert(connection, table, ("half_day", "key_id"), columns, replaced=("quarters", "cells"))
    return True


def _held(connection: Connection, table: Table, names: Sequence[_Name]) -> list[Packed]:
    # CROSS JOIN: SQLite looks each row up, and doesn't begin with those that it holds.
    query = f"""
        SELECT held.* FROM {{keys}} CROSS JOIN {table.name} held
        WHERE held.half_day = CAST(k0 AS BIGINT) AND held.key_id = CAST(k1 AS BIGINT)
    """
    texts = [(str(half_day), str(key_id)) for half_day, key_id in names]
    return [(half_day, key_id, bits, cells) for half_day, key_id, bits, cells in rows_by_key(connection, query, texts)]


def read_quarters(
    connection: Connection, keys: ColumnElement[bool], start: datetime | None, end: datetime | None
) -> Iterator[Cells]:
    """Reads the cells of [start, end) whose rows meet a condition on `key_id`, some ten thousand at a time.

    Their times are numbers of quarter-hours since 1970, and the place of a key is its id.
    """
    first, after = (None if moment is None else to_microseconds(moment) for moment in (start, end))
    half_day = microseconds(rollup_quarters.c.half_day)
    of_time = column_within(half_day, None if first is None else first // HALF_DAY_US * HALF_DAY_US, after)
    query = select(half_day, *list(rollup_quarters.c)[1:]).where(keys, of_time)
    with connection.execute(query, execution_options={"yield_per": _ROWS_AT_ONCE}) as result:
        for rows in result.partitions():
            cells, _counts = _unpacked(rows)
            cells = _within(cells, first, after)
            if len(cells.time):
                yield cells


def latest_usage(connection: Connection, keys: ColumnElement[bool], quarter: datetime) -> int | None:
    """Reads the latest usage in a quarter-hour, in microseconds, of rows that meet a condition, without numpy."""
    start = to_microseconds(quarter)
    half_day = start // HALF_DAY_US * HALF_DAY_US
    place = (start - half_day) // QUARTER_US
    found = rollup_quarters.c
    query = select(found.quarters, found.cells).where(keys, microseconds(found.half_day) == half_day)
    latest = None
    for bits, cells in connection.execute(query):
        if bits >> place & 1:
            cells_up_to = (bits & ((2 << place) - 1)).bit_count()
            end = _WIDTHS + cells_up_to * sum(cells[:_WIDTHS])
            written = int.from_bytes(cells[end - cells[_WIDTHS - 1] : end], "little")
            latest = max(latest or start, start + written // 2)
    return latest


def _within(cells: Cells, first: int | None, after: int | None) -> Cells:
    import numpy as np

    if first is None and after is None:
        return cells
    time = cells.time * QUARTER_US
    kept = np.full(len(time), True)
    if first is not None:
        kept &= time >= first
    if after is not None:
        kept &= time < after
    return _only(cells, kept)


def _only(cells: Cells, kept: npt.NDArray[np.bool_] | slice) -> Cells:
    return Cells([], cells.time[kept], cells.key_place[kept], cells.sums[:, kept], cells.last_occurred_at[kept])


# --- rows and their bytes -------------------------------------------------------------------------------------------


def _packed(names: Sequence[_Name], cells: Cells) -> list[Packed]:
    """Packs cells in order of their rows, whose places among `names` are their times; the keys' are the quarters."""
    import numpy as np

    counts = np.bincount(cells.time)
    ends = counts.cumsum()
    starts = ends - counts
    half_days, key_ids = zip(*names, strict=True)
    begin = np.repeat(half_days, counts) + cells.key_place * QUARTER_US
    used = [*np.flatnonzero(cells.sums.any(axis=1)).tolist(), _WIDTHS - 1]
    numbers = np.concatenate([cells.sums[used[:-1]], [cells.last_occurred_at - begin]])
    written = numbers << 1
    written ^= numbers >> 63
    least, of_width = _bytes()
    widest = np.bitwise_or.reduceat(written.view(np.uint64), starts, axis=1)
    widths = np.zeros((len(names), _WIDTHS), np.uint8)
    widths[:, used] = np.searchsorted(least, widest.T, side="right")
    kept = of_width[np.repeat(widths[:, used], counts, axis=0)].view(np.bool_)
    body = np.compress(kept.ravel(), np.ascontiguousarray(written.T, dtype="<i8").view(np.uint8).ravel()).tobytes()
    heads = widths.tobytes()
    quarters = np.bitwise_or.reduceat(np.int64(1) << cells.key_place, starts).tolist()
    offsets = (counts * widths.sum(axis=1, dtype=np.int64)).cumsum().tolist()
    packed = [
        heads[place * _WIDTHS : (place + 1) * _WIDTHS] + body[start:end]
        for place, (start, end) in enumerate(pairwise([0, *offsets]))
    ]
    return list(zip(half_days, key_ids, quarters, packed, strict=True))


def _unpacked(rows: Sequence[Packed], table: Table = rollup_quarters) -> tuple[Cells, npt.NDArray[np.int64]]:
    """Returns the cells of rows, their keys by id, and how many each row has."""
    import numpy as np

    half_days, key_ids, quarters, packed = zip(*rows, strict=True)
    bits = np.unpackbits(np.array(quarters, dtype="<i8").view(np.uint8).reshape(-1, 8), axis=1, bitorder="little")
    counts = bits.sum(axis=1, dtype=np.int64)
    sizes = np.array([len(each) - _WIDTHS for each in packed])
    widths = np.frombuffer(b"".join([each[:_WIDTHS] for each in packed]), np.uint8)
    if len(widths) == _WIDTHS * len(rows):
        widths = widths.reshape(-1, _WIDTHS)
    if widths.ndim != 2 or widths.max() > _MAX_BYTES or (counts * widths.sum(axis=1, dtype=np.int64) != sizes).any():
        mended = ", 'tollbook db rollups' sums them again" if table is rollup_quarters else ""
        raise LedgerError(
            f"{table.name}: rows can't be read: they were changed by another program; 'tollbook verify' names them"
            f"{mended}"
        )
    used = np.flatnonzero(widths.any(axis=0))
    kept = _bytes().of_width[np.repeat(widths[:, used], counts, axis=0)].view(np.bool_)
    written = np.zeros(kept.shape, np.uint8)
    written.ravel()[np.flatnonzero(kept)] = np.frombuffer(b"".join([each[_WIDTHS:] for each in packed]), np.uint8)
    doubled = written.view("<u8")
    numbers = np.zeros((_WIDTHS, len(doubled)), np.int64)
    numbers[used] = ((doubled >> np.uint64(1)).view("<i8") ^ -(doubled & np.uint64(1)).view("<i8")).T
    time = np.repeat(np.array(half_days, dtype=np.int64) // QUARTER_US, counts) + np.nonzero(bits)[1]
    key_id = np.repeat(np.array(key_ids, dtype=np.int64), counts)
    return Cells([], time, key_id, numbers[:-1], time * QUARTER_US + numbers[-1]), counts


def _with(quarters: int, packed: bytes, place: int, added: Sequence[int]) -> tuple[int, bytes] | None:
    """Returns a row's quarters and cells with numbers added to one cell: the others' bytes are kept as they are.

    None where a number becomes less, as its width may then, or passes 64 bits, or where the row can't be read.
    """
    widths, size, count = packed[:_WIDTHS], sum(packed[:_WIDTHS]), quarters.bit_count()
    if len(packed) != _WIDTHS + count * size or max(widths) > _MAX_BYTES:
        return None
    cells = [packed[end - size : end] for end in (_WIDTHS + size * number for number in range(1, count + 1))]
    at = (quarters & ((1 << place) - 1)).bit_count()
    before = [0] * _WIDTHS
    if quarters >> place & 1:
        before = [int.from_bytes(part, "little") for part in _parts(cells.pop(at), widths)]
    *sums, last = [number >> 1 ^ -(number & 1) for number in before]
    numbers = [*map(add, sums, added), max(last, added[-1])]
    written = [number << 1 if number >= 0 else ~(number << 1) for number in numbers]
    wide = bytes(max(width, (number.bit_length() + 7) // 8) for width, number in zip(widths, written, strict=True))
    if max(wide) > _MAX_BYTES or any(map(lt, written, before)):
        return None
    if wide != widths:
        cells = [
            b"".join([part.ljust(width, b"\0") for part, width in zip(_parts(cell, widths), wide, strict=True)])
            for cell in cells
        ]
    cells.insert(at, b"".join([number.to_bytes(width, "little") for number, width in zip(written, wide, strict=True)]))
    return quarters | 1 << place, wide + b"".join(cells)


def _parts(cell: bytes, widths: bytes) -> list[bytes]:
    """Cuts a cell into its numbers."""
    return [cell[start:end] for start, end in pairwise(accumulate(widths, initial=0))]


class _Bytes(NamedTuple):
    """The least number of each width from 1, and of each from 0 eight bytes, those that are written being 1."""

    least: npt.NDArray[np.uint64]
    of_width: npt.NDArray[np.uint64]


@cache
def _bytes() -> _Bytes:
    import numpy as np

    least = np.array([1 << 8 * width for width in range(_MAX_BYTES)], dtype=np.uint64)
    return _Bytes(least, np.tri(_MAX_BYTES + 1, _MAX_BYTES, -1, dtype=np.uint8).view(np.uint64)[:, 0])
