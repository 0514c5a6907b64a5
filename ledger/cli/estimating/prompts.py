"""The estimate of prompts that `tollbook estimate FILE...` makes: one model's, or each body's own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

from ledger.cli.app import App
from ledger.cli.estimating.inputs import SharedOptions, counting_of, means_of, moment_of, profile_of
from ledger.cli.show.output import note
from ledger.errors import LedgerError
from ledger.estimates.prompts.files import read_text
from ledger.estimates.prompts.requests import Prompt, iter_prompts
from ledger.estimates.workloads.document import GateResult, OutputBasis, caveats_of, uncounted_gate
from ledger.estimates.workloads.facts import RequestFacts, Settings, expected_output
from ledger.estimates.workloads.priced import CountedPrompts, EstimatedPrompt
from ledger.estimates.workloads.totals import EstimateTotal, Gate, check_unit, hold, total_of
from ledger.values.amounts import parse_amount
from pricing.errors import PricingError

if TYPE_CHECKING:
    from ledger.estimates.history.means import Means
    from ledger.estimates.history.profile import Profile

NO_OUTPUT = "no --output-tokens are given, nor a ledger or profile that knows them: output counts as 0"


@dataclass(frozen=True, kw_only=True)
class PromptOptions(SharedOptions):
    """The options of the command without --config."""

    files: tuple[str, ...]
    model: str | None
    column: tuple[str, ...]
    cached_prefix: str | None
    cached_tokens: int | None
    extra_input_tokens: int | None
    image_tokens: int | None
    service_tier: str | None
    output_tokens: int | None
    max_output_tokens: int | None
    requests: int | None
    project: str | None
    fail_over: str | None
    gate: Literal["expected", "high"] | None
    fail_uncounted: bool

    def check(self) -> None:
        """Refuses what is missing or contradicts itself, before anything is read."""
        if not self.files:
            raise LedgerError("nothing to estimate: give FILE..., - for standard input, or --config tollbook.toml")
        if self.cached_prefix is not None and self.cached_tokens is not None:
            raise LedgerError("--cached-prefix and --cached-tokens say the same thing: give one of them")
        if [*self.files, self.cached_prefix, self.calibration, self.profile].count("-") > 1:
            raise LedgerError("standard input (-) is given more than once: it can be read only once")
        if self.gate is not None and self.fail_over is None:
            raise LedgerError(f"--gate {self.gate} says what a limit is compared with: give --fail-over too")
        most, output = self.max_output_tokens, self.output_tokens
        if most is not None and output is not None and most < output:
            raise LedgerError(f"--max-output-tokens {most} is below --output-tokens {output}: it is the most output")


@dataclass(frozen=True)
class ModelInputs:
    """The settings of one model, and the facts of its requests."""

    settings: Settings
    facts: RequestFacts
    output_basis: OutputBasis

    @cached_property
    def model(self) -> str:
        """The card's own name of the model."""
        return self.settings.entry.model

    @property
    def calibration(self) -> dict[str, Any] | None:
        """The calibration of the model, None where it has none."""
        calibration = self.settings.calibration
        return None if calibration is None else calibration.summary(self.model)

    @cached_property
    def warnings(self) -> list[str]:
        """Warnings that hold for all prompts of the model alike."""
        return [NO_OUTPUT] * (self.output_basis == "none") + list(self.settings.counting_warnings())


@dataclass(frozen=True, slots=True)
class PromptsEstimate:
    """The command's whole result: prompts with their models, each sent `requests` times, and their total."""

    prompts: Sequence[tuple[EstimatedPrompt, ModelInputs]]
    project: str | None
    requests: int
    total: EstimateTotal
    gate: Gate | None
    uncounted: GateResult | None

    @property
    def models(self) -> list[ModelInputs]:
        """The models, each once."""
        return list({inputs.model: inputs for _, inputs in self.prompts}.values())

    @property
    def passed(self) -> bool:
        """Tells whether no limit is exceeded."""
        return all(gate is None or gate.passed for gate in (self.gate, self.uncounted))

    @property
    def caveats(self) -> list[str]:
        """Words for a total that lacks output, or something of the input."""
        return caveats_of([of.output_basis for of in self.models], [prompt.entry for prompt, _ in self.prompts])


@dataclass(frozen=True, slots=True)
class PromptEstimator:
    """Estimates the prompts of the options, by any model of the card."""

    asked: PromptOptions
    counted: CountedPrompts
    settings: Settings
    facts: RequestFacts
    means: Means | None
    profile: Profile | None

    @classmethod
    def of(cls, app: App, asked: PromptOptions, *, all_models: bool = False) -> PromptEstimator:
        """Reads the files that the options name; LedgerError where the options contradict each other.

        Models side by side have the same output: it is given, or the price is of the input only.
        """
        asked.check()
        encoding, calibration = counting_of(asked.encoding, asked.calibration)
        card = app.card(asked.provider, *asked.rates)
        settings = Settings(card, asked.model or "", moment_of(asked.at), encoding, calibration, asked.service_tier)
        facts = RequestFacts(
            cached_prefix=None if asked.cached_prefix is None else read_text(asked.cached_prefix),
            cached_input_tokens=asked.cached_tokens,
            extra_input_tokens=asked.extra_input_tokens or 0,
            max_output_tokens=asked.max_output_tokens,
            image_tokens=asked.image_tokens,
        )
        prompts = (prompt for file in asked.files for prompt in iter_prompts(file, asked.column, as_written=True))
        counted = CountedPrompts.of(prompts, facts, encoding, by_script=calibration is not None)
        means = means_of(app) if asked.output_tokens is None and not all_models else None
        if means is not None:
            from ledger.book.known_names import unknown_names_in

            for text in unknown_names_in(app.open(), projects=[asked.project]):
                note(text)
        return cls(asked, counted, settings, facts, means, None if all_models else profile_of(asked.profile))

    def estimate(self) -> PromptsEstimate:
        """Estimates each prompt by --model, else by the model that its body names."""
        return self._estimate([self.asked.model or _own_model(prompt) for prompt in self.counted.prompts])

    def estimate_by(self, model: str) -> PromptsEstimate:
        """Estimates all prompts by one model."""
        return self._estimate([model] * len(self.counted.prompts))

    def _estimate(self, models: Sequence[str]) -> PromptsEstimate:
        limit = None if self.asked.fail_over is None else parse_amount(self.asked.fail_over, "--fail-over")
        if limit is not None:
            check_unit(limit, self.settings.card.currency, "--fail-over")
        numbers: dict[str, list[int]] = {}
        for number, model in enumerate(models):
            numbers.setdefault(self.settings.card.resolve(model) or model, []).append(number)
        found: dict[int, tuple[EstimatedPrompt, ModelInputs]] = {}
        for model, of_model in numbers.items():
            inputs = self._inputs_of(model, self.counted.prompts[of_model[0]])
            estimated = self.counted.estimate(of_model, settings=inputs.settings, facts=inputs.facts)
            found.update((number, (prompt, inputs)) for number, prompt in zip(of_model, estimated, strict=True))
        prompts_found = [found[number] for number in range(len(models))]
        requests = self.asked.requests or 1
        total = total_of([prompt.priced for prompt, _ in prompts_found], requests)
        return PromptsEstimate(
            prompts_found,
            self.asked.project,
            requests,
            total,
            None if limit is None else hold(total, self.settings.card.currency, limit, self.asked.gate or "expected"),
            uncounted_gate((p.entry.name, p.entry.uncounted) for p, _ in prompts_found)
            if self.asked.fail_uncounted
            else None,
        )

    def _inputs_of(self, model: str, first: Prompt) -> ModelInputs:
        """The settings and facts of a model; the expected output where the options leave it out."""
        asked, settings = self.asked, replace(self.settings, model=model)
        try:
            name = settings.entry.model
        except PricingError as error:
            raise error if asked.model == model else LedgerError(f"{first.name}: {error}") from error
        output_tokens, basis = expected_output(
            name, asked.project, given=asked.output_tokens, means=self.means, profile=self.profile
        )
        most = self.facts.max_output_tokens
        output_tokens = output_tokens if most is None else min(output_tokens, most)
        return ModelInputs(settings, replace(self.facts, output_tokens=output_tokens), basis)


def _own_model(prompt: Prompt) -> str:
    if prompt.model is None:
        raise LedgerError(f"--model is missing: {prompt.name} names no model; give the one that it is for")
    return prompt.model
