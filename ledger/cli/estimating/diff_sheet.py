"""A comparison as `tollbook diff` shows it: sheet, JSON, Markdown, JUnit and notes."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec

from ledger.cli.estimating.diff_markdown import counting_words, diff_markdown
from ledger.cli.show.annotations import announce, announce_first
from ledger.cli.show.junit import Case
from ledger.cli.show.output import note
from ledger.cli.show.report_files import Rendering
from ledger.cli.show.sheet import Column, Sheet, cells_of
from ledger.estimates.changes.compare import Comparison, Warned
from ledger.estimates.changes.document import DiffDocument, WorkloadChange
from ledger.estimates.changes.gates import gate_message
from ledger.estimates.workloads.document import GateResult
from ledger.estimates.workloads.gate_words import after_commas
from ledger.values.words import counted

COLUMNS = (
    Column("name"),
    Column("status"),
    Column("before_usd_per_month", "usd", 2),
    Column("after_usd_per_month", "usd", 1),
    Column("change_usd", "usd"),
    Column("change_percent", "percent", 1),
    Column("tier_before", "count", 4),
    Column("tier_after", "count", 3),
    Column("price_change_usd", "usd", 6),
    Column("prompt_change_usd", "usd", 7),
    Column("changes", "text", 5),
    Column("counting_change_usd", "usd", shown=False),
    Column("uncounted_before", shown=False),
    Column("uncounted_after", shown=False),
)


def rendering(document: DiffDocument, comparison: Comparison, *, quiet: bool) -> Rendering:
    """The comparison in every format."""
    suites = [("workloads", list(_workload_cases(document, comparison))), ("gates", list(_gate_cases(document)))]
    return Rendering("diff", _sheet(document), suites, diff_markdown(document, quiet=quiet))


def _sheet(document: DiffDocument) -> Sheet:
    title = f"Estimated change of a month, {counted(len(document.workloads), 'workload')}"
    return Sheet(
        title + after_commas(document.total.caveats),
        COLUMNS,
        [cells_of(workload, COLUMNS) for workload in document.workloads],
        cells_of(document.total, COLUMNS),
        document=msgspec.to_builtins(document),
        footnotes=[
            *_uncounted_lines(document),
            *_counting_line(document),
            *map(_gate_line, document.gates),
            "A month is 30 days.",
        ],
    )


def _uncounted_lines(document: DiffDocument) -> Iterator[str]:
    for workload in document.workloads:
        if workload.uncounted_after and workload.status != "unchanged":
            yield f"{workload.name}: not counted: {'; '.join(workload.uncounted_after)}."


def _counting_line(document: DiffDocument) -> Iterator[str]:
    change = document.total.counting_change_usd
    if change not in (None, "0"):
        yield counting_words(f"{change} USD")


def _gate_line(gate: GateResult) -> str:
    result = "passed" if gate.passed else "FAILED" if gate.level == "fail" else "warned"
    return f"Gate {result}: {gate_message(gate)}."


def _workload_cases(document: DiffDocument, comparison: Comparison) -> Iterator[Case]:
    warnings: dict[str | None, list[str]] = {}
    for warning in comparison.warnings:
        warnings.setdefault(warning.name, []).append(warning.text)
    for workload in document.workloads:
        yield Case(workload.name, notes=[_in_words(workload), *warnings.get(workload.name, [])])


def _in_words(workload: WorkloadChange) -> str:
    before, after = (
        "no price" if text is None else f"{text} USD"
        for text in (workload.before_usd_per_month, workload.after_usd_per_month)
    )
    status = workload.status.replace("_", " ")
    uncounted = "; ".join(workload.uncounted_after)
    return f"{status}: {before} a month before, {after} after" + (f"; not counted: {uncounted}" if uncounted else "")


def _gate_cases(document: DiffDocument) -> Iterator[Case]:
    for gate in document.gates:
        failed = not gate.passed and gate.level == "fail"
        said = [gate_message(gate)]
        yield Case(f"{gate.name} {gate.limit}", said if failed else (), () if failed else said)


# --- standard error, and what GitHub Actions makes of it -------------------------------------------------------------


def tell(notes: Sequence[str], warnings: Sequence[Warned], gates: Sequence[GateResult]) -> None:
    """Writes notes, warnings and broken gates to standard error, as annotations on GitHub."""
    for text in notes:
        note(text)
    announce_first(list(dict.fromkeys(warning.text for warning in warnings)))
    for gate in gates:
        if not gate.passed:
            announce("error" if gate.level == "fail" else "warning", gate_message(gate))


def append_summary(markdown: str) -> None:
    """Appends to the file of GITHUB_STEP_SUMMARY; one that can't be written is only named."""
    path = os.environ.get("GITHUB_STEP_SUMMARY")
    if not path:
        return
    try:
        with Path(path).open("a", encoding="utf-8", newline="\n") as file:
            file.write(f"{markdown}\n")
    except OSError as error:
        note(f"GITHUB_STEP_SUMMARY {path} can't be written: {error.strerror or error}")
