"""A comparison as Markdown for a pull request.

The first line is the marker that a bot finds its own comment by; nothing in it varies from run to run.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from ledger.cli.show.sheet import common_places, markdown_text, rounded
from ledger.estimates.changes.document import DiffDocument, WorkloadChange
from ledger.estimates.workloads.document import GateResult
from pricing.money import NANO, parse_units

MARKER = "<!-- tollbook:diff -->"
QUIET_MARKER = "<!-- tollbook:quiet -->"
NO_PRICE = "no price"


def diff_markdown(document: DiffDocument, *, quiet: bool) -> str:
    """The comparison in GitHub's Markdown; a `quiet` one is worth no new comment."""
    blocks = [
        _heading(document),
        _summary(document),
        *_table(document),
        *_listed(document.warnings),
        *_gates(document.gates),
        "<sub>tollbook · estimates of a month of 30 days</sub>",
    ]
    markers = [MARKER, QUIET_MARKER] if quiet else [MARKER]
    return "\n".join([*markers, "\n\n".join(blocks)]) + "\n"


def _heading(document: DiffDocument) -> str:
    total = document.total
    change = parse_units(total.change_usd, NANO)
    if not change:
        return "### Token cost: no change"
    percent = "" if total.change_percent is None else f" ({_percent(total.change_percent)})"
    return f"### Token cost: {_change(change, common_places([change]))} a month{percent}"


def _summary(document: DiffDocument) -> str:
    """Before and after in a sentence, with counts of workloads and gates, and the price part."""
    total = document.total
    before, after = (parse_units(text, NANO) for text in (total.before_usd_per_month, total.after_usd_per_month))
    places = common_places([before, after])
    parts = [f"From {_usd(before, places)} to {_usd(after, places)} a month"]
    counts = dict.fromkeys(("changed", "new", "removed", "unchanged"), 0)
    for workload in document.workloads:
        counts[workload.status] += 1
    found = [f"{count:,} {status}" for status, count in counts.items() if count]
    parts.append(f"workloads: {', '.join(found) or 'none'}")
    if document.gates:
        failed = sum(not gate.passed and gate.level == "fail" for gate in document.gates)
        warned = sum(not gate.passed and gate.level == "warn" for gate in document.gates)
        gates = [f"**{failed:,} failed**"] * bool(failed) + [f"{warned:,} warned"] * bool(warned)
        parts.append(f"gates: {', '.join(gates) or 'all passed'}")
    return "; ".join(parts) + "." + _price_part(document)


def _price_part(document: DiffDocument) -> str:
    if not any(_has_price_part(workload) for workload in document.workloads):
        return ""
    price, rest = (
        parse_units(text, NANO) for text in (document.total.price_change_usd, document.total.prompt_change_usd)
    )
    places = common_places([price, rest])
    return f" Prices make {_change(price, places)} of the change, prompts and configuration {_change(rest, places)}."


def _table(document: DiffDocument) -> Iterator[str]:
    changed = [workload for workload in document.workloads if workload.status != "unchanged"]
    if not changed:
        return
    figures = [
        parse_units(text, NANO)
        for workload in changed
        for text in (workload.before_usd_per_month, workload.after_usd_per_month, workload.change_usd)
        if text is not None
    ]
    places = common_places(figures)
    with_prices = any(_has_price_part(workload) for workload in changed)
    rows = [_cells(workload, places, with_prices=with_prices) for workload in changed]
    rule = ["--:" if heading in ("before", "after", "change", "by prices") else ":--" for heading in rows[0]]
    yield _table_of(rows[0], rule, *(row.values() for row in rows))


def _table_of(*lines: Iterable[str]) -> str:
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def _cells(workload: WorkloadChange, places: int, *, with_prices: bool) -> dict[str, str]:
    """The cells of a row by their headings."""
    percent = "" if workload.change_percent is None else f" ({_percent(workload.change_percent)})"
    what = ", ".join(kind.replace("_", " ") for kind in workload.changes)
    change, price = (
        None if text is None else _change(parse_units(text, NANO), places)
        for text in (workload.change_usd, workload.price_change_usd)
    )
    return {
        "workload": markdown_text(workload.name),
        "before": "" if workload.status == "new" else _month(workload.before_usd_per_month, places),
        "after": "" if workload.status == "removed" else _month(workload.after_usd_per_month, places),
        "change": "" if change is None else change + percent,
        **({"by prices": price or "" if _has_price_part(workload) else ""} if with_prices else {}),
        "tier": _tiers(workload),
        "what changed": what or ("" if workload.status == "changed" else workload.status),
    }


def _has_price_part(workload: WorkloadChange) -> bool:
    return workload.price_change_usd not in (None, "0")


def _tiers(workload: WorkloadChange) -> str:
    before, after = ("" if tier is None else f"{tier:,}" for tier in (workload.tier_before, workload.tier_after))
    return f"{before} → **{after}**" if before and after and before != after else after or before


def _listed(warnings: Sequence[str]) -> Iterator[str]:
    if warnings:
        yield "\n".join(f"- ⚠️ {markdown_text(text)}" for text in warnings)


def _gates(gates: Sequence[GateResult]) -> Iterator[str]:
    if gates:
        yield _table_of(["gate", "limit", "value", "result"], [":--", "--:", "--:", ":--"], *map(_gate_cells, gates))


def _gate_cells(gate: GateResult) -> list[str]:
    result = "✅ passed" if gate.passed else "❌ failed" if gate.level == "fail" else "⚠️ warned"
    return [markdown_text(gate.name), markdown_text(gate.limit), markdown_text(gate.value or "–"), result]


def _month(text: str | None, places: int) -> str:
    return NO_PRICE if text is None else _usd(parse_units(text, NANO), places)


def _usd(nano: int, places: int) -> str:
    """$1,234.56, and &lt;$0.01 for what would look like nothing."""
    return _signed("", nano, places)


def _change(nano: int, places: int) -> str:
    return _signed("+" if nano > 0 else "-" if nano < 0 else "", abs(nano), places)


def _signed(sign: str, nano: int, places: int) -> str:
    text = rounded(nano, places)
    return f"{sign}&lt;${text[1:]}" if text.startswith("<") else f"{sign}${text}"


def _percent(text: str) -> str:
    return f"{text}%" if text.startswith("-") else f"+{text}%"
