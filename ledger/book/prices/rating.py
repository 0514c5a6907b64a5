"""Usage records priced by the cards in force, columns at a time, with the rows that a charge is pinned to."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from ledger.book.prices.pins import PinnedIds
from ledger.book.records import Label, Rated, Records, Terms, coded, recoded
from ledger.book.rows import AMOUNTS, OPTIONAL_AMOUNTS, OPTIONAL_COUNTS, ChargeRow, Facts, all_counts, usage_of
from ledger.values.columns import distinct
from ledger.values.instants import from_microseconds
from pricing.batch import BatchCharges
from pricing.billing import billed_model, card_of_provider, conversion_places, priced_tiers
from pricing.by_card import price_batch
from pricing.charge import price_entry
from pricing.columns import ModelColumn
from pricing.errors import PricingError
from pricing.rate_card import RateCard
from pricing.rate_entry import STANDARD_NAMES, STORAGE_TIER
from pricing.storage_batch import StorageCharges, price_storage_batch

if TYPE_CHECKING:
    from pricing.money import Int64Array

COUNTS = ("input_tokens", "cached_input_tokens", "output_tokens")
# The counts that few requests have, with the names of what they cost.
AMOUNT_OF = dict(zip(Facts._fields[OPTIONAL_COUNTS], ChargeRow._fields[OPTIONAL_AMOUNTS], strict=True))


class Rater:
    """Prices facts by a run's cards; the cards don't change while a run lasts."""

    def __init__(self, cards: Mapping[str, RateCard], pins: PinnedIds) -> None:
        self._cards = cards
        self._pins = pins
        self._billed: dict[tuple[str, str | None, str | None], tuple[str, int]] = {}

    def card(self, provider: str) -> RateCard:
        """Returns the provider's card; PricingError where it has none."""
        return card_of_provider(self._cards, provider)

    def billed_model(self, facts: Facts | Label) -> tuple[str, int]:
        """Returns the model to bill, the requested one if known, and whether another known one answered (1)."""
        key = (facts.provider, facts.requested_model, facts.reported_model)
        found = self._billed.get(key)
        if found is None:
            model, differs = billed_model(self.card(facts.provider), facts.requested_model, facts.reported_model)
            found = self._billed[key] = model, int(differs)
        return found

    def prices_calls(self, facts: Facts) -> bool:
        """Tells whether the price of a request has one for calls; True where it has none, which rating tells."""
        try:
            model, _differs = self.billed_model(facts)
            entry = self.card(facts.provider).entry_at(model, from_microseconds(facts.occurred_at), facts.service_tier)
        except PricingError:
            return True
        return entry.call_pico is not None

    def rate(self, records: Records) -> tuple[Rated, dict[int, PricingError]]:
        """Prices records in order; those that can't be priced are left out and named by place in `records`."""
        import numpy as np

        rated, errors = Rated.unpriced(records), dict[int, PricingError]()
        label = records.number("label")
        if len(records) == 1 and records.labels[label.item()].kind == "request":
            try:
                self._rate_request(rated, records.facts(0))
            except PricingError as error:
                return rated.take([]), {0: error}
            return rated, errors
        groups: dict[tuple[str, str], dict[int, tuple[str, int]]] = {}
        for code in distinct(label).tolist():
            stated = records.labels[code]
            try:
                groups.setdefault((stated.kind, stated.provider), {})[code] = self.billed_model(stated)
            except PricingError as error:
                errors.update(dict.fromkeys(np.flatnonzero(label == code).tolist(), error))
        for (kind, provider), billed in groups.items():
            is_billed = np.zeros(len(records.labels), dtype=np.bool_)
            is_billed[list(billed)] = True
            places = np.flatnonzero(is_billed[label])
            if len(places):
                rate = self._rate_requests if kind == "request" else self._rate_storage
                bad = rate(self.card(provider), places, billed, rated)
                errors.update((int(places[row]), error) for row, error in bad.items())
        return rated.take([place for place in range(len(records)) if place not in errors]) if errors else rated, errors

    def _rate_request(self, rated: Rated, facts: Facts) -> None:
        """Prices the only record, a request, as one: columns take longer, to the same figures."""
        card, at = self.card(facts.provider), from_microseconds(facts.occurred_at)
        model, differs = self.billed_model(facts)
        usage = usage_of(facts)
        is_standard = facts.service_tier in STANDARD_NAMES or not any(all_counts(facts))
        charge = price_entry(card.entry_at(model, at, None if is_standard else facts.service_tier), usage)
        assert charge.tier is not None
        pinned = (self._pins.entry(charge.entry), self._pins.conversion(card.provider, card.conversion_at(at)))
        rated.terms.append(Terms(card.currency, model, differs, *pinned, charge.tier.label))
        rated.term[0] = 0
        rated.nano[:, 0] = [getattr(charge, amount) for amount in ChargeRow._fields[AMOUNTS]]
        for count, amount in AMOUNT_OF.items():
            if count in rated.records.optional:
                rated.optional[amount] = [getattr(charge, amount) if getattr(facts, count) else None]

    def _rate_requests(
        self,
        card: RateCard,
        places: Int64Array,
        billed: Mapping[int, tuple[str, int]],
        rated: Rated,
    ) -> dict[int, PricingError]:
        records = rated.records if len(places) == len(rated.records) else rated.records.take(places.tolist())
        optional = {count: amount for count, amount in AMOUNT_OF.items() if count in records.optional}
        batch = price_batch(
            card=card,
            model=_models(records, billed),
            at=records.number("occurred_at"),
            service_tier=_service_tiers(records),
            **{count: records.number(count) for count in COUNTS},
            **{count: [tokens or 0 for tokens in records.optional[count]] for count in optional},
        )
        for place, amount in enumerate(ChargeRow._fields[AMOUNTS]):
            if amount != "cache_storage_nano":
                rated.nano[place, places] = getattr(batch, amount)
        for count, amount in optional.items():
            amounts = zip(records.optional[count], getattr(batch, amount).tolist(), strict=True)
            rated.set_optional(amount, places, [nano if tokens else None for tokens, nano in amounts])
        return self._set_terms(card, places, billed, rated, batch)

    def _rate_storage(
        self,
        card: RateCard,
        places: Int64Array,
        billed: Mapping[int, tuple[str, int]],
        rated: Rated,
    ) -> dict[int, PricingError]:
        import numpy as np

        records = rated.records.take(places.tolist())
        batch = price_storage_batch(
            card=card,
            model=_models(records, billed),
            start=records.number("occurred_at"),
            end=np.array(records.values("storage_end"), dtype=np.int64),
            tokens=np.array(records.values("storage_tokens"), dtype=np.int64),
        )
        rated.nano[-2:, places] = batch.amount_nano  # of storage, and the whole
        return self._set_terms(card, places, billed, rated, batch)

    def _set_terms(
        self,
        card: RateCard,
        places: Int64Array,
        billed: Mapping[int, tuple[str, int]],
        rated: Rated,
        batch: BatchCharges | StorageCharges,
    ) -> dict[int, PricingError]:
        """Pins what was priced to rows of entries and conversions; returns by row why one is not priced."""
        import numpy as np

        label = rated.records.number("label")[places]
        conversion, unconverted = conversion_places(card, rated.records.number("occurred_at")[places])
        bad = unconverted | batch.errors
        kept = np.arange(len(places))
        if bad:
            kept = np.delete(kept, list(bad))
        codes = (label, batch.entry_index, batch.tier_index + 1, conversion + 1)
        first, term = recoded(*(code[kept] for code in codes))
        terms = []
        for row in kept[first].tolist():
            entry, tier = batch.entries[batch.entry_index[row]], int(batch.tier_index[row])
            in_effect = card.conversions[conversion[row]] if card.conversions else None
            pinned = (self._pins.entry(entry), self._pins.conversion(card.provider, in_effect))
            tier_label = STORAGE_TIER if tier < 0 else entry.tiers[tier].label
            terms.append(Terms(card.currency, *billed[label[row]], *pinned, tier_label))
        rated.set_terms(places[kept], terms, term)
        return bad


def _models(records: Records, billed: Mapping[int, tuple[str, int]]) -> ModelColumn:
    """Returns the model to bill of each record, by what its label has."""
    import numpy as np

    names, name = coded(model for model, _differs in billed.values())
    name_of = np.full(len(records.labels), -1, dtype=np.int64)
    name_of[list(billed)] = name
    return ModelColumn(names, name_of[records.number("label")])


def _service_tiers(records: Records) -> ModelColumn | None:
    """Returns the service tier of each request, None where all are standard; without tokens it needs no price."""
    import numpy as np

    label = records.number("label")
    stated = {code: records.labels[code].service_tier for code in distinct(label).tolist()}
    if STANDARD_NAMES.issuperset(set(stated.values()) - {None}):
        return None
    names, code = coded(tier for tier in stated.values() if tier is not None)
    code_of = np.full(len(records.labels), -1, dtype=np.int64)
    code_of[[place for place, tier in stated.items() if tier is not None]] = code
    counts = [records.number(count) for count in COUNTS]
    counts += [np.array([tokens or 0 for tokens in records.values(count)], dtype=np.int64) for count in AMOUNT_OF]
    return ModelColumn(names, priced_tiers(code_of[label], counts))
