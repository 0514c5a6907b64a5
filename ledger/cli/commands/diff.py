"""`tollbook diff`: the cost of a change a month, with gates for CI."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import fields
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from ledger.cli.app import App, parse_usd
from ledger.cli.command import at_option, card_options, command
from ledger.cli.show.output import note
from ledger.cli.show.report_files import Reporting, reporting_options
from ledger.errors import LedgerError

if TYPE_CHECKING:
    from ledger.budgets.named import NamedBudget
    from ledger.estimates.changes.document import DiffDocument
    from ledger.estimates.changes.gates import Limits
    from ledger.estimates.workloads.document import Level

T = TypeVar("T")


@command(
    "tollbook diff --base-ref origin/main",
    "tollbook diff --base-ref origin/main --fail-increase 10%,5usd --warn-over 500usd --report junit=diff.xml",
    "tollbook estimate --config tollbook.toml --json -o base.json",
    "tollbook diff --compare-to base.json --format markdown -o diff.md",
    "tollbook diff head.json --compare-to base.json --budget q1 --json",
    shows=reporting_options,
)
@click.argument("head", metavar="[HEAD.json]", required=False)
@click.option("--compare-to", metavar="BASE.json", help="What 'estimate --config --json' wrote before the change.")
@click.option("--base-ref", metavar="REF", help="Estimate the files of the git merge base of REF and HEAD.")
@click.option("--config", metavar="FILE", default="tollbook.toml", show_default=True, help="The [[workload]] entries.")
@click.option("--profile", metavar="FILE", help="What 'tollbook workload pull' wrote: what the file leaves open.")
@click.option("--calibration", metavar="FILE", help="Correct the counts by what 'tollbook calibrate' wrote.")
@click.option("--encoding", metavar="E", help="tiktoken's vocabulary: o200k_base (default) or cl100k_base.")
@card_options
@at_option
@click.option("--fail-increase", metavar="LIMIT", multiple=True, help="Fail past 10%, 50usd, or both: 10%,5usd.")
@click.option("--warn-increase", metavar="LIMIT", multiple=True, help="The same, but only warn.")
@click.option("--fail-over", metavar="AMOUNT", multiple=True, help="Fail where a month costs more: 500usd, 36credits.")
@click.option("--warn-over", metavar="AMOUNT", multiple=True, help="The same, but only warn.")
@click.option("--budget", metavar="NAME", multiple=True, help="Fail where a budget's period ends over its amount.")
@click.option("--warn-budget", metavar="NAME", multiple=True, help="The same, but only warn.")
@click.option("--fail-stale", is_flag=True, help="Fail --budget where a source of the ledger has fallen silent.")
@click.option("--fail-uncounted", is_flag=True, help="Fail where something of a request isn't counted.")
@click.option("--per-workload", is_flag=True, help="Compare increase and over with each workload, not the total.")
@click.option("--quiet-under", metavar="AMOUNT", help="Mark Markdown as worth no new comment below it, such as 1usd.")
def diff(app: App, /, *, reporting: Reporting, **options: Any) -> None:
    """Compare a month of all workloads with what it was before. It fails where a gate does.

    Without HEAD.json the workloads of --config are estimated; with --base-ref those of a git ref too. A limit may be
    given several times; exactly at it passes. From nothing, any increase is past any percentage: 10%,5usd lets
    small new workloads pass.
    """
    from ledger.cli.estimating.diff_sheet import append_summary, rendering, tell
    from ledger.cli.estimating.sides import DiffOptions, sides_of
    from ledger.estimates.changes.compare import compare
    from ledger.estimates.changes.document import DiffDocument
    from ledger.estimates.changes.gates import all_passed, run_gates

    quiet_under = options.pop("quiet_under")
    quiet_below_nano = 0 if quiet_under is None else parse_usd("--quiet-under", quiet_under).nano
    asked = DiffOptions(**{field.name: options.pop(field.name) for field in fields(DiffOptions)})
    asked.check()
    limits = _limits(app, asked.config, **options)
    before, after, notes, baseline_error = sides_of(app, asked)
    comparison = compare(before, after, baseline_error)
    gates = run_gates(comparison, limits)
    document = DiffDocument(
        workloads=comparison.workloads,
        total=comparison.total,
        gates=gates,
        passed=all_passed(gates),
        warnings=[warning.text for warning in comparison.warnings],
        baseline_error=baseline_error,
    )
    shown = rendering(document, comparison, quiet=_is_quiet(document, comparison.news, quiet_below_nano))
    reporting.write(shown, passed=document.passed)
    append_summary(shown.markdown or "")
    tell(notes, comparison.warnings, gates)


def _limits(
    app: App, config: str, *, per_workload: bool, fail_uncounted: bool, fail_stale: bool, **given: tuple[str, ...]
) -> Limits:
    """Reads the limits by the names of their options; budgets are as the ledger has them now."""
    from ledger.estimates.changes.gates import Limits
    from ledger.values.amounts import parse_amount, parse_increase

    if fail_stale and not given["budget"]:
        raise LedgerError("--fail-stale says when --budget fails: give --budget NAME too")

    def read(parse: Callable[[str, str], T], fail: str, warn: str) -> list[tuple[T, Level]]:
        levels: tuple[tuple[str, Level], ...] = ((fail, "fail"), (warn, "warn"))
        return [(parse(text, f"--{name.replace('_', '-')}"), level) for name, level in levels for text in given[name]]

    return Limits(
        read(parse_increase, "fail_increase", "warn_increase"),
        read(parse_amount, "fail_over", "warn_over"),
        read(lambda name, _option: _named(app, config, name), "budget", "warn_budget"),
        per_workload,
        fail_uncounted,
        fail_stale,
    )


def _named(app: App, file: str, name: str) -> NamedBudget:
    from ledger.budgets.definitions import unknown_in_budgets
    from ledger.budgets.named import read_named
    from ledger.config import Config, read_config

    config = read_config(Path(file)) if Path(file).exists() else Config()
    filed = {budget.name: budget for budget in config.budgets}
    expectations = {**app.config.sources, **config.sources}
    database = app.open()
    named = read_named(database, name, filed, file, expectations=expectations, now=datetime.now(UTC))
    for text in (*unknown_in_budgets(database, [named.use.budget]), *named.notes):
        note(f"budget {name}: {text}")
    if named.file is None and name in filed and filed[name].rule != named.use.budget:
        note(f"budget {name}: {file} has it otherwise than the ledger, whose counts; see 'tollbook budget apply'")
    return named


def _is_quiet(document: DiffDocument, news: Sequence[str], below_nano: int) -> bool:
    """Tells whether no cost changed by that much, nothing is new to say, and every gate passed, warning ones too."""
    from pricing.money import NANO, parse_units

    changed = [workload for workload in document.workloads if workload.status != "unchanged"]
    changes = [workload.change_usd for workload in changed]
    if (
        news
        or None in changes
        or any("uncounted" in workload.changes for workload in changed)
        or not all(gate.passed for gate in document.gates)
    ):
        return False
    changes.append(document.total.change_usd)
    return all(abs(parse_units(text or "0", NANO)) < max(below_nano, 1) for text in changes)
