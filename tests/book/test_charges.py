"""Charges are found by the indexes on their usage, and joined with it without a copy of what there is."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import Connection, create_engine, event, true

from ledger.book.charges import live_charges, read_posted
from ledger.book.with_usage import ChargeWithUsage, select_charges
from ledger.reports.plan import Plan
from ledger.reports.selection import Selection
from ledger.reports.sums import sums_of_charges
from ledger.values.calendar import Calendar

UTC = ZoneInfo("UTC")


@contextmanager
def explained(url: str) -> Iterator[tuple[Connection, list[str]]]:
    """A connection, and the steps of SQLite's plans for what is asked through it."""
    engine = create_engine(url)
    plans: list[str] = []

    @event.listens_for(engine, "before_cursor_execute")
    def _explain(_connection: Any, cursor: Any, statement: str, parameters: Any, *_: Any) -> None:
        plans.extend(str(row[3]) for row in cursor.execute(f"EXPLAIN QUERY PLAN {statement}", parameters))

    with engine.connect() as connection:
        yield connection, plans


def test_charges_are_joined_with_their_usage_row_by_row(sqlite_url: str) -> None:
    with explained(sqlite_url) as (connection, plans):
        connection.execute(select_charges(ChargeWithUsage))
        read_posted(connection, Calendar(UTC), true())
        list(sums_of_charges(connection, Plan(Selection(UTC, dimensions=("tag:team",)), UTC)))
    assert len([plan for plan in plans if plan.startswith("SEARCH booked_usage USING INTEGER PRIMARY KEY")]) >= 3
    assert not [plan for plan in plans if "MATERIALIZE" in plan]


def test_live_charges_are_looked_up_by_index(sqlite_url: str) -> None:
    with explained(sqlite_url) as (connection, plans):
        assert live_charges(connection, [1, 2, 3]) == {}
    assert [plan for plan in plans if "ix_booked_corrections_usage_record_id (usage_record_id=?)" in plan]
    assert plans
    assert not [plan for plan in plans if plan.startswith("SCAN")]
