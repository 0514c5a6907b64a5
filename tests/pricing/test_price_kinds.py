"""Each kind of price at its edges: tiers by answer, service tiers, contracts, written cache and calls."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace
from fractions import Fraction
from typing import Any

import pytest

from pricing import AmountOverflow, InvalidUsage, MissingRate, TokenUsage, price_batch, price_usage
from pricing.batch import BatchCharges
from pricing.card_contracts import check_contracts
from pricing.card_file import parse_card
from pricing.catalog import merge_cards
from pricing.charge import METERS, ChargeLine, price_entry
from pricing.errors import RateCardError
from pricing.money import INT64_MAX, Settlement
from pricing.rate_card import ModelRates, RateCard
from pricing.rate_entry import PromptTier, RateEntry

TEXT = """\
provider = "ark"
currency = "USD"
per_tokens = 1_000_000
[[model]]
id = "m"
max_output_tokens = 64_000
[[model.price]]
effective_from = 2026-02-01
per_call = "0.01"
tiers = [
  { up_to = 32_000, output_up_to = 200, input = "0.8", cached_input = "0.2", output = "2", cache_write_5m = "1", cache_write_1h = "1.6" },
  { up_to = 32_000, input = "0.8", cached_input = "0.2", output = "8", cache_write_5m = "1" },
  { up_to = 256_000, input = "2.4", cached_input = "0.2", output = "24", cache_write_5m = "3", cache_write_1h = "4.8" },
]
[[model.price.service]]
names = ["batch"]
factor = "0.5"
meters = ["input", "output", "cache_write_1h"]
[[model]]
id = "plain"
[[model.price]]
effective_from = 2026-02-01
tiers = [{ input = "1", output = "2" }]
[[contract]]
name = "acme"
effective_from = 2026-03-01
effective_to = 2026-04-01
models = ["m"]
factor = "0.9"
meters = ["input", "cache_write_5m", "call"]
"""  # noqa: E501 - a tier a line
CARD = merge_cards([parse_card(TEXT, "ark.toml")])["ark"]
MICROSECOND = dt.timedelta(microseconds=1)
FEBRUARY, MARCH, APRIL = (dt.datetime(2026, month, 1, tzinfo=dt.UTC) for month in (2, 3, 4))
A_CALL = 10_000_000  # nano


def written(whole: int, cached: int, short: int, long: int, output: int = 0, calls: int = 0) -> TokenUsage:
    return TokenUsage(whole, cached, output, 0, short, long, calls)


# Rates in nano a token: 1 USD for 1M tokens is 1_000.
EDGES = [
    # the answer's length picks a tier of a short prompt, the prompt's that of a long one
    ("nothing answered", FEBRUARY, None, TokenUsage(32_000), 32_000 * 800),
    ("the longest short answer", FEBRUARY, None, TokenUsage(32_000, 0, 200), 32_000 * 800 + 200 * 2_000),
    ("one token more", FEBRUARY, None, TokenUsage(32_000, 0, 201), 32_000 * 800 + 201 * 8_000),
    ("a long prompt's short answer", FEBRUARY, None, TokenUsage(32_001, 0, 200), 32_001 * 2_400 + 200 * 24_000),
    ("the longest of both", FEBRUARY, None, TokenUsage(256_000, 0, 64_000), 256 * 2_400_000 + 64_000 * 24_000),
    # written tokens are a part of the input, which picks the tier whole
    ("all written", FEBRUARY, None, written(32_000, 0, 32_000, 0), 32_000 * 1_000),
    ("all written for longer", FEBRUARY, None, written(32_000, 0, 0, 32_000), 32_000 * 1_600),
    ("read and written", FEBRUARY, None, written(32_000, 31_998, 1, 1), 31_998 * 200 + 1_000 + 1_600),
    ("one token is neither", FEBRUARY, None, written(32_000, 31_997, 1, 1), 800 + 31_997 * 200 + 1_000 + 1_600),
    ("written in the next tier", FEBRUARY, None, written(32_001, 0, 1, 32_000), 3_000 + 32_000 * 4_800),
    ("written, a longer answer", FEBRUARY, None, written(32_000, 0, 2, 0, 201), 31_998 * 800 + 2_000 + 201 * 8_000),
    # calls are priced whatever the tier
    ("a call alone", FEBRUARY, None, written(0, 0, 0, 0, 0, 1), A_CALL),
    ("calls of a prompt", FEBRUARY, None, written(32_001, 0, 0, 0, 0, 3), 32_001 * 2_400 + 3 * A_CALL),
    # a service tier's factor is for the meters that it states
    ("batch", FEBRUARY, "batch", TokenUsage(32_000, 1_000, 200), 31_000 * 400 + 1_000 * 200 + 200 * 1_000),
    ("batch, one token more", FEBRUARY, "batch", TokenUsage(32_000, 0, 201), 32_000 * 400 + 201 * 4_000),
    ("batch, written and a call", FEBRUARY, "batch", written(2, 0, 1, 1, 0, 1), 1_000 + 800 + A_CALL),
    # a contract holds from its first instant to the last before its end, for the meters that it states
    ("before the contract", MARCH - MICROSECOND, None, written(3, 0, 1, 1, 0, 1), 800 + 1_000 + 1_600 + A_CALL),
    ("its first instant", MARCH, None, written(3, 0, 1, 1, 0, 1), 720 + 900 + 1_600 + A_CALL * 9 // 10),
    ("its last instant", APRIL - MICROSECOND, None, written(3, 0, 1, 1, 0, 1), 720 + 900 + 1_600 + A_CALL * 9 // 10),
    ("after the contract", APRIL, None, written(3, 0, 1, 1, 0, 1), 800 + 1_000 + 1_600 + A_CALL),
    ("batch under the contract", MARCH, "batch", written(3, 0, 1, 1, 0, 1), 360 + 900 + 800 + A_CALL * 9 // 10),
]  # fmt: skip


def batch_of(
    usage: TokenUsage, at: dt.datetime = FEBRUARY, service: str | None = None, card: RateCard = CARD
) -> BatchCharges:
    return price_batch(
        card=card, model="m", at=[at], service_tier=service, input_tokens=[usage.input_tokens],
        cached_input_tokens=[usage.cached_input_tokens], output_tokens=[usage.output_tokens],
        cache_write_5m_tokens=[usage.cache_write_5m_tokens], cache_write_1h_tokens=[usage.cache_write_1h_tokens],
        calls=[usage.calls],
    )  # fmt: skip


@pytest.mark.parametrize(
    ("at", "service", "usage", "nano"), [edge[1:] for edge in EDGES], ids=[edge[0] for edge in EDGES]
)
def test_each_kind_of_price_at_its_edges(at: dt.datetime, service: str | None, usage: TokenUsage, nano: int) -> None:
    charge = price_usage(usage, card=CARD, model="m", at=at, service_tier=service)
    assert charge.amount_nano == nano
    assert sum(line.amount_nano for line in charge.lines) == nano
    rows = batch_of(usage, at, service)
    assert (rows.amount_nano.tolist(), rows.errors) == ([nano], {})


def test_each_meter_has_a_line_in_the_order_of_meters() -> None:
    lines = price_usage(written(16, 2, 3, 4, 5, 6), card=CARD, model="m", at=FEBRUARY).lines
    assert lines == (
        ChargeLine("input", 16 - 2 - 3 - 4, 800_000, 7 * 800),
        ChargeLine("cached_input", 2, 200_000, 2 * 200),
        ChargeLine("output", 5, 2_000_000, 5 * 2_000),
        ChargeLine("cache_write_5m", 3, 1_000_000, 3 * 1_000),
        ChargeLine("cache_write_1h", 4, 1_600_000, 4 * 1_600),
        ChargeLine("call", 6, 10**10, 6 * A_CALL),
    )
    assert [line.meter for line in lines] == [meter for meter in METERS if meter != "cache_storage"]


@pytest.mark.parametrize(
    ("usage", "words"),
    [
        (written(5, 0, 1, 0), "1 cache_write_5m tokens on ark/plain/2026-02-01#"),
        (written(5, 0, 0, 1), "1 cache_write_1h tokens on ark/plain/2026-02-01#"),
        (written(5, 0, 0, 0, 0, 3), "3 calls on ark/plain/2026-02-01#"),
    ],
)
def test_a_missing_rate_is_never_zero(usage: TokenUsage, words: str) -> None:
    with pytest.raises(MissingRate, match=words):
        price_usage(usage, card=CARD, model="plain", at=FEBRUARY)


def test_a_tier_may_lack_a_rate_that_others_have() -> None:
    assert price_usage(written(32_000, 0, 0, 1, 200), card=CARD, model="m", at=FEBRUARY).cache_write_1h_nano == 1_600
    rows = batch_of(written(32_000, 0, 0, 1, 201))
    assert [error.reason for error in rows.errors.values()] == ["missing_rate"]


@pytest.mark.parametrize(("cached", "short", "long"), [(3, 2, 1), (0, 6, 0), (0, 0, 6), (5, 0, 1)])
def test_parts_beyond_the_input_are_refused_naming_all(cached: int, short: int, long: int) -> None:
    words = f"cached_input_tokens {cached} .*_5m_tokens {short} .*_1h_tokens {long} exceed input_tokens 5"
    with pytest.raises(InvalidUsage, match=words) as refused:
        written(5, cached, short, long)
    assert refused.value.reason == "cache_write_exceeds_input"


def entry_at_7(settlement: Settlement | None = None) -> RateEntry:
    tiers = (PromptTier(None, 7, 7, 7, cache_write_5m_pico=7, cache_write_1h_pico=7),)
    return RateEntry("ark", "USD", "m", FEBRUARY, None, tiers, settlement=settlement, call_pico=7)


@pytest.mark.parametrize(
    ("counted", "usage", "refused"),
    [
        ("cache_write_5m tokens", lambda n: written(n, 0, n, 0), "a token"),
        ("cache_write_1h tokens", lambda n: written(n, 0, 0, n), "a token"),
        ("calls", lambda n: written(0, 0, 0, 0, 0, n), "a call"),
    ],
)
def test_the_largest_product_is_priced_and_the_next_refused(counted: str, usage: Any, refused: str) -> None:
    most = INT64_MAX // 7
    card = RateCard("ark", "USD", {"m": ModelRates("m", (), None, None, (entry_at_7(),))})
    assert batch_of(usage(most), card=card).amount_nano.tolist() == [round(Fraction(most * 7, 1_000))]
    with pytest.raises(AmountOverflow, match=f"{most + 1} {counted} x 7 pico {refused} on ark/m"):
        price_entry(entry_at_7(), usage(most + 1))
    assert [error.reason for error in batch_of(usage(most + 1), card=card).errors.values()] == ["amount_overflow"]


def test_a_rest_that_wraps_around_is_still_refused() -> None:
    free = PromptTier(None, 0, 0, 0, cache_write_5m_pico=0, cache_write_1h_pico=0)
    card = RateCard("ark", "USD", {"m": ModelRates("m", (), None, None, (replace(entry_at_7(), tiers=(free,)),))})

    def reasons(whole: int, cached: int, short: int, long: int) -> list[str]:
        rows = price_batch(
            card=card, model="m", at=[FEBRUARY], input_tokens=[whole], cached_input_tokens=[cached],
            cache_write_5m_tokens=[short], cache_write_1h_tokens=[long],
        )  # fmt: skip
        return [error.reason for error in rows.errors.values()]

    # 1 - (2**63 - 1) - (2**63 - 1) - 1 is 2 less 2**64, which 64 bits hold as 2
    assert reasons(1, INT64_MAX, INT64_MAX, 1) == ["cached_exceeds_input"]
    assert reasons(0, 0, INT64_MAX, INT64_MAX) == ["cache_write_exceeds_input"]
    assert reasons(INT64_MAX, 0, INT64_MAX, 0) == []


def test_a_settlement_rounds_each_new_line_once_with_its_minimum() -> None:
    entry = entry_at_7(Settlement(10, "ceil", minimum_nano=20))
    charge = price_entry(entry, written(2_000, 0, 0, 2_000, 0, 3_000))
    # 14 nano written and 21 of calls in quanta of 10; no tokens, no minimum
    assert (charge.input_nano, charge.cache_write_5m_nano) == (0, 0)
    assert (charge.cache_write_1h_nano, charge.call_nano, charge.amount_nano) == (20, 30, 50)


def test_columns_left_out_are_nothing() -> None:
    rows = price_batch(card=CARD, model="m", at=[FEBRUARY] * 2, input_tokens=[1, 2], calls=[0, 1])
    assert rows.call_nano.tolist() == [0, A_CALL]
    assert rows.cache_write_5m_nano.tolist() == rows.cache_write_1h_nano.tolist() == [0, 0]
    with pytest.raises(ValueError, match=r"columns differ in length: .*calls 1"):
        price_batch(card=CARD, model="m", at=[FEBRUARY] * 2, input_tokens=[1, 2], calls=[1])


# --- what a card says -----------------------------------------------------------------------------------------------


def test_a_card_says_written_rates_and_the_price_of_a_call() -> None:
    entry = CARD.entry_at("m", FEBRUARY)
    assert [(tier.cache_write_5m_pico, tier.cache_write_1h_pico) for tier in entry.tiers] == [
        (1_000_000, 1_600_000), (1_000_000, None), (3_000_000, 4_800_000),
    ]  # fmt: skip
    assert entry.call_pico == 10**10
    assert CARD.entry_at("plain", FEBRUARY).call_pico is None


def test_the_content_holds_the_new_rates_where_there_are_some() -> None:
    for entry in CARD.entries():
        read = RateEntry.from_content(entry.content())
        assert (read.tiers, read.call_pico, read.content()) == (entry.tiers, entry.call_pico, entry.content())
    content = CARD.entry_at("m", FEBRUARY).content()
    assert '"call_pico":10000000000' in content
    assert "[32000,800000,200000,8000000,null,1000000]" in content
    plain = CARD.entry_at("plain", FEBRUARY)
    assert '"tiers":[[null,1000000,null,2000000]]' in plain.content()
    assert "call" not in plain.content()


@pytest.mark.parametrize(
    "changed",
    [
        {"call_pico": 8},
        {"call_pico": None},
        {"tiers": (PromptTier(None, 7, 7, 7, cache_write_5m_pico=7),)},
        {"tiers": (PromptTier(None, 7, 7, 7, cache_write_1h_pico=7),)},
        {"tiers": (PromptTier(None, 7, 7, 7, 7, 7, 7),)},
    ],
    ids=str,
)
def test_each_new_rate_changes_the_digest(changed: dict[str, Any]) -> None:
    other = replace(entry_at_7(), **changed)
    assert other.digest != entry_at_7().digest
    assert not other.prices_as(entry_at_7())


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ('"0.01"', '"-0.01"', "model[0].price[0].per_call: '-0.01' is negative"),
        ('"0.01"', "0.01", "model[0].price[0].per_call: expected str | null, got float"),
        ('"0.01"', '"0.0000000000001"', "model[0].price[0].per_call: '0.0000000000001' isn't a whole number of"),
        ('"0.01"', '"9223373"', "model[0].price[0].per_call: '9223373' is past 2**63 - 1 times 10^-12 a call"),
        ('cache_write_5m = "3"', 'cache_write_5m = "-3"', "tiers[2].cache_write_5m: '-3' is negative"),
        ('cache_write_1h = "4.8"', 'cache_write_1h = "0.0000001"', "tiers[2].cache_write_1h: '0.0000001' for 1000000"),
        ('"cache_write_1h"]', '"call"]', "service[0].meters[2]: invalid enum value 'call'"),
        ('factor = "0.9"', 'factor = "0.00000000001"', "contract[0].factor: '0.00000000001' times"),
        (
            'factor = "0.9"\nmeters = ["input", "cache_write_5m", "call"]',
            'factor = "0.00000000001"\nmeters = ["call"]',
            "10000000000 x 10^-12 is not whole in 10^-12 per call; write tiers instead",
        ),
    ],
)
def test_what_is_no_rate_is_refused_at_its_place(old: str, new: str, words: str) -> None:
    assert TEXT.count(old) == 1
    with pytest.raises(RateCardError) as refused:
        check_contracts(merge_cards([parse_card(TEXT.replace(old, new), "ark.toml")])["ark"])
    assert words in str(refused.value)


@pytest.mark.parametrize("meter", ["cached_input", "cache_write_5m", "cache_write_1h"])
def test_a_contract_has_no_rate_that_its_list_lacks(meter: str) -> None:
    own = '[[contract]]\nname = "b"\neffective_from = 2026-03-01\nmodels = ["plain"]\n'
    own += f'tiers = [{{ input = "1", {meter} = "1", output = "1" }}]\n'
    with pytest.raises(RateCardError, match=rf"contract\[1\]\.tiers: have a {meter} rate where ark/plain/.* has none"):
        check_contracts(merge_cards([parse_card(TEXT + own, "ark.toml")])["ark"])
