"""From parsed input to posted charges, a portion at a time; the rest is held back.

Files, retries of quarantined lines and calls from a running application all come through here.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from fractions import Fraction
from typing import NamedTuple

import msgspec
from sqlalchemy import Connection

from ledger.book.posting import Posted, Poster, Run
from ledger.book.prices.in_force import cards_in_force
from ledger.book.prices.pins import PinnedIds
from ledger.book.prices.rating import Rater
from ledger.book.records import Rated, Records, recoded, sum_by_code
from ledger.book.redaction import known_ids
from ledger.book.rows import Facts, usage_of
from ledger.book.trial import Trial
from ledger.config import Config
from ledger.intake.fields.record import Held, UsageRecord
from ledger.intake.fields.records_line import to_fields
from ledger.intake.labels import ALIKE, Resolver, RunOptions
from ledger.intake.portions.portion import Portion
from ledger.intake.quarantine import line_of
from ledger.store.database import Database
from ledger.values.spend import Spend
from pricing.billing import unpriced_calls
from pricing.money import INT64_MAX, NANO, divide_half_even

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


class Mark(NamedTuple):
    """The counts of a run, its first batch and a portion, as they are before that is posted."""

    tally: RunCounts
    run_id: int | None
    portion: Portion


class Intake:
    """One run's way into a ledger, or a trial of it; `prepare` and `post` want the caller's transaction."""

    def __init__(
        self, database: Database, config: Config, options: RunOptions, run: Run, *, is_trial: bool = False
    ) -> None:
        self.options = options
        self.tally = RunCounts()
        self.poster = Trial(database, run) if is_trial else Poster(database, run)
        self._is_trial = is_trial
        self.resolver = Resolver(options, config)
        self._pins = PinnedIds()
        self._rater: Rater | None = None

    def prepare(self, connection: Connection) -> None:
        """Fixes the run's cards and, but for a trial, makes sure their rows exist, which needs the write lock."""
        in_force = cards_in_force(connection)
        self._pins.pin(connection, in_force.values(), adding=not self._is_trial)
        self._rater = Rater(in_force, self._pins)

    def begin(self, run: Run) -> None:
        """Goes on with another run, whose cards and settings are the same."""
        self.tally = RunCounts()
        self.poster.run = run

    def rate(self, portion: Portion) -> Rated:
        """Prices what was read; the rest goes from `portion` to its `held`."""
        assert self._rater is not None, "prepare comes first"
        self.tally.counts["rejected"] += portion.rejected
        self.tally.counts["pending"] += portion.pending
        self.tally.ignored.update(portion.ignored)
        self.tally.unknown_keys.update(portion.unknown_keys)
        self.tally.lost_amounts += portion.lost_amounts
        if portion.records.optional.keys() & {"calls", "tool_calls"}:
            self._price_calls(portion, self._rater)
        rated, errors = self._rater.rate(portion.records)
        if errors:
            self._leave_out(portion, {place: (error.reason, str(error)) for place, error in errors.items()})
        self._convert_figures(rated, portion)
        rated.records = portion.records
        return rated

    def _price_calls(self, portion: Portion, rater: Rater) -> None:
        """Has web searches priced where the card prices calls; leaves other fees unbooked, or refuses them."""
        reasons: dict[int, tuple[str, str]] = {}
        records = portion.records
        stated = zip(records.values("calls"), records.values("tool_calls"), strict=True)
        for place, (calls, others) in enumerate([(calls or 0, others or 0) for calls, others in stated]):
            priced, unpriced = calls, others
            if calls and not rater.prices_calls(records.facts(place)):
                priced, unpriced = 0, calls + others
            if not unpriced or self.resolver.leaves_fees_unbooked:
                if (priced, unpriced) != (calls, others):
                    records.change("calls", place, priced or None)
                    records.change("tool_calls", place, unpriced or None)
            else:
                error = unpriced_calls(unpriced)
                reasons[place] = (error.reason, str(error))
        if reasons:
            self._leave_out(portion, reasons)

    def _convert_figures(self, rated: Rated, portion: Portion) -> None:
        """Turns figures in USD into the card's currency, by the conversion that the charge is pinned to."""
        for place, usd in portion.figures_usd.items():
            conversion_id = rated.terms[rated.term[place]].conversion_id
            exact = Fraction(str(usd)) * (self._pins.per_usd_nano(conversion_id) or NANO)
            nano = divide_half_even(exact.numerator, exact.denominator)
            portion.records.change("provider_amount_nano", place, nano if abs(nano) <= INT64_MAX else None)
        portion.figures_usd = {}

    def mark(self, portion: Portion) -> Mark:
        """Returns what `go_back` wants."""
        spend = {name: replace(spend, parts=spend.parts.copy()) for name, spend in self.tally.spend.items()}
        counts, assumed = self.tally.counts.copy(), self.tally.assumed.copy()
        tally = replace(self.tally, counts=counts, assumed=assumed, spend=defaultdict(Spend, spend))
        return Mark(tally, self.poster.run.id, replace(portion, held=list(portion.held)))

    def go_back(self, mark: Mark, portion: Portion) -> Mark:
        """Puts back what `post` changed but in its transaction, which came to nothing; returns another mark."""
        for changed, before in ((self.tally, mark.tally), (portion, mark.portion)):
            for each in fields(changed):
                setattr(changed, each.name, getattr(before, each.name))
        self.poster.run.id = mark.run_id
        return self.mark(portion)

    def post(self, connection: Connection, rated: Rated, portion: Portion) -> Posted:
        """Posts what was rated; holds back what has no room in roll-ups or contradicts records, in order of lines."""
        records = rated.records
        records.request_ids = known_ids(connection, self.poster.settings, records.request_ids)
        refusals = self.poster.refusals(connection, rated)
        if refusals:
            reasons = {place: ("sum_too_large", message) for place, message in refusals.items()}
            rated = rated.take(self._leave_out(portion, reasons))
        posted = self.poster.post_usage(connection, rated) if len(rated) else Posted()
        self._count(rated.records, posted)
        for place, outcome in posted.known.items():
            if outcome == "conflict":
                facts = rated.records.facts(place)
                message = (
                    f"{facts.kind} {facts.request_id!r} of {facts.source} is recorded with other facts: "
                    "'tollbook quarantine show' has both"
                )
                self._hold(portion, place, "conflict", message)
        portion.held.sort(key=lambda held: held.line)
        self._sum_up(rated, posted)
        self.tally.differing_labels += posted.differing_labels
        return posted

    def _count(self, records: Records, posted: Posted) -> None:
        assumed, fates = records.values("assumed"), ["accepted"] * len(records)
        for place, outcome in posted.known.items():
            fates[place] = outcome
        outcomes = Counter(zip(assumed, fates, strict=True))
        for (derived, fate), count in outcomes.items():
            (self.tally.assumed if derived else self.tally.counts)[fate] += count

    def _leave_out(self, portion: Portion, reasons: Mapping[int, tuple[str, str]]) -> list[int]:
        """Moves rows to `held`, by place with reason and message; returns the places left."""
        for place, (reason, message) in reasons.items():
            self._hold(portion, place, reason, message)
        left = [place for place in range(len(portion.records)) if place not in reasons]
        portion.keep(left)
        return left

    def _sum_up(self, rated: Rated, posted: Posted) -> None:
        if posted.known:
            rated = rated.take([place for place in range(len(rated)) if place not in posted.known])
        first, alike = recoded(rated.records.number("label"), rated.term)
        for place, (amount, count) in zip(first, sum_by_code(rated.amount_nano, alike), strict=True):
            terms, label = rated.terms[rated.term[place]], rated.records.labels[rated.records.number("label")[place]]
            per_usd_nano = self._pins.per_usd_nano(terms.conversion_id)
            self.tally.spend[label.project].add(terms.currency, per_usd_nano, amount, count)

    def _hold(self, portion: Portion, place: int, reason: str, message: str) -> None:
        facts, usd = portion.records.facts(place), portion.figures_usd.get(place)
        if reason != "conflict":
            (self.tally.assumed if facts.assumed else self.tally.counts)["rejected"] += 1
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
