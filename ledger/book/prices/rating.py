"""Usage records priced by the cards in force, columns at a time, with the rows that a charge is pinned to."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from itertools import chain, groupby
from typing import TYPE_CHECKING, Any, TypeAlias

from ledger.book.prices.pins import PinnedIds
from ledger.book.rows import OPTIONAL_COUNTS, Columns, Facts, Rated, columns_of
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
OCCURRED_AT = Facts._fields.index("occurred_at")
SERVICE_TIER = Facts._fields.index("service_tier")
COUNTS = tuple(Facts._fields.index(name) for name in ("input_tokens", "cached_input_tokens", "output_tokens"))
# The counts that few requests have, with the names of what they cost.
OPTIONAL = dict(
    zip(Facts._fields[OPTIONAL_COUNTS], ("cache_write_5m_nano", "cache_write_1h_nano", "call_nano"), strict=True)
)


# A record's place among those to be priced, itself, the model to bill, and whether another known one answered (1).
Named: TypeAlias = tuple[int, Facts, str, int]


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

    def billed_model(self, facts: Facts) -> tuple[str, int]:
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

    def rate(self, rows: Sequence[Facts]) -> tuple[Rated, dict[int, PricingError]]:
        """Prices records in order; those that can't be priced are left out and named by place in `rows`."""
        errors: dict[int, PricingError] = {}
        named: list[Named] = []
        for place, facts in enumerate(rows):
            try:
                named.append((place, facts, *self.billed_model(facts)))
            except PricingError as error:
                errors[place] = error
        parts: list[Rated] = []
        for (kind, provider), run in groupby(named, key=lambda record: (record[1].kind, record[1].provider)):
            rate = self._rate_requests if kind == "request" else self._rate_storage
            parts.append(rate(self.card(provider), list(run), errors))
        return _joined(parts), errors

    def _rate_requests(self, card: RateCard, records: Sequence[Named], errors: dict[int, PricingError]) -> Rated:
        import numpy as np

        places, rows, names, differs = zip(*records, strict=True)
        categories = sorted(set(names))
        code_of = {name: code for code, name in enumerate(categories)}
        columns = columns_of(rows)
        at, *counts = (np.array(columns[place], dtype=np.int64) for place in (OCCURRED_AT, *COUNTS))
        optional = _optional_counts(columns)
        batch = price_batch(
            card=card,
            model=ModelColumn(categories, np.array([code_of[name] for name in names], dtype=np.int64)),
            at=at,
            input_tokens=counts[0],
            cached_input_tokens=counts[1],
            output_tokens=counts[2],
            service_tier=_service_tiers(columns),
            **optional,
        )
        conversion_ids, unconverted = self._conversion_ids(card, columns[OCCURRED_AT])
        bad = unconverted | batch.errors
        errors.update((places[row], error) for row, error in bad.items())
        entry_ids = [self._pins.entry(entry) for entry in batch.entries]
        labels = [[tier.label for tier in entry.tiers] for entry in batch.entries]
        entries = batch.entry_index.tolist()
        rated = Rated(
            facts=list(rows),
            currency=[card.currency] * len(rows),
            billed_model=names,
            model_differs=differs,
            rate_entry_id=[entry_ids[entry] for entry in entries],
            conversion_id=conversion_ids,
            tier=[labels[entry][tier] for entry, tier in zip(entries, batch.tier_index.tolist(), strict=True)],
            input_nano=batch.input_nano.tolist(),
            cached_input_nano=batch.cached_input_nano.tolist(),
            output_nano=batch.output_nano.tolist(),
            cache_storage_nano=[0] * len(rows),
            amount_nano=batch.amount_nano.tolist(),
            **{amount: _amounts_of(optional.get(name), getattr(batch, amount)) for name, amount in OPTIONAL.items()},
        )
        return rated.take([row for row in range(len(rows)) if row not in bad]) if bad else rated

    def _conversion_ids(self, card: RateCard, at_us: Sequence[int]) -> tuple[list[int | None], dict[int, PricingError]]:
        if not card.conversions:
            return [None] * len(at_us), {}
        starts = [to_microseconds(conversion.effective_from) for conversion in card.conversions]
        ids = [self._pins.conversion(card.provider, conversion) for conversion in card.conversions]
        if len(starts) == 1 and min(at_us) >= starts[0]:
            return ids * len(at_us), {}
        places = [bisect_right(starts, moment) - 1 for moment in at_us]
        early: dict[int, PricingError] = {
            row: NoConversionInEffect(
                f"{format_instant(from_microseconds(at_us[row]))} is before the first conversion of {card.provider}, "
                f"{card.conversions[0].effective_from:%Y-%m-%d}: add one from an earlier day"
            )
            for row, place in enumerate(places)
            if place < 0
        }
        return [ids[place] for place in places], early

    def _rate_storage(self, card: RateCard, records: Sequence[Named], errors: dict[int, PricingError]) -> Rated:
        priced: list[tuple[Any, ...]] = []
        for place, facts, model, differs in records:
            start = from_microseconds(facts.occurred_at)
            try:
                entry = card.entry_at(model, start)
                charge = price_storage(
                    entry, facts.storage_tokens or 0, start, from_microseconds(facts.storage_end or 0)
                )
                conversion = card.conversion_at(start)
            except PricingError as error:
                errors[place] = error
                continue
            entry_id, conversion_id = self._pins.entry(entry), self._pins.conversion(card.provider, conversion)
            amount = charge.amount_nano
            priced.append(
                (facts, card.currency, model, differs, entry_id, conversion_id, STORAGE_TIER, 0, 0, 0, amount, amount,
                 None, None, None)
            )  # fmt: skip
        return Rated(*map(list, zip(*priced, strict=True))) if priced else _joined(())


def _optional_counts(columns: Columns) -> dict[str, list[int]]:
    """Returns those of OPTIONAL that any request has, by name."""
    stated = dict(zip(OPTIONAL, columns[OPTIONAL_COUNTS], strict=True))
    return {name: [count or 0 for count in column] for name, column in stated.items() if any(column)}


def _amounts_of(counts: Sequence[int] | None, amounts_nano: Int64Array) -> list[int | None]:
    """Returns what the counts cost, None where there are none."""
    if counts is None:
        return [None] * len(amounts_nano)
    return [amount if count else None for count, amount in zip(counts, amounts_nano.tolist(), strict=True)]


def _service_tiers(columns: Columns) -> list[str | None] | None:
    """Returns the service tier of each request, None where all are standard; without tokens it needs no price."""
    stated = columns[SERVICE_TIER]
    if STANDARD_NAMES.issuperset(set(stated) - {None}):
        return None
    counts = zip(*(columns[place] for place in COUNTS), *columns[OPTIONAL_COUNTS], strict=True)
    return [tier if any(tokens) else None for tier, tokens in zip(stated, counts, strict=True)]


def _joined(parts: Sequence[Rated]) -> Rated:
    """Puts the parts one after the other."""
    if len(parts) == 1:
        return parts[0]
    return Rated._make(list(chain(*(part[place] for part in parts))) for place in range(len(Rated._fields)))
