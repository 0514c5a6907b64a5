"""`tollbook estimate`: what prompts will cost, before they are sent."""

from __future__ import annotations

from typing import Any

import click

from ledger.cli.app import COUNT, POSITIVE, App
from ledger.cli.command import at_option, card_options, command, service_tier_option
from ledger.cli.estimating.inputs import SHARED, EstimateOptions
from ledger.cli.show.report_files import Reporting, reporting_options
from ledger.errors import LedgerError


@command(
    "tollbook estimate prompt.md --model doubao-seed-2.0-code --output-tokens 800",
    "tollbook estimate requests.jsonl --model doubao-seed-2.0-lite --cached-prefix system.md --json",
    "tollbook estimate evals.csv --model doubao-seed-2.0-lite --column system --column question --output-tokens 300",
    "cat prompt.md | tollbook estimate - --model doubao-seed-2.0-pro --requests 5000 --fail-over 36credits",
    "tollbook estimate --config tollbook.toml --profile profile.json",
    shows=reporting_options,
)
@click.argument("files", metavar="[FILE|-]...", nargs=-1)
@click.option("--model", metavar="M", help="Model or alias on the rate card. Default: the one that each body names.")
@click.option("--all-models", is_flag=True, help="Lay the card's models side by side.")
@click.option("--config", metavar="FILE", help="Estimate the [[workload]] entries of a tollbook.toml instead.")
@click.option("--column", metavar="NAME", multiple=True, help="Column of an eval set that is sent. May be repeated.")
@click.option("--encoding", metavar="E", help="tiktoken's vocabulary: o200k_base (default) or cl100k_base.")
@click.option("--calibration", metavar="FILE", help="Correct the counts by what 'tollbook calibrate' wrote.")
@click.option("--cached-prefix", metavar="FILE", help="Text that requests begin with and that is read from cache.")
@click.option("--cached-tokens", metavar="N", type=COUNT, help="Input tokens of each request that are read from cache.")
@click.option("--extra-input-tokens", metavar="N", type=COUNT, help="Input tokens of each request added at run time.")
@service_tier_option
@click.option("--image-tokens", metavar="N", type=COUNT, help="Input tokens of each image. Default: not counted.")
@click.option("--output-tokens", metavar="N", type=COUNT, help="Expected output. Default: the mean of the ledger.")
@click.option("--max-output-tokens", metavar="N", type=COUNT, help="The most output, for the high end of the price.")
@click.option("--requests", metavar="N", type=POSITIVE, help="How often each prompt is sent.")
@click.option("--project", metavar="P", help="The project whose mean output is taken. Default: of all.")
@click.option("--profile", metavar="FILE", help="What 'tollbook workload pull' wrote: output without a ledger.")
@card_options
@at_option
@click.option("--fail-over", metavar="AMOUNT", help="Fail where the total is more: 0.50usd or 36credits.")
@click.option("--fail-uncounted", is_flag=True, help="Fail where something of a request isn't counted.")
@click.option("--all", "show_all", is_flag=True, help="Show each of more than 50 prompts.")
@click.option("--gate", type=click.Choice(["expected", "high"]), help="What --fail-over limits.  [default: expected]")
def estimate(app: App, /, *, config: str | None, all_models: bool, reporting: Reporting, **options: Any) -> None:
    """Estimate what prompts cost: plain text, or request bodies in .json and .jsonl files; - is standard input.

    With --column, each row of a CSV, TSV, JSON or JSON Lines file is a request that holds the columns named, in their
    order; inputs.question is a field within another.

    Tokens are counted by tiktoken. Doubao's tokenizer isn't public, so a count has a range: ±20 %, ±50 % of tools and
    schemas, or what a calibration says. Parts that aren't counted, such as images without --image-tokens, are named.
    """
    if config is None:
        _estimate_prompts(app, options, reporting, all_models=all_models)
    elif all_models:
        raise LedgerError("--config and --all-models contradict each other: the file says which model a workload uses")
    else:
        _estimate_config(app, config, reporting, options)


def _estimate_config(app: App, config: str, reporting: Reporting, options: dict[str, Any]) -> None:
    from ledger.cli.estimating.workload_sheet import run_config

    for name, value in options.items():
        if name not in (*SHARED, "fail_uncounted", "show_all") and value not in (None, ()):
            given = "FILE" if name == "files" else f"--{name.replace('_', '-')}"
            raise LedgerError(f"--config and {given} contradict each other: the file says what each workload is")
    run_config(
        app,
        EstimateOptions(config=config, **{name: options[name] for name in SHARED}),
        reporting,
        fail_uncounted=options["fail_uncounted"],
    )


def _estimate_prompts(app: App, options: dict[str, Any], reporting: Reporting, *, all_models: bool) -> None:
    from ledger.cli.estimating.model_sheet import estimate_models, models_rendering
    from ledger.cli.estimating.prompt_sheet import rendering, tell
    from ledger.cli.estimating.prompts import PromptEstimator, PromptOptions

    show_all = options.pop("show_all")
    asked = PromptOptions(**options)
    estimator = PromptEstimator.of(app, asked, all_models=all_models)
    if all_models:
        results = estimate_models(estimator)
        reporting.write(models_rendering(results), passed=True)
        tell(results[0])
        return
    result = estimator.estimate()
    del estimator  # of many prompts it is large
    reporting.write(rendering(result, show_all=show_all), passed=result.passed)
    tell(result)
