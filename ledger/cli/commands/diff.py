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
    from ledger.estimates.changes.document import DiffDocument
    from ledger.estimates.changes.gates import Limits
    from ledger.estimates.history.budget_pace import BudgetPace
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
@click.option("--budget", metavar="NAME", multiple=True, help="Fail where a [[budget]]'s month ends over its amount.")
@click.option("--warn-budget", metavar="NAME", multiple=True, help="The same, but only warn.")
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


def _limits(app: App, config: str, *, per_workload: bool, fail_uncounted: bool, **given: tuple[str, ...]) -> Limits:
    """Reads the limits by the names of their options; budgets have the ledger's pace."""
    from ledger.estimates.changes.gates import Limits
    from ledger.values.amounts import parse_amount, parse_increase

    def read(parse: Callable[[str, str], T], fail: str, warn: str) -> list[tuple[T, Level]]:
        levels: tuple[tuple[str, Level], ...] = ((fail, "fail"), (warn, "warn"))
        return [(parse(text, f"--{name.replace('_', '-')}"), level) for name, level in levels for text in given[name]]

    return Limits(
        read(parse_increase, "fail_increase", "warn_increase"),
        read(parse_amount, "fail_over", "warn_over"),
        read(lambda name, option: _pace_of(app, config, name, option), "budget", "warn_budget"),
        per_workload,
        fail_uncounted,
    )


def _pace_of(app: App, config: str, name: str, option: str) -> BudgetPace:
    from ledger.book.known_names import unknown_names_in
    from ledger.config import read_config
    from ledger.estimates.history.budget_pace import budget_pace
    from pricing.names import did_you_mean, with_question

    budgets = {budget.name: budget for budget in read_config(Path(config)).budgets}
    if name not in budgets:
        known = with_question(did_you_mean(name, budgets), f"it has {', '.join(budgets) or 'none'}")
        raise LedgerError(f"{option} {name!r} isn't a [[budget]] of {config}: {known}")
    budget = budgets[name]
    if budget.period != "month" or budget.tags or budget.months:
        raise LedgerError(
            f"{option} {name!r} can't be judged: a change is compared with a month of one amount, of projects and "
            f"models; in {config} it is of a {budget.period}, of tags or of single months"
        )
    database = app.open()
    for text in unknown_names_in(database, projects=budget.projects, models=budget.models):
        note(f"budget {name}: {text}")
    return budget_pace(database, budget, now=datetime.now(UTC))


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
