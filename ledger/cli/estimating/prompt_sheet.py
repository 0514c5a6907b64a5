"""Prompts as `tollbook estimate` shows them: sheet, JSON, JUnit and notes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import starmap
from typing import Any, Generic, TypeVar

import msgspec
from msgspec.structs import replace

from ledger.cli.estimating.prompt_summary import (
    DEAREST,
    MOST_SHOWN,
    PromptSummary,
    summarise,
    summary_document,
    summary_sheet,
)
from ledger.cli.estimating.prompts import ModelInputs, PromptsEstimate
from ledger.cli.show.annotations import announce, announce_first
from ledger.cli.show.junit import Case
from ledger.cli.show.report_files import Rendering
from ledger.cli.show.sheet import Cell, Column, Sheet, cells_of
from ledger.estimates.workloads.document import COUNTING, said_once
from ledger.estimates.workloads.gate_words import after_commas, over_message
from ledger.estimates.workloads.priced import EstimatedPrompt
from ledger.estimates.workloads.totals import EstimateTotal, Gate
from ledger.values.words import counted, grouped, listed
from pricing.money import format_nano, format_usd, round_usd

T = TypeVar("T")

COLUMNS = (
    Column("name"),
    Column("input_tokens", "count"),
    Column("input_tokens_low", "count", 4),
    Column("input_tokens_high", "count", 3),
    Column("cached_input_tokens", "count", 7),
    Column("output_tokens", "count", 6),
    Column("tier", "count", 5),
    Column("usd", "usd"),
    Column("usd_low", "usd", 2),
    Column("usd_high", "usd", 1),
    Column("model", shown=False),
    Column("schema_tokens", "count", shown=False),
    Column("image_tokens", "count", shown=False),
    Column("uncounted", shown=False),
)


def rendering(result: PromptsEstimate, *, show_all: bool) -> Rendering:
    """The result in every format."""
    suites = [("prompts", _Each(_case, result.prompts))]
    gates = []
    if result.gate is not None:
        failures = [] if result.gate.passed else [_gate_text(result.gate, result)]
        gates.append(Case(f"fail-over {result.gate.limit.text}", failures))
    if result.uncounted is not None:
        failures = [] if result.uncounted.passed else [result.uncounted.message]
        gates.append(Case("fail-uncounted", failures))
    return Rendering("estimate", _sheet(result, show_all=show_all), [*suites, ("gates", gates)] if gates else suites)


def tell(result: PromptsEstimate) -> None:
    """Writes warnings and an exceeded limit to standard error."""
    about = [(prompt.entry.name, warning) for prompt, _ in result.prompts for warning in prompt.entry.warnings]
    failures = [] if result.gate is None or result.gate.passed else [_gate_text(result.gate, result)]
    failures += [] if result.uncounted is None or result.uncounted.passed else [result.uncounted.message]
    tell_all(about, failures, of_all=list(dict.fromkeys(text for of in result.models for text in of.warnings)))


def tell_all(about: Sequence[tuple[str, str]], failures: Sequence[str], *, of_all: Sequence[str] = ()) -> None:
    """Writes warnings, each once with the names that it is about, then what failed."""
    announce_first([*of_all, *said_once(about)])
    for text in failures:
        announce("error", text)


def _gate_text(gate: Gate, result: PromptsEstimate) -> str:
    end = "the high end of the total" if gate.on == "high" else "the total"
    return f"--fail-over: {end} is {over_message(gate.limit, gate.value, per='', caveats=result.caveats)}"


# --- the sheet ------------------------------------------------------------------------------------------------------


class _Each(msgspec.Struct, Generic[T], frozen=True):
    """A format's part of each prompt, made whenever it is read: there may be many, and other formats need none."""

    make: Callable[[EstimatedPrompt, ModelInputs], T]
    prompts: Sequence[tuple[EstimatedPrompt, ModelInputs]]

    def __iter__(self) -> Iterator[T]:
        return starmap(self.make, self.prompts)


def _case(prompt: EstimatedPrompt, inputs: ModelInputs) -> Case:
    return Case(prompt.entry.name, notes=[*prompt.entry.warnings, *inputs.warnings])


def _sheet(result: PromptsEstimate, *, show_all: bool) -> Sheet:
    count, each = len(result.prompts), "" if result.requests == 1 else ": one request each"
    models = result.models
    of_one = len(models) == 1
    subject = f"{models[0].model}, {counted(count, 'prompt')}" if of_one else f"{count} prompts by {len(models)} models"
    caveats = after_commas(result.caveats)
    columns = [replace(column, shown=column.shown or (column.name == "model" and not of_one)) for column in COLUMNS]

    def cells(prompt: EstimatedPrompt, inputs: ModelInputs) -> list[Cell]:
        return cells_of(prompt.entry, columns, model=inputs.model)

    summary = summarise(result)
    shown = [result.prompts[place] for place in summary.shown]
    brief = None if show_all or count <= MOST_SHOWN else [cells(*each) for each in shown]
    return Sheet(
        f"{subject}{caveats}{each}",
        columns,
        _Each(cells, result.prompts),
        _total_row(result.total) if count > 1 and result.requests == 1 and brief is None else None,
        document=_document(result, summary),
        footnotes=[*([] if brief is None else [_left_out(summary, count)]), *_footnotes(result)],
        lead=summary_sheet(result, summary) if count > MOST_SHOWN else None,
        brief=brief,
    )


def _total_row(total: EstimateTotal) -> list[Cell]:
    return [round_usd(getattr(total, column.name)) if column.kind == "usd" else None for column in COLUMNS]


def _left_out(summary: PromptSummary, count: int) -> str:
    crossing = len(summary.crossing)
    more = f", then of the {crossing:,} whose range crosses a tier" if crossing else ""
    others = count - len(summary.shown)
    return f"Shown are the {DEAREST} dearest{more}; --all shows the {others:,} others, CSV and JSON have them."


def _footnotes(result: PromptsEstimate) -> Iterator[str]:
    total, settings = result.total, result.models[0].settings
    per_usd_nano, currency = settings.per_usd_nano, settings.entry.currency
    times = "" if result.requests == 1 else f", each prompt sent {result.requests:,} times"
    caveats = after_commas(result.caveats)
    usd, low, high = (grouped(format_usd(usd)) for usd in (total.usd, total.usd_low, total.usd_high))
    yield f"Total{times}{caveats}: {usd} USD, from {low} to {high}."
    converted = f" at {format_nano(per_usd_nano or 0)} {currency} = 1 USD"
    amount = f"{grouped(format_nano(round(total.amount_nano)))} {currency}{'' if per_usd_nano is None else converted}"
    yield f"That is {amount}; prices {listed([of.settings.entry.key for of in result.models])}."
    if result.gate is not None:
        text = _gate_text(result.gate, result)
        yield f"Gate {'passed' if result.gate.passed else 'FAILED'}: {text}."
    if result.uncounted is not None:
        yield f"Gate {'passed' if result.uncounted.passed else 'FAILED'}: {result.uncounted.message}."
    yield from result_notes(result)


def result_notes(result: PromptsEstimate) -> Iterator[str]:
    """The basis of the counts: tokenizer, range, overhead, tools, output."""
    first = result.models[0]
    yield counting_text(
        first.settings.encoding,
        is_calibrated=all(of.settings.is_calibrated for of in result.models),
        margin_percent=max(of.settings.margin_percent for of in result.models),
    )
    entries = [prompt.entry for prompt, _ in result.prompts]
    overhead = sum(entry.message_overhead_tokens for entry in entries)
    if overhead:
        yield (
            f"{overhead:,} of the input tokens are for messages: 3 a message and 3 a request, as Doubao's own template "
            "isn't public."
        )
    schemas = sum(entry.schema_tokens for entry in entries)
    if schemas:
        yield schema_text(schemas, is_calibrated=all(_knows_schemas(of) for of in result.models))
    images = sum(entry.image_tokens for entry in entries)
    if images:
        yield f"{images:,} of the input tokens are for images: {first.facts.image_tokens:,} an image, as given."
    if first.facts.extra_input_tokens:
        yield f"{first.facts.extra_input_tokens:,} input tokens of each request are added at run time."
    for inputs in result.models:
        of = "" if len(result.models) == 1 else f" of {inputs.model}"
        yield _output_text(result, inputs, of)


def counting_text(encoding: str, *, is_calibrated: bool, margin_percent: int) -> str:
    """The origin of input counts, and how far they may be off."""
    if is_calibrated:
        return f"Input tokens are tiktoken's ({encoding}), corrected by the calibration."
    return (
        f"Input tokens are tiktoken's ({encoding}), ±{margin_percent} %, as the model's tokenizer isn't public: "
        "'tollbook calibrate' narrows that."
    )


def schema_text(tokens: int, *, is_calibrated: bool) -> str:
    """The part of the input that tools and output formats are, and how far it may be off."""
    off = "corrected by the calibration" if is_calibrated else "±50 %, as what becomes of their JSON isn't public"
    return f"{tokens:,} of the input tokens are for tools and schemas, {off}."


def _knows_schemas(inputs: ModelInputs) -> bool:
    return inputs.calibration is not None and "schema_factor" in inputs.calibration


def _output_text(result: PromptsEstimate, inputs: ModelInputs, of: str) -> str:
    where = "" if result.project is None else f" in project {result.project}"
    expected = {
        "given": "as given",
        "ledger": f"the mean of the model's requests{where} in the ledger",
        "profile": f"the mean of the model's requests{where} in the profile",
        "none": "as nothing is known of them",
    }[inputs.output_basis]
    most = inputs.facts.max_output_tokens
    worst = "" if most is None else f"; the high end has {most:,}"
    own = sum(prompt.entry.max_output_tokens != most for prompt, by in result.prompts if by is inputs)
    if own:
        worst += "; 1 body has a limit of its own" if own == 1 else f"; {own:,} bodies have limits of their own"
    return f"Output tokens{of}: {inputs.facts.output_tokens:,}, {expected}{worst}."


# --- the document ---------------------------------------------------------------------------------------------------


def _document(result: PromptsEstimate, summary: PromptSummary) -> dict[str, Any]:
    models, total, gate = result.models, result.total, result.gate
    only, settings = models[0] if len(models) == 1 else None, models[0].settings
    entry = settings.entry
    return {
        "model": only and only.model,
        "encoding": settings.encoding,
        "card": only and entry.key,
        "calibration": only and only.calibration,
        "output_basis": only and only.output_basis,
        "prompts": _Each(_prompt_document, result.prompts),
        "requests": result.requests,
        "total": msgspec.to_builtins(total.document(entry.currency, result.caveats)),
        "gate": gate
        and {
            "limit": gate.limit.text,
            "passed": gate.passed,
            "on": gate.on,
            "value": format_nano(gate.value.nano),
            "message": _gate_text(gate, result),
        },
        "uncounted_gate": result.uncounted and msgspec.to_builtins(result.uncounted),
        "models": [_model_document(inputs) for inputs in models],
        "summary": summary_document(result, summary),
        "counting": COUNTING,
        "provider": entry.provider,
        "project": result.project,
        "notes": list(result_notes(result)),
    }


def _model_document(inputs: ModelInputs) -> dict[str, Any]:
    return {
        "model": inputs.model,
        "card": inputs.settings.entry.key,
        "calibration": inputs.calibration,
        "output_basis": inputs.output_basis,
    }


def _prompt_document(prompt: EstimatedPrompt, inputs: ModelInputs) -> dict[str, Any]:
    entry: dict[str, Any] = msgspec.to_builtins(prompt.entry)
    return {**entry, "model": inputs.model, "warnings": [*prompt.entry.warnings, *inputs.warnings]}
