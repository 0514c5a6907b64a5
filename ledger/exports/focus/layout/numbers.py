"""Numbers as FOCUS exports write them: plain decimals that always have a point, exact except unit prices in USD."""

from __future__ import annotations

from fractions import Fraction

from pricing.money import divide_half_even

# Places of unit prices in USD, all written.
PRICE_PLACES = 18


def decimal_text(units: int, places: int) -> str:
    """Writes units of 10**-places as a plain decimal with at least one place: 30_000 and 0 is "30000.0"."""
    whole, fraction = divmod(abs(units), 10**places)
    digits = f"{fraction:0{places}d}".rstrip("0") if places else ""
    return f"{'-' if units < 0 else ''}{whole}.{digits or '0'}"


def nano_text(amount_nano: int) -> str:
    """Writes an amount in nano: 20_000_000 is "0.02"."""
    return decimal_text(amount_nano, 9)


def usd_text(price: Fraction) -> str:
    """Writes a price in USD, rounded half-even to 18 places, all written: 32 / 72 is "0.444444444444444444"."""
    units = divide_half_even(price.numerator * 10**PRICE_PLACES, price.denominator)
    whole, fraction = divmod(abs(units), 10**PRICE_PLACES)
    return f"{'-' if units < 0 else ''}{whole}.{fraction:0{PRICE_PLACES}d}"
