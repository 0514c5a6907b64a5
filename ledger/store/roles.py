"""SQL for roles of PostgreSQL that hold no more rights on a ledger than they need.

Nobody but the owner may alter the schema or take a guard away; what writers can't change no command of theirs does.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from sqlalchemy import text

from ledger.errors import LedgerError
from ledger.store.database import Database
from ledger.store.schema.postgresql import find_place
from ledger.store.tables import CHANGED, VIEWS, metadata

MAX_NAME_BYTES = 63
# The one column of the settings that writers change; the right to it is also the right to the row they queue on.
_SETTINGS, _SETTING = "ledger_settings", "value"


def roles_sql(database: Database, writer: str, reader: str) -> str:
    """Returns the statements that make the roles and give them their rights, and take any others on the ledger away."""
    if database.is_sqlite:
        raise LedgerError(
            "roles are PostgreSQL's: of a SQLite ledger the file's mode says who may read and write it (chmod); "
            "give --db postgresql://…"
        )
    names = [_checked(name) for name in (writer, reader)]
    if writer == reader:
        raise LedgerError(f"writer and reader are both {writer!r}: give two names")
    with database.reading() as connection:
        place = find_place(connection)
        name = str(connection.execute(text("SELECT current_database()")).scalar_one())
        owner = connection.execute(
            text("SELECT pg_get_userbyid(relowner) FROM pg_class WHERE oid = to_regclass('alembic_version')")
        ).scalar_one()
    if owner in names:
        raise LedgerError(f"role {owner!r} owns the ledger, and an owner may do everything: give another name")
    return "\n".join(_statements(identifier(name), place, names)) + "\n"


def _statements(database: str, place: str, names: list[str]) -> Iterator[str]:
    writer, reader = map(identifier, names)
    both = f"{writer}, {reader}"
    every = sorted(metadata.tables)
    read = _tables(place, [*every, *VIEWS, "alembic_version"])
    yield "-- Run this as the ledger's owner, and again after each 'tollbook db upgrade'."
    yield "-- How the roles log in is yours to say: \\password NAME, or pg_hba.conf."
    yield "BEGIN;"
    yield from map(_creation, names)
    yield f"REVOKE CREATE ON SCHEMA {place} FROM PUBLIC, {both};"
    yield f"GRANT USAGE ON SCHEMA {place} TO {both};"
    yield f"GRANT CONNECT, TEMPORARY ON DATABASE {database} TO {both};"
    yield f"REVOKE ALL ON {read} FROM {both};"
    yield f"GRANT SELECT ON {read} TO {both};"
    yield f"GRANT INSERT ON {_tables(place, [table for table in every if table != _SETTINGS])} TO {writer};"
    yield "-- All that a writer may change. It may delete nothing."
    yield f"GRANT UPDATE ON {_tables(place, [table for table in CHANGED if table != _SETTINGS])} TO {writer};"
    yield f"GRANT UPDATE ({_SETTING}) ON {_tables(place, [_SETTINGS])} TO {writer};"
    yield "COMMIT;"


def _tables(place: str, names: Iterable[str]) -> str:
    return ", ".join(f"{place}.{name}" for name in names)


def _creation(name: str) -> str:
    """Returns the statement that makes a role where there is none of that name."""
    known = f"SELECT FROM pg_roles WHERE rolname = {_literal(name)}"
    return f"DO {_literal(f'BEGIN IF NOT EXISTS ({known}) THEN CREATE ROLE {identifier(name)} LOGIN; END IF; END')};"


def _checked(name: str) -> str:
    if not name.isprintable() or not 0 < len(name.encode()) <= MAX_NAME_BYTES:
        raise LedgerError(f"role {name[:40]!r}: give a name of 1 to {MAX_NAME_BYTES} bytes, all of it printable")
    return name


def identifier(name: str) -> str:
    """Returns the name quoted, so that it is no more than a name whatever it holds."""
    return '"' + name.replace('"', '""') + '"'


def _literal(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"
