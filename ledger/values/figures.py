"""Figures as bills and spreadsheets write them: grouped digits, decimal commas, currency signs, exponents.

Nothing is guessed that could change an amount: a text with two readings is refused, naming both. `1.234` is 1.234, a
plain decimal; `1,234.5`, `1.234,5`, `1 234,5` and `9,6` have one reading each; `1,234` has two.
"""

from __future__ import annotations

import re
from contextlib import suppress
from decimal import Decimal
from typing import Final, Literal, NamedTuple, TypeAlias

from ledger.values.amounts import currency_of
from pricing.money import NANO, parse_units, round_units

DecimalMark: TypeAlias = Literal[".", ","]
MARKS: Final[tuple[DecimalMark, ...]] = (".", ",")

_PLAIN = re.compile(r"(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]{1,4})?", re.ASCII)
_SPACES = "\u0020\u00a0\u2009\u202f"
_GROUPS = {".": f",'’{_SPACES}", ",": f".'’{_SPACES}"}
_SIGNS = {"$": "USD", "US$": "USD", "€": "EUR", "£": "GBP", "¥": "CNY", "￥": "CNY", "CN¥": "CNY", "元": "CNY"}
_DRESSED = re.compile(
    r"(?P<before>[^\d.,+\-]*)(?P<sign>[+-]?)(?P<more>[^\d.,+\-]*)(?P<digits>[\d.,].*?)(?P<after>[^\d.]*)"
)


class Figure(NamedTuple):
    """An amount in nano, rounded half to even once; the places it is written with, at most 9; the currency beside it.

    `currency` is None where neither a sign nor a code is beside the digits.
    """

    nano: int
    places: int
    currency: str | None


def parse_figure(text: str, mark: DecimalMark | None = None) -> Figure:
    """Reads an amount; ValueError says why the text is none, or which two amounts it may be.

    `mark` is the decimal mark where it is known; then the other one groups digits by three.
    """
    plain = text.strip().replace("\u2212", "-")
    if mark != ",":
        with suppress(ValueError):
            return Figure(parse_units(plain, NANO), len(plain.partition(".")[2]), None)
    in_brackets = plain.startswith("(") and plain.endswith(")")
    found = _DRESSED.fullmatch(plain[1:-1] if in_brackets else plain)
    if found is None:
        raise ValueError(f"{text[:40]!r} isn't an amount: write it like 1234.5 or $1,234.50")
    currency = _currency([found["before"], found["more"], found["after"]], text)
    value = _one_reading(found["digits"].rstrip(), mark, text)
    if in_brackets or found["sign"] == "-":
        value = -value
    exponent = value.as_tuple().exponent
    places = max(0, -exponent) if isinstance(exponent, int) else 0
    return Figure(round_units(str(value), NANO), min(places, 9), currency)


def _currency(beside: list[str], text: str) -> str | None:
    named = [word for part in beside if (word := part.strip(_SPACES))]
    if not named:
        return None
    code = _SIGNS.get(named[0].upper()) or currency_of(named[0])
    if code is None or len(named) > 1:
        raise ValueError(f"{text[:40]!r} has more beside the digits than a currency: write it like $1,234.50 or 5 CRD")
    return code


def _one_reading(digits: str, mark: DecimalMark | None, text: str) -> Decimal:
    if mark != "," and _PLAIN.fullmatch(digits):
        return Decimal(digits)
    readings = {value for each in MARKS if mark in (None, each) for value in _readings(digits, each)}
    if len(readings) > 1:
        low, high = sorted(readings)
        raise ValueError(f"{text[:40]!r} may be {high} or {low}: --decimal . or --decimal , says which")
    if not readings:
        instead = "" if mark is None else f" with the decimal mark {mark!r}"
        raise ValueError(f"{text[:40]!r} isn't an amount{instead}: write it like 1234.5 or $1,234.50")
    return readings.pop()


def _readings(digits: str, mark: DecimalMark) -> list[Decimal]:
    """The value of the digits with that decimal mark; empty where they can't be read so."""
    whole, _, rest = digits.partition(mark)
    for group in _GROUPS[mark]:
        if re.fullmatch(rf"[1-9][0-9]{{0,2}}(?:{re.escape(group)}[0-9]{{3}})+", whole):
            whole = whole.replace(group, "")
    written = f"{whole}.{rest}" if rest else whole
    return [Decimal(written)] if _PLAIN.fullmatch(written) else []
