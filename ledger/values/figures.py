"""Figures as bills and spreadsheets write them: grouped digits, decimal commas, currency signs, exponents.

Nothing is guessed that could change an amount: a text with two readings is refused, naming both. `1.234` is 1.234, a
plain decimal; `1,234.5`, `1.234,5`, `1 234,5` and `9,6` have one reading each; `1,234` has two.
"""

from __future__ import annotations

import re
from contextlib import suppress
from decimal import Decimal
from typing import Final, Literal, NamedTuple, TypeAlias

from ledger.values.currencies import currency_named
from pricing.errors import described
from pricing.money import NANO, parse_units, round_units

DecimalMark: TypeAlias = Literal[".", ","]
MARKS: Final[tuple[DecimalMark, ...]] = (".", ",")

_PLAIN = re.compile(r"(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]{1,4})?", re.ASCII)
_SPACES = "\u0020\u00a0\u2009\u202f"
# Thousands, parted by one and the same character.
_GROUPED = {
    mark: re.compile(rf"[1-9][0-9]{{0,2}}([{re.escape(other)}'’{_SPACES}])[0-9]{{3}}(?:\1[0-9]{{3}})*")
    for mark, other in ((".", ","), (",", "."))
}
_DRESSED = re.compile(
    r"(?P<before>[^\d.,+\-]*)(?P<sign>[+-]?)(?P<more>[^\d.,+\-]*)(?P<digits>[\d.,].*?)(?P<after>[^\d.]*)"
)


# What is no word, and so no part of a text that a wrong column holds.
_DIGITS_AND_MARKS = re.compile(rf"[-+0-9.,'’{_SPACES}]{{1,40}}")


def shown_figure(text: str) -> str:
    """Returns what stands where a count belongs: quoted if digits and marks alone, else described."""
    return repr(text) if _DIGITS_AND_MARKS.fullmatch(text) else described(text)


class Figure(NamedTuple):
    """An amount in nano, rounded half to even once; the places it is written with, at most 9; the currency beside it.

    `currency` is None where neither a sign nor a code is beside the digits; `mark` where there is no decimal mark.
    """

    nano: int
    places: int
    currency: str | None
    mark: DecimalMark | None


def parse_figure(text: str, mark: DecimalMark | None = None) -> Figure:
    """Reads an amount; ValueError says why the text is none, or which two amounts it may be.

    `mark` is the decimal mark where it is known; then the other one groups digits by three.
    """
    plain = text.strip().replace("\u2212", "-")
    if mark != ",":
        with suppress(ValueError):
            return Figure(parse_units(plain, NANO), len(plain.partition(".")[2]), None, "." if "." in plain else None)
    in_brackets = plain.startswith("(") and plain.endswith(")")
    found = None if plain.endswith("-") else _DRESSED.fullmatch(plain[1:-1] if in_brackets else plain)
    if found is None:
        raise ValueError(f"{text[:40]!r} isn't an amount: {_instead(plain)}")
    currency = _currency([found["before"], found["more"], found["after"]], text)
    value, used = _one_reading(found["digits"].rstrip(), mark, text)
    if in_brackets or found["sign"] == "-":
        value = -value
    exponent = value.as_tuple().exponent
    places = max(0, -exponent) if isinstance(exponent, int) else 0
    return Figure(round_units(str(value), NANO), min(places, 9), currency, used)


def _instead(plain: str) -> str:
    if plain in ("-", "\u2013", "\u2014"):
        return "write zero as 0"
    if plain.endswith("-") and plain != "-":
        return f"write its sign first, such as -{plain[:-1].strip()[:40]}"
    return "write it like 1234.5 or $1,234.50"


def _currency(beside: list[str], text: str) -> str | None:
    named = [word for part in beside if (word := part.strip(_SPACES))]
    codes = {currency_named(word) for word in named}
    if any(word.upper() in ("CR", "DR") for word in named):
        raise ValueError(f"{text[:40]!r} says its sign by {named[-1]}: write it with one, such as 1234.5 or -1234.5")
    if len(codes) > 1 or None in codes:
        raise ValueError(f"{text[:40]!r} has more beside the digits than a currency: write it like $1,234.50 or 5 CRD")
    return codes.pop() if codes else None


def _one_reading(digits: str, mark: DecimalMark | None, text: str) -> tuple[Decimal, DecimalMark | None]:
    if mark != "," and _PLAIN.fullmatch(digits):
        return Decimal(digits), "." if "." in digits else None
    readings: dict[Decimal, list[DecimalMark]] = {}
    for each in MARKS if mark is None else (mark,):
        for value in _readings(digits, each):
            readings.setdefault(value, []).append(each)
    if len(readings) > 1:
        low, high = sorted(readings)
        raise ValueError(f"{text[:40]!r} may be {high} or {low}: --decimal . or --decimal , says which")
    if not readings:
        instead = "" if mark is None else f" with the decimal mark {mark!r}"
        raise ValueError(f"{text[:40]!r} isn't an amount{instead}: write it like 1234.5 or $1,234.50")
    ((value, marks),) = readings.items()
    return value, marks[0] if len(marks) == 1 else None


def _readings(digits: str, mark: DecimalMark) -> list[Decimal]:
    """The value of the digits with that decimal mark; empty where they can't be read so."""
    whole, _, rest = digits.partition(mark)
    grouped = _GROUPED[mark].fullmatch(whole)
    if grouped is not None:
        whole = whole.replace(grouped[1], "")
    elif mark == "," and "." in whole:
        return []  # 1.50 isn't grouped by three
    written = f"{whole}.{rest}" if rest else whole
    return [Decimal(written)] if _PLAIN.fullmatch(written) else []
