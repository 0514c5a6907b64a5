"""Times: epoch seconds or ISO 8601 text -> microseconds since 1970-01-01T00:00Z."""

from __future__ import annotations

import re
from datetime import datetime
from decimal import ROUND_DOWN, Context, Decimal

from pricing.errors import RecordError, described
from pricing.usage import US_PER_SECOND, epoch_us

_END_SECONDS = 253_402_300_800  # 10000-01-01T00:00Z, exclusive

# Longer than any number that is read as a decimal, so nothing is ever rounded up.
_EXACT = Context(prec=400, rounding=ROUND_DOWN)

# A date, or a date and time with or without a zone: neither basic format, week dates nor hour 24.
_ISO = re.compile(
    r"\d{4}-\d{2}-\d{2}"
    r"(?:[Tt ](?:[01]\d|2[0-3]):\d{2}(?::\d{2}(?:[.,]\d{1,9})?)?(?: ?(?:[Zz]|[+-]\d{2}(?::?[0-5]\d)?))?)?",
    re.ASCII,
)

_OTHER_YEAR = re.compile(r"(?:[+-][0-9]{4,}|[0-9]{5,}|0000)-[0-9]{2}-[0-9]{2}")


# What is written as a time: text beside it isn't, and may be anything.
_DATED = re.compile(r"[0-9TZtz:.,+/ -]{1,40}")


def parse_iso(text: str) -> datetime:
    """Reads ISO 8601 text, naive where it has no zone; ValueError where it is none, such as 20260219T100000Z.

    Digits below a microsecond are cut off.
    """
    if _ISO.fullmatch(text) is None:
        raise ValueError(f"{text[:50]!r} isn't an ISO 8601 time: write it as 2026-02-19T07:37:54Z")
    return datetime.fromisoformat(text[:11] + text[11:].replace(" ", "").upper())


def show_time(value: object) -> str:
    """Returns what stands where a time belongs, for a message: quoted where it is written as one, else described."""
    return repr(value) if isinstance(value, str) and _DATED.fullmatch(value) else described(value)


def read_time(value: object, name: str) -> int:
    """Returns microseconds, from 1970-01-01 to 9999-12-31; further digits are cut off.

    Numbers are seconds since the epoch, and 0 is no time; text needs a zone. The shortest decimal text of a JSON
    fraction is what counts, so 1771486674.123457 is 1_771_486_674_123_457.
    """
    if isinstance(value, int | float | Decimal) and not isinstance(value, bool):
        if value != 0:
            return _read_number(value, name)
        value = None  # gateways write 0 for a time that they don't know
    if isinstance(value, str) and value.strip():
        return _read_iso(value.strip(), name)
    if value is None or isinstance(value, str):
        message = f"{name} is missing: a request is dated by it; add epoch seconds or ISO 8601 text with a zone"
        raise RecordError("missing_time", message)
    message = f"{name} {show_time(value)} isn't a time: give epoch seconds or ISO 8601 text with a zone"
    raise RecordError("invalid_time", message)


def _read_number(seconds: float | Decimal, name: str) -> int:
    # Comparisons of floats with NaN are false, so it is never in range.
    if (isinstance(seconds, Decimal) and not seconds.is_finite()) or not 0 <= seconds < _END_SECONDS:
        raise _not_in_range(seconds, name)
    whole = int(seconds)
    if whole == seconds:
        return whole * US_PER_SECOND
    return int(_EXACT.multiply(Decimal(str(seconds)), Decimal(US_PER_SECOND)))


def _read_iso(text: str, name: str) -> int:
    try:
        moment = parse_iso(text)
    except ValueError:
        if _OTHER_YEAR.match(text):
            raise _not_in_range(text, name) from None
        message = f"{name} {show_time(text)} isn't an ISO 8601 time: write it as 2026-02-19T07:37:54Z"
        raise RecordError("invalid_time", message) from None
    if moment.tzinfo is None:
        raise RecordError(
            "no_time_zone", f"{name} {show_time(text)} has no time zone: add Z or an offset such as +08:00"
        )
    at_us = epoch_us(moment)
    if not 0 <= at_us < _END_SECONDS * US_PER_SECOND:
        raise _not_in_range(text, name)
    return at_us


def _not_in_range(value: object, name: str) -> RecordError:
    rule = "is not from 1970-01-01 to 9999-12-31: numbers are seconds since 1970, not milliseconds"
    return RecordError("time_out_of_range", f"{name} {show_time(value)} {rule}")
