"""Causes of a provider's figure that differs from the ledger's: usage priced otherwise, until a price gives it.

A figure is explained where a price comes nearer to it than one unit of the last place that the statement prints, for
each row of it: no rounding moves a number further.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field, replace
from fractions import Fraction
from functools import partial
from typing import TypeAlias

from ledger.audit.reconcile.results import Basis, Cause, Result
from ledger.audit.reconcile.sides import Measure
from ledger.book.rows import ChargeRow, Facts, nano_by_meter, usage_of
from ledger.values.instants import from_microseconds
from pricing.charge import price_entry
from pricing.errors import PricingError
from pricing.money import NANO, divide_half_even
from pricing.rate_card import RateCard
from pricing.rate_entry import STORAGE_TIER, RateEntry
from pricing.usage import TokenUsage

Parts: TypeAlias = Counter[int | None]
ROUNDINGS = ("ceil", "floor", "half_even", "half_up")


@dataclass(slots=True)
class Repriced:
    """A key's usage priced in other ways: nano by conversion id; None where some of it has no such price."""

    as_billed: Parts = field(default_factory=Counter)
    by_variant: dict[Cause, Parts | None] = field(default_factory=dict)
    by_model: dict[str, Parts | None] = field(default_factory=dict)
    as_reported: Parts | None = field(default_factory=Counter)
    models_moved: bool = False
    settled_nano: Counter[str] = field(default_factory=Counter)
    is_one_more: bool = False
    """True where one of its requests costs what the provider's figure is over the ledger's."""


@dataclass(slots=True)
class Repricing:
    """Prices the charges of differing keys in all the ways that a provider may have priced them.

    `all_per_usd_nano` are the conversions that the provider has ever had, in nano of its currency for 1 USD.
    """

    card: RateCard
    entries: Mapping[int, RateEntry]
    measure: Measure
    basis: Basis
    all_per_usd_nano: Collection[int]
    _variants: dict[tuple[Cause, int], RateEntry | None] = field(default_factory=dict)

    def add(
        self, repriced: Repriced, charge: ChargeRow, facts: Facts, over_nano: int, reported: Repriced | None = None
    ) -> None:
        """Adds a charge to its key's sums; `reported` is the key's that it would be of by the model that answered."""
        number = charge.conversion_id
        repriced.as_billed[number] += charge.amount_nano
        usage = usage_of(facts)
        for cause in VARIANTS:
            amount_nano = self._with_variant(cause, charge, usage)
            repriced.by_variant[cause] = _plus(repriced.by_variant.get(cause, Counter()), number, amount_nano)
        prices = {model: self._as_model(model, charge, facts, usage) for model in self.card.models}
        for model, amount_nano in prices.items():
            repriced.by_model[model] = _plus(repriced.by_model.get(model, Counter()), number, amount_nano)
        model, target = self.reported_model(charge, facts), reported or repriced
        target.as_reported = _plus(target.as_reported, number, prices.get(model, charge.amount_nano))
        if model != charge.billed_model:
            repriced.models_moved = target.models_moved = True
        per_usd_nano = self.measure.per_usd_nano(number) if self.measure.in_usd else None
        # Nano of the comparison's currency are nano of the charge x scale / divisor.
        scale, divisor = (NANO, per_usd_nano) if per_usd_nano else (1, 1)
        self._settle(repriced.settled_nano, charge, scale, divisor)
        over_by = charge.amount_nano * scale - over_nano * divisor
        repriced.is_one_more |= charge.amount_nano > 0 and abs(over_by) < self.basis.unit_nano * divisor

    def reported_model(self, charge: ChargeRow, facts: Facts) -> str:
        """Returns the model that answered, where the card knows it; else the billed one."""
        return (self.card.resolve(facts.reported_model) if charge.model_differs else None) or charge.billed_model

    def _as_model(self, model: str, charge: ChargeRow, facts: Facts, usage: TokenUsage) -> int | None:
        if charge.tier == STORAGE_TIER or model == charge.billed_model:
            return charge.amount_nano  # all models share the price of storage
        service = None if charge.rate_entry_id is None else self.entries[charge.rate_entry_id].service
        entry = self.card.models[model].entry_at(from_microseconds(facts.occurred_at), service)
        return None if entry is None else _price(entry, usage)

    def _with_variant(self, cause: Cause, charge: ChargeRow, usage: TokenUsage) -> int | None:
        if charge.rate_entry_id is None or charge.tier == STORAGE_TIER:
            return charge.amount_nano
        key = (cause, charge.rate_entry_id)
        if key not in self._variants:
            self._variants[key] = VARIANTS[cause](self.entries[charge.rate_entry_id])
        entry = self._variants[key]
        return None if entry is None else _price(entry, usage)

    def _settle(self, settled_nano: Counter[str], charge: ChargeRow, scale: int, divisor: int) -> None:
        """Adds the charge's lines in the currency of the comparison, each rounded to the statement's last place."""
        unit_nano = self.basis.unit_nano
        for amount_nano in filter(None, nano_by_meter(charge)):
            for rounding, units in zip(ROUNDINGS, rounded(amount_nano * scale, unit_nano * divisor), strict=True):
                settled_nano[rounding] += units * unit_nano

    def likely_cause(self, result: Result, repriced: Repriced) -> Cause:
        """Returns the first that explains the provider's figure, the most certain ones first; "" where none does."""
        checks: tuple[tuple[Cause, Callable[[], bool]], ...] = (
            ("rounding", lambda: self.explains(result, repriced.as_billed)),
            ("twice", lambda: result.ledger_nano != 0 and self._rounds_to(result, 2 * result.ledger_nano)),
            ("conversion", lambda: self._by_other_conversion(result, repriced)),
            ("not_priced", lambda: result.provider_nano == 0),
            *((cause, partial(self.explains, result, repriced.by_variant.get(cause))) for cause in VARIANTS),
            ("other_model", lambda: self.explained_by_model(result, repriced)),
            ("rounding", lambda: result.provider_nano in repriced.settled_nano.values()),
            ("twice", lambda: repriced.is_one_more or (self.basis.grain.by_request and result.provider_rows > 1)),
            ("token_counts", lambda: result.counts_differ),
        )
        return next((cause for cause, holds in checks if holds()), "")

    def explained_by_model(self, result: Result, repriced: Repriced) -> bool:
        """Tells whether another model's price, or the usage sorted by the models that answered, explains the figure."""
        if repriced.models_moved and self.explains(result, repriced.as_reported):
            return True
        return any(parts and self.explains(result, parts) for parts in repriced.by_model.values())

    def explains(self, result: Result, parts: Parts | None) -> bool:
        """Tells whether rounding alone could make the provider's figure of these amounts by conversion id."""
        return parts is not None and self._rounds_to(result, self.measure.exact(parts.items()))

    def _rounds_to(self, result: Result, figure: Fraction | int) -> bool:
        """Tells whether rounding alone could make the provider's figure of this one.

        With a unit of 0.01, 1.234 explains 1.23 and 1.24; it explains neither 1.22 nor 1.25.
        """
        off_by_nano = abs(Fraction(figure) - result.provider_nano)
        return off_by_nano < self.basis.unit_nano * max(1, result.provider_rows)

    def _by_other_conversion(self, result: Result, repriced: Repriced) -> bool:
        """Tells whether the same amounts, all by one other conversion, are the figure, which must be USD."""
        amounts = [(number, nano) for number, nano in repriced.as_billed.items() if nano]
        if not self.measure.in_usd or any(number is None for number, _nano in amounts):
            return False
        total_nano = sum(nano for _number, nano in amounts)
        return any(self._rounds_to(result, Fraction(total_nano * NANO, each)) for each in self.all_per_usd_nano)


def _plus(parts: Parts | None, number: int | None, amount_nano: int | None) -> Parts | None:
    if parts is not None and amount_nano is not None:
        parts[number] += amount_nano
        return parts
    return None


def _price(entry: RateEntry, usage: TokenUsage) -> int | None:
    try:
        return price_entry(entry, usage).amount_nano
    except PricingError:
        return None


def other_cached_rates(entry: RateEntry) -> RateEntry | None:
    """Returns the entry with cached rates by tier where they are flat, and flat where they are by tier; None without.

    Volcengine's list takes one fifth of each tier's input rate, 0.64 of 3.2, 0.96 of 4.8 and 1.92 of 9.6; a flat card
    takes the first tier's everywhere: 6.4 of 32, 48 and 96 become 6.4, 9.6 and 19.2, and the other way round.
    """
    first = entry.tiers[0]
    rates = {tier.cached_input_pico for tier in entry.tiers}
    if first.cached_input_pico is None or None in rates or not first.input_pico or len(entry.tiers) == 1:
        return None
    is_flat = len(rates) == 1
    tiers = tuple(
        replace(
            tier,
            cached_input_pico=first.cached_input_pico * tier.input_pico // first.input_pico
            if is_flat
            else first.cached_input_pico,
        )
        for tier in entry.tiers
    )
    return replace(entry, tiers=tiers)


def uncached_rates(entry: RateEntry) -> RateEntry:
    """Returns the entry with cached input at the rate of other input, as trackers without a cached rate price it."""
    return replace(entry, tiers=tuple(replace(tier, cached_input_pico=tier.input_pico) for tier in entry.tiers))


def lowest_tier(entry: RateEntry) -> RateEntry | None:
    """Returns the entry with its lowest tier's rates for all lengths, as trackers without tiers price it."""
    first = entry.tiers[0]
    if len(entry.tiers) == 1:
        return None
    bounds = ((tier.up_to, tier.output_up_to) for tier in entry.tiers)
    return replace(entry, tiers=tuple(replace(first, up_to=whole, output_up_to=output) for whole, output in bounds))


VARIANTS: dict[Cause, Callable[[RateEntry], RateEntry | None]] = {
    "tiered_cached_rate": other_cached_rates,
    "cached_at_input_rate": uncached_rates,
    "lowest_tier": lowest_tier,
}


def rounded(numerator: int, denominator: int) -> tuple[int, int, int, int]:
    """Rounds a quotient of 0 or more by each of ROUNDINGS: 1.5 is 2, 1, 2, 2; 2.5 is 3, 2, 2, 3."""
    below, rest = divmod(numerator, denominator)
    return below + (rest > 0), below, divide_half_even(numerator, denominator), below + (2 * rest >= denominator)
