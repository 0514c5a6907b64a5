"""The time that a status of budgets is asked for."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import NamedTuple
from zoneinfo import ZoneInfo

from ledger.errors import LedgerError
from ledger.reports.selection import Selection
from ledger.values.calendar import QUARTER, day_start
from ledger.values.instants import EPOCH, MICROSECOND
from ledger.values.periods import LAST_YEAR, parse_day, parse_moment, parse_month


class Asked(NamedTuple):
    """The time of a status: `day` picks each budget's period, usage from `cut` on doesn't count (None: all does)."""

    day: date
    at: datetime
    cut: datetime | None = None

    def selection(self, base: Selection, start: datetime, end: datetime) -> Selection:
        """Returns the usage of a period that counts."""
        return replace(base, start=start, end=max(start, min(end, self.cut or end)))


def asked_time(month: str | None, at: str | None, *, zone: ZoneInfo, now: datetime) -> Asked:
    """Returns the time that the options ask for: now, a month as far as it has passed, the end of a day, or a time."""
    if month is not None and at is not None:
        raise LedgerError("--month and --at both say when: give one of them")
    if month is not None:
        span = parse_month(month, zone=zone, now=now)
        assert span.start is not None
        assert span.end is not None
        time = min(max(now.astimezone(UTC), span.start), span.end)
        return Asked(_day_of(min(time, span.end - MICROSECOND), zone), time, span.end if time == span.end else None)
    if at is None:
        return Asked(_day_of(now, zone), now.astimezone(UTC))
    if len(at) <= len("2026-03-01"):
        day = date.fromisoformat(parse_day(at, "--at"))
        end = day_start(day + timedelta(days=1), zone)
        return Asked(day, end, end)
    return asked_at(parse_moment(at, zone, "--at"), zone)


def asked_at(time: datetime, zone: ZoneInfo) -> Asked:
    """Returns a time to the quarter-hour, which the roll-ups have: what came later doesn't count."""
    return Asked(_day_of(time, zone), time, time + (EPOCH - time) % QUARTER)


def _day_of(time: datetime, zone: ZoneInfo) -> date:
    # East of Greenwich the last day that can be asked for ends in a year without a next one.
    return min(time.astimezone(zone).date(), date(LAST_YEAR, 12, 31))
