"""The fields of a usage record: what they mean, and in which words they are refused."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from pricing import PricingError, TokenUsage
from pricing.errors import RecordError
from pricing.money import INT64_MAX
from pricing.record_fields import MAX_OCCURRED_US, check_stream, read_record
from pricing.record_values import MAX_TAGS, read_amount, show

AT = 1_771_486_674  # 2026-02-19T07:37:54Z
REQUEST = {"request_id": "r1", "occurred_at": AT, "input_tokens": 10, "output_tokens": 2}
STORAGE = {"kind": "cache_storage", "request_id": "c1", "tokens": 5, "start": AT, "end": AT + 3_600}
PLAIN = dict.fromkeys(("provider", "source", "requested_model", "reported_model", "project")) | {"tags": {}}


def test_a_request_has_counts_and_its_time() -> None:
    labels = {"provider": "evolink", "requested_model": "pro", "project": " ", "tags": {"n": 5, "t": "a", "no": None}}
    assert read_record(REQUEST | labels | {"service_tier": "flex", "calls": 3, "tool_calls": 1}) == PLAIN | {
        "status": "completed",
        "request_id": "r1",
        "occurred_at_us": AT * 10**6,
        "usage": TokenUsage(10, 0, 2, calls=3),
        "service_tier": "flex",
        "tool_calls": 1,
        "provider": "evolink",
        "requested_model": "pro",
        "tags": {"n": "5", "t": "a"},
    }


def test_cache_storage_has_tokens_and_a_period() -> None:
    assert read_record(STORAGE | {"occurred_at": AT, "input_tokens": 0}) == PLAIN | {
        "status": "completed",
        "request_id": "c1",
        "kind": "cache_storage",
        "storage_tokens": 5,
        "occurred_at_us": AT * 10**6,
        "storage_end_us": (AT + 3_600) * 10**6,
        "service_tier": None,
    }


def test_a_request_in_progress_is_read_no_further() -> None:
    assert read_record({"status": "queued", "input_tokens": -1}) == {"status": "queued"}


def test_a_failed_request_may_have_no_usage() -> None:
    failed = {"request_id": "r1", "occurred_at": AT, "status": "failed"}
    assert read_record(failed)["usage"] is None
    assert read_record(failed | {"output_tokens": 2})["usage"] == TokenUsage(0, 0, 2)


@pytest.mark.parametrize(
    ("fields", "reason", "words"),
    [
        ({"prompt": "x", "a": 1}, "unknown_field", "'prompt', 'a' isn't a field of a usage record"),
        ({"x" * 50: 1}, "unknown_field", f"'{'x' * 39}… isn't a field"),
        ({"kind": "embedding"}, "unknown_kind", "kind 'embedding' is unknown"),
        ({"status": "done"}, "unknown_status", "status 'done' is unknown"),
        ({"status": 5}, "unknown_status", "status 5 is unknown"),
        ({"request_id": ""}, "missing_id", "request_id is missing"),
        ({"request_id": "x" * 513}, "too_long", "request_id has 513 characters: at most 512"),
        ({"request_id": "a\0b"}, "nul_byte", "request_id holds a NUL character"),
        ({"request_id": "ä\ud800"}, "lone_surrogate", "request_id holds half a surrogate pair"),
        ({"request_id": 7}, "not_text", "request_id 7 isn't text"),
        ({"request_id": 0}, "not_text", "request_id 0 isn't text"),
        ({"end": AT}, "unexpected_field", f"end {AT} belongs to kind cache_storage"),
        ({"occurred_at": None}, "missing_time", "occurred_at is missing"),
        ({"input_tokens": None}, "missing_usage", "input_tokens is missing: a completed request has it"),
        ({"output_tokens": 2.0}, "not_an_integer", "output_tokens 2.0 isn't a JSON integer"),
        ({"output_tokens": -2}, "negative_count", "output_tokens -2 is negative"),
        ({"output_tokens": 2**63}, "count_out_of_range", f"output_tokens {2**63} is past 2**63 - 1"),
        ({"cached_input_tokens": 11}, "cached_exceeds_input", "cached_input_tokens 11 exceed input_tokens 10"),
        ({"service_tier": "a secret"}, "unknown_service_tier", "service_tier (a text of 8 characters) isn't a word"),
        ({"tags": []}, "invalid_tags", "tags (a list) isn't a flat object"),
        ({"tags": {"a": []}}, "invalid_tags", "tags.'a' (a list) isn't a flat object"),
        ({"tags": {"": "x"}}, "invalid_tags", "tags has an empty key"),
        ({"tags": {str(n): "x" for n in range(MAX_TAGS + 1)}}, "invalid_tags", "tags has 65 keys: at most 64"),
    ],
)
def test_a_request_is_refused(fields: dict[str, Any], reason: str, words: str) -> None:
    check_refused(REQUEST | fields, reason, words)


@pytest.mark.parametrize(
    ("fields", "reason", "words"),
    [
        ({"input_tokens": 1}, "unexpected_field", "input_tokens 1 belongs to kind request"),
        ({"tokens": None}, "missing_usage", "tokens is missing"),
        ({"occurred_at": AT + 1}, "occurred_at_differs", f"occurred_at {AT + 1} is not start {AT}"),
        ({"end": AT}, "end_not_after_start", f"end {AT} is not after start {AT}"),
    ],
)
def test_cache_storage_is_refused(fields: dict[str, Any], reason: str, words: str) -> None:
    check_refused(STORAGE | fields, reason, words)


def check_refused(fields: dict[str, Any], reason: str, words: str) -> None:
    with pytest.raises((RecordError, PricingError)) as refused:
        read_record(fields)
    error = refused.value
    assert isinstance(error, RecordError | PricingError)
    assert error.reason == reason
    assert words in str(error)


def test_a_stream_has_a_short_name_and_days_that_every_zone_can_name() -> None:
    check_stream("s" * 64, MAX_OCCURRED_US)
    with pytest.raises(RecordError, match="source has 65 characters"):
        check_stream("s" * 65, MAX_OCCURRED_US)
    with pytest.raises(RecordError, match="the time is after 9999-12-31T00:00:00Z"):
        check_stream("s", MAX_OCCURRED_US + 1)


@pytest.mark.parametrize(
    ("value", "nano"),
    [(None, None), ("", None), ("0.0024", 2_400_000), (0.1, 10**8), (Decimal("1e-9"), 1), (2, 2 * 10**9)],
)
def test_an_amount_is_any_finite_decimal(value: object, nano: int | None) -> None:
    assert read_amount(value, "provider_amount") == nano


@pytest.mark.parametrize("value", [True, [], 2**129, "much", "nan", str(INT64_MAX)])
def test_other_amounts_are_refused(value: object) -> None:
    with pytest.raises(RecordError, match="isn't an amount"):
        read_amount(value, "provider_amount")


def test_a_label_is_shown_and_what_is_none_is_described() -> None:
    assert (show("a"), show([])) == ("'a'", "(a list)")
