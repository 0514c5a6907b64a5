"""Months of spend made of the factors that explain them, so that one can be changed and the others left."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import NamedTuple

from ledger.reports.bridge.bridge import bridge_between
from ledger.reports.bridge.values import Bridge, Cause
from ledger.reports.plan import CORRECTION, Sums
from ledger.reports.spend import SelectedSpend, SpendRow
from pricing.money import NANO, PICO_PER_NANO
from pricing.rate_entry import PromptTier, RateEntry

BOUNDS = (32_000, 128_000)
PRO, LITE = "pro", "lite"


class Price(NamedTuple):
    """Nano of CRD per token: input, cached input and output of either tier, and of cache storage per token and hour."""

    tiers: tuple[tuple[int, int, int], ...] = ((32_000, 6_400, 160_000), (48_000, 6_400, 240_000))
    storage: int = 170


@dataclass(frozen=True)
class Model:
    """The use of a model by a project; shares are tenths: of the requests, of the tokens in the first tier, cached."""

    share: int = 10
    input_tokens: int = 1_000
    output_tokens: int = 100
    first_tier_input: int = 10
    first_tier_output: int = 10
    cached: tuple[int, int] = (0, 0)
    token_hours: int = 0


@dataclass(frozen=True)
class Month:
    """Projects by name: tens of requests, and how models are used (tokens in hundreds). Corrections are nano-USD."""

    requests: Mapping[str, int]
    models: Mapping[tuple[str, str], Model]
    prices: Mapping[str, Price] = field(default_factory=lambda: {PRO: Price(), LITE: Price()})
    per_usd: int = 72
    corrections: Mapping[str, int] = field(default_factory=dict)

    @property
    def spend(self) -> SelectedSpend:
        numbers = {model: number for number, model in enumerate(self.prices, 1)}
        entries = {numbers[model]: entry(model, price) for model, price in self.prices.items()}
        rows = []
        for (project, name), model in self.models.items():
            rows += self._rows(project, name, model, numbers[name])
        for project, nano in self.corrections.items():
            sums = amounts(0, nano)
            rows.append(SpendRow((project, PRO, CORRECTION), "USD", None, None, "none", sums, None))
        return SelectedSpend(rows, entries, "days")

    def _rows(self, project: str, name: str, model: Model, number: int) -> list[SpendRow]:
        price, rows = self.prices[name], []
        requests = self.requests[project] * model.share
        inputs, outputs = requests * model.input_tokens, requests * model.output_tokens
        shares = ((model.first_tier_input, model.first_tier_output),
                  (10 - model.first_tier_input, 10 - model.first_tier_output))  # fmt: skip
        for place, (of_input, of_output) in enumerate(shares):
            tokens, answer = inputs * of_input // 10, outputs * of_output // 10
            cached = tokens * model.cached[place] // 10
            rates = price.tiers[place]
            counted = requests if place == 0 else 0
            sums = charged(
                counted, tokens, cached, answer, ((tokens - cached) * rates[0], cached * rates[1], answer * rates[2])
            )
            rows.append(
                SpendRow((project, name, None), "CRD", self.per_usd * NANO, number, str(BOUNDS[place]), sums, None)
            )
        stored = model.token_hours * price.storage
        sums = amounts(stored, stored)
        return [*rows, SpendRow((project, name, None), "CRD", self.per_usd * NANO, number, "none", sums, None)]


def amounts(storage_nano: int, amount_nano: int) -> Sums:
    """Sums of money without requests or tokens."""
    return Sums(0, 0, 0, 0, 0, 0, 0, 0, storage_nano, amount_nano)


def charged(requests: int, inputs: int, cached: int, outputs: int, nano: tuple[int, int, int]) -> Sums:
    """Sums of requests with what each meter of tokens came to."""
    return Sums(requests, inputs, cached, outputs, 0, *nano, 0, sum(nano))


def entry(model: str, price: Price, bounds: Sequence[int] = BOUNDS) -> RateEntry:
    tiers = tuple(
        PromptTier(bound, *(nano * PICO_PER_NANO for nano in rates))
        for bound, rates in zip(bounds, price.tiers, strict=True)
    )
    start = datetime(2026, 2, 1, tzinfo=UTC)
    return RateEntry("evolink", "CRD", model, start, None, tiers, price.storage * PICO_PER_NANO)


def explained(before: SelectedSpend, after: SelectedSpend) -> Bridge:
    return bridge_between(before, after)


def between(before: Month, after: Month) -> Bridge:
    return explained(before.spend, after.spend)


def causes(bridge: Bridge) -> dict[Cause, int]:
    """The parts that aren't 0."""
    return {cause: nano for cause, nano in bridge.by_cause if nano}


# Entries as ledgers have them beside each other: of other rates, bounds, providers and currencies.
ENTRIES: dict[int, RateEntry] = {
    1: entry(PRO, Price()),
    2: replace(
        entry(PRO, Price(((30_001, 6_401, 150_007), (48_000, 6_400, 240_000)))),
        effective_from=datetime(2026, 3, 1, tzinfo=UTC),
    ),
    3: entry(PRO, Price(), bounds=(64_000, 128_000)),
    4: replace(entry(PRO, Price()), provider="volcengine", currency="CNY"),
    5: replace(entry(LITE, Price(((1, 0, 7), (2, 1, 9)), storage=0)), currency="USD"),
    6: replace(entry(LITE, Price()), tiers=(PromptTier(32_000, 1_234, None, 5_678),), cache_storage_pico=None),
    7: replace(
        entry(PRO, Price()), tiers=(PromptTier(32_000, 32_000, 6_400, 160_000, None, 40_000, 64_001),),
        currency="USD", call_pico=10**10,
    ),
    8: replace(
        entry(PRO, Price()), tiers=(PromptTier(32_000, 32_000, 6_400, 160_000, None, None, 70_001),),
        currency="USD", call_pico=10**9, effective_from=datetime(2026, 3, 1, tzinfo=UTC),
    ),
}  # fmt: skip
