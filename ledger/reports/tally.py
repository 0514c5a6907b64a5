"""Sums of query rows by dimensions: exact, USD as a fraction until it is shown."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from operator import add
from typing import NamedTuple, TypeAlias

import msgspec

from ledger.book.prices.pinned import charged_at_pico
from ledger.book.rows import counts_by_meter
from ledger.reports.plan import Sums
from ledger.reports.spend import SelectedSpend, SpendRow
from ledger.values.amounts import CREDITS
from ledger.values.spend import Convertible
from pricing.charge import METERS
from pricing.money import PICO_PER_NANO, divide_half_even, round_usd
from pricing.rate_entry import RateEntry

Dimensions: TypeAlias = tuple[str | None, ...]

_COUNTS, _AMOUNTS = slice(0, 5), slice(5, 10)


class Tally(msgspec.Struct):
    """Sums of one row of the report: counts, nano of credits, and by conversion what becomes USD."""

    counts: list[int] = msgspec.field(default_factory=lambda: [0] * 5)
    credits_nano: list[int] = msgspec.field(default_factory=lambda: [0] * 5)
    amount_nano: Counter[str] = msgspec.field(default_factory=Counter)
    convertible_nano: Convertible = msgspec.field(default_factory=Convertible)
    saved_pico: Convertible = msgspec.field(default_factory=Convertible)
    storage_nano: Convertible = msgspec.field(default_factory=Convertible)
    listed_pico: Convertible = msgspec.field(default_factory=Convertible)

    def add(self, row: SpendRow, price: Price) -> None:
        """Adds a row of that price."""
        sums, per_usd_nano = row.sums, row.per_usd_nano
        self.counts = list(map(add, self.counts, tuple(sums)[_COUNTS]))
        if row.currency == CREDITS:
            self.credits_nano = list(map(add, self.credits_nano, tuple(sums)[_AMOUNTS]))
        self.amount_nano[row.currency] += sums.amount_nano
        self.convertible_nano[per_usd_nano] += sums.amount_nano
        self.saved_pico[per_usd_nano] += sums.cached_input_tokens * price.saving_pico
        self.storage_nano[per_usd_nano] += sums.cache_storage_nano
        self.listed_pico[per_usd_nano] += price.listed_pico(sums)

    @property
    def is_nothing(self) -> bool:
        """True where all of it was taken back, so that there is nothing to show."""
        return not (any(self.counts) or any(self.credits_nano) or any(self.convertible_nano.values()))

    @property
    def usd_nano(self) -> int:
        return round_usd(self.convertible_nano.usd)

    @property
    def savings_usd_nano(self) -> int:
        return round_usd(self.saved_pico.usd / PICO_PER_NANO)

    @property
    def list_usd_nano(self) -> int:
        return round_usd(self.listed_pico.usd / PICO_PER_NANO)


def tallied(spend: SelectedSpend) -> tuple[dict[Dimensions, Tally], Tally]:
    """Adds up by dimensions, except those voided whole, and over all."""
    tallies: dict[Dimensions, Tally] = {}
    prices: dict[tuple[int | None, str], Price] = {}
    for row in spend.rows:
        key = (row.rate_entry_id, row.tier)
        if key not in prices:
            prices[key] = price_of(spend.rate_entries, *key)
        tallies.setdefault(row.dimensions, Tally()).add(row, prices[key])
    return {key: tally for key, tally in tallies.items() if not tally.is_nothing}, tally_of_all(spend)


def tally_of_all(spend: SelectedSpend) -> Tally:
    """Adds up over all, price by price: far faster than row by row."""
    by_price: dict[tuple[str, int | None, int | None, str], list[Sums]] = defaultdict(list)
    for row in spend.rows:
        by_price[row.currency, row.per_usd_nano, row.rate_entry_id, row.tier].append(row.sums)
    tally = Tally()
    for price, sums in by_price.items():
        whole = SpendRow((), *price, Sums(*map(sum, zip(*sums, strict=True))), None)
        tally.add(whole, price_of(spend.rate_entries, whole.rate_entry_id, whole.tier))
    return tally


def parted(spend: SelectedSpend) -> tuple[SelectedSpend, dict[str, int]]:
    """Takes the part off, the last dimension; returns USD nano of the parts there are that aren't usage.

    Each is rounded once, and part of the total: what is left of it is usage.
    """
    parts: dict[str, Convertible] = {}
    for row in spend.rows:
        part = row.dimensions[-1]
        if part is not None:
            parts.setdefault(part, Convertible())[row.per_usd_nano] += row.sums.amount_nano
    rows = [row._replace(dimensions=row.dimensions[:-1]) for row in spend.rows]
    return replace(spend, rows=rows), {part: round_usd(nano.usd) for part, nano in parts.items()}


class Price(NamedTuple):
    """The price that charges of a row share: what a cached token saves, and under a contract the list's and its own."""

    saving_pico: int = 0
    entry: RateEntry | None = None
    tier_label: str = ""

    def listed_pico(self, sums: Sums) -> int:
        """Returns pico of the currency at list price: what was charged, and tokens x what a contract took off."""
        entry, booked_pico = self.entry, sums.amount_nano * PICO_PER_NANO
        if entry is None or entry.listed is None:
            return booked_pico
        if self.tier_label not in {tier.label for tier in entry.tiers}:
            # Storage, whose token-hours no row has: in proportion to what was charged.
            own_pico, list_pico = entry.cache_storage_pico, entry.listed.cache_storage_pico
            return divide_half_even(booked_pico * list_pico, own_pico) if own_pico and list_pico else booked_pico
        counts = zip(METERS, counts_by_meter(sums, 0), strict=True)
        of_list, own = (partial(charged_at_pico, each, self.tier_label) for each in (entry.listed, entry))
        return booked_pico + sum(tokens * (of_list(meter) - own(meter)) for meter, tokens in counts if tokens)


def price_of(entries: Mapping[int, RateEntry], entry_id: int | None, tier_label: str) -> Price:
    """Returns the price of a row's charges; an adjustment has none."""
    if entry_id is None:
        return Price()
    return Price(saving_pico(entries, entry_id, tier_label), entries[entry_id], tier_label)


def saving_pico(entries: Mapping[int, RateEntry], entry_id: int | None, tier_label: str) -> int:
    """Returns pico that a cached token is cheaper by than another input token of its tier; 0 where there is no tier."""
    if entry_id is None:
        return 0
    tier = next((tier for tier in entries[entry_id].tiers if tier.label == tier_label), None)
    return 0 if tier is None or tier.cached_input_pico is None else tier.input_pico - tier.cached_input_pico
