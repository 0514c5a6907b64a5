"""Results as Markdown tables, which people read in a terminal too, and as one JSON document."""

from __future__ import annotations

import os
import platform
import sqlite3
from collections.abc import Iterable, Sequence
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from benchmarks.turns import Figure, Result, growth_exponent

PACKAGES = ("tollbook", "msgspec", "numpy", "sqlalchemy", "genai-prices", "tiktoken", "duckdb", "psycopg")


def machine(postgres: str | None) -> dict[str, Any]:
    """The cores, the system and the versions of all that takes part."""
    versions = {"python": platform.python_version(), "sqlite": sqlite3.sqlite_version}
    for package in PACKAGES:
        try:
            versions[package] = version(package)
        except PackageNotFoundError:
            continue  # its cases say so
    if postgres is not None:
        import psycopg  # an extra

        with psycopg.connect(postgres) as connection:
            versions["postgresql"] = connection.info.parameter_status("server_version") or ""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return {"cores": cores, "system": platform.platform(), "versions": versions}


def duration(seconds: float) -> str:
    """Seconds in the unit that suits them."""
    for unit, size in (("s", 1.0), ("ms", 1e-3)):
        if seconds >= size:
            return f"{seconds / size:.3g} {unit}"
    return f"{seconds / 1e-6:.3g} µs"


def number(value: float) -> str:
    """A figure with three digits that count."""
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}" if value >= 10 else f"{value:.2f}"


def target(figure: Figure) -> str:
    """The bound, and whether the median is within it."""
    if figure.is_met is None:
        return ""
    sign = "≤" if figure.goal.measure.less_is_better else "≥"
    return f"{sign} {figure.goal.bound:,}, {'met' if figure.is_met else 'missed'}"


def markdown(head: Sequence[str], rows: Iterable[Sequence[str]], *, texts: int) -> str:
    """A table whose columns but for the first `texts` are to the right."""
    cells = [list(head), *map(list, rows)]
    widths = [max(len(row[place]) for row in cells) for place in range(len(head))]
    rule = [("-" * width if place < texts else "-" * (width - 1) + ":") for place, width in enumerate(widths)]
    lines = []
    for row in (cells[0], rule, *cells[1:]):
        padded = (
            each.ljust(width) if place < texts else each.rjust(width)
            for place, (each, width) in enumerate(zip(row, widths, strict=True))
        )
        lines.append(f"| {' | '.join(padded)} |")
    return "\n".join(lines)


def figures_table(results: Sequence[Result]) -> str:
    """A row for each goal: both sides' medians, and the figure's median, least and most."""
    rows = []
    for result in results:
        for figure in result.figures:
            ours, measure, peer = figure.goal.ours, figure.goal.measure, figure.goal.peer
            rows.append((
                result.case,
                ours,
                peer or "",
                measure.name,
                duration(result.seconds(ours)),
                duration(result.seconds(peer)) if peer else "",
                number(figure.median),
                f"{number(figure.least)} to {number(figure.most)}",
                target(figure),
            ))  # fmt: skip
    head = ("case", "ours", "beside", "figure", "ours", "beside", "median", "least to most", "target")
    return markdown(head, rows, texts=4)


def runs_table(results: Sequence[Result]) -> str:
    """A row for each side that is a command: the medians of what it took."""
    rows = []
    for result in results:
        for side, runs in result.runs.items():
            middle = sorted(runs, key=lambda run: run.seconds)[len(runs) // 2]
            if middle.peak_bytes:
                size = f"{middle.bytes_per_record:,.0f}" if middle.bytes_per_record else ""
                rate = f"{middle.records / middle.seconds:,.0f}" if middle.records else ""
                peak = max(run.peak_bytes for run in runs) / 1e6
                cpu = duration(middle.cpu_seconds)
                rows.append((result.case, side, duration(middle.seconds), cpu, rate, f"{peak:,.0f}", size))
    head = ("case", "command", "time", "CPU", "records/s", "peak MB", "bytes a record")
    return markdown(head, rows, texts=2)


def growth(results: Sequence[Result]) -> list[dict[str, Any]]:
    """The growth exponent of each side of each case that was run at several counts."""
    found = []
    for case in dict.fromkeys(result.case for result in results):
        same = [result for result in results if result.case == case]
        for side in same[0].runs if len(same) > 1 else ():
            seconds = [result.seconds(side) for result in same]
            counts = [result.records for result in same]
            exponent = growth_exponent(counts, seconds)
            found.append({"case": case, "side": side, "counts": counts, "seconds": seconds, "exponent": exponent})
    return found


def growth_table(found: Sequence[dict[str, Any]]) -> str:
    """A row for each side: its time at each count, and the exponent."""
    counts = found[0]["counts"]
    rows = [(each["case"], each["side"], *map(duration, each["seconds"]), f"{each['exponent']:.2f}") for each in found]
    return markdown(("case", "side", *(f"{count:,}" for count in counts), "exponent"), rows, texts=2)


def document(about: dict[str, Any], results: Sequence[Result], turns: int, left_out: dict[str, str]) -> dict[str, Any]:
    """All of it for programs, with every turn."""
    cases = [
        {
            "case": result.case,
            "count": result.records,
            "figures": [
                {
                    "ours": figure.goal.ours,
                    "peer": figure.goal.peer,
                    "measure": figure.goal.measure.name,
                    "median": figure.median,
                    "least": figure.least,
                    "most": figure.most,
                    "target": figure.goal.bound,
                    "less_is_better": figure.goal.measure.less_is_better,
                    "met": figure.is_met,
                }
                for figure in result.figures
            ],
            "runs": {side: [run._asdict() for run in runs] for side, runs in result.runs.items()},
        }
        for result in results
    ]
    measured = {"cases": cases, "growth": growth(results), "left_out": left_out}
    return {"schema": 1, "turns": turns, **about, **measured}
