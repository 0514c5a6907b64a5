"""Causes of a workload's other cost: prices, prompts, configuration, counting, and what isn't counted."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from operator import attrgetter
from typing import NamedTuple

from ledger.estimates.changes.document import ChangeKind
from ledger.estimates.workloads.document import NAMES_UNCOUNTED, PromptEntry, WorkloadEntry, WorkloadsDocument
from ledger.estimates.workloads.read_document import month_cost, per_usd_nano, price_entry_of, usages_of
from pricing.errors import PricingError
from pricing.money import divide_half_even, round_usd
from pricing.rate_entry import RateEntry
from pricing.usage import TokenUsage

USD = "USD"


@dataclass(frozen=True, slots=True)
class Side:
    """One of the two estimates, with what its workloads are priced by."""

    document: WorkloadsDocument
    where: str
    _entries: dict[str, RateEntry] = field(default_factory=dict, repr=False, compare=False)

    def entry_of(self, workload: WorkloadEntry) -> RateEntry:
        """Returns the price entry of a workload of this side."""
        key = workload.card
        if key not in self._entries:
            self._entries[key] = price_entry_of(self.document.rates, key, self.where)
        return self._entries[key]


class CountingPart(NamedTuple):
    """The part of a change that another way of counting makes: nano-USD, and nano of the workload's currency."""

    usd: int
    amount: int

    def nano(self, currency: str) -> int:
        """Returns the part in USD, or in the workload's own currency."""
        return self.usd if currency == USD else self.amount


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
        if not self._splits_otherwise:
            return None
        return "another encoding" if old.encoding != new.encoding else "another calibration"

    @property
    def knows_uncounted(self) -> bool:
        """Tells whether both estimates say what they don't count, which those of the first way of counting don't."""
        return min(self.before.document.counting, self.after.document.counting) >= NAMES_UNCOUNTED

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
            if self.other_counting is not None:
                yield "counting"
            if self.other_counting is None or self._has_other_texts():
                yield "prompts"
        if self.knows_uncounted and _uncounted(old) != _uncounted(new):
            yield "uncounted"
        if _differs(old, new, attrgetter("image_tokens")):
            yield "images"
        if old.extra_input_tokens != new.extra_input_tokens:
            yield "extra_input_tokens"
        if _is_cached_otherwise(old, new):
            yield "cached_input_tokens"
        if _differs(old, new, attrgetter("output_tokens", "max_output_tokens")):
            yield "output_tokens"
        if old.requests_per_month != new.requests_per_month:
            yield "requests_per_month"

    def _has_other_texts(self) -> bool:
        """Tells whether texts differ by more than the way of counting can explain."""
        as_before = [usage.input_tokens - self.new.extra_input_tokens for usage in self._as_before()]
        return sorted(as_before) != sorted(p.input_tokens - self.old.extra_input_tokens for p in self.old.prompts)

    def price_part(self, before: int) -> int | None:
        """Returns nano-USD a month that other prices add to the counts of before; None if they can't.

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
            cost = month_cost(usages_of(self.old), self.old.requests_per_month, new_entry, per_usd_nano(self.new))
            return round_usd(cost.usd) - before
        except PricingError:
            return None

    def counting_part(self) -> CountingPart | None:
        """Computes what another way of counting adds to a month of after; None if it can't be worked out."""
        if self.other_counting is None:
            return CountingPart(0, 0)
        new, entry, per_usd = self.new, self.after.entry_of(self.new), per_usd_nano(self.new)
        try:
            now, as_before = (
                month_cost(usages, new.requests_per_month, entry, per_usd)
                for usages in (usages_of(new), self._as_before())
            )
        except PricingError:
            return None
        return CountingPart(
            round_usd(now.usd) - round_usd(as_before.usd), round(now.amount_nano) - round(as_before.amount_nano)
        )

    def _as_before(self) -> list[TokenUsage]:
        """Returns the usage of each prompt of after, as the estimate before would have counted it.

        The first way of counting had neither schemas nor images. By another calibration, a text has grown as much as
        tiktoken's own count of it. By another encoding, the same text lies within the range that it had: what is beyond
        that is another text.
        """
        earlier = {prompt.name: prompt for prompt in self.old.prompts} if self._splits_otherwise else {}
        usages = []
        for prompt in self.new.prompts:
            count = prompt.input_tokens
            if self.before.document.counting == 1:
                count -= prompt.schema_tokens + prompt.image_tokens
            if prompt.name in earlier:
                count = self._split_as_before(earlier[prompt.name], prompt, count)
            tokens = prompt.input_tokens
            cached = divide_half_even(prompt.cached_input_tokens * count, tokens) if tokens else 0
            usages.append(TokenUsage(max(count, 0), max(min(cached, count), 0), prompt.output_tokens))
        return usages

    def _split_as_before(self, old: PromptEntry, new: PromptEntry, count: int) -> int:
        """Returns the count of a prompt of after by the encoding and calibration of before."""
        own_before, own_after = old.uncorrected_tokens, new.uncorrected_tokens
        if own_before and own_after and self.before.document.encoding == self.after.document.encoding:
            text = old.input_tokens - old.image_tokens - self.old.extra_input_tokens
            grown = divide_half_even(text * own_after, own_before)
            return grown + new.image_tokens + self.new.extra_input_tokens
        added = self.new.extra_input_tokens - self.old.extra_input_tokens
        within = min(max(count - added, old.input_tokens_low), old.input_tokens_high)
        return count + old.input_tokens - within

    @property
    def _splits_otherwise(self) -> bool:
        old, new = self.before.document, self.after.document
        if old.encoding != new.encoding:
            return True
        return self.keeps_model and _calibration(old, self.old) != _calibration(new, self.new)


def _calibration(document: WorkloadsDocument, workload: WorkloadEntry) -> object:
    return (document.calibration or {}).get(workload.model)


def _rates(entry: RateEntry) -> tuple[object, ...]:
    """Returns all of an entry that decides what a request costs; its dates don't."""
    return (entry.currency, entry.tiers, entry.settlement, entry.max_input_tokens, entry.max_output_tokens)


def _unit(workload: WorkloadEntry) -> tuple[str, int | None]:
    """Returns the currency of the workload, and how much of it is 1 USD."""
    return (workload.currency, per_usd_nano(workload))


def _counted(workload: WorkloadEntry) -> list[int]:
    """Returns the counts of the prompts' texts, tools and schemas, without what is added."""
    return sorted(p.input_tokens - p.image_tokens - workload.extra_input_tokens for p in workload.prompts)


def _uncounted(workload: WorkloadEntry) -> list[tuple[list[str], str]]:
    """Returns the uncounted parts of each prompt that has such, whatever the prompts are called."""
    return sorted((prompt.uncounted, prompt.uncounted_digest or "") for prompt in workload.prompts if prompt.uncounted)


def _differs(old: WorkloadEntry, new: WorkloadEntry, value_of: Callable[[PromptEntry], object]) -> bool:
    """Tells whether a figure of the prompts that both have is another; of all, where they have none in common."""
    before, after = ({prompt.name: value_of(prompt) for prompt in side.prompts} for side in (old, new))
    common = before.keys() & after.keys()
    if common:
        return any(before[name] != after[name] for name in common)
    return set(before.values()) != set(after.values())


def _is_cached_otherwise(old: WorkloadEntry, new: WorkloadEntry) -> bool:
    """Tells whether the cached part differs, other than as the same share of other prompts."""
    if {p.cached_input_tokens for p in old.prompts} == {p.cached_input_tokens for p in new.prompts}:
        return False
    prompts = [prompt for prompt in (*old.prompts, *new.prompts) if prompt.input_tokens]
    least = max(Fraction(2 * p.cached_input_tokens - 1, 2 * p.input_tokens) for p in prompts)
    most = min(Fraction(2 * p.cached_input_tokens + 1, 2 * p.input_tokens) for p in prompts)
    return least >= most
