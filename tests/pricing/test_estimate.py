"""Ranges of token counts to prices: both ends, crossed edges, and what no card prices."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pricing import InvalidUsage, TokenUsage, load_rate_cards
from pricing.charge import price_entry
from pricing.errors import MissingRate
from pricing.estimating.calibration import TokenRange
from pricing.estimating.estimate import PromptEstimate, estimate_prompt
from pricing.rate_entry import PromptTier, RateEntry

AT = dt.datetime(2026, 3, 1, tzinfo=dt.UTC)
CARD = load_rate_cards()["evolink"]
CODE, MINI = (CARD.entry_at(f"doubao-seed-2.0-{name}", AT) for name in ("code", "mini"))
PER_USD = 72 * 10**9


def estimate(
    low: int,
    expected: int,
    high: int,
    entry: RateEntry = CODE,
    *,
    cached: int = 0,
    output_tokens: int = 0,
    most_output: int | None = None,
) -> PromptEstimate:
    """Estimate a range with exact cached tokens."""
    return estimate_prompt(
        entry=entry,
        per_usd_nano=PER_USD,
        input_range=TokenRange(low, expected, high),
        cached=TokenRange(cached, cached, cached),
        output_tokens=output_tokens,
        max_output_tokens=most_output,
    )


def amounts(found: PromptEstimate) -> tuple[int, int, int]:
    return found.low.amount_nano, found.expected.amount_nano, found.high.amount_nano


def test_each_end_is_priced_in_its_own_tier() -> None:
    found = estimate(25_600, 32_000, 38_400, output_tokens=500)
    assert amounts(found) == (
        25_600 * 32_000 + 500 * 160_000,
        32_000 * 32_000 + 500 * 160_000,
        38_400 * 48_000 + 500 * 240_000,
    )
    tiers = (found.low.tier, found.expected.tier, found.high.tier)
    assert [tier.up_to for tier in tiers if tier] == [32_000, 32_000, 128_000]
    assert found.usd == Fraction(32_000 * 32_000 + 500 * 160_000, PER_USD)
    assert found.usd_low == Fraction(25_600 * 32_000 + 500 * 160_000, PER_USD)
    assert found.usd_high == Fraction(38_400 * 48_000 + 500 * 240_000, PER_USD)


def test_an_edge_in_the_range_is_told_with_both_prices() -> None:
    found = estimate(25_600, 32_000, 38_400, output_tokens=500)
    (edge,) = found.crossed
    assert edge.tokens == 32_000
    assert edge.at_edge.amount_nano == 32_000 * 32_000 + 500 * 160_000
    assert edge.past_edge.amount_nano == 32_001 * 48_000 + 500 * 240_000
    # 1.104 credits and 1.656048 credits, at 72 for 1 USD
    (warning,) = found.warnings
    assert warning == (
        "the range of 25,600 to 38,400 input tokens crosses 32,000: a request costs "
        "0.015333333 USD at 32,000, 0.023000667 USD at 32,001"
    )


def test_the_second_edge_doubles_the_price_on_mini_too() -> None:
    (edge,) = estimate(110_000, 127_000, 140_000, MINI).crossed
    assert (edge.tokens, edge.at_edge.amount_nano, edge.past_edge.amount_nano) == (
        128_000,
        128_000 * 4_000,
        128_001 * 8_000,
    )


@pytest.mark.parametrize(
    ("low", "high", "edges"),
    [
        (31_999, 31_999, []),
        (31_999, 32_000, []),
        (32_000, 32_000, []),
        (32_000, 32_001, [32_000]),
        (32_001, 32_001, []),
        (31_000, 128_000, [32_000]),
        (31_000, 128_001, [32_000, 128_000]),
        (128_000, 128_001, [128_000]),
        (128_001, 256_000, []),
        (128_001, 256_001, []),
        (0, 999_999, [32_000, 128_000]),
    ],
)
def test_an_edge_is_crossed_where_the_ends_are_on_both_sides_of_it(low: int, high: int, edges: list[int]) -> None:
    found = estimate(low, low, high)
    assert [edge.tokens for edge in found.crossed] == edges
    one_tier = found.low.tier == found.high.tier
    assert one_tier == (not edges)


def test_the_high_end_has_the_worst_output() -> None:
    found = estimate(900, 1_000, 1_100, output_tokens=10, most_output=2_000)
    assert amounts(found) == (
        900 * 32_000 + 10 * 160_000,
        1_000 * 32_000 + 10 * 160_000,
        1_100 * 32_000 + 2_000 * 160_000,
    )


def test_cached_input_is_a_part_of_each_end_and_at_most_all_of_it() -> None:
    found = estimate(80, 100, 120, cached=90)
    assert amounts(found) == (80 * 6_400, 10 * 32_000 + 90 * 6_400, 30 * 32_000 + 90 * 6_400)
    scaled = estimate_prompt(
        entry=CODE, per_usd_nano=PER_USD, input_range=TokenRange(80, 100, 120), cached=TokenRange(40, 50, 60)
    )
    assert amounts(scaled) == tuple(half * 32_000 + half * 6_400 for half in (40, 50, 60))


def test_a_range_beyond_the_card_is_priced_at_its_top_and_told() -> None:
    at_top = estimate(200_000, 250_000, 256_000)
    assert at_top.warnings == ()
    found = estimate(200_000, 250_000, 256_001, output_tokens=1, most_output=3)
    assert found.high.amount_nano == 256_000 * 96_000 + 3 * 480_000
    (warning,) = found.warnings
    assert warning.startswith(
        "the range reaches 256,001 input tokens, beyond the 256,000 that evolink/doubao-seed-2.0-code"
    )
    assert warning.endswith("the request may be refused; its high end is priced at 256,000")


def test_an_expected_count_beyond_the_card_has_no_estimate() -> None:
    assert estimate(256_000, 256_000, 256_000).high.amount_nano == 256_000 * 96_000
    with pytest.raises(InvalidUsage) as refused:
        estimate(204_800, 256_001, 307_202)
    assert refused.value.reason == "input_over_limit"
    assert str(refused.value).startswith(
        "256,001 input tokens are beyond the 256,000 that evolink/doubao-seed-2.0-code"
    )


def test_more_output_than_the_card_allows_has_no_estimate() -> None:
    with pytest.raises(InvalidUsage) as refused:
        estimate(1, 1, 1, most_output=128_001)
    assert refused.value.reason == "output_over_limit"


def test_a_limit_below_the_last_tier_is_the_top() -> None:
    limited = replace(CODE, max_input_tokens=100_000)
    found = estimate(90_000, 95_000, 130_000, limited)
    assert found.high.amount_nano == 100_000 * 48_000
    assert found.crossed == ()
    assert "beyond the 100,000" in found.warnings[0]
    at_edge = estimate(30_000, 31_000, 40_000, replace(CODE, max_input_tokens=32_000))
    assert at_edge.crossed == ()
    assert at_edge.high.amount_nano == 32_000 * 32_000


def test_a_card_without_bound_prices_any_count() -> None:
    open_entry = RateEntry(
        "acme", "USD", "m", AT, None, (PromptTier(10, 1_000, None, 0), PromptTier(None, 2_000, None, 0))
    )
    found = estimate_prompt(entry=open_entry, per_usd_nano=None, input_range=TokenRange(8, 10**9, 10**12))
    assert found.top_tokens is None
    assert amounts(found) == (8, 10**9 * 2, 10**12 * 2)
    assert found.usd == Fraction(10**9 * 2, 10**9)
    (warning,) = found.warnings
    assert warning == (
        "the range of 8 to 1,000,000,000,000 input tokens crosses 10: a request costs "
        "0.00000001 USD at 10, 0.000000022 USD at 11"
    )


def test_cached_input_without_a_rate_is_an_error() -> None:
    entry = RateEntry("acme", "USD", "m", AT, None, (PromptTier(None, 2_000, None, 0),))
    with pytest.raises(MissingRate):
        estimate(1, 1, 1, entry, cached=1)


TOKENS = st.integers(0, 256_000)


@given(st.tuples(TOKENS, TOKENS, TOKENS).map(sorted), TOKENS, st.integers(0, 128_000), st.integers(0, 128_000))
def test_each_price_is_that_of_the_rule_and_the_ends_enclose_it(
    counts: list[int], cached: int, output: int, more: int
) -> None:
    most = min(128_000, output + more)
    low, expected, high = counts
    found = estimate(low, expected, high, cached=cached, output_tokens=output, most_output=most)
    outputs = (output, output, most)
    for count, tokens, charge in zip(counts, outputs, (found.low, found.expected, found.high), strict=True):
        assert charge == price_entry(CODE, TokenUsage(count, min(cached, count), tokens))
    assert found.usd_low <= found.usd <= found.usd_high


def test_a_high_end_beyond_the_card_keeps_what_is_not_cached() -> None:
    """Of 300,000 tokens, 240,000 of them cached, 256,000 are priced: the 60,000 that aren't cached stay."""
    entry = load_rate_cards()["evolink"].entry_at("doubao-seed-2.0-pro", AT)
    found = estimate_prompt(
        entry=entry,
        per_usd_nano=72 * 10**9,
        input_range=TokenRange(200_000, 250_000, 300_000),
        cached=TokenRange(160_000, 200_000, 240_000),
    )
    assert found.usd_low < found.usd < found.usd_high
    assert found.high.amount_nano == price_entry(entry, TokenUsage(256_000, 196_000, 0)).amount_nano


# --- bounds of output -----------------------------------------------------------------------------------------------

SHORT = replace(
    CODE,
    tiers=(
        PromptTier(32_000, 800_000, 160_000, 2_000_000, 200),
        PromptTier(32_000, 800_000, 160_000, 8_000_000),
        PromptTier(256_000, 2_400_000, 160_000, 24_000_000),
    ),
)


@pytest.mark.parametrize(
    ("output_tokens", "most_output", "outputs", "crossed"),
    [
        (100, None, (100, 100, 100), []),
        (100, 200, (100, 100, 200), []),
        (100, 201, (100, 100, 201), [200]),
        (200, 1_000, (200, 200, 1_000), [200]),
        (201, 1_000, (201, 201, 1_000), []),
    ],
)
def test_a_crossed_bound_of_output_is_named_and_both_sides_are_in_the_range(
    output_tokens: int, most_output: int | None, outputs: tuple[int, int, int], crossed: list[int]
) -> None:
    found = estimate(1_000, 1_000, 1_000, SHORT, output_tokens=output_tokens, most_output=most_output)
    assert amounts(found) == tuple(1_000 * 800 + count * (2_000 if count <= 200 else 8_000) for count in outputs)
    assert [(edge.count, edge.tokens) for edge in found.crossed] == [("output", edge) for edge in crossed]
    assert len(found.warnings) == len(crossed)


def test_where_long_answers_are_the_cheaper_the_bound_is_the_dearest() -> None:
    dear = replace(SHORT, tiers=(replace(SHORT.tiers[0], output_pico=90_000_000), *SHORT.tiers[1:]))
    found = estimate(1_000, 1_000, 1_000, dear, output_tokens=190, most_output=300)
    assert amounts(found) == (
        1_000 * 800 + 201 * 8_000,
        1_000 * 800 + 190 * 90_000,
        1_000 * 800 + 200 * 90_000,
    )
    assert found.warnings == (
        (
            "the range of 190 to 300 output tokens crosses 200: a request costs 0.000261111 USD at 200, "
            "0.000033444 USD at 201"
        ),
    )


def test_a_bound_of_output_of_other_prompts_is_not_crossed() -> None:
    assert estimate(40_000, 40_000, 40_000, SHORT, output_tokens=100, most_output=1_000).crossed == ()
    assert [edge.tokens for edge in estimate(30_000, 32_000, 40_000, SHORT).crossed] == [32_000]
