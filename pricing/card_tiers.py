"""The tiers of a price: their rates, and the order and bounds that leave no request without one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from pricing.card_shape import TierShape
from pricing.card_values import Key, read_rate
from pricing.errors import shown
from pricing.rate_entry import OPTIONAL_METERS, PromptTier


def read_tiers(tiers: Sequence[TierShape], per_tokens: int, key: Key) -> Iterator[PromptTier]:
    """Yields the tiers of a price, whose rates are for `per_tokens` tokens."""
    for index, tier in enumerate(tiers):
        place = key.sub(f"tiers[{index}]")
        _refuse_misplaced(tiers, index, key)
        optional = {
            f"{meter}_pico": None if text is None else read_rate(text, per_tokens, place.sub(meter))
            for meter in OPTIONAL_METERS
            for text in (getattr(tier, meter),)
        }
        rates = PromptTier(
            up_to=tier.up_to,
            input_pico=read_rate(tier.input, per_tokens, place.sub("input")),
            output_pico=read_rate(tier.output, per_tokens, place.sub("output")),
            output_up_to=tier.output_up_to,
            **optional,
        )
        if is_dear_cache(rates):
            rule = f"{shown(tier.cached_input)} is above the tier's input rate {shown(tier.input)}; correct one of them"
            raise place.sub("cached_input").refused(rule)
        yield rates


def is_dear_cache(tier: PromptTier) -> bool:
    """Tells whether cached input costs more than other input, as only a mistake makes it."""
    return tier.cached_input_pico is not None and tier.cached_input_pico > tier.input_pico


def _refuse_misplaced(tiers: Sequence[TierShape], index: int, key: Key) -> None:
    """Refuses a tier after which prompts or answers are unsorted, or some of them without a price."""
    tier, following = tiers[index], tiers[index + 1] if index + 1 < len(tiers) else None
    place, next_place = key.sub(f"tiers[{index}]"), key.sub(f"tiers[{index + 1}]")
    bound, output_bound = tier.up_to, tier.output_up_to
    if following is not None and following.up_to == bound and output_bound is not None:
        if following.output_up_to is not None and following.output_up_to <= output_bound:
            rule = f"{following.output_up_to} is not above the {output_bound} before it; sort tiers by bound"
            raise next_place.sub("output_up_to").refused(rule)
        return
    if following is not None and bound is None:
        raise place.sub("up_to").refused("is missing; only the last tier may leave its bound out")
    if following is not None and bound is not None and following.up_to is not None and following.up_to <= bound:
        rule = f"{following.up_to} is not above the {bound} before it; sort tiers by bound"
        raise next_place.sub("up_to").refused(rule)
    if output_bound is not None:
        prompts = "prompts" if bound is None else f"prompts up to {bound}"
        rule = f"answers above {output_bound} to {prompts} have no price; add their tier without output_up_to after it"
        raise place.sub("output_up_to").refused(rule)
