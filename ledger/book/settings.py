"""Care of a ledger as a whole: its zone, and its roll-ups recomputed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from sqlalchemy import Connection, delete, select, text, true, update

from ledger.book.archived import any_archived
from ledger.book.charges import posted_pages
from ledger.book.lake_cells import lake_sources, read_lake
from ledger.book.rebuilt_rollups import RebuiltRollUps, TooLarge
from ledger.book.rollups import TagSubset
from ledger.errors import LedgerError
from ledger.store.database import Database, zone_named
from ledger.store.log import memory_of, note_settings
from ledger.store.opening import joined_tags
from ledger.store.tables import charges, lake_cells, ledger_settings, rollup_days, rollup_keys, rollup_quarters
from ledger.values.calendar import Calendar


def set_timezone(database: Database, timezone: str) -> None:
    """Changes the zone of a ledger without charges; LedgerError once one is posted, for months are cut in it."""
    zone_named(timezone)
    with database.writing() as connection:
        if any(connection.execute(select(table.c.id).limit(1)).first() for table in (charges, lake_cells)):
            raise LedgerError(
                f"the ledger's zone is {database.zone_name} and charges are posted by it: it stays; "
                "reports take --timezone"
            )
        store_settings(database, connection, {"timezone": timezone})


def store_settings(database: Database, connection: Connection, values: Mapping[str, str]) -> None:
    """Stores settings, where they differ from those that are."""
    known = database.settings
    changed = {name: value for name, value in values.items() if known.get(name) != value}
    for name, value in changed.items():
        if name in known:
            connection.execute(update(ledger_settings).where(ledger_settings.c.name == name).values(value=value))
        else:
            connection.execute(ledger_settings.insert().values(name=name, value=value))
    if changed:
        note_settings(connection)
        database.settings = known | changed


def rebuild_rollups(database: Database, tags: Sequence[str]) -> None:
    """Stores the tags to roll up and sums every charge again by them, in one transaction.

    LedgerError where a sum by these tags passes 64 bits, by those in force none does, whatever was accepted; or where
    a lake's sums aren't by one of them.
    """
    names = joined_tags(tags)
    with database.writing() as connection:
        _check_sums_know(database, connection, tags)
        sum_again(database, connection, tags, keeps_keys=names == database.settings["rollup_tags"])
        store_settings(database, connection, {"rollup_tags": names})


def _check_sums_know(database: Database, connection: Connection, tags: Sequence[str]) -> None:
    """Refuses tags that a lake's sums aren't by: those in force are, as each was posted by them or by more."""
    gone = sorted(set(database.rollup_tags) - set(tags))
    if gone and any_archived(connection):
        raise LedgerError(f"tag {gone[0]!r} stays rolled up: months whose rows were archived are exported by it")
    new = sorted(set(tags) - set(database.rollup_tags))
    if new and (held := lake_sources(connection)):
        raise LedgerError(
            f"tag {new[0]!r} can't be rolled up: the sums of {', '.join(map(repr, held))} aren't by it, and their rows "
            "lie elsewhere; give tags of those rolled up now"
        )


def sum_again(database: Database, connection: Connection, tags: Sequence[str], *, keeps_keys: bool) -> None:
    """Sums every charge again by these tags; LedgerError where a sum passes 64 bits."""
    # Ids of keys are remembered: other writers forget them as the log names the settings, this one here.
    memory_of(connection).clear()
    for table in (rollup_days, rollup_quarters, *([] if keeps_keys else [rollup_keys])):
        connection.execute(delete(table))
    calendar = Calendar(database.zone)
    rebuilt = RebuiltRollUps(connection, calendar, tags, keeps_keys=True)
    for page in posted_pages(connection, calendar, true()):
        rebuilt.add(page.charge, page.usage)
    for sums in read_lake(connection, true()):
        rebuilt.add_cells(sums.cells(TagSubset(tags)))
    for cell in rebuilt.too_large():
        raise LedgerError(_no_room(connection, cell, joined_tags(tags), database.settings["rollup_tags"]))
    for table in (rollup_days, rollup_quarters):
        connection.execute(text(f"INSERT INTO {table.name} {rebuilt.cells(table)}"))
    rebuilt.drop()


def _no_room(connection: Connection, cell: TooLarge, tags: str, standing: str) -> str:
    key = connection.execute(select(rollup_keys).where(rollup_keys.c.id == cell.key_id)).one()
    return (
        f"rolled up by {tags or 'no tag'}, {cell.measure} of project {key.project!r} and {key.billed_model} at "
        f"{cell.time} pass 2**63 - 1, the most that a sum holds. Nothing was changed: roll up more tags, or those that "
        f"are: {standing or 'none'}"
    )
