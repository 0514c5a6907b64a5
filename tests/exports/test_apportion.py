"""Cents by largest remainder: they add up, none is a cent off its share, and the order of names doesn't matter."""

from __future__ import annotations

from fractions import Fraction
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.exports.apportion import apportion
from pricing.money import divide_half_even

THIRD = Fraction(100, 3)
SHARES = st.dictionaries(st.text(max_size=3), st.fractions(-(10**6), 10**6, max_denominator=10**12), max_size=12)


def whole(shares: dict[str, Fraction]) -> int:
    total = sum(shares.values(), Fraction())
    return divide_half_even(total.numerator, total.denominator)


@pytest.mark.parametrize(
    ("total", "shares", "parts"),
    [
        # Of equal remainders the first name's gets the cent that is left: 3 x 33 is 99.
        (100, {"a": THIRD, "b": THIRD, "c": THIRD}, {"a": 34, "b": 33, "c": 33}),
        # Rounded down they are -34 each and -102 together: two cents are left.
        (-100, {"a": -THIRD, "b": -THIRD, "c": -THIRD}, {"a": -33, "b": -33, "c": -34}),
        # The greatest remainders, not the greatest shares: 0.8 of a and 0.7 of c come before 0.5 of b.
        (12, {"a": Fraction("4.8"), "b": Fraction("4.5"), "c": Fraction("2.7")}, {"a": 5, "b": 4, "c": 3}),
        # 1.5 + 1.5 - 2.25 is 0.75, so 1: down to 1, 1 and -3, and the cents go to c (0.75) and a (0.5).
        (1, {"a": Fraction("1.5"), "b": Fraction("1.5"), "c": Fraction("-2.25")}, {"a": 2, "b": 1, "c": -2}),
        # Capital letters come before small ones, these before others.
        (1, {"é": Fraction(1, 3), "a": Fraction(1, 3), "Z": Fraction(1, 3)}, {"é": 0, "a": 0, "Z": 1}),
        (0, {"a": Fraction(1, 2), "b": Fraction(-1, 2)}, {"a": 1, "b": -1}),
        (7, {"a": Fraction(7), "b": Fraction()}, {"a": 7, "b": 0}),
        (0, {}, {}),
    ],
)
def test_by_hand(total: int, shares: dict[str, Fraction], parts: dict[str, int]) -> None:
    assert apportion(total, shares) == parts


@given(SHARES)
def test_parts_add_up_and_are_less_than_a_unit_off(shares: dict[str, Fraction]) -> None:
    parts = apportion(whole(shares), shares)
    assert sum(parts.values()) == whole(shares)
    assert all(abs(parts[name] - share) < 1 for name, share in shares.items())


@given(SHARES, st.randoms())
def test_the_order_of_names_does_not_matter(shares: dict[str, Fraction], random: Random) -> None:
    names = list(shares)
    random.shuffle(names)
    again = apportion(whole(shares), {name: shares[name] for name in names})
    assert (again, list(again)) == (apportion(whole(shares), shares), names)


@given(SHARES)
def test_a_greater_remainder_is_never_passed_over(shares: dict[str, Fraction]) -> None:
    parts = apportion(whole(shares), shares)
    up = [parts[name] - share for name, share in shares.items() if parts[name] > share]
    down = [share - parts[name] for name, share in shares.items() if parts[name] < share]
    # Who was rounded up by u had a remainder of 1 - u, who was rounded down by d one of d.
    assert not up or not down or 1 - max(up) >= max(down)


def test_a_total_that_the_shares_do_not_make_is_refused() -> None:
    for total in (2, -1):
        with pytest.raises(ValueError, match="not the sum of the shares"):
            apportion(total, {"a": Fraction(1, 2)})
