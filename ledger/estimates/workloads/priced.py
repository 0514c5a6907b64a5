"""Prompts and facts of their requests -> counts, prices, totals and a gate."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from fractions import Fraction
from typing import TYPE_CHECKING, Literal, NamedTuple, TypeAlias

from ledger.errors import LedgerError
from ledger.estimates.prompts.requests import Prompt
from ledger.estimates.workloads.document import OutputBasis, PromptEntry, Total
from ledger.values.amounts import Amount, unit_of
from pricing.errors import InvalidUsage, shown
from pricing.estimating.calibration import PromptText, TokenRange, count_ranges
from pricing.estimating.estimate import NO_TOKENS, PromptEstimate, estimate_prompt
from pricing.money import divide_half_even, format_nano, format_usd, round_usd
from pricing.rate_card import RateCard, RateEntry

if TYPE_CHECKING:
    from ledger.estimates.history.means import Means
    from ledger.estimates.history.profile import Profile
    from pricing.estimating.calibration import Calibration

GateOn: TypeAlias = Literal["expected", "high"]


@dataclass(frozen=True, slots=True)
class Settings:
    """Settings of counting and pricing: the card's entry of `model`, an id or alias, at `at`."""

    card: RateCard
    model: str
    at: datetime
    encoding: str
    calibration: Calibration | None = None

    @property
    def entry(self) -> RateEntry:
        return self.card.entry_at(self.model, self.at)

    @property
    def per_usd_nano(self) -> int | None:
        """The conversion, None for a card in USD."""
        conversion = self.card.conversion_at(self.at)
        return None if conversion is None else conversion.per_usd_nano


@dataclass(frozen=True, slots=True)
class RequestFacts:
    """Facts of each request besides its text.

    Cached input is an exact number, or a text that requests begin with: `cached_input_tokens` wins; or else a share of
    the input, 0 to 1. Extra input is added at run time. `max_output_tokens` is the worst case of the output.
    """

    cached_prefix: str | None = None
    cached_input_tokens: int | None = None
    cached_share: Fraction | None = None
    extra_input_tokens: int = 0
    output_tokens: int = 0
    max_output_tokens: int | None = None

    @property
    def prefix(self) -> str | None:
        """The text that requests begin with, where it is what says how much is cached."""
        return None if self.cached_input_tokens is not None else self.cached_prefix


@dataclass(frozen=True, slots=True)
class EstimatedPrompt:
    """A prompt's entry and its charges, None beyond what the card prices."""

    entry: PromptEntry
    estimate: PromptEstimate | None


class EstimateTotal(NamedTuple):
    """Requests added up, exact: nano of the card's currency, and USD."""

    amount_nano: Fraction
    amount_high_nano: Fraction
    usd: Fraction
    usd_low: Fraction
    usd_high: Fraction

    def document(self, currency: str) -> Total:
        """Rounds each figure, half-even and once."""
        return Total(
            amount=format_nano(round(self.amount_nano)),
            currency=currency,
            usd=format_usd(self.usd),
            usd_low=format_usd(self.usd_low),
            usd_high=format_usd(self.usd_high),
        )


@dataclass(frozen=True, slots=True)
class Gate:
    """A limit on the total, expected or at the high end; `value` is printed without a unit."""

    limit: Amount
    on: GateOn
    value: str
    passed: bool


def expected_output(
    model: str, project: str | None, *, given: int | None, means: Means | None, profile: Profile | None
) -> tuple[int, OutputBasis]:
    """A request's output tokens and their basis; `model` is the card's own name."""
    if given is not None:
        return given, "given"
    mean = None if means is None else means(model, project)
    if mean is not None:
        return mean, "ledger"
    row = None if profile is None else profile.row(model, project)
    return (0, "none") if row is None else (row.mean_output_tokens, "profile")


def estimate_prompts(prompts: Sequence[Prompt], *, settings: Settings, facts: RequestFacts) -> list[EstimatedPrompt]:
    """Estimates each prompt in order; LedgerError where more is cached than there is."""
    texts = texts_of(prompts, facts)
    ranges = count_ranges(texts, settings.entry.model, encoding=settings.encoding, calibration=settings.calibration)
    return price_counted(prompts, ranges, settings=settings, facts=facts)


def texts_of(prompts: Sequence[Prompt], facts: RequestFacts) -> list[PromptText]:
    """The texts to count: each prompt, then the cached prefix if one begins with it."""
    prefix = facts.prefix
    texts = [prompt.text for prompt in prompts]
    if prefix is not None and any(_begins_with(prompt, prefix) for prompt in prompts):
        texts.append(PromptText((prefix,), whole_request=False))
    return texts


def price_counted(
    prompts: Sequence[Prompt], ranges: Sequence[TokenRange], *, settings: Settings, facts: RequestFacts
) -> list[EstimatedPrompt]:
    """`estimate_prompts` of prompts whose `texts_of` have been counted."""
    prefix = facts.prefix
    estimated = []
    for prompt, counted in zip(prompts, ranges, strict=False):
        warnings = [*prompt.warnings, *_warnings_of_model(prompt, settings)]
        input_range = _plus(counted, facts.extra_input_tokens)
        cached = _exact(facts.cached_input_tokens or 0)
        if facts.cached_share is not None:
            cached = _share_of(input_range, facts.cached_share)
        elif prefix is not None and _begins_with(prompt, prefix):
            cached = ranges[-1]
        elif prefix is not None:
            warnings.append("does not begin with the text of the cached prefix: nothing of it is priced as cached")
        if facts.cached_input_tokens is not None and cached.expected > input_range.expected:
            raise LedgerError(
                f"{prompt.name}: {cached.expected:,} cached input tokens are more than its {input_range.expected:,} "
                "input tokens, which include the cached ones: give fewer"
            )
        estimate = _estimate_of(settings, facts, input_range, cached, warnings)
        entry = _entry_of(prompt, facts, input_range, cached, warnings=warnings, estimate=estimate)
        estimated.append(EstimatedPrompt(entry, estimate))
    return estimated


def _warnings_of_model(prompt: Prompt, settings: Settings) -> list[str]:
    model = settings.entry.model
    if prompt.model is None or settings.card.resolve(prompt.model) == model:
        return []
    return [f"its body names model {shown(prompt.model)}: priced as {model}"]


def _estimate_of(
    settings: Settings, facts: RequestFacts, input_range: TokenRange, cached: TokenRange, warnings: list[str]
) -> PromptEstimate | None:
    """The charges, None beyond what the card prices; adds to `warnings`."""
    try:
        estimate = estimate_prompt(
            entry=settings.entry,
            per_usd_nano=settings.per_usd_nano,
            input_range=input_range,
            cached=cached,
            output_tokens=facts.output_tokens,
            max_output_tokens=facts.max_output_tokens,
        )
    except InvalidUsage as error:
        if error.reason != "input_over_limit":
            raise
        warnings.append(str(error))
        return None
    warnings.extend(estimate.warnings)
    return estimate


def _entry_of(
    prompt: Prompt,
    facts: RequestFacts,
    input_range: TokenRange,
    cached: TokenRange,
    *,
    warnings: list[str],
    estimate: PromptEstimate | None,
) -> PromptEntry:
    tier = None if estimate is None else estimate.expected.tier
    return PromptEntry(
        name=prompt.name,
        input_tokens=input_range.expected,
        input_tokens_low=input_range.low,
        input_tokens_high=input_range.high,
        cached_input_tokens=min(cached.expected, input_range.expected),
        output_tokens=facts.output_tokens,
        max_output_tokens=facts.max_output_tokens,
        message_overhead_tokens=prompt.text.message_overhead_tokens,
        tier=None if tier is None else tier.up_to,
        amount=None if estimate is None else format_nano(estimate.expected.amount_nano),
        usd=None if estimate is None else format_usd(estimate.usd),
        usd_low=None if estimate is None else format_usd(estimate.usd_low),
        usd_high=None if estimate is None else format_usd(estimate.usd_high),
        warnings=warnings,
    )


def total_of(estimates: Sequence[PromptEstimate], times: Fraction | int) -> EstimateTotal:
    """Adds up the estimates, each `times` times."""
    total = add_up((e.expected.amount_nano, e.high.amount_nano, e.usd, e.usd_low, e.usd_high) for e in estimates)
    return EstimateTotal(*(times * figure for figure in total))


def add_up(parts: Iterable[tuple[Fraction | int, ...]]) -> EstimateTotal:
    """Adds up totals, or figures in their order."""
    nothing = (0,) * len(EstimateTotal._fields)
    return EstimateTotal(*(Fraction(sum(figures)) for figures in zip(nothing, *parts, strict=True)))


def check_unit(limit: Amount, currency: str, name: str) -> None:
    """Refuses a limit in a currency that is neither USD nor the card's."""
    if limit.currency not in ("USD", currency):
        units = " or ".join(dict.fromkeys((unit_of("USD"), unit_of(currency))))
        raise LedgerError(f"{name} {limit.text!r} is in {unit_of(limit.currency)}: the card's prices need {units}")


def hold(total: EstimateTotal, currency: str, limit: Amount, on: GateOn) -> Gate:
    """Compares as printed, in the total's `currency` or USD: the limit itself passes."""
    if limit.currency == currency:
        value_nano = round(total.amount_high_nano if on == "high" else total.amount_nano)
    else:
        value_nano = round_usd(total.usd_high if on == "high" else total.usd)
    return Gate(limit, on, format_nano(value_nano), value_nano <= limit.nano)


def _begins_with(prompt: Prompt, prefix: str) -> bool:
    """Tells whether the text begins with the prefix, perhaps without its last line end."""
    text = "".join(prompt.text.texts)
    return text.startswith((prefix, prefix.removesuffix("\n").removesuffix("\r")))


def _exact(tokens: int) -> TokenRange:
    return TokenRange(tokens, tokens, tokens) if tokens else NO_TOKENS


def _share_of(tokens: TokenRange, share: Fraction) -> TokenRange:
    """The part of an input, each end rounded half-even."""
    return TokenRange(*(divide_half_even(count * share.numerator, share.denominator) for count in tokens))


def _plus(counted: TokenRange, tokens: int) -> TokenRange:
    return TokenRange(counted.low + tokens, counted.expected + tokens, counted.high + tokens)
