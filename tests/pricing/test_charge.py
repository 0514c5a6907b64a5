from __future__ import annotations

import datetime as dt
import subprocess
import sys
from dataclasses import replace
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

import pricing
from pricing import InvalidUsage, MissingRate, TokenUsage, UnknownCard, load_rate_cards, price_batch, price_usage
from pricing.charge import METERS, ChargeLine, price_entry, price_storage
from pricing.errors import AmountOverflow, NoConversionInEffect, NoRateInEffect, UnknownModel
from pricing.money import INT64_MAX, Settlement
from pricing.rate_entry import PromptTier, RateEntry

START = dt.datetime(2026, 2, 1, tzinfo=dt.UTC)
CARD = load_rate_cards()["evolink"]
CODE = CARD.entry_at("doubao-seed-2.0-code", START)


def one_tier(input_pico: int, cached_pico: int | None, output_pico: int) -> RateEntry:
    return RateEntry("evolink", "CRD", "seed", START, None, (PromptTier(None, input_pico, cached_pico, output_pico),))


def test_uncached_cached_and_output_are_priced_apart() -> None:
    usage = TokenUsage(input_tokens=40_000, cached_input_tokens=12_000, output_tokens=500, reasoning_tokens=400)
    charge = price_usage(usage, card=CARD, model="doubao-seed-2.0-code", at=START)
    # nano credits a token: 48, 6.4 and 240 credits per 1M tokens
    assert charge.lines == (
        ChargeLine("input", 40_000 - 12_000, 48_000_000, (40_000 - 12_000) * 48_000),
        ChargeLine("cached_input", 12_000, 6_400_000, 12_000 * 6_400),
        ChargeLine("output", 500, 240_000_000, 500 * 240_000),
    )
    assert charge.amount_nano == (40_000 - 12_000) * 48_000 + 12_000 * 6_400 + 500 * 240_000
    assert charge.tier is CODE.tiers[1]
    assert (charge.entry, charge.currency, charge.usage) == (CODE, "CRD", usage)
    assert (charge.input_nano, charge.cached_input_nano) == (28_000 * 48_000, 12_000 * 6_400)
    assert (charge.output_nano, charge.cache_storage_nano) == (500 * 240_000, 0)


def test_the_response_of_the_api_reference_costs_what_its_tokens_cost() -> None:
    usage = TokenUsage(input_tokens=88, output_tokens=230, reasoning_tokens=211)
    charge = price_usage(usage, card=CARD, model="doubao-seed-2.0-pro", at=START)
    assert charge.amount_nano == 88 * 32_000 + 230 * 160_000


def test_reasoning_is_inside_output() -> None:
    assert price_entry(CODE, TokenUsage(10, 0, 100, 100)).amount_nano == 10 * 32_000 + 100 * 160_000


def test_cached_tokens_count_for_the_tier() -> None:
    assert price_entry(CODE, TokenUsage(32_001, 32_001)).tier is CODE.tiers[1]
    assert price_entry(CODE, TokenUsage(32_000, 32_000)).tier is CODE.tiers[0]


def test_nothing_costs_nothing_in_the_first_tier() -> None:
    charge = price_entry(CODE, TokenUsage(0))
    assert (charge.amount_nano, charge.lines, charge.tier) == (0, (), CODE.tiers[0])


def test_lines_exist_where_tokens_do() -> None:
    assert [line.meter for line in price_entry(CODE, TokenUsage(5, 5, 1)).lines] == ["cached_input", "output"]
    free = price_entry(one_tier(0, 0, 0), TokenUsage(5, 2, 1))
    assert [(line.meter, line.tokens, line.amount_nano) for line in free.lines] == [
        ("input", 3, 0),
        ("cached_input", 2, 0),
        ("output", 1, 0),
    ]


def test_an_alias_prices_like_its_model() -> None:
    usage = TokenUsage(100, 0, 10)
    named = price_usage(usage, card=CARD, model="doubao-seed-2-0-code-preview-260215", at=START)
    assert named == price_entry(CODE, usage, CARD, START)


def test_input_over_the_top_tier_or_the_limit_is_refused_naming_both() -> None:
    with pytest.raises(InvalidUsage, match=r"input_tokens 256001 are over the 256000 that evolink/doubao") as refused:
        price_entry(CODE, TokenUsage(256_001))
    assert refused.value.reason == "input_over_limit"
    with pytest.raises(InvalidUsage, match="input_tokens 201 are over the 200 that"):
        price_entry(replace(CODE, max_input_tokens=200), TokenUsage(201))
    with pytest.raises(InvalidUsage, match="input_tokens 256001 are over the 256000 that"):
        price_entry(replace(CODE, max_input_tokens=None), TokenUsage(256_001))


def test_output_over_the_limit_is_refused_naming_both() -> None:
    assert price_entry(CODE, TokenUsage(1, 0, 128_000)).output_nano == 128_000 * 160_000
    with pytest.raises(InvalidUsage, match="output_tokens 128001 are over max_output_tokens 128000 of") as refused:
        price_entry(CODE, TokenUsage(1, 0, 128_001))
    assert refused.value.reason == "output_over_limit"
    unlimited = replace(CODE, max_output_tokens=None)
    assert price_entry(unlimited, TokenUsage(1, 0, 128_001)).output_nano == 128_001 * 160_000


def test_a_missing_rate_is_an_error_where_tokens_need_it() -> None:
    entry = one_tier(1_000, None, 1_000)
    assert price_entry(entry, TokenUsage(5, 0, 1)).amount_nano == 5 + 1
    with pytest.raises(MissingRate, match=r"2 cached_input tokens on evolink/seed/2026-02-01#.*never zero") as refused:
        price_entry(entry, TokenUsage(5, 2))
    assert refused.value.reason == "missing_rate"


def test_unknown_model_and_undated_time_are_refused() -> None:
    with pytest.raises(UnknownModel):
        price_usage(TokenUsage(1), card=CARD, model="gpt-4o", at=START)
    with pytest.raises(NoRateInEffect):
        price_usage(TokenUsage(1), card=CARD, model="doubao-seed-2.0-pro", at=START - dt.timedelta(microseconds=1))


def test_each_line_is_rounded_once_half_to_even() -> None:
    charge = price_entry(one_tier(500, 500, 500), TokenUsage(4, 1, 5))
    # 1.5, 0.5 and 2.5 nano: rounded line by line, not their sum of 4.5
    assert [line.amount_nano for line in charge.lines] == [2, 0, 2]
    assert charge.amount_nano == 2 + 0 + 2


def test_a_settlement_rounds_each_line_by_its_mode_and_minimum() -> None:
    settled = replace(one_tier(500, 500, 500), settlement=Settlement(10, "ceil", minimum_nano=20))
    charge = price_entry(settled, TokenUsage(41, 1))
    # 20 nano stay 20, half a nano is lifted to the quantum of 10 and then to the minimum; no output, no minimum
    assert [line.amount_nano for line in charge.lines] == [20, 20]
    assert price_entry(settled, TokenUsage(43, 1)).input_nano == 30
    assert price_entry(settled, TokenUsage(0)).amount_nano == 0


@pytest.mark.parametrize("meter", ["input", "cached_input", "output"])
def test_a_product_past_64_bits_is_refused_and_the_largest_is_exact(meter: str) -> None:
    rate_pico = 7
    most = INT64_MAX // rate_pico
    entry = one_tier(rate_pico, rate_pico, rate_pico)

    def usage(tokens: int) -> TokenUsage:
        counts = {"input": (tokens, 0, 0), "cached_input": (tokens, tokens, 0), "output": (0, 0, tokens)}
        return TokenUsage(*counts[meter])

    assert price_entry(entry, usage(most)).amount_nano == round(Fraction(most * rate_pico, 1_000))
    with pytest.raises(AmountOverflow, match=f"{most + 1} {meter} tokens x 7 pico a token on evolink/seed") as refused:
        price_entry(entry, usage(most + 1))
    assert refused.value.reason == "amount_overflow"


# --- cache storage --------------------------------------------------------------------------------------------------


def test_storage_is_tokens_by_rate_by_hours_touched() -> None:
    start = dt.datetime(2026, 3, 1, 10, 59, 59, tzinfo=dt.UTC)
    charge = price_storage(CODE, 1_000_000, start, start + dt.timedelta(seconds=2))
    # 0.17 credits per 1M tokens and hour are 170 nano a token
    assert charge.lines == (ChargeLine("cache_storage", 1_000_000, 170_000, 1_000_000 * 170 * 2, 2),)
    assert (charge.amount_nano, charge.cache_storage_nano) == (1_000_000 * 170 * 2,) * 2
    assert (charge.tier, charge.usage, charge.hours) == (None, None, 2)


def test_storing_nothing_costs_nothing_and_needs_no_rate() -> None:
    hour = dt.timedelta(hours=1)
    charge = price_storage(replace(CODE, cache_storage_pico=None), 0, START, START + hour)
    assert (charge.amount_nano, charge.lines) == (0, ())
    with pytest.raises(MissingRate, match="1 cache_storage tokens"):
        price_storage(replace(CODE, cache_storage_pico=None), 1, START, START + hour)


def test_storage_facts_are_checked() -> None:
    with pytest.raises(InvalidUsage, match="stored tokens -1 is negative"):
        price_storage(CODE, -1, START, START + dt.timedelta(hours=1))
    with pytest.raises(InvalidUsage, match="is not after start"):
        price_storage(CODE, 0, START, START)


def test_storage_rounds_once_after_the_hours_and_is_settled() -> None:
    entry = replace(one_tier(0, None, 0), cache_storage_pico=300)
    three_hours = START + dt.timedelta(hours=3)
    assert price_storage(entry, 1, START, three_hours).amount_nano == 1  # 0.9 nano, not three times 0.3
    settled = replace(entry, settlement=Settlement(1, "floor"))
    assert price_storage(settled, 1, START, three_hours).amount_nano == 0


def test_storage_past_64_bits_is_refused_hours_included() -> None:
    entry = replace(one_tier(0, None, 0), cache_storage_pico=1)
    most = INT64_MAX // 2
    two_hours = START + dt.timedelta(hours=2)
    assert price_storage(entry, most, START, two_hours).hours == 2
    with pytest.raises(AmountOverflow, match="cache_storage tokens x 1 pico a token x 2 hours on"):
        price_storage(entry, most + 1, START, two_hours)


# --- laws -----------------------------------------------------------------------------------------------------------

usages = st.builds(
    lambda whole, cached, output: TokenUsage(whole, cached * whole // 100, output),
    st.integers(0, 256_000),
    st.integers(0, 100),
    st.integers(0, 128_000),
)


@given(usages, st.sampled_from(sorted(CARD.models)))
def test_the_lines_add_up_to_the_charge(usage: TokenUsage, model: str) -> None:
    charge = price_usage(usage, card=CARD, model=model, at=START)
    assert sum(line.amount_nano for line in charge.lines) == charge.amount_nano
    assert sum(line.tokens for line in charge.lines) == usage.input_tokens + usage.output_tokens
    meters = [line.meter for line in charge.lines]
    assert meters == [meter for meter in METERS if meter in meters]
    for line in charge.lines:
        assert line.amount_nano * 1_000 == line.tokens * line.rate_pico  # shipped prices are exact in nano


@given(usages)
def test_in_one_tier_more_tokens_never_cost_less(usage: TokenUsage) -> None:
    charge = price_entry(CODE, usage)
    more = replace(usage, output_tokens=usage.output_tokens + 1)
    if more.output_tokens <= 128_000:
        assert price_entry(CODE, more).amount_nano > charge.amount_nano


# --- the library's face ---------------------------------------------------------------------------------------------


def test_the_package_offers_what_it_names() -> None:
    assert all(getattr(pricing, name) for name in pricing.__all__)
    assert dir(pricing) == sorted(pricing.__all__)
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        pricing.nothing  # noqa: B018


def test_importing_the_package_and_pricing_once_loads_neither_numpy_nor_msgspec() -> None:
    script = (
        "import sys, pricing; assert 'msgspec' not in sys.modules; pricing.load_rate_cards(); "
        "assert not {'numpy', 'pandas', 'sqlalchemy', 'click'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", script], check=True)


def test_amount_and_usd_are_exact_decimals_by_the_conversion_in_effect() -> None:
    cards = load_rate_cards()
    usage = TokenUsage(input_tokens=40_000, output_tokens=1_000)
    at = dt.datetime(2026, 3, 1, tzinfo=dt.UTC)
    charge = price_usage(usage, card=cards["evolink"], model="doubao-seed-2.0-pro", at=at)
    amount = Decimal(40_000 * 48 + 1_000 * 240) / 1_000_000
    assert (charge.amount, charge.usd) == (amount, Decimal("0.03"))  # 2.16 / 72
    assert charge.conversion is not None
    assert charge.conversion.per_usd_nano == 72 * 10**9


def test_a_charge_in_usd_needs_no_conversion_and_one_of_an_entry_alone_has_none() -> None:
    at = dt.datetime(2026, 3, 1, tzinfo=dt.UTC)
    entry = load_rate_cards()["evolink"].entry_at("doubao-seed-2.0-pro", at)
    dollars = price_entry(replace(entry, currency="USD"), TokenUsage(1_000))
    assert (dollars.conversion, dollars.usd) == (None, dollars.amount)
    with pytest.raises(NoConversionInEffect, match="price_usage"):
        _ = price_entry(entry, TokenUsage(1_000)).usd


def test_a_shipped_card_goes_by_its_name() -> None:
    usage, at = TokenUsage(40_000), dt.datetime(2026, 3, 1, tzinfo=dt.UTC)
    assert price_usage(usage, card="evolink", model="doubao-seed-2.0-pro", at=at).amount_nano == 40_000 * 48_000
    batch = price_batch(card="volcengine", model=["doubao-seed-2.0-pro"], at=[at], input_tokens=[40_000])
    assert batch.amount_nano.tolist() == [40_000 * 4_800]
    with pytest.raises(UnknownCard, match="'evo' ships: give evolink or volcengine"):
        price_usage(usage, card="evo", model="doubao-seed-2.0-pro", at=at)
