"""`tollbook estimate --config`: workloads as sheet, JSON, JUnit and notes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from ledger.cli.estimating.inputs import EstimateOptions, counting_of, means_of, moment_of, profile_of
from ledger.cli.estimating.prompt_sheet import counting_text, schema_text, tell_all
from ledger.cli.show.junit import Case
from ledger.cli.show.report_files import Rendering
from ledger.cli.show.sheet import Column, Sheet, cells_of, columns
from ledger.errors import LedgerError
from ledger.estimates.changes.gates import gate_message
from ledger.estimates.changes.tier_moves import dearest
from ledger.estimates.workloads.document import GateResult, uncounted_gate
from ledger.estimates.workloads.gate_words import after_commas
from ledger.values.words import counted
from pricing.estimating.counting import margin_percent

if TYPE_CHECKING:
    from ledger.cli.app import App
    from ledger.cli.show.report_files import Reporting
    from ledger.estimates.workloads.document import WorkloadEntry, WorkloadsDocument

COLUMNS = (
    Column("workload"),
    Column("project", "text", 5),
    Column("model", "text", 6),
    Column("requests_per_month", "count", 4),
    Column("tier", "count", 2),
    Column("usd_per_request", "usd", 1, exact=True),
    Column("usd_per_month", "usd"),
    *columns("usd", "usd_per_month_low", "usd_per_month_high", priority=3),
    Column("status"),
)


def run_config(app: App, options: EstimateOptions, reporting: Reporting, *, fail_uncounted: bool) -> None:
    """Estimates the file's workloads and shows them; exit code 1 where one is over a limit."""
    document = estimate_config(app, options)
    gates = [uncounted_gate(document.uncounted())] if fail_uncounted else []
    passed = all(gate.passed for gate in gates) and all(workload.status == "ok" for workload in document.workloads)
    reporting.write(rendering(document, gates), passed=passed)
    failures = [*_failures(document.workloads), *(gate.message for gate in gates if not gate.passed)]
    tell_all(list(_warned(document)), failures)


def estimate_config(app: App, options: EstimateOptions, other_provider: str | None = None) -> WorkloadsDocument:
    """Estimates the file's workloads; the ledger gives the mean outputs that they leave out.

    Prices are those of --provider, else of the file's own `[ledger] provider`, else of `other_provider`.
    """
    from ledger.config import read_config
    from ledger.estimates.workloads.month import estimate_workloads

    if options.calibration == options.profile == "-":
        raise LedgerError("standard input (-) is given more than once: it can be read only once")
    read = read_config(Path(options.config))
    encoding, calibration = counting_of(options.encoding, options.calibration)
    is_open = any(workload.output_tokens is None for workload in read.workloads)
    return estimate_workloads(
        read,
        folder=Path(options.config).parent,
        card=app.card(options.provider or read.stated_provider or other_provider, *options.rates),
        at=moment_of(options.at),
        encoding=encoding,
        calibration=calibration,
        profile=profile_of(options.profile),
        means=means_of(app) if is_open else None,
        file=options.config,
    )


def rendering(document: WorkloadsDocument, of_all: Sequence[GateResult] = ()) -> Rendering:
    """The workloads in every format; gates `of_all` are beside their own limits."""
    workloads = [Case(entry.name, notes=list(_warnings(entry))) for entry in document.workloads]
    gates = [
        Case(f"{entry.name}: {gate.name}", [] if gate.passed else [gate_message(gate)])
        for entry in document.workloads
        for gate in entry.gates
    ]
    gates += [Case(gate.name, [] if gate.passed else [gate.message]) for gate in of_all]
    return Rendering("estimate", _sheet(document), [("workloads", workloads), ("gates", gates)])


def _sheet(document: WorkloadsDocument) -> Sheet:
    total = document.total
    months = {"usd_per_month": total.usd, "usd_per_month_low": total.usd_low, "usd_per_month_high": total.usd_high}
    return Sheet(
        f"Estimated month of {counted(len(document.workloads), 'workload')}" + after_commas(total.caveats),
        COLUMNS,
        [cells_of(entry, COLUMNS, workload=entry.name, tier=dearest(entry).tier) for entry in document.workloads],
        cells_of(None, COLUMNS, **months),
        document=msgspec.to_builtins(document),
        footnotes=list(_footnotes(document)),
    )


def _footnotes(document: WorkloadsDocument) -> Iterator[str]:
    total = document.total
    for entry in document.workloads:
        if entry.caveats:
            yield f"{entry.name}: {', '.join(entry.caveats)}."
    if total.currency not in (None, "USD"):
        per_usd = document.workloads[0].per_usd
        yield f"Total: {total.amount} {total.currency}, {total.usd} USD at {per_usd} {total.currency} = 1 USD."
    yield "A month is 30 days; a request costs the mean of its workload's prompts; the tier is the dearest one's."
    yield counting_text(
        document.encoding,
        is_calibrated=document.calibration is not None,
        margin_percent=max(margin_percent(entry.model, document.encoding) for entry in document.workloads),
    )
    schemas = sum(prompt.schema_tokens for entry in document.workloads for prompt in entry.prompts)
    if schemas:
        models = (document.calibration or {}).values()
        yield schema_text(schemas, is_calibrated=bool(models) and all("schema_factor" in model for model in models))


def _warned(document: WorkloadsDocument) -> Iterator[tuple[str, str]]:
    """Yields each warning with the workload or prompt that it is about."""
    for entry in document.workloads:
        for warning in entry.warnings:
            yield entry.name, warning
        for prompt in entry.prompts:
            for warning in prompt.warnings:
                yield f"{entry.name}, {prompt.name}", warning


def _warnings(entry: WorkloadEntry) -> Iterator[str]:
    yield from entry.warnings
    for prompt in entry.prompts:
        yield from (f"{prompt.name}: {warning}" for warning in prompt.warnings)


def _failures(workloads: Sequence[WorkloadEntry]) -> Iterator[str]:
    for entry in workloads:
        yield from (f"{entry.name}: {gate_message(gate)}" for gate in entry.gates if not gate.passed)
