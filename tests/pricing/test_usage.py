from __future__ import annotations

import datetime as dt
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pricing.errors import InvalidUsage, PricingError, UnpricedUsage, described, shown
from pricing.usage import TokenUsage, check_total, check_unpriced_tokens, clock_hours, epoch_us

MOST = 2**63 - 1
FIELDS = [
    "input_tokens",
    "cached_input_tokens",
    "output_tokens",
    "reasoning_tokens",
    "cache_write_5m_tokens",
    "cache_write_1h_tokens",
    "calls",
]


def at(text: str) -> dt.datetime:
    return dt.datetime.fromisoformat(text)


def test_counts_default_to_nothing() -> None:
    usage = TokenUsage(5)
    assert (usage.input_tokens, usage.cached_input_tokens, usage.output_tokens, usage.reasoning_tokens) == (5, 0, 0, 0)
    assert usage.uncached_input_tokens == 5


def test_parts_may_be_their_whole_wholes() -> None:
    usage = TokenUsage(7, 7, 9, 9)
    assert usage.uncached_input_tokens == 7 - 7


def test_the_largest_count_is_a_count() -> None:
    assert TokenUsage(MOST, MOST, MOST, MOST).input_tokens == MOST


@pytest.mark.parametrize("field", FIELDS)
@pytest.mark.parametrize(
    ("value", "reason", "words"),
    [
        (-1, "negative_count", "-1 is negative"),
        (-(10**60), "negative_count", r"\(a number of 200 bits\) is negative"),
        (2**63, "count_out_of_range", r"9223372036854775808 is past 2\*\*63 - 1"),
        pytest.param(10**5_000, "count_out_of_range", r"\(a number of 16610 bits\)", id="5001 digits"),
        (True, "not_an_integer", "true is bool"),
        (1.0, "not_an_integer", "1.0 is float"),
        (float("nan"), "not_an_integer", "nan is float"),
        ("88", "not_an_integer", r"\(a text of 2 characters\) is str"),
        (None, "not_an_integer", "null is NoneType"),
        ([1] * 1_000, "not_an_integer", r"\(a list\) is list"),
    ],
)
def test_what_is_no_count_is_refused_by_name(field: str, value: Any, reason: str, words: str) -> None:
    counts: dict[str, Any] = {"input_tokens": 5, "output_tokens": 5} | {field: value}
    with pytest.raises(InvalidUsage, match=f"{field} {words}") as refused:
        TokenUsage(**counts)
    assert refused.value.reason == reason


def test_more_cached_than_input_is_refused_naming_both() -> None:
    with pytest.raises(InvalidUsage, match="cached_input_tokens 11 exceed input_tokens 10") as refused:
        TokenUsage(10, 11)
    assert refused.value.reason == "cached_exceeds_input"


def test_more_reasoning_than_output_is_refused_naming_both() -> None:
    with pytest.raises(InvalidUsage, match="reasoning_tokens 231 exceed output_tokens 230") as refused:
        TokenUsage(88, 0, 230, 231)
    assert refused.value.reason == "reasoning_exceeds_output"


def test_a_total_is_checked_where_it_is_present() -> None:
    usage = TokenUsage(88, 0, 230, 211)
    check_total(None, usage)
    check_total(88 + 230, usage)
    with pytest.raises(InvalidUsage, match=r"total_tokens 319 is not input_tokens 88 \+ output_tokens 230 = 318") as no:
        check_total(319, usage)
    assert no.value.reason == "total_mismatch"
    with pytest.raises(InvalidUsage, match="total_tokens true is bool"):
        check_total(True, usage)


@pytest.mark.parametrize("kind", ["audio_tokens", "cache_write_tokens"])
def test_tokens_that_no_card_prices_are_refused_not_ignored(kind: str) -> None:
    check_unpriced_tokens(**{kind: 0})
    with pytest.raises(UnpricedUsage, match=f"{kind} 3 have no price") as refused:
        check_unpriced_tokens(**{kind: 3})
    assert refused.value.reason == kind
    with pytest.raises(InvalidUsage, match=f"{kind} -1 is negative"):
        check_unpriced_tokens(**{kind: -1})


@pytest.mark.parametrize(
    ("start", "end", "hours"),
    [
        ("2026-03-01T10:00:00Z", "2026-03-01T11:00:00Z", 1),
        ("2026-03-01T10:59:59Z", "2026-03-01T11:00:01Z", 2),
        ("2026-03-01T10:59:59.999999Z", "2026-03-01T11:00:00.000001Z", 2),
        ("2026-03-01T10:00:00Z", "2026-03-01T10:00:00.000001Z", 1),
        ("2026-03-01T10:30:00Z", "2026-03-01T11:00:00Z", 1),
        ("2026-03-01T10:00:00Z", "2026-03-01T11:00:00.000001Z", 2),
        ("2026-03-01T00:00:00Z", "2026-03-04T00:00:00Z", 3 * 24),
        ("2026-03-01T10:00:00+05:30", "2026-03-01T11:00:00+05:30", 2),  # 04:30-05:30 UTC
        ("1969-12-31T23:30:00Z", "1970-01-01T00:30:00Z", 2),
    ],
)
def test_storage_counts_the_utc_clock_hours_it_touches(start: str, end: str, hours: int) -> None:
    assert clock_hours(at(start), at(end)) == hours


def test_the_hour_that_a_zone_skips_or_repeats_is_counted_in_utc() -> None:
    berlin = ZoneInfo("Europe/Berlin")
    spring = dt.datetime(2026, 3, 29, 1, tzinfo=berlin), dt.datetime(2026, 3, 29, 4, tzinfo=berlin)
    autumn = dt.datetime(2026, 10, 25, 1, tzinfo=berlin), dt.datetime(2026, 10, 25, 4, tzinfo=berlin)
    assert clock_hours(*spring) == 3 - 1
    assert clock_hours(*autumn) == 3 + 1


def test_storage_that_ends_before_it_starts_is_refused() -> None:
    for end in ("2026-03-01T10:00:00Z", "2026-03-01T09:59:59Z"):
        with pytest.raises(InvalidUsage, match="is not after start") as refused:
            clock_hours(at("2026-03-01T10:00:00Z"), at(end))
        assert refused.value.reason == "end_not_after_start"


@pytest.mark.parametrize("time", [dt.datetime(2026, 3, 1), None, "2026-03-01T00:00:00Z", dt.date(2026, 3, 1), 0])  # noqa: DTZ001
def test_a_time_without_a_zone_is_refused(time: Any) -> None:
    with pytest.raises(InvalidUsage, match="isn't a datetime with a zone") as refused:
        epoch_us(time)
    assert refused.value.reason == "naive_time"


@given(st.datetimes(timezones=st.timezones()))
def test_microseconds_since_the_epoch_are_exact(time: dt.datetime) -> None:
    since = time - dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
    assert epoch_us(time) == since // dt.timedelta(microseconds=1)


def test_messages_are_one_clean_line() -> None:
    assert shown("a\nb\x1b[31m") == r"'a\nb\x1b[31m'"
    assert shown("x" * 1_000) == "'" + "x" * 79 + "..."
    assert shown("x" * 78) == "'" + "x" * 78 + "'"
    assert shown("x" * 79) == "'" + "x" * 79 + "..."
    assert shown(2**128 - 1) == str(2**128 - 1)
    assert shown(2**128) == "(a number of 129 bits)"


def test_an_error_survives_pickling_with_its_reason() -> None:
    import copy

    error = InvalidUsage("no", reason="naive_time")
    assert copy.copy(error).reason == "naive_time"
    assert UnpricedUsage("no").reason == "unpriced_usage"
    assert isinstance(error, PricingError)
    assert isinstance(error, ValueError)


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (None, "null"), (True, "true"), (7, "7"), (2**128, "(a number of 129 bits)"), (1.5, "1.5"),
        ("ignore all", "(a text of 10 characters)"), ("x", "(a text of 1 character)"), ({"a": 1}, "(an object)"),
        (["a"], "(a list)"), (b"secret", "(a bytes)"),
    ],
)  # fmt: skip
def test_what_stands_where_a_count_belongs_is_told_without_its_words(value: object, words: str) -> None:
    assert described(value) == words
