from __future__ import annotations

import datetime as dt
import hashlib

import pytest

from pricing.card_file import parse_card
from pricing.errors import RateCardError
from pricing.money import INT64_MAX, NANO, Conversion, Settlement
from pricing.rate_entry import PromptTier, RateEntry

CARD = """\
provider = "evolink"
currency = "CRD"
per_tokens = 1_000_000

[[conversion]]
per_usd = "72"
effective_from = 2026-02-01
source_url = "https://example.com/usd"
checked_on = 2026-11-22

[[conversion]]
per_usd = "68"
effective_from = 2026-10-01T00:00:00+08:00

[[model]]
id = "seed-code"
aliases = ["seed-2-0-code-*", "coder"]
max_input_tokens = 256_000
max_output_tokens = 128_000

[[model.price]]
effective_from = 2026-02-01
effective_to = 2026-05-01
source_url = "https://example.com/code"
checked_on = 2026-11-22
derived = true
cache_storage_per_hour = "0.17"
tiers = [
  { up_to = 32_000,  input = "32", cached_input = "6.4", output = "160" },
  { up_to = 128_000, input = "48", output = "240" },
  { input = "96", cached_input = "96", output = "0" },
]

[[model.price]]
effective_from = 2026-05-01T00:00:00.5Z
tiers = [{ up_to = 1, input = "0.000001", output = "0" }]

[[model]]
id = "seed-mini"

[[model.price]]
effective_from = 2026-02-01
tiers = [{ input = "1", output = "2" }]

[settlement]
quantum = "0.0001"
mode = "ceil"
"""


def refusal(text: str) -> str:
    with pytest.raises(RateCardError) as refused:
        parse_card(text, "rates.toml")
    message = str(refused.value)
    assert refused.value.reason == "rate_card"
    assert "\n" not in message
    return message


def changed(old: str, new: str) -> str:
    """The card with one passage changed; the passage must stand in it."""
    assert CARD.count(old) >= 1
    return CARD.replace(old, new, 1)


# --- what a card says -----------------------------------------------------------------------------------------------


def test_a_card_is_read_whole() -> None:
    file = parse_card(CARD, "rates.toml")
    settlement = Settlement(NANO // 10_000, "ceil", 0)
    february = dt.datetime(2026, 2, 1, tzinfo=dt.UTC)
    assert (file.name, file.provider, file.currency, file.settlement) == ("rates.toml", "evolink", "CRD", settlement)
    assert (file.text, file.digest) == (CARD, hashlib.sha256(CARD.encode()).hexdigest())
    assert file.conversions == (
        Conversion("CRD", 72 * NANO, february, "https://example.com/usd", dt.date(2026, 11, 22)),
        Conversion("CRD", 68 * NANO, dt.datetime(2026, 9, 30, 16, tzinfo=dt.UTC)),
    )
    assert list(file.models) == ["seed-code", "seed-mini"]
    code = file.models["seed-code"]
    assert (code.aliases, code.max_input_tokens, code.max_output_tokens) == (
        ("seed-2-0-code-*", "coder"),
        256_000,
        128_000,
    )
    assert code.entries[0] == RateEntry(
        provider="evolink",
        currency="CRD",
        model="seed-code",
        effective_from=february,
        effective_to=dt.datetime(2026, 5, 1, tzinfo=dt.UTC),
        tiers=(
            # pico a token: 32 credits for 1M tokens are 32 x 10^12 / 10^6
            PromptTier(32_000, 32 * 10**6, 64 * 10**5, 160 * 10**6),
            PromptTier(128_000, 48 * 10**6, None, 240 * 10**6),
            PromptTier(None, 96 * 10**6, 96 * 10**6, 0),
        ),
        cache_storage_pico=17 * 10**4,
        max_input_tokens=256_000,
        max_output_tokens=128_000,
        settlement=settlement,
        source_url="https://example.com/code",
        checked_on=dt.date(2026, 11, 22),
        derived=True,
    )
    assert code.entries[1].effective_from == dt.datetime(2026, 5, 1, 0, 0, 0, 500_000, tzinfo=dt.UTC)
    assert code.entries[1].tiers == (PromptTier(1, 1, None, 0),)
    mini = file.models["seed-mini"]
    assert (mini.aliases, mini.max_input_tokens, mini.entries[0].derived) == ((), None, False)
    assert (mini.entries[0].source_url, mini.entries[0].checked_on) == (None, None)


def test_a_tier_may_hold_for_short_answers_alone() -> None:
    short = '{ up_to = 32_000, output_up_to = 200, input = "16", output = "20" },'
    card = parse_card(CARD.replace("tiers = [\n", f"tiers = [\n  {short}\n", 1), "mine.toml")
    tiers = card.models["seed-code"].entries[0].tiers
    assert [tier.label for tier in tiers] == ["32000/200", "32000", "128000", "unbounded"]
    assert (tiers[0].input_pico, tiers[0].output_pico) == (16 * 10**6, 20 * 10**6)


def test_per_tokens_divides() -> None:
    per_thousand = parse_card(changed("per_tokens = 1_000_000", "per_tokens = 1_000"), "rates.toml")
    assert per_thousand.models["seed-code"].entries[0].tiers[0].input_pico == 32 * 10**9


def test_a_card_may_hold_conversions_alone() -> None:
    text = 'provider = "evolink"\ncurrency = "CRD"\n[[conversion]]\nper_usd = "68"\neffective_from = 2026-10-01\n'
    file = parse_card(text, "rates.toml")
    assert (len(file.models), file.conversions[0].per_usd_nano) == (0, 68 * NANO)


def test_a_card_may_hold_aliases_alone() -> None:
    text = 'provider = "evolink"\ncurrency = "CRD"\n[[model]]\nid = "seed"\naliases = ["s-*"]\n'
    assert parse_card(text, "rates.toml").models["seed"].entries == ()


def test_a_settlement_is_of_prices() -> None:
    alone = 'provider = "p"\ncurrency = "USD"\n[settlement]\nquantum = "1"\nmode = "ceil"\n'
    with pytest.raises(RateCardError, match=r"settlement: holds for the prices beside it; add \[\[model.price\]\]"):
        parse_card(alone, "rates.toml")


def test_a_settlement_says_quantum_mode_and_minimum() -> None:
    file = parse_card(changed('mode = "ceil"', 'mode = "half_up"\nminimum = "0.5"'), "rates.toml")
    assert file.settlement == Settlement(NANO // 10_000, "half_up", NANO // 2)


@pytest.mark.parametrize("mode", ["ceil", "floor", "half_even", "half_up"])
def test_the_four_modes(mode: str) -> None:
    settlement = parse_card(changed('mode = "ceil"', f'mode = "{mode}"'), "rates.toml").settlement
    assert settlement is not None
    assert settlement.mode == mode


# --- what is refused, by file and key -------------------------------------------------------------------------------

REFUSED = [
    # unsorted or overlapping dates
    ("price not sorted", "effective_from = 2026-05-01T00:00:00.5Z", "effective_from = 2026-01-01",
     "model[0].price[1].effective_from: 2026-01-01 is not after the 2026-02-01 before it; sort by date"),
    ("price starts twice", "effective_from = 2026-05-01T00:00:00.5Z", "effective_from = 2026-02-01T08:00:00+08:00",
     "model[0].price[1].effective_from: 2026-02-01 is not after the 2026-02-01 before it"),
    ("prices overlap", "effective_to = 2026-05-01", "effective_to = 2026-05-02",
     "model[0].price[1].effective_from: 2026-05-01T00:00:00.500000Z overlaps the entry before, which ends 2026-05-02"),
    ("price ends before it starts", "effective_to = 2026-05-01", "effective_to = 2026-01-31",
     "model[0].price[0].effective_to: 2026-01-31 is not after effective_from 2026-02-01"),
    ("price ends as it starts", "effective_to = 2026-05-01", "effective_to = 2026-02-01",
     "model[0].price[0].effective_to: 2026-02-01 is not after effective_from 2026-02-01"),
    ("conversions not sorted", "effective_from = 2026-10-01T00:00:00+08:00", "effective_from = 2026-01-01",
     "conversion[1].effective_from: 2026-01-01 is not after the 2026-02-01 before it"),
    ("conversion starts twice", "effective_from = 2026-10-01T00:00:00+08:00", "effective_from = 2026-02-01",
     "conversion[1].effective_from: 2026-02-01 is not after"),
    # dates
    ("quoted date", "effective_from = 2026-02-01\neff", 'effective_from = "2026-02-01"\neff',
     "model[0].price[0].effective_from: '2026-02-01' isn't a date"),
    ("local date-time", "effective_from = 2026-05-01T00:00:00.5Z", "effective_from = 2026-05-01T00:00:00",
     "model[0].price[1].effective_from: 2026-05-01T00:00:00 has no offset"),
    ("time of day", "effective_to = 2026-05-01", "effective_to = 08:00:00",
     "model[0].price[0].effective_to: datetime.time(8, 0) isn't a date"),
    ("before year 1", "effective_from = 2026-05-01T00:00:00.5Z", "effective_from = 0001-01-01T00:00:00+08:00",
     "model[0].price[1].effective_from: 0001-01-01T00:00:00+08:00 is outside the years 1 to 9999"),
    ("checked at a time", "checked_on = 2026-11-22", "checked_on = 2026-11-22T00:00:00Z",
     "conversion[0].checked_on: datetime.datetime(2026, 11, 22"),
    ("quoted day", "checked_on = 2026-11-22\nder", 'checked_on = "2026-11-22"\nder',
     "model[0].price[0].checked_on: '2026-11-22' isn't a date"),
    # unsorted or overlapping tiers
    ("tiers not sorted", "up_to = 128_000", "up_to = 31_999",
     "model[0].price[0].tiers[1].up_to: 31999 is not above the 32000 before it"),
    ("tiers of one bound", "up_to = 128_000", "up_to = 32_000",
     "model[0].price[0].tiers[1].up_to: 32000 is not above the 32000 before it"),
    ("bounds of output not sorted", "{ up_to = 128_000,",
     ('{ up_to = 128_000, output_up_to = 200, input = "1", output = "1" },\n'
     '  { up_to = 128_000, output_up_to = 200, input = "1", output = "1" },\n  { up_to = 128_000,'),
     "model[0].price[0].tiers[2].output_up_to: 200 is not above the 200 before it"),
    ("bound of output after the tier of all", "{ input = \"96\"",
     '{ up_to = 128_000, output_up_to = 200, input = "1", output = "1" },\n  { input = "96"',
     "model[0].price[0].tiers[2].up_to: 128000 is not above the 128000 before it"),
    ("long answers without a price", "up_to = 128_000,", "up_to = 128_000, output_up_to = 200,",
     "model[0].price[0].tiers[1].output_up_to: answers above 200 to prompts up to 128000 have no price"),
    ("long answers without a price at the end", "{ input = \"96\"", '{ output_up_to = 200, input = "96"',
     "model[0].price[0].tiers[2].output_up_to: answers above 200 to prompts have no price"),
    ("bound of output of 0", "up_to = 1,", "up_to = 1, output_up_to = 0,",
     "model[0].price[1].tiers[0].output_up_to: expected int >= 1"),
    ("bound left out early", "{ up_to = 128_000, ", "{ ",
     "model[0].price[0].tiers[1].up_to: is missing; only the last tier"),
    ("no tiers", 'tiers = [{ input = "1", output = "2" }]', "tiers = []",
     "model[1].price[0].tiers: expected array of length >= 1"),
    ("bound of 0", "up_to = 1,", "up_to = 0,", "model[0].price[1].tiers[0].up_to: expected int >= 1"),
    ("bound past 64 bits", "up_to = 1,", f"up_to = {2**63},", f"tiers[0].up_to: expected int <= {2**63 - 1}"),
    ("bound a fraction", "up_to = 1,", "up_to = 1.5,", "tiers[0].up_to: expected int | null, got float"),
    # rates
    ("negative rate", 'input = "32"', 'input = "-32"',
     "model[0].price[0].tiers[0].input: '-32' is negative; write '0' or more"),
    ("minus nothing", 'input = "32"', 'input = "-0"', "model[0].price[0].tiers[0].input: '-0' is negative"),
    ("float rate", 'input = "32"', "input = 32.0",
     "model[0].price[0].tiers[0].input: expected str, got float; write text and rates in quotes"),
    ("whole rate without quotes", 'output = "160"', "output = 160",
     "model[0].price[0].tiers[0].output: expected str, got int"),
    ("not a number", 'input = "32"', 'input = "NaN"', "tiers[0].input: 'NaN' isn't a plain decimal"),
    ("not a number, unquoted", 'input = "32"', "input = nan", "tiers[0].input: expected str, got float"),
    ("exponent", 'cached_input = "6.4"', 'cached_input = "64e-1"', "tiers[0].cached_input: '64e-1' isn't a plain"),
    ("comma", 'output = "160"', 'output = "1,60"', "tiers[0].output: '1,60' isn't a plain decimal"),
    ("finer than a pico", 'input = "0.000001"', 'input = "0.0000015"',
     "price[1].tiers[0].input: '0.0000015' for 1000000 tokens is not whole in 10^-12 per token"),
    ("finer than any pico", 'input = "0.000001"', 'input = "0.0000000000001"',
     "price[1].tiers[0].input: '0.0000000000001' isn't a whole number of 1/1000000000000"),
    ("rate past 64 bits", 'output = "160"', f'output = "{INT64_MAX // 10**6 + 1}"',
     "tiers[0].output: '9223372036855' for 1000000 tokens is past 2**63 - 1"),
    ("cached above input", 'cached_input = "6.4"', 'cached_input = "32.000001"',
     "model[0].price[0].tiers[0].cached_input: '32.000001' is above the tier's input rate '32'"),
    ("storage negative", '"0.17"', '"-0.17"', "model[0].price[0].cache_storage_per_hour: '-0.17' is negative"),
    ("storage float", '"0.17"', "0.17", "model[0].price[0].cache_storage_per_hour: expected str | null, got float"),
    # conversions
    ("conversion of 0", 'per_usd = "72"', 'per_usd = "0"', "conversion[0].per_usd: '0' units for 1 USD"),
    ("conversion of 0.0", 'per_usd = "72"', 'per_usd = "0.0"', "conversion[0].per_usd: '0.0' units for 1 USD"),
    ("conversion negative", 'per_usd = "72"', 'per_usd = "-72"', "conversion[0].per_usd: '-72' is negative"),
    ("conversion float", 'per_usd = "72"', "per_usd = 72.0", "conversion[0].per_usd: expected str, got float"),
    ("conversion too fine", 'per_usd = "72"', 'per_usd = "7.2000000001"', "conversion[0].per_usd: '7.2000000001' is"),
    ("conversion past 64 bits", 'per_usd = "72"', 'per_usd = "9223372037"', "conversion[0].per_usd: '9223372037' unit"),
    ("conversion on a dollar card", '"CRD"', '"USD"', "conversion: a card in USD needs no conversion to USD"),
    # names
    ("model twice", 'id = "seed-mini"', 'id = "seed-code"', "model[1].id: 'seed-code' is an earlier model's id too"),
    ("empty id", 'id = "seed-mini"', 'id = ""', "model[1].id: '' isn't a model id"),
    ("id with star", 'id = "seed-mini"', 'id = "seed-*"', "model[1].id: 'seed-*' isn't a model id"),
    ("id with escape", 'id = "seed-mini"', 'id = "\\u001b[31m"', r"model[1].id: '\x1b[31m' isn't a model id"),
    ("id too long", 'id = "seed-mini"', f'id = "{"x" * 201}"', "model[1].id: 'xxx"),
    ("alias with star inside", '"coder"', '"co*er"', "model[0].aliases[1]: 'co*er' isn't an alias"),
    ("alias with two stars", '"coder"', '"co**"', "model[0].aliases[1]: 'co**' isn't an alias"),
    ("alias with blank", '"coder"', '"co der"', "model[0].aliases[1]: 'co der' isn't an alias"),
    ("alias twice", '"coder"', '"seed-2-0-code-*"', "model[0].aliases[1]: 'seed-2-0-code-*' is given twice on this"),
    ("alias like its id", '"coder"', '"seed-code"', "model[0].aliases[1]: 'seed-code' is given twice on this model"),
    ("provider with slash", '"evolink"', '"evo/link"', "provider: 'evo/link' isn't a provider name"),
    ("provider empty", '"evolink"', '""', "provider: '' isn't a provider name"),
    ("currency unknown", '"CRD"', '"CRDT"', "currency: 'CRDT' is neither CRD nor an ISO 4217 code"),
    ("currency in small", '"CRD"', '"cny"', "currency: 'cny' is neither CRD nor an ISO 4217 code"),
    ("source with escape", '"https://example.com/usd"', '"\\u001b[31m"', r"conversion[0].source_url: '\x1b[31m' has"),
    ("price source with escape", '"https://example.com/code"', '"a\\nb"', r"model[0].price[0].source_url: 'a\nb' has"),
    # keys
    ("unknown key", 'currency = "CRD"', 'currency = "CRD"\ncolour = 1', "colour: isn't a key of this file"),
    ("unknown key in a tier", "up_to = 1,", "up_to = 1, inputs = 1,", "price[1].tiers[0].inputs: isn't a key o"),
    ("unknown key in a price", "derived = true", 'currency = "CNY"', "model[0].price[0].currency: isn't a key of this"),
    ("unknown key with escape", "derived = true", '"\\u001b[31m" = 1', r"price[0].'\x1b[31m': isn't a key of this fil"),
    ("key missing", 'provider = "evolink"\n', "", "provider: is missing; add it"),
    ("key of a tier missing", 'input = "0.000001", ', "", "model[0].price[1].tiers[0].input: is missing; add it"),
    ("start missing", "effective_from = 2026-05-01T00:00:00.5Z\n", "", "model[0].price[1].effective_from: is missing"),
    ("per_tokens missing", "per_tokens = 1_000_000\n", "", "per_tokens: is missing; say how many tokens"),
    ("per_tokens of 0", "per_tokens = 1_000_000", "per_tokens = 0", "per_tokens: expected int >= 1"),
    ("price no table", '[[model]]\nid = "seed-mini"', '[[model]]\nid = "x"\nprice = 3\n[[model]]\nid = "seed-mini"',
     "model[1].price: expected array, got int"),
    ("derived no bool", "derived = true", 'derived = "true"', "model[0].price[0].derived: expected bool, got str"),
    ("limit of 0", "max_input_tokens = 256_000", "max_input_tokens = 0", "model[0].max_input_tokens: expected int >="),
    ("limit true", "max_output_tokens = 128_000", "max_output_tokens = true", "model[0].max_output_tokens: expected i"),
    # settlement
    ("mode unknown", 'mode = "ceil"', 'mode = "up"', "settlement.mode: invalid enum value 'up'"),
    ("quantum of 0", 'quantum = "0.0001"', 'quantum = "0"', "settlement.quantum: '0' is not above 0"),
    ("quantum negative", 'quantum = "0.0001"', 'quantum = "-1"', "settlement.quantum: '-1' is negative"),
    ("quantum too fine", 'quantum = "0.0001"', 'quantum = "0.0000000001"', "settlement.quantum: '0.0000000001' isn't"),
    ("quantum too large", 'quantum = "0.0001"', 'quantum = "9223373"', "settlement.quantum: '9223373' is not above 0"),
    ("minimum negative", 'mode = "ceil"', 'mode = "ceil"\nminimum = "-1"', "settlement.minimum: '-1' is negative"),
    ("minimum too large", 'mode = "ceil"', 'mode = "ceil"\nminimum = "9223373"', "settlement.minimum: '9223373' is no"),
    ("settlement unknown key", 'mode = "ceil"', 'mode = "ceil"\nmax = "1"', "settlement.max: isn't a key of this file"),
    # TOML itself
    ("broken", 'provider = "evolink"', "provider = evolink", "rates.toml: Invalid value (at line 1, column 12)"),
    ("key twice", 'currency = "CRD"', 'currency = "CRD"\ncurrency = "CRD"', "rates.toml: Cannot overwrite a value"),
    ("nested too deep", 'provider = "evolink"', "provider = " + "[" * 100_000, "rates.toml: "),
]  # fmt: skip


@pytest.mark.parametrize(("old", "new", "words"), [case[1:] for case in REFUSED], ids=[case[0] for case in REFUSED])
def test_refused_by_file_and_key(old: str, new: str, words: str) -> None:
    message = refusal(changed(old, new))
    assert message.startswith("rates.toml: ")
    assert words in message


def test_an_entry_may_begin_at_the_very_end_of_the_one_before() -> None:
    file = parse_card(changed("effective_from = 2026-05-01T00:00:00.5Z", "effective_from = 2026-05-01"), "rates.toml")
    first, second = file.models["seed-code"].entries
    assert first.effective_to == second.effective_from


def test_limits_without_a_price_are_refused() -> None:
    text = 'provider = "evolink"\ncurrency = "CRD"\n[[model]]\nid = "seed"\n'
    for limit in ("max_input_tokens = 5", "max_output_tokens = 5"):
        assert "model[0]: limits hold for the prices beside them" in refusal(text + limit)


def test_the_largest_rate_quantum_and_conversion_are_accepted() -> None:
    most_per_million = INT64_MAX // 10**6
    file = parse_card(changed('output = "160"', f'output = "{most_per_million}"'), "rates.toml")
    assert file.models["seed-code"].entries[0].tiers[0].output_pico == most_per_million * 10**6
    file = parse_card(changed('quantum = "0.0001"', 'quantum = "9223372"'), "rates.toml")
    assert file.settlement == Settlement(9_223_372 * NANO, "ceil")
    file = parse_card(changed('per_usd = "72"', 'per_usd = "9223372036.854775807"'), "rates.toml")
    assert file.conversions[0].per_usd_nano == INT64_MAX


def test_a_refusal_of_a_long_value_stays_short() -> None:
    assert len(refusal(changed('provider = "evolink"', f'provider = "{"x" * 100_000}"'))) < 300
    assert len(refusal(changed('input = "32"', f'input = "{"3" * 100_000}"'))) < 300
