"""A price list's models in the units of rate cards, and the reasons why one is left out."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from fractions import Fraction
from typing import Literal, NamedTuple, TypeAlias

from pricing.money import INT64_MAX, PICO
from pricing.rate_entry import PromptTier

Meter: TypeAlias = Literal["input", "cached_input", "output", "cache_write_5m", "cache_write_1h"]
_OPTIONAL: tuple[Meter, ...] = ("cached_input", "cache_write_5m", "cache_write_1h")
# The note of a cached rate that a card would refuse.
CACHED_ABOVE_INPUT = "cached input above the input price"
# Before the name of a price that usage doesn't tell: the card is right for the provider's plain endpoint alone.
OTHER_ENDPOINT = "another endpoint's "

_MODEL_ID = re.compile(r"[!-)+-~]{1,200}")  # visible ASCII without *
_MOST_DIGITS = 40


class LeftOutError(Exception):
    """A model that a card would price wrongly or not at all; the message is the reason, one of few."""


class Step(NamedTuple):
    """A rate in pico per token for prompts of up to `up_to` tokens, inclusive; None has no bound."""

    up_to: int | None
    rate_pico: int


Steps: TypeAlias = tuple[Step, ...]


class ListedPrice(NamedTuple):
    """A model's rates from a day on, until its next price; `call_pico` is that of a web search, None without one."""

    effective_from: dt.date
    tiers: tuple[PromptTier, ...]
    call_pico: int | None = None


@dataclass(frozen=True)
class ListedModel:
    """A model that a card can price; `left_out` are prices of the list that it can't say, and other names of it."""

    id: str
    prices: tuple[ListedPrice, ...]
    aliases: tuple[str, ...] = ()
    left_out: tuple[str, ...] = ()
    lost_names: tuple[str, ...] = ()
    source_url: str | None = None
    checked_on: dt.date | None = None


@dataclass
class PriceList:
    """One provider's models of a list: those that a card can price, and the ids of the others by reason."""

    source: str
    provider: str
    models: list[ListedModel] = field(default_factory=list)
    skipped: dict[str, list[str]] = field(default_factory=dict)

    def skip(self, model: str, reason: str) -> None:
        """Notes a model that isn't written."""
        self.skipped.setdefault(reason, []).append(model)


def refuse_odd_id(model: str) -> None:
    """Raises LeftOutError for an id that a card can't have."""
    if not _MODEL_ID.fullmatch(model):
        raise LeftOutError("an id with blanks, * or other characters than visible ASCII")


def is_alias(name: str) -> bool:
    """Tells whether a card can have the name as an alias, which may end with *."""
    return _MODEL_ID.fullmatch(name.removesuffix("*")) is not None


def rate_pico(price: Decimal, tokens: int) -> int:
    """Returns a price of so many tokens in pico per token; LeftOutError where it isn't whole or below 0."""
    if not price.is_finite() or (price.is_signed() and price):
        raise LeftOutError("a price that isn't an amount of 0 or more")
    if abs(price.adjusted()) > _MOST_DIGITS or (rate := Fraction(price) * PICO / tokens).denominator != 1:
        raise LeftOutError("a price not whole in 10^-12 USD per token")
    if rate > INT64_MAX:
        raise LeftOutError("a price past the largest rate")
    return rate.numerator


def tiers_of(meters: Mapping[Meter, Steps], left_out: set[str]) -> tuple[PromptTier, ...]:
    """Joins the steps of each meter to tiers at every bound of any; what can't be said is added to `left_out`.

    Input up to 200 is 1, then 2; output up to 100 is 5, then 6: tiers up to 100 (1, 5), up to 200 (1, 6), then (2, 6).
    """
    for meter in ("input", "output"):
        if meter not in meters:
            raise LeftOutError(f"no price of {meter} tokens")
    bounds = {step.up_to for steps in meters.values() for step in steps}
    if any(bound is not None and bound < 1 for bound in bounds):
        raise LeftOutError("a tier that begins at 0 tokens")
    ends = [steps[-1].up_to for steps in meters.values()]
    top = min((end for end in ends if end is not None), default=None)
    inner = sorted(bound for bound in bounds if bound is not None and (top is None or bound < top))
    return tuple(_tier(meters, bound, left_out) for bound in (*inner, top))


def _tier(meters: Mapping[Meter, Steps], up_to: int | None, left_out: set[str]) -> PromptTier:
    input_pico, output_pico = _rate(meters["input"], up_to), _rate(meters["output"], up_to)
    cached_pico, write_5m_pico, write_1h_pico = (
        _rate(meters[meter], up_to) if meter in meters else None for meter in _OPTIONAL
    )
    if cached_pico is not None and cached_pico > input_pico:
        left_out.add(CACHED_ABOVE_INPUT)
        cached_pico = None
    return PromptTier(up_to, input_pico, cached_pico, output_pico, None, write_5m_pico, write_1h_pico)


def _rate(steps: Iterable[Step], up_to: int | None) -> int:
    """Returns the rate of prompts of exactly `up_to` tokens; None is longer than all bounds."""
    return next(step.rate_pico for step in steps if step.up_to is None or (up_to is not None and up_to <= step.up_to))
