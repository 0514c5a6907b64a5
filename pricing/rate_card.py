"""Dated prices of one provider: which entry, which tier, which conversion holds for a request."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from pricing.errors import NoConversionInEffect, NoRateInEffect, UnknownModel, shown
from pricing.names import did_you_mean
from pricing.rate_entry import format_instant
from pricing.usage import check_time

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from pricing.contract import Contract
    from pricing.money import Conversion
    from pricing.rate_entry import RateEntry


@dataclass(frozen=True)
class ModelRates:
    """One model's entries, oldest first, the names it answers to, and the limits of its newest entry."""

    id: str
    aliases: tuple[str, ...]
    max_input_tokens: int | None
    max_output_tokens: int | None
    entries: tuple[RateEntry, ...]

    def entry_at(self, at: dt.datetime, service_tier: object = None) -> RateEntry | None:
        """Returns the price in effect at the aware time `at`, under contract where one holds; None where none is."""
        listed = self.list_entry_at(at)
        return listed and listed.find_price(service_tier, at)

    def list_entry_at(self, at: dt.datetime) -> RateEntry | None:
        """Returns the list entry in effect at the aware time `at`: the newest begun, unless it has ended."""
        for entry in reversed(self.entries):
            if entry.effective_from <= at:
                return entry if entry.effective_to is None or at < entry.effective_to else None
        return None


@dataclass(frozen=True, eq=False)
class RateCard:
    """One provider's prices in one currency; equal only to itself."""

    provider: str
    currency: str
    models: Mapping[str, ModelRates] = field(repr=False)
    conversions: tuple[Conversion, ...] = field(default=(), repr=False)
    contracts: tuple[Contract, ...] = field(default=(), repr=False)
    _exact: dict[str, ModelRates] = field(init=False, repr=False)
    _prefixes: list[tuple[str, ModelRates]] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        """Indexes names: ids and whole aliases by name, patterns by falling length of their prefix."""
        exact = dict(self.models)
        prefixes: list[tuple[str, ModelRates]] = []
        for rates in self.models.values():
            for alias in rates.aliases:
                if alias.endswith("*"):
                    prefixes.append((alias[:-1], rates))
                else:
                    exact[alias] = rates
        prefixes.sort(key=lambda prefix: len(prefix[0]), reverse=True)
        object.__setattr__(self, "_exact", exact)
        object.__setattr__(self, "_prefixes", prefixes)

    def entries(self) -> Iterator[RateEntry]:
        """Yields every price, those of service tiers and contracts included."""
        for rates in self.models.values():
            for entry in rates.entries:
                yield from entry.variants

    def resolve(self, name: str | None) -> str | None:
        """Returns the id of the model that `name` stands for; an exact id or alias beats the longest prefix."""
        rates = self.rates_of(name)
        return None if rates is None else rates.id

    def rates_of(self, name: object) -> ModelRates | None:
        """Returns the model that `name` stands for, or None."""
        if not isinstance(name, str):
            return None
        rates = self._exact.get(name)
        if rates is not None:
            return rates
        return next((rates for prefix, rates in self._prefixes if name.startswith(prefix)), None)

    def entry_at(self, model: str | None, at: dt.datetime, service_tier: object = None) -> RateEntry:
        """Returns the price of `model` (an id or alias) in effect at `at`, which must have a zone; under contract."""
        # A time in UTC and a known id are the common case: they skip the two calls that tell all others apart.
        if type(at) is not dt.datetime or at.tzinfo is not dt.UTC:
            check_time(at)
        rates = self._exact.get(model) if type(model) is str else None
        if rates is None:
            rates = self.rates_of(model)
        if rates is None:
            raise self._unknown(model)
        entry = rates.list_entry_at(at)
        if entry is None:
            raise self._undated(rates, at)
        return entry if service_tier is None and not entry.contracts else entry.price_for(service_tier, at)

    def conversion_at(self, at: dt.datetime) -> Conversion | None:
        """Returns the conversion to USD in effect at `at`; None for a card in USD, which needs none."""
        check_time(at)
        if self.currency == "USD":
            return None
        for conversion in reversed(self.conversions):
            if conversion.effective_from <= at:
                return conversion
        raise NoConversionInEffect(
            f"card {self.provider!r} has no {self.currency} conversion at {at.isoformat()}; "
            "add one with: tollbook rates conversion add --per-usd N --from DATE"
        )

    def did_you_mean(self, name: object) -> str:
        """Returns the question after the id or alias that an unknown name was likely meant to be; "" without one."""
        if not isinstance(name, str):
            return ""
        of_patterns = (prefix + name[len(prefix) :] for prefix, _rates in self._prefixes)
        folded = name.casefold()
        return did_you_mean(name, [*self._exact, *(each for each in of_patterns if each.casefold() == folded)])

    def _unknown(self, model: object) -> UnknownModel:
        some = ", ".join(sorted(self.models)[:8])
        question = self.did_you_mean(model)
        which = f": {question} It has" if question else ", which has"
        return UnknownModel(
            f"model {shown(model)} is not on card {self.provider!r}{which} {some}; "
            "use one of these or add it with: tollbook rates add FILE"
        )

    def _undated(self, rates: ModelRates, at: dt.datetime) -> NoRateInEffect:
        oldest = format_instant(rates.entries[0].effective_from)
        return NoRateInEffect(
            f"model {rates.id!r} has no price at {at.isoformat()} on card {self.provider!r}, whose oldest entry "
            f"begins {oldest}; add the entry of that day with: tollbook rates add FILE"
        )
