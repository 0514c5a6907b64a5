"""Prompts and the facts of their requests -> counts, prices and warnings."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from functools import cache, partial
from itertools import islice
from typing import Any, NamedTuple

import msgspec
from msgspec.structs import replace

from ledger.errors import LedgerError
from ledger.estimates.prompts.parts import IMAGE, KEY, Part, digest_of, names_of
from ledger.estimates.prompts.requests import Prompt
from ledger.estimates.workloads.document import PromptEntry
from ledger.estimates.workloads.facts import RequestFacts, Settings
from ledger.values.words import listed
from pricing.errors import InvalidUsage, shown
from pricing.estimating.calibration import TokenRange
from pricing.estimating.counting import PromptCount, PromptText, TextTokens, count_prompts, inputs_of
from pricing.estimating.estimate import NO_TOKENS, PromptEstimate, estimate_prompt
from pricing.money import divide_half_even, format_nano, format_usd

# Prompts whose texts are held at a time.
_AT_ONCE = 2_000


class EstimatedPrompt(msgspec.Struct, frozen=True):
    """A prompt's entry and its charges, None beyond what the card prices."""

    entry: PromptEntry
    estimate: PromptEstimate | None

    @property
    def priced(self) -> PromptEstimate:
        """Its charges; LedgerError where the card doesn't price so long a prompt."""
        if self.estimate is None:
            raise LedgerError(f"{self.entry.name}: {self.entry.warnings[-1]}")
        return self.estimate


@dataclass(frozen=True, slots=True)
class CountedPrompts:
    """Prompts without their texts, and the tokens of each, then of the cached prefix if there is one."""

    prompts: list[Prompt] = field(default_factory=list)
    tokens: list[TextTokens] = field(default_factory=list)

    @classmethod
    def of(cls, prompts: Iterable[Prompt], facts: RequestFacts, encoding: str, *, by_script: bool) -> CountedPrompts:
        """Counts prompts as they are read, so that few of their texts are held at once."""
        left, prefix = iter(prompts), facts.prefix
        found = cls()
        while chunk := list(islice(left, _AT_ONCE)):
            found.tokens.extend(count_prompts([prompt.text for prompt in chunk], encoding, by_script=by_script))
            found.prompts.extend(_without_texts(prompt, prefix) for prompt in chunk)
        if prefix is not None:
            found.tokens.extend(count_prompts([_text_of_prefix(prefix)], encoding, by_script=by_script))
        return found

    def estimate(self, numbers: Sequence[int], *, settings: Settings, facts: RequestFacts) -> list[EstimatedPrompt]:
        """Estimates the prompts of these numbers in order; LedgerError where more is cached than there is."""
        tokens = [*(self.tokens[number] for number in numbers), *self.tokens[len(self.prompts) :]]
        counts = inputs_of(tokens, settings.entry.model, encoding=settings.encoding, calibration=settings.calibration)
        prompts = [self.prompts[number] for number in numbers]
        return price_counted(prompts, counts, settings=settings, facts=facts)


def texts_of(prompts: Sequence[Prompt], facts: RequestFacts) -> list[PromptText]:
    """Returns the texts to count: each prompt, then the cached prefix if one begins with it."""
    prefix = facts.prefix
    texts = [prompt.text for prompt in prompts]
    if prefix is not None and any(_begins_with(prompt, prefix) for prompt in prompts):
        texts.append(_text_of_prefix(prefix))
    return texts


def price_counted(
    prompts: Sequence[Prompt], counts: Sequence[PromptCount], *, settings: Settings, facts: RequestFacts
) -> list[EstimatedPrompt]:
    """Prices prompts whose `texts_of` have been counted, in order; LedgerError where more is cached than there is."""
    # Many requests are alike in their counts: each is priced once.
    priced = cache(partial(_priced, settings))
    alike: dict[tuple[Prompt, PromptCount], EstimatedPrompt] = {}
    estimated = []
    for prompt, count in zip(prompts, counts, strict=False):
        key = replace(prompt, name="", warnings=()), count
        found = alike.get(key)
        if found is None:
            found = alike[key] = _estimated(
                prompt, count, counts[-1].tokens, settings=settings, facts=facts, priced=priced
            )
        entry = replace(found.entry, name=prompt.name, warnings=[*prompt.warnings, *found.entry.warnings])
        estimated.append(EstimatedPrompt(entry, found.estimate))
    return estimated


def _estimated(
    prompt: Prompt,
    count: PromptCount,
    prefix_tokens: TokenRange,
    *,
    settings: Settings,
    facts: RequestFacts,
    priced: Callable[[int, int | None, TokenRange, TokenRange], _Priced],
) -> EstimatedPrompt:
    """Estimates a prompt, whose own warnings are left out."""
    own = facts.of(prompt.choices, prompt.max_output_tokens, settings.entry.max_output_tokens)
    uncounted = facts.uncounted(prompt)
    warnings = [*_warnings_of_model(prompt, settings), *_warnings_of_parts(uncounted)]
    image_tokens = (facts.image_tokens or 0) * sum(part.noun == IMAGE for part in prompt.parts)
    input_range = _plus(count.tokens, facts.extra_input_tokens + image_tokens)
    cached = _cached_of(prompt, facts, input_range, prefix_tokens, warnings)
    found = priced(own.output_tokens, own.max_output_tokens, input_range, cached)
    entry = PromptEntry(
        name=prompt.name,
        input_tokens=input_range.expected,
        input_tokens_low=input_range.low,
        input_tokens_high=input_range.high,
        cached_input_tokens=min(cached.expected, input_range.expected),
        output_tokens=own.output_tokens,
        max_output_tokens=own.max_output_tokens,
        message_overhead_tokens=prompt.text.message_overhead_tokens,
        schema_tokens=count.schema_tokens,
        image_tokens=image_tokens,
        uncorrected_tokens=count.uncorrected_tokens,
        warnings=[*warnings, *found.warnings],
        uncounted=names_of(uncounted) if uncounted else [],
        uncounted_digest=digest_of(uncounted),
        **found.figures,
    )
    return EstimatedPrompt(entry, found.estimate)


def _cached_of(
    prompt: Prompt, facts: RequestFacts, input_range: TokenRange, prefix_tokens: TokenRange, warnings: list[str]
) -> TokenRange:
    """Returns the cached part of a prompt's input; adds to `warnings`."""
    prefix = facts.prefix
    cached = _exact(facts.cached_input_tokens or 0)
    if facts.cached_share is not None:
        cached = _share_of(input_range, facts.cached_share)
    elif prefix is not None and _begins_with(prompt, prefix):
        cached = prefix_tokens
    elif prefix is not None:
        warnings.append("does not begin with the text of the cached prefix: nothing of it is priced as cached")
    if facts.cached_input_tokens is not None and cached.expected > input_range.expected:
        raise LedgerError(
            f"{prompt.name}: {cached.expected:,} cached input tokens are more than its {input_range.expected:,} "
            "input tokens, which include the cached ones: give fewer"
        )
    return cached


def _warnings_of_model(prompt: Prompt, settings: Settings) -> list[str]:
    model = settings.entry.model
    if prompt.model is None or settings.card.resolve(prompt.model) == model:
        return []
    return [f"its body names model {shown(prompt.model)}: priced as {model}"]


def _warnings_of_parts(uncounted: Sequence[Part]) -> list[str]:
    if not uncounted:
        return []
    hints = ["give image_tokens for images"] * any(part.noun == IMAGE for part in uncounted)
    hints += ["name what is sent of a row by --column"] * any(part.noun.startswith(KEY) for part in uncounted)
    hint = ", or ".join([*hints, "add their tokens as extra input tokens"])
    return [f"not counted, so that the price is at least this: {listed(names_of(uncounted))}; {hint}"]


class _Priced(NamedTuple):
    """The charges of equal requests, None beyond what the card prices, with what a prompt's entry has of them."""

    estimate: PromptEstimate | None
    figures: Mapping[str, Any]
    warnings: Sequence[str]


def _priced(
    settings: Settings, output_tokens: int, max_output_tokens: int | None, input_range: TokenRange, cached: TokenRange
) -> _Priced:
    try:
        estimate = estimate_prompt(
            entry=settings.entry,
            per_usd_nano=settings.per_usd_nano,
            input_range=input_range,
            cached=cached,
            output_tokens=output_tokens,
            max_output_tokens=max_output_tokens,
        )
    except InvalidUsage as error:
        if error.reason != "input_over_limit":
            raise
        return _Priced(None, dict.fromkeys(("tier", "amount", "usd", "usd_low", "usd_high")), [str(error)])
    tier = estimate.expected.tier
    figures = {
        "tier": tier and tier.up_to,
        "tier_output": tier and tier.output_up_to,
        "amount": format_nano(estimate.expected.amount_nano),
        "usd": format_usd(estimate.usd),
        "usd_low": format_usd(estimate.usd_low),
        "usd_high": format_usd(estimate.usd_high),
    }
    return _Priced(estimate, figures, estimate.warnings)


def _text_of_prefix(prefix: str) -> PromptText:
    return PromptText((prefix,), whole_request=False)


def _without_texts(prompt: Prompt, prefix: str | None) -> Prompt:
    """Lets go of the texts, but for the cached prefix where they begin with it."""
    kept = (prefix,) if prefix is not None and _begins_with(prompt, prefix) else ()
    return replace(prompt, text=PromptText(kept, prompt.text.message_overhead_tokens))


def _begins_with(prompt: Prompt, prefix: str) -> bool:
    """Tells whether the text begins with the prefix, perhaps without its last line end."""
    text = "".join(prompt.text.texts)
    return text.startswith((prefix, prefix.removesuffix("\n").removesuffix("\r")))


def _exact(tokens: int) -> TokenRange:
    return TokenRange(tokens, tokens, tokens) if tokens else NO_TOKENS


def _share_of(tokens: TokenRange, share: Fraction) -> TokenRange:
    """Returns the part of an input, each end rounded half-even."""
    return TokenRange(*(divide_half_even(count * share.numerator, share.denominator) for count in tokens))


def _plus(counted: TokenRange, tokens: int) -> TokenRange:
    return TokenRange(counted.low + tokens, counted.expected + tokens, counted.high + tokens)
