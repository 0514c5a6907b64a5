"""A month's usage of a cell: what a project used of a model, at which prices and exchange rates."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from fractions import Fraction
from typing import NamedTuple, TypeAlias

from ledger.book.rows import counts_by_meter
from ledger.reports.spend import SpendRow
from pricing.money import PICO_PER_NANO
from pricing.rate_entry import STANDARD_SERVICE, RateEntry

# Parts of a USD so small that a pico of any currency is a whole number of them at every conversion in use.
Units: TypeAlias = int
Exact: TypeAlias = int | Fraction
# Places of the meters of requests: `input` is the rest that is neither cached nor written; OTHERS are of no input.
METERS = INPUT, CACHED, OUTPUT, WRITTEN_5M, WRITTEN_1H, CALLS = range(6)
INPUTS, OTHERS = (INPUT, CACHED, WRITTEN_5M, WRITTEN_1H), (OUTPUT, CALLS)
# In place of a tier, where tiers can't be told apart.
ANY_TIER = ""


class EntryRates(NamedTuple):
    """A price entry, its rates in pico by meter at hand.

    Of two entries `age` is greater for the later; of one day for the standard service tier's, then for the list's.
    """

    currency: str
    age: tuple[datetime, bool, bool, str]
    tiers: Mapping[str, tuple[int | None, ...]]
    storage_pico: int | None

    @classmethod
    def of(cls, entry: RateEntry) -> EntryRates:
        tiers: dict[str, tuple[int | None, ...]] = {
            tier.label: (
                tier.input_pico, tier.cached_input_pico, tier.output_pico, tier.cache_write_5m_pico,
                tier.cache_write_1h_pico, entry.call_pico,
            )
            for tier in entry.tiers
        }  # fmt: skip
        age = (entry.effective_from, entry.service == STANDARD_SERVICE, not entry.contract, entry.digest)
        return cls(entry.currency, age, tiers, entry.cache_storage_pico)


class Tokens(NamedTuple):
    """Tokens (and calls) by meter, and what they are worth at the card's rates."""

    counts: list[int]
    worth: list[Exact]

    @property
    def inputs(self) -> int:
        """All input tokens, cached ones and those written to the cache included."""
        return sum(self.counts[meter] for meter in INPUTS)

    @property
    def input_worth(self) -> Exact:
        return sum(self.worth[meter] for meter in INPUTS)

    def add(self, other: Tokens) -> None:
        for meter in METERS:
            self.counts[meter] += other.counts[meter]
            self.worth[meter] += other.worth[meter]


@dataclass(slots=True)
class Money:
    """Amounts of one currency: of tokens and of cache storage in pico, of both in units."""

    tokens_pico: int = 0
    storage_pico: int = 0
    units: Units = 0
    most_units_per_pico: Units = 0

    def add(self, other: Money) -> None:
        self.tokens_pico += other.tokens_pico
        self.storage_pico += other.storage_pico
        self.units += other.units
        self.most_units_per_pico = max(self.most_units_per_pico, other.most_units_per_pico)

    @property
    def exchange(self) -> Exact:
        """Units for a pico on average; where amounts came to nothing the most of any."""
        pico = self.tokens_pico + self.storage_pico
        return ratio(self.units, pico) if pico else self.most_units_per_pico


@dataclass(slots=True)
class CellUsage:
    """The use that a project made of a model in a month.

    `tokens` are counts by meter, then the same at the card's rates in pico, by tier and currency.
    """

    requests: int = 0
    tokens: dict[tuple[str, str], list[int]] = field(default_factory=dict)
    money: dict[str, Money] = field(default_factory=dict)
    token_hours: Exact = 0
    latest: EntryRates | None = None

    def add(self, row: SpendRow, entry: EntryRates, tier: str, units_per_pico: Units) -> None:
        """Adds a row that the entry priced; `tier` may be ANY_TIER."""
        sums = row.sums
        self.requests += sums.requests
        uncached, cached, output, _stored, *others = counts_by_meter(sums, 0)
        counts = (uncached, cached, output, *others)
        if any(counts):
            tokens = self.tokens.setdefault((tier, row.currency), [0] * (2 * len(METERS)))
            for meter, (count, rate_pico) in enumerate(zip(counts, entry.tiers[row.tier], strict=True)):
                tokens[meter] += count
                tokens[len(METERS) + meter] += count * (rate_pico or 0)
        amount_pico, storage_pico = sums.amount_nano * PICO_PER_NANO, sums.cache_storage_nano * PICO_PER_NANO
        money = Money(amount_pico - storage_pico, storage_pico, amount_pico * units_per_pico, units_per_pico)
        known = self.money.setdefault(row.currency, money)
        if known is not money:
            known.add(money)
        if storage_pico:
            self.token_hours += ratio(storage_pico, entry.storage_pico or 1)
        if self.latest is None or self.latest.age < entry.age:
            self.latest = entry

    @property
    def units(self) -> Units:
        """All that was spent."""
        return sum(money.units for money in self.money.values())

    @property
    def exchange(self) -> dict[str, Exact]:
        """Units for a pico of each currency, on the month's average."""
        return {currency: money.exchange for currency, money in self.money.items()}

    def valued(self, exchange: Mapping[str, Exact]) -> dict[str, Tokens]:
        """Returns the tokens by tier, valued at the card's rates and these exchange rates."""
        found: dict[str, Tokens] = {}
        for (tier, currency), figures in self.tokens.items():
            counts, worth_pico = figures[: len(METERS)], figures[len(METERS) :]
            tokens = Tokens(counts, [pico * exchange[currency] for pico in worth_pico])
            if tier in found:
                found[tier].add(tokens)
            else:
                found[tier] = tokens
        return found


def ratio(amount: Exact, parts: Exact) -> Exact:
    """Divides exactly, into an integer where it is one."""
    if isinstance(amount, int) and isinstance(parts, int):
        whole, rest = divmod(amount, parts)
        return Fraction(amount, parts) if rest else whole
    found = Fraction(amount) / parts
    return found.numerator if found.denominator == 1 else found
