"""Exact money: nano amounts, pico rates, settlement, and USD by dated conversion. No floats."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from decimal import Decimal
from fractions import Fraction
from math import gcd, lcm
from typing import TYPE_CHECKING, Literal, TypeAlias

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Iterable

    import numpy as np
    import numpy.typing as npt

    Int64Array: TypeAlias = npt.NDArray[np.int64]

NANO = 10**9
PICO = 10**12
PICO_PER_NANO = PICO // NANO
# Rates are printed for so many tokens, as rate cards and price lists state them; storage for as many and an hour.
TOKENS_OF_RATE = 1_000_000
INT64_MAX = 2**63 - 1

SettlementMode: TypeAlias = Literal["ceil", "floor", "half_even", "half_up"]

# CRD (EvoLink credits) and the active codes of ISO 4217:2015, list one.
CURRENCIES = frozenset(
    # one block of text reads better than 180 quoted words
    """
    CRD
    AED AFN ALL AMD AOA ARS AUD AWG AZN BAM BBD BDT BGN BHD BIF BMD BND BOB BRL BSD BTN BWP BYN BZD CAD CDF CHF CLP
    CNY COP CRC CUP CVE CZK DJF DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD GNF GTQ GYD HKD HNL HTG HUF
    IDR ILS INR IQD IRR ISK JMD JOD JPY KES KGS KHR KMF KPW KRW KWD KYD KZT LAK LBP LKR LRD LSL LYD MAD MDL MGA MKD
    MMK MNT MOP MRU MUR MVR MWK MXN MYR MZN NAD NGN NIO NOK NPR NZD OMR PAB PEN PGK PHP PKR PLN PYG QAR RON RSD RUB
    RWF SAR SBD SCR SDG SEK SGD SHP SLE SOS SRD SSP STN SVC SYP SZL THB TJS TMT TND TOP TRY TTD TWD TZS UAH UGX USD
    UYU UZS VES VND VUV WST XAF XCD XCG XOF XPF YER ZAR ZMW ZWG
    """.split()  # noqa: SIM905
)

_FINITE = re.compile(r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]{1,18})?", re.ASCII)
_DECIMAL = re.compile(r"(-?)([0-9]{1,40})(?:\.([0-9]{1,40}))?")


def parse_units(text: str, scale: int) -> int:
    """Reads the plain decimal `text` as a whole number of 1/scale units, exact or ValueError.

    `parse_units("6.4", NANO)` is 6_400_000_000. No exponent, sign +, underscore, blank, NaN or infinity.
    """
    found = _DECIMAL.fullmatch(text)
    if found is None:
        raise ValueError(f"{text[:50]!r} isn't a plain decimal such as '6.4'")
    sign, whole, fraction = found[1], found[2], found[3] or ""
    divisor: int = 10 ** len(fraction)
    units, rest = divmod(int(whole + fraction) * scale, divisor)
    if rest:
        raise ValueError(f"{text!r} isn't a whole number of 1/{scale}")
    return -units if sign else units


def round_units(text: str, scale: int) -> int:
    """Reads the finite decimal `text` in 1/scale units, rounded half to even once; ValueError where it is none.

    For figures that are compared and never priced: `round_units("1.7e-10", NANO)` is 0, "9.33333333333e-05" is 93_333.
    """
    plain = text.strip()
    if len(plain) > 400 or not _FINITE.fullmatch(plain):
        raise ValueError(f"{text[:50]!r} isn't a finite decimal such as '6.4' or '9.33e-05'")
    value = Decimal(plain)
    # 1e999999999 would have as many digits: it is looked at before it is worked with.
    if not value or value.adjusted() < -60:
        return 0
    if value.adjusted() > 60:
        raise ValueError(f"{text[:50]!r} is beyond any amount")
    exact = Fraction(value) * scale
    return divide_half_even(exact.numerator, exact.denominator)


def format_nano(amount_nano: int) -> str:
    """Returns the amount as a plain exact decimal without padding zeros: 2_400_000 is "0.0024"."""
    return _format_units(amount_nano, 9)


def nano_decimal(amount_nano: int) -> Decimal:
    """Returns the amount as an exact Decimal without padding zeros, however large: 2_400_000 is Decimal("0.0024")."""
    return Decimal(format_nano(amount_nano))


def format_pico(rate_pico: int) -> str:
    """Returns the rate as a plain exact decimal without padding zeros: 32_000_000 is "0.000032"."""
    return _format_units(rate_pico, 12)


def format_rate(rate_pico: int, meter: str) -> str:
    """Returns a meter's rate as it is printed, for 1M tokens or one call: 32_000_000 is "32", of call "0.000032"."""
    return format_pico(rate_pico * (1 if meter == "call" else TOKENS_OF_RATE))


def _format_units(units: int, places: int) -> str:
    digits = str(units).zfill(places + (2 if units < 0 else 1))
    return f"{digits[:-places]}.{digits[-places:]}".rstrip("0").rstrip(".")


def divide_half_even(numerator: int, denominator: int) -> int:
    """Returns the quotient numerator / denominator rounded half to even; denominator above 0.

    1_499/1_000 is 1, 1_500/1_000 is 2, 2_500/1_000 is 2, -1_500/1_000 is -2.
    """
    quotient, rest = divmod(numerator, denominator)
    twice = rest + rest
    if twice > denominator or (twice == denominator and quotient & 1):
        return quotient + 1
    return quotient


@dataclass(frozen=True, slots=True)
class Settlement:
    """The rounding of a charge line: to `quantum_nano` (1 to 2**63 // 1000) by `mode`, at least `minimum_nano`."""

    quantum_nano: int
    mode: SettlementMode
    minimum_nano: int = 0

    def settle(self, amount_pico: int, tokens: int) -> int:
        """Returns nano of a line of `amount_pico` >= 0; the minimum holds for lines with tokens only.

        In quanta of 1_000 pico, 1_500 pico are 2 by ceil, 1 by floor, 2 by half_even and half_up;
        2_500 pico are 3, 2, 2 and 3.
        """
        quantum_pico = self.quantum_nano * PICO_PER_NANO
        quanta, rest = divmod(amount_pico, quantum_pico)
        to_next = quantum_pico - rest
        if self.mode == "ceil":
            quanta += rest > 0
        elif self.mode == "half_up":
            quanta += rest >= to_next
        elif self.mode == "half_even":
            quanta += rest > to_next or (rest == to_next and quanta & 1)
        amount_nano: int = quanta * self.quantum_nano
        return max(amount_nano, self.minimum_nano) if tokens else amount_nano

    def settle_columns(self, amount_pico: Int64Array, tokens: Int64Array) -> Int64Array:
        """Returns the same as `settle`, row by row, for products that fit 64 bits."""
        quantum_pico = self.quantum_nano * PICO_PER_NANO
        quanta = amount_pico // quantum_pico
        rest = amount_pico - quanta * quantum_pico
        if rest.any():  # as by no price that ships
            to_next = quantum_pico - rest
            if self.mode == "ceil":
                quanta += rest > 0
            elif self.mode == "half_up":
                quanta += rest >= to_next
            elif self.mode == "half_even":
                quanta += (rest > to_next) | ((rest == to_next) & (quanta & 1 == 1))
        if self.quantum_nano != 1:
            quanta *= self.quantum_nano
        if self.minimum_nano:
            quanta[(tokens > 0) & (quanta < self.minimum_nano)] = self.minimum_nano
        return quanta


# A card without [settlement]: each line half-even to nano.
NANO_HALF_EVEN = Settlement(quantum_nano=1, mode="half_even")


@dataclass(frozen=True, slots=True)
class Conversion:
    """Units of `currency` for 1 USD from `effective_from` (inclusive) until the next one begins."""

    currency: str
    per_usd_nano: int
    effective_from: dt.datetime
    source_url: str | None = None
    checked_on: dt.date | None = None


def usd_fraction(parts: Iterable[tuple[int, int | None]]) -> Fraction:
    """Returns exact USD of (amount_nano, per_usd_nano) parts; None is USD already."""
    sums: dict[int, int] = {}
    for amount_nano, per_usd_nano in parts:
        divisor = NANO if per_usd_nano is None else per_usd_nano
        sums[divisor] = sums.get(divisor, 0) + amount_nano
    return sum((Fraction(amount, divisor) for divisor, amount in sums.items()), Fraction())


def round_usd(usd: Fraction) -> int:
    """Returns nano-USD, rounded half to even once."""
    return divide_half_even(usd.numerator * NANO, usd.denominator)


def format_usd(usd: Fraction) -> str:
    """Returns USD rounded half to even to 9 places, without padding zeros."""
    return format_nano(round_usd(usd))


@dataclass(slots=True)
class RunningUsd:
    """A running USD total, kept exactly; its rounded differences add up to its rounded total.

    Beside the rounded total it keeps what was rounded off, `_rest` of `_denominator` nano: small numbers add fast.
    """

    total_nano: int = 0
    _rest: int = 0
    _denominator: int = 1
    _factors: dict[int, int] = field(default_factory=dict)

    def add(self, amount_nano: int, per_usd_nano: int | None) -> int:
        """Adds an amount; returns the nano-USD by which the rounded total moved.

        At 3 per USD, 1 unit three times moves it by 333_333_333, 333_333_334 and 333_333_333.
        """
        divisor = NANO if per_usd_nano is None else per_usd_nano
        factor = self._factors.get(divisor)
        if factor is None:
            factor = self._admit(divisor)
        denominator = self._denominator
        moved, rest = divmod(self._rest + amount_nano * factor, denominator)
        twice = rest + rest
        if twice > denominator or (twice == denominator and (self.total_nano + moved) & 1):  # to the even total
            moved += 1
            rest -= denominator
        self._rest = rest
        self.total_nano += moved
        return moved

    def _admit(self, divisor: int) -> int:
        """Brings the rest to a denominator that fits `divisor` too; returns the factor of that divisor's amounts."""
        denominator = lcm(self._denominator, divisor // gcd(divisor, NANO))
        self._rest *= denominator // self._denominator
        self._denominator = denominator
        self._factors = {known: denominator * NANO // known for known in (*self._factors, divisor)}
        return self._factors[divisor]
