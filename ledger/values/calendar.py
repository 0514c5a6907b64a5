"""Months and days of a zone: where they begin, and which an instant lies in."""

from __future__ import annotations

from calendar import monthrange
from datetime import UTC, date, datetime, timedelta, tzinfo
from zoneinfo import ZoneInfo

from ledger.values.instants import to_microseconds

QUARTER = timedelta(minutes=15)
QUARTER_US = 15 * 60 * 1_000_000


class Calendar:
    """Months and days of a zone, by quarter-hour: every IANA zone since 1980 changes days on one."""

    def __init__(self, zone: ZoneInfo) -> None:
        self._zone = zone
        self._days: dict[int, str] = {}

    def day(self, occurred_us: int) -> str:
        """Returns YYYY-MM-DD of an instant in microseconds."""
        quarter = occurred_us // QUARTER_US
        found = self._days.get(quarter)
        if found is None:
            moment = datetime.fromtimestamp(quarter * 900, UTC).astimezone(self._zone)
            found = self._days[quarter] = f"{moment.year:04}-{moment.month:02}-{moment.day:02}"
        return found

    def month(self, occurred_us: int) -> str:
        """Returns YYYY-MM of an instant in microseconds."""
        return self.day(occurred_us)[:7]

    def month_start_us(self, month: str) -> int:
        """Returns the first instant of a month YYYY-MM, in microseconds."""
        return to_microseconds(month_start(month, self._zone))


def month_start(month: str, zone: tzinfo) -> datetime:
    """Returns the first instant, UTC, of the month YYYY-MM in the zone."""
    return day_start(date(int(month[:4]), int(month[5:]), 1), zone)


def shift_month(month: str, months: int) -> str:
    """Returns the month that many months later: 2026-01 and -1 is 2025-12."""
    number = int(month[:4]) * 12 + int(month[5:]) - 1 + months
    return f"{number // 12:04d}-{number % 12 + 1:02d}"


def day_start(day: date, zone: tzinfo) -> datetime:
    """Returns the first instant, UTC, of a calendar day in the zone: midnight, or the end of a gap over midnight."""
    return datetime(day.year, day.month, day.day, tzinfo=zone).astimezone(UTC)


def is_day_start(moment: datetime, zone: tzinfo) -> bool:
    """Tells whether a calendar day of the zone starts at that instant."""
    return day_start(moment.astimezone(zone).date(), zone) == moment


def offset_changes(zone: tzinfo, start: datetime, end: datetime) -> list[tuple[datetime, timedelta]]:
    """Returns the zone's UTC offsets in [start, end), each with the instant, to the second, from which it holds."""
    moment = start.astimezone(UTC)
    offset = _offset(zone, moment)
    changes = [(moment, offset)]
    while moment < end:
        later = min(moment + timedelta(days=1), end)
        if _offset(zone, later) != offset:
            low, high = moment, later
            while high - low > timedelta(seconds=1):
                middle = low + timedelta(seconds=(high - low) // timedelta(seconds=2))
                low, high = (middle, high) if _offset(zone, middle) == offset else (low, middle)
            later, offset = high, _offset(zone, high)
            changes.append((later, offset))
        moment = later
    return changes


def _offset(zone: tzinfo, moment: datetime) -> timedelta:
    return moment.astimezone(zone).utcoffset() or timedelta()


def last_day(month: str) -> str:
    """Returns the last day, YYYY-MM-DD, of a month YYYY-MM."""
    return f"{month}-{monthrange(int(month[:4]), int(month[5:]))[1]:02}"
