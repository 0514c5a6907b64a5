"""Two estimates of workloads compared: the cost of a change a month.

Money is compared as it is printed: a change is after − before of the figures shown, so that a reader's sum comes out.
Where a workload is priced by other rates or another conversion than before, the counts of before are priced again by
those of after: that step is the price part of the change, and what remains is the part of prompts and configuration,
which the choice of a model belongs to.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

from ledger.estimates.changes.causes import Side, WorkloadPair
from ledger.estimates.changes.document import ChangeKind, ChangeStatus, TotalChange, WorkloadChange
from ledger.estimates.workloads.document import PromptEntry, WorkloadEntry, said_once
from pricing.money import NANO, divide_half_even, format_nano, parse_units
from pricing.rate_card import RateEntry


class Warned(NamedTuple):
    """A warning that names its workload; `name` is None where it is about all."""

    name: str | None
    text: str


@dataclass(frozen=True, slots=True)
class Comparison:
    """Differences of two estimates, and warnings; `before` is None without a baseline."""

    before: Side | None
    after: Side
    workloads: list[WorkloadChange]
    total: TotalChange
    warnings: list[Warned]


def compare(before: Side | None, after: Side) -> Comparison:
    """Compares by name in the order of `after`, removed ones last. Without a baseline all are new."""
    known = {} if before is None else {workload.name: workload for workload in before.document.workloads}
    changes: list[WorkloadChange] = []
    warnings: list[Warned] = []
    for new in after.document.workloads:
        old = known.pop(new.name, None)
        if before is None or old is None:
            changes.append(_change("new", None, new, 0, []))
        else:
            pair = WorkloadPair(before, after, old, new)
            changes.append(_two_sided(pair))
            warnings += [Warned(new.name, text) for text in (*_moves(pair), *_of_counting(pair, changes[-1]))]
        if changes[-1].status != "unchanged":
            warnings += [Warned(new.name, f"{new.name}: {text}") for text in _own_warnings(new)]
    changes += [_change("removed", old, None, 0, []) for old in known.values()]
    warnings += [Warned(None, text) for text in _unpriced(before, after)]
    return Comparison(before, after, changes, _total(before, after, changes), warnings)


def dearest(workload: WorkloadEntry) -> PromptEntry:
    """The prompt that costs most, first one without a price; of equal ones the longest."""
    return max(workload.prompts, key=_dearness)


def _dearness(prompt: PromptEntry) -> tuple[bool, int, int]:
    return (prompt.amount is None, parse_units(prompt.amount or "0", NANO), prompt.input_tokens)


def _two_sided(pair: WorkloadPair) -> WorkloadChange:
    before, after = _month_nano(pair.old), _month_nano(pair.new)
    kinds = list(pair.kinds())
    price = None if before is None or after is None else pair.price_part(before)
    status: ChangeStatus = "unchanged" if before == after and not kinds else "changed"
    return _change(status, pair.old, pair.new, price, kinds)


def _change(
    status: ChangeStatus,
    old: WorkloadEntry | None,
    new: WorkloadEntry | None,
    price: int | None,
    kinds: list[ChangeKind],
) -> WorkloadChange:
    before, after = (0 if side is None else _month_nano(side) for side in (old, new))
    change = None if before is None or after is None else after - before
    return WorkloadChange(
        name=new.name if new is not None else old.name if old is not None else "",
        status=status,
        before_usd_per_month=_text(before),
        after_usd_per_month=_text(after),
        change_usd=_text(change),
        change_percent=_percent(change, before),
        tier_before=None if old is None else dearest(old).tier,
        tier_after=None if new is None else dearest(new).tier,
        price_change_usd=None if change is None else _text(price),
        prompt_change_usd=None if price is None or change is None else _text(change - price),
        changes=kinds,
    )


def _total(before: Side | None, after: Side, workloads: list[WorkloadChange]) -> TotalChange:
    old = 0 if before is None else parse_units(before.document.total.usd, NANO)
    new = parse_units(after.document.total.usd, NANO)
    # Totals are rounded once, and workloads' figures may miss them by some 10**-9: a part that no workload has is 0.
    price = sum(parse_units(workload.price_change_usd or "0", NANO) for workload in workloads)
    if all(workload.prompt_change_usd == "0" for workload in workloads):
        price = new - old
    return TotalChange(
        before_usd_per_month=format_nano(old),
        after_usd_per_month=format_nano(new),
        change_usd=format_nano(new - old),
        change_percent=_percent(new - old, old),
        price_change_usd=format_nano(price),
        prompt_change_usd=format_nano(new - old - price),
    )


def _of_counting(pair: WorkloadPair, change: WorkloadChange) -> list[str]:
    """A warning where the same model's counts differ by how they were counted."""
    if "counting" not in change.changes or "model" in change.changes:
        return []
    return [f"{pair.new.name}: counted by another encoding or calibration, which is part of the change"]


def _unpriced(before: Side | None, after: Side) -> list[str]:
    warnings = []
    for side, when in ((before, "before"), (after, "after")):
        names = [] if side is None else [w.name for w in side.document.workloads if w.usd_per_month is None]
        if names:
            warnings.append(
                f"the total {when} is without {', '.join(names)}: too long for any tier, so without a price"
            )
    return warnings


def _own_warnings(workload: WorkloadEntry) -> list[str]:
    of_prompts = said_once((prompt.name, text) for prompt in workload.prompts for text in prompt.warnings)
    return [*workload.warnings, *of_prompts]


def _moves(pair: WorkloadPair) -> list[str]:
    """Moves to a dearer tier: of the dearest prompt, else of prompts in both."""
    old, new, entry = dearest(pair.old), dearest(pair.new), pair.after.entry_of(pair.new)
    if _is_move_up(old, new):
        return [f"{pair.new.name} {_move(old, new, entry)}"]
    earlier = {prompt.name: prompt for prompt in pair.old.prompts}
    return [
        f"{pair.new.name}: {prompt.name} {_move(earlier[prompt.name], prompt, entry)}"
        for prompt in pair.new.prompts
        if prompt.name in earlier and _is_move_up(earlier[prompt.name], prompt)
    ]


def _is_move_up(old: PromptEntry, new: PromptEntry) -> bool:
    if old.amount is None or new.amount is None or old.tier is None:
        return False
    return new.tier is None or new.tier > old.tier


def _move(old: PromptEntry, new: PromptEntry, entry: RateEntry) -> str:
    """`moves from tier 32,000 to 128,000: …`, with how much dearer every token gets."""
    rates: Mapping[int | None, tuple[int, int]] = {
        tier.up_to: (tier.input_pico, tier.output_pico) for tier in entry.tiers
    }
    move = f"moves from tier {old.tier:,} to {'the one without bound' if new.tier is None else f'{new.tier:,}'}"
    low, high = rates.get(old.tier), rates.get(new.tier)
    if low is None or high is None or not all(low):
        return move
    return f"{move}: all its input costs {_times(high[0], low[0])}, all its output {_times(high[1], low[1])}"


def _times(high: int, low: int) -> str:
    return f"{format_nano(divide_half_even(high * 100, low) * NANO // 100)} ×"


def _month_nano(workload: WorkloadEntry) -> int | None:
    return None if workload.usd_per_month is None else parse_units(workload.usd_per_month, NANO)


def _text(nano: int | None) -> str | None:
    return None if nano is None else format_nano(nano)


def _percent(change: int | None, before: int | None) -> str | None:
    """The change in percent of before, half-even to one decimal; None of nothing."""
    if change is None or not before:
        return None
    return format_nano(divide_half_even(change * 1000, before) * (NANO // 10))
