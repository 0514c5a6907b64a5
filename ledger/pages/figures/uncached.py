"""Prompts that are read from cache less than those of the same project and model once were."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from fractions import Fraction
from typing import TypeAlias

from ledger.book.rows import counts_by_meter
from ledger.pages.figures.month_spend import MonthSpend, read_month_before, read_month_spend
from ledger.pages.figures.values import Lever
from ledger.reports.snapshot import Snapshot
from ledger.reports.tally import saving_pico
from ledger.values.calendar import day_start
from ledger.values.spend import Convertible
from pricing.charge import METERS
from pricing.money import PICO_PER_NANO, round_usd

# Of fewer requests a share says nothing, and a share no further below another one is as good.
FEWEST_REQUESTS = 100
LEAST_GAP = Fraction(1, 10)
# The weeks of a month begin on these days, the last one goes up to its end.
WEEKS = (1, 8, 15, 22)

INPUT = METERS.index("input")

Cell: TypeAlias = tuple[str, str]


@dataclass(slots=True)
class _Input:
    """The input of a project and model; `uncached_pico` is what its uncached tokens cost more than cached ones.

    Tokens written to the cache are neither.
    """

    requests: int = 0
    tokens: int = 0
    cached_tokens: int = 0
    uncached_pico: Convertible = field(default_factory=Convertible)

    @property
    def share(self) -> Fraction:
        return Fraction(self.cached_tokens, self.tokens)

    @property
    def can_tell(self) -> bool:
        """True where its share says something: enough requests, and counts that nothing taken back has upset."""
        return self.requests >= FEWEST_REQUESTS and 0 <= self.cached_tokens <= self.tokens and self.tokens > 0

    def saving_nano(self, share: Fraction) -> int:
        """Returns USD nano saved had that share been cached, the same part of the uncached tokens at every price."""
        more = (share * self.tokens - self.cached_tokens) / (self.tokens - self.cached_tokens)
        return round_usd(self.uncached_pico.usd / PICO_PER_NANO * more)


def uncached_prefixes(snapshot: Snapshot, month: MonthSpend, least_nano: int) -> Iterator[Lever]:
    """Yields projects and models whose part of input read from cache is well below one that they reached themselves.

    The ledger has no prompts, so it can't see which of them repeat; but what a project and model did before, or in
    a week of this month, they can do again. The share reached is the best of the month before and of the weeks of this
    one, from at least 100 requests each, and counts where it is at least 10 points above the month's own. The
    saving is that of the month's own share raised to it; what storing more would cost isn't known, and not in it.
    """
    least = Fraction(least_nano)
    found = {
        cell: own
        for cell, own in _inputs(month).items()
        if own.can_tell and own.cached_tokens < own.tokens and own.saving_nano(Fraction(1)) >= least
    }
    if not found:
        return
    projects = tuple(sorted({project for project, _model in found}))
    narrow = replace(month, selection=replace(month.selection, projects=projects))
    reached: dict[Cell, Fraction] = defaultdict(Fraction)
    for stretch in (read_month_before(snapshot, narrow), *_weeks(snapshot, narrow)):
        for cell, there in _inputs(stretch).items():
            if there.can_tell:
                reached[cell] = max(reached[cell], there.share)
    for (project, model), own in found.items():
        possible = reached[project, model]
        if possible - own.share >= LEAST_GAP:
            saving = own.saving_nano(possible)
            yield Lever(
                "uncached_prefix", project, model, None, saving, own.requests, share=own.share, possible_share=possible
            )


def _weeks(snapshot: Snapshot, month: MonthSpend) -> Iterator[MonthSpend]:
    selection = month.selection
    first = month.first_day
    starts = [day_start(first + timedelta(days=day - 1), selection.zone) for day in WEEKS]
    for start, end in zip(starts, [*starts[1:], selection.end], strict=True):
        yield read_month_spend(snapshot, replace(selection, start=start, end=end))


def _inputs(month: MonthSpend) -> Mapping[Cell, _Input]:
    """Sums the own usage of a month, or of a week of it."""
    found: dict[Cell, _Input] = defaultdict(_Input)
    for row in month.own_rows():
        project, model, *_rest = row.dimensions
        own, sums = found[project or "", model or ""], row.sums
        own.requests += sums.requests
        own.tokens += sums.input_tokens
        own.cached_tokens += sums.cached_input_tokens
        dearer_pico = saving_pico(month.spend.rate_entries, row.rate_entry_id, row.tier)
        own.uncached_pico[row.per_usd_nano] += counts_by_meter(sums, 0)[INPUT] * dearer_pico
    return found
