"""Prompts as `tollbook estimate` shows them: sheet, JSON, JUnit and notes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from ledger.cli.show.annotations import announce, announce_first
from ledger.cli.show.junit import Case
from ledger.cli.show.report_files import Rendering
from ledger.cli.show.sheet import Cell, Column, Sheet, cells_of, grouped
from ledger.estimates.workloads.document import OutputBasis, said_once
from ledger.estimates.workloads.priced import EstimatedPrompt, EstimateTotal, Gate, RequestFacts, Settings
from ledger.values.amounts import unit_of
from ledger.values.words import counted
from pricing.money import format_nano, format_usd, round_usd

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
)
_NO_OUTPUT = "no --output-tokens are given, nor a ledger or profile that knows them: output counts as 0"


@dataclass(frozen=True, slots=True)
class PromptsEstimate:
    """The command's whole result: prompts, each sent `requests` times, and their total."""

    settings: Settings
    prompts: Sequence[EstimatedPrompt]
    output_basis: OutputBasis
    facts: RequestFacts
    project: str | None
    requests: int
    total: EstimateTotal
    gate: Gate | None

    @property
    def calibration(self) -> dict[str, Any] | None:
        """The calibration of the model, None where it has none."""
        calibration = self.settings.calibration
        return None if calibration is None else calibration.summary(self.settings.entry.model)

    @property
    def warnings(self) -> tuple[str, ...]:
        """Warnings that hold for all prompts alike."""
        warnings = [_NO_OUTPUT] if self.output_basis == "none" else []
        if self.settings.calibration is not None and self.calibration is None:
            warnings.append(f"the calibration knows no {self.settings.entry.model}: counts are tiktoken's own, ±20 %")
        return tuple(warnings)


def rendering(result: PromptsEstimate) -> Rendering:
    """The result in every format."""
    cases = [Case(prompt.entry.name, notes=[*prompt.entry.warnings, *result.warnings]) for prompt in result.prompts]
    suites = [("prompts", cases)]
    if result.gate is not None:
        failures = [] if result.gate.passed else [_gate_text(result.gate)]
        suites.append(("gates", [Case(f"fail-over {result.gate.limit.text}", failures)]))
    return Rendering("estimate", _sheet(result), suites)


def tell(result: PromptsEstimate) -> None:
    """Writes warnings and an exceeded limit to standard error."""
    gate = result.gate
    about = [(prompt.entry.name, warning) for prompt in result.prompts for warning in prompt.entry.warnings]
    tell_all(about, [] if gate is None or gate.passed else [_gate_text(gate)], of_all=result.warnings)


def tell_all(about: Sequence[tuple[str, str]], failures: Sequence[str], *, of_all: Sequence[str] = ()) -> None:
    """Writes warnings, each once with the names that it is about, then what failed."""
    announce_first([*of_all, *said_once(about)])
    for text in failures:
        announce("error", text)


def _gate_text(gate: Gate) -> str:
    end = "high end of the " if gate.on == "high" else ""
    verdict = "is within" if gate.passed else "is over"
    return f"the {end}total, {gate.value} {unit_of(gate.limit.currency)}, {verdict} --fail-over {gate.limit.text}"


# --- the sheet ------------------------------------------------------------------------------------------------------


def _sheet(result: PromptsEstimate) -> Sheet:
    count, each = len(result.prompts), "" if result.requests == 1 else ": one request each"
    return Sheet(
        f"{result.settings.entry.model}, {counted(count, 'prompt')}{each}",
        COLUMNS,
        [cells_of(prompt.entry, COLUMNS) for prompt in result.prompts],
        _total_row(result.total) if count > 1 and result.requests == 1 else None,
        document=_document(result),
        footnotes=list(_footnotes(result)),
    )


def _total_row(total: EstimateTotal) -> list[Cell]:
    return [round_usd(getattr(total, column.name)) if column.kind == "usd" else None for column in COLUMNS]


def _footnotes(result: PromptsEstimate) -> Iterator[str]:
    total, settings = result.total, result.settings
    per_usd_nano, currency = settings.per_usd_nano, settings.entry.currency
    times = "" if result.requests == 1 else f", each prompt sent {result.requests:,} times"
    usd, low, high = (grouped(format_usd(usd)) for usd in (total.usd, total.usd_low, total.usd_high))
    yield f"Total{times}: {usd} USD, from {low} to {high}."
    converted = f" at {format_nano(per_usd_nano or 0)} {currency} = 1 USD"
    amount = f"{grouped(format_nano(round(total.amount_nano)))} {currency}{'' if per_usd_nano is None else converted}"
    yield f"That is {amount}; prices {settings.entry.key}."
    if result.gate is not None:
        text = _gate_text(result.gate)
        yield f"{text[0].upper()}{text[1:]}."
    yield from result_notes(result)


def result_notes(result: PromptsEstimate) -> Iterator[str]:
    """The basis of the counts: tokenizer, range, overhead, output."""
    yield counting_text(result.settings.encoding, calibrated=result.calibration is not None)
    overhead = sum(prompt.entry.message_overhead_tokens for prompt in result.prompts)
    if overhead:
        yield (
            f"{overhead:,} of the input tokens are for messages: 3 a message and 3 a request, as Doubao's own template "
            "isn't public."
        )
    if result.facts.extra_input_tokens:
        yield f"{result.facts.extra_input_tokens:,} input tokens of each request are added at run time."
    yield _output_text(result)


def counting_text(encoding: str, *, calibrated: bool) -> str:
    """The origin of input counts, and how far they may be off."""
    if calibrated:
        return f"Input tokens are tiktoken's ({encoding}), corrected by the calibration."
    return (
        f"Input tokens are tiktoken's ({encoding}), ±20 %, as Doubao's tokenizer isn't public: "
        "'tollbook calibrate' narrows that."
    )


def _output_text(result: PromptsEstimate) -> str:
    where = "" if result.project is None else f" in project {result.project}"
    expected = {
        "given": "as given",
        "ledger": f"the mean of the model's requests{where} in the ledger",
        "profile": f"the mean of the model's requests{where} in the profile",
        "none": "as nothing is known of them",
    }[result.output_basis]
    most = result.facts.max_output_tokens
    worst = "" if most is None else f"; the high end has {most:,}"
    return f"Output tokens: {result.facts.output_tokens:,}, {expected}{worst}."


# --- the document ---------------------------------------------------------------------------------------------------


def _document(result: PromptsEstimate) -> dict[str, Any]:
    settings, total, gate = result.settings, result.total, result.gate
    return {
        "model": settings.entry.model,
        "encoding": settings.encoding,
        "card": settings.entry.key,
        "calibration": result.calibration,
        "output_basis": result.output_basis,
        "prompts": [_prompt_document(prompt, result.warnings) for prompt in result.prompts],
        "requests": result.requests,
        "total": msgspec.to_builtins(total.document(settings.entry.currency)),
        "gate": gate and {"limit": gate.limit.text, "passed": gate.passed, "on": gate.on, "value": gate.value},
        "provider": settings.entry.provider,
        "project": result.project,
        "notes": list(result_notes(result)),
    }


def _prompt_document(prompt: EstimatedPrompt, warnings: Sequence[str]) -> dict[str, Any]:
    entry: dict[str, Any] = msgspec.to_builtins(prompt.entry)
    return {**entry, "warnings": [*prompt.entry.warnings, *warnings]}
