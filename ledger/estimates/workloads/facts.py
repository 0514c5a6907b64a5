"""Settings of an estimate and the facts of its requests besides their texts."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from fractions import Fraction
from functools import cached_property
from typing import TYPE_CHECKING

from ledger.estimates.prompts.parts import IMAGE, Part
from ledger.estimates.prompts.requests import Prompt
from ledger.estimates.workloads.document import OutputBasis
from pricing.estimating.counting import is_tokenizer_known, margin_percent
from pricing.rate_card import RateCard
from pricing.rate_entry import RateEntry

if TYPE_CHECKING:
    from ledger.estimates.history.means import Means
    from ledger.estimates.history.profile import Profile
    from pricing.estimating.calibration import Calibration


@dataclass(frozen=True)
class Settings:
    """Settings of counting and pricing: the card's entry of `model`, an id or alias, at `at` and a service tier."""

    card: RateCard
    model: str
    at: datetime
    encoding: str
    calibration: Calibration | None = None
    service_tier: str | None = None

    @cached_property
    def entry(self) -> RateEntry:
        return self.card.entry_at(self.model, self.at, self.service_tier)

    @cached_property
    def per_usd_nano(self) -> int | None:
        """The conversion, None for a card in USD."""
        conversion = self.card.conversion_at(self.at)
        return None if conversion is None else conversion.per_usd_nano

    @property
    def is_calibrated(self) -> bool:
        """Tells whether a calibration corrects the model's counts."""
        return self.calibration is not None and self.entry.model in self.calibration.models

    @property
    def is_tokenizer_known(self) -> bool:
        """Tells whether uncorrected counts are known to come close to the model's own."""
        return is_tokenizer_known(self.entry.model, self.encoding)

    def counting_warnings(self) -> Iterator[str]:
        """Yields what is to be said of counts that no calibration corrects."""
        model = self.entry.model
        if self.is_calibrated:
            return
        if self.calibration is not None:
            yield f"the calibration knows no {model}: counts are tiktoken's own, ±{self.margin_percent} %"
        elif not self.is_tokenizer_known:
            yield (
                f"how {model} splits text isn't known: counts are tiktoken's ({self.encoding}), "
                f"±{self.margin_percent} %; 'tollbook calibrate' narrows that"
            )

    @property
    def margin_percent(self) -> int:
        """The range of an uncorrected count of text either way, in percent."""
        return margin_percent(self.entry.model, self.encoding)


@dataclass(frozen=True, slots=True)
class RequestFacts:
    """Facts of each request besides its text.

    Cached input is an exact number, or a text that requests begin with: `cached_input_tokens` wins; or else a share of
    the input, 0 to 1. Extra input is added at run time. `output_tokens` are of one answer, `max_output_tokens` of all
    in the worst case, which the request's own limit may lower. An image is `image_tokens`; None leaves it uncounted.
    """

    cached_prefix: str | None = None
    cached_input_tokens: int | None = None
    cached_share: Fraction | None = None
    extra_input_tokens: int = 0
    output_tokens: int = 0
    max_output_tokens: int | None = None
    image_tokens: int | None = None

    def of(self, choices: int, own_limit: int | None, top_output: int | None) -> RequestFacts:
        """Returns the facts of a request: the output of all its answers, each within the limit that its body gives.

        Together they are at most `top_output`, what the card prices.
        """
        output = self.output_tokens * choices
        limits = [] if self.max_output_tokens is None else [self.max_output_tokens]
        if own_limit is not None:
            limits.append(own_limit * choices)
        if not limits:
            return replace(self, output_tokens=output)
        if top_output is not None:
            # A worst case that was given is taken at its word, and refused where the card doesn't price it.
            limits.append(max(top_output, self.max_output_tokens or 0))
        most = min(limits)
        return replace(self, output_tokens=min(output, most), max_output_tokens=most)

    def uncounted(self, prompt: Prompt) -> list[Part]:
        """Returns the parts of this request that have no tokens."""
        return [part for part in prompt.parts if part.noun != IMAGE or self.image_tokens is None]

    @property
    def prefix(self) -> str | None:
        """The text that requests begin with, where it is what says how much is cached."""
        return None if self.cached_input_tokens is not None else self.cached_prefix


def expected_output(
    model: str, project: str | None, *, given: int | None, means: Means | None, profile: Profile | None
) -> tuple[int, OutputBasis]:
    """Returns a request's output tokens and their basis; `model` is the card's own name."""
    if given is not None:
        return given, "given"
    mean = None if means is None else means(model, project)
    if mean is not None:
        return mean, "ledger"
    row = None if profile is None else profile.row(model, project)
    return (0, "none") if row is None else (row.mean_output_tokens, "profile")
