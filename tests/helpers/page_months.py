"""A month of a ledger, read for its page."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from ledger.pages.figures.month_spend import MonthSpend, read_month_spend
from ledger.reports.selection import Selection
from ledger.reports.snapshot import Snapshot
from ledger.store.database import Database
from ledger.values.periods import month_span


def selection_of(database: Database, month: str, *projects: str) -> Selection:
    span = month_span(month, database.zone)
    return Selection(database.zone, span.start, span.end, projects=projects)


@contextmanager
def month_read(database: Database, month: str, *projects: str) -> Iterator[tuple[Snapshot, MonthSpend]]:
    with database.reading() as connection:
        snapshot = Snapshot(connection, database.zone, database.rollup_tags)
        yield snapshot, read_month_spend(snapshot, selection_of(database, month, *projects))
