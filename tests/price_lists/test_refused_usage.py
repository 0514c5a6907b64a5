"""What imported cards leave out as refused is refused: usage that has it is never booked at the other rates."""

from __future__ import annotations

from typing import Any

import pytest

from ledger.intake.fields.record import RecordError
from ledger.intake.fields.usage import UsageReader
from pricing.errors import PricingError

PLAIN = {"input_tokens": 100, "output_tokens": 10, "total_tokens": 110}


@pytest.mark.parametrize(
    "more",
    [
        {"cache_creation_input_tokens": 5},
        {"cache_creation": {"ephemeral_1h_input_tokens": 5}},
        {"input_tokens_details": {"cache_write_tokens": 5}},
        {"input_tokens_details": {"audio_tokens": 5}},
        {"output_tokens_details": {"audio_tokens": 5}},
        {"input_tokens_details": {"cached_audio_tokens": 5}},
        {"input_tokens_details": {"video_tokens": 5}},
        {"output_tokens_details": {"image_tokens": 5}},
        {"citation_tokens": 5},
        {"speed": "fast"},
    ],
    ids=str,
)
def test_usage_with_a_price_that_is_left_out_is_refused(more: dict[str, Any]) -> None:
    with pytest.raises((RecordError, PricingError)):
        UsageReader("input_tokens", "output_tokens").read(PLAIN | more, "completed")


def test_a_service_tier_is_read_for_the_card_to_price_or_refuse() -> None:
    read = UsageReader("input_tokens", "output_tokens").read(PLAIN | {"service_tier": "flex"}, "completed")
    assert read.service_tier == "flex"


def test_searches_are_calls_that_are_refused_or_counted() -> None:
    for more in ({"server_tool_use": {"web_search_requests": 3}}, {"num_search_queries": 3}):
        assert UsageReader("input_tokens", "output_tokens").read(PLAIN | more, "completed").tool_calls == 3
