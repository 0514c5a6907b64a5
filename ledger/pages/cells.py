"""A month's usage of cells: what each project used of each model, and at which prices and conversions."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from fractions import Fraction
from typing import NamedTuple, TypeAlias

from ledger.reports.spend import SpendRow
from pricing.money import PICO_PER_NANO
from pricing.rate_card import PromptTier, RateEntry

# Units: so small that a pico of any currency is a whole number of them at every conversion in use.
Units: TypeAlias = int
Exact: TypeAlias = int | Fraction
INPUT, CACHED, OUTPUT = "input", "cached_input", "output"
# In place of a tier, where the months' prices have other bounds: theirs can't be told apart.
ANY_TIER = ""


class CardRate(NamedTuple):
    """A rate in pico of its currency per token."""

    pico: int
    currency: str


@dataclass(slots=True)
class CellUsage:
    """What a project used of a model in a month; uncached `input` and `cached_input` tokens are apart.

    `charged_pico` are tokens at the card's rates by tier, meter and currency: what rounding of lines adds is not in it.
    """

    requests: int = 0
    tokens: Counter[tuple[str, str]] = field(default_factory=Counter)
    charged_pico: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    amount_pico: Counter[str] = field(default_factory=Counter)
    storage_pico: Counter[str] = field(default_factory=Counter)
    units: Counter[str] = field(default_factory=Counter)
    most_units_per_pico: dict[str, Units] = field(default_factory=dict)
    token_hours: Exact = 0
    latest: RateEntry | None = None

    def add(self, row: SpendRow, entry: RateEntry, tier: str, units_per_pico: Units) -> None:
        """Adds a row that was priced by the entry; `tier` may be ANY_TIER."""
        sums = row.sums
        self.requests += sums.requests
        rates = _tier(entry, row.tier)
        for meter, count in (
            (INPUT, sums.input_tokens - sums.cached_input_tokens),
            (CACHED, sums.cached_input_tokens),
            (OUTPUT, sums.output_tokens),
        ):
            if count:
                self.tokens[tier, meter] += count
                self.charged_pico[tier, meter, row.currency] += count * (_rate_pico(rates, meter) or 0)
        self.amount_pico[row.currency] += sums.amount_nano * PICO_PER_NANO
        self.units[row.currency] += sums.amount_nano * PICO_PER_NANO * units_per_pico
        most = self.most_units_per_pico.get(row.currency, units_per_pico)
        self.most_units_per_pico[row.currency] = max(most, units_per_pico)
        if sums.cache_storage_nano:
            self.storage_pico[row.currency] += sums.cache_storage_nano * PICO_PER_NANO
            self.token_hours += ratio(sums.cache_storage_nano * PICO_PER_NANO, entry.cache_storage_pico or 1)
        if self.latest is None or _age(self.latest) < _age(entry):
            self.latest = entry

    @property
    def exchange(self) -> dict[str, Exact]:
        """Units for a pico of each currency, on the month's average; of one that came to nothing, the most of any."""
        return {
            currency: ratio(self.units[currency], pico) if pico else self.most_units_per_pico[currency]
            for currency, pico in self.amount_pico.items()
        }

    def rates(self, exchange: Mapping[str, Exact]) -> dict[tuple[str, str], Exact]:
        """Returns units for a token by tier and meter, on the month's average."""
        charged: defaultdict[tuple[str, str], Exact] = defaultdict(int)
        for (tier, meter, currency), pico in self.charged_pico.items():
            charged[tier, meter] += pico * exchange[currency]
        return {key: ratio(charged[key], count) for key, count in self.tokens.items()}

    def latest_rate(self, tier: str, meter: str) -> CardRate | None:
        """Returns the rate on the card used last; None where it has no such tier or rate."""
        rate_pico = None if self.latest is None else _rate_pico(_tier(self.latest, tier), meter)
        return None if rate_pico is None or self.latest is None else CardRate(rate_pico, self.latest.currency)

    @property
    def input_by_tier(self) -> dict[str, tuple[int, int]]:
        """Uncached and cached input tokens of the tiers that have any."""
        tiers = dict.fromkeys(tier for tier, meter in self.tokens if meter != OUTPUT)
        return {tier: (self.tokens[tier, INPUT], self.tokens[tier, CACHED]) for tier in tiers}

    def count(self, *meters: str) -> int:
        """Returns the tokens of some meters in all tiers."""
        return sum(count for (_tier, meter), count in self.tokens.items() if meter in meters)


def ratio(amount: Exact, parts: Exact) -> Exact:
    """Divides exactly, into an integer where it is one."""
    if isinstance(amount, int) and isinstance(parts, int):
        whole, rest = divmod(amount, parts)
        return Fraction(amount, parts) if rest else whole
    found = Fraction(amount) / parts
    return found.numerator if found.denominator == 1 else found


def _tier(entry: RateEntry, label: str) -> PromptTier | None:
    return next((tier for tier in entry.tiers if tier.label == label), None)


def _rate_pico(tier: PromptTier | None, meter: str) -> int | None:
    rate_pico: int | None = None if tier is None else getattr(tier, f"{meter}_pico")
    return rate_pico


def _age(entry: RateEntry) -> tuple[datetime, str]:
    """A sort key of entries, latest last, in which no two are equal."""
    return entry.effective_from, entry.digest
