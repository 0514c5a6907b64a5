"""Prices that imported cards leave out as refused are refused: usage that has it is never booked at the other rates."""

from __future__ import annotations

import datetime as dt
import json
from typing import Any

import pytest

from ledger.intake.fields.usage import UsageReader
from ledger.price_lists.card import card_text
from ledger.price_lists.litellm import LiteLLM
from pricing.card_file import parse_card
from pricing.catalog import merge_cards
from pricing.errors import PricingError, RecordError, UnpricedUsage

START = dt.date(2026, 1, 1)
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


@pytest.mark.parametrize("tier", ["flex", "batch", "priority"])
def test_another_service_tier_is_refused_when_it_is_priced(tier: str) -> None:
    entry = {"litellm_provider": "acme", "mode": "chat", "input_cost_per_token": 1e-06, "output_cost_per_token": 2e-06}
    entry |= {"input_cost_per_token_batches": 5e-07, "input_cost_per_token_flex": 5e-07}
    prices = LiteLLM.read(json.dumps({"m": entry}).encode(), "map.json").price_list("acme", (), START)
    card = merge_cards([parse_card(card_text(prices, START), "made.toml")])["acme"]
    at = dt.datetime(2026, 7, 1, tzinfo=dt.UTC)
    assert card.entry_at("m", at, "default").tiers[0].input_pico == 1_000_000
    with pytest.raises(UnpricedUsage, match=f"^service_tier '{tier}' has no price on acme/m/"):
        card.entry_at("m", at, tier)


def test_searches_are_calls_that_are_refused_or_counted() -> None:
    for more in ({"server_tool_use": {"web_search_requests": 3}}, {"num_search_queries": 3}):
        assert UsageReader("input_tokens", "output_tokens").read(PLAIN | more, "completed").tool_calls == 3
