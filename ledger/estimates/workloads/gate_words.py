"""Gates' findings in words for people: "+$2.53 (+11.2 %) a month, limit 10 % and $1"."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

from ledger.values.amounts import CREDITS, Amount, Increase, unit_of
from pricing.money import NANO, divide_half_even, format_nano

_CENTS, _MOST_PLACES = 2, 9


def over_message(limit: Amount, value: Amount | None, *, per: str, caveats: Sequence[str] = ()) -> str:
    """Says how an amount of a month or a request stands to its limit; None is one without a price."""
    if value is None:
        lacks = "price, or no requests_per_month," if per == "month" else "price"
        return f"it has no {lacks} to compare with {limit_words(limit)}"
    each = f" a {per}" if per else ""
    return f"{value_words(value, limit)}{each}{in_brackets(caveats)}, limit {limit_words(limit)}"


def increase_message(
    limit: Increase, change: Amount | None, percent: Fraction | None, *, passed: bool, caveats: Sequence[str] = ()
) -> str:
    """Says how a change of a month stands to its limit.

    `percent` is None where there was nothing before, `change` where there is nothing to compare with.
    """
    limits = [f"{format_nano(int(limit.percent * NANO))} %"] if limit.percent is not None else []
    limits += [limit_words(limit.amount)] if limit.amount is not None else []
    if change is None:
        return f"nothing to compare with, limit {' and '.join(limits)}"
    share = "" if percent is None else f" ({'+' if percent > 0 else ''}{percent_words(percent, limit.percent)} %)"
    shown = value_words(change, limit.amount, signed=True)
    text = f"{shown}{share} a month{in_brackets(caveats)}, limit {' and '.join(limits)}"
    if not passed and percent is None and limit.amount is None:
        text += f"; there was nothing before: a limit such as {limit.text},5usd lets small new ones pass"
    return text


def after_commas(caveats: Sequence[str]) -> str:
    """Puts the caveats of a title or a total behind it."""
    return "".join(f", {caveat}" for caveat in caveats)


def in_brackets(caveats: Sequence[str]) -> str:
    """Puts the caveats of a figure behind it."""
    return f" ({', '.join(caveats)})" if caveats else ""


def limit_words(limit: Amount) -> str:
    """Returns the limit as it was given: "$1", "$0.50", "36 credits"."""
    whole, _, fraction = format_nano(limit.nano).partition(".")
    decimals = f".{fraction.ljust(_CENTS, '0')}" if fraction else ""
    return _with_unit("", f"{int(whole):,}{decimals}", limit.currency)


def value_words(value: Amount, limit: Amount | None = None, *, signed: bool = False) -> str:
    """Words the value to the cent, "$2.53", below 1 to three digits, or to the places that tell its side of a limit."""
    of_limit = limit.nano if limit is not None and limit.currency == value.currency else None
    # 0.0123 has 8 digits in nano: three of them end at the fourth place.
    digits = len(str(abs(value.nano)))
    least = _CENTS if digits > _MOST_PLACES else max(_CENTS, _MOST_PLACES - digits + 3)
    for places in range(min(least, _MOST_PLACES), _MOST_PLACES + 1):
        unit = 10 ** (_MOST_PLACES - places)
        rounded = divide_half_even(value.nano, unit) * unit
        if of_limit is None or (rounded > of_limit) == (value.nano > of_limit):
            break
    whole, _, fraction = format_nano(abs(rounded)).partition(".")
    sign = "-" if rounded < 0 else "+" if signed and rounded else ""
    decimals = f".{fraction.ljust(_CENTS, '0')}" if fraction or value.currency != CREDITS else ""
    return _with_unit(sign, f"{int(whole):,}{decimals}", value.currency)


def _with_unit(sign: str, figure: str, currency: str) -> str:
    if currency == "USD":
        return f"{sign}${figure}"
    return f"{sign}{figure} {'credit' if currency == CREDITS and figure == '1' else unit_of(currency)}"


def percent_words(value: Fraction, limit: Fraction | None) -> str:
    """Returns the percentage to as many decimals as show its side of the limit: 10.04 is past 10."""
    for places in range(1, _MOST_PLACES + 1):
        units = divide_half_even(value.numerator * 10**places, value.denominator)
        if limit is None or (Fraction(units, 10**places) > limit) == (value > limit):
            break
    return format_nano(units * 10 ** (_MOST_PLACES - places))
