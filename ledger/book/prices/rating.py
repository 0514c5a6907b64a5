"""Usage records priced by the cards in force, columns at a time, with the rows that a charge is pinned to."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from ledger.book.prices.pins import PinnedIds
from ledger.book.records import Label, Rated, Records, Terms, coded, recoded
from ledger.book.rows import AMOUNTS, OPTIONAL_AMOUNTS, OPTIONAL_COUNTS, ChargeRow, Facts
from ledger.values.columns import distinct
from ledger.values.instants import from_microseconds, to_microseconds
from pricing.by_card import price_batch
from pricing.charge import price_storage
from pricing.columns import ModelColumn
from pricing.errors import NoConversionInEffect, PricingError, UnknownModel
from pricing.names import with_question
from pricing.rate_card import RateCard
from pricing.rate_entry import STANDARD_NAMES, format_instant

if TYPE_CHECKING:
    from pricing.money import Int64Array

STORAGE_TIER = "none"
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
        """Returns the provider's card; PricingError "unknown_provider" naming the providers where it has none."""
        try:
            return self._cards[provider]
        except KeyError:
            raise PricingError(
                f"provider {provider!r} has no rate card; known: {', '.join(sorted(self._cards))}. "
                "Add one: tollbook rates add FILE",
                reason="unknown_provider",
            ) from None

    def billed_model(self, facts: Facts | Label) -> tuple[str, int]:
        """Returns the model to bill, the requested one if known, and whether another known one answered (1)."""
        key = (facts.provider, facts.requested_model, facts.reported_model)
        found = self._billed.get(key)
        if found is None:
            found = self._billed[key] = self._resolve(*key)
        return found

    def _resolve(self, provider: str, requested: str | None, reported: str | None) -> tuple[str, int]:
        card = self.card(provider)
        asked = card.resolve(requested) if requested else None
        answered = card.resolve(reported) if reported else None
        if asked is not None:
            return asked, int(answered is not None and answered != asked)
        if answered is not None:
            return answered, 0
        named = " and ".join(repr(name) for name in (requested, reported) if name) or "no model"
        question = card.did_you_mean(requested) or card.did_you_mean(reported)
        knows = f"the card of {provider} knows {', '.join(sorted(card.models))}"
        raise UnknownModel(f"{named}: {with_question(question, knows)}. Add the model: tollbook rates add FILE")

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
                rate(self.card(provider), places, billed, rated, errors)
        return rated.take([place for place in range(len(records)) if place not in errors]) if errors else rated, errors

    def _rate_requests(
        self,
        card: RateCard,
        places: Int64Array,
        billed: Mapping[int, tuple[str, int]],
        rated: Rated,
        errors: dict[int, PricingError],
    ) -> None:
        import numpy as np

        records = rated.records if len(places) == len(rated.records) else rated.records.take(places.tolist())
        label = records.number("label")
        names, name = coded(model for model, _differs in billed.values())
        name_of = np.full(len(records.labels), -1, dtype=np.int64)
        name_of[list(billed)] = name
        optional = {count: amount for count, amount in AMOUNT_OF.items() if count in records.optional}
        batch = price_batch(
            card=card,
            model=ModelColumn(names, name_of[label]),
            at=records.number("occurred_at"),
            service_tier=_service_tiers(records),
            **{count: records.number(count) for count in COUNTS},
            **{count: [tokens or 0 for tokens in records.optional[count]] for count in optional},
        )
        conversion, unconverted = _conversion_places(card, records.number("occurred_at"))
        bad = unconverted | batch.errors
        errors.update((int(places[row]), error) for row, error in bad.items())
        kept = np.arange(len(records))
        if bad:
            kept = np.delete(kept, list(bad))
        first, term = recoded(*(codes[kept] for codes in (label, batch.entry_index, batch.tier_index, conversion + 1)))
        terms = []
        for row in kept[first].tolist():
            entry = batch.entries[batch.entry_index[row]]
            in_effect = card.conversions[conversion[row]] if card.conversions else None
            pinned = (self._pins.entry(entry), self._pins.conversion(card.provider, in_effect))
            terms.append(Terms(card.currency, *billed[label[row]], *pinned, entry.tiers[batch.tier_index[row]].label))
        rated.set_terms(places[kept], terms, term)
        for place, amount in enumerate(ChargeRow._fields[AMOUNTS]):
            if amount != "cache_storage_nano":
                rated.nano[place, places] = getattr(batch, amount)
        for count, amount in optional.items():
            amounts = zip(records.optional[count], getattr(batch, amount).tolist(), strict=True)
            rated.set_optional(amount, places, [nano if tokens else None for tokens, nano in amounts])

    def _rate_storage(
        self,
        card: RateCard,
        places: Int64Array,
        billed: Mapping[int, tuple[str, int]],
        rated: Rated,
        errors: dict[int, PricingError],
    ) -> None:
        import numpy as np

        label = rated.records.number("label")
        priced: dict[int, Terms] = {}
        for place, facts in zip(places.tolist(), rated.records.take(places.tolist()).rows(), strict=True):
            start = from_microseconds(facts.occurred_at)
            model, differs = billed[label[place]]
            try:
                entry = card.entry_at(model, start)
                end = from_microseconds(facts.storage_end or 0)
                charge = price_storage(entry, facts.storage_tokens or 0, start, end)
                conversion = card.conversion_at(start)
            except PricingError as error:
                errors[place] = error
                continue
            entry_id, conversion_id = self._pins.entry(entry), self._pins.conversion(card.provider, conversion)
            priced[place] = Terms(card.currency, model, differs, entry_id, conversion_id, STORAGE_TIER)
            rated.nano[-2:, place] = charge.amount_nano  # of storage, and the whole
        terms, term = coded(priced.values())
        rated.set_terms(np.array(list(priced), dtype=np.int64), terms, np.array(term, dtype=np.int64))


def _conversion_places(card: RateCard, at_us: Int64Array) -> tuple[Int64Array, dict[int, PricingError]]:
    """Returns the place of each moment's conversion among the card's, and by row why there is none."""
    import numpy as np

    starts = np.array([to_microseconds(conversion.effective_from) for conversion in card.conversions], dtype=np.int64)
    places = starts.searchsorted(at_us, side="right").astype(np.int64, copy=False) - 1
    early = np.flatnonzero(places < 0).tolist() if card.conversions else ()
    return places, {
        row: NoConversionInEffect(
            f"{format_instant(from_microseconds(int(at_us[row])))} is before the first conversion of {card.provider}, "
            f"{card.conversions[0].effective_from:%Y-%m-%d}: add one from an earlier day"
        )
        for row in early
    }


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
    has_tokens = np.any([records.number(count) for count in COUNTS], axis=0)
    for count in AMOUNT_OF:
        has_tokens |= np.array([bool(tokens) for tokens in records.values(count)])
    return ModelColumn(names, np.where(has_tokens, code_of[label], -1))
