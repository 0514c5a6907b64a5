"""Statements that the driver runs itself, inside SQLAlchemy's transaction: short ones take a tenth of the time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import lru_cache
from typing import Any

from sqlalchemy import Connection, Table

from ledger.values.instants import to_microseconds


def run(connection: Connection, statement: str, parameters: Sequence[Any] = ()) -> Any:  # noqa: ANN401 - either driver's
    """Runs a statement whose parameters are question marks; returns the driver's cursor."""
    driver: Any = connection.connection.driver_connection
    if connection.dialect.name != "sqlite":
        statement = statement.replace("?", "%s")
    return driver.execute(statement, parameters)


def run_together(connection: Connection, *statements: str) -> Any:  # noqa: ANN401 - either driver's
    """Runs statements without parameters one after the other, which a server is sent at once.

    Returns the driver's cursor at the last one's rows.
    """
    if connection.dialect.name == "sqlite":
        return [run(connection, statement) for statement in statements][-1]
    cursor = run(connection, "; ".join(statements))
    while cursor.nextset():
        pass
    return cursor


def insert_row(connection: Connection, table: Table, row: Mapping[str, Any]) -> None:
    """Inserts a row that states each column; instants become what is stored."""
    values = [row[name] for name in column_names(table)]
    stored = [to_microseconds(value) if isinstance(value, datetime) else value for value in values]
    run(connection, insertion(table), stored)


@lru_cache(maxsize=64)
def column_names(table: Table) -> tuple[str, ...]:
    """Returns the names of a table's columns, in their order."""
    return tuple(table.c.keys())


@lru_cache(maxsize=64)
def insertion(table: Table) -> str:
    """Returns the statement that inserts a row of all columns, whose parameters are question marks."""
    return f"INSERT INTO {table.name} VALUES ({', '.join('?' * len(table.columns))})"
