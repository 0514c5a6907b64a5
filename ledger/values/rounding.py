"""Amounts as people read them: rounded to places, thousands parted."""

from __future__ import annotations

from collections.abc import Sequence

from pricing.money import divide_half_even, format_nano


def rounded(amount_nano: int, places: int) -> str:
    """The amount with exactly that many places, 0 to 9, half-even, and thousands separators.

    With 2 places 12.345 is "12.34"; an amount that isn't 0 but would look so is "<0.01", or ">-0.01" below 0.
    """
    units = divide_half_even(amount_nano, 10 ** (9 - places))
    if not units and amount_nano:
        return f"{'<' if amount_nano > 0 else '>-'}{format_nano(10 ** (9 - places))}"
    whole, fraction = divmod(abs(units), 10**places)
    digits = f"{whole:,}.{fraction:0{places}d}" if places else f"{whole:,}"
    return f"-{digits}" if units < 0 else digits


def common_places(amounts_nano: Sequence[int], *, exact: bool = False) -> int:
    """Places for amounts shown together: 2, or the greatest's three digits if all are below 1.

    With 0.0396 the greatest they are 4, with 0.000033 the greatest 6, as it has no third digit. With `exact`, as many
    as show every amount in full.
    """
    greatest = max((abs(amount) for amount in amounts_nano), default=0)
    in_full = max((len(format_nano(amount).partition(".")[2]) for amount in amounts_nano), default=0)
    return max(2, in_full if exact else min(12 - len(str(greatest)), in_full))
