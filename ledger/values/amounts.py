"""Amounts with their unit and limits as people write them: `0.50usd`, `36credits`, `10%`, `10%,5usd`."""

from __future__ import annotations

import re
from fractions import Fraction

import msgspec

from ledger.errors import LedgerError
from pricing.money import CURRENCIES, NANO, format_nano, parse_units

CREDITS = "CRD"
_AMOUNT = re.compile(r"(-?[0-9.]+) ?([A-Za-z]+)", re.ASCII)
_PERCENT = re.compile(r"([0-9.]+) ?%", re.ASCII)


class Amount(msgspec.Struct, frozen=True):
    """An amount of one currency, in nano; credits are CRD. `text` is it as people write it: "0.5usd", "36credits"."""

    nano: int
    currency: str

    @property
    def text(self) -> str:
        """The amount with its unit, without padding zeros."""
        return f"{format_nano(self.nano)}{unit_of(self.currency)}"


class Increase(msgspec.Struct, frozen=True):
    """A limit on an increase: past it is what exceeds the percentage and the amount, where both are given.

    `percent` is in percent: 12.5 for "12.5%".
    """

    percent: Fraction | None
    amount: Amount | None
    text: str


def unit_of(currency: str) -> str:
    """Returns the currency as amounts are written: "credits", "usd", "cny"."""
    return "credits" if currency == CREDITS else currency.lower()


def currency_of(unit: str) -> str | None:
    """The currency's code, CRD for credits; None where the unit is none."""
    if unit.lower() in ("credit", "credits"):
        return CREDITS
    return unit.upper() if unit.upper() in CURRENCIES else None


def parse_amount(text: str, name: str, *, signed: bool = False) -> Amount:
    """Reads an amount such as 0.50usd or 36credits; LedgerError naming the option or key `name`."""
    found = _AMOUNT.fullmatch(text.strip())
    currency = currency_of(found[2]) if found else None
    if found is None or currency is None:
        raise LedgerError(f"{name} {text!r} isn't an amount: give a number with its unit, such as 0.50usd or 36credits")
    nano = _units(found[1], f"{name} {text!r}")
    if nano < 0 and not signed:
        raise LedgerError(f"{name} {text!r} is negative: give 0 or more")
    return Amount(nano, currency)


def parse_number(text: str, name: str) -> int:
    """Reads a plain decimal of at most 9 places as nano; LedgerError naming the option `name`."""
    return _units(text, f"{name} {text[:50]!r}")


def parse_increase(text: str, name: str) -> Increase:
    """Reads the limit that `text` states: 10%, 50usd, or 10%,5usd for both; LedgerError naming the option `name`."""
    percent: Fraction | None = None
    amount: Amount | None = None
    for part in text.split(","):
        found = _PERCENT.fullmatch(part.strip())
        if found is not None and percent is None:
            percent = Fraction(_units(found[1], f"{name} {text!r}"), NANO)
        elif found is None and amount is None:
            if not _AMOUNT.fullmatch(part.strip()):
                raise LedgerError(f"{name} {text!r} isn't a limit: give 10%, an amount such as 5usd, or both: 10%,5usd")
            amount = parse_amount(part, name)
        else:
            raise LedgerError(f"{name} {text!r} says one thing twice: give a percentage, an amount, or one of each")
    return Increase(percent, amount, ",".join(part.strip().replace(" ", "") for part in text.split(",")))


def _units(digits: str, where: str) -> int:
    try:
        return parse_units(digits, NANO)
    except ValueError as error:
        raise LedgerError(f"{where}: {error}: give a plain decimal of at most 9 places") from None
