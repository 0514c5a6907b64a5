from __future__ import annotations

import datetime as dt
from dataclasses import replace

import pytest

from pricing.errors import InvalidUsage, NoConversionInEffect, NoRateInEffect, UnknownModel
from pricing.money import NANO, Conversion, Settlement
from pricing.rate_card import ModelRates, RateCard
from pricing.rate_entry import PromptTier, RateEntry, format_instant, tier_order

FEBRUARY = dt.datetime(2026, 2, 1, tzinfo=dt.UTC)
MAY = dt.datetime(2026, 5, 1, tzinfo=dt.UTC)
AUGUST = dt.datetime(2026, 8, 1, tzinfo=dt.UTC)
MICROSECOND = dt.timedelta(microseconds=1)
TIERS = (PromptTier(32_000, 32, 6, 160), PromptTier(128_000, 48, None, 240), PromptTier(None, 96, 6, 480))


def entry(start: dt.datetime = FEBRUARY, end: dt.datetime | None = None, model: str = "seed") -> RateEntry:
    return RateEntry("evolink", "CRD", model, start, end, TIERS)


def rates(model: str, *aliases: str, entries: tuple[RateEntry, ...] | None = None) -> ModelRates:
    return ModelRates(model, aliases, None, None, entries or (entry(model=model),))


def card(*models: ModelRates, currency: str = "CRD", conversions: tuple[Conversion, ...] = ()) -> RateCard:
    return RateCard("evolink", currency, {model.id: model for model in models}, conversions)


# --- tiers ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("input_tokens", "tier"),
    [(0, 0), (1, 0), (31_999, 0), (32_000, 0), (32_001, 1), (127_999, 1), (128_000, 1), (128_001, 2), (2**63 - 1, 2)],
)
def test_the_first_tier_whose_bound_reaches_the_input_is_picked(input_tokens: int, tier: int) -> None:
    assert entry().tier_for(input_tokens, 0) is TIERS[tier]


def test_past_the_last_bound_there_is_no_tier() -> None:
    bounded = replace(entry(), tiers=TIERS[:2])
    assert bounded.tier_for(128_000, 0) is TIERS[1]
    assert bounded.tier_for(128_001, 0) is None


def test_past_the_limit_there_is_no_tier() -> None:
    limited = replace(entry(), max_input_tokens=100_000)
    assert limited.tier_for(100_000, 0) is TIERS[1]
    assert limited.tier_for(100_001, 0) is None


def test_tiers_are_named_by_their_bounds() -> None:
    assert [tier.label for tier in TIERS] == ["32000", "128000", "unbounded"]
    assert replace(TIERS[0], output_up_to=200).label == "32000/200"
    assert replace(TIERS[2], output_up_to=200).label == "unbounded/200"


@pytest.mark.parametrize(
    ("input_tokens", "output_tokens", "tier"),
    [
        (0, 0, "32000/200"),
        (32_000, 200, "32000/200"),
        (32_000, 201, "32000/1000"),
        (1, 1_000, "32000/1000"),
        (1, 1_001, "32000"),
        (32_000, 2**63 - 1, "32000"),
        (32_001, 0, "unbounded/200"),
        (2**63 - 1, 200, "unbounded/200"),
        (32_001, 201, "unbounded"),
    ],
)
def test_the_first_tier_that_holds_for_input_and_output_is_picked(
    input_tokens: int, output_tokens: int, tier: str
) -> None:
    bounds = [(32_000, 200), (32_000, 1_000), (32_000, None), (None, 200), (None, None)]
    tiers = tuple(PromptTier(up_to, 1, None, 1, output_up_to) for up_to, output_up_to in bounds)
    found = replace(entry(), tiers=tiers).tier_for(input_tokens, output_tokens)
    assert found is not None
    assert found.label == tier


def test_a_bound_of_output_is_part_of_the_content_only_where_there_is_one() -> None:
    bounded = replace(entry(), tiers=(replace(TIERS[2], output_up_to=200), TIERS[2]))
    assert RateEntry.from_content(bounded.content()) == bounded
    assert bounded.digest != replace(entry(), tiers=TIERS[2:]).digest
    assert '"tiers":[[null,96,6,480,200],[null,96,6,480]]' in bounded.content()


def test_labels_sort_by_bounds_of_input_then_of_output() -> None:
    ordered = ["32000/200", "32000/1000", "32000", "128000", "unbounded/9", "unbounded", "none"]
    assert sorted(sorted(ordered), key=tier_order) == ordered


# --- content --------------------------------------------------------------------------------------------------------


def full_entry() -> RateEntry:
    return replace(
        entry(end=MAY),
        cache_storage_pico=170_000,
        max_input_tokens=256_000,
        max_output_tokens=128_000,
        settlement=Settlement(100_000, "ceil", 7),
    )


@pytest.mark.parametrize("written", [entry(), full_entry()])
def test_the_content_holds_all_that_decides_a_price(written: RateEntry) -> None:
    read = RateEntry.from_content(written.content())
    assert read == written
    assert read.content() == written.content()


def test_where_a_figure_came_from_is_no_part_of_the_content() -> None:
    sourced = replace(full_entry(), source_url="https://example.com", checked_on=dt.date(2026, 3, 1), derived=True)
    assert sourced.content() == full_entry().content()
    assert sourced.key == full_entry().key


@pytest.mark.parametrize(
    "changed",
    [
        replace(full_entry(), provider="other"),
        replace(full_entry(), currency="CNY"),
        replace(full_entry(), model="other"),
        replace(full_entry(), effective_from=FEBRUARY + MICROSECOND),
        replace(full_entry(), effective_to=None),
        replace(full_entry(), tiers=TIERS[:2]),
        replace(full_entry(), tiers=(replace(TIERS[0], input_pico=33), *TIERS[1:])),
        replace(full_entry(), tiers=(replace(TIERS[0], cached_input_pico=None), *TIERS[1:])),
        replace(full_entry(), tiers=(replace(TIERS[0], output_pico=161), *TIERS[1:])),
        replace(full_entry(), cache_storage_pico=None),
        replace(full_entry(), max_input_tokens=None),
        replace(full_entry(), max_output_tokens=None),
        replace(full_entry(), settlement=Settlement(100_000, "ceil", 8)),
        replace(full_entry(), settlement=None),
    ],
)
def test_each_figure_changes_the_digest(changed: RateEntry) -> None:
    assert changed.digest != full_entry().digest
    assert len(changed.digest) == 64


def test_the_key_names_provider_model_start_and_version() -> None:
    assert entry().key == f"evolink/seed/2026-02-01#{entry().digest[:8]}"
    later = entry(FEBRUARY + dt.timedelta(hours=8, minutes=30))
    assert later.key == f"evolink/seed/2026-02-01T08:30:00Z#{later.digest[:8]}"


def test_an_instant_is_a_date_at_utc_midnight_only() -> None:
    assert format_instant(FEBRUARY) == "2026-02-01"
    assert format_instant(FEBRUARY + MICROSECOND) == "2026-02-01T00:00:00.000001Z"


# --- names ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "model"),
    [
        ("seed-code", "seed-code"),
        ("coder", "seed-code"),
        ("seed-2-0-code-preview-260215", "seed-code"),
        ("seed-2-0-code-", "seed-code"),
        ("seed-2-0-mini", "seed-mini"),
        ("seed-2-0-code-mini", "seed-mini"),  # an exact alias beats the longer pattern
        ("seed-2-0-", "seed-mini"),
        ("seed-2-0", None),
        ("Seed-Code", None),
        ("", None),
        (None, None),
    ],
)
def test_an_exact_name_beats_the_longest_prefix(name: str | None, model: str | None) -> None:
    names = card(rates("seed-mini", "seed-2-0-*", "seed-2-0-code-mini"), rates("seed-code", "coder", "seed-2-0-code-*"))
    assert names.resolve(name) == model


def test_an_id_beats_a_pattern_that_covers_it() -> None:
    names = card(rates("seed", "seed-*"), rates("seed-code"))
    assert names.resolve("seed-code") == "seed-code"
    assert names.resolve("seed-code-2") == "seed"


def test_an_unknown_model_is_refused_naming_those_known() -> None:
    with pytest.raises(
        UnknownModel, match=r"model 'gpt-4o\\n' is not on card 'evolink', which has seed; .*rates add"
    ) as no:
        card(rates("seed")).entry_at("gpt-4o\n", MAY)
    assert no.value.reason == "unknown_model"


# --- dates ----------------------------------------------------------------------------------------------------------


def test_an_entry_holds_from_its_start_until_the_next_begins() -> None:
    first, second = entry(FEBRUARY), entry(MAY)
    dated = card(rates("seed", entries=(first, second)))
    assert dated.entry_at("seed", FEBRUARY) is first
    assert dated.entry_at("seed", MAY - MICROSECOND) is first
    assert dated.entry_at("seed", MAY) is second
    assert dated.entry_at("seed", AUGUST) is second


def test_the_instant_counts_not_the_zone_it_is_written_in() -> None:
    dated = card(rates("seed", entries=(entry(FEBRUARY), entry(MAY))))
    shanghai = dt.timezone(dt.timedelta(hours=8))
    assert dated.entry_at("seed", dt.datetime(2026, 5, 1, 7, 59, tzinfo=shanghai)).effective_from == FEBRUARY
    assert dated.entry_at("seed", dt.datetime(2026, 5, 1, 8, tzinfo=shanghai)).effective_from == MAY


def test_an_end_is_exclusive_and_leaves_a_gap() -> None:
    first, second = entry(FEBRUARY, MAY), entry(AUGUST)
    dated = card(rates("seed", entries=(first, second)))
    assert dated.entry_at("seed", MAY - MICROSECOND) is first
    assert dated.entry_at("seed", AUGUST) is second
    for gap in (MAY, AUGUST - MICROSECOND):
        with pytest.raises(NoRateInEffect, match="no price at 2026"):
            dated.entry_at("seed", gap)


def test_an_entry_that_ends_after_the_next_begins_gives_way_to_it() -> None:
    dated = card(rates("seed", entries=(entry(FEBRUARY, AUGUST), entry(MAY, MAY + MICROSECOND))))
    assert dated.entry_at("seed", MAY).effective_from == MAY
    with pytest.raises(NoRateInEffect):
        dated.entry_at("seed", MAY + MICROSECOND)


def test_a_day_before_the_oldest_entry_is_refused_naming_model_day_and_start() -> None:
    expected = r"'seed' has no price at 2026-01-31T23:59:59.999999\+00:00 .* oldest entry begins 2026-02-01"
    with pytest.raises(NoRateInEffect, match=expected) as refused:
        card(rates("seed")).entry_at("seed", FEBRUARY - MICROSECOND)
    assert refused.value.reason == "no_rate_in_effect"


def test_a_time_without_a_zone_is_refused() -> None:
    with pytest.raises(InvalidUsage, match="a datetime with a zone"):
        card(rates("seed")).entry_at("seed", MAY.replace(tzinfo=None))
    with pytest.raises(InvalidUsage, match="a datetime with a zone"):
        card(rates("seed")).conversion_at(MAY.replace(tzinfo=None))


# --- conversions ----------------------------------------------------------------------------------------------------


def test_the_conversion_in_effect_is_the_newest_begun() -> None:
    first, second = Conversion("CRD", 72 * NANO, FEBRUARY), Conversion("CRD", 68 * NANO, MAY)
    dated = card(rates("seed"), conversions=(first, second))
    assert dated.conversion_at(FEBRUARY) is first
    assert dated.conversion_at(MAY - MICROSECOND) is first
    assert dated.conversion_at(MAY) is second
    with pytest.raises(NoConversionInEffect, match=r"no CRD conversion at 2026-01-31.*conversion add") as refused:
        dated.conversion_at(FEBRUARY - MICROSECOND)
    assert refused.value.reason == "no_conversion_in_effect"


def test_a_card_in_dollars_needs_no_conversion() -> None:
    assert card(rates("seed"), currency="USD").conversion_at(FEBRUARY) is None
