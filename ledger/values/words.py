"""Numbers and names in sentences."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

from pricing.money import NANO, format_nano, nano_decimal


def counted(number: int, noun: str, plural: str | None = None) -> str:
    """Returns the number with its noun: "1 line", "1,200 lines", "0 entries"."""
    return f"{number:,} {noun if number == 1 else plural or f'{noun}s'}"


def listed(names: Sequence[str]) -> str:
    """Returns the names as a sentence has them: "tools, a and b"."""
    return " and ".join(filter(None, (", ".join(names[:-1]), names[-1])))


def tenths(value: Fraction) -> str:
    """Returns the value with at most one place, rounded towards 0."""
    return format_nano(int(value * 10) * 10**8)


def money(nano: int, beside_nano: int) -> str:
    """Returns an amount as people read it beside another: 1,234.57, rounded half-even; in full where that is below 1.

    Of 2.5 it is 0.85 for 0.8488932, of 0.9 it is 0.8488932.
    """
    return f"{nano_decimal(nano):,.2f}" if beside_nano >= NANO else format_nano(nano)


def grouped(decimal: str) -> str:
    """A plain decimal with thousands separators: "1234567.5" is "1,234,567.5"."""
    whole, point, fraction = decimal.partition(".")
    sign, digits = ("-", whole[1:]) if whole.startswith("-") else ("", whole)
    return f"{sign}{int(digits):,}{point}{fraction}"
