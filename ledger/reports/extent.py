"""The time that usage spans: the first request of a selection, its latest day, and its last usage."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import ColumnElement, Connection, Select, Table, func, select, true

from ledger.book.cells import summed
from ledger.book.quarters import read_quarters
from ledger.reports.selection import Selection
from ledger.reports.snapshot import Snapshot
from ledger.reports.spend import last_usage
from ledger.reports.sums import narrowed
from ledger.store.tables import MEASURES, rollup_days, rollup_keys, rollup_quarters
from ledger.values.calendar import QUARTER_US, day_start, month_start
from ledger.values.instants import from_microseconds
from pricing.times import parse_iso

_REQUESTS = MEASURES.index("requests")


def first_request(connection: Connection, selection: Selection, *, ledger_zone: ZoneInfo) -> datetime | None:
    """Reads the quarter-hour in which the selection's projects and models had their first request.

    None where there is none. Voided requests don't count.
    """
    days = _days_with_requests(selection)
    day: str | None = connection.execute(days.order_by(rollup_days.c.day).limit(1)).scalar()
    if day is None:
        return None
    start, end = (day_start(date.fromisoformat(day) + timedelta(days=more), ledger_zone) for more in (0, 1))
    requests: Counter[int] = Counter()
    for cells in read_quarters(connection, _of_selection(rollup_quarters, selection), start, end):
        # By time alone, as the keys have one place; requests don't come near 64 bits.
        each = summed([], cells.key_place * 0, cells.time, cells.sums[[_REQUESTS]], cells.last_occurred_at)
        requests.update(dict(zip(each.time.tolist(), each.sums[0].tolist(), strict=True)))
    first = min((quarter for quarter, count in requests.items() if count > 0), default=None)
    return start if first is None else from_microseconds(first * QUARTER_US)


def latest_day(connection: Connection, selection: Selection, *, until: date) -> date | None:
    """Reads the latest day up to `until` with requests of the selection's projects and models."""
    days = _days_with_requests(selection).where(rollup_days.c.day <= until.isoformat())
    day: str | None = connection.execute(days.order_by(rollup_days.c.day.desc()).limit(1)).scalar()
    return None if day is None else date.fromisoformat(day)


def _days_with_requests(selection: Selection) -> Select[tuple[Any]]:
    day = rollup_days.c.day
    statement = select(day).group_by(day).having(func.sum(rollup_days.c.requests) > 0)
    return statement.where(_of_selection(rollup_days, selection))


def _of_selection(table: Table, selection: Selection) -> ColumnElement[bool]:
    """Makes the condition that a roll-up's key is of the selection's projects and models."""
    if not selection.projects and not selection.models:
        return true()
    keys = select(rollup_keys.c.id).where(narrowed(selection, rollup_keys.c.project, rollup_keys.c.billed_model))
    return table.c.key_id.in_(keys)


def read_data_through(snapshot: Snapshot, selection: Selection, own: str | None) -> str | None:
    """Reads the last usage booked up to the end of a selection's period, in ISO text; None without any.

    Of its projects, models and tags, and by its basis: what later months book doesn't count, so that of a closed month
    it never changes. `own` is the `last_usage` of the period's own rows; without any the months before are looked at.
    """
    last, start = own, selection.start
    by = rollup_keys.c.posted_month if selection.basis == "posted" else rollup_keys.c.occurred_month
    of_usage = select(by).where(rollup_keys.c.charge_class != "adjustment").distinct().order_by(by.desc())
    for month in snapshot.connection.execute(of_usage).scalars():
        if start is None or (last is not None and parse_iso(last) >= start):
            break
        first = month_start(month, snapshot.zone)
        if first < start:
            earlier = replace(selection, start=first, end=start, dimensions=("model",))
            found = last_usage(snapshot.amounts(earlier).rows)
            last, start = max((each for each in (last, found) if each), key=parse_iso, default=None), first
    return last


def projects_before(connection: Connection, month: str) -> set[str]:
    """Reads the projects in the books of earlier months; what is posted in `month` or later doesn't count."""
    query = select(rollup_keys.c.project).where(rollup_keys.c.posted_month < month).distinct()
    return set(connection.execute(query).scalars())
