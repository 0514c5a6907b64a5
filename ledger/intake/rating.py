"""Portions priced by the cards of a run; what can't be priced is held back. Needs no ledger.

A run's counts are kept here, as each step adds to them.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction

import msgspec

from ledger.book.prices.pins import PinnedIds
from ledger.book.prices.rating import Rater
from ledger.book.records import Rated
from ledger.book.rows import Facts, usage_of
from ledger.intake.fields.record import Held, UsageRecord
from ledger.intake.fields.records_line import to_fields
from ledger.intake.labels import ALIKE, Resolver
from ledger.intake.portions.portion import Portion
from ledger.intake.quarantine import line_of
from ledger.values.spend import Spend
from pricing.billing import unpriced_calls
from pricing.money import INT64_MAX, NANO, divide_half_even
from pricing.rate_card import RateCard

OUTCOMES = ("accepted", "duplicate", "conflict", "rejected", "pending")


@dataclass(slots=True)
class RunCounts:
    """The fate of a run's items: read = accepted + duplicate + conflict + rejected + pending.

    `assumed` counts the storage records that --assume-cache-storage derives, which have no item. `spend` is
    the money of what was accepted, by project. `ignored` counts by reason what carries token counts and is no request
    to book, outside of `read`; `lost_amounts` the records whose gateway's own figure can't be read; `unknown_keys`
    responses that were read slowly, by a key that others don't have.
    """

    counts: Counter[str] = field(default_factory=Counter)
    assumed: Counter[str] = field(default_factory=Counter)
    spend: defaultdict[str, Spend] = field(default_factory=lambda: defaultdict(Spend))
    differing_labels: int = 0
    ignored: Counter[str] = field(default_factory=Counter)
    unknown_keys: Counter[str] = field(default_factory=Counter)
    lost_amounts: int = 0

    @property
    def fates(self) -> dict[str, int]:
        """Items by outcome, those without any too."""
        return {name: self.counts[name] for name in OUTCOMES}

    @property
    def read(self) -> int:
        return sum(self.fates.values())

    @property
    def seen(self) -> int:
        """All that was read or ignored."""
        return self.read + self.ignored.total()

    def add(self, other: RunCounts) -> None:
        """Adds the counts of another part of the run, but its spend."""
        for name in ("counts", "assumed", "ignored", "unknown_keys"):
            getattr(self, name).update(getattr(other, name))
        self.differing_labels += other.differing_labels
        self.lost_amounts += other.lost_amounts


class Rating:
    """The cards of a run, and the rows that its charges are pinned to."""

    def __init__(self, cards: Mapping[str, RateCard], pins: PinnedIds, resolver: Resolver) -> None:
        self._rater = Rater(cards, pins)
        self._pins = pins
        self._resolver = resolver

    def rate(self, portion: Portion, tally: RunCounts) -> Rated:
        """Prices what was read; the rest goes from `portion` to its `held`. Both are counted."""
        tally.counts["rejected"] += portion.rejected
        tally.counts["pending"] += portion.pending
        tally.ignored.update(portion.ignored)
        tally.unknown_keys.update(portion.unknown_keys)
        tally.lost_amounts += portion.lost_amounts
        if portion.records.optional.keys() & {"calls", "tool_calls"}:
            self._price_calls(portion, tally)
        rated, errors = self._rater.rate(portion.records)
        if errors:
            leave_out(portion, {place: (error.reason, str(error)) for place, error in errors.items()}, tally)
        self._convert_figures(rated, portion)
        rated.records = portion.records
        return rated

    def _price_calls(self, portion: Portion, tally: RunCounts) -> None:
        """Has web searches priced where the card prices calls; leaves other fees unbooked, or refuses them."""
        reasons: dict[int, tuple[str, str]] = {}
        records = portion.records
        stated = zip(records.values("calls"), records.values("tool_calls"), strict=True)
        for place, (calls, others) in enumerate([(calls or 0, others or 0) for calls, others in stated]):
            priced, unpriced = calls, others
            if calls and not self._rater.prices_calls(records.facts(place)):
                priced, unpriced = 0, calls + others
            if not unpriced or self._resolver.leaves_fees_unbooked:
                if (priced, unpriced) != (calls, others):
                    records.change("calls", place, priced or None)
                    records.change("tool_calls", place, unpriced or None)
            else:
                error = unpriced_calls(unpriced)
                reasons[place] = (error.reason, str(error))
        if reasons:
            leave_out(portion, reasons, tally)

    def _convert_figures(self, rated: Rated, portion: Portion) -> None:
        """Turns figures in USD into the card's currency, by the conversion that the charge is pinned to."""
        for place, usd in portion.figures_usd.items():
            conversion_id = rated.terms[rated.term[place]].conversion_id
            exact = Fraction(str(usd)) * (self._pins.per_usd_nano(conversion_id) or NANO)
            nano = divide_half_even(exact.numerator, exact.denominator)
            portion.records.change("provider_amount_nano", place, nano if abs(nano) <= INT64_MAX else None)
        portion.figures_usd = {}


def leave_out(portion: Portion, reasons: Mapping[int, tuple[str, str]], tally: RunCounts) -> list[int]:
    """Moves rows to `held`, by place with reason and message; returns the places left."""
    for place, (reason, message) in reasons.items():
        hold_back(portion, place, reason, message, tally)
    left = [place for place in range(len(portion.records)) if place not in reasons]
    portion.keep(left)
    return left


def hold_back(portion: Portion, place: int, reason: str, message: str, tally: RunCounts) -> None:
    """Adds a record to `held`, and counts it unless it is in conflict, which is an outcome of its own."""
    facts, usd = portion.records.facts(place), portion.figures_usd.get(place)
    if reason != "conflict":
        (tally.assumed if facts.assumed else tally.counts)["rejected"] += 1
    raw = line_of(facts, portion.raw(place))
    held = Held(portion.lines[place], raw, reason, message, fields_of(facts, usd), facts.source, complete=True)
    portion.held.append(held)


def fields_of(facts: Facts, figure_usd: str | None = None) -> dict[str, object]:
    """Returns facts as a `records` line, for the quarantine; `assumed` beside derived ones."""
    record = UsageRecord(
        occurred_at_us=facts.occurred_at,
        project=facts.project,
        tags=msgspec.json.decode(facts.tags),
        storage_end_us=facts.storage_end,
        usage=usage_of(facts),
        tool_calls=facts.tool_calls or 0,
        provider_amount_usd=figure_usd,
        **{name: getattr(facts, name) for name in ALIKE},
    )
    return to_fields(record) | ({"assumed": True} if facts.assumed else {})
