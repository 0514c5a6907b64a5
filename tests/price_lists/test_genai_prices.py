"""The cards made of genai-prices cost what `genai_prices.calc_price` says, or refuse; what they can't say is named."""

from __future__ import annotations

import datetime as dt
import json
from collections import Counter
from collections.abc import Iterator
from decimal import Decimal
from functools import cache
from typing import Any, NamedTuple

import genai_prices
import pytest
from genai_prices.data import providers
from genai_prices.types import ModelPrice, Tier, TieredPrices
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger.errors import LedgerError
from ledger.price_lists.card import card_text
from ledger.price_lists.genai_prices import GenaiPrices
from ledger.price_lists.prices import ListedPrice, PriceList
from pricing import RateCard, TokenUsage, price_usage
from pricing.card_file import parse_card
from pricing.catalog import merge_cards
from pricing.errors import MissingRate
from pricing.rate_entry import PromptTier

START = dt.date(2020, 1, 1)
LATER = dt.datetime(2026, 7, 1, tzinfo=dt.UTC)


def card_of(prices: PriceList) -> RateCard:
    """The card as `rates add` reads its text."""
    return merge_cards([parse_card(card_text(prices, START), "made.toml")])[prices.provider]


@cache
def cards() -> list[tuple[PriceList, RateCard]]:
    """Of each provider of the package."""
    source = GenaiPrices.installed()
    lists = [source.price_list(provider, (), START) for provider in source.models()]
    return [(prices, card_of(prices)) for prices in lists]


class Counts(NamedTuple):
    input: int
    cached: int = 0
    output: int = 0
    written_5m: int = 0
    written_1h: int = 0
    searches: int = 0


def peer_usage(counts: Counts) -> genai_prices.Usage:
    """In the peer's usage all written tokens are told, and those for an hour again."""
    parts = {"cache_read_tokens": counts.cached, "output_tokens": counts.output, "web_searches": counts.searches}
    if counts.written_5m or counts.written_1h:
        written = counts.written_5m + counts.written_1h
        parts |= {"cache_write_tokens": written, "cache_write_1h_tokens": counts.written_1h}
    return genai_prices.Usage(input_tokens=counts.input, **parts)


def cost(card: RateCard, model: str, at: dt.datetime, counts: Counts) -> Decimal:
    """USD, exact, before a line is rounded to nano."""
    whole, cached, output, *others = counts
    charge = price_usage(TokenUsage(whole, cached, output, 0, *others), card=card, model=model, at=at)
    return Decimal(sum(line.tokens * line.rate_pico for line in charge.lines)).scaleb(-12)


def grid(price: ListedPrice) -> Iterator[Counts]:
    """Counts on both sides of each bound: read from cache, written to it, both, and with searches."""
    bounds = [tier.up_to for tier in price.tiers if tier.up_to is not None]
    for tokens in sorted({0, 1, 999, *(bound + step for bound in bounds for step in (-1, 0, 1))}):
        third = tokens // 3
        yield from (Counts(tokens, cached, 777) for cached in {0, third, tokens})
        yield from (Counts(tokens, 0, 777, tokens), Counts(tokens, 0, 777, 0, tokens))
        yield from (Counts(tokens, third, 777, third, third), Counts(tokens, 0, 777, 0, 0, 3))


def matched(name: str, provider: str) -> str | None:
    """The id of the model that genai-prices finds by a name."""
    snapshot = genai_prices.data_snapshot.get_snapshot()
    try:
        return snapshot.find_provider_model(name, None, provider, None)[1].id
    except LookupError:
        return None


# --- all of the installed package's models --------------------------------------------------------------------------


def test_each_model_costs_what_calc_price_says_or_is_refused() -> None:
    """Both are exact: genai-prices multiplies and adds Decimals, 28 digits of which no such product needs more."""
    counts: Counter[str] = Counter()
    for prices, card in cards():
        provider = prices.provider
        for model in prices.models:
            names = (model.id, *(alias.rstrip("*") for alias in model.aliases))
            name = next((each for each in names if matched(each, provider) == model.id), None)
            counts["models" if name else "by no name"] += 1
            counts["with tiers"] += any(len(price.tiers) > 1 for price in model.prices)
            for price in model.prices if name else ():
                at = dt.datetime.combine(price.effective_from, dt.time(), dt.UTC)
                for used in grid(price):
                    kind = next((each for each in Counts._fields[3:] if getattr(used, each)), "plain")
                    try:
                        ours = cost(card, model.id, at, used)
                    except MissingRate:
                        assert any(used[1:2] + used[3:])
                        counts[f"no {kind} rate"] += 1
                        continue
                    said = genai_prices.calc_price(
                        peer_usage(used), name or "", provider_id=provider, genai_request_timestamp=at
                    )
                    assert ours == said.total_price, (provider, model.id, at, used)
                    counts[f"{kind} equal"] += 1
        counts["left out"] += sum(map(len, prices.skipped.values()))
    assert counts["models"] >= 1_500, counts
    assert counts["with tiers"] >= 100, counts
    assert counts["models"] + counts["by no name"] + counts["left out"] == sum(len(each.models) for each in providers)
    assert counts["plain equal"] > 2 * counts["no plain rate"], counts
    assert all(counts[f"{kind} equal"] >= 150 for kind in Counts._fields[3:]), counts


def test_an_alias_means_what_calc_price_takes_it_for() -> None:
    checked = 0
    for prices, card in cards():
        provider = prices.provider
        for model in prices.models:
            for alias in model.aliases:
                name = alias.replace("*", "-20260101")
                assert (card.resolve(name), matched(name, provider)) == (model.id, model.id)
                checked += 1
    assert checked > 1_000


def test_a_data_json_is_read_as_the_package_is() -> None:
    installed = GenaiPrices.installed()

    def plain(value: Any) -> Any:
        if isinstance(value, Decimal):
            return float(value)  # as JSON has it, by its shortest digits
        if isinstance(value, (dt.date, dt.time)):
            return value.isoformat()
        return {key.rstrip("_"): item for key, item in vars(value).items()}

    kept = [{name: getattr(each, name) for name in ("id", "pricing_urls", "models")} for each in providers]
    text = json.dumps(kept, default=plain)
    for form in (text, f'{{"units": {{}}, "providers": {text}}}'):
        read = GenaiPrices.read(form.encode(), "genai-prices")
        assert read.models() == installed.models()
        for provider in ("anthropic", "deepseek", "openai", "openrouter"):
            ours, theirs = (source.price_list(provider, (), START) for source in (read, installed))
            assert (ours.models, ours.skipped) == (theirs.models, theirs.skipped)


# --- tiers ----------------------------------------------------------------------------------------------------------

RATES = st.integers(0, 10_000_000).map(lambda micro: Decimal(micro).scaleb(-6))
STEPS = st.builds(
    lambda base, tiers: TieredPrices(base=base, tiers=[Tier(start=start, price=price) for start, price in tiers]),
    RATES,
    st.lists(st.tuples(st.sampled_from([1, 5, 32_000, 200_000]), RATES), max_size=3),
)


@settings(max_examples=200)
@given(
    rates=st.fixed_dictionaries(
        dict.fromkeys(
            ("input_mtok", "output_mtok", "cache_read_mtok", "cache_write_mtok", "cache_write_1h_mtok"), RATES | STEPS
        )
    ),
    tokens=st.sampled_from([0, 1, 2, 5, 6, 31_999, 32_000, 32_001, 200_000, 200_001, 10**9]),
    parts=st.tuples(st.integers(0, 2), st.integers(0, 1), st.integers(0, 1)),
    output=st.integers(0, 10**9),
)
def test_joined_tiers_cost_what_each_meters_own_do(
    rates: dict[str, Any], tokens: int, parts: tuple[int, ...], output: int
) -> None:
    def plain(price: Any) -> Any:
        if isinstance(price, Decimal):
            return float(price)
        return {"base": plain(price.base), "tiers": [{"start": t.start, "price": plain(t.price)} for t in price.tiers]}

    counts = Counts(tokens, tokens * parts[0] // 4, output, *(tokens * part // 4 for part in parts[1:]))
    card = card_of(one_model({name: plain(price) for name, price in rates.items()}))
    said = ModelPrice(**rates).calc_price(peer_usage(counts))["total_price"]
    try:
        assert cost(card, "m", LATER, counts) == said
    except MissingRate:
        assert counts.cached  # its rate is above that of input there


def one_model(prices: Any, **more: Any) -> PriceList:
    model = {"id": "m", "match": {"equals": "m"}, "prices": prices, **more}
    text = json.dumps([{"id": "acme", "models": [model]}])
    return GenaiPrices.read(text.encode(), "data.json").price_list("acme", (), START)


def test_a_cached_rate_above_the_input_rate_is_left_out_of_its_tier_alone() -> None:
    tiers = {"base": 4, "tiers": [{"start": 100, "price": 1}]}
    [model] = one_model({"input_mtok": tiers, "cache_read_mtok": 2, "output_mtok": 8}).models
    assert [(tier.up_to, tier.cached_input_pico) for tier in model.prices[0].tiers] == [(100, 2_000_000), (None, None)]
    assert model.left_out == ("cached input above the input price",)


def test_written_rates_and_the_price_of_a_search_are_written() -> None:
    written = {"cache_write_mtok": 1.25, "cache_write_1h_mtok": 2, "web_searches_kcount": 10}
    text = card_text(one_model({**PLAIN, **written}), START)
    assert 'per_call = "0.01" # a web search\n' in text
    assert '{input = "1", output = "2", cache_write_5m = "1.25", cache_write_1h = "2"}' in text


@pytest.mark.parametrize(
    ("prices", "call_pico", "left_out"),
    [
        ({"web_searches_kcount": 2.5}, 2_500_000_000, ()),
        ({"web_searches_kcount": 10, "storage_searches_kcount": 0}, 10_000_000_000, ()),
        ({"web_searches_kcount": 0}, None, ()),
        ({"storage_searches_kcount": 2.5}, None, ("storage_searches_kcount",)),
        (
            {"web_searches_kcount": 10, "code_executions_kcount": 1},
            None,
            ("code_executions_kcount", "web_searches_kcount"),
        ),
        ({"web_searches_kcount": {"base": 1, "tiers": [{"start": 9, "price": 2}]}}, None, ("web_searches_kcount",)),
    ],
)
def test_a_call_has_a_price_where_it_is_that_of_a_web_search(
    prices: dict[str, Any], call_pico: int | None, left_out: tuple[str, ...]
) -> None:
    [model] = one_model({**PLAIN, **prices}).models
    assert (model.prices[0].call_pico, model.left_out) == (call_pico, left_out)


def test_what_a_card_can_not_say_of_a_search_or_of_written_cache_leaves_the_rest() -> None:
    fast = [{"when": {"search_type": "pro"}, "prices": {"web_searches_kcount": 22}}]
    prices = {**PLAIN, "web_searches_kcount": 10, "cache_write_mtok": 0.1234567, "cache_write_1h_mtok": 2}
    [model] = one_model(prices, price_variants=fast).models
    assert model.left_out == ("cache_write_mtok", "web_searches_kcount")
    [price] = model.prices
    assert (price.call_pico, price.tiers) == (None, (PromptTier(None, 10**6, None, 2 * 10**6, None, None, 2 * 10**6),))


def test_another_price_of_a_call_is_another_price() -> None:
    dated = [
        {"prices": {**PLAIN, "web_searches_kcount": 10}},
        {"constraint": {"start_date": "2026-03-01"}, "prices": {**PLAIN, "web_searches_kcount": 14}},
    ]
    [model] = one_model(dated).models
    assert [price.call_pico for price in model.prices] == [10_000_000_000, 14_000_000_000]


# --- dates ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("start", "expected"),
    [
        ("2020-01-01", [("2020-01-01", 1), ("2026-03-01", 2), ("2026-05-01", 3)]),
        ("2026-03-01", [("2026-03-01", 2), ("2026-05-01", 3)]),
        ("2026-04-01", [("2026-04-01", 2), ("2026-05-01", 3)]),
        ("2026-06-01", [("2026-06-01", 3)]),
    ],
)
def test_prices_hold_from_their_day_and_the_first_from_the_day_asked_for(
    start: str, expected: list[tuple[str, int]]
) -> None:
    dated = [
        {"prices": {"input_mtok": 1, "output_mtok": 1}},
        {"constraint": {"start_date": "2026-03-01"}, "prices": {"input_mtok": 2, "output_mtok": 2}},
        {"constraint": {"start_date": "2026-05-01"}, "prices": {"input_mtok": 3, "output_mtok": 3}},
    ]
    text = json.dumps([{"id": "acme", "models": [{"id": "m", "match": {"equals": "m"}, "prices": dated}]}])
    day = dt.date.fromisoformat(start)
    [model] = GenaiPrices.read(text.encode(), "data.json").price_list("acme", (), day).models
    found = [(price.effective_from.isoformat(), price.tiers[0].input_pico // 10**6) for price in model.prices]
    assert found == expected


# --- what is left out -----------------------------------------------------------------------------------------------

PLAIN = {"input_mtok": 1, "output_mtok": 2}
NIGHT = {"start_time": "16:30:00Z", "end_time": "00:30:00Z"}


@pytest.mark.parametrize(
    ("prices", "more", "reason"),
    [
        ([{"prices": PLAIN}, {"constraint": NIGHT, "prices": PLAIN}], {}, "prices by the hour of the day"),
        (
            [{"prices": PLAIN}, {"constraint": {**NIGHT, "start_date": "2026-03-01"}, "prices": PLAIN}],
            {},
            "prices by the hour of the day",
        ),
        ({**PLAIN, "requests_kcount": 5}, {}, "requests_kcount"),
        ({**PLAIN, "requests_kcount": "0.01"}, {}, "requests_kcount"),
        ({**PLAIN, "requests_kcount": {"base": 0, "tiers": [{"start": 1, "price": 5}]}}, {}, "requests_kcount"),
        ({**PLAIN, "a_price_of_next_year": 5}, {}, "a_price_of_next_year"),
        ({**PLAIN, "input_image_mtok": 3}, {}, "input_image_mtok beside input"),
        ({**PLAIN, "output_reasoning_mtok": 3}, {}, "output_reasoning_mtok beside output"),
        ({**PLAIN, "cache_image_read_mtok": 0.5}, {}, "cache_image_read_mtok beside cached_input"),
        ({"input_mtok": 1}, {}, "no price of output tokens"),
        ({}, {}, "no price of input tokens"),
        ([], {}, "no price of input tokens"),
        ({"input_mtok": 0.1234567, "output_mtok": 1}, {}, "a price not whole in 10^-12 USD per token"),
        ({"input_mtok": -1, "output_mtok": 1}, {}, "a price that isn't an amount of 0 or more"),
        ({"input_mtok": 1e30, "output_mtok": 1}, {}, "a price past the largest rate"),
        ({"input_mtok": {"base": 1, "tiers": [{"start": 0, "price": 2}]}, "output_mtok": 1}, {}, "a tier that begins"),
        ({**PLAIN, "cache_text_write_mtok": 3}, {}, "cache_text_write_mtok beside cache_write_5m"),
        (PLAIN, {"price_variants": [{"when": {"route": "eu"}, "prices": PLAIN}]}, "prices by route"),
        (PLAIN, {"price_variants": [{"when": {"service_tier": "default"}, "prices": PLAIN}]}, "prices by service_tier"),
        (PLAIN, {"id": "m m"}, "an id with blanks"),
    ],
)
def test_a_model_that_would_be_booked_wrongly_is_left_out(prices: Any, more: dict[str, Any], reason: str) -> None:
    found = one_model(prices, **more)
    assert not found.models
    [(said, ids)] = found.skipped.items()
    assert said.startswith(reason)
    assert ids == [more.get("id", "m")]
    assert f"# Models left out, {said}:\n#   {ids[0]}\n" in card_text(found, START)


def test_prices_of_usage_that_is_refused_are_left_out_by_name() -> None:
    refused = {
        "cache_audio_write_mtok": 1,
        "input_audio_mtok": 9,
        "web_searches_kcount": 9,
        "storage_searches_kcount": 2,
    }
    same = {"input_image_mtok": 1, "output_reasoning_mtok": 2, "requests_kcount": 0}
    variants = [
        {"when": {"processing": "batch"}, "prices": {"input_mtok": 0.5}},
        {"when": {"service_tier": "default"}, "prices": {}},
        {"when": {"route": "eu"}, "prices": {"input_audio_mtok": 20}},
    ]
    [model] = one_model({**PLAIN, **refused, **same}, price_variants=variants).models
    assert model.left_out == tuple(sorted([*refused, "processing batch"]))
    text = card_text(one_model({**PLAIN, **refused}), START)
    said = "cache_audio_write_mtok, input_audio_mtok, storage_searches_kcount, web_searches_kcount"
    assert f"# left out: {said}\n" in text


# --- names ----------------------------------------------------------------------------------------------------------


def aliases(*clauses: dict[str, Any], unpriced: int | None = None) -> list[tuple[str, ...]]:
    """The aliases of models m0, m1 … with these clauses; the `unpriced` one is not on the card."""
    models = [
        {"id": f"m{index}", "match": clause, "prices": {} if index == unpriced else PLAIN}
        for index, clause in enumerate(clauses)
    ]
    text = json.dumps([{"id": "acme", "models": models}])
    return [model.aliases for model in GenaiPrices.read(text.encode(), "f").price_list("acme", (), START).models]


@pytest.mark.parametrize(
    ("clauses", "unpriced", "expected"),
    [
        ([{"or": [{"equals": "a"}, {"or": [{"starts_with": "b-"}]}]}], None, [("a", "b-*")]),
        ([{"equals": "m0"}], None, [()]),
        ([{"equals": "a b"}, {"starts_with": "x*"}], None, [(), ()]),
        ([{"contains": "a"}, {"regex": "^b"}, {"ends_with": "c"}, {"and": [{"equals": "d"}]}], None, [()] * 4),
        # The first model in the list has the name.
        ([{"equals": "A"}, {"equals": "a"}], None, [("A",), ()]),
        ([{"starts_with": "gpt-4"}, {"equals": "gpt-4-mini"}], None, [("gpt-4*",), ()]),
        ([{"equals": "gpt-4-mini"}, {"starts_with": "gpt-4"}], None, [("gpt-4-mini",), ("gpt-4*",)]),
        ([{"starts_with": "gpt-4-mini"}, {"starts_with": "gpt-4"}], None, [("gpt-4-mini*",), ("gpt-4*",)]),
        # A prefix must not catch what an earlier model has, and the card hasn't.
        ([{"equals": "gpt-4-mini"}, {"starts_with": "gpt-4"}], 0, [()]),
        ([{"starts_with": "gpt-4-mini"}, {"starts_with": "gpt-4"}], 0, [()]),
        ([{"contains": "-mini"}, {"starts_with": "gpt-4"}], None, [(), ()]),
        ([{"ends_with": "mini"}, {"starts_with": "gpt-4"}], None, [(), ()]),
        ([{"regex": r"^gpt-4-\d+$"}, {"starts_with": "gpt-4"}], None, [(), ()]),
        ([{"regex": r"^(gpt|o)-4-\d+$"}, {"starts_with": "gpt-4"}], None, [(), ()]),
        ([{"regex": r"["}, {"equals": "gpt-4"}], None, [(), ("gpt-4",)]),
        ([{"regex": r"^claude-5-\d+$"}, {"starts_with": "claude-4"}], None, [(), ("claude-4*",)]),
        ([{"and": [{"starts_with": "o"}, {"contains": "-"}]}, {"starts_with": "gpt-4"}], None, [(), ("gpt-4*",)]),
        ([{"and": [{"starts_with": "g"}, {"contains": "-"}]}, {"starts_with": "gpt-4"}], None, [(), ()]),
        ([{"and": [{"or": [{"equals": "o"}]}, {"contains": "-"}]}, {"starts_with": "g"}], None, [(), ("g*",)]),
        ([{"contains": "claude-v2"}, {"starts_with": "claude-4"}], None, [(), ("claude-4*",)]),
        ([{"contains": "claude-4-mini"}, {"starts_with": "claude-4"}], None, [(), ()]),
    ],
)
def test_a_name_is_an_alias_where_the_list_and_the_card_mean_one_model(
    clauses: list[dict[str, Any]], unpriced: int | None, expected: list[tuple[str, ...]]
) -> None:
    assert aliases(*clauses, unpriced=unpriced) == expected


def test_what_can_be_no_alias_is_said() -> None:
    match = {
        "or": [
            {"equals": "a"},
            {"contains": "-mini"},
            {"regex": "^x"},
            {"and": [{"starts_with": "d"}, {"contains": "e"}]},
        ]
    }
    text = card_text(one_model(PLAIN, match=match), START)
    assert "# not an alias: contains -mini, regex ^x, starts with d and contains e\n" in text


def test_a_foreign_text_stays_in_its_comment() -> None:
    text = card_text(one_model(PLAIN, match={"contains": 'x\n[[model]]\nid = "y"'}), START)
    assert list(parse_card(text, "made.toml").models) == ["m"]


@pytest.mark.parametrize("text", ["", "{}", "[1]", '[{"id": "a", "models": [{"id": 1}]}]', "\xff", "[" * 100_000])
def test_another_file_is_refused_in_one_line(text: str) -> None:
    with pytest.raises(LedgerError, match=r"^f\.json: .*give a data\.json of genai-prices$"):
        GenaiPrices.read(text.encode("latin-1"), "f.json")
