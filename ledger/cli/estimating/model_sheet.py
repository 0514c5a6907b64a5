"""Prompts by each model of the card, side by side: `tollbook estimate --all-models`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec

from ledger.cli.estimating.prompt_sheet import result_notes
from ledger.cli.estimating.prompts import PromptEstimator, PromptsEstimate
from ledger.cli.show.junit import Case
from ledger.cli.show.output import note
from ledger.cli.show.report_files import Rendering
from ledger.cli.show.sheet import Cell, Column, Sheet, columns
from ledger.errors import LedgerError
from ledger.estimates.workloads.gate_words import after_commas
from ledger.values.words import counted
from pricing.errors import PricingError
from pricing.money import round_usd

COLUMNS = (
    Column("model"),
    Column("input_tokens", "count", 3),
    Column("output_tokens", "count", 4),
    Column("dearest_tier", "count", 5),
    *columns("usd", "usd"),
    *columns("usd", "usd_low", "usd_high", priority=1),
    Column("over_cheapest", "percent", 2),
)


def estimate_models(estimator: PromptEstimator) -> list[PromptsEstimate]:
    """Estimates the prompts by each model that the card prices, cheapest first; others are named in a note."""
    asked = estimator.asked
    if asked.model is not None:
        raise LedgerError("--model and --all-models contradict each other: leave one out")
    if asked.profile is not None:
        raise LedgerError("--all-models takes one output for all models: give --output-tokens in place of --profile")
    if asked.fail_over is not None or asked.fail_uncounted:
        raise LedgerError("--all-models compares models and has no gate: leave out --fail-over and --fail-uncounted")
    found = []
    for model in estimator.settings.card.models:
        try:
            found.append(estimator.estimate_by(model))
        except (LedgerError, PricingError) as error:
            note(f"left out: {model}: {error}")
    if not found:
        raise LedgerError("no model of the card prices these prompts: shorten them, or give other --rates")
    return sorted(found, key=lambda result: result.total.usd)


def models_rendering(results: list[PromptsEstimate]) -> Rendering:
    """The models in every format."""
    cases = [Case(result.models[0].model, notes=list(_warnings(result))) for result in results]
    return Rendering("estimate", _sheet(results), [("models", cases)])


def _sheet(results: list[PromptsEstimate]) -> Sheet:
    caveats = after_commas(results[0].caveats)
    count = len(results[0].prompts)
    times = "" if results[0].requests == 1 else f", each sent {results[0].requests:,} times"
    return Sheet(
        f"{counted(count, 'prompt')} by each model{times}{caveats}",
        COLUMNS,
        [_row(result, results[0]) for result in results],
        document={"models": [_document(result) for result in results]},
        footnotes=list(result_notes(results[0])),
    )


def _row(result: PromptsEstimate, cheapest: PromptsEstimate) -> list[Cell]:
    entries = [prompt.entry for prompt, _ in result.prompts]
    total = result.total
    tiers = [entry.tier for entry in entries]
    least = cheapest.total.usd
    over = round((total.usd - least) * 1000 / least) if least else None
    return [
        result.models[0].model,
        sum(entry.input_tokens for entry in entries) * result.requests,
        sum(entry.output_tokens for entry in entries) * result.requests,
        None if None in tiers else max(tier for tier in tiers if tier is not None),
        *map(round_usd, (total.usd, total.usd_low, total.usd_high)),
        over,
    ]


def _document(result: PromptsEstimate) -> dict[str, Any]:
    inputs = result.models[0]
    entry = inputs.settings.entry
    return {
        "model": inputs.model,
        "card": entry.key,
        "output_basis": inputs.output_basis,
        "prompts": [msgspec.to_builtins(prompt.entry) for prompt, _ in result.prompts],
        "requests": result.requests,
        "total": msgspec.to_builtins(result.total.document(entry.currency, result.caveats)),
    }


def _warnings(result: PromptsEstimate) -> Iterator[str]:
    yield from result.models[0].warnings
