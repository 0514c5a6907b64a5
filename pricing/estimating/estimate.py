"""The cost of a request to come: a range of input counts -> charges, by the rule that books the real usage."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING

from pricing.charge import price_entry
from pricing.errors import InvalidUsage
from pricing.estimating.calibration import TokenRange
from pricing.money import format_usd, usd_fraction
from pricing.usage import TokenUsage

if TYPE_CHECKING:
    import datetime as dt

    from pricing.charge import Charge
    from pricing.rate_card import RateCard
    from pricing.rate_entry import RateEntry

NO_TOKENS = TokenRange(0, 0, 0)


@dataclass(frozen=True, slots=True)
class CrossedEdge:
    """A tier's bound within the range of a count, "input" or "output": the charge at it, and one token past it."""

    count: str
    tokens: int
    at_edge: Charge
    past_edge: Charge


@dataclass(frozen=True, slots=True)
class PromptEstimate:
    """One request's charges: at the expected count, at the range's low end and at its high end.

    The high end has the worst-case output, where one is given; where `output_range` crosses a bound of output, low and
    high are the least and the most of both sides. `top_tokens` is the most input that the entry prices, None without
    bound; a high end beyond it is priced at it.
    """

    expected: Charge
    low: Charge
    high: Charge
    input_range: TokenRange
    crossed: tuple[CrossedEdge, ...]
    top_tokens: int | None
    per_usd_nano: int | None
    output_range: tuple[int, int]

    @property
    def usd(self) -> Fraction:
        """Exact USD at the expected count."""
        return self._usd_of(self.expected)

    @property
    def usd_low(self) -> Fraction:
        """Exact USD at the low end."""
        return self._usd_of(self.low)

    @property
    def usd_high(self) -> Fraction:
        """Exact USD at the high end."""
        return self._usd_of(self.high)

    @property
    def warnings(self) -> tuple[str, ...]:
        """Warnings of a crossed tier's edge, with both prices, and of a range beyond the card."""
        ranges = {"input": (self.input_range.low, self.input_range.high), "output": self.output_range}
        warnings = [
            "the range of {:,} to {:,} ".format(*ranges[edge.count])
            + f"{edge.count} tokens crosses {edge.tokens:,}: a request costs "
            f"{self._shown(edge.at_edge)} at {edge.tokens:,}, {self._shown(edge.past_edge)} at {edge.tokens + 1:,}"
            for edge in self.crossed
        ]
        high = self.input_range.high
        if self.top_tokens is not None and high > self.top_tokens:
            warnings.append(
                f"the range reaches {high:,} input tokens, beyond the {self.top_tokens:,} that {self.high.entry.key} "
                f"prices: the request may be refused; its high end is priced at {self.top_tokens:,}"
            )
        return tuple(warnings)

    def _usd_of(self, charge: Charge) -> Fraction:
        return usd_fraction([(charge.amount_nano, self.per_usd_nano)])

    def _shown(self, charge: Charge) -> str:
        return f"{format_usd(self._usd_of(charge))} USD"


def estimate_prompt(
    *,
    entry: RateEntry,
    per_usd_nano: int | None,
    input_range: TokenRange,
    cached: TokenRange = NO_TOKENS,
    output_tokens: int = 0,
    max_output_tokens: int | None = None,
    card: RateCard | None = None,
    at: dt.datetime | None = None,
) -> PromptEstimate:
    """Estimates one request; `cached` is the part of the input read from cache, at most all of it.

    By bounds 32_000 and 128_000, a range of 25_600 to 38_400 is priced at 25_600 tokens in tier 1, at 38_400 in tier 2,
    and the edge 32_000 is named with its price and that of 32_001. InvalidUsage ("input_over_limit") where the expected
    count is beyond what the entry prices. With `card` and `at`, the charges know their USD.
    """
    top_tokens = entry.top_tokens
    if top_tokens is not None and input_range.expected > top_tokens:
        message = (
            f"{input_range.expected:,} input tokens are beyond the {top_tokens:,} that {entry.key} prices; "
            "shorten the prompt or split it into several requests"
        )
        raise InvalidUsage(message, reason="input_over_limit")

    def charge(input_tokens: int, cached_tokens: int, output: int = output_tokens) -> Charge:
        return price_entry(entry, TokenUsage(input_tokens, min(cached_tokens, input_tokens), output), card, at)

    high_tokens = input_range.high if top_tokens is None else min(input_range.high, top_tokens)
    # What is cut off of a range beyond the card is cached input first: what isn't cached stays, as it costs more.
    high_cached = max(0, cached.high - (input_range.high - high_tokens))
    high_output = output_tokens if max_output_tokens is None else max_output_tokens
    edges = sorted({tier.up_to for tier in entry.tiers if tier.up_to is not None})
    output_edges = [edge for edge in entry.output_bounds if output_tokens <= edge < high_output]
    # Of a crossed bound of output either side may be the cheaper, or the dearer.
    sides = [side for edge in output_edges for side in (edge, edge + 1)]
    crossed = [
        CrossedEdge("input", edge, charge(edge, cached.expected), charge(edge + 1, cached.expected))
        for edge in edges
        if input_range.low <= edge < high_tokens
    ] + [
        CrossedEdge("output", edge, *(charge(input_range.expected, cached.expected, side) for side in (edge, edge + 1)))
        for edge in output_edges
    ]
    return PromptEstimate(
        charge(input_range.expected, cached.expected),
        min((charge(input_range.low, cached.low, output) for output in (output_tokens, *sides)), key=_amount),
        max((charge(high_tokens, high_cached, output) for output in (high_output, *sides)), key=_amount),
        input_range,
        tuple(edge for edge in crossed if edge.at_edge.tier != edge.past_edge.tier),
        top_tokens,
        per_usd_nano,
        (output_tokens, high_output),
    )


def _amount(charge: Charge) -> int:
    return charge.amount_nano
