"""Instants as whole microseconds since 1970-01-01T00:00Z, and as text."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)


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
    return f"{(EPOCH + timedelta(microseconds=microseconds)).isoformat()[: -len('+00:00')]}Z"


def moment_text(moment: datetime, timespec: str = "auto") -> str:
    """Returns the aware time as ISO 8601 text in UTC; to the second by `timespec` "seconds"."""
    return moment.astimezone(UTC).isoformat(timespec=timespec).replace("+00:00", "Z")
