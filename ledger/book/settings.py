"""Care of a ledger as a whole: its zone, and its roll-ups recomputed."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection, delete, select, text, update

from ledger.book.charges import posted_charges
from ledger.book.rebuilt_rollups import RebuiltRollUps, TooLarge
from ledger.errors import LedgerError
from ledger.store.bulk import in_chunks
from ledger.store.database import Database, zone_named
from ledger.store.log import note_settings
from ledger.store.opening import joined_tags
from ledger.store.tables import charges, ledger_settings, rollup_days, rollup_keys, rollup_quarters
from ledger.values.calendar import Calendar


def set_timezone(database: Database, timezone: str) -> None:
    """Changes the zone of a ledger without charges; LedgerError once one is posted, for months are cut in it."""
    zone_named(timezone)
    with database.writing() as connection:
        if connection.execute(select(charges.c.id).limit(1)).first() is not None:
            raise LedgerError(
                f"the ledger's zone is {database.zone_name} and charges are posted by it: it stays; "
                "reports take --timezone"
            )
        _set(database, connection, "timezone", timezone)


def _set(database: Database, connection: Connection, name: str, value: str) -> None:
    if database.settings[name] == value:
        return
    connection.execute(update(ledger_settings).where(ledger_settings.c.name == name).values(value=value))
    note_settings(connection)
    database.settings = database.settings | {name: value}


def rebuild_rollups(database: Database, tags: Sequence[str]) -> None:
    """Stores the tags to roll up and sums every charge again by them, in one transaction.

    LedgerError where a sum by these tags passes 64 bits; by those in force none does, whatever was accepted.
    """
    names = joined_tags(tags)
    with database.writing() as connection:
        # Writers that run meanwhile remember ids of keys; they notice where the tags change, and stop.
        keys = [] if names == database.settings["rollup_tags"] else [rollup_keys]
        for table in (rollup_days, rollup_quarters, *keys):
            connection.execute(delete(table))
        calendar = Calendar(database.zone)
        rebuilt = RebuiltRollUps(connection, calendar, tags, keeps_keys=True)
        for chunk in in_chunks(posted_charges(connection, calendar), 20_000):
            rebuilt.add(chunk)
        for cell in rebuilt.too_large():
            raise LedgerError(_no_room(connection, cell, names, database.settings["rollup_tags"]))
        for table in (rollup_days, rollup_quarters):
            connection.execute(text(f"INSERT INTO {table.name} {rebuilt.cells(table)}"))
        rebuilt.drop()
        _set(database, connection, "rollup_tags", names)


def _no_room(connection: Connection, cell: TooLarge, tags: str, standing: str) -> str:
    key = connection.execute(select(rollup_keys).where(rollup_keys.c.id == cell.key_id)).one()
    return (
        f"rolled up by {tags or 'no tag'}, {cell.measure} of project {key.project!r} and {key.billed_model} at "
        f"{cell.time} pass 2**63 - 1, the most that a sum holds. Nothing was changed: roll up more tags, or those that "
        f"are: {standing or 'none'}"
    )
