"""From parsed input to posted charges, a portion at a time; the rest is held back.

Files, retries of quarantined lines and calls from a running application all come through here.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import fields, replace
from typing import NamedTuple

from sqlalchemy import Connection

from ledger.book.archived import find_archived
from ledger.book.posting import Posted, Poster, Run
from ledger.book.prices.in_force import cards_in_force
from ledger.book.prices.pins import PinnedIds
from ledger.book.records import Rated, Records, recoded, sum_by_code
from ledger.book.redaction import known_ids
from ledger.book.sources import Home, lakes_of
from ledger.book.trial import Trial
from ledger.config import Config
from ledger.intake.labels import Resolver, RunOptions
from ledger.intake.portions.portion import Portion
from ledger.intake.rating import Rating, RunCounts, hold_back, leave_out
from ledger.store.database import Database
from ledger.values.spend import Spend

IN_LAKE = "source_in_lake"


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
        self._rating: Rating | None = None

    def prepare(self, connection: Connection) -> None:
        """Fixes the run's cards and, but for a trial, makes sure their rows exist, which needs the write lock."""
        in_force = cards_in_force(connection)
        self._pins.pin(connection, in_force.values(), adding=not self._is_trial)
        self._rating = Rating(in_force, self._pins, self.resolver)

    def begin(self, run: Run) -> None:
        """Goes on with another run, whose cards and settings are the same."""
        self.tally = RunCounts()
        self.poster.run = run

    def rate(self, portion: Portion) -> Rated:
        """Prices what was read; the rest goes from `portion` to its `held`."""
        assert self._rating is not None, "prepare comes first"
        return self._rating.rate(portion, self.tally)

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
        records.request_ids = self._known_ids(connection, records)
        rated = self.leave_to_lakes(connection, rated, portion)
        refusals = self.poster.refusals(connection, rated)
        if refusals:
            reasons = {place: ("sum_too_large", message) for place, message in refusals.items()}
            rated = rated.take(leave_out(portion, reasons, self.tally))
        posted = self.poster.post_usage(connection, rated) if len(rated) else Posted()
        self._count(rated.records, posted)
        for place, outcome in posted.known.items():
            if outcome == "conflict":
                facts = rated.records.facts(place)
                message = (
                    f"{facts.kind} {facts.request_id!r} of {facts.source} is recorded with other facts: "
                    "'tollbook quarantine show' has both"
                )
                hold_back(portion, place, "conflict", message, self.tally)
        portion.held.sort(key=lambda held: held.line)
        self._sum_up(rated, posted)
        self.tally.differing_labels += posted.differing_labels
        return posted

    def _known_ids(self, connection: Connection, records: Records) -> list[str]:
        """Returns the ids, and in place of one that is redacted in the ledger its word, unless it is archived."""
        plain = records.request_ids
        words = known_ids(connection, self.poster.settings, plain)
        if words == plain:
            return plain
        archived = find_archived(connection, records.identities)
        each = zip(plain, words, records.identities, strict=True)
        return [text if identity in archived else word for text, word, identity in each]

    def leave_to_lakes(self, connection: Connection, rated: Rated, portion: Portion) -> Rated:
        """Holds back records whose usage a lake keeps, which would be counted twice."""
        labels = rated.records.labels
        homes = lakes_of(connection, {label.source for label in labels}, self.poster.settings)
        if not homes:
            return rated
        kept = {place: homes[label.source] for place, label in enumerate(labels) if label.source in homes}
        month_of = self.poster.calendar.month
        found = zip(rated.records.number("label").tolist(), rated.records.number("occurred_at").tolist(), strict=True)
        reasons = {
            place: (IN_LAKE, _in_lake(labels[label].source, kept[label]))
            for place, (label, at) in enumerate(found)
            if label in kept and (not kept[label].month or kept[label].keeps(month_of(at)))
        }
        return rated.take(leave_out(portion, reasons, self.tally)) if reasons else rated

    def _count(self, records: Records, posted: Posted) -> None:
        assumed, fates = records.values("assumed"), ["accepted"] * len(records)
        for place, outcome in posted.known.items():
            fates[place] = outcome
        outcomes = Counter(zip(assumed, fates, strict=True))
        for (derived, fate), count in outcomes.items():
            (self.tally.assumed if derived else self.tally.counts)[fate] += count

    def _sum_up(self, rated: Rated, posted: Posted) -> None:
        if posted.known:
            rated = rated.take([place for place in range(len(rated)) if place not in posted.known])
        first, alike = recoded(rated.records.number("label"), rated.term)
        for place, (amount, count) in zip(first, sum_by_code(rated.amount_nano, alike), strict=True):
            terms, label = rated.terms[rated.term[place]], rated.records.labels[rated.records.number("label")[place]]
            per_usd_nano = self._pins.per_usd_nano(terms.conversion_id)
            self.tally.spend[label.project].add(terms.currency, per_usd_nano, amount, count)


def _in_lake(source: str, home: Home) -> str:
    return (
        f"source {source!r} belongs to {home}, where its usage is priced: add the record to the lake's files and post "
        "its sums, or give --source another name"
    )
