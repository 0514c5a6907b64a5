"""The way in: the cost of one request to come, from its text."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pricing.by_card import card_of
from pricing.estimating.calibration import Calibration
from pricing.estimating.counting import PromptText, count_inputs
from pricing.estimating.estimate import PromptEstimate, estimate_prompt
from pricing.estimating.tokens import DEFAULT_ENCODING

if TYPE_CHECKING:
    import datetime as dt

    from pricing.rate_card import RateCard


def estimate(
    text: str,
    *,
    card: RateCard | str,
    model: str,
    at: dt.datetime,
    output_tokens: int = 0,
    max_output_tokens: int | None = None,
    calibration: Calibration | None = None,
) -> PromptEstimate:
    """Estimates a request of this text at the prices in effect at `at`: charges at the low, expected and high count.

    The count is tiktoken's, ±20 %, ±30 % where the model's tokenizer isn't known, or as calibrated. PricingError where
    the card has no such model, price or conversion.
    """
    card = card_of(card)
    entry = card.entry_at(model, at)
    conversion = card.conversion_at(at)
    encoding = DEFAULT_ENCODING if calibration is None else calibration.encoding
    (count,) = count_inputs([PromptText((text,))], entry.model, encoding=encoding, calibration=calibration)
    return estimate_prompt(
        entry=entry,
        card=card,
        at=at,
        per_usd_nano=None if conversion is None else conversion.per_usd_nano,
        input_range=count.tokens,
        output_tokens=output_tokens,
        max_output_tokens=max_output_tokens,
    )
