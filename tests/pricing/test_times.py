"""Epoch seconds and ISO 8601 text become exact microseconds; all else is refused by name."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.values.instants import iso_text
from pricing.errors import RecordError
from pricing.times import read_time

S = 1_000_000
AT = 1_771_486_674  # 2026-02-19T07:37:54Z
END = 253_402_300_800  # 10000-01-01T00:00Z


@pytest.mark.parametrize(
    ("value", "microseconds"),
    [
        (AT, AT * S),
        (1771486674.0, AT * S),
        (1771486674.5, AT * S + 500_000),
        (1771486674.123457, AT * S + 123_457),
        (1771486674.999999, AT * S + 999_999),
        (1e9, 10**9 * S),
        (1e-7, 0),
        (END - 1, (END - 1) * S),
        (Decimal("1771486674.1234569"), AT * S + 123_456),
        (Decimal("253402300799." + "9" * 60), END * S - 1),
        ("2026-02-19T07:37:54Z", AT * S),
        ("2026-02-19t07:37:54z", AT * S),
        (" 2026-02-19 07:37:54 +00:00 ", AT * S),
        ("2026-02-19T15:37:54+08:00", AT * S),
        ("2026-02-19T15:37:54+0800", AT * S),
        ("2026-02-19T15:37:54+08", AT * S),
        ("2026-02-19T02:07:54-05:30", AT * S),
        ("2026-02-19T07:37Z", (AT - 54) * S),
        ("2026-02-19T07:37:54.1Z", AT * S + 100_000),
        ("2026-02-19T07:37:54.123456789Z", AT * S + 123_456),
        ("2026-02-19T07:37:54,000001Z", AT * S + 1),
        ("1970-01-01T00:00:00Z", 0),
        ("1970-01-01T08:00:00+08:00", 0),
        ("9999-12-31T23:59:59.999999999Z", END * S - 1),
        ("9999-12-31T22:59:59-00:59", (END - 2) * S + S - 60 * S),
    ],
)
def test_times_are_exact(value: object, microseconds: int) -> None:
    assert read_time(value, "created_at") == microseconds


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (None, "missing_time"),
        ("", "missing_time"),
        (0, "missing_time"),
        (-0.0, "missing_time"),
        (Decimal(0), "missing_time"),
        ("  ", "missing_time"),
        (-1, "time_out_of_range"),
        (-0.001, "time_out_of_range"),
        (END, "time_out_of_range"),
        (float(END), "time_out_of_range"),
        (1_771_486_674_000, "time_out_of_range"),
        (1e300, "time_out_of_range"),
        (10**5_000, "time_out_of_range"),
        (float("inf"), "time_out_of_range"),
        (float("nan"), "time_out_of_range"),
        (Decimal("NaN"), "time_out_of_range"),
        (Decimal(-1), "time_out_of_range"),
        ("1969-12-31T23:59:59Z", "time_out_of_range"),
        ("1970-01-01T07:59:59+08:00", "time_out_of_range"),
        ("9999-12-31T23:59:59-00:01", "time_out_of_range"),
        ("0000-01-01T00:00:00Z", "time_out_of_range"),
        ("10000-01-01T00:00:00Z", "time_out_of_range"),
        ("+12026-01-01T00:00:00Z", "time_out_of_range"),
        ("-0001-01-01T00:00:00Z", "time_out_of_range"),
        ("2026-02-19T07:37:54", "no_time_zone"),
        ("2026-02-19", "no_time_zone"),
        ("2026-02-30T00:00:00Z", "invalid_time"),
        ("2026-02-19T24:00:00Z", "invalid_time"),
        ("2026-02-19T07:60:00Z", "invalid_time"),
        ("2026-02-19T07:37:60Z", "invalid_time"),
        ("2026-02-19T07:37:54+24:00", "invalid_time"),
        ("2026-02-19T07:37:54+08:60", "invalid_time"),
        ("2026-02-19T07:37:54.1234567890Z", "invalid_time"),
        ("２０２６-02-19T07:37:54Z", "invalid_time"),
        ("1771486674", "invalid_time"),
        ("yesterday", "invalid_time"),
        (True, "invalid_time"),
        ([1], "invalid_time"),
        ({}, "invalid_time"),
    ],
    ids=lambda value: str(value)[:40] if not isinstance(value, int) else str(value.bit_length()),
)
def test_what_is_no_time_is_named(value: object, reason: str) -> None:
    with pytest.raises(RecordError) as caught:
        read_time(value, "created_at")
    assert caught.value.reason == reason
    assert str(caught.value).startswith("created_at")


@given(st.integers(0, END * S - 1))
def test_text_of_an_instant_reads_back(microseconds: int) -> None:
    assert read_time(iso_text(microseconds), "at") == microseconds


@given(st.datetimes(timezones=st.just(UTC)))
def test_text_of_an_instant_is_what_python_writes(moment: datetime) -> None:
    microseconds = (moment - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)
    assert iso_text(microseconds) == moment.isoformat().replace("+00:00", "Z")


@given(
    st.datetimes(datetime(1971, 1, 1), datetime(9998, 12, 31)),  # noqa: DTZ001 - the zone is given below
    st.integers(-23 * 60 - 59, 23 * 60 + 59),
)
def test_iso_text_of_any_offset_means_what_python_means(moment: datetime, minutes: int) -> None:
    aware = moment.replace(tzinfo=timezone(timedelta(minutes=minutes)))
    expected = (aware - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)
    assert read_time(aware.isoformat(), "at") == expected


@given(st.integers(1, 4_102_444_800), st.integers(0, 999_999))
def test_fractions_of_seconds_keep_each_microsecond_of_this_century(seconds: int, microseconds: int) -> None:
    assert read_time(float(f"{seconds}.{microseconds:06}"), "at") == seconds * S + microseconds
