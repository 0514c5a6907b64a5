"""Dated prices of one provider: which entry, which tier, which conversion holds for a request."""

from __future__ import annotations

import datetime as dt
import hashlib
import json
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

from pricing.errors import NoConversionInEffect, NoRateInEffect, UnknownModel, shown
from pricing.money import Conversion, Settlement
from pricing.names import did_you_mean
from pricing.usage import check_time

if TYPE_CHECKING:
    from collections.abc import Mapping

UNBOUNDED = "unbounded"


@dataclass(frozen=True, slots=True)
class PromptTier:
    """Rates in pico per token for prompts of up to `up_to` tokens and, where given, answers of up to `output_up_to`.

    Both are inclusive; None has no bound.
    """

    up_to: int | None
    input_pico: int
    cached_input_pico: int | None
    output_pico: int
    output_up_to: int | None = None

    @property
    def label(self) -> str:
        """The bound in digits, or "unbounded"; with a bound of output both: "32000/200"."""
        prompt = UNBOUNDED if self.up_to is None else str(self.up_to)
        return prompt if self.output_up_to is None else f"{prompt}/{self.output_up_to}"

    def holds_for(self, input_tokens: int, output_tokens: int) -> bool:
        """Tells whether neither bound is passed."""
        return (self.up_to is None or input_tokens <= self.up_to) and (
            self.output_up_to is None or output_tokens <= self.output_up_to
        )


def tier_order(label: str) -> tuple[int, ...]:
    """Returns a sort key of labels: bounds of input, then of output, rising; no bound after them, no tier last."""
    prompt, _slash, output = label.partition("/")
    rank = (UNBOUNDED, "none").index(prompt) + 1 if not prompt.isdecimal() else 0
    return (rank, 0 if rank else int(prompt), 0 if output else 1, int(output or 0))


@dataclass(frozen=True)
class RateEntry:
    """One model's prices from `effective_from` (inclusive) to `effective_to` (exclusive) or the next entry."""

    provider: str
    currency: str
    model: str
    effective_from: dt.datetime
    effective_to: dt.datetime | None
    tiers: tuple[PromptTier, ...]
    cache_storage_pico: int | None = None
    max_input_tokens: int | None = None
    max_output_tokens: int | None = None
    settlement: Settlement | None = None
    source_url: str | None = None
    checked_on: dt.date | None = None
    derived: bool = False

    def tier_for(self, input_tokens: int, output_tokens: int) -> PromptTier | None:
        """Returns the first tier that holds for the whole input, cached included; None past the last or limit.

        With bounds 32_000 and 128_000, 32_000 tokens are tier 1 and 32_001 are tier 2, each whole. The last tier of
        each prompt length has no bound of output.
        """
        if self.max_input_tokens is not None and input_tokens > self.max_input_tokens:
            return None
        return next((tier for tier in self.tiers if tier.holds_for(input_tokens, output_tokens)), None)

    @property
    def output_bounds(self) -> list[int]:
        """The bounds of output among its tiers, ascending: most entries have none."""
        return sorted({tier.output_up_to for tier in self.tiers if tier.output_up_to is not None})

    @property
    def top_tokens(self) -> int | None:
        """The most input tokens that the entry prices; None without bound."""
        return min((most for most in (self.tiers[-1].up_to, self.max_input_tokens) if most is not None), default=None)

    def content(self) -> str:
        """Returns canonical JSON of all that decides a price: rates, dates, limits and settlement, not sources."""
        settlement = self.settlement
        facts = {
            "provider": self.provider,
            "currency": self.currency,
            "model": self.model,
            "effective_from": self.effective_from.isoformat(),
            "effective_to": None if self.effective_to is None else self.effective_to.isoformat(),
            "tiers": [_content_of(tier) for tier in self.tiers],
            "cache_storage_pico": self.cache_storage_pico,
            "max_input_tokens": self.max_input_tokens,
            "max_output_tokens": self.max_output_tokens,
            "settlement": settlement and [settlement.quantum_nano, settlement.mode, settlement.minimum_nano],
        }
        return json.dumps(facts, sort_keys=True, separators=(",", ":"))

    @classmethod
    def from_content(cls, content: str) -> RateEntry:
        """Returns the entry that `content()` wrote; sources are not in it."""
        facts: dict[str, Any] = json.loads(content)
        end = facts["effective_to"]
        settlement = facts["settlement"]
        facts["effective_from"] = dt.datetime.fromisoformat(facts["effective_from"])
        facts["effective_to"] = None if end is None else dt.datetime.fromisoformat(end)
        facts["tiers"] = tuple(PromptTier(*tier) for tier in facts["tiers"])
        facts["settlement"] = None if settlement is None else Settlement(*settlement)
        return cls(**facts)

    @cached_property
    def digest(self) -> str:
        """sha256 of the content, in hex."""
        return hashlib.sha256(self.content().encode()).hexdigest()

    @cached_property
    def key(self) -> str:
        """A readable name of this version: "evolink/doubao-seed-2.0-code/2026-02-01#1a2b3c4d"."""
        return f"{self.provider}/{self.model}/{format_instant(self.effective_from)}#{self.digest[:8]}"


def _content_of(tier: PromptTier) -> list[int | None]:
    """Returns what decides prices; a tier without a bound of output as in cards that know none."""
    rates = [tier.up_to, tier.input_pico, tier.cached_input_pico, tier.output_pico]
    return rates if tier.output_up_to is None else [*rates, tier.output_up_to]


@dataclass(frozen=True)
class ModelRates:
    """One model's entries, oldest first, the names it answers to, and the limits of its newest entry."""

    id: str
    aliases: tuple[str, ...]
    max_input_tokens: int | None
    max_output_tokens: int | None
    entries: tuple[RateEntry, ...]

    def entry_at(self, at: dt.datetime) -> RateEntry | None:
        """Returns the entry in effect at the aware time `at`: the newest begun, unless it has ended."""
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

    def entry_at(self, model: str | None, at: dt.datetime) -> RateEntry:
        """Returns the price entry of `model` (an id or alias) in effect at `at`, which must have a zone."""
        # A time in UTC and a known id are the common case: they skip the two calls that tell all others apart.
        if type(at) is not dt.datetime or at.tzinfo is not dt.UTC:
            check_time(at)
        rates = self._exact.get(model) if type(model) is str else None
        if rates is None:
            rates = self.rates_of(model)
        if rates is None:
            raise self._unknown(model)
        entry = rates.entry_at(at)
        if entry is None:
            raise self._undated(rates, at)
        return entry

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


def format_instant(at: dt.datetime) -> str:
    """Returns a UTC time as its date at midnight ("2026-02-01"), else as "2026-02-01T08:30:00Z" or finer."""
    text = at.isoformat().replace("+00:00", "Z")
    return text.removesuffix("T00:00:00Z")
