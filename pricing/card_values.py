"""The values of a rate card file: decimals, times and addresses, and the places that refusals of them name."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

from pricing.errors import RateCardError, shown
from pricing.money import INT64_MAX, PICO, parse_units
from pricing.rate_entry import format_instant


@dataclass(frozen=True, slots=True)
class Key:
    """A place in a file, for refusals: `evolink.toml: model[0].price[1].tiers[2].input`."""

    file: str
    path: str

    def sub(self, part: str) -> Key:
        """Returns the place of `part` within this one."""
        return Key(self.file, f"{self.path}.{part}" if self.path else part)

    def refused(self, rule: str) -> RateCardError:
        """Returns the refusal of this place's value; `rule` names the value, the rule and the next step."""
        return RateCardError(": ".join(filter(None, (self.file, self.path, rule))))


def read_rate(text: str, per_tokens: int, key: Key) -> int:
    """Reads a rate for `per_tokens` tokens, in pico per token, whole."""
    rate_pico, rest = divmod(read_units(text, PICO, key), per_tokens)
    if rest:
        raise key.refused(f"{shown(text)} for {per_tokens} tokens is not whole in 10^-12 per token; correct it")
    if rate_pico > INT64_MAX:
        raise key.refused(f"{shown(text)} for {per_tokens} tokens is past 2**63 - 1 times 10^-12 a token; correct it")
    return rate_pico


def read_call_rate(text: str, key: Key) -> int:
    """Reads the price of a call, in pico, whole."""
    call_pico = read_units(text, PICO, key)
    if call_pico > INT64_MAX:
        raise key.refused(f"{shown(text)} is past 2**63 - 1 times 10^-12 a call; correct it")
    return call_pico


def read_units(text: str, scale: int, key: Key) -> int:
    """Reads the plain decimal `text`, 0 or more, in whole 1/scale units."""
    try:
        units = parse_units(text, scale)
    except ValueError as error:
        raise key.refused(f"{error}; correct it") from None
    if text.startswith("-"):
        raise key.refused(f"{shown(text)} is negative; write '0' or more")
    return units


def read_instant(value: object, key: Key) -> dt.datetime:
    """Reads a TOML date as UTC midnight, an offset date-time as that instant, in UTC."""
    if isinstance(value, dt.datetime) and value.tzinfo is not None:
        try:
            return value.astimezone(dt.UTC)
        except OverflowError:
            raise key.refused(f"{value.isoformat()} is outside the years 1 to 9999 of UTC") from None
    if isinstance(value, dt.datetime):
        raise key.refused(f"{value.isoformat()} has no offset; add Z or +08:00, or write the date alone")
    if isinstance(value, dt.date):
        return dt.datetime(value.year, value.month, value.day, tzinfo=dt.UTC)
    raise key.refused(f"{shown(value)} isn't a date; write 2026-02-01 or 2026-02-01T00:00:00+08:00 without quotes")


def read_period(start: object, end: object, key: Key) -> tuple[dt.datetime, dt.datetime | None]:
    """Reads `effective_from` and `effective_to`, which is exclusive, after it, or None without end."""
    first = read_instant(start, key.sub("effective_from"))
    if end is None:
        return first, None
    last = read_instant(end, key.sub("effective_to"))
    if last <= first:
        rule = f"{format_instant(last)} is not after effective_from {format_instant(first)}; it is exclusive"
        raise key.sub("effective_to").refused(rule)
    return first, last


def read_day(value: object, key: Key) -> dt.date | None:
    """Reads the day on which a source was read; None where none is given."""
    if value is None:
        return None
    if isinstance(value, dt.date) and not isinstance(value, dt.datetime):
        return value
    raise key.refused(f"{shown(value)} isn't a date; write 2026-11-22 without quotes")


def read_source(value: str | None, key: Key) -> str | None:
    """Reads the address of a source; None where none is given."""
    if value is None or value.isprintable():
        return value
    raise key.refused(f"{shown(value)} has control characters; write the address alone")
