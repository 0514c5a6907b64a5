"""One request's token counts, and what must hold of them."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

from pricing.errors import InvalidUsage, UnpricedUsage, described, shown
from pricing.money import INT64_MAX

EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
US_PER_SECOND = 10**6
US_PER_HOUR = 3_600 * US_PER_SECOND


@dataclass(frozen=True, slots=True)
class TokenUsage:
    """Counts of one request: input includes what was read from cache and written to it, output includes reasoning.

    Written tokens are those put in cache for 5 minutes or for 1 hour; calls are those of tools, such as web searches.
    """

    input_tokens: int
    cached_input_tokens: int = 0
    output_tokens: int = 0
    reasoning_tokens: int = 0
    cache_write_5m_tokens: int = 0
    cache_write_1h_tokens: int = 0
    calls: int = 0

    def __post_init__(self) -> None:
        """Refuses a count that is no int from 0 to 2**63 - 1, and a part larger than its whole."""
        check_count("input_tokens", self.input_tokens)
        check_count("cached_input_tokens", self.cached_input_tokens)
        check_count("output_tokens", self.output_tokens)
        check_count("reasoning_tokens", self.reasoning_tokens)
        check_count("cache_write_5m_tokens", self.cache_write_5m_tokens)
        check_count("cache_write_1h_tokens", self.cache_write_1h_tokens)
        check_count("calls", self.calls)
        if self.cached_input_tokens > self.input_tokens:
            message = (
                f"cached_input_tokens {self.cached_input_tokens} exceed input_tokens {self.input_tokens}: "
                "input includes the cached part; correct the record"
            )
            raise InvalidUsage(message, reason="cached_exceeds_input")
        if self.uncached_input_tokens < 0:
            message = (
                f"cached_input_tokens {self.cached_input_tokens} + cache_write_5m_tokens {self.cache_write_5m_tokens} "
                f"+ cache_write_1h_tokens {self.cache_write_1h_tokens} exceed input_tokens {self.input_tokens}: "
                "input includes the cached and the written parts; correct the record"
            )
            raise InvalidUsage(message, reason="cache_write_exceeds_input")
        if self.reasoning_tokens > self.output_tokens:
            message = (
                f"reasoning_tokens {self.reasoning_tokens} exceed output_tokens {self.output_tokens}: "
                "output includes reasoning; correct the record"
            )
            raise InvalidUsage(message, reason="reasoning_exceeds_output")

    @property
    def uncached_input_tokens(self) -> int:
        """The tokens of the `input` meter: all input less the parts read from cache and written to it."""
        return self.input_tokens - self.cached_input_tokens - self.cache_write_5m_tokens - self.cache_write_1h_tokens


def check_count(name: str, value: object) -> None:
    """Refuses what isn't an int (True and 1.0 aren't), is below 0 or past 2**63 - 1."""
    if type(value) is int and 0 <= value <= INT64_MAX:
        return
    if type(value) is not int:
        reason, rule = "not_an_integer", f"is {type(value).__name__}: counts are whole numbers"
    elif value < 0:
        reason, rule = "negative_count", "is negative: counts are 0 or more"
    else:
        reason, rule = "count_out_of_range", "is past 2**63 - 1, the largest count"
    raise InvalidUsage(f"{name} {described(value)} {rule}; correct the record", reason=reason)


def check_total(total_tokens: int | None, usage: TokenUsage) -> None:
    """Refuses a total that is present and isn't input + output."""
    if total_tokens is None:
        return
    check_count("total_tokens", total_tokens)
    if total_tokens != usage.input_tokens + usage.output_tokens:
        message = (
            f"total_tokens {total_tokens} is not input_tokens {usage.input_tokens} + output_tokens "
            f"{usage.output_tokens} = {usage.input_tokens + usage.output_tokens}; correct the record"
        )
        raise InvalidUsage(message, reason="total_mismatch")


def check_unpriced_tokens(*, audio_tokens: int = 0, cache_write_tokens: int = 0) -> None:
    """Refuses tokens of a kind that no card prices; 0 passes."""
    for kind, count in (("audio_tokens", audio_tokens), ("cache_write_tokens", cache_write_tokens)):
        check_count(kind, count)
        if count:
            why = "as nobody tells how long they stay" if kind == "cache_write_tokens" else "as no card knows one"
            message = f"{kind} {count} have no price, {why}: usage is priced whole or not at all; book it by hand"
            raise UnpricedUsage(message, reason=kind)


def check_time(at: object) -> None:
    """Refuses what isn't a datetime with a zone."""
    if not isinstance(at, dt.datetime) or at.utcoffset() is None:
        message = f"time {shown(at)} isn't a datetime with a zone: prices are dated by instant; add the zone"
        raise InvalidUsage(message, reason="naive_time")


def epoch_us(at: dt.datetime) -> int:
    """Returns microseconds from 1970-01-01T00:00Z to `at`, exact, negative before it."""
    check_time(at)
    since = at - EPOCH
    return (since.days * 86_400 + since.seconds) * US_PER_SECOND + since.microseconds


def instant(us: int) -> dt.datetime:
    """Returns the UTC time that many microseconds after 1970-01-01T00:00Z."""
    return EPOCH + dt.timedelta(microseconds=us)


def clock_hours(start: dt.datetime, end: dt.datetime) -> int:
    """Counts UTC clock hours touched by [start, end): 10:00-11:00 is 1, 10:59:59-11:00:01 is 2."""
    start_us, end_us = epoch_us(start), epoch_us(end)
    if end_us <= start_us:
        message = (
            f"end {end.isoformat()} is not after start {start.isoformat()}: storage is [start, end); correct the record"
        )
        raise InvalidUsage(message, reason="end_not_after_start")
    return -(-end_us // US_PER_HOUR) - start_us // US_PER_HOUR
