from __future__ import annotations

import datetime as dt
from pathlib import Path

import pytest

from pricing import RateCard, RateCardError, TokenUsage, load_rate_cards, price_usage
from pricing.card_file import CardFile, parse_card
from pricing.catalog import built_in_card_files, changed_entries, merge_cards, read_card_file
from pricing.money import NANO

FEBRUARY = dt.datetime(2026, 2, 1, tzinfo=dt.UTC)
CODE = "doubao-seed-2.0-code"


def card_file(body: str, *, currency: str = "CRD", provider: str = "evolink", name: str = "mine.toml") -> CardFile:
    return parse_card(f'provider = "{provider}"\ncurrency = "{currency}"\nper_tokens = 1_000_000\n{body}', name)


def conversion(per_usd: str, start: str) -> str:
    return f'[[conversion]]\nper_usd = "{per_usd}"\neffective_from = {start}\n'


def model(name: str, *prices: str, aliases: str = "[]", limits: str = "") -> str:
    return f'[[model]]\nid = "{name}"\naliases = {aliases}\n{limits}\n' + "".join(prices)


def price(start: str, rate: str = "1", more: str = "") -> str:
    return f'[[model.price]]\neffective_from = {start}\n{more}\ntiers = [{{ input = "{rate}", output = "{rate}" }}]\n'


def merged(*files: CardFile) -> RateCard:
    """The evolink card of the built-in files and these."""
    return merge_cards([*built_in_card_files(), *files])["evolink"]


def refusal(*files: CardFile) -> str:
    with pytest.raises(RateCardError) as refused:
        merged(*files)
    assert refused.value.reason == "rate_card"
    return str(refused.value)


# --- reading --------------------------------------------------------------------------------------------------------


def test_files_add_to_the_built_in_cards(tmp_path: Path) -> None:
    mine = tmp_path / "mine.toml"
    mine.write_text(
        'provider = "other"\ncurrency = "USD"\nper_tokens = 1\n' + model("seed", price("2026-03-01", "2")), "utf-8"
    )
    cards = load_rate_cards(mine)
    assert sorted(cards) == ["evolink", "other", "volcengine"]
    march = dt.datetime(2026, 3, 1, tzinfo=dt.UTC)
    assert price_usage(TokenUsage(3), card=cards["other"], model="seed", at=march).amount_nano == 3 * 2 * NANO
    assert sorted(load_rate_cards()) == ["evolink", "volcengine"]
    assert load_rate_cards(str(mine)).keys() == cards.keys()


def test_a_file_that_cannot_be_read_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(RateCardError, match=r"gone\.toml: can't be read as UTF-8 text: .*No such file"):
        load_rate_cards(tmp_path / "gone.toml")
    latin = tmp_path / "latin.toml"
    latin.write_bytes("provider = 'é'".encode("latin-1"))
    with pytest.raises(RateCardError, match=r"latin\.toml: can't be read as UTF-8 text: .*0xe9"):
        read_card_file(latin)
    with pytest.raises(RateCardError, match="can't be read as UTF-8 text"):
        read_card_file(tmp_path)


def test_refusals_name_the_path_given(tmp_path: Path) -> None:
    mine = tmp_path / "mine.toml"
    mine.write_text('provider = "evolink"\n', "utf-8")
    with pytest.raises(RateCardError, match=r"mine\.toml: currency: is missing; add it"):
        load_rate_cards(mine)


# --- adding up ------------------------------------------------------------------------------------------------------


def test_a_dated_entry_takes_over_from_its_start() -> None:
    card = merged(card_file(model(CODE, price("2026-06-01", "50"))))
    june = dt.datetime(2026, 6, 1, tzinfo=dt.UTC)
    assert [entry.effective_from for entry in card.models[CODE].entries] == [FEBRUARY, june]
    assert card.entry_at(CODE, june - dt.timedelta(microseconds=1)).tiers[0].input_pico == 32 * 10**6
    assert card.entry_at(CODE, june).tiers[0].input_pico == 50 * 10**6


def test_an_entry_may_stand_before_the_oldest() -> None:
    card = merged(card_file(conversion("72", "2026-01-01") + model(CODE, price("2026-01-01"))))
    assert card.models[CODE].entries[0].effective_from == dt.datetime(2026, 1, 1, tzinfo=dt.UTC)


def test_a_later_file_beats_an_earlier_one_at_the_same_start() -> None:
    first, second = card_file(model(CODE, price("2026-02-01", "50"))), card_file(model(CODE, price("2026-02-01", "60")))
    assert merged(first).entry_at(CODE, FEBRUARY).tiers[0].input_pico == 50 * 10**6
    assert merged(first, second).entry_at(CODE, FEBRUARY).tiers[0].input_pico == 60 * 10**6
    assert len(merged(first, second).models[CODE].entries) == 1


def test_an_identical_entry_changes_nothing() -> None:
    built_in = built_in_card_files()[0]
    card = merged(parse_card(built_in.text.replace("checked_on = 2026-11-22", "checked_on = 2026-12-24"), "mine.toml"))
    assert card.entry_at(CODE, FEBRUARY) is built_in.models[CODE].entries[0]


def test_a_new_model_and_new_names_add_to_the_card() -> None:
    card = merged(
        card_file(model("seed-3", price("2026-06-01"), limits="max_input_tokens = 5\nmax_output_tokens = 6")),
        card_file(model(CODE, aliases='["coder", "doubao-seed-2-0-code-*"]')),
    )
    assert card.resolve("seed-3") == "seed-3"
    assert card.resolve("coder") == CODE
    assert card.models[CODE].aliases == ("doubao-seed-2-0-code-*", "coder")
    assert (card.models["seed-3"].max_input_tokens, card.models["seed-3"].max_output_tokens) == (5, 6)


def test_the_limits_shown_are_those_of_the_newest_entry() -> None:
    limits = "max_input_tokens = 512_000\nmax_output_tokens = 1_000"
    rates = merged(card_file(model(CODE, price("2026-06-01"), limits=limits))).models[CODE]
    assert (rates.max_input_tokens, rates.max_output_tokens) == (512_000, 1_000)
    assert [entry.max_input_tokens for entry in rates.entries] == [256_000, 512_000]


def test_a_later_file_that_leaves_the_limits_out_keeps_those_before_its_entry() -> None:
    rates = merged(card_file(model(CODE, price("2026-06-01")))).models[CODE]
    assert [entry.max_input_tokens for entry in rates.entries] == [256_000, 256_000]
    assert (rates.max_input_tokens, rates.max_output_tokens) == (256_000, 128_000)
    one = "max_output_tokens = 1_000"
    rates = merged(
        card_file(model(CODE, price("2026-06-01"), limits=one)), card_file(model(CODE, price("2026-08-01")))
    ).models[CODE]
    assert [entry.max_output_tokens for entry in rates.entries] == [128_000, 1_000, 1_000]
    assert [entry.max_input_tokens for entry in rates.entries] == [256_000] * 3


def test_an_entry_that_differs_by_the_limits_of_its_place_alone_is_identical() -> None:
    current = merged(card_file(model(CODE, price("2026-06-01"))))
    assert changed_entries(current, card_file(model(CODE, price("2026-06-01")))) == []


def test_a_settlement_holds_from_the_entries_of_its_file_on() -> None:
    settled = card_file(model(CODE, price("2026-06-01")) + '[settlement]\nquantum = "1"\nmode = "ceil"\n')
    entries = merged(settled, card_file(model(CODE, price("2026-08-01")))).models[CODE].entries
    assert [entry.settlement for entry in entries] == [None, settled.settlement, settled.settlement]


def test_conversions_join_by_date_and_the_later_file_wins() -> None:
    card = merged(card_file(conversion("68", "2026-10-01")), card_file(conversion("70", "2026-02-01")))
    assert [(found.effective_from.month, found.per_usd_nano // NANO) for found in card.conversions] == [
        (2, 70),
        (10, 68),
    ]


# --- what only the whole can tell -----------------------------------------------------------------------------------


def test_another_currency_is_refused() -> None:
    words = "mine.toml: currency: 'CNY' differs from 'CRD' of provider 'evolink'"
    assert words in refusal(card_file(conversion("7", "2026-02-01"), currency="CNY"))


def test_a_name_of_another_model_is_refused() -> None:
    stolen = card_file(model("seed-3", price("2026-06-01"), aliases='["x", "doubao-seed-2-0-code-*"]'))
    words = f"mine.toml: model[0].aliases[1]: 'doubao-seed-2-0-code-*' is claimed by model '{CODE}' too"
    assert words in refusal(stolen)


def test_an_alias_like_another_id_is_refused_either_way_round() -> None:
    alias = card_file(model("seed-3", price("2026-06-01"), aliases=f'["{CODE}"]'))
    assert f"mine.toml: model[0].aliases[0]: '{CODE}' is claimed by model '{CODE}' too" in refusal(alias)
    named = card_file(model(CODE, aliases='["coder"]'), name="first.toml")
    taken = card_file(model("seed-3", price("2026-06-01")) + model("coder", price("2026-06-01")))
    assert f"mine.toml: model[1].id: 'coder' is claimed by model '{CODE}' too" in refusal(named, taken)


def test_two_models_of_one_file_with_one_alias_are_refused() -> None:
    both = card_file(
        model("a", price("2026-06-01"), aliases='["s-*"]') + model("b", price("2026-06-01"), aliases='["s-*"]')
    )
    assert "mine.toml: model[0].aliases[0]: 's-*' is claimed by model 'b' too" in refusal(both)


def test_nested_patterns_are_no_clash() -> None:
    nested = card_file(model("a", price("2026-06-01"), aliases='["doubao-seed-2-0-code-preview-*"]'))
    assert merged(nested).resolve("doubao-seed-2-0-code-preview-260215") == "a"


def test_a_model_that_no_file_prices_is_refused() -> None:
    assert "mine.toml: model[0].price: is missing; model 'seed-3' has no price yet" in refusal(
        card_file(model("seed-3"))
    )
    later = card_file(model("seed-3", price("2026-06-01")), name="later.toml")
    assert len(merged(card_file(model("seed-3")), later).models["seed-3"].entries) == 1


def test_days_without_a_conversion_are_refused() -> None:
    early = card_file(model("x", price("2026-06-01")) + model(CODE, price("2026-01-31"), price("2026-07-01")))
    words = "model[1].price[0].effective_from: 2026-01-31 is before the first conversion of CRD to USD (2026-02-01)"
    assert f"mine.toml: {words}" in refusal(early)


def test_a_card_without_any_conversion_is_refused_unless_in_dollars() -> None:
    for currency in ("CNY", "CRD"):
        with pytest.raises(RateCardError, match=r"model\[0\]\.price\[0\]\.effective_from: .* of C.. to USD \(none\)"):
            merge_cards([card_file(model("x", price("2026-06-01")), currency=currency)])
    dollars = card_file(model("x", price("2026-06-01")), currency="USD")
    assert merge_cards([dollars])["evolink"].currency == "USD"


def test_conversions_alone_are_a_card_without_models() -> None:
    card = merge_cards([card_file(conversion("68", "2026-10-01"))])["evolink"]
    assert (len(card.models), len(card.conversions)) == (0, 1)


# --- what a file would change ---------------------------------------------------------------------------------------


def test_the_same_start_with_other_figures_is_named_by_the_key_it_replaces() -> None:
    current = merged()
    other = card_file(model(CODE, price("2026-02-01", "50"), price("2026-06-01")))
    assert changed_entries(current, other) == [current.entry_at(CODE, FEBRUARY).key]


def test_another_conversion_from_the_same_day_is_a_change() -> None:
    other = card_file(conversion("68", "2026-02-01") + conversion("70", "2026-10-01"))
    assert changed_entries(merged(), other) == ["evolink/conversion/2026-02-01"]


def test_a_file_that_says_what_stands_changes_nothing() -> None:
    for file in built_in_card_files():
        current = merge_cards(built_in_card_files())[file.provider]
        assert changed_entries(current, file) == []


@pytest.mark.parametrize(
    "body",
    [
        conversion("72", "2026-03-01"),
        model(CODE, price("2026-06-01")),
        model("seed-3", price("2026-06-01")),
        model(CODE, aliases='["coder"]'),
    ],
)
def test_a_file_that_adds_something_changes_nothing(body: str) -> None:
    assert changed_entries(merged(), card_file(body)) == []


def test_to_no_card_everything_is_new() -> None:
    first = card_file(conversion("72", "2026-02-01"))
    assert changed_entries(None, first) == []
