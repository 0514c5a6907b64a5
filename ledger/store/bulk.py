"""Many rows at once, by what each database does fastest: executemany on SQLite, COPY and arrays on PostgreSQL."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from itertools import chain, islice, starmap
from typing import TYPE_CHECKING, Any, TypeVar

from sqlalchemy import Column, Connection, Select, Table, Text

from ledger.store.driver import run
from ledger.store.expressions import ROWS_AT_ONCE

if TYPE_CHECKING:
    import sqlite3

    import psycopg

T = TypeVar("T")
# Of at most 28 columns each: SQLite takes 32,766 values at once.
_ROWS_A_STATEMENT = 200


def in_chunks(items: Iterable[T], size: int) -> Iterator[list[T]]:
    """Yields the items in lists of at most `size`."""
    iterator = iter(items)
    while chunk := list(islice(iterator, size)):
        yield chunk


def stream_rows(connection: Connection, query: Select[Any], row: Callable[..., T]) -> Generator[T]:
    """Reads rows as `row` makes them of their columns, some thousands in memory at a time."""
    with connection.execute(query, execution_options={"yield_per": ROWS_AT_ONCE}) as result:
        for rows in result.partitions():
            yield from starmap(row, rows)


def append_rows(connection: Connection, table: Table, rows: Sequence[Sequence[Any]]) -> None:
    """Inserts rows given in the table's column order; any conflict is an error."""
    if connection.dialect.name == "sqlite":
        sqlite_connection(connection).executemany(_insert(table), rows)
    else:
        _copy(connection, table.name, rows)


def append_new_rows(
    connection: Connection, table: Table, columns: Sequence[str], rows: Sequence[Sequence[Any]]
) -> bool:
    """Inserts rows of these columns where all their identities are new; returns False, and inserts none, if not."""
    savepoint = connection.begin_nested()
    if _insert_new(connection, table.name, columns, rows):
        savepoint.commit()
        return True
    savepoint.rollback()
    return False


def _insert_new(connection: Connection, name: str, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> bool:
    target = f"{name} ({', '.join(columns)})"
    if connection.dialect.name == "sqlite":
        # The table's own trigger passes over a known identity, whichever ON CONFLICT the statement names.
        return _insert_together(sqlite_connection(connection), target, rows) == len(rows)
    import psycopg  # an extra

    try:
        _copy(connection, target, rows)
    except psycopg.errors.UniqueViolation:
        return False
    return True


def _insert_together(driver: sqlite3.Connection, target: str, rows: Iterable[Sequence[Any]]) -> int:
    """Inserts many rows by each statement; returns how many were inserted.

    SQLite copies the pages that a statement with a trigger is about to change, once more for a savepoint around it:
    row by row that would take longer than the rows do.
    """
    inserted = 0
    for part in in_chunks(rows, _ROWS_A_STATEMENT):
        one = f"({', '.join('?' * len(part[0]))})"
        values = list(chain.from_iterable(part))
        inserted += driver.execute(f"INSERT INTO {target} VALUES {', '.join([one] * len(part))}", values).rowcount
    return inserted


def _copy(connection: Connection, target: str, rows: Iterable[Sequence[Any]]) -> None:
    with postgres_connection(connection).cursor() as cursor, cursor.copy(f"COPY {target} FROM STDIN") as copy:
        for row in rows:
            copy.write_row(row)


def upsert(
    connection: Connection,
    table: Table,
    key: Sequence[str],
    rows: Sequence[Sequence[Any]],
    *,
    sums: Sequence[str] = (),
    latest: Sequence[str] = (),
) -> None:
    """Inserts rows, or changes the row of the same `key`: `sums` are added to, `latest` keep the greater value."""
    greater = "max" if connection.dialect.name == "sqlite" else "greatest"
    name = table.name
    changes = [f"{column} = {name}.{column} + excluded.{column}" for column in sums]
    changes += [f"{column} = {greater}({name}.{column}, excluded.{column})" for column in latest]
    conflict = f"ON CONFLICT ({', '.join(key)}) DO UPDATE SET {', '.join(changes)}"
    if connection.dialect.name == "sqlite":
        sqlite_connection(connection).executemany(f"{_insert(table)} {conflict}", rows)
        return
    types = [column.type.compile(connection.dialect) for column in table.columns]
    arrays = ", ".join(f"%s::{kind}[]" for kind in types)
    statement = f"INSERT INTO {name} SELECT * FROM unnest({arrays}) {conflict}"
    with postgres_connection(connection).cursor() as cursor:
        for chunk in in_chunks(rows, 20_000):
            values = zip(table.columns, zip(*chunk, strict=True), strict=True)
            cursor.execute(statement, [_array(column, items) for column, items in values])


def _array(column: Column[Any], items: Sequence[Any]) -> str | list[Any]:
    """Returns a column as psycopg takes an array: integers as a literal, built far faster than a list."""
    return list(items) if isinstance(column.type, Text) else "{" + ",".join(map(str, items)) + "}"


def rows_by_key(connection: Connection, query: str, keys: Sequence[Sequence[str]]) -> Iterator[Sequence[Any]]:
    """Reads rows of a query over `keys(a, b, …)`: lists of text joined in as a table, of any number.

    `query` holds `{keys}` in place of the table of keys, with columns k0, k1, …
    """
    width = len(keys[0]) if keys else 0
    for chunk in in_chunks(keys, 10_000):
        if connection.dialect.name == "sqlite":
            import msgspec  # only here

            columns = ", ".join(f"json_extract(value, '$[{place}]') AS k{place}" for place in range(width))
            parameter = msgspec.json.encode(chunk).decode()
            yield from sqlite_connection(connection).execute(
                query.format(keys=f"(SELECT {columns} FROM json_each(?))"), (parameter,)
            )
        else:
            arrays = ", ".join(["%s::text[]"] * width)
            names = ", ".join(f"k{place}" for place in range(width))
            with postgres_connection(connection).cursor() as cursor:
                cursor.execute(
                    query.format(keys=f"unnest({arrays}) AS key({names})"),
                    [list(column) for column in zip(*chunk, strict=True)],
                )
                yield from cursor


def _insert(table: Table) -> str:
    return f"INSERT INTO {table.name} VALUES ({', '.join('?' * len(table.columns))})"


def sqlite_connection(connection: Connection) -> sqlite3.Connection:
    """Returns the driver's connection, inside SQLAlchemy's transaction."""
    driver: sqlite3.Connection = connection.connection.driver_connection  # type: ignore[assignment]
    return driver


def postgres_connection(connection: Connection) -> psycopg.Connection[Any]:
    """Returns the driver's connection, inside SQLAlchemy's transaction."""
    driver: psycopg.Connection[Any] = connection.connection.driver_connection  # type: ignore[assignment]
    return driver


def next_id(connection: Connection, table: Table) -> int:
    """Returns one more than the highest id; only the holder of the write lock may ask."""
    return int(run(connection, f"SELECT coalesce(max(id), 0) FROM {table.name}").fetchone()[0]) + 1
