"""Causes of a workload's other cost: prices, prompts, configuration, counting."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction

from ledger.estimates.changes.document import ChangeKind
from ledger.estimates.workloads.document import WorkloadEntry, WorkloadsDocument
from ledger.estimates.workloads.read_document import per_usd_nano, price_entry_of
from pricing.charge import price_entry
from pricing.errors import PricingError
from pricing.money import round_usd, usd_fraction
from pricing.rate_card import RateEntry
from pricing.usage import TokenUsage


@dataclass(frozen=True, slots=True)
class Side:
    """One of the two estimates, with what its workloads are priced by."""

    document: WorkloadsDocument
    where: str

    def entry_of(self, workload: WorkloadEntry) -> RateEntry:
        """The price entry of a workload of this side."""
        return price_entry_of(self.document.rates, workload.card, self.where)


@dataclass(frozen=True, slots=True)
class WorkloadPair:
    """A workload that is in both estimates."""

    before: Side
    after: Side
    old: WorkloadEntry
    new: WorkloadEntry

    @property
    def is_counted_otherwise(self) -> bool:
        """Tells whether the same text would have another count than before."""
        return _counting(self.before, self.old) != _counting(self.after, self.new)

    def kinds(self) -> Iterator[ChangeKind]:
        """Yields what differs, in the order of a request: price, content, number."""
        old, new = self.old, self.new
        old_entry, new_entry = self.before.entry_of(old), self.after.entry_of(new)
        has_model = old_entry.model == new_entry.model
        if not has_model:
            yield "model"
        if (has_model and _rates(old_entry) != _rates(new_entry)) or _unit(old) != _unit(new):
            yield "prices"
        if _counted(old) != _counted(new):
            yield "counting" if self.is_counted_otherwise else "prompts"
        if old.extra_input_tokens != new.extra_input_tokens:
            yield "extra_input_tokens"
        if _is_cached_otherwise(old, new):
            yield "cached_input_tokens"
        if {p.output_tokens for p in old.prompts} != {p.output_tokens for p in new.prompts}:
            yield "output_tokens"
        if old.requests_per_month != new.requests_per_month:
            yield "requests_per_month"

    def price_part(self, before: int) -> int | None:
        """Nano-USD a month that other prices add to the counts of before; None if they can't.

        Another model is a choice of the configuration: of it only another conversion is a change of prices.
        """
        old_entry, new_entry = self.before.entry_of(self.old), self.after.entry_of(self.new)
        if old_entry.model != new_entry.model:
            if self.old.currency != self.new.currency:
                return None
            new_entry = old_entry
        if _rates(old_entry) == _rates(new_entry) and _unit(self.old) == _unit(self.new):
            return 0
        try:
            return round_usd(_month_at(self.old, new_entry, per_usd_nano(self.new))) - before
        except PricingError:
            return None


def _counting(side: Side, workload: WorkloadEntry) -> tuple[str, object]:
    """The basis of a text's count: the encoding, and the calibration of the model."""
    document = side.document
    return document.encoding, (document.calibration or {}).get(workload.model)


def _month_at(workload: WorkloadEntry, entry: RateEntry, per_usd: int | None) -> Fraction:
    """USD a month of its counts by `entry`: the mean of its prompts times its requests."""
    amount_nano = sum(
        price_entry(entry, TokenUsage(p.input_tokens, p.cached_input_tokens, p.output_tokens)).amount_nano
        for p in workload.prompts
    )
    return usd_fraction([(amount_nano * workload.requests_per_month, per_usd)]) / len(workload.prompts)


def _rates(entry: RateEntry) -> tuple[object, ...]:
    """All of an entry that decides what a request costs; its dates don't."""
    return (entry.currency, entry.tiers, entry.settlement, entry.max_input_tokens, entry.max_output_tokens)


def _unit(workload: WorkloadEntry) -> tuple[str, int | None]:
    """The currency of the workload, and how much of it is 1 USD."""
    return (workload.currency, per_usd_nano(workload))


def _counted(workload: WorkloadEntry) -> list[int]:
    """The counts of the prompts, without what is added at run time."""
    return sorted(prompt.input_tokens - workload.extra_input_tokens for prompt in workload.prompts)


def _is_cached_otherwise(old: WorkloadEntry, new: WorkloadEntry) -> bool:
    """Tells whether the cached part differs, other than as the same share of other prompts."""
    if {p.cached_input_tokens for p in old.prompts} == {p.cached_input_tokens for p in new.prompts}:
        return False
    prompts = [prompt for prompt in (*old.prompts, *new.prompts) if prompt.input_tokens]
    least = max(Fraction(2 * p.cached_input_tokens - 1, 2 * p.input_tokens) for p in prompts)
    most = min(Fraction(2 * p.cached_input_tokens + 1, 2 * p.input_tokens) for p in prompts)
    return least >= most
