"""What --month, --since, --until and --last come to, in which zone."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.errors import LedgerError
from ledger.values.calendar import day_start, is_day_start, offset_changes
from ledger.values.periods import Span, parse_moment, parse_recent, parse_span, previous_span, time_with_usage

UTC_ZONE, SHANGHAI, NEW_YORK = ZoneInfo("UTC"), ZoneInfo("Asia/Shanghai"), ZoneInfo("America/New_York")
# In spring Beirut's clocks go from 23:59:59 to 01:00: there is no midnight.
BEIRUT = ZoneInfo("Asia/Beirut")
NOW = datetime(2026, 3, 8, 10, 20, 30, tzinfo=UTC)


def moment(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)


def span(zone: ZoneInfo = UTC_ZONE, now: datetime = NOW, **options: Any) -> Span:
    return parse_span(zone=zone, now=now, **options)


@pytest.mark.parametrize(
    ("options", "zone", "start", "end", "label"),
    [
        ({}, UTC_ZONE, None, None, "all time"),
        ({"month": "2026-03"}, UTC_ZONE, "2026-03-01T00:00Z", "2026-04-01T00:00Z", "2026-03"),
        ({"month": "2026-12"}, SHANGHAI, "2026-12-01T00:00+08:00", "2027-01-01T00:00+08:00", "2026-12"),
        ({"month": "last"}, UTC_ZONE, "2026-02-01T00:00Z", "2026-03-01T00:00Z", "2026-02"),
        ({"since": "2026-03-01"}, UTC_ZONE, "2026-03-01T00:00Z", None, "from 2026-03-01"),
        ({"until": "2026-03-01"}, SHANGHAI, None, "2026-02-28T16:00Z", "before 2026-03-01"),
        (
            {"since": "2026-03-01", "until": "2026-03-02T08:30:00+08:00"},
            UTC_ZONE,
            "2026-03-01T00:00Z",
            "2026-03-02T00:30Z",
            "from 2026-03-01 to before 2026-03-02T00:30+00:00",
        ),
        (
            {"last": "7d"},
            UTC_ZONE,
            "2026-03-02T00:00Z",
            "2026-03-09T00:00Z",
            "last 7 days, from 2026-03-02 to before 2026-03-09",
        ),
        (
            {"last": "1d"},
            NEW_YORK,
            "2026-03-08T00:00-05:00",
            "2026-03-09T00:00-04:00",
            "last 1 day, from 2026-03-08 to before 2026-03-09",
        ),
        (
            {"last": "2w"},
            UTC_ZONE,
            "2026-02-23T00:00Z",
            "2026-03-09T00:00Z",
            "last 2 weeks, from 2026-02-23 to before 2026-03-09",
        ),
        (
            {"last": "24h"},
            UTC_ZONE,
            "2026-03-07T10:30Z",
            "2026-03-08T10:30Z",
            "last 24 hours, from 2026-03-07T10:30+00:00 to before 2026-03-08T10:30+00:00",
        ),
    ],
)
def test_options_to_span(
    options: dict[str, Any], zone: ZoneInfo, start: str | None, end: str | None, label: str
) -> None:
    found = span(zone, **options)
    assert (found.start, found.end) == (start and moment(start), end and moment(end))
    assert found.label == label


def test_last_month_of_a_zone_that_is_a_month_ahead() -> None:
    eve = datetime(2026, 3, 31, 16, tzinfo=UTC)
    assert span(SHANGHAI, eve, month="last").month == "2026-03"
    assert span(SHANGHAI, eve - timedelta(microseconds=1), month="last").month == "2026-02"


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"month": "2026-13"}, "'2026-13' isn't a month"),
        ({"month": "2026-3"}, "YYYY-MM"),
        ({"month": "٢٠٢٦-٠٣"}, "YYYY-MM"),
        ({"month": "1969-12"}, "isn't a month"),
        ({"month": "2026-03", "since": "2026-03-01"}, "--month is a whole period"),
        ({"month": "2026-03", "last": "7d"}, "--month is a whole period"),
        ({"last": "7d", "until": "2026-03-01"}, "--last is a whole period"),
        ({"last": "7"}, "7d, 4w or 24h"),
        ({"last": "0d"}, "7d, 4w or 24h"),
        ({"last": "99999w"}, "before 1970"),
        ({"since": "2026-03-02", "until": "2026-03-02"}, "--since 2026-03-02 is not before --until 2026-03-02"),
        ({"since": "2026-03-03", "until": "2026-03-02"}, "is not before"),
        ({"since": "2026-03-02T10:00"}, "has no time zone"),
        ({"since": "2026-02-30"}, "isn't a time"),
        ({"until": "tomorrow"}, "isn't a time"),
        ({"until": "0001-01-01"}, "from 1970"),
        ({"until": "9999-12-31T23:59:59Z"}, "to 9998"),
        ({"since": ""}, "isn't a time"),
    ],
)
def test_what_cant_be_meant_is_refused(options: dict[str, Any], words: str) -> None:
    with pytest.raises(LedgerError) as refused:
        span(**options)
    assert words in str(refused.value)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("options", "zone", "start", "end"),
    [
        ({"month": "2026-03"}, UTC_ZONE, "2026-02-01T00:00Z", "2026-03-01T00:00Z"),
        ({"month": "2026-01"}, UTC_ZONE, "2025-12-01T00:00Z", "2026-01-01T00:00Z"),
        ({"since": "2026-03-01", "until": "2026-04-01"}, UTC_ZONE, "2026-01-29T00:00Z", "2026-03-01T00:00Z"),
        # New York's clocks go forward on 8 March: the week before is a whole one all the same.
        ({"last": "7d"}, NEW_YORK, "2026-02-23T00:00-05:00", "2026-03-02T00:00-05:00"),
        ({"last": "24h"}, UTC_ZONE, "2026-03-06T10:30Z", "2026-03-07T10:30Z"),
        ({"since": "2026-03-08"}, UTC_ZONE, "2026-03-07T13:30Z", "2026-03-08T00:00Z"),
    ],
)
def test_the_period_before(options: dict[str, Any], zone: ZoneInfo, start: str, end: str) -> None:
    before = previous_span(span(zone, **options), zone, NOW)
    assert (before.start, before.end) == (moment(start), moment(end))


@pytest.mark.parametrize("options", [{}, {"until": "2026-03-01"}, {"since": "2026-03-09"}])
def test_no_period_before_an_open_or_future_one(options: dict[str, Any]) -> None:
    with pytest.raises(LedgerError):
        previous_span(span(**options), UTC_ZONE, NOW)


def test_no_period_before_all_calendars() -> None:
    with pytest.raises(LedgerError, match="give a shorter period"):
        previous_span(span(since="1970-01-01", until="9998-01-01"), UTC_ZONE, NOW)


def test_a_day_without_midnight_starts_when_its_clocks_do() -> None:
    start = day_start(date(2026, 3, 29), BEIRUT)
    assert start == moment("2026-03-28T22:00Z")
    assert start.astimezone(BEIRUT).isoformat() == "2026-03-29T01:00:00+03:00"
    assert is_day_start(start, BEIRUT)
    assert not is_day_start(start + timedelta(hours=1), BEIRUT)


def test_offsets_change_at_the_clock_change() -> None:
    changes = offset_changes(NEW_YORK, moment("2026-01-01T00:00Z"), moment("2027-01-01T00:00Z"))
    assert changes == [
        (moment("2026-01-01T00:00Z"), timedelta(hours=-5)),
        (moment("2026-03-08T07:00Z"), timedelta(hours=-4)),
        (moment("2026-11-01T06:00Z"), timedelta(hours=-5)),
    ]
    assert len(offset_changes(SHANGHAI, moment("2026-01-01T00:00Z"), moment("2027-01-01T00:00Z"))) == 1


@given(st.dates(date(1971, 1, 1), date(2090, 1, 1)), st.sampled_from([UTC_ZONE, SHANGHAI, NEW_YORK, BEIRUT]))
def test_every_instant_lies_in_the_day_it_is_named_after(day: date, zone: ZoneInfo) -> None:
    start, end = day_start(day, zone), day_start(day + timedelta(days=1), zone)
    assert start < end
    for instant in (start, end - timedelta(microseconds=1)):
        assert instant.astimezone(zone).date() == day
    assert (start - timedelta(microseconds=1)).astimezone(zone).date() < day


def test_a_moment_is_utc() -> None:
    assert parse_moment("2026-03-01", SHANGHAI, "--at") == moment("2026-02-28T16:00Z")
    assert parse_moment("2026-03-01T00:00:00Z", SHANGHAI, "--at").tzinfo is UTC


# --- the latest time ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("since", "until", "zone", "start", "end"),
    [
        ("7d", None, UTC_ZONE, "2026-03-02T00:00Z", "2026-03-08T10:20:30Z"),
        ("1d", None, UTC_ZONE, "2026-03-08T00:00Z", "2026-03-08T10:20:30Z"),
        ("7d", "2026-03-08", UTC_ZONE, "2026-03-01T00:00Z", "2026-03-08T00:00Z"),
        ("2w", "2026-03-01", SHANGHAI, "2026-02-15T00:00+08:00", "2026-03-01T00:00+08:00"),
        # On the day that the clocks go forward in New York.
        ("1d", None, NEW_YORK, "2026-03-08T00:00-05:00", "2026-03-08T10:20:30Z"),
        ("24h", "2026-03-08", UTC_ZONE, "2026-03-07T00:00Z", "2026-03-08T00:00Z"),
        ("1h", None, UTC_ZONE, "2026-03-08T09:30Z", "2026-03-08T10:20:30Z"),
        ("2026-03-01", "2026-03-02T00:00:00.000001Z", UTC_ZONE, "2026-03-01T00:00Z", "2026-03-02T00:00:00.000001Z"),
        ("2026-03-01", "2026-04-01", UTC_ZONE, "2026-03-01T00:00Z", "2026-03-08T10:20:30Z"),
    ],
)
def test_a_recent_time_ends_now_at_the_latest(
    since: str, until: str | None, zone: ZoneInfo, start: str, end: str
) -> None:
    found = parse_recent(since, until, zone=zone, now=NOW)
    assert (found.start, found.end) == (moment(start), moment(end))


@given(
    st.integers(0, 10**9).map(lambda seconds: timedelta(seconds=seconds)),
    st.integers(1, 10**9).map(lambda seconds: timedelta(seconds=seconds)),
    st.integers(-(10**9), 2 * 10**9).map(lambda seconds: timedelta(seconds=seconds)),
)
def test_usage_stands_for_some_of_its_span_and_for_a_day_or_all_of_it_at_least(
    before: timedelta, length: timedelta, first: timedelta
) -> None:
    start = datetime(1980, 1, 1, tzinfo=UTC) + before
    found = time_with_usage(start, start + length, start + first)
    assert min(timedelta(days=1), length) <= found <= length
    assert found == length or first > timedelta()
    assert time_with_usage(start, start + length, None) == length
