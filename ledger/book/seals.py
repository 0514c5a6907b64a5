"""Digests that seal what was posted: of a batch with its rows, and of a row."""

from __future__ import annotations

import hashlib
import os
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec
from sqlalchemy import Connection, Row, Table, select

from ledger.book.rows import ChargeRow
from ledger.store.bulk import next_id
from ledger.store.driver import column_names, run
from ledger.store.log import memory_of, note_sealed
from ledger.store.tables import batches, booked_usage, conversions, lake_cells
from ledger.values.columns import numbered

if TYPE_CHECKING:
    from hashlib import _Hash

    from pricing.money import Int64Array

_CONVERSION = ChargeRow._fields.index("conversion_id")
_KEY = list(lake_cells.c.keys()).index("key_id")
# At most so many columns of usage_records or charges came after their first rows; those before them are never null.
_LATER_COLUMNS = 4
_NOTHING = b",null]\n"
# What of a usage record may be redacted, and what is digested as 64 bits: all else.
TEXTS = ("request_id", "tags")
_NUMBERS = tuple(column.name for column in booked_usage.c if column.name not in TEXTS)
_APPEND_SEAL = "INSERT INTO text_seals SELECT coalesce(max(id), 0) + 1, ?, ?, ?, ?, NULL FROM text_seals"
# Columns that another table got after its first rows.
LATER = frozenset({"settings"})


def amounts_by_currency(amounts: Iterable[tuple[str, int]]) -> Counter[str]:
    """Sums nano by currency."""
    found: Counter[str] = Counter()
    for currency, nano in amounts:
        found[currency] += nano
    return found


def amounts_text(amounts: Mapping[str, int]) -> str:
    """Returns sums by currency as the JSON that a batch has."""
    return msgspec.json.encode(amounts, order="sorted").decode()


def lines_to_seal(rows: Sequence[Sequence[Any]]) -> bytes:
    """Encodes rows of usage_records or charges as JSON arrays, a line each: what digests cover.

    Columns at a row's end that hold nothing are left out: their tables got them later, and are digested as before.
    """
    lines = msgspec.json.Encoder().encode_lines(rows)
    # No text holds the end of a line; on all bytes at once this is quicker than row by row.
    for count in range(_LATER_COLUMNS, 0, -1):
        if _NOTHING not in lines:
            break
        lines = lines.replace(b",null" * (count - 1) + _NOTHING, b"]\n")
    return lines


def sealed_conversions(connection: Connection) -> dict[int, tuple[Any, ...]]:
    """Reads what a batch's digest covers of each conversion, by id: there are few."""
    memory = memory_of(connection)
    known: dict[int, tuple[Any, ...]] | None = memory.get(sealed_conversions)
    if known is None:
        columns = (conversions.c.id, conversions.c.currency, conversions.c.per_usd_nano, conversions.c.effective_from)
        known = memory[sealed_conversions] = {row.id: tuple(row) for row in connection.execute(select(*columns))}
    return known


def row_digest(table: Table, row: Mapping[str, Any]) -> str:
    """Computes sha256 over a row's other columns, as a JSON array; it covers the digest before it.

    A row from before one of the columns LATER was there has no value in it, and its digest doesn't cover it.
    """
    names = [name for name in column_names(table) if name != "digest"]
    covered = [row[name] for name in names if row[name] is not None or name not in LATER]
    return hashlib.sha256(msgspec.json.encode(covered)).hexdigest()


def append_sealed(connection: Connection, table: Table, row: Mapping[str, Any]) -> int:
    """Appends a row to a table of sealed ones, under the write lock; returns its id."""
    newest = connection.execute(select(table.c.digest).order_by(table.c.id.desc()).limit(1)).scalar()
    row = {**row, "id": next_id(connection, table), "previous": newest or ""}
    digest = row_digest(table, row)
    connection.execute(table.insert().values({**row, "digest": digest}))
    note_sealed(connection, table, row["id"], digest)
    return int(row["id"])


def read_sealed(connection: Connection, table: Table) -> Iterator[tuple[Row[Any], bool]]:
    """Reads a table of sealed rows in order; with each, whether it is still as it was recorded."""
    previous = ""
    for row in connection.execute(select(table).order_by(table.c.id)):
        yield row, row.previous == previous and row_digest(table, row._asdict()) == row.digest
        previous = row.digest


class StoredUsage(NamedTuple):
    """Rows of `booked_usage` as they are stored, in columns by name, with the keys and streams that they name, by id.

    Columns in which no row has a value may be left out. Of a key there are its digest and the id of its conversion.
    """

    columns: Mapping[str, Any]
    keys: Mapping[int, tuple[str, int | None]]
    streams: Mapping[int, tuple[str, str]]

    def __len__(self) -> int:
        return len(self.columns["id"])

    @property
    def texts(self) -> tuple[Sequence[str], Sequence[str | None]]:
        """The request ids and the tags."""
        return self.columns.get("request_id", ()), self.columns.get("tags") or [None] * len(self)


def texts_digest(salt: str, texts: tuple[Sequence[str], Sequence[str | None]]) -> str:
    """Computes sha256 over request ids and tags, with a salt without which nobody can try what they were."""
    return hashlib.sha256(msgspec.json.encode((salt, *texts))).hexdigest()


def append_text_seal(connection: Connection, batch_id: int, sealed_by: int, usage: StoredUsage) -> str:
    """Seals the texts of a batch's usage under a new salt; returns the digest."""
    salt = os.urandom(16).hex()
    digest = texts_digest(salt, usage.texts)
    run(connection, _APPEND_SEAL, (batch_id, sealed_by, digest, salt))
    return digest


def batch_digest(
    batch: Mapping[str, Any],
    added: Sequence[Sequence[Any]],
    rows: Sequence[Sequence[Any]],
    known: Mapping[int, tuple[Any, ...]],
) -> str:
    """Computes sha256 over JSON arrays, a line each: the batch with the digest before it, then its rows.

    These are those of usage_records, those of charges, and the conversions that the charges pin. So are batches sealed
    that add no usage; those that do were until they had `text_seals`.
    """
    digest = _begun(batch)
    digest.update(lines_to_seal(added))
    digest.update(lines_to_seal(rows))
    digest.update(_conversions_to_seal((row[_CONVERSION] for row in rows), known))
    return digest.hexdigest()


def usage_digest(
    batch: Mapping[str, Any],
    usage: StoredUsage,
    texts: str,
    rows: Sequence[Sequence[Any]],
    known: Mapping[int, tuple[Any, ...]],
) -> str:
    """Computes sha256 over a batch with the digest before it, the usage that it added, and its rows of corrections.

    Usage is digested by columns: the numbers, then what they name and the digest of the texts, as JSON arrays.
    """
    columns = dict(usage.columns)
    keys, columns["key_id"] = _named(columns.get("key_id", ()), usage.keys)
    streams, columns["stream_id"] = _named(columns.get("stream_id", ()), usage.streams)
    digest = _begun(batch)
    digest.update(_numbers_to_seal(columns))
    digest.update(msgspec.json.encode(([key[:1] for key in keys], streams, texts)))
    digest.update(lines_to_seal(rows))
    pinned = [conversion for key in keys for conversion in key[1:]]
    digest.update(_conversions_to_seal([*pinned, *(row[_CONVERSION] for row in rows)], known))
    return digest.hexdigest()


def cells_to_seal(
    rows: Sequence[Sequence[Any]], keys: Mapping[int, tuple[str, int | None]]
) -> tuple[bytes, set[int | None]]:
    """Encodes rows of lake_cells as digests cover them, each key by its own; returns the conversions that they pin."""
    named = [keys.get(row[_KEY], ("", None)) for row in rows]
    covered = [[*row[:_KEY], digest, *row[_KEY + 1 :]] for row, (digest, _pinned) in zip(rows, named, strict=True)]
    return msgspec.json.Encoder().encode_lines(covered), {conversion for _digest, conversion in named}


def cells_digest(
    batch: Mapping[str, Any],
    rows: Sequence[Sequence[Any]],
    keys: Mapping[int, tuple[str, int | None]],
    known: Mapping[int, tuple[Any, ...]],
) -> str:
    """Computes sha256 over a batch with the digest before it, a lake's sums, and the conversions that they pin.

    Of each key in `keys` there are its digest and the id of its conversion.
    """
    digest = _begun(batch)
    lines, pinned = cells_to_seal(rows, keys)
    digest.update(lines)
    digest.update(_conversions_to_seal(pinned, known))
    return digest.hexdigest()


def _named(
    numbers: Any,  # noqa: ANN401 - a column
    names: Mapping[int, tuple[Any, ...]],
) -> tuple[list[tuple[Any, ...]], Int64Array]:
    """Returns what numbers name, in order, and each one's place there: rows keep it whatever numbers they get."""
    import numpy as np

    if len(numbers) == 1:  # as of a call that is booked by itself
        return [names.get(int(numbers[0]), ())], np.zeros(1, np.int64)
    distinct, place = numbered(np.asarray(numbers, np.int64))
    found = [names.get(number, ()) for number in distinct.tolist()]
    order = sorted(range(len(found)), key=found.__getitem__)
    return [found[number] for number in order], np.argsort(order).astype(np.int64)[place]


def _begun(batch: Mapping[str, Any]) -> _Hash:
    covered = [batch[name] for name in column_names(batches) if name != "digest"]
    return hashlib.sha256(msgspec.json.Encoder().encode_lines([covered]))


def _conversions_to_seal(pinned: Iterable[int | None], known: Mapping[int, tuple[Any, ...]]) -> bytes:
    numbers = sorted({number for number in pinned if number is not None})
    return msgspec.json.Encoder().encode_lines([known.get(number) for number in numbers])


def _numbers_to_seal(columns: Mapping[str, Any]) -> bytes:
    """Encodes each column that any row has a value in: its name, a bit a row that has none, 64 bits a row."""
    import numpy as np

    found: list[bytes] = []
    for name in _NUMBERS:
        column, absent = columns.get(name), b""
        if column is None:
            continue
        if isinstance(column, (list, tuple)) and None in column:
            if column.count(None) == len(column):
                continue
            absent = np.packbits([number is None for number in column]).tobytes()
            column = [number or 0 for number in column]
        found += [name.encode(), b" ", absent, b" ", np.asarray(column, "<i8").tobytes()]
    return b"".join(found)
