"""Moves of requests to a higher tier, with how much dearer each token gets."""

from __future__ import annotations

from math import inf

from ledger.estimates.changes.causes import WorkloadPair
from ledger.estimates.workloads.document import PromptEntry, WorkloadEntry
from pricing.money import NANO, divide_half_even, format_nano, parse_units
from pricing.rate_entry import PromptTier, RateEntry


def dearest(workload: WorkloadEntry) -> PromptEntry:
    """Returns the prompt that costs most, first one without a price; of equal ones the longest."""
    return max(workload.prompts, key=_dearness)


def _dearness(prompt: PromptEntry) -> tuple[bool, int, int]:
    return (prompt.amount is None, parse_units(prompt.amount or "0", NANO), prompt.input_tokens)


def tier_moves(pair: WorkloadPair) -> list[str]:
    """Finds moves to a higher tier: of the dearest prompt, else of prompts in both."""
    old, new = dearest(pair.old), dearest(pair.new)
    if _is_move_up(old, new):
        return [f"{pair.new.name} {_move(pair, old, new)}"]
    earlier = {prompt.name: prompt for prompt in pair.old.prompts}
    return [
        f"{pair.new.name}: {prompt.name} {_move(pair, earlier[prompt.name], prompt)}"
        for prompt in pair.new.prompts
        if prompt.name in earlier and _is_move_up(earlier[prompt.name], prompt)
    ]


def _is_move_up(old: PromptEntry, new: PromptEntry) -> bool:
    if old.amount is None or new.amount is None:
        return False
    before, after = ((bounds.tier or inf, bounds.tier_output or inf) for bounds in (old, new))
    return after > before


def _tier_words(prompt: PromptEntry) -> str:
    """`32,000`, with a bound of output `32,000/200`."""
    words = "the one without bound" if prompt.tier is None else f"{prompt.tier:,}"
    return words if prompt.tier_output is None else f"{words}/{prompt.tier_output:,}"


def _move(pair: WorkloadPair, old: PromptEntry, new: PromptEntry) -> str:
    """`moves from tier 32,000 to 128,000: …`, with the rates of after against those of before."""
    move = f"moves from tier {_tier_words(old)} to {_tier_words(new)}"
    before, after = pair.before.entry_of(pair.old), pair.after.entry_of(pair.new)
    low, high = _tier_of(before, old), _tier_of(after, new)
    if low is None or high is None or not (low.input_pico and low.output_pico) or before.currency != after.currency:
        return move
    by_input, by_output = (
        _times(high.input_pico, low.input_pico),
        _times(high.output_pico, low.output_pico),
    )
    return f"{move}: all its input costs {by_input}, all its output {by_output}"


def _tier_of(entry: RateEntry, prompt: PromptEntry) -> PromptTier | None:
    bounds = (prompt.tier, prompt.tier_output)
    return next((tier for tier in entry.tiers if (tier.up_to, tier.output_up_to) == bounds), None)


def _times(high: int, low: int) -> str:
    return f"{format_nano(divide_half_even(high * 100, low) * NANO // 100)} ×"
