"""A comparison as Markdown for a pull request.

The first line is the marker that a bot finds its own comment by; nothing in it varies from run to run.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from ledger.cli.show.report_files import COMMENT_CHARACTERS
from ledger.estimates.changes.document import DiffDocument, WorkloadChange
from ledger.estimates.workloads.document import GateResult
from ledger.estimates.workloads.gate_words import after_commas
from ledger.values.markdown import markdown_text
from ledger.values.rounding import common_places, rounded
from ledger.values.words import counted
from pricing.money import NANO, parse_units

MARKER = "<!-- tollbook:diff -->"
QUIET_MARKER = "<!-- tollbook:quiet -->"
NO_PRICE = "no price"


# The most lines of a table or list, less where the text would still be too long.
_MOST_LINES = (100, 50, 25, 10, 5)


def diff_markdown(document: DiffDocument, *, quiet: bool) -> str:
    """The comparison in GitHub's Markdown; a `quiet` one is worth no new comment.

    It fits into a comment: of long tables the dearest changes are shown, and the number of the others.
    """
    markers = [MARKER, QUIET_MARKER] if quiet else [MARKER]
    for most in _MOST_LINES:
        blocks = [
            _heading(document),
            _summary(document),
            *_table(document, most),
            *_warnings(document, most),
            *_gates(document.gates, most),
            *_tokens(document, most),
            "<sub>tollbook · estimates of a month of 30 days</sub>",
        ]
        text = "\n".join([*markers, "\n\n".join(blocks)]) + "\n"
        if len(text) <= COMMENT_CHARACTERS:
            break
    return text


def _heading(document: DiffDocument) -> str:
    total = document.total
    caveats = after_commas(total.caveats)
    if total.change_usd is None:
        month = _usd(parse_units(total.after_usd_per_month, NANO), 2)
        return f"### Token cost: {month} a month{caveats}; nothing to compare with"
    change = parse_units(total.change_usd, NANO)
    if not change:
        changed_unseen = any("uncounted" in workload.changes for workload in document.workloads)
        return f"### Token cost: no change{' of what is counted' if changed_unseen else ''}{caveats}"
    percent = "" if total.change_percent is None else f" ({_percent(total.change_percent)})"
    return f"### Token cost: {_change(change, common_places([change]))} a month{percent}{caveats}"


def _summary(document: DiffDocument) -> str:
    """Before and after in a sentence, with counts of workloads and gates, and the parts of price and counting."""
    total = document.total
    after = parse_units(total.after_usd_per_month, NANO)
    if total.before_usd_per_month is None:
        parts = [f"The baseline can't be estimated ({markdown_text(document.baseline_error or '')})"]
    else:
        before = parse_units(total.before_usd_per_month, NANO)
        places = common_places([before, after])
        parts = [f"From {_usd(before, places)} to {_usd(after, places)} a month"]
    counts = dict.fromkeys(("changed", "new", "removed", "unchanged", "not_compared"), 0)
    for workload in document.workloads:
        counts[workload.status] += 1
    found = [f"{count:,} {status.replace('_', ' ')}" for status, count in counts.items() if count]
    parts.append(f"workloads: {', '.join(found) or 'none'}")
    if document.gates:
        failed = sum(not gate.passed and gate.level == "fail" for gate in document.gates)
        warned = sum(not gate.passed and gate.level == "warn" for gate in document.gates)
        gates = [f"**{failed:,} failed**"] * bool(failed) + [f"{warned:,} warned"] * bool(warned)
        parts.append(f"gates: {', '.join(gates) or 'all passed'}")
    return "; ".join(parts) + "." + "".join(_parts_of_change(document))


def _parts_of_change(document: DiffDocument) -> Iterator[str]:
    total = document.total
    if total.price_change_usd is None or total.prompt_change_usd is None or total.counting_change_usd is None:
        return
    price, counting, rest = (
        parse_units(text, NANO) for text in (total.price_change_usd, total.counting_change_usd, total.prompt_change_usd)
    )
    places = common_places([price, counting, rest])
    if any(_has_price_part(workload) for workload in document.workloads):
        yield f" Prices make {_change(price, places)} of the change, prompts and configuration {_change(rest, places)}."
    if counting:
        yield f"\n\n{counting_words(_change(counting, places))}"


def counting_words(change: str) -> str:
    """The line of what another way of counting adds."""
    return (
        f"Counting otherwise than the baseline makes {change} of the change, with what changed in the "
        "prompts meanwhile: no gate is about that; estimate the baseline anew."
    )


def _table(document: DiffDocument, most: int) -> Iterator[str]:
    every = [workload for workload in document.workloads if workload.status != "unchanged"]
    changed = _largest(every, most)
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
    yield _table_of(rows[0], rule, *(row.values() for row in rows)) + _more(len(every) - len(changed), "workload")


def _largest(changed: Sequence[WorkloadChange], most: int) -> Sequence[WorkloadChange]:
    """The largest changes, in the order of all; first of all those without a price."""
    if len(changed) <= most:
        return changed
    sizes = {
        workload.name: NANO**4 if workload.change_usd is None else abs(parse_units(workload.change_usd, NANO))
        for workload in changed
    }
    kept = set(sorted(sizes, key=lambda name: -sizes[name])[:most])
    return [workload for workload in changed if workload.name in kept]


def _more(count: int, noun: str) -> str:
    return f"\n\nNot shown: {counted(count, f'more {noun}')}; `--json` has them." if count else ""


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
        "before": "" if workload.status in ("new", "not_compared") else _month(workload.before_usd_per_month, places),
        "after": "" if workload.status == "removed" else _month(workload.after_usd_per_month, places),
        "change": "" if change is None else change + percent,
        **({"by prices": price or "" if _has_price_part(workload) else ""} if with_prices else {}),
        "tier": _tiers(workload),
        "what changed": what or ("" if workload.status == "changed" else workload.status.replace("_", " ")),
    }


def _has_price_part(workload: WorkloadChange) -> bool:
    return workload.price_change_usd not in (None, "0")


def _tiers(workload: WorkloadChange) -> str:
    before, after = ("" if tier is None else f"{tier:,}" for tier in (workload.tier_before, workload.tier_after))
    return f"{before} → **{after}**" if before and after and before != after else after or before


def _warnings(document: DiffDocument, most: int) -> Iterator[str]:
    warnings = document.warnings
    if warnings:
        shown = "\n".join(f"- ⚠️ {markdown_text(text)}" for text in warnings[:most])
        yield shown + _more(len(warnings) - most if len(warnings) > most else 0, "warning")


def _gates(gates: Sequence[GateResult], most: int) -> Iterator[str]:
    if gates:
        shown = sorted(gates, key=lambda gate: gate.passed)[:most] if len(gates) > most else gates
        rows = map(_gate_cells, shown)
        yield _table_of(["gate", "finding", "result"], [":--", ":--", ":--"], *rows) + _more(
            len(gates) - len(shown), "gate"
        )


def _tokens(document: DiffDocument, most: int) -> Iterator[str]:
    """A block, folded, of the tokens before and after of each request whose counts differ."""
    rows = [
        [
            markdown_text(workload.name),
            markdown_text(prompt.name),
            _sides(prompt.input_tokens_before, prompt.input_tokens_after),
            _sides(prompt.cached_input_tokens_before, prompt.cached_input_tokens_after),
            _sides(prompt.output_tokens_before, prompt.output_tokens_after),
        ]
        for workload in document.workloads
        for prompt in workload.prompts
    ]
    if rows:
        headings = ["workload", "request", "input", "cached", "output"]
        table = _table_of(headings, [":--", ":--", "--:", "--:", "--:"], *rows[:most])
        more = _more(max(0, len(rows) - most), "request")
        yield f"<details><summary>Tokens of a request</summary>\n\n{table}{more}\n\n</details>"


def _sides(before: int | None, after: int | None) -> str:
    """A count before and after, once where both are the same."""
    shown = ["–" if count is None else f"{count:,}" for count in (before, after)]
    return shown[0] if shown[0] == shown[1] else " → ".join(shown)


def _gate_cells(gate: GateResult) -> list[str]:
    result = "✅ passed" if gate.passed else "❌ failed" if gate.level == "fail" else "⚠️ warned"
    finding = gate.message or f"{gate.value or '–'}, limit {gate.limit}"
    return [markdown_text(gate.name), markdown_text(finding), result]


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
