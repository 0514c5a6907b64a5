"""From parsed input to posted charges, a portion at a time; the rest is held back.

Files, retries of quarantined lines and calls from a running application all come through here.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction

import msgspec
from sqlalchemy import Connection

from ledger.book.posting import Posted, Poster, Run
from ledger.book.prices.in_force import cards_in_force
from ledger.book.prices.pins import PinnedIds
from ledger.book.prices.rating import Rater
from ledger.book.rows import Facts, Rated, usage_of
from ledger.book.trial import Trial
from ledger.config import Config
from ledger.intake.fields.record import Held, UsageRecord
from ledger.intake.fields.record_fields import to_fields
from ledger.intake.labels import ALIKE, Resolver, RunOptions
from ledger.intake.portions.portion import LineFacts, Portion
from ledger.intake.quarantine import line_of
from ledger.store.database import Database
from ledger.values.spend import Spend
from pricing.money import INT64_MAX, NANO, divide_half_even

OUTCOMES = ("accepted", "duplicate", "conflict", "rejected", "pending")


@dataclass(slots=True)
class RunCounts:
    """The fate of a run's items: read = accepted + duplicate + conflict + rejected + pending.

    `assumed` counts the storage records that --assume-cache-storage derives, which have no item. `spend` is
    the money of what was accepted, by project. `ignored` counts by reason what carries token counts and is no request
    to book, outside of `read`; `lost_amounts` the records whose gateway's own figure can't be read.
    """

    counts: Counter[str] = field(default_factory=Counter)
    assumed: Counter[str] = field(default_factory=Counter)
    spend: defaultdict[str, Spend] = field(default_factory=lambda: defaultdict(Spend))
    differing_labels: int = 0
    ignored: Counter[str] = field(default_factory=Counter)
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
        self.tally.lost_amounts += portion.lost_amounts
        if portion.has_calls:
            self._price_calls(portion, self._rater)
        rated, errors = self._rater.rate([row.facts for row in portion.rows])
        if errors:
            self._leave_out(portion, {place: (error.reason, str(error)) for place, error in errors.items()})
        self._convert_figures(rated, portion)
        return rated

    def _price_calls(self, portion: Portion, rater: Rater) -> None:
        """Has web searches priced where the card prices calls; leaves other fees unbooked, or refuses them."""
        reasons: dict[int, tuple[str, str]] = {}
        for place, row in enumerate(portion.rows):
            calls, others = row.facts.calls or 0, row.facts.tool_calls or 0
            if not calls and not others:
                continue
            if calls and not rater.prices_calls(row.facts):
                calls, others = 0, calls + others
            if not others or self.resolver.leaves_fees_unbooked:
                facts = row.facts._replace(calls=calls or None, tool_calls=others or None)
                portion.rows[place] = row._replace(facts=facts)
            else:
                message = (
                    f"calls of tools are billed beside the tokens ({others} here), and the card has no price for them: "
                    "add its per_call, of web searches, with 'tollbook rates add FILE'; or --tool-fees unbooked, or "
                    "[ledger] tool_fees, books the tokens alone and counts the calls"
                )
                reasons[place] = ("unpriced_tool_fees", message)
        if reasons:
            self._leave_out(portion, reasons)

    def _convert_figures(self, rated: Rated, portion: Portion) -> None:
        """Turns figures in USD into the card's currency, by the conversion that the charge is pinned to."""
        for place in [place for place, row in enumerate(portion.rows) if row.figure_usd is not None]:
            line, raw, facts, usd = portion.rows[place]
            exact = Fraction(str(usd)) * (self._pins.per_usd_nano(rated.conversion_id[place]) or NANO)
            nano = divide_half_even(exact.numerator, exact.denominator)
            converted = facts._replace(provider_amount_nano=nano if abs(nano) <= INT64_MAX else None)
            portion.rows[place] = LineFacts(line, raw, converted)
            rated.facts[place] = converted

    def post(self, connection: Connection, rated: Rated, portion: Portion) -> Posted:
        """Posts what was rated; holds back what has no room in roll-ups or contradicts records, in order of lines."""
        refusals = self.poster.refusals(connection, rated)
        if refusals:
            reasons = {place: ("sum_too_large", message) for place, message in refusals.items()}
            rated = rated.take(self._leave_out(portion, reasons))
        posted = self.poster.post_usage(connection, rated) if rated.facts else Posted([], None)
        outcomes = Counter(zip((facts.assumed for facts in rated.facts), posted.outcomes, strict=True))
        for (assumed, outcome), count in outcomes.items():
            (self.tally.assumed if assumed else self.tally.counts)[outcome] += count
        for place, outcome in enumerate(posted.outcomes):
            if outcome == "conflict":
                facts = rated.facts[place]
                message = (
                    f"{facts.kind} {facts.request_id!r} of {facts.source} is recorded with other facts: "
                    "'tollbook quarantine show' has both"
                )
                self._hold(portion, place, "conflict", message)
        portion.held.sort(key=lambda held: held.line)
        self._sum_up(rated, posted)
        self.tally.differing_labels += posted.differing_labels
        return posted

    def _leave_out(self, portion: Portion, reasons: Mapping[int, tuple[str, str]]) -> list[int]:
        """Moves rows to `held`, by place with reason and message; returns the places left."""
        for place, (reason, message) in reasons.items():
            self._hold(portion, place, reason, message)
        left = [place for place in range(len(portion.rows)) if place not in reasons]
        portion.rows = [portion.rows[place] for place in left]
        return left

    def _sum_up(self, rated: Rated, posted: Posted) -> None:
        accepted = defaultdict[tuple[str, str, int | None], list[int]](list)
        rows = zip(posted.outcomes, rated.facts, rated.currency, rated.conversion_id, rated.amount_nano, strict=True)
        for outcome, facts, currency, conversion_id, amount in rows:
            if outcome == "accepted":
                accepted[facts.project, currency, conversion_id].append(amount)
        for (project, currency, conversion_id), amounts in accepted.items():
            per_usd_nano = self._pins.per_usd_nano(conversion_id)
            self.tally.spend[project].add(currency, per_usd_nano, sum(amounts), len(amounts))

    def _hold(self, portion: Portion, place: int, reason: str, message: str) -> None:
        line, raw, facts, usd = portion.rows[place]
        if reason != "conflict":
            (self.tally.assumed if facts.assumed else self.tally.counts)["rejected"] += 1
        held = Held(line, line_of(facts, raw), reason, message, fields_of(facts, usd), facts.source, complete=True)
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
