"""Exact sums of money in several currencies and at several conversions."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from fractions import Fraction

from pricing.money import format_nano, format_usd, round_usd, usd_fraction


class Convertible(Counter[int | None]):
    """Nano of any currencies, by the nano of each that make 1 USD; None where it is USD itself."""

    @property
    def usd(self) -> Fraction:
        """USD, exact."""
        return usd_fraction((amount, per_usd) for per_usd, amount in self.items())


@dataclass(slots=True)
class Spend:
    """The number of records, and nano amounts by (currency, nano of it for 1 USD; None where it is USD itself)."""

    records: int = 0
    parts: Counter[tuple[str, int | None]] = field(default_factory=Counter)

    def add(self, currency: str, per_usd_nano: int | None, amount_nano: int, records: int) -> None:
        """Adds the cost of records."""
        self.records += records
        self.parts[currency, per_usd_nano] += amount_nano

    def nano(self, currency: str) -> int:
        """Returns nano of one currency."""
        return sum(amount for (name, _per_usd), amount in self.parts.items() if name == currency)

    @property
    def amounts(self) -> dict[str, str]:
        """Plain decimals by currency."""
        return {name: format_nano(self.nano(name)) for name in sorted({currency for currency, _per_usd in self.parts})}

    @property
    def usd(self) -> Fraction:
        """USD, exact."""
        return usd_fraction((amount, per_usd) for (_currency, per_usd), amount in self.parts.items())

    @property
    def usd_nano(self) -> int:
        """Nano-USD, rounded half-even once."""
        return round_usd(self.usd)

    @property
    def usd_text(self) -> str:
        """USD as a plain decimal of at most 9 places."""
        return format_usd(self.usd)


def total(spends: list[Spend]) -> Spend:
    """Sums spends."""
    result = Spend()
    for spend in spends:
        result.records += spend.records
        result.parts.update(spend.parts)
    return result
