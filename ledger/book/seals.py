"""Digests that seal what was posted: of a batch with its rows, and of a row."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec
from sqlalchemy import Connection, Row, Table, select

from ledger.book.rows import ChargeRow, Columns, plain
from ledger.store.bulk import next_id
from ledger.store.log import memory_of, note_sealed
from ledger.store.tables import batches, conversions

_CONVERSION = ChargeRow._fields.index("conversion_id")
# At most so many columns of usage_records or charges came after their first rows; those before them are never null.
_LATER_COLUMNS = 4
_NOTHING = b",null]\n"
# Columns that another table got after its first rows.
LATER = frozenset({"settings"})


def amounts_text(columns: Columns) -> str:
    """Sums nano of charges by currency, as the JSON that a batch has."""
    amounts: dict[str, int] = {}
    if columns:
        charge: Any = ChargeRow._make(columns)  # columns by name
        for currency, amount in zip(charge.currency, plain(charge.amount_nano), strict=True):
            amounts[currency] = amounts.get(currency, 0) + amount
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
    names = [column.name for column in table.c if column.name != "digest"]
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


def batch_digest(
    batch: Mapping[str, Any],
    added: Sequence[Sequence[Any]],
    rows: Sequence[Sequence[Any]],
    known: Mapping[int, tuple[Any, ...]],
) -> str:
    """Computes sha256 over JSON arrays, a line each: the batch with the digest before it, then its rows.

    These are those of usage_records, those of charges, and the conversions that the charges pin.
    """
    encode_lines = msgspec.json.Encoder().encode_lines
    digest = hashlib.sha256(encode_lines([[batch[column.name] for column in batches.c if column.name != "digest"]]))
    digest.update(lines_to_seal(added))
    digest.update(lines_to_seal(rows))
    pinned = {row[_CONVERSION] for row in rows} - {None}
    digest.update(encode_lines([known.get(number) for number in sorted(pinned)]))
    return digest.hexdigest()
