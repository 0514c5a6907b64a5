"""`tollbook estimate`: what prompts will cost, before they are sent."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import click

from ledger.cli.app import COUNT, POSITIVE, App
from ledger.cli.command import at_option, card_options, command
from ledger.cli.estimating.inputs import (
    SHARED,
    EstimateOptions,
    SharedOptions,
    counting_of,
    means_of,
    moment_of,
    profile_of,
)
from ledger.cli.show.output import note
from ledger.cli.show.report_files import Reporting, reporting_options
from ledger.errors import LedgerError

if TYPE_CHECKING:
    from ledger.estimates.workloads.document import OutputBasis
    from ledger.estimates.workloads.priced import EstimatedPrompt, RequestFacts
    from pricing.estimating.estimate import PromptEstimate


@command(
    "tollbook estimate prompt.md --model doubao-seed-2.0-code --output-tokens 800",
    "tollbook estimate requests.jsonl --model doubao-seed-2.0-lite --cached-prefix system.md --json",
    "cat prompt.md | tollbook estimate - --model doubao-seed-2.0-pro --requests 5000 --fail-over 36credits",
    "tollbook estimate --config tollbook.toml --profile profile.json",
    shows=reporting_options,
)
@click.argument("files", metavar="[FILE|-]...", nargs=-1)
@click.option("--model", metavar="M", help="Model or alias on the rate card.")
@click.option("--config", metavar="FILE", help="Estimate the [[workload]] entries of a tollbook.toml instead.")
@click.option("--encoding", metavar="E", help="tiktoken's vocabulary: o200k_base (default) or cl100k_base.")
@click.option("--calibration", metavar="FILE", help="Correct the counts by what 'tollbook calibrate' wrote.")
@click.option("--cached-prefix", metavar="FILE", help="Text that requests begin with and that is read from cache.")
@click.option("--cached-tokens", metavar="N", type=COUNT, help="Input tokens of each request that are read from cache.")
@click.option("--extra-input-tokens", metavar="N", type=COUNT, help="Input tokens of each request added at run time.")
@click.option("--output-tokens", metavar="N", type=COUNT, help="Expected output. Default: the mean of the ledger.")
@click.option("--max-output-tokens", metavar="N", type=COUNT, help="The most output, for the high end of the price.")
@click.option("--requests", metavar="N", type=POSITIVE, help="How often each prompt is sent.")
@click.option("--project", metavar="P", help="The project whose mean output is taken. Default: of all.")
@click.option("--profile", metavar="FILE", help="What 'tollbook workload pull' wrote: output without a ledger.")
@card_options
@at_option
@click.option("--fail-over", metavar="AMOUNT", help="Fail where the total is more: 0.50usd or 36credits.")
@click.option("--gate", type=click.Choice(["expected", "high"]), help="What --fail-over limits.  [default: expected]")
def estimate(app: App, /, *, config: str | None, reporting: Reporting, **options: Any) -> None:
    """Estimate what prompts cost: plain text, or request bodies in .json and .jsonl files; - is standard input.

    Tokens are counted by tiktoken. Doubao's tokenizer isn't public, so a count has a range: ±20 %, or what a
    calibration says.
    """
    if config is not None:
        _estimate_config(app, config, reporting, options)
    else:
        _estimate_prompts(app, PromptOptions(**options), reporting)


@dataclass(frozen=True, kw_only=True)
class PromptOptions(SharedOptions):
    """The options of the command without --config."""

    files: tuple[str, ...]
    model: str | None
    cached_prefix: str | None
    cached_tokens: int | None
    extra_input_tokens: int | None
    output_tokens: int | None
    max_output_tokens: int | None
    requests: int | None
    project: str | None
    fail_over: str | None
    gate: Literal["expected", "high"] | None

    def check(self) -> None:
        """Refuses what is missing or contradicts itself, before anything is read."""
        if not self.files:
            raise LedgerError("nothing to estimate: give FILE..., - for standard input, or --config tollbook.toml")
        if self.model is None:
            raise LedgerError("--model is missing: give the model that the prompts are for")
        if self.cached_prefix is not None and self.cached_tokens is not None:
            raise LedgerError("--cached-prefix and --cached-tokens say the same thing: give one of them")
        if [*self.files, self.cached_prefix, self.calibration, self.profile].count("-") > 1:
            raise LedgerError("standard input (-) is given more than once: it can be read only once")
        if self.gate is not None and self.fail_over is None:
            raise LedgerError(f"--gate {self.gate} says what a limit is compared with: give --fail-over too")
        most, output = self.max_output_tokens, self.output_tokens
        if most is not None and output is not None and most < output:
            raise LedgerError(f"--max-output-tokens {most} is below --output-tokens {output}: it is the most output")


def _estimate_config(app: App, config: str, reporting: Reporting, options: dict[str, Any]) -> None:
    from ledger.cli.estimating.workload_sheet import run_config

    for name, value in options.items():
        if name not in SHARED and value not in (None, ()):
            given = "FILE" if name == "files" else f"--{name.replace('_', '-')}"
            raise LedgerError(f"--config and {given} contradict each other: the file says what each workload is")
    run_config(app, EstimateOptions(config=config, **{name: options[name] for name in SHARED}), reporting)


def _estimate_prompts(app: App, asked: PromptOptions, reporting: Reporting) -> None:
    asked.check()
    from ledger.cli.estimating.prompt_sheet import PromptsEstimate, rendering, tell
    from ledger.estimates.prompts.requests import read_prompts
    from ledger.estimates.workloads.priced import Settings, check_unit, estimate_prompts, hold, total_of
    from ledger.values.amounts import parse_amount

    assert asked.model is not None
    encoding, calibration = counting_of(asked.encoding, asked.calibration)
    limit = None if asked.fail_over is None else parse_amount(asked.fail_over, "--fail-over")
    card = app.card(asked.provider, *asked.rates)
    settings = Settings(card, asked.model, moment_of(asked.at), encoding, calibration)
    entry = settings.entry
    if limit is not None:
        check_unit(limit, entry.currency, "--fail-over")
    prompts = [prompt for file in asked.files for prompt in read_prompts(file)]
    facts, output_basis = _facts(app, asked, entry.model)
    estimated = estimate_prompts(prompts, settings=settings, facts=facts)
    total = total_of(_priced(estimated), asked.requests or 1)
    result = PromptsEstimate(
        settings,
        estimated,
        output_basis,
        facts,
        asked.project,
        asked.requests or 1,
        total,
        None if limit is None else hold(total, entry.currency, limit, asked.gate or "expected"),
    )
    reporting.write(rendering(result), passed=result.gate is None or result.gate.passed)
    tell(result)


def _facts(app: App, asked: PromptOptions, model: str) -> tuple[RequestFacts, OutputBasis]:
    """The facts of each request; the expected output where the options leave it out."""
    from ledger.estimates.prompts.files import read_text
    from ledger.estimates.workloads.priced import RequestFacts, expected_output

    means = means_of(app) if asked.output_tokens is None else None
    profile = profile_of(asked.profile)
    output_tokens, basis = expected_output(
        model, asked.project, given=asked.output_tokens, means=means, profile=profile
    )
    if means is not None and basis != "ledger":
        from ledger.book.known_names import unknown_names_in

        for text in unknown_names_in(app.open(), projects=[asked.project]):
            note(text)
    most = asked.max_output_tokens
    facts = RequestFacts(
        cached_prefix=None if asked.cached_prefix is None else read_text(asked.cached_prefix),
        cached_input_tokens=asked.cached_tokens,
        extra_input_tokens=asked.extra_input_tokens or 0,
        output_tokens=output_tokens if most is None else min(output_tokens, most),
        max_output_tokens=most,
    )
    return facts, basis


def _priced(estimated: Sequence[EstimatedPrompt]) -> list[PromptEstimate]:
    """The prompts' estimates; LedgerError naming the first that the card doesn't price."""
    estimates = []
    for prompt in estimated:
        if prompt.estimate is None:
            raise LedgerError(f"{prompt.entry.name}: {prompt.entry.warnings[-1]}")
        estimates.append(prompt.estimate)
    return estimates
