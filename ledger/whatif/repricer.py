"""Charges priced otherwise, by the rule that posts them: their own prices, or those of the cards in force."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, TypeAlias

from ledger.book.prices.pins import PinnedIds
from ledger.book.prices.rating import Rater
from ledger.book.rows import ChargeRow, Facts
from ledger.whatif.changes import Changes
from pricing.errors import PricingError
from pricing.rate_card import ModelRates, RateCard
from pricing.rate_entry import RateEntry

# A charge, its usage, the usage to price in its place, and the charge that comes of it, or why it can't be priced.
Outcome: TypeAlias = tuple[ChargeRow, Facts, Facts, ChargeRow | PricingError]
# A charge, its usage, the usage to price in its place, and the charge's columns that stay.
Task: TypeAlias = tuple[ChargeRow, Facts, Facts, dict[str, Any]]


class Repricer:
    """Prices charges as the changes say; what they say nothing of stays as each charge is pinned.

    Usage of a provider whose card is given, and that of another model or service tier, is priced by the cards, which
    have the given ones laid over them; other usage by the entry that it is booked at.
    """

    def __init__(
        self, changes: Changes, cards: Mapping[str, RateCard], entries: Mapping[int, RateEntry], pins: PinnedIds
    ) -> None:
        self._changes = changes
        self._by_cards = Rater(cards, pins)
        self._as_booked = Rater(_pinned_cards(cards, entries), pins)
        self._services = {number: entry.service for number, entry in entries.items()}

    def price(self, posted: Sequence[tuple[ChargeRow, Facts]]) -> Iterator[Outcome]:
        """Prices charges with their usage, in no order."""
        by_cards: list[Task] = []
        as_booked: list[Task] = []
        for charge, facts in posted:
            usage = self._usage(charge, facts)
            model = self._changes.models.get((charge.provider, charge.billed_model))
            is_carded = charge.provider in self._changes.carded
            kept = {} if is_carded else {"conversion_id": charge.conversion_id}
            if model is None and not is_carded and usage.service_tier != facts.service_tier:
                model = charge.billed_model
            if model is not None:
                by_cards.append((charge, facts, _of_model(usage, model), kept))
            elif is_carded:
                by_cards.append((charge, facts, usage, kept))
            else:
                # A pinned entry is that of its service tier.
                entry = _of_model(usage, str(charge.rate_entry_id))._replace(service_tier=None)
                as_booked.append((charge, facts, entry, kept | {"billed_model": charge.billed_model}))
        yield from _rated(self._by_cards, by_cards)
        yield from _rated(self._as_booked, as_booked)

    def _usage(self, charge: ChargeRow, facts: Facts) -> Facts:
        """Returns the usage as it is to be priced.

        Of a prompt that is cut as much as before is read from cache, at most all; a service tier that it is booked at
        is none to change.
        """
        changes = self._changes
        if facts.kind != "request" or charge.provider not in changes.providers:
            return facts
        cap, service = changes.cap_input, changes.service_tier
        if cap is not None and facts.input_tokens > cap:
            facts = facts._replace(input_tokens=cap, cached_input_tokens=min(facts.cached_input_tokens, cap))
        if service is not None and service != self._services.get(charge.rate_entry_id or 0):
            facts = facts._replace(service_tier=service)
        return facts


def _of_model(usage: Facts, model: str) -> Facts:
    return usage._replace(requested_model=model, reported_model=None)


def _rated(rater: Rater, tasks: Sequence[Task]) -> Iterator[Outcome]:
    rated, errors = rater.rate([usage for _charge, _facts, usage, _kept in tasks])
    place = 0
    for row, (charge, facts, usage, kept) in enumerate(tasks):
        if row in errors:
            yield charge, facts, usage, errors[row]
        else:
            yield charge, facts, usage, charge._replace(**rated.row(place) | kept)
            place += 1


def _pinned_cards(cards: Mapping[str, RateCard], entries: Mapping[int, RateEntry]) -> dict[str, RateCard]:
    """Makes a card a provider on which each pinned entry is a model of its own, named by the entry's row."""
    models: dict[str, dict[str, ModelRates]] = {}
    for number, entry in entries.items():
        rates = ModelRates(str(number), (), entry.max_input_tokens, entry.max_output_tokens, (entry,))
        models.setdefault(entry.provider, {})[rates.id] = rates
    return {
        provider: RateCard(provider, cards[provider].currency, found, cards[provider].conversions)
        for provider, found in models.items()
        if provider in cards
    }
