"""A model's prices from a date on: its tiers, its service tiers, and what decides a price of them."""

from __future__ import annotations

import datetime as dt
import hashlib
import json
from dataclasses import astuple, dataclass, field
from functools import cached_property
from typing import Any

from pricing.errors import UnpricedUsage, shown_word
from pricing.money import Settlement

UNBOUNDED = "unbounded"
# In place of a tier, of what has none.
STORAGE_TIER = "none"

# Meters whose rate is in a tier, as `{meter}_pico`; those of OPTIONAL_METERS may have none.
TIER_METERS = ("input", "cached_input", "output", "cache_write_5m", "cache_write_1h")
OPTIONAL_METERS = ("cached_input", "cache_write_5m", "cache_write_1h")

# What a request is served as that states no service tier; "auto" leaves the choice to the vendor, who then states it.
STANDARD_SERVICE = "default"
STANDARD_NAMES = frozenset({STANDARD_SERVICE, "auto"})


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
    cache_write_5m_pico: int | None = None
    cache_write_1h_pico: int | None = None

    def rate_pico(self, meter: str) -> int | None:
        """Returns the rate of one of TIER_METERS; None without one."""
        rate_pico: int | None = getattr(self, f"{meter}_pico")
        return rate_pico

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
    rank = (UNBOUNDED, STORAGE_TIER).index(prompt) + 1 if not prompt.isdecimal() else 0
    return (rank, 0 if rank else int(prompt), 0 if output else 1, int(output or 0))


@dataclass(frozen=True)
class RateEntry:
    """One model's prices from `effective_from` (inclusive) to `effective_to` (exclusive) or the next entry.

    `services` are the prices of its other service tiers over the same days, each an entry of its own that says by
    `service_names` which `service_tier` it prices; the first of them is its `service`. `contracts` are the prices
    agreed upon instead of it, again entries of their own, with the digest of the list's; `misfit` says why one of
    these can't be worked out. `call_pico` is the price of a call in pico of the currency.
    """

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
    service: str = STANDARD_SERVICE
    service_names: tuple[str, ...] = ()
    services: tuple[RateEntry, ...] = ()
    contract: str = ""
    list_digest: str = ""
    listed: RateEntry | None = field(default=None, compare=False, repr=False)
    contracts: tuple[RateEntry, ...] = ()
    misfit: str = ""
    call_pico: int | None = None

    def price_for(self, service_tier: object, at: dt.datetime) -> RateEntry:
        """Returns the prices of a service tier at `at`, a contract's where one holds; None is the standard tier.

        UnpricedUsage where the entry gives it none, or a contract that doesn't fit the list holds.
        """
        served = self._served_as(service_tier)
        if served is None:
            others = "".join(f", {name!r}" for each in self.services for name in each.service_names)
            message = (
                f"service_tier {shown_word(service_tier)} has no price on {self.key}, which prices the standard one"
                f"{others}; add the entry again with its [[model.price.service]]: "
                "tollbook rates add FILE --replace --reason R"
            )
            raise UnpricedUsage(message, reason="unpriced_service_tier")
        found = served.under_contract(at)
        if found.misfit:
            message = (
                f"contract {found.contract!r} doesn't fit the list price {served.key}: {found.misfit}; "
                "add its terms again with: tollbook rates add FILE --replace --reason R"
            )
            raise UnpricedUsage(message, reason="unpriced_contract")
        return found

    def find_price(self, service_tier: object, at: dt.datetime) -> RateEntry | None:
        """Returns what `price_for` does, or None where it raises."""
        served = self._served_as(service_tier)
        found = served and served.under_contract(at)
        return None if found is None or found.misfit else found

    def _served_as(self, service_tier: object) -> RateEntry | None:
        if service_tier is None or (isinstance(service_tier, str) and service_tier in STANDARD_NAMES):
            return self
        return next((each for each in self.services if service_tier in each.service_names), None)

    def under_contract(self, at: dt.datetime) -> RateEntry:
        """Returns the prices of the contract that holds at `at`; those of the list without one."""
        for entry in self.contracts:
            if entry.effective_from <= at and (entry.effective_to is None or at < entry.effective_to):
                return entry
        return self

    @property
    def variants(self) -> tuple[RateEntry, ...]:
        """The entry itself, those of its other service tiers, and those of contracts over each that fit it."""
        served = (self, *self.services)
        agreed = ((each, *(entry for entry in each.contracts if not entry.misfit)) for each in served)
        return tuple(variant for variants in agreed for variant in variants)

    @property
    def cuts(self) -> set[dt.datetime]:
        """The times at which its prices begin or end, contracts' included."""
        days = (
            (each.effective_from, each.effective_to)
            for served in (self, *self.services)
            for each in (served, *served.contracts)
        )
        return {day for both in days for day in both if day is not None}

    def prices_as(self, other: RateEntry) -> bool:
        """Tells whether both price every request alike, apart from contracts."""
        mine, others = (
            [(each.service_names, each.content()) for each in (entry, *entry.services)] for entry in (self, other)
        )
        return mine == others

    def tier_for(self, input_tokens: int, output_tokens: int) -> PromptTier | None:
        """Returns the first tier that holds for the whole input, cached included; None past the last or limit.

        With bounds 32_000 and 128_000, 32_000 tokens are tier 1 and 32_001 are tier 2, each whole. The last tier of
        each prompt length has no bound of output.
        """
        if self.max_input_tokens is not None and input_tokens > self.max_input_tokens:
            return None
        for tier in self.tiers:
            if tier.holds_for(input_tokens, output_tokens):
                return tier
        return None

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
        if self.service != STANDARD_SERVICE:
            facts["service"] = self.service
        if self.call_pico is not None:
            facts["call_pico"] = self.call_pico
        if self.contract:
            facts |= {"contract": self.contract, "list_digest": self.list_digest}
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
        """A readable name of this version: "evolink/doubao-seed-2.0-code/2026-02-01#1a2b3c4d".

        Of another service tier and of a contract their names come after the day: ".../2026-02-01/batch/acme#…".
        """
        service = "" if self.service == STANDARD_SERVICE else self.service
        parts = (self.provider, self.model, format_instant(self.effective_from), service, self.contract)
        return f"{'/'.join(filter(None, parts))}#{self.digest[:8]}"


# A tier's bound, and its rates of input, cached input and output.
_LEAST_CONTENT = 4


def _content_of(tier: PromptTier) -> list[int | None]:
    """Returns what decides prices, less what it has none of at the end: as in cards that know no such part."""
    content = list(astuple(tier))
    while len(content) > _LEAST_CONTENT and content[-1] is None:
        content.pop()
    return content


def format_instant(at: dt.datetime) -> str:
    """Returns a UTC time as its date at midnight ("2026-02-01"), else as "2026-02-01T08:30:00Z" or finer."""
    text = at.isoformat().replace("+00:00", "Z")
    return text.removesuffix("T00:00:00Z")
