"""Charges priced otherwise, by the rule that posts them: their own prices, or those of the cards in force."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple, TypeAlias

from ledger.book.prices.pins import PinnedIds
from ledger.book.prices.rating import Rater
from ledger.book.records import PRICED, Records
from ledger.book.rows import ChargeRow, Facts
from ledger.values.columns import rows_of
from ledger.whatif.changes import Changes
from pricing.errors import PricingError
from pricing.rate_card import ModelRates, RateCard
from pricing.rate_entry import RateEntry


class Price(NamedTuple):
    """The price of a charge: its columns that a price decides, in their order. Amounts are nano."""

    billed_model: str
    rate_entry_id: int | None
    conversion_id: int | None
    tier: str
    input_nano: int
    cached_input_nano: int
    output_nano: int
    cache_storage_nano: int
    amount_nano: int
    cache_write_5m_nano: int | None
    cache_write_1h_nano: int | None
    call_nano: int | None


# Their places in a charge and in what a rater gives, after the billed model.
_OF_CHARGE = slice(ChargeRow._fields.index("rate_entry_id"), ChargeRow._fields.index("call_nano") + 1)
_OF_PRICED = [PRICED.index(name) for name in Price._fields]


def booked_price(charge: ChargeRow) -> Price:
    """Returns what a charge is booked at."""
    pinned: Any = charge[_OF_CHARGE]
    return Price(charge.billed_model, *pinned)


# A charge, its usage, and the usage to price in its place.
Task: TypeAlias = tuple[ChargeRow, Facts, Facts]
# The same with the price, or why there is none.
Outcome: TypeAlias = tuple[ChargeRow, Facts, Facts, Price | PricingError]


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
            if model is None and charge.provider in self._changes.carded:
                by_cards.append((charge, facts, usage))
            elif model is not None or usage.service_tier != facts.service_tier:
                named = usage._replace(requested_model=model or charge.billed_model, reported_model=None)
                by_cards.append((charge, facts, named))
            else:
                # The pinned entry is that of the service tier.
                entry = str(charge.rate_entry_id)
                as_booked.append(
                    (charge, facts, usage._replace(requested_model=entry, reported_model=None, service_tier=None))
                )
        for charge, facts, usage, found in _rated(self._by_cards, by_cards):
            is_carded = charge.provider in self._changes.carded
            yield charge, facts, usage, found if is_carded else _with(found, conversion_id=charge.conversion_id)
        for charge, facts, usage, found in _rated(self._as_booked, as_booked):
            kept = _with(found, billed_model=charge.billed_model, conversion_id=charge.conversion_id)
            yield charge, facts, usage, kept

    def _usage(self, charge: ChargeRow, facts: Facts) -> Facts:
        """Returns the usage as it is to be priced.

        A service tier that it is booked at is none to change.
        """
        changes = self._changes
        if facts.kind != "request" or charge.provider not in changes.providers:
            return facts
        cap, service = changes.cap_input, changes.service_tier
        if cap is not None and facts.input_tokens > cap:
            facts = _cut(facts, cap)
        if service is not None and service != self._services.get(charge.rate_entry_id or 0):
            facts = facts._replace(service_tier=service)
        return facts


def _cut(facts: Facts, cap: int) -> Facts:
    """Cuts a prompt: as much as before is read from cache, at most all, then as much written to it as is left."""
    cached = min(facts.cached_input_tokens, cap)
    written: list[int | None] = []
    left = cap - cached
    for count in (facts.cache_write_5m_tokens, facts.cache_write_1h_tokens):
        written.append(min(count or 0, left) or None)
        left -= written[-1] or 0
    return facts._replace(
        input_tokens=cap,
        cached_input_tokens=cached,
        cache_write_5m_tokens=written[0],
        cache_write_1h_tokens=written[1],
    )


def _with(found: Price | PricingError, **kept: str | int | None) -> Price | PricingError:
    """Returns a price with what stays as booked."""
    return found if isinstance(found, PricingError) else found._replace(**kept)  # type: ignore[arg-type]


def _rated(rater: Rater, tasks: Sequence[Task]) -> Iterator[Outcome]:
    rated, errors = rater.rate(Records.of([usage for _charge, _facts, usage in tasks]))
    prices = map(Price._make, rows_of([rated.columns()[place] for place in _OF_PRICED]))
    for row, task in enumerate(tasks):
        yield *task, errors[row] if row in errors else next(prices)


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
