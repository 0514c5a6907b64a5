"""Objections to closing a month."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from zoneinfo import ZoneInfo

from sqlalchemy import Connection, func, select

from ledger.store.tables import quarantine, rollup_keys, sources
from ledger.values.calendar import month_start, shift_month


def undated_quarantine(connection: Connection) -> int:
    """Counts open quarantine entries without a readable time: they belong to no month and never block a close."""
    query = select(func.count()).where(quarantine.c.state == "open", quarantine.c.occurred_at.is_(None))
    return int(connection.execute(query).scalar_one())


def find_objections(connection: Connection, month: str, zone: ZoneInfo) -> Iterator[str]:
    """Yields what speaks against closing the month: its quarantined lines, and sources that end before it does."""
    yield from _quarantined(connection, month, zone)
    yield from _early_sources(connection, month, zone)


def _quarantined(connection: Connection, month: str, zone: ZoneInfo) -> Iterator[str]:
    query = select(func.count()).where(
        quarantine.c.state == "open",
        quarantine.c.occurred_at >= month_start(month, zone),
        quarantine.c.occurred_at < month_start(shift_month(month, 1), zone),
    )
    count = int(connection.execute(query).scalar_one())
    if count:
        lines = "line is" if count == 1 else "lines are"
        yield f"{count} quarantined {lines} of that month: 'tollbook quarantine list'"


def _early_sources(connection: Connection, month: str, zone: ZoneInfo) -> Iterator[str]:
    """Finds sources with usage in the month whose latest record is from before the month's last day."""
    last_day = (month_start(shift_month(month, 1), zone).astimezone(zone) - timedelta(days=1)).date()
    active = select(rollup_keys.c.source).where(rollup_keys.c.occurred_month == month).distinct()
    columns = sources.c.source, sources.c.last_occurred_at
    query = select(*columns).where(sources.c.source.in_(active)).order_by(sources.c.source)
    for source, last_occurred_at in connection.execute(query):
        ended = last_occurred_at.astimezone(zone).date()
        if ended < last_day:
            yield f"source {source!r} ends on {ended}, before {last_day}: its usage may be incomplete"
