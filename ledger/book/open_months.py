"""The months that take charges: all after the last closed one."""

from __future__ import annotations

from sqlalchemy import Connection, Row, select

from ledger.store.log import memory_of
from ledger.store.tables import closings
from ledger.values.calendar import shift_month

# Below every month: where nothing was closed, every month takes its own charges.
ALL_OPEN = ""


def first_open_month(connection: Connection) -> str:
    """Returns the earliest month that takes charges, ALL_OPEN where none is closed; `posted_month` is by it."""
    memory = memory_of(connection)
    first_open: str | None = memory.get(first_open_month)
    if first_open is None:
        closed = last_closed(connection)
        first_open = memory[first_open_month] = ALL_OPEN if closed is None else shift_month(closed.month, 1)
    return first_open


def posted_month(occurred_month: str, first_open: str) -> str:
    """Returns a charge's own month while that is open, else the earliest open one after it.

    With 2026-03 the first open month, usage of 2026-01 posts in 2026-03 and usage of 2026-04 in 2026-04.
    """
    return max(occurred_month, first_open)


def last_closed(connection: Connection) -> Row[tuple[object, ...]] | None:
    """Returns the close of the latest closed month; None where none is."""
    standing = standing_closes(connection)
    return standing[-1] if standing else None


def standing_close(connection: Connection, month: str | None) -> Row[tuple[object, ...]] | None:
    """Returns the close that holds of a month; None where it is open."""
    return next((row for row in standing_closes(connection) if row.month == month), None)


def standing_closes(connection: Connection) -> list[Row[tuple[object, ...]]]:
    """Returns the close in force of each closed month, by month: closes go forward, reopens take the last back."""
    standing: list[Row[tuple[object, ...]]] = []
    for row in connection.execute(select(closings).order_by(closings.c.id)):
        if row.action == "close":
            standing.append(row)
        else:
            standing.pop()
    return standing
