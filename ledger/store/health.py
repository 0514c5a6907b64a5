"""Checks of a database against its schema and its guards."""

from __future__ import annotations

from sqlalchemy import Connection, inspect, text

from ledger.store.database import Database
from ledger.store.tables import APPEND_ONLY, metadata


def check_database(database: Database) -> list[str]:
    """Lists what is wrong with tables, guards and, on SQLite, the file."""
    problems: list[str] = []
    with database.reading() as connection:
        missing = set(metadata.tables) - set(inspect(connection).get_table_names())
        problems += [f"table {name} is missing" for name in sorted(missing)]
        guards, wanted = _triggers(connection), 3 if connection.dialect.name == "sqlite" else 2
        problems += [
            f"table {name} isn't guarded against changes" for name in APPEND_ONLY if guards.get(name, 0) < wanted
        ]
        if connection.dialect.name == "sqlite":
            found = [row[0] for row in connection.execute(text("PRAGMA integrity_check"))]
            problems += [f"integrity: {message}" for message in found if message != "ok"]
            problems += [
                f"foreign key of {row[0]} row {row[1]}: {row[2]} is missing"
                for row in connection.execute(text("PRAGMA foreign_key_check"))
            ]
    return problems


def _triggers(connection: Connection) -> dict[str, int]:
    if connection.dialect.name == "sqlite":
        query = "SELECT tbl_name, count(*) FROM sqlite_master WHERE type = 'trigger' GROUP BY tbl_name"
    else:
        query = (
            "SELECT c.relname, count(*) FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid "
            "WHERE NOT t.tgisinternal AND t.tgenabled <> 'D' GROUP BY c.relname"
        )
    return {row[0]: row[1] for row in connection.execute(text(query))}
