"""The cards made of LiteLLM's model map cost what it says, or name what they leave out."""

from __future__ import annotations

import datetime as dt
import json
from typing import Any

import pytest

from ledger.errors import LedgerError
from ledger.price_lists.card import card_text
from ledger.price_lists.litellm import LiteLLM
from ledger.price_lists.prices import ListedModel, PriceList
from pricing.card_file import parse_card

START = dt.date(2026, 1, 1)
PLAIN = {"input_cost_per_token": 1e-06, "output_cost_per_token": 2e-06}
# (longest prompt, input, cached input, output), in pico per token
Rows = list[tuple[int | None, int, int | None, int]]


def model_map(*keys: str, **more: Any) -> LiteLLM:
    entry = {"litellm_provider": more.pop("provider", "acme"), "mode": "chat", **more}
    sample = {"litellm_provider": "one of https://docs.litellm.ai/docs/providers", "input_cost_per_token": 0.0}
    text = json.dumps({"sample_spec": sample} | dict.fromkeys(keys or ("m",), entry))
    return LiteLLM.read(text.encode(), "map.json")


def listed(**entry: Any) -> PriceList:
    return model_map(**entry).price_list(entry.get("provider", "acme"), (), START)


def rows_of(model: ListedModel) -> Rows:
    [price] = model.prices
    return [(tier.up_to, tier.input_pico, tier.cached_input_pico, tier.output_pico) for tier in price.tiers]


LONG = {"input_cost_per_token_above_200k_tokens": 3e-06, "output_cost_per_token_above_200k_tokens": 4e-06}
RANGES = [
    {"range": [32000.0, 256000.0], "input_cost_per_token": 5.8e-08, "output_cost_per_token": 5.8e-07},
    {"range": [0, 32000.0], "input_cost_per_token": 2.9e-08, "output_cost_per_token": 2.9e-07},
]


@pytest.mark.parametrize(
    ("entry", "expected"),
    [
        (PLAIN, [(None, 1_000_000, None, 2_000_000)]),
        # The shortest digits of a float are the price: 7.25e-08 is 0.0725 for 1M tokens.
        ({**PLAIN, "cache_read_input_token_cost": 7.25e-08}, [(None, 1_000_000, 72_500, 2_000_000)]),
        ({**PLAIN, "output_cost_per_token": 0}, [(None, 1_000_000, None, 0)]),
        ({**PLAIN, **LONG}, [(200_000, 1_000_000, None, 2_000_000), (None, 3_000_000, None, 4_000_000)]),
        # xAI's longer prompts begin at the bound itself, as LiteLLM prices them.
        (
            {**PLAIN, **LONG, "provider": "xai"},
            [(199_999, 1_000_000, None, 2_000_000), (None, 3_000_000, None, 4_000_000)],
        ),
        # What isn't stated for longer prompts stays as it is, and each bound of any price is one of all.
        (
            {**PLAIN, "input_cost_per_token_above_512_tokens": 3e-06, "output_cost_per_token_above_1k_tokens": 4e-06},
            [
                (512, 1_000_000, None, 2_000_000),
                (1_000, 3_000_000, None, 2_000_000),
                (None, 3_000_000, None, 4_000_000),
            ],
        ),
        # A range ends with its bound; nothing is said of longer prompts than the last.
        ({"tiered_pricing": RANGES[::-1]}, [(32_000, 29_000, None, 290_000), (256_000, 58_000, None, 580_000)]),
    ],
)
def test_prices_by_length_become_tiers(entry: dict[str, Any], expected: Rows) -> None:
    [model] = listed(**entry).models
    assert rows_of(model) == expected


LONGER, SHORT = RANGES
WRITE, WRITE_1H = "cache_creation_input_token_cost", "cache_creation_input_token_cost_above_1hr"


@pytest.mark.parametrize(
    ("entry", "expected", "left_out"),
    [
        ({WRITE: 1.25e-06, WRITE_1H: 2e-06}, [(1_250_000, 2_000_000)], ()),
        ({WRITE: 1.25e-06, f"{WRITE}_above_12hr": 3e-06}, [(1_250_000, None)], (f"{WRITE}_above_12hr",)),
        (
            {
                WRITE: 1e-06,
                f"{WRITE}_above_200k_tokens": 2e-06,
                WRITE_1H: 3e-06,
                f"{WRITE_1H}_above_200k_tokens": 4e-06,
            },
            [(1_000_000, 3_000_000), (2_000_000, 4_000_000)],
            (),
        ),
        # a price of long prompts alone says nothing of the others; 0 is there too where the map knows none
        ({f"{WRITE}_above_200k_tokens": 2e-06}, [(None, None)], (WRITE,)),
        ({WRITE: 0.0}, [(None, None)], ()),
        ({WRITE: 1e-06, "tiered_pricing": [SHORT, LONGER]}, [(None, None), (None, None)], (WRITE,)),
        (
            {"tiered_pricing": [SHORT | {WRITE: 1e-06}, LONGER | {WRITE: 2e-06}]},
            [(1_000_000, None), (2_000_000, None)],
            (),
        ),
        ({"tiered_pricing": [SHORT | {WRITE: 2e-06}, LONGER]}, [(None, None), (None, None)], (WRITE,)),
    ],
    ids=str,
)
def test_written_rates_are_those_of_5_minutes_and_of_an_hour(
    entry: dict[str, Any], expected: list[tuple[int | None, int | None]], left_out: tuple[str, ...]
) -> None:
    [model] = listed(**({} if "tiered_pricing" in entry else PLAIN), **entry).models
    assert [(tier.cache_write_5m_pico, tier.cache_write_1h_pico) for tier in model.prices[0].tiers] == expected
    assert model.left_out == left_out


SEARCHES = "search_context_cost_per_query"


@pytest.mark.parametrize(
    ("entry", "call_pico", "left_out"),
    [
        ({SEARCHES: {"search_context_size_low": 0.01, "search_context_size_high": 0.01}}, 10_000_000_000, ()),
        ({SEARCHES: {"search_context_size_low": 0.01, "search_context_size_high": 0.02}}, None, (SEARCHES,)),
        ({SEARCHES: {"search_context_size_low": 0}}, None, ()),
        ({SEARCHES: 0.01}, None, (SEARCHES,)),
        (
            {SEARCHES: {"search_context_size_low": 0.01}, "file_search_cost_per_1k_calls": 2.5},
            None,
            ("file_search_cost_per_1k_calls", SEARCHES),
        ),
    ],
    ids=str,
)
def test_a_call_has_a_price_where_each_web_search_has_the_same(
    entry: dict[str, Any], call_pico: int | None, left_out: tuple[str, ...]
) -> None:
    [model] = listed(**PLAIN, **entry).models
    assert (model.prices[0].call_pico, model.left_out) == (call_pico, left_out)


PER_HOUR = {"windows": [{"hours_utc": "00:00-01:00"}], "input_cost_per_token": 1e-07}


@pytest.mark.parametrize(
    ("entry", "reason"),
    [
        ({**PLAIN, "off_peak_pricing": PER_HOUR}, "prices by the hour of the day"),
        ({**PLAIN, "mode": "image_generation"}, "sold as image_generation"),
        ({**PLAIN, "mode": None}, "no mode"),
        ({"output_cost_per_token": 1e-06}, "no price of input tokens"),
        ({**PLAIN, "input_cost_per_token": 2.0000000000000002e-07}, "a price not whole in 10^-12 USD per token"),
        ({**PLAIN, "input_cost_per_token": "1e-06"}, "a price that isn't a number"),
        ({**PLAIN, "off_peak_pricing": [PER_HOUR]}, "prices by the hour of the day"),
        ({**PLAIN, "off_peak_pricing": True}, "prices by the hour of the day"),
        ({**PLAIN, "input_cost_per_request": 0.005}, "input_cost_per_request"),
        ({**PLAIN, "input_cost_per_request": "0.01"}, "input_cost_per_request"),
        ({**PLAIN, "input_cost_per_request": [{"up_to": None, "price": "0.01"}]}, "input_cost_per_request"),
        ({"input_cost_per_token": 0, "output_cost_per_token": 0.0}, "a price of 0, which the map has too"),
        ({**PLAIN, "cost_per_second": 0.005}, "cost_per_second"),
        ({**PLAIN, "a_new_cost_per_thing": 0.005}, "a_new_cost_per_thing"),
        ({**PLAIN, "input_cost_per_image_token": 3e-06}, "input_cost_per_image_token beside input"),
        ({**PLAIN, "output_cost_per_reasoning_token": 3e-06}, "output_cost_per_reasoning_token beside output"),
        ({**PLAIN, **LONG, "input_cost_per_image_token": 1e-06}, "input_cost_per_image_token beside input"),
        (
            {**PLAIN, "provider": "perplexity", "search_context_cost_per_query": {"search_context_size_low": 0.005}},
            "search_context_cost_per_query",
        ),
        ({"output_cost_per_token": 1, "input_cost_per_token_above_1k_tokens": 1}, "input_cost_per_token for long"),
        ({"tiered_pricing": RANGES}, "ranges of length with gaps"),
        ({"tiered_pricing": RANGES[:1]}, "ranges of length with gaps"),
        ({"tiered_pricing": [{"range": [0, 1.5], **PLAIN}]}, "ranges of length with gaps"),
        ({"tiered_pricing": [{"max_results_range": [0, 25]}]}, "ranges of another kind than length"),
        ({"tiered_pricing": [RANGES[1], {"range": [32000.0, 64000.0]}]}, "ranges of length without all prices"),
        ({"tiered_pricing": 3}, "ranges of another kind than length"),
    ],
)
def test_a_model_that_would_be_booked_wrongly_is_left_out(entry: dict[str, Any], reason: str) -> None:
    found = listed(**entry)
    assert not found.models
    [(said, ids)] = found.skipped.items()
    assert said.startswith(reason)
    assert ids == ["m"]


def test_prices_of_usage_that_is_refused_are_left_out_by_name() -> None:
    refused = {
        "cache_creation_input_token_cost_above_1hr_above_200k_tokens": 1e-06,
        "input_cost_per_audio_token": 1e-06,
        "input_cost_per_token_batches": 5e-07,
        "input_cost_per_token_above_200k_tokens_priority": 5e-06,
        "regional_processing_uplift_multiplier_eu": 1.1,
    }
    free = {
        "input_cost_per_request": 0,
        "input_dbu_cost_per_token": 1e-05,
        "code_interpreter_cost_per_session": 0.0,
        "off_peak_pricing": False,
        "a_new_cost_per_thing": [{"low": None, "high": 0.0}],
    }
    [model] = listed(**PLAIN, **refused, **free, max_input_tokens=1_000, source="https://acme.example/prices").models
    assert model.left_out == (
        "another endpoint's regional_processing_uplift_multiplier_eu",
        "cache_creation_input_token_cost_above_1hr",
        "input_cost_per_audio_token",
        "service tier batches",
        "service tier priority",
    )
    assert model.source_url == "https://acme.example/prices"


def test_a_model_goes_by_its_id_with_and_without_its_provider() -> None:
    source = model_map("acme/a", "acme/b", "b", "acme/x/c", **PLAIN)
    assert [model.aliases for model in source.price_list("acme", (), START).models] == [("a",), (), (), ("x/c",)]
    assert [source.resolve("acme", name) for name in ("acme/a", "a", "b", "c")] == ["acme/a", "acme/a", "b", None]


def test_names_of_the_list_are_aliases_and_one_of_two_models_is_neithers() -> None:
    entry = {"litellm_provider": "vertex_ai-chat", "mode": "chat", **PLAIN}
    entries: dict[str, Any] = dict.fromkeys(("vertex_ai/a", "vertex_ai-chat/a", "vertex_ai/b"), entry)
    entries["latest"] = {"alias_of": "vertex_ai/b"}
    prices = LiteLLM.read(json.dumps(entries).encode(), "map.json").price_list("vertex_ai-chat", (), START)
    assert [model.aliases for model in prices.models] == [(), (), ("b", "latest")]


def test_the_card_is_exact_text() -> None:
    text = card_text(listed(**PLAIN, cache_read_input_token_cost=7.25e-08), START)
    assert 'tiers = [{input = "1", cached_input = "0.0725", output = "2"}]' in text
    assert parse_card(text, "made.toml").models["m"].entries[0].derived


def test_a_card_that_reads_back_otherwise_is_refused_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ledger.price_lists.card.per_million", lambda _rate_pico: "3")
    with pytest.raises(
        LedgerError, match=r"^the card of map\.json would be read with other prices of 'm' than the list"
    ):
        card_text(listed(**PLAIN), START)


@pytest.mark.parametrize("text", ["", "[]", '{"m": 1}', '{"m": {"a": NaN}}', "\xff", '{"m":' * 100_000])
def test_another_file_is_refused_in_one_line(text: str) -> None:
    with pytest.raises(LedgerError, match=r"^f\.json: .*give litellm's model_prices_and_context_window\.json$"):
        LiteLLM.read(text.encode("latin-1"), "f.json")


def test_the_installed_map_is_read_without_importing_the_package(
    tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(LedgerError, match=r"^litellm isn't installed: pip install litellm, or give its model map"):
        LiteLLM.installed()
    package = tmp_path / "litellm"
    package.mkdir()
    (package / "__init__.py").write_text("raise AssertionError('it was imported')")
    entry = {"litellm_provider": "acme", "mode": "chat", **PLAIN}
    (package / "model_prices_and_context_window_backup.json").write_text(json.dumps({"m": entry}))
    about = tmp_path / "litellm-9.8.7.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: litellm\nVersion: 9.8.7\n")
    monkeypatch.syspath_prepend(tmp_path)
    source = LiteLLM.installed()
    assert (source.source, source.models()) == ("litellm 9.8.7", {"acme": ["m"]})
