"""The time that usage spans: the first request of a selection, and its latest day."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import Column, Connection, Select, Table, func, select

from ledger.reports.selection import Selection
from ledger.reports.sums import narrowed
from ledger.store.expressions import column_within
from ledger.store.tables import rollup_days, rollup_keys, rollup_quarters
from ledger.values.calendar import day_start


def first_request(connection: Connection, selection: Selection, *, ledger_zone: ZoneInfo) -> datetime | None:
    """The quarter-hour in which the selection's projects and models had their first request.

    None where there is none. Voided requests don't count.
    """
    days = _with_requests(rollup_days, rollup_days.c.day, selection)
    day: str | None = connection.execute(days.order_by(rollup_days.c.day).limit(1)).scalar()
    if day is None:
        return None
    start, end = (day_start(date.fromisoformat(day) + timedelta(days=more), ledger_zone) for more in (0, 1))
    quarter = rollup_quarters.c.quarter
    quarters = _with_requests(rollup_quarters, quarter, selection).where(column_within(quarter, start, end))
    found: datetime | None = connection.execute(quarters.order_by(quarter).limit(1)).scalar()
    return found or start


def latest_day(connection: Connection, selection: Selection, *, until: date) -> date | None:
    """The latest day up to `until` with requests of the selection's projects and models."""
    column = rollup_days.c.day
    days = _with_requests(rollup_days, column, selection).where(column <= until.isoformat())
    day: str | None = connection.execute(days.order_by(column.desc()).limit(1)).scalar()
    return None if day is None else date.fromisoformat(day)


def _with_requests(table: Table, time: Column[Any], selection: Selection) -> Select[tuple[Any]]:
    """A roll-up's times with requests of the selection's projects and models."""
    keys = select(rollup_keys.c.id).where(narrowed(selection, rollup_keys.c.project, rollup_keys.c.billed_model))
    statement = select(time).group_by(time).having(func.sum(table.c.requests) > 0)
    return statement.where(table.c.key_id.in_(keys)) if selection.projects or selection.models else statement


def projects_before(connection: Connection, month: str) -> set[str]:
    """Reads the projects in the books of earlier months; what is posted in `month` or later doesn't count."""
    query = select(rollup_keys.c.project).where(rollup_keys.c.posted_month < month).distinct()
    return set(connection.execute(query).scalars())
