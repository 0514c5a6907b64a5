"""Causes of a workload's other cost: prices, prompts, configuration, counting, and what isn't counted."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction

from ledger.estimates.changes.document import ChangeKind
from ledger.estimates.workloads.document import WorkloadEntry, WorkloadsDocument
from ledger.estimates.workloads.read_document import per_usd_nano, price_entry_of
from pricing.charge import price_entry
from pricing.errors import PricingError
from pricing.money import divide_half_even, round_usd, usd_fraction
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
    def other_counting(self) -> str | None:
        """The reason why the same text would have another count than before; None where it wouldn't."""
        old, new = self.before.document, self.after.document
        if old.counting != new.counting:
            return "another version of tollbook"
        if old.encoding != new.encoding:
            return "another encoding"
        has_other = self.keeps_model and _calibration(old, self.old) != _calibration(new, self.new)
        return "another calibration" if has_other else None

    @property
    def keeps_model(self) -> bool:
        """Tells whether the workload has the model that it had before."""
        return self.before.entry_of(self.old).model == self.after.entry_of(self.new).model

    def kinds(self) -> Iterator[ChangeKind]:
        """Yields what differs, in the order of a request: price, content, number."""
        old, new = self.old, self.new
        old_entry, new_entry = self.before.entry_of(old), self.after.entry_of(new)
        if not self.keeps_model:
            yield "model"
        if (self.keeps_model and _rates(old_entry) != _rates(new_entry)) or _unit(old) != _unit(new):
            yield "prices"
        if _counted(old) != _counted(new):
            yield "counting" if self.other_counting else "prompts"
        if self.before.document.counting > 1 and _uncounted(old) != _uncounted(new):
            yield "uncounted"
        if {p.image_tokens for p in old.prompts} != {p.image_tokens for p in new.prompts}:
            yield "images"
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
            month = _month_of(_usages(self.old), self.old.requests_per_month, new_entry, per_usd_nano(self.new))
            return round_usd(month) - before
        except PricingError:
            return None

    def counting_part(self) -> int | None:
        """Nano-USD a month that another way of counting adds; None if it can't be worked out.

        A month of after is set against the same month with the text counts of before: prompts that were changed as well
        can't be told apart from it.
        """
        if self.other_counting is None:
            return 0
        old, new = self.old, self.new
        outputs = {prompt.name: prompt.output_tokens for prompt in new.prompts}
        mean_output = divide_half_even(sum(outputs.values()), len(outputs))
        added = new.extra_input_tokens - old.extra_input_tokens
        as_before = [
            TokenUsage(
                prompt.input_tokens + added,
                min(prompt.cached_input_tokens, prompt.input_tokens + added),
                outputs.get(prompt.name, mean_output),
            )
            for prompt in old.prompts
        ]
        entry, per_usd = self.after.entry_of(new), per_usd_nano(new)
        try:
            months = [_month_of(usages, new.requests_per_month, entry, per_usd) for usages in (_usages(new), as_before)]
        except PricingError:
            return None
        return round_usd(months[0]) - round_usd(months[1])


def _calibration(document: WorkloadsDocument, workload: WorkloadEntry) -> object:
    return (document.calibration or {}).get(workload.model)


def _usages(workload: WorkloadEntry) -> list[TokenUsage]:
    return [TokenUsage(p.input_tokens, p.cached_input_tokens, p.output_tokens) for p in workload.prompts]


def _month_of(usages: Sequence[TokenUsage], requests: int, entry: RateEntry, per_usd: int | None) -> Fraction:
    """USD a month of these counts by `entry`: the mean of the prompts times the requests."""
    amount_nano = sum(price_entry(entry, usage).amount_nano for usage in usages)
    return usd_fraction([(amount_nano * requests, per_usd)]) / len(usages)


def _rates(entry: RateEntry) -> tuple[object, ...]:
    """All of an entry that decides what a request costs; its dates don't."""
    return (entry.currency, entry.tiers, entry.settlement, entry.max_input_tokens, entry.max_output_tokens)


def _unit(workload: WorkloadEntry) -> tuple[str, int | None]:
    """The currency of the workload, and how much of it is 1 USD."""
    return (workload.currency, per_usd_nano(workload))


def _counted(workload: WorkloadEntry) -> list[int]:
    """The counts of the prompts' texts, tools and schemas, without what is added."""
    return sorted(p.input_tokens - p.image_tokens - workload.extra_input_tokens for p in workload.prompts)


def _uncounted(workload: WorkloadEntry) -> list[tuple[str, list[str], str | None]]:
    """What isn't counted of each prompt that has such."""
    return sorted((p.name, p.uncounted, p.uncounted_digest) for p in workload.prompts if p.uncounted)


def _is_cached_otherwise(old: WorkloadEntry, new: WorkloadEntry) -> bool:
    """Tells whether the cached part differs, other than as the same share of other prompts."""
    if {p.cached_input_tokens for p in old.prompts} == {p.cached_input_tokens for p in new.prompts}:
        return False
    prompts = [prompt for prompt in (*old.prompts, *new.prompts) if prompt.input_tokens]
    least = max(Fraction(2 * p.cached_input_tokens - 1, 2 * p.input_tokens) for p in prompts)
    most = min(Fraction(2 * p.cached_input_tokens + 1, 2 * p.input_tokens) for p in prompts)
    return least >= most
