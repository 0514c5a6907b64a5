from __future__ import annotations

import datetime as dt
from dataclasses import replace
from typing import Any

import pytest

from pricing import TokenUsage, UnpricedUsage, price_batch, price_usage
from pricing.card_contracts import check_contracts
from pricing.card_file import CardFile, parse_card
from pricing.catalog import changed_entries, merge_cards
from pricing.charge import price_storage
from pricing.errors import RateCardError
from pricing.rate_card import RateCard
from pricing.rate_entry import RateEntry

CARD = """\
provider = "ark"
currency = "USD"
per_tokens = 1_000_000
[[model]]
id = "m"
aliases = ["em"]
[[model.price]]
effective_from = 2026-02-01
cache_storage_per_hour = "0.2"
tiers = [{ up_to = 100, input = "4", cached_input = "1", output = "20" }, { input = "8", output = "40" }]
[[model.price.service]]
names = ["batch", "bulk"]
factor = "0.5"
meters = ["input", "output"]
[[model.price]]
effective_from = 2026-06-01
tiers = [{ input = "6", output = "30" }]
[[model]]
id = "n"
[[model.price]]
effective_from = 2026-02-01
tiers = [{ input = "1", output = "2" }]
"""
TERMS = """\
[[contract]]
name = "acme"
effective_from = 2026-03-01
effective_to = 2026-09-01
factor = "0.9"
meters = ["input", "output"]
"""
OWN = TERMS.replace(
    'factor = "0.9"\nmeters = ["input", "output"]',
    """\
models = ["m"]
effective_to = 2026-06-01
tiers = [{ up_to = 100, input = "3", cached_input = "0.9", output = "19" }, { input = "7", output = "39" }]""",
).replace("effective_to = 2026-09-01\n", "")
ARK = 'provider = "ark"\ncurrency = "USD"\n'


def card_file(text: str, name: str = "ark.toml") -> CardFile:
    return parse_card(text, name)


def card(*contracts: str) -> RateCard:
    return merge_cards([card_file(CARD + "".join(contracts))])["ark"]


def day(text: str) -> dt.datetime:
    return dt.datetime.fromisoformat(text).replace(tzinfo=dt.UTC)


def rates(entry: RateEntry) -> list[tuple[Any, ...]]:
    return [(tier.input_pico, tier.cached_input_pico, tier.output_pico) for tier in entry.tiers]


MICROSECOND = dt.timedelta(microseconds=1)


@pytest.mark.parametrize(
    ("at", "input_pico", "key"),
    [
        (day("2026-03-01") - MICROSECOND, 4_000_000, "ark/m/2026-02-01#"),
        (day("2026-03-01"), 3_600_000, "ark/m/2026-03-01/acme#"),
        (day("2026-06-01") - MICROSECOND, 3_600_000, "ark/m/2026-03-01/acme#"),
        (day("2026-06-01"), 5_400_000, "ark/m/2026-06-01/acme#"),
        (day("2026-09-01") - MICROSECOND, 5_400_000, "ark/m/2026-06-01/acme#"),
        (day("2026-09-01"), 6_000_000, "ark/m/2026-06-01#"),
    ],
    ids=str,
)
def test_a_contract_holds_on_its_days_alone(at: dt.datetime, input_pico: int, key: str) -> None:
    charge = price_usage(TokenUsage(10), card=card(TERMS), model="m", at=at)
    assert charge.entry.tiers[0].input_pico == input_pico
    assert charge.entry.key.startswith(key)
    assert charge.amount_nano == 10 * input_pico // 1_000
    assert price_batch(card=card(TERMS), model="m", at=[at], input_tokens=[10]).amount_nano[0] == charge.amount_nano


def test_a_factor_is_for_every_model_and_service_tier_and_the_meters_that_it_states() -> None:
    at = day("2026-04-01")
    assert rates(card(TERMS).entry_at("m", at)) == [(3_600_000, 1_000_000, 18_000_000), (7_200_000, None, 36_000_000)]
    batch = card(TERMS).entry_at("m", at, "batch")
    assert rates(batch) == [(1_800_000, 1_000_000, 9_000_000), (3_600_000, None, 18_000_000)]
    assert batch.key.startswith("ark/m/2026-03-01/batch/acme#")
    assert rates(card(TERMS).entry_at("n", at)) == [(900_000, None, 1_800_000)]


def test_it_may_be_for_some_models_and_service_tiers() -> None:
    at = day("2026-04-01")
    some = card(TERMS + 'models = ["m"]\nservice_tiers = ["batch"]\n')
    assert some.entry_at("n", at).contract == some.entry_at("m", at).contract == ""
    assert some.entry_at("m", at, "batch").contract == "acme"


def test_only_what_is_new_is_refused_of_contracts() -> None:
    bad = TERMS.replace("0.9", "0.9000000001").replace("acme", "old")
    before = card(bad + 'models = ["n"]\n')
    after = card(bad + 'models = ["n"]\n', TERMS + 'models = ["m"]\n')
    with pytest.raises(RateCardError):
        check_contracts(before)
    check_contracts(before, before)
    check_contracts(after, before)
    with pytest.raises(RateCardError, match="times a rate"):
        check_contracts(card(bad + 'models = ["n", "m"]\n'), card(bad + 'models = ["n"]\n'))


@pytest.mark.parametrize("name", ["batch", "bulk"])
def test_each_name_of_a_service_tier_will_do(name: str) -> None:
    some = card(TERMS + f'service_tiers = ["{name}"]\n')
    check_contracts(some)
    assert some.entry_at("m", day("2026-04-01"), "bulk").contract == "acme"
    standard = card(TERMS + 'service_tiers = ["auto"]\n')
    assert standard.entry_at("m", day("2026-04-01")).contract == "acme"


def test_a_contract_that_a_list_price_no_longer_fits_leaves_what_it_covers_without_a_price() -> None:
    odd = card(TERMS.replace("0.9", "0.9000000001"))
    later = merge_cards([card_file(CARD), card_file(ARK + TERMS.replace("0.9", "0.000000000001"))])["ark"]
    for agreed in (odd, later):
        with pytest.raises(RateCardError):
            check_contracts(agreed)
        assert agreed.entry_at("m", day("2026-02-28")).contract == ""
        assert agreed.models["m"].entry_at(day("2026-04-01")) is None
        assert [entry.contract for entry in agreed.entries()] == [""] * 4
        with pytest.raises(
            UnpricedUsage, match=r"contract 'acme' doesn't fit the list price ark/m/2026-02-01"
        ) as refused:
            price_usage(TokenUsage(5), card=agreed, model="m", at=day("2026-04-01"))
        assert refused.value.reason == "unpriced_contract"
        rows = price_batch(card=agreed, model="m", at=[day("2026-04-01")], input_tokens=[5])
        assert str(rows.errors[0]) == str(refused.value)


def test_rates_of_its_own_are_for_the_standard_service_tier() -> None:
    at = day("2026-04-01")
    own = card(OWN)
    assert rates(own.entry_at("m", at)) == [(3_000_000, 900_000, 19_000_000), (7_000_000, None, 39_000_000)]
    assert own.entry_at("m", at, "batch").contract == ""


def test_storage_is_covered_where_the_contract_says_so() -> None:
    at, until = day("2026-04-01"), day("2026-04-01") + dt.timedelta(hours=1)
    plain = price_storage(card(TERMS).entry_at("m", at), 1_000_000, at, until)
    cheap = price_storage(card(TERMS.replace('"output"', '"cache_storage"')).entry_at("m", at), 1_000_000, at, until)
    assert (plain.amount_nano, cheap.amount_nano) == (200_000_000, 180_000_000)


def test_each_price_under_contract_names_its_list_price() -> None:
    for listed, agreed in (("default", "default"), ("batch", "batch")):
        entry = card(TERMS).entry_at("m", day("2026-04-01"), agreed)
        assert entry.list_digest == card().entry_at("m", day("2026-04-01"), listed).digest
        again = RateEntry.from_content(entry.content())
        assert (again.content(), again.contract, again.list_digest) == (entry.content(), "acme", entry.list_digest)
    digests = [entry.digest for entry in card(TERMS).entries()]
    assert len(set(digests)) == len(digests) == 4 + 4


def test_without_an_end_a_contract_is_the_same_price_when_a_later_list_price_comes() -> None:
    endless = TERMS.replace("effective_to = 2026-09-01\n", "")
    later = (
        '[[model]]\nid = "n"\n[[model.price]]\neffective_from = 2026-08-01\ntiers = [{ input = "3", output = "4" }]\n'
    )
    before = card(endless)
    after = merge_cards([card_file(CARD + endless), card_file(ARK + "per_tokens = 1_000_000\n" + later)])["ark"]
    assert before.entry_at("n", day("2026-04-01")).digest == after.entry_at("n", day("2026-04-01")).digest
    assert after.entry_at("n", day("2026-08-01")).tiers[0].input_pico == 2_700_000


def test_a_later_file_with_the_name_replaces_its_terms() -> None:
    text = ARK + TERMS.replace("0.9", "0.8")
    current = card(TERMS)
    assert changed_entries(current, card_file(text)) == ["ark/contract/acme"]
    assert changed_entries(current, card_file(ARK + TERMS)) == []
    assert changed_entries(current, card_file(ARK + TERMS + "checked_on = 2026-05-01\n")) == []
    assert changed_entries(card(), card_file(text)) == []
    merged = merge_cards([card_file(CARD + TERMS), card_file(text)])["ark"]
    assert merged.entry_at("m", day("2026-04-01")).tiers[0].input_pico == 3_200_000


def test_two_contracts_may_follow_one_another() -> None:
    second = (
        TERMS.replace("acme", "next").replace("2026-03-01", "2026-09-01").replace("to = 2026-09-01", "to = 2027-01-01")
    )
    both = card(second, TERMS)
    assert [both.entry_at("m", day(text)).contract for text in ("2026-08-31", "2026-09-01", "2027-01-01")] == [
        "acme", "next", "",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (TERMS.replace("acme", "a b"), "contract[0].name: 'a b' isn't a name"),
        (TERMS.replace("to = 2026-09-01", "to = 2026-03-01"), "contract[0].effective_to: 2026-03-01 is not after"),
        (TERMS.replace('factor = "0.9"\n', ""), "contract[0]: has no rates, or two kinds"),
        (TERMS.replace('meters = ["input", "output"]\n', ""), "contract[0]: has no rates, or two kinds"),
        (OWN + 'factor = "1"\nmeters = ["input"]\n', "contract[0]: has no rates, or two kinds"),
        (TERMS.replace("0.9", "0.00000001"), "contract[0].factor: '0.00000001' times a rate of 1000000"),
        (TERMS.replace("0.9", "0.1"), "contract[0].factor: '0.1' makes input of tier 1 cheaper than cached input"),
        (OWN.replace("up_to = 100", "up_to = 99"), "contract[0].tiers: differ from those of ark/m/2026-02-01#"),
        (OWN.replace("effective_to = 2026-06-01\n", ""), "contract[0].tiers: differ from those of ark/m/2026-06-01#"),
        (OWN.replace('input = "7"', 'input = "7", cached_input = "1"'), "tiers: have a cached_input rate where"),
        (TERMS.replace("0.9", "0.0").replace('"output"', '"cache_storage"'), "contract[0].factor: 0 for cache_storage"),
        (TERMS + 'models = ["m", "o"]\n', "contract[0].models[1]: 'o' is no model of this card"),
        (TERMS + 'models = ["n"]\nservice_tiers = ["batch"]\n', "contract[0].service_tiers[0]: 'batch' has no price"),
        (TERMS + 'service_tiers = ["batch", "bacth"]\n', "contract[0].service_tiers[1]: 'bacth' has no price"),
        (TERMS.replace("2026-03-01", "2025-03-01").replace("2026-09-01", "2026-01-01"), "contract[0]: is for no price"),
        (TERMS + TERMS.replace("from = 2026-03", "from = 2025-03").replace("2026-09-01", "2026-01-01"),
         "contract[1]: is for no price of this card"),
        (TERMS + 'models = ["em"]\n', "contract[0].models[0]: 'em' is another name of m; give that"),
        (TERMS + TERMS, "contract[1]: is for m (default) on days of contract 'acme' too; end one of them"),
        (TERMS + "checked_on = 5\n", "contract[0].checked_on: 5 isn't a date"),
        (TERMS + 'source_url = "\\u0007"\n', "contract[0].source_url"),
    ],
)  # fmt: skip
def test_what_is_no_contract_is_refused_at_its_place(text: str, words: str) -> None:
    with pytest.raises(RateCardError) as refused:
        check_contracts(card(text))
    assert str(refused.value).startswith("ark.toml: ")
    assert words in str(refused.value)


def test_rates_of_its_own_need_their_unit() -> None:
    with pytest.raises(RateCardError, match="per_tokens: is missing"):
        card_file(ARK + OWN)


def test_a_contract_over_no_list_price_has_none() -> None:
    early = card(TERMS.replace("2026-03-01", "2025-03-01"))
    assert early.models["m"].entry_at(day("2025-04-01")) is None
    assert early.entry_at("m", day("2026-02-01")).contract == "acme"


def test_contracts_do_not_decide_whether_an_entry_is_another() -> None:
    entry = card(TERMS).models["m"].entries[0]
    assert entry.prices_as(replace(entry, contracts=()))
