"""Usage whose sums are in the book and whose rows are not: what needs rows refuses it, or says that it is left out.

Its rows are a lake's, or were archived.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import ColumnElement, Connection, func, select, true

from ledger.book.quarters import HALF_DAY_US, QUARTERS
from ledger.errors import LedgerError
from ledger.store.database import Database
from ledger.store.expressions import column_within, microseconds
from ledger.store.tables import archives, lake_cells, lake_keys
from ledger.values.calendar import QUARTER_US
from ledger.values.instants import to_microseconds


class Outside(NamedTuple):
    """A source of usage without rows, and the place of the `archive` that has them; empty where a lake does."""

    source: str
    archive: str


def sources_without_rows(
    connection: Connection, keys: ColumnElement[bool], start: datetime | None = None, end: datetime | None = None
) -> list[Outside]:
    """Returns the sources, in order, with sums alone in a selection: a condition on `lake_keys`, and [start, end).

    Sums that a row of the selection takes back don't count, nor does that row.
    """
    if connection.execute(select(lake_keys.c.id).where(keys).limit(1)).first() is None:
        return []
    first, after = (None if moment is None else to_microseconds(moment) for moment in (start, end))
    half_day = microseconds(lake_cells.c.half_day)
    within = column_within(half_day, None if first is None else first - HALF_DAY_US + 1, after)
    pair = func.coalesce(lake_cells.c.corrects_id, lake_cells.c.id)
    query = (
        select(lake_keys.c.source, func.coalesce(archives.c.location, ""), half_day, lake_cells.c.quarters)
        .join_from(lake_cells, lake_keys, lake_keys.c.id == lake_cells.c.key_id)
        .outerjoin(archives, archives.c.batch_id == lake_cells.c.batch_id)
        .where(keys, within)
    )
    alone = query.with_only_columns(pair).group_by(pair).having(func.count() == 1)
    found: set[Outside] = set()
    for source, archive, start_us, quarters in connection.execute(query.where(pair.in_(alone)).distinct()):
        outside = Outside(source, archive)
        if outside not in found and quarters & _within(start_us, first, after):
            found.add(outside)
    return sorted(found)


def _within(half_day: int, first: int | None, after: int | None) -> int:
    """Returns the bits of the quarter-hours of a half day that have a part in [first, after)."""
    begin = 0 if first is None else max(0, (first - half_day) // QUARTER_US)
    end = QUARTERS if after is None else min(QUARTERS, -((half_day - after) // QUARTER_US))
    return ((1 << max(0, end - begin)) - 1) << begin


def check_rows(sources: Sequence[Outside], what: str, *, takes_lakes: bool = False) -> None:
    """Raises a LedgerError where sources have usage without rows and `what` would be incomplete.

    With `takes_lakes` the command has an option for lakes whose rows it reads, archived ones too.
    """
    for archive, names in _by_place(sources):
        step = "read them there"
        if takes_lakes:
            step = "name it with --lake" if archive else "name the lake with --lake"
        raise LedgerError(
            f"{what} needs the rows of usage, and those of {names} {_lie(archive)}: {step}, or choose what has none of "
            "it"
        )


def left_out(sources: Sequence[Outside]) -> list[str]:
    """Returns notes that usage without rows isn't in a figure, where there is any."""
    return [
        f"without usage of {names}, whose rows {_lie(archive, short=True)}" for archive, names in _by_place(sources)
    ]


def _by_place(sources: Iterable[Outside]) -> Iterator[tuple[str, str]]:
    """Yields each place once, with its sources in words."""
    places = defaultdict[str, list[str]](list)
    for source, archive in sources:
        places[archive].append(source)
    for archive, names in sorted(places.items()):
        yield archive, f"source{'s' if len(names) > 1 else ''} {', '.join(map(repr, names))}"


def _lie(archive: str, *, short: bool = False) -> str:
    if archive:
        return f"were archived to {archive}"
    return "lie in a lake (charges/*.parquet)" if short else "lie in a lake, in its charges/*.parquet"


def month_without_rows(connection: Connection, month: str) -> list[Outside]:
    """Returns the sources, in order, with sums alone in a month's books."""
    return sources_without_rows(connection, lake_keys.c.posted_month == month)


def unfound_without_rows(database: Database) -> list[str]:
    """Returns notes that an id may be of usage without rows, where there is any."""
    with database.reading() as connection:
        places = list(_by_place(sources_without_rows(connection, true())))
    return [
        f"requests of {names} were archived to {archive}, and are corrected by 'tollbook adjust'"
        if archive
        else f"requests of {names} lie in a lake, where they are corrected"
        for archive, names in places
    ]


def provider_without_rows(connection: Connection, provider: str) -> list[Outside]:
    """Returns the sources, in order, with sums alone of a provider's usage."""
    return sources_without_rows(connection, lake_keys.c.provider == provider)
