"""Every shipped figure, and every edge of every tier, worked out from the vendors' price tables by hand."""

from __future__ import annotations

import datetime as dt

import pytest

from pricing import InvalidUsage, NoRateInEffect, TokenUsage, load_rate_cards, price_batch, price_usage
from pricing.catalog import built_in_card_files
from pricing.charge import price_storage
from pricing.money import NANO, format_nano, format_usd, usd_fraction

FIRST_DAY = dt.datetime(2026, 2, 1, tzinfo=dt.UTC)
CARDS = load_rate_cards()

# For 1M tokens, in thousandths: credits on evolink, CNY on volcengine (1 CNY = 10 credits, so 32 credits are 3.2 CNY).
# One 1000th for 1M tokens is exactly 1 nano for 1 token.
TIER_PRICES = {
    # (provider, model): ((input, cached input, output) up to 32K, up to 128K, up to 256K)
    ("evolink", "pro"): ((32_000, 6_400, 160_000), (48_000, 6_400, 240_000), (96_000, 6_400, 480_000)),
    ("evolink", "code"): ((32_000, 6_400, 160_000), (48_000, 6_400, 240_000), (96_000, 6_400, 480_000)),
    ("evolink", "lite"): ((6_000, 1_200, 36_000), (9_000, 1_200, 54_000), (18_000, 1_200, 108_000)),
    ("evolink", "mini"): ((2_000, 400, 20_000), (4_000, 400, 40_000), (8_000, 400, 80_000)),
    ("volcengine", "pro"): ((3_200, 640, 16_000), (4_800, 960, 24_000), (9_600, 1_920, 48_000)),
    ("volcengine", "code"): ((3_200, 640, 16_000), (4_800, 960, 24_000), (9_600, 1_920, 48_000)),
    ("volcengine", "lite"): ((600, 120, 3_600), (900, 180, 5_400), (1_800, 360, 10_800)),
    ("volcengine", "mini"): ((200, 40, 2_000), (400, 80, 4_000), (800, 160, 8_000)),
}
# (whole input, tier counted from 0; None is refused)
EDGES = [
    (0, 0),
    (31_999, 0),
    (32_000, 0),
    (32_001, 1),
    (127_999, 1),
    (128_000, 1),
    (128_001, 2),
    (255_999, 2),
    (256_000, 2),
    (256_001, None),
]
CACHED, OUTPUT = 7_001, 128_000


@pytest.mark.parametrize(("provider", "model"), list(TIER_PRICES))
@pytest.mark.parametrize(("input_tokens", "tier"), EDGES)
def test_each_edge_of_each_tier(provider: str, model: str, input_tokens: int, tier: int | None) -> None:
    cached = min(CACHED, input_tokens)
    usage = TokenUsage(input_tokens, cached, OUTPUT)
    name = f"doubao-seed-2.0-{model}"
    batch = price_batch(
        card=CARDS[provider],
        model=[name],
        at=[FIRST_DAY],
        input_tokens=[input_tokens],
        cached_input_tokens=[cached],
        output_tokens=[OUTPUT],
    )
    if tier is None:
        with pytest.raises(InvalidUsage, match="input_tokens 256001 are over the 256000"):
            price_usage(usage, card=CARDS[provider], model=name, at=FIRST_DAY)
        assert str(batch.errors[0]).startswith("input_tokens 256001 are over the 256000")
        return
    charge = price_usage(usage, card=CARDS[provider], model=name, at=FIRST_DAY)
    input_rate, cached_rate, output_rate = TIER_PRICES[provider, model][tier]
    assert charge.input_nano == (input_tokens - cached) * input_rate
    assert charge.cached_input_nano == cached * cached_rate
    assert charge.output_nano == OUTPUT * output_rate
    assert charge.amount_nano == (input_tokens - cached) * input_rate + cached * cached_rate + OUTPUT * output_rate
    assert charge.tier is not None
    assert charge.tier.up_to == (32_000, 128_000, 256_000)[tier]
    assert batch.amount_nano.tolist() == [charge.amount_nano]
    assert batch.tier_index.tolist() == [tier]


# The same figures of the other models, by the label of a tier; CNY alone.
OTHER_PRICES = {
    "doubao-seed-2.1-pro": {"unbounded": (6_000, 1_200, 30_000)},
    "doubao-seed-2.1-turbo": {"unbounded": (3_000, 600, 15_000)},
    "doubao-seed-evolving": {"unbounded": (6_000, 1_200, 30_000)},
    "doubao-seed-1.8": {
        "32000/200": (800, 160, 2_000),
        "32000": (800, 160, 8_000),
        "128000": (1_200, 160, 16_000),
        "256000": (2_400, 160, 24_000),
    },
}
SUMMER = dt.datetime(2026, 6, 23, tzinfo=dt.UTC)


@pytest.mark.parametrize(
    ("name", "input_tokens", "output_tokens", "label"),
    [
        ("doubao-seed-2.1-pro", 256_000, 1, "unbounded"),
        ("doubao-seed-2-1-pro-260628", 1, 128_001, "unbounded"),
        ("doubao-seed-2-1-pro-260915", 1, 1, "unbounded"),
        ("doubao-seed-2-1-turbo-260628", 32_001, 1, "unbounded"),
        ("doubao-seed-evolving", 1_024_000, 1, "unbounded"),
        ("doubao-seed-1-8-251228", 32_000, 200, "32000/200"),
        ("doubao-seed-1-8-251228", 32_000, 201, "32000"),
        ("doubao-seed-1-8-251228", 32_001, 200, "128000"),
        ("doubao-seed-1.8", 128_000, 0, "128000"),
        ("doubao-seed-1.8", 128_001, 0, "256000"),
    ],
)
def test_the_other_models_on_volcengines_card(name: str, input_tokens: int, output_tokens: int, label: str) -> None:
    card = CARDS["volcengine"]
    charge = price_usage(TokenUsage(input_tokens, 1, output_tokens), card=card, model=name, at=SUMMER)
    input_rate, cached_rate, output_rate = OTHER_PRICES[charge.entry.model][label]
    assert charge.tier is not None
    assert charge.tier.label == label
    assert charge.amount_nano == (input_tokens - 1) * input_rate + cached_rate + output_tokens * output_rate
    assert charge.entry.derived


@pytest.mark.parametrize(
    ("name", "input_tokens"), [("2.1-pro", 256_001), ("2.1-turbo", 256_001), ("evolving", 1_024_001), ("1.8", 256_001)]
)
def test_longer_prompts_of_the_other_models_are_refused(name: str, input_tokens: int) -> None:
    with pytest.raises(InvalidUsage, match=f"input_tokens {input_tokens} are over the {input_tokens - 1}"):
        price_usage(TokenUsage(input_tokens), card=CARDS["volcengine"], model=f"doubao-seed-{name}", at=SUMMER)


def test_both_cards_hold_these_models_and_no_other() -> None:
    shipped = {(provider, model) for provider, card in CARDS.items() for model in card.models}
    assert shipped == {
        *((provider, f"doubao-seed-2.0-{model}") for provider, model in TIER_PRICES),
        *(("volcengine", name) for name in OTHER_PRICES),
    }
    for name, prices in OTHER_PRICES.items():
        assert [tier.label for tier in CARDS["volcengine"].models[name].entries[0].tiers] == list(prices)


@pytest.mark.parametrize(("provider", "currency", "storage_nano"), [("evolink", "CRD", 170), ("volcengine", "CNY", 17)])
def test_storage_currency_and_limits(provider: str, currency: str, storage_nano: int) -> None:
    assert CARDS[provider].currency == currency
    for model, rates in CARDS[provider].models.items():
        if model in OTHER_PRICES:
            continue
        (entry,) = rates.entries
        # 0.17 credits or 0.017 CNY for 1M tokens and an hour
        day = price_storage(entry, 1_000_000, FIRST_DAY, FIRST_DAY + dt.timedelta(hours=24))
        assert day.amount_nano == 1_000_000 * storage_nano * 24
        assert (rates.max_input_tokens, rates.max_output_tokens) == (256_000, 128_000)
        assert (entry.max_input_tokens, entry.max_output_tokens) == (256_000, 128_000)
        assert (entry.effective_from, entry.effective_to, entry.settlement) == (FIRST_DAY, None, None)


@pytest.mark.parametrize("provider", ["evolink", "volcengine"])
@pytest.mark.parametrize("model", ["pro", "lite", "mini", "code"])
def test_the_ids_that_responses_report_name_their_model(provider: str, model: str) -> None:
    assert CARDS[provider].resolve(f"doubao-seed-2-0-{model}-preview-260215") == f"doubao-seed-2.0-{model}"
    assert CARDS[provider].resolve(f"doubao-seed-2-0-{model}-260215") == f"doubao-seed-2.0-{model}"


def test_a_day_before_the_first_cannot_be_priced() -> None:
    with pytest.raises(NoRateInEffect, match="oldest entry begins 2026-02-01"):
        CARDS["evolink"].entry_at("doubao-seed-2.0-pro", FIRST_DAY - dt.timedelta(microseconds=1))


def test_conversions_are_seventy_two_credits_and_seven_yuan_twenty() -> None:
    credits_, yuan = (CARDS[provider].conversion_at(FIRST_DAY) for provider in ("evolink", "volcengine"))
    assert credits_ is not None
    assert yuan is not None
    assert (credits_.per_usd_nano, yuan.per_usd_nano) == (72 * NANO, 72 * NANO // 10)


def test_both_cards_come_to_the_same_dollars_where_the_cached_rate_is_the_same() -> None:
    usage = TokenUsage(32_000, 16_000, 1_000)
    texts = set()
    for card in CARDS.values():
        conversion = card.conversion_at(FIRST_DAY)
        assert conversion is not None
        charge = price_usage(usage, card=card, model="doubao-seed-2.0-pro", at=FIRST_DAY)
        texts.add(format_usd(usd_fraction([(charge.amount_nano, conversion.per_usd_nano)])))
    # 16K x 32 + 16K x 6.4 + 1K x 160 millionths of a credit, by 72
    assert texts == {format_nano(round((16_000 * 32_000 + 16_000 * 6_400 + 1_000 * 160_000) / 72))}


def test_every_entry_says_where_its_figures_come_from() -> None:
    volcengine = ("https://www.volcengine.com/docs/82379/1544106", dt.date(2026, 9, 12))
    for provider, card in CARDS.items():
        for model, rates in card.models.items():
            (entry,) = rates.entries
            assert entry.source_url is not None
            if model in OTHER_PRICES:
                assert (entry.derived, entry.checked_on) == (True, dt.date(2026, 8, 26))
                continue
            assert entry.derived is (provider == "evolink")
            if provider == "volcengine" or model.endswith(("pro", "lite")):
                assert (entry.source_url, entry.checked_on) == volcengine
            else:
                assert (
                    entry.source_url
                    == f"https://evolink.ai/seed-2-0?model={model.replace('doubao-seed-2.0', 'seed-2-0')}"
                )


def test_the_cards_are_read_once_and_named_by_their_file() -> None:
    assert [file.name for file in built_in_card_files()] == ["evolink.toml", "volcengine.toml"]
    assert built_in_card_files()[0] is built_in_card_files()[0]
