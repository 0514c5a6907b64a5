"""Times as text: options and records read the same ones."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from ledger.errors import LedgerError
from ledger.values.instants import from_microseconds
from ledger.values.periods import parse_moment
from pricing.errors import RecordError
from pricing.times import read_time

TEN = datetime(2026, 2, 19, 10, tzinfo=UTC)

ACCEPTED = [
    "2026-02-19T10:00:00Z",
    "2026-02-19t10:00:00z",
    "2026-02-19 10:00:00 Z",
    "2026-02-19T10:00Z",
    "2026-02-19T10:00:00.000Z",
    "2026-02-19T10:00:00,0000009Z",
    "2026-02-19T18:00:00+08:00",
    "2026-02-19T18:00:00+0800",
    "2026-02-19T18:00:00 +08",
]
REFUSED = [
    "20260219T100000Z",
    "2026-W08-4T10:00:00Z",
    "2026-050T10:00:00Z",
    "2026-02-19T24:00:00Z",
    "2026-02-19T10:00:60Z",
    "2026-02-19T10:60:00Z",
    "2026-02-19T10Z",
    "2026-02-30T10:00:00Z",
    "2026-02-19T10:00:00+24:00",
    "2026-02-19T10:00:00+08:75",
    "2026-02-19T10:00:00.0123456789Z",
    "2026-02-19_10:00:00Z",
    "2026-02-19T10:00:00",
    "0000-02-19T10:00:00Z",
    "\uff12026-02-19T10:00:00Z",
]


@pytest.mark.parametrize("text", ACCEPTED)
def test_both_accept(text: str) -> None:
    assert parse_moment(text, UTC, "--at") == TEN
    assert from_microseconds(read_time(text, "occurred_at")) == TEN


@pytest.mark.parametrize("text", REFUSED)
def test_both_refuse(text: str) -> None:
    with pytest.raises(LedgerError):
        parse_moment(text, UTC, "--at")
    with pytest.raises(RecordError):
        read_time(text, "occurred_at")
