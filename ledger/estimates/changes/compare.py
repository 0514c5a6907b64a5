"""Two estimates of workloads compared: the cost of a change a month.

Money is compared as it is printed: a change is after − before of the figures shown, so that a reader's sum comes out.
Where a workload is priced by other rates or another conversion than before, the counts of before are priced again by
those of after: that step is the price part of the change. Where it is counted otherwise, that is a part of its own.
What remains is the part of prompts and configuration, which the choice of a model belongs to.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from ledger.estimates.changes.causes import CountingPart, Side, WorkloadPair
from ledger.estimates.changes.document import ChangeKind, ChangeStatus, PromptChange, TotalChange, WorkloadChange
from ledger.estimates.changes.tier_moves import dearest, tier_moves
from ledger.estimates.workloads.document import PromptEntry, WorkloadEntry, first_of, said_once
from ledger.values.words import listed
from pricing.money import NANO, divide_half_even, format_nano, parse_units


class Warned(NamedTuple):
    """A warning that names its workload; `name` is None where it is about all."""

    name: str | None
    text: str


@dataclass(frozen=True, slots=True)
class Comparison:
    """Differences of two estimates, and warnings; `before` is None without a baseline.

    `counting` is what another way of counting adds, by workload, where it is known; `news` are the new warnings of
    workloads that have changed in nothing else. `baseline_error` is why a baseline that is there can't be estimated.
    """

    before: Side | None
    after: Side
    workloads: list[WorkloadChange]
    total: TotalChange
    warnings: list[Warned]
    counting: Mapping[str, CountingPart]
    news: Sequence[str] = ()
    baseline_error: str | None = None


class _Parts(NamedTuple):
    """Nano-USD a month of a change by its cause; None where they can't be told apart."""

    price: int | None
    counting: CountingPart | None


_NO_PARTS = _Parts(0, CountingPart(0, 0))


def compare(before: Side | None, after: Side, baseline_error: str | None = None) -> Comparison:
    """Compares by name in the order of `after`, removed ones last. Without a baseline all are new."""
    known = {} if before is None else {workload.name: workload for workload in before.document.workloads}
    status: ChangeStatus = "new" if baseline_error is None else "not_compared"
    changes: list[WorkloadChange] = []
    warnings: list[Warned] = []
    counting: dict[str, CountingPart] = {}
    news: list[str] = []
    for new in after.document.workloads:
        own = [f"{new.name}: {text}" for text in _own_warnings(new)]
        old = known.pop(new.name, None)
        if before is None or old is None:
            changes.append(_change(status, None, new, _NO_PARTS, []))
        else:
            pair = WorkloadPair(before, after, old, new)
            parts = _parts_of(pair)
            changes.append(_two_sided(pair, parts))
            warnings += [Warned(new.name, text) for text in _notes_of(pair, changes[-1])]
            if parts.counting is not None:
                counting[new.name] = parts.counting
            if changes[-1].status == "unchanged":
                earlier = {f"{new.name}: {text}" for text in _own_warnings(old)}
                own = [text for text in own if text not in earlier]
                news += own
        warnings += [Warned(new.name, text) for text in own]
    changes += [_change("removed", old, None, _NO_PARTS, []) for old in known.values()]
    warnings += [Warned(None, text) for text in _unpriced(before, after)]
    total = _total(before, after, changes, is_compared=baseline_error is None)
    return Comparison(before, after, changes, total, warnings, counting, news, baseline_error)


def _parts_of(pair: WorkloadPair) -> _Parts:
    before, after = _month_nano(pair.old), _month_nano(pair.new)
    if before is None or after is None:
        return _Parts(None, None)
    return _Parts(pair.price_part(before), pair.counting_part())


def _two_sided(pair: WorkloadPair, parts: _Parts) -> WorkloadChange:
    kinds = list(pair.kinds())
    is_same = _month_nano(pair.old) == _month_nano(pair.new) and not kinds
    return _change("unchanged" if is_same else "changed", pair.old, pair.new, parts, kinds)


def _change(
    status: ChangeStatus,
    old: WorkloadEntry | None,
    new: WorkloadEntry | None,
    parts: _Parts,
    kinds: list[ChangeKind],
) -> WorkloadChange:
    before, after = (0 if side is None else _month_nano(side) for side in (old, new))
    if status == "not_compared":
        before = None
    change = None if before is None or after is None else after - before
    price, counting = (parts.price, parts.counting and parts.counting.usd) if change is not None else (None, None)
    prompts = None if change is None or price is None or counting is None else change - price - counting
    return WorkloadChange(
        name=new.name if new is not None else old.name if old is not None else "",
        status=status,
        before_usd_per_month=_text(before),
        after_usd_per_month=_text(after),
        change_usd=_text(change),
        change_percent=_percent(change, before),
        tier_before=None if old is None else dearest(old).tier,
        tier_after=None if new is None else dearest(new).tier,
        price_change_usd=_text(price),
        counting_change_usd=_text(counting),
        prompt_change_usd=_text(prompts),
        changes=kinds,
        prompts=list(_prompt_changes(old, new)),
        uncounted_before=_uncounted_names(old),
        uncounted_after=_uncounted_names(new),
    )


def _prompt_changes(old: WorkloadEntry | None, new: WorkloadEntry | None) -> Iterator[PromptChange]:
    """Yields the requests whose counts differ, or that are on one side alone."""
    before, after = ({} if side is None else {prompt.name: prompt for prompt in side.prompts} for side in (old, new))
    for name in dict.fromkeys([*after, *before]):
        counts = [_counts(side.get(name)) for side in (before, after)]
        if counts[0] != counts[1]:
            figures = zip(*counts, strict=True)
            (input_before, input_after), (cached_before, cached_after), (output_before, output_after) = figures
            yield PromptChange(
                name=name,
                input_tokens_before=input_before,
                input_tokens_after=input_after,
                cached_input_tokens_before=cached_before,
                cached_input_tokens_after=cached_after,
                output_tokens_before=output_before,
                output_tokens_after=output_after,
            )


def _counts(prompt: PromptEntry | None) -> tuple[int | None, int | None, int | None]:
    if prompt is None:
        return None, None, None
    return prompt.input_tokens, prompt.cached_input_tokens, prompt.output_tokens


def _uncounted_names(workload: WorkloadEntry | None) -> list[str]:
    """Returns the uncounted parts of its prompts: "a.json: 2 images", or of several alike."""
    if workload is None:
        return []
    return said_once((prompt.name, listed(prompt.uncounted)) for prompt in workload.prompts if prompt.uncounted)


def _total(before: Side | None, after: Side, workloads: list[WorkloadChange], *, is_compared: bool) -> TotalChange:
    old = 0 if before is None else parse_units(before.document.total.usd, NANO)
    new = parse_units(after.document.total.usd, NANO)
    # Totals are rounded once, and workloads' figures may miss them by some 10**-9: a part that no workload has is 0.
    counting = sum(parse_units(workload.counting_change_usd or "0", NANO) for workload in workloads)
    price = sum(parse_units(workload.price_change_usd or "0", NANO) for workload in workloads)
    if all(workload.prompt_change_usd == "0" for workload in workloads):
        if any(workload.price_change_usd not in (None, "0") for workload in workloads) or not counting:
            price = new - old - counting
        else:
            counting = new - old - price
    figures = (old, new - old, price, counting, new - old - price - counting)
    before_usd, change, by_prices, by_counting, by_prompts = (_text(nano if is_compared else None) for nano in figures)
    return TotalChange(
        before_usd_per_month=before_usd,
        after_usd_per_month=format_nano(new),
        change_usd=change,
        change_percent=_percent(new - old, old) if is_compared else None,
        price_change_usd=by_prices,
        counting_change_usd=by_counting,
        prompt_change_usd=by_prompts,
        caveats=after.document.total.caveats,
    )


def _notes_of(pair: WorkloadPair, change: WorkloadChange) -> Iterator[str]:
    """Yields what a reviewer has to know of a change besides its cost."""
    yield from tier_moves(pair)
    name = pair.new.name
    if "uncounted" in change.changes:
        before, after = ("; ".join(names) or "nothing" for names in (change.uncounted_before, change.uncounted_after))
        of_both = f"{before} → {after}" if before != after else f"other content of {after}"
        yield f"{name}: what isn't counted has changed, at a cost that isn't known: {of_both}"
    if "counting" in change.changes:
        part = "can't be told from the rest of its change"
        if change.counting_change_usd is not None:
            part = f"makes {change.counting_change_usd} USD of its change; no gate is about that"
        yield f"{name}: counted by {pair.other_counting} than before, which {part}"


def _unpriced(before: Side | None, after: Side) -> list[str]:
    warnings = []
    for side, when in ((before, "before"), (after, "after")):
        names = [] if side is None else [w.name for w in side.document.workloads if w.usd_per_month is None]
        if names:
            warnings.append(
                f"the total {when} is without {', '.join(first_of(names))}: too long for any tier, so without a price"
            )
    return warnings


def _own_warnings(workload: WorkloadEntry) -> list[str]:
    of_prompts = said_once((prompt.name, text) for prompt in workload.prompts for text in prompt.warnings)
    return [*workload.warnings, *of_prompts]


def _month_nano(workload: WorkloadEntry) -> int | None:
    return None if workload.usd_per_month is None else parse_units(workload.usd_per_month, NANO)


def _text(nano: int | None) -> str | None:
    return None if nano is None else format_nano(nano)


def _percent(change: int | None, before: int | None) -> str | None:
    """Returns the change in percent of before, half-even to one decimal; None of nothing."""
    if change is None or not before:
        return None
    return format_nano(divide_half_even(change * 1000, before) * (NANO // 10))
