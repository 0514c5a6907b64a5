"""Live charges are found by the indexes on their usage, however many charges there are."""

from __future__ import annotations

from typing import Any

from sqlalchemy import create_engine, event

from ledger.book.charges import live_charges


def test_live_charges_are_looked_up_by_index(sqlite_url: str) -> None:
    engine = create_engine(sqlite_url)
    plans: list[str] = []

    @event.listens_for(engine, "before_cursor_execute")
    def _explain(_connection: Any, cursor: Any, statement: str, parameters: Any, *_: Any) -> None:
        plans.extend(str(row[3]) for row in cursor.execute(f"EXPLAIN QUERY PLAN {statement}", parameters))

    with engine.connect() as connection:
        assert live_charges(connection, [1, 2, 3]) == {}
    assert [plan for plan in plans if "ix_booked_corrections_usage_record_id (usage_record_id=?)" in plan]
    assert plans
    assert not [plan for plan in plans if plan.startswith("SCAN")]
