"""Checks of a database against what the migrations make, and of a SQLite file against itself."""

from __future__ import annotations

from collections.abc import Iterator

from sqlalchemy import Connection, create_engine, text

from ledger.store.database import Database
from ledger.store.opening import migrate
from ledger.store.schema import postgresql, sqlite
from ledger.store.schema.parts import Schema, differences


def check_database(database: Database) -> list[str]:
    """Lists what is wrong with tables, constraints, indexes, guards and, on SQLite, the file."""
    if database.is_sqlite:
        expected = _migrated_in_memory()
        with database.reading() as connection:
            return [*differences(expected, sqlite.read_schema(connection)), *_damage(connection)]
    with database.scratch() as connection:
        return list(_check_postgresql(connection))


def _migrated_in_memory() -> Schema:
    engine = create_engine("sqlite://")
    try:
        with engine.begin() as connection:
            migrate(connection, "head")
            return sqlite.read_schema(connection)
    finally:
        engine.dispose()


def _damage(connection: Connection) -> Iterator[str]:
    for (message,) in connection.execute(text("PRAGMA integrity_check")):
        if message != "ok":
            yield f"integrity: {message}"
    for table, row, referred, _number in connection.execute(text("PRAGMA foreign_key_check")):
        yield f"foreign key of {table} row {row}: {referred} is missing"


def _check_postgresql(connection: Connection) -> Iterator[str]:
    if connection.execute(text("SHOW session_replication_role")).scalar_one() == "replica":
        yield "guards don't act on this connection: its session_replication_role is replica"
    place, visible = postgresql.find_place(connection), postgresql.read_visible(connection)
    found = postgresql.read_schema(connection, place)
    with postgresql.among_temporary(connection):
        migrate(connection, "head")
    expected = postgresql.read_schema(connection, postgresql.TEMPORARY)
    for part in expected:
        if part.kind == "table" and visible.get(part.name, place) != place:
            yield f"{part} is taken from schema {visible[part.name]}, before the ledger's own in {place}"
    yield from differences(expected, found)
