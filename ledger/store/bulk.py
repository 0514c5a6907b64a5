"""Many rows at once, by what each database does fastest: many a statement on SQLite, COPY and arrays on PostgreSQL."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from itertools import chain, islice, starmap
from typing import TYPE_CHECKING, Any, TypeVar

from sqlalchemy import Connection, Dialect, Select, Table

from ledger.errors import AlreadyKnown
from ledger.store.binary import Values, array_cursor, array_of, copy_pieces
from ledger.store.driver import column_names, insertion, run
from ledger.store.expressions import ROWS_AT_ONCE
from ledger.values.columns import plain, rows_of

if TYPE_CHECKING:
    import sqlite3

    import psycopg

T = TypeVar("T")
# Of at most 28 columns each: SQLite takes 32,766 values at once.
_ROWS_A_STATEMENT = 200
# Most rows that go into PostgreSQL by one statement, which takes one way to the server and back where COPY takes two.
_FEW_ROWS = 500


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
        sqlite_connection(connection).executemany(insertion(table), rows)
    elif rows:
        append = _copy if len(rows) > _FEW_ROWS else _insert_arrays
        append(connection, table, dict(zip(column_names(table), zip(*rows, strict=True), strict=True)))


def append_new_rows(
    connection: Connection, table: Table, columns: Mapping[str, Values], *, or_go_back: bool = False
) -> bool:
    """Inserts rows, given as columns, where all their identities are new; returns False, and inserts none, if not.

    Who can go back as far as the transaction's beginning saves a savepoint, for which SQLite copies each page that is
    changed: many rows of which some are known then raise AlreadyKnown.
    """
    if _rows_in(columns) == 1:  # as of a call that is booked by itself: one row is inserted or not
        if connection.dialect.name == "sqlite":
            return _insert_new(connection, table, columns)
        return _insert_arrays(connection, table, columns, "ON CONFLICT DO NOTHING") == 1
    if or_go_back:
        if _insert_new(connection, table, columns):
            return True
        raise AlreadyKnown("identities that were looked up as new are known: 'tollbook db check' says more")
    savepoint = connection.begin_nested()
    if _insert_new(connection, table, columns):
        savepoint.commit()
        return True
    savepoint.rollback()
    return False


def _insert_new(connection: Connection, table: Table, columns: Mapping[str, Values]) -> bool:
    if connection.dialect.name == "sqlite":
        # The table's own trigger passes over a known identity, whichever ON CONFLICT the statement names.
        return _insert_together(sqlite_connection(connection), table.name, columns) == _rows_in(columns)
    import psycopg  # an extra

    try:
        _copy(connection, table, columns)
    except psycopg.errors.UniqueViolation:
        return False
    return True


def _insert_together(driver: sqlite3.Connection, table: str, columns: Mapping[str, Values]) -> int:
    """Inserts many rows by each statement; returns how many were inserted.

    SQLite copies the pages that a statement with a trigger is about to change, once more for a savepoint around it:
    row by row that would take longer than the rows do.
    """
    width, count = len(columns), _rows_in(columns)
    values: list[Any] = [None] * (width * count)
    for place, column in enumerate(columns.values()):
        values[place::width] = plain(column)
    one, inserted = f"({', '.join('?' * width)})", 0
    for start in range(0, count, _ROWS_A_STATEMENT):
        rows = ", ".join([one] * min(count - start, _ROWS_A_STATEMENT))
        part = values[start * width : (start + _ROWS_A_STATEMENT) * width]
        inserted += driver.execute(f"INSERT INTO {table} ({', '.join(columns)}) VALUES {rows}", part).rowcount
    return inserted


def upsert(
    connection: Connection,
    table: Table,
    key: Sequence[str],
    columns: Sequence[Values],
    *,
    sums: Sequence[str] = (),
    latest: Sequence[str] = (),
    replaced: Sequence[str] = (),
) -> None:
    """Inserts rows, given as the table's columns in their order, or changes the row of the same `key`.

    `sums` are added to, `latest` keep the greater value, `replaced` become the new one.
    """
    is_sqlite = connection.dialect.name == "sqlite"
    conflict = _on_conflict(
        table,
        tuple(key),
        "max" if is_sqlite else "greatest",
        sums=tuple(sums),
        latest=tuple(latest),
        replaced=tuple(replaced),
    )
    if is_sqlite:
        sqlite_connection(connection).executemany(f"{insertion(table)} {conflict}", rows_of(columns))
    else:
        _insert_arrays(connection, table, dict(zip(column_names(table), columns, strict=True)), conflict)


@lru_cache(maxsize=16)
def _on_conflict(
    table: Table,
    key: tuple[str, ...],
    greater: str,
    *,
    sums: tuple[str, ...],
    latest: tuple[str, ...],
    replaced: tuple[str, ...],
) -> str:
    name = table.name
    changes = [f"{column} = {name}.{column} + excluded.{column}" for column in sums]
    changes += [f"{column} = {greater}({name}.{column}, excluded.{column})" for column in latest]
    changes += [f"{column} = excluded.{column}" for column in replaced]
    return f"ON CONFLICT ({', '.join(key)}) DO UPDATE SET {', '.join(changes)}"


# --- PostgreSQL's ways ----------------------------------------------------------------------------------------------


def _copy(connection: Connection, table: Table, columns: Mapping[str, Values]) -> None:
    kinds = _kinds(connection.dialect, table)
    statement = f"COPY {table.name} ({', '.join(columns)}) FROM STDIN (FORMAT BINARY)"
    with postgres_connection(connection).cursor() as cursor, cursor.copy(statement) as copy:
        for piece in copy_pieces([kinds[name] for name in columns], list(columns.values())):
            copy.write(piece)


def _insert_arrays(connection: Connection, table: Table, columns: Mapping[str, Values], conflict: str = "") -> int:
    """Inserts rows by one statement that takes each column as an array; returns how many it inserted or changed."""
    kinds = _kinds(connection.dialect, table)
    arrays = ", ".join(f"%b::{kinds[name]}[]" for name in columns)
    statement = f"INSERT INTO {table.name} ({', '.join(columns)}) SELECT * FROM unnest({arrays}) {conflict}"
    with array_cursor(postgres_connection(connection)) as cursor:
        cursor.execute(statement, [array_of(kinds[name], column) for name, column in columns.items()])
        return cursor.rowcount


@lru_cache(maxsize=64)
def _kinds(dialect: Dialect, table: Table) -> Mapping[str, str]:
    return {column.name: column.type.compile(dialect) for column in table.columns}


def _rows_in(columns: Mapping[str, Values]) -> int:
    return len(next(iter(columns.values())))


def rows_by_key(connection: Connection, query: str, keys: Sequence[Sequence[str]]) -> Iterator[Sequence[Any]]:
    """Reads rows of a query over `keys(a, b, …)`: lists of text joined in as a table, of any number.

    `query` holds `{keys}` in place of the table of keys, with columns k0, k1, …
    """
    width = len(keys[0]) if keys else 0
    for chunk in in_chunks(keys, 10_000):
        if connection.dialect.name == "sqlite":
            import msgspec  # only here

            # Texts alone are read sooner than lists of one.
            each = ["value"] if width == 1 else [f"json_extract(value, '$[{place}]')" for place in range(width)]
            columns = ", ".join(f"{value} AS k{place}" for place, value in enumerate(each))
            parameter = msgspec.json.encode([*chain(*chunk)] if width == 1 else chunk).decode()
            yield from sqlite_connection(connection).execute(
                query.format(keys=f"(SELECT {columns} FROM json_each(?))"), (parameter,)
            )
        else:
            arrays = ", ".join(["%b::text[]"] * width)
            names = ", ".join(f"k{place}" for place in range(width))
            with array_cursor(postgres_connection(connection)) as cursor:
                cursor.execute(
                    query.format(keys=f"unnest({arrays}) AS key({names})"),
                    [array_of("TEXT", column) for column in zip(*chunk, strict=True)],
                )
                yield from cursor


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
    return next_ids(connection, table)[0]


def next_ids(connection: Connection, *tables: Table) -> list[int]:
    """Returns one more than each table's highest id; only the holder of the write lock may ask."""
    return [number + 1 for number in run(connection, _highest_ids(tables)).fetchone()]


@lru_cache(maxsize=64)
def _highest_ids(tables: tuple[Table, ...]) -> str:
    return "SELECT " + ", ".join(f"(SELECT coalesce(max(id), 0) FROM {table.name})" for table in tables)
