"""The price of a record: its provider's card, the model to bill, its calls, service tier and conversion."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, TypeAlias

from pricing.errors import NoConversionInEffect, PricingError, UnknownModel, UnpricedUsage
from pricing.names import with_question
from pricing.usage import epoch_us, instant

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from pricing.money import Int64Array
    from pricing.rate_card import RateCard

DEFAULT_PROVIDER = "evolink"
ToolFees: TypeAlias = Literal["refuse", "unbooked"]
"""The fate of a request whose tools are billed apart: refused, or booked without those fees, which are counted."""


def card_of_provider(cards: Mapping[str, RateCard], provider: str) -> RateCard:
    """Returns the provider's card; PricingError "unknown_provider" naming the providers where it has none."""
    try:
        return cards[provider]
    except KeyError:
        raise PricingError(
            f"provider {provider!r} has no rate card; known: {', '.join(sorted(cards))}. "
            "Add one: tollbook rates add FILE",
            reason="unknown_provider",
        ) from None


def billed_model(card: RateCard, requested: str | None, reported: str | None) -> tuple[str, bool]:
    """Returns the model to bill, the requested one if known, and whether another known one answered."""
    asked = card.resolve(requested) if requested else None
    answered = card.resolve(reported) if reported else None
    if asked is not None:
        return asked, answered is not None and answered != asked
    if answered is not None:
        return answered, False
    named = " and ".join(repr(name) for name in (requested, reported) if name) or "no model"
    question = card.did_you_mean(requested) or card.did_you_mean(reported)
    knows = f"the card of {card.provider} knows {', '.join(sorted(card.models))}"
    raise UnknownModel(f"{named}: {with_question(question, knows)}. Add the model: tollbook rates add FILE")


def unpriced_calls(calls: int) -> UnpricedUsage:
    """Returns the refusal of calls of tools that the card gives no price."""
    message = (
        f"calls of tools are billed beside the tokens ({calls} here), and the card has no price for "
        "them: add its per_call, of web searches, with 'tollbook rates add FILE'; or --tool-fees unbooked, "
        "or [ledger] tool_fees, books the tokens alone and counts the calls"
    )
    return UnpricedUsage(message, reason="unpriced_tool_fees")


def priced_tiers(tier_codes: Int64Array, counts: Iterable[Int64Array]) -> Int64Array:
    """Returns codes of service tiers, -1 for requests without tokens: these need no price of theirs."""
    import numpy as np

    return np.where(np.any(list(counts), axis=0), tier_codes, -1)


def conversion_places(card: RateCard, at_us: Int64Array) -> tuple[Int64Array, dict[int, NoConversionInEffect]]:
    """Returns the place of each moment's conversion among the card's, -1 without, and by row why one is missing."""
    import numpy as np

    starts = np.array([epoch_us(conversion.effective_from) for conversion in card.conversions], dtype=np.int64)
    places = starts.searchsorted(at_us, side="right").astype(np.int64, copy=False) - 1
    missing: dict[int, NoConversionInEffect] = {}
    for row in np.flatnonzero(places < 0).tolist() if card.currency != "USD" else ():
        try:
            card.conversion_at(instant(int(at_us[row])))
        except NoConversionInEffect as error:
            missing[row] = error
    return places, missing
