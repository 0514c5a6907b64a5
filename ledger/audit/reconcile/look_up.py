"""Reads the charges of keys that differ once more, with their usage, for the cause."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime, timedelta
from itertools import chain

from sqlalchemy import ColumnElement, Connection, and_

from ledger.audit.reconcile.booked import occurred_within, of_requests, read_per_usd
from ledger.audit.reconcile.causes import Repriced, Repricing
from ledger.audit.reconcile.of_lakes import LakeSide
from ledger.audit.reconcile.results import Basis, Cause, Result
from ledger.audit.reconcile.sides import Grain, Measure
from ledger.book.charges import live_chunks
from ledger.book.prices.pinned import read_rate_entries
from ledger.book.rows import ChargeRow, Facts
from ledger.store.bulk import in_chunks
from ledger.store.tables import charges
from ledger.values.calendar import Calendar, day_start
from pricing.errors import NoConversionInEffect
from pricing.rate_card import RateCard

# Ids that one query looks up.
IDS_AT_ONCE = 500
DAY = timedelta(days=1)


class Reader:
    """Finds the likely cause of each difference, by request or by the day and model of its grain."""

    def __init__(
        self, connection: Connection, card: RateCard, measure: Measure, basis: Basis, of_lakes: LakeSide
    ) -> None:
        self._connection = connection
        self._card = card
        self._measure = measure
        self._basis = basis
        self._of_lakes = of_lakes

    def per_usd_nano(self, day_ordinal: int) -> int | None:
        """Returns nano of the currency for 1 USD at the start of a day, or of the period where the day is 0."""
        day = day_start(date.fromordinal(day_ordinal), self._basis.zone) if day_ordinal else self._basis.period.start
        return per_usd_at(self._card, day)

    def causes(self, differing: Mapping[str, Result]) -> dict[str, Cause]:
        """Finds the likely cause of each key, where there is one."""
        if not differing:
            return {}
        per_usd = read_per_usd(self._connection, self._card.provider)
        per_usd |= {conversion.per_usd_nano for conversion in self._card.conversions}
        repricing = Repricing(self._card, read_rate_entries(self._connection), self._measure, self._basis, per_usd)
        return (
            self._by_request(differing, repricing)
            if self._basis.grain.by_request
            else self._by_day(differing, repricing)
        )

    def _live(self, condition: ColumnElement[bool]) -> Iterator[tuple[ChargeRow, Facts]]:
        for chunk in live_chunks(self._connection, and_(charges.c.provider == self._card.provider, condition)):
            yield from chunk

    def _by_request(self, differing: Mapping[str, Result], repricing: Repricing) -> dict[str, Cause]:
        found: dict[str, Cause] = {}
        two_sided = [key for key, result in differing.items() if result.status == "differs"]
        of_lakes = self._of_lakes.live_by_request(two_sided)
        for ids in in_chunks(two_sided, IDS_AT_ONCE):
            repriced: defaultdict[str, Repriced] = defaultdict(Repriced)
            found_there = chain.from_iterable(of_lakes.get(key, ()) for key in ids)
            for charge, facts in chain(self._live(of_requests(ids)), found_there):
                key = facts.request_id
                repricing.add(repriced[key], charge, facts, differing[key].difference_nano)
            for key in ids:
                found[key] = repricing.likely_cause(differing[key], repriced[key])
        return found

    def _by_day(self, differing: Mapping[str, Result], repricing: Repricing) -> dict[str, Cause]:
        repriced = self._repriced_days(differing, repricing)
        found: dict[str, Cause] = {}
        day_of = {key: self._basis.grain.parts(key)[0] for key in differing}
        billed = {day_of[key] for key, result in differing.items() if result.provider_rows}
        for key, result in differing.items():
            if result.status == "differs":
                found[key] = repricing.likely_cause(result, repriced[key])
            elif day_of[key] in billed and repricing.explained_by_model(result, repriced[key]):
                found[key] = "other_model"
        return found | _swapped(differing, repricing, repriced, self._basis.grain)

    def _repriced_days(self, differing: Mapping[str, Result], repricing: Repricing) -> defaultdict[str, Repriced]:
        """Reprices all days on which a key differs: what another model answered belongs to another key of its day."""
        grain, calendar = self._basis.grain, Calendar(self._basis.zone)
        days = {grain.parts(key)[0] for key in differing}
        repriced: defaultdict[str, Repriced] = defaultdict(Repriced)
        bounds = self._bounds(days)
        for charge, facts in chain(self._live(occurred_within(*bounds)), self._of_lakes.live(*bounds)):
            day = calendar.day(facts.occurred_at) if grain.by_day else ""
            if day not in days:
                continue
            key = grain.key(day, charge.billed_model)
            reported = repriced[grain.key(day, repricing.reported_model(charge, facts))]
            result = differing.get(key)
            repricing.add(repriced[key], charge, facts, 0 if result is None else result.difference_nano, reported)
        return repriced

    def _bounds(self, days: set[str]) -> tuple[datetime | None, datetime | None]:
        period, zone = self._basis.period, self._basis.zone
        if not self._basis.grain.by_day:
            return period.start, period.end
        first, last = (date.fromisoformat(day) for day in (min(days), max(days)))
        return day_start(first, zone), day_start(last + DAY, zone)


def _swapped(
    differing: Mapping[str, Result], repricing: Repricing, repriced: Mapping[str, Repriced], grain: Grain
) -> dict[str, Cause]:
    """Finds pairs of a day, each on one side alone, where the one at the other's prices is the other."""
    found: dict[str, Cause] = {}
    theirs = [key for key, result in differing.items() if result.status != "differs" and result.provider_rows]
    ours = [key for key, result in differing.items() if result.status != "differs" and not result.provider_rows]
    for key in theirs:
        day, model = grain.parts(key)
        for other in ours:
            parts = repriced[other].by_model.get(model) if grain.parts(other)[0] == day else None
            if parts and repricing.explains(differing[key], parts):
                found[key] = found[other] = "other_model"
    return found


def per_usd_at(card: RateCard, moment: datetime | None) -> int | None:
    """Returns nano of the card's currency for 1 USD at a time, now where it is None; before all, the first one's.

    None for a card in USD.
    """
    if not card.conversions:
        return None
    try:
        conversion = card.conversion_at(moment or datetime.now(UTC))
    except NoConversionInEffect:
        conversion = card.conversions[0]
    return None if conversion is None else conversion.per_usd_nano
