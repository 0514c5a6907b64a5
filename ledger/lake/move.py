"""Sources whose usage was kept in the book, and is kept in a lake from a month on."""

from __future__ import annotations

import msgspec
from sqlalchemy import Connection, select

from ledger.book.archived import is_archived
from ledger.book.settings import store_settings
from ledger.book.sources import MOVED, Home, count_charged, homes_of, moved_sources
from ledger.errors import LedgerError
from ledger.lake.store import open_lake
from ledger.store.database import Database
from ledger.store.tables import rollup_keys
from ledger.values.words import counted


def move_source(database: Database, source: str, lake: str, month: str) -> tuple[Home, bool]:
    """Moves a source of the book to a lake: its usage that occurs in the month or later, in the ledger's zone.

    Returns its new home, and whether that is new. LedgerError where the book has such usage, or not the source.
    """
    with database.writing() as connection:
        moved = moved_sources(database.settings)
        if source not in moved:
            _check_is_books(connection, source, month)
        home = Home(open_lake(lake, making=source not in moved).id, month)
        if source in moved and moved[source] != home:
            raise LedgerError(f"source {source!r} was moved to {moved[source]}, and stays there: a source moves once")
        if source not in moved:
            stated = msgspec.json.encode(moved | {source: home}, order="sorted").decode()
            store_settings(database, connection, {MOVED: stated})
    return home, source not in moved


def _check_is_books(connection: Connection, source: str, month: str) -> None:
    homes = homes_of(connection, [source])
    if source not in homes:
        raise LedgerError(
            f"no usage of source {source!r} is recorded: the lake that first posts sums of it is its home"
        )
    if homes[source] is not None:
        raise LedgerError(f"source {source!r} belongs to lake {homes[source]} from its first usage on")
    if is_archived(connection, source, month):
        raise LedgerError(f"usage of source {source!r} that occurred from {month} on was archived: give a later month")
    keys = select(rollup_keys.c.id).where(rollup_keys.c.source == source, rollup_keys.c.occurred_month >= month)
    # Nearly always there are none, and writers need not wait for a look at all rows.
    count = count_charged(connection, source, month) if connection.execute(keys.limit(1)).first() else 0
    if count:
        raise LedgerError(
            f"{counted(count, 'record')} of source {source!r} that occurred from {month} on are in the book, and would "
            "be counted twice: give a later month, or void them first (tollbook void)"
        )
