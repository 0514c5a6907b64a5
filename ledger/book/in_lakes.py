"""Usage whose sums are in the book and whose rows are not: what needs rows refuses it, or says that it is left out."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import ColumnElement, Connection, func, select, true

from ledger.book.quarters import HALF_DAY_US, QUARTERS
from ledger.errors import LedgerError
from ledger.store.database import Database
from ledger.store.expressions import column_within, microseconds
from ledger.store.tables import lake_cells, lake_keys
from ledger.values.calendar import QUARTER_US
from ledger.values.instants import to_microseconds


def sources_in_lakes(
    connection: Connection, keys: ColumnElement[bool], start: datetime | None = None, end: datetime | None = None
) -> list[str]:
    """Returns the sources, in order, with sums of a lake in a selection: a condition on `lake_keys`, and [start, end).

    Sums that a row of the selection takes back don't count, nor does that row.
    """
    if connection.execute(select(lake_keys.c.id).where(keys).limit(1)).first() is None:
        return []
    first, after = (None if moment is None else to_microseconds(moment) for moment in (start, end))
    half_day = microseconds(lake_cells.c.half_day)
    within = column_within(half_day, None if first is None else first - HALF_DAY_US + 1, after)
    pair = func.coalesce(lake_cells.c.corrects_id, lake_cells.c.id)
    query = (
        select(lake_keys.c.source, half_day, lake_cells.c.quarters)
        .join_from(lake_cells, lake_keys, lake_keys.c.id == lake_cells.c.key_id)
        .where(keys, within)
    )
    alone = query.with_only_columns(pair).group_by(pair).having(func.count() == 1)
    found: set[str] = set()
    for source, start_us, quarters in connection.execute(query.where(pair.in_(alone)).distinct()):
        if source not in found and quarters & _within(start_us, first, after):
            found.add(source)
    return sorted(found)


def _within(half_day: int, first: int | None, after: int | None) -> int:
    """Returns the bits of the quarter-hours of a half day that have a part in [first, after)."""
    begin = 0 if first is None else max(0, (first - half_day) // QUARTER_US)
    end = QUARTERS if after is None else min(QUARTERS, -((half_day - after) // QUARTER_US))
    return ((1 << max(0, end - begin)) - 1) << begin


def check_rows(sources: Sequence[str], what: str, *, takes_lakes: bool = False) -> None:
    """Raises a LedgerError where sources have usage without rows and `what` would be incomplete.

    With `takes_lakes` the command has an option for lakes whose rows it reads.
    """
    if sources:
        step = "name the lake with --lake" if takes_lakes else "read them there"
        raise LedgerError(
            f"{what} needs the rows of usage, and those of {_listed(sources)} lie in a lake, in its charges/*.parquet: "
            f"{step}, or choose what has none of it"
        )


def left_out(sources: Sequence[str]) -> list[str]:
    """Returns the note that usage without rows isn't in a figure, where there is any."""
    return [f"without usage of {_listed(sources)}, whose rows lie in a lake (charges/*.parquet)"] if sources else []


def _listed(sources: Sequence[str]) -> str:
    return f"source{'s' if len(sources) > 1 else ''} {', '.join(map(repr, sources))}"


def month_in_lakes(connection: Connection, month: str) -> list[str]:
    """Returns the sources, in order, with sums of a lake in a month's books."""
    return sources_in_lakes(connection, lake_keys.c.posted_month == month)


def unfound_in_lakes(database: Database) -> list[str]:
    """Returns the note that an id may be of a source whose requests lie in a lake, where there are any."""
    with database.reading() as connection:
        sources = sources_in_lakes(connection, true())
    return [f"requests of {_listed(sources)} lie in a lake, where they are corrected"] if sources else []


def provider_in_lakes(connection: Connection, provider: str) -> list[str]:
    """Returns the sources, in order, with sums of a lake of a provider's usage."""
    return sources_in_lakes(connection, lake_keys.c.provider == provider)
