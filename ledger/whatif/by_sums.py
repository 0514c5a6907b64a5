"""Another model priced by sums alone, where that is to the last digit what pricing each request gives.

It is where each request falls into the like tier of the other model, whose rates are whole in nano, so that no line is
rounded, and whose price is one over all the time that the requests may be of.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from ledger.book.prices.pins import PinnedIds
from ledger.reports.plan import Sums
from ledger.whatif.changes import Changes
from ledger.whatif.sides import Key
from pricing.money import INT64_MAX, PICO_PER_NANO
from pricing.rate_card import RateCard
from pricing.rate_entry import STANDARD_SERVICE, PromptTier, RateEntry

NO_TIER = "none"


class BySums:
    """Prices the sums of a key by the model that it is to be priced as, up to a time."""

    def __init__(
        self,
        changes: Changes,
        cards: Mapping[str, RateCard],
        entries: Mapping[int, RateEntry],
        pins: PinnedIds,
        end: datetime,
    ) -> None:
        self._changes, self._cards, self._entries, self._pins, self._end = changes, cards, entries, pins, end

    def price(self, key: Key, sums: Sums) -> tuple[Key, Sums] | None:
        """Returns the key and sums of usage as they would be; None where only single requests tell."""
        model = self._changes.models[key.provider, key.model]
        booked = self._entries.get(key.rate_entry_id or 0)
        entry = None if booked is None else self._only_entry(key.provider, model, booked)
        if booked is None or entry is None:
            return None
        nano = _storage_nano(sums, booked, entry) if key.tier == NO_TIER else _request_nano(key, sums, booked, entry)
        if nano is None:
            return None
        other = key._replace(model=entry.model, rate_entry_id=self._pins.entry(entry))
        return other, Sums(*sums[:5], *nano, sum(nano))

    def _only_entry(self, provider: str, model: str, booked: RateEntry) -> RateEntry | None:
        """Returns the model's one price from the booked entry's first day to the end; None where there are more."""
        rates = self._cards[provider].models[model]
        entry = rates.entry_at(booked.effective_from)
        cuts = [
            cut
            for each in rates.entries
            for variant in each.variants
            for cut in (variant.effective_from, variant.effective_to)
        ]
        changes = any(cut is not None and booked.effective_from < cut < self._end for cut in cuts)
        if changes or entry is None or entry.settlement is not None or booked.service != STANDARD_SERVICE:
            return None
        return entry


def _storage_nano(sums: Sums, booked: RateEntry, entry: RateEntry) -> tuple[int, int, int, int] | None:
    """Prices stored tokens: their hours are what they came to by the booked rate."""
    booked_nano, other_nano = _whole_nano(booked.cache_storage_pico), _whole_nano(entry.cache_storage_pico)
    if booked.settlement is not None or not booked_nano or other_nano is None or other_nano > booked_nano:
        return None  # a dearer line could pass 64 bits
    hours, rest = divmod(sums.cache_storage_nano, booked_nano)
    return None if rest else (0, 0, 0, hours * other_nano)


def _request_nano(key: Key, sums: Sums, booked: RateEntry, entry: RateEntry) -> tuple[int, int, int, int] | None:
    tier = next((tier for tier in entry.tiers if tier.label == key.tier), None)
    # Tokens written to the cache and calls are few: request by request does for them.
    few = sums.cache_write_5m_tokens or sums.cache_write_1h_tokens or sums.calls
    if tier is None or few or not _takes_all(booked, entry):
        return None
    input_nano, output_nano = _whole_nano(tier.input_pico), _whole_nano(tier.output_pico)
    cached_nano = _whole_nano(tier.cached_input_pico)
    if input_nano is None or output_nano is None or cached_nano is None:
        return None
    return (
        (sums.input_tokens - sums.cached_input_tokens) * input_nano,
        sums.cached_input_tokens * cached_nano,
        sums.output_tokens * output_nano,
        0,
    )


def _takes_all(booked: RateEntry, entry: RateEntry) -> bool:
    """Tells whether an entry puts whatever the booked one prices into a tier of the same bounds, far below 64 bits."""
    most_input, most_output = booked.top_tokens, booked.max_output_tokens
    if most_input is None or most_output is None or _bounds(booked) != _bounds(entry):
        return False
    limits = ((entry.max_input_tokens, most_input), (entry.max_output_tokens, most_output))
    if any(limit is not None and limit < most for limit, most in limits):
        return False
    dearest = max(max(tier.input_pico, tier.cached_input_pico or 0, tier.output_pico) for tier in entry.tiers)
    return dearest * max(most_input, most_output) <= INT64_MAX


def _bounds(entry: RateEntry) -> list[tuple[int | None, int | None]]:
    def bounds(tier: PromptTier) -> tuple[int | None, int | None]:
        return tier.up_to, tier.output_up_to

    return [bounds(tier) for tier in entry.tiers]


def _whole_nano(rate_pico: int | None) -> int | None:
    """Returns nano per token; None for no rate, and for one that isn't whole."""
    if rate_pico is None or rate_pico % PICO_PER_NANO:
        return None
    return rate_pico // PICO_PER_NANO
