from __future__ import annotations

from decimal import ROUND_CEILING, ROUND_FLOOR, ROUND_HALF_EVEN, ROUND_HALF_UP, Decimal
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pricing.money import (
    CURRENCIES,
    INT64_MAX,
    NANO,
    NANO_HALF_EVEN,
    PICO,
    RunningUsd,
    Settlement,
    SettlementMode,
    divide_half_even,
    format_nano,
    format_pico,
    format_rate,
    format_usd,
    parse_units,
    round_units,
    round_usd,
    usd_fraction,
)

DECIMAL_ROUNDING = {
    "ceil": ROUND_CEILING,
    "floor": ROUND_FLOOR,
    "half_even": ROUND_HALF_EVEN,
    "half_up": ROUND_HALF_UP,
}
MODES: list[SettlementMode] = ["ceil", "floor", "half_even", "half_up"]


@pytest.mark.parametrize(
    ("text", "scale", "units"),
    [
        ("0", NANO, 0),
        ("32", NANO, 32 * 10**9),
        ("6.4", NANO, 64 * 10**8),
        ("6.400", NANO, 64 * 10**8),
        ("-0.5", NANO, -5 * 10**8),
        ("0.000000001", NANO, 1),
        ("0.000000000001", PICO, 1),
        ("0.0000000010", NANO, 1),
        ("007", PICO, 7 * 10**12),
    ],
)
def test_plain_decimals_are_read_exactly(text: str, scale: int, units: int) -> None:
    assert parse_units(text, scale) == units


@pytest.mark.parametrize(
    "text",
    [
        "",
        " 1",
        "1 ",
        "1\n",
        "+1",
        "1e3",
        "1E-3",
        "1_000",
        "1,000",
        ".5",
        "5.",
        "--1",
        "NaN",
        "inf",
        "0x10",
        "१",
        "1.2.3",
    ],
)
def test_anything_but_a_plain_decimal_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="plain decimal"):
        parse_units(text, NANO)


def test_absurdly_long_decimals_are_refused() -> None:
    assert parse_units("9" * 40 + "." + "0" * 40, NANO) == (10**40 - 1) * NANO
    with pytest.raises(ValueError, match="plain decimal"):
        parse_units("9" * 41, NANO)
    with pytest.raises(ValueError, match="plain decimal"):
        parse_units("0." + "0" * 41, NANO)


def test_digits_finer_than_the_unit_are_refused_not_rounded() -> None:
    with pytest.raises(ValueError, match=r"'0\.0000000015' isn't a whole number of 1/1000000000"):
        parse_units("0.0000000015", NANO)


@pytest.mark.parametrize(
    ("amount_nano", "text"),
    [
        (0, "0"),
        (2_400_000, "0.0024"),
        (NANO, "1"),
        (10 * NANO, "10"),
        (-1, "-0.000000001"),
        (-15 * 10**8, "-1.5"),
        (123_456_789_123, "123.456789123"),
    ],
)
def test_amounts_print_exactly_without_padding(amount_nano: int, text: str) -> None:
    assert format_nano(amount_nano) == text


def test_rates_print_exactly_without_padding() -> None:
    assert format_pico(32 * PICO // 10**6) == "0.000032"
    assert format_pico(1) == "0.000000000001"
    assert format_rate(32 * PICO // 10**6, "input") == format_rate(32 * PICO // 10**6, "cache_storage") == "32"
    assert format_rate(32 * PICO // 10**6, "call") == "0.000032"


@given(st.integers(-(10**30), 10**30))
def test_reading_what_was_printed_gives_the_same_amount(amount_nano: int) -> None:
    assert parse_units(format_nano(amount_nano), NANO) == amount_nano
    assert Fraction(format_nano(amount_nano)) == Fraction(amount_nano, NANO)


@pytest.mark.parametrize(
    ("numerator", "quotient"),
    [(1_499, 1), (1_500, 2), (1_501, 2), (2_499, 2), (2_500, 2), (2_501, 3), (-1_500, -2), (-2_500, -2), (-2_501, -3)],
)
def test_halves_go_to_the_even_neighbour(numerator: int, quotient: int) -> None:
    assert divide_half_even(numerator, 1_000) == quotient


@given(st.integers(-(10**25), 10**25), st.integers(1, 10**12))
def test_division_rounds_like_fractions_do(numerator: int, denominator: int) -> None:
    assert divide_half_even(numerator, denominator) == round(Fraction(numerator, denominator))


@pytest.mark.parametrize(
    ("amount_pico", "ceil", "floor", "half_even", "half_up"),
    [
        (0, 0, 0, 0, 0),
        (1, 1, 0, 0, 0),
        (499, 1, 0, 0, 0),
        (500, 1, 0, 0, 1),
        (501, 1, 0, 1, 1),
        (1_000, 1, 1, 1, 1),
        (1_500, 2, 1, 2, 2),
        (2_500, 3, 2, 2, 3),
    ],
)
def test_each_mode_at_each_side_of_the_half(
    amount_pico: int, ceil: int, floor: int, half_even: int, half_up: int
) -> None:
    expected = {"ceil": ceil, "floor": floor, "half_even": half_even, "half_up": half_up}
    assert {mode: Settlement(1, mode).settle(amount_pico, 1) for mode in MODES} == expected
    pico, tokens = np.array([amount_pico]), np.array([1])
    assert {mode: Settlement(1, mode).settle_columns(pico, tokens).tolist() for mode in MODES} == {
        mode: [amount_nano] for mode, amount_nano in expected.items()
    }


def test_a_quantum_of_a_ten_thousandth_rounds_lines_up_to_it() -> None:
    settlement = Settlement(NANO // 10_000, "ceil")
    assert settlement.settle(1, tokens=1) == 100_000
    assert settlement.settle(100_000 * 1_000, tokens=1) == 100_000
    assert settlement.settle(100_000 * 1_000 + 1, tokens=1) == 2 * 100_000


def test_the_minimum_holds_for_lines_with_tokens_only() -> None:
    settlement = Settlement(1, "half_even", minimum_nano=50)
    assert settlement.settle(49_000, tokens=1) == 50
    assert settlement.settle(51_000, tokens=1) == 51
    assert settlement.settle(0, tokens=1) == 50
    assert settlement.settle(0, tokens=0) == 0


settlements = st.builds(
    Settlement,
    quantum_nano=st.one_of(st.integers(1, 50), st.integers(1, INT64_MAX // 1_000)),
    mode=st.sampled_from(MODES),
    minimum_nano=st.one_of(st.just(0), st.integers(0, INT64_MAX // 1_000)),
)
picos = st.one_of(st.integers(0, 10**6), st.integers(0, INT64_MAX))


@given(settlements, picos, st.integers(0, 2))
def test_settlement_is_decimal_quantizing(settlement: Settlement, amount_pico: int, tokens: int) -> None:
    quanta = Fraction(amount_pico, settlement.quantum_nano * 1_000)
    whole, rest = divmod(quanta.numerator, quanta.denominator)
    # what rounding sees of the rest: below, at or above the half, or none
    near = Decimal(whole) + (Decimal((2 * rest > quanta.denominator) - (2 * rest < quanta.denominator)) + 2) / 4
    rounded = int((near if rest else Decimal(whole)).to_integral_value(DECIMAL_ROUNDING[settlement.mode]))
    expected = rounded * settlement.quantum_nano
    assert settlement.settle(amount_pico, tokens) == (max(expected, settlement.minimum_nano) if tokens else expected)


@given(settlements, st.lists(st.tuples(picos, st.integers(0, 2)), max_size=20))
def test_settling_columns_is_settling_each_row(settlement: Settlement, rows: list[tuple[int, int]]) -> None:
    amounts = np.array([pico for pico, _ in rows], np.int64)
    tokens = np.array([count for _, count in rows], np.int64)
    expected = [settlement.settle(pico, count) for pico, count in rows]
    assert settlement.settle_columns(amounts, tokens).tolist() == expected


@given(picos)
def test_without_settlement_lines_are_half_even_to_nano(amount_pico: int) -> None:
    assert NANO_HALF_EVEN.settle(amount_pico, 1) == divide_half_even(amount_pico, 1_000)


def test_currencies_are_credits_and_iso_codes() -> None:
    assert {"CRD", "CNY", "USD", "EUR"} <= CURRENCIES
    assert all(len(code) == 3 and code.isupper() for code in CURRENCIES)


# --- USD ------------------------------------------------------------------------------------------------------------


def test_usd_is_rounded_once_for_the_whole_set() -> None:
    thirds = [(NANO, 3 * NANO)] * 3  # three times a third of a dollar
    assert usd_fraction(thirds) == 1
    assert format_usd(usd_fraction(thirds)) == "1"
    assert format_usd(usd_fraction(thirds[:1])) == "0.333333333"
    assert format_usd(usd_fraction(thirds[:2])) == "0.666666667"


def test_seventy_two_credits_are_a_dollar() -> None:
    assert usd_fraction([(72 * NANO, 72 * NANO)]) == 1
    assert format_usd(usd_fraction([(32 * NANO, 72 * NANO)])) == "0.444444444"  # the pricing page prints $0.444
    assert format_usd(usd_fraction([(64 * NANO // 10, 72 * NANO)])) == "0.088888889"  # and $0.089


def test_conversions_add_up_as_fractions() -> None:
    usd = usd_fraction([(72 * NANO, 72 * NANO), (34 * NANO, 68 * NANO), (NANO // 4, None)])
    assert usd == Fraction(1) + Fraction(1, 2) + Fraction(1, 4)
    assert usd_fraction([]) == 0


def test_an_exact_half_of_a_nano_dollar_goes_to_even() -> None:
    assert round_usd(Fraction(1, 2 * NANO)) == 0
    assert round_usd(Fraction(3, 2 * NANO)) == 2
    assert round_usd(Fraction(-3, 2 * NANO)) == -2


parts = st.lists(
    st.tuples(st.integers(-(10**20), 10**20), st.sampled_from([72 * NANO, 68 * NANO, 7_200_000_000, 3, None])),
    max_size=40,
)


@given(parts)
def test_the_differences_of_the_running_total_add_up_to_the_rounded_total(rows: list[tuple[int, int | None]]) -> None:
    running = RunningUsd()
    moves = [running.add(amount_nano, per_usd_nano) for amount_nano, per_usd_nano in rows]
    for count in range(len(rows) + 1):
        assert sum(moves[:count]) == round_usd(usd_fraction(rows[:count]))
    assert running.total_nano == sum(moves)


@given(parts, st.randoms())
def test_the_order_of_amounts_does_not_matter(rows: list[tuple[int, int | None]], random: object) -> None:
    shuffled = list(rows)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    assert usd_fraction(shuffled) == usd_fraction(rows)


def test_a_running_total_rounds_each_time() -> None:
    running = RunningUsd()
    assert [running.add(NANO, 3 * NANO) for _ in range(3)] == [333_333_333, 333_333_334, 333_333_333]


@pytest.mark.parametrize(
    ("text", "units"),
    [
        ("9.33e-05", 93_300),
        (" 9.33333333333e-05 ", 93_333),
        ("-6.4", -6_400_000_000),
        ("0.0000000005", 0),  # half a nano goes to the even neighbour
        ("0.0000000015", 2),
        ("1.7e-10", 0),
        ("0e999999999", 0),
        ("1e-999999999", 0),
        ("1e60", 10**69),
    ],
)
def test_figures_to_compare_are_rounded_half_even_once(text: str, units: int) -> None:
    assert round_units(text, NANO) == units


@pytest.mark.parametrize("text", ["", "nan", "inf", "1,5", "0x1", "1" * 401])
def test_what_is_no_finite_decimal_is_refused_by_name(text: str) -> None:
    with pytest.raises(ValueError, match="isn't a finite decimal such as"):
        round_units(text, NANO)


@pytest.mark.parametrize("text", ["1e61", "-1e999999999"])
def test_figures_beyond_any_amount_are_refused_before_they_are_worked_with(text: str) -> None:
    with pytest.raises(ValueError, match="is beyond any amount"):
        round_units(text, NANO)
