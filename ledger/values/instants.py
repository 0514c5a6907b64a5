"""Instants as whole microseconds since 1970-01-01T00:00Z, and as text."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import lru_cache

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)
SECOND_US, DAY_US = 1_000_000, 86_400_000_000
_SECONDS = [f"{second:02}" for second in range(60)]


def to_microseconds(moment: datetime) -> int:
    """Returns whole microseconds from 1970-01-01T00:00Z to an aware datetime; ValueError for naive ones."""
    if moment.tzinfo is None:
        raise ValueError(f"{moment.isoformat()} has no time zone: add Z or an offset such as +08:00")
    return (moment - EPOCH) // MICROSECOND


def from_microseconds(microseconds: int) -> datetime:
    """Returns the aware UTC datetime that many microseconds after 1970-01-01T00:00Z."""
    return EPOCH + timedelta(microseconds=microseconds)


def iso_text(microseconds: int) -> str:
    """Returns ISO 8601 text in UTC: 0 is 1970-01-01T00:00:00Z; six fraction digits where there are any."""
    day, within = divmod(microseconds, DAY_US)
    seconds, fraction = divmod(within, SECOND_US)
    time = f"{_day_text(day)}{_minute_text(seconds // 60)}{_SECONDS[seconds % 60]}"
    return f"{time}.{fraction:06}Z" if fraction else f"{time}Z"


# Many instants are of few days, and all of as many minutes as a day has.
@lru_cache(maxsize=1_000)
def _day_text(day: int) -> str:
    return f"{(EPOCH + timedelta(days=day)).date()}T"


@lru_cache(maxsize=1_440)
def _minute_text(minute: int) -> str:
    return f"{minute // 60:02}:{minute % 60:02}:"


def moment_text(moment: datetime, timespec: str = "auto") -> str:
    """Returns the aware time as ISO 8601 text in UTC; to the second by `timespec` "seconds"."""
    return moment.astimezone(UTC).isoformat(timespec=timespec).replace("+00:00", "Z")
