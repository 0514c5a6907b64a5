"""Amounts as bills write them: one reading or a refusal that names both, never a guess."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.values.figures import DecimalMark, parse_figure
from pricing.money import NANO, format_nano


@pytest.mark.parametrize(
    ("text", "nano", "places"),
    [
        ("1234.5", 1_234_500_000_000, 1),
        ("1.234", 1_234_000_000, 3),
        (".5", 500_000_000, 1),
        ("5.", 5 * NANO, 0),
        ("-0.0204", -20_400_000, 4),
        ("\u22120.0204", -20_400_000, 4),
        ("+1", NANO, 0),
        ("2.833333E-4", 283_333, 9),
        ("1e3", 1_000 * NANO, 0),
        ("0.0002833333333333333", 283_333, 9),
        ("0.13333333333333333", 133_333_333, 9),
        ("9,6", 9_600_000_000, 1),
        ("0,0204", 20_400_000, 4),
        ("0,204", 204_000_000, 3),
        ("2,83E-4", 283_000, 6),
        ("1,234.5", 1_234_500_000_000, 1),
        ("1.234,5", 1_234_500_000_000, 1),
        ("1,234,567", 1_234_567 * NANO, 0),
        ("1.234.567", 1_234_567 * NANO, 0),
        ("1 234,56", 1_234_560_000_000, 2),
        ("1\u00a0234,56", 1_234_560_000_000, 2),
        ("1\u202f234\u202f567", 1_234_567 * NANO, 0),
        ("1'234.56", 1_234_560_000_000, 2),
        ("(1.20)", -1_200_000_000, 2),
        ("  7 ", 7 * NANO, 0),
    ],
)
def test_amounts_with_one_reading(text: str, nano: int, places: int) -> None:
    assert parse_figure(text)[:3] == (nano, places, None)


@pytest.mark.parametrize(
    ("text", "mark", "nano"),
    [
        ("1,234", ".", 1_234 * NANO),
        ("1,234", ",", 1_234_000_000),
        ("1.234", ",", 1_234 * NANO),
        ("1.234", ".", 1_234_000_000),
        ("12.345,6", ",", 12_345_600_000_000),
        ("7", ",", 7 * NANO),
    ],
)
def test_a_known_decimal_mark_decides(text: str, mark: DecimalMark, nano: int) -> None:
    assert parse_figure(text, mark).nano == nano


@pytest.mark.parametrize(
    ("text", "currency"),
    [
        ("$1.50", "USD"), ("US$ 1.50", "USD"), ("-$1.50", "USD"), ("1.50 USD", "USD"),
        ("$1.50 USD", "USD"), ("1,50 €", "EUR"), ("€1,50", "EUR"), ("£1.50", "GBP"), ("¥1.50", "CNY"),
        ("1.50元", "CNY"),
        ("1.50 credits", "CRD"), ("CRD 1.50", "CRD"), ("1.50crd", "CRD"), ("($1.50)", "USD"), ("1.50", None),
    ],
)  # fmt: skip
def test_a_sign_or_code_beside_the_digits_is_the_currency(text: str, currency: str | None) -> None:
    found = parse_figure(text)
    assert (abs(found.nano), found.currency) == (1_500_000_000, currency)


@pytest.mark.parametrize("text", ["1,234", "-1,234", "$1,234", "999,999"])
def test_two_readings_are_refused_and_both_named(text: str) -> None:
    with pytest.raises(ValueError, match=r"may be .* or .*: --decimal \. or --decimal , says which"):
        parse_figure(text)


@pytest.mark.parametrize(
    "text",
    [
        "", " ", "-", "n/a", "NaN", "inf", "1e99999", "1,23,456", "12,34.5", "1.2.3", "1,2,3", "0x10", "1_000", "--1",
        "1.5.", "$", "1 2", "1.5 USD EUR", "$1.5 EUR", "1.5 apples", "1.50-", "٣", "1,234,56", "5%", "1-2",
    ],
)  # fmt: skip
def test_what_is_no_amount_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"amount|beside|beyond"):
        parse_figure(text)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("-", "write zero as 0"), (" – ", "write zero as 0"), ("5.00-", r"sign first, such as -5\.00"),
        ("1,234.50-", r"-1,234\.50"), ("1,234.5 CR", "its sign by CR"), ("$5.00 DR", "its sign by DR"),
    ],
)  # fmt: skip
def test_what_accountants_write_is_refused_with_what_to_write(text: str, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        parse_figure(text)


@given(st.integers(-(10**17), 10**17), st.sampled_from([(",", "."), (".", ","), (" ", ","), ("'", ".")]))
def test_grouped_digits_are_the_plain_number(nano: int, marks: tuple[str, DecimalMark]) -> None:
    group, mark = marks
    whole, _, fraction = format_nano(abs(nano)).partition(".")
    text = f"{'-' if nano < 0 else ''}{int(whole):,}".replace(",", group) + (f"{mark}{fraction}" if fraction else "")
    assert parse_figure(text, mark).nano == nano
