from __future__ import annotations

import datetime as dt
from typing import Any

import pytest

from pricing import TokenUsage, UnpricedUsage, price_batch, price_usage
from pricing.card_file import CardFile, parse_card
from pricing.catalog import changed_entries, merge_cards
from pricing.errors import RateCardError
from pricing.rate_card import RateCard
from pricing.rate_entry import RateEntry

START = dt.datetime(2026, 2, 1, tzinfo=dt.UTC)
SHORT = '{ up_to = 32_000, input = "3.2", cached_input = "0.64", output = "16" }'
STANDARD = f'tiers = [{SHORT}, {{ input = "4", output = "20" }}]'
HALF = 'names = ["batch"]\nfactor = "0.5"\nmeters = ["input", "output"]'
OWN = 'names = ["flex", "scale"]\ntiers = [{ up_to = 100, input = "7", output = "8" }, { input = "9", output = "10" }]'


def card_text(*services: str, tiers: str = STANDARD, after: str = "") -> str:
    parts = "".join(f"\n[[model.price.service]]\n{service}\n" for service in services)
    price = f"[[model.price]]\neffective_from = 2026-02-01\n{tiers}\n"
    return f'provider = "ark"\ncurrency = "USD"\nper_tokens = 1_000_000\n[[model]]\nid = "m"\n{price}{parts}{after}'


def card_file(*services: str, **keys: str) -> CardFile:
    return parse_card(card_text(*services, **keys), "ark.toml")


def card(*services: str) -> RateCard:
    return merge_cards([card_file(*services)])["ark"]


def rates(entry: RateEntry) -> list[tuple[Any, ...]]:
    return [(tier.label, tier.input_pico, tier.cached_input_pico, tier.output_pico) for tier in entry.tiers]


def test_a_factor_covers_the_meters_that_it_states() -> None:
    found = card(HALF).entry_at("m", START, "batch")
    assert rates(found) == [("32000", 1_600_000, 640_000, 8_000_000), ("unbounded", 2_000_000, None, 10_000_000)]
    cheap = card('names = ["batch"]\nfactor = "0"\nmeters = ["cached_input"]').entry_at("m", START, "batch")
    assert rates(cheap) == [("32000", 3_200_000, 0, 16_000_000), ("unbounded", 4_000_000, None, 20_000_000)]


def test_rates_of_its_own_have_bounds_of_their_own() -> None:
    for name in ("flex", "scale"):
        found = card(HALF, OWN).entry_at("m", START, name)
        assert rates(found) == [("100", 7_000_000, None, 8_000_000), ("unbounded", 9_000_000, None, 10_000_000)]
        assert found.service == "flex"


@pytest.mark.parametrize("service", [None, "auto", "default"])
def test_the_standard_service_is_what_it_was(service: str | None) -> None:
    entry, alone = card(HALF).entry_at("m", START, service), card().entry_at("m", START)
    assert (entry.key, entry.content(), entry.service) == (alone.key, alone.content(), "default")


@pytest.mark.parametrize("service", ["flex", "Batch", "", 5, ["batch"], "priority"])
def test_a_service_tier_without_a_price_is_refused(service: Any) -> None:
    usage = TokenUsage(5, 0, 1)
    with pytest.raises(UnpricedUsage, match=r"service_tier .* has no price on ark/m/2026-02-01.*, 'batch'") as refused:
        price_usage(usage, card=card(HALF), model="m", at=START, service_tier=service)
    assert refused.value.reason == "unpriced_service_tier"
    rows = price_batch(card=card(HALF), model="m", at=[START] * 2, input_tokens=[5, 5], service_tier=["batch", service])
    assert [str(error) for error in rows.errors.values()] == [str(refused.value)]


def test_one_service_tier_may_be_that_of_all_rows() -> None:
    rows = price_batch(card=card(HALF), model="m", at=[START] * 2, input_tokens=[10, 20], service_tier="batch")
    assert rows.amount_nano.tolist() == [16_000, 32_000]


def test_each_service_is_an_entry_of_its_own() -> None:
    entries = list(card(HALF, OWN).entries())
    assert [entry.service for entry in entries] == ["default", "batch", "flex"]
    assert len({entry.digest for entry in entries}) == 3
    assert entries[1].key.startswith("ark/m/2026-02-01/batch#")
    assert RateEntry.from_content(entries[1].content()).content() == entries[1].content()
    assert RateEntry.from_content(entries[1].content()).service == "batch"


@pytest.mark.parametrize("kept", ["max_input_tokens", "settlement"])
def test_a_later_file_leaves_its_services_the_limits_before(kept: str) -> None:
    first = card_text().replace('id = "m"', 'id = "m"\nmax_input_tokens = 50')
    first += '[settlement]\nquantum = "0.1"\nmode = "ceil"\n'
    later = card_text(HALF).replace("2026-02-01", "2026-03-01")
    merged = merge_cards([parse_card(first, "one.toml"), parse_card(later, "two.toml")])["ark"]
    entry = merged.entry_at("m", START + dt.timedelta(days=40), "batch")
    assert getattr(entry, kept) == getattr(merged.entry_at("m", START), kept) != None  # noqa: E711


@pytest.mark.parametrize(
    "services", [(), (HALF, OWN), (HALF.replace("0.5", "0.25"),), (HALF.replace("batch", "bulk"),)], ids=str
)
def test_another_price_of_a_service_replaces_an_entry(services: tuple[str, ...]) -> None:
    assert changed_entries(card(HALF), card_file(*services)) == [card(HALF).entry_at("m", START).key]
    assert changed_entries(card(HALF), card_file(HALF)) == []
    merged = merge_cards([card_file(HALF), card_file(*services)])["ark"]
    assert merged.entry_at("m", START).prices_as(card(*services).entry_at("m", START))


@pytest.mark.parametrize(
    ("service", "words"),
    [
        ('names = []\nfactor = "1"\nmeters = ["input"]', "service[0].names: expected array of length >= 1"),
        ('factor = "1"\nmeters = ["input"]', "service[0].names: is missing"),
        ('names = ["a b"]\nfactor = "1"\nmeters = ["input"]', "names[0]: 'a b' isn't a service tier"),
        (HALF.replace("batch", "auto"), "names[0]: 'auto' is the standard one"),
        (HALF.replace('"batch"', '"batch", "batch"'), "names[1]: 'batch' is given twice"),
        ('names = ["batch"]', "service[0]: has no rates; write tiers, or factor and the meters that it covers"),
        ('names = ["batch"]\nfactor = "0.5"', "service[0]: has no rates"),
        ('names = ["batch"]\nmeters = ["input"]', "service[0]: has no rates"),
        (HALF + "\n" + STANDARD, "service[0]: has rates of its own and a factor"),
        (HALF.replace("0.5", "-1"), "factor: '-1' is negative"),
        (HALF.replace("0.5", "1e2"), "factor: '1e2'"),
        (HALF.replace('"0.5"', "0.5"), "factor: expected str"),
        (HALF.replace("0.5", "0.00000001"), "factor: '0.00000001' times a rate of 3200000 x 10^-12 is not whole"),
        (HALF.replace("0.5", "9000000000000"), "is past 2**63 - 1"),
        (HALF.replace("0.5", "0.1"), "factor: '0.1' makes input of tier 1 cheaper than cached input"),
        (HALF.replace("output", "audio"), "meters[1]: "),
        (OWN.replace("100", "0"), "tiers[0].up_to"),
        (HALF + "\nchecked_on = 5", "service[0].checked_on: 5 isn't a date"),
        (HALF + '\nsource_url = "\\u0007"', "service[0].source_url"),
    ],
)  # fmt: skip
def test_what_is_no_service_is_refused_at_its_place(service: str, words: str) -> None:
    with pytest.raises(RateCardError) as refused:
        card_file(service)
    assert str(refused.value).startswith("ark.toml: ")
    assert words in str(refused.value)


def test_a_name_is_of_one_service() -> None:
    with pytest.raises(RateCardError, match=r"service\[1\]\.names\[0\]: 'batch' is given twice"):
        card_file(HALF, HALF)


def test_sources_are_those_of_the_price_where_it_has_none_of_its_own() -> None:
    read = 'source_url = "https://a.example/price"\nchecked_on = 2026-05-01\n'
    own = HALF + '\nsource_url = "https://a.example/batch"\nchecked_on = 2026-06-01\nderived = true'
    entry = merge_cards([card_file(HALF, own.replace('batch"]', 'bulk"]'), tiers=read + STANDARD)])["ark"]
    batch, bulk = (entry.entry_at("m", START, name) for name in ("batch", "bulk"))
    assert (batch.source_url, batch.checked_on, batch.derived) == (
        "https://a.example/price", dt.date(2026, 5, 1), False,
    )  # fmt: skip
    assert (bulk.source_url, bulk.checked_on, bulk.derived) == ("https://a.example/batch", dt.date(2026, 6, 1), True)
