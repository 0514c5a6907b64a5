"""The gate of a budget: the forecast of its period with the change on top, compared with its amount.

The change counts for the rest of the period, in the budget's currency. Where it isn't known, or the ledger is silent,
a budget that is kept can't be judged: its gate warns.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain
from typing import TYPE_CHECKING

from ledger.config import UNASSIGNED
from ledger.estimates.changes.causes import Side
from ledger.estimates.changes.compare import Comparison
from ledger.estimates.changes.sums import amount_nano, counting_of
from ledger.estimates.history.profile import MONTH_DAYS
from ledger.estimates.workloads.document import GateResult, Level, WorkloadEntry, caveats_of
from ledger.estimates.workloads.gate_words import in_brackets, over_message, value_words
from ledger.reports.completeness_words import silence_words
from ledger.values.amounts import Amount

if TYPE_CHECKING:
    from ledger.budgets.named import NamedBudget
    from ledger.values.budget import Budget


def budget_gate(named: NamedBudget, level: Level, comparison: Comparison, *, fail_stale: bool = False) -> GateResult:
    """Compares the end of the budget's period, as expected and with the change of its workloads.

    With 50 spent, 75 expected at the end, a change of 15 a month and 10 days left it is 75 + 15 × 10 / 30 = 80.
    """
    use = named.use
    currency, is_compared = use.budget.amount.currency, comparison.baseline_error is None
    expected = use.actual_nano if use.expected_nano is None else use.expected_nano
    change = _change_nano(comparison, use.budget) if is_compared else 0
    # What is spent stays so, whatever the change saves.
    end = Amount(max(expected + round(change * use.days_left / MONTH_DAYS), use.actual_nano), currency)
    limit = Amount(use.amount_nano, currency)
    is_within = end.nano <= limit.nano
    if is_within:
        use.check_currency()
    can_be_judged = is_compared and not named.silent
    fails = not is_within or (fail_stale and bool(named.silent))
    finding = over_message(limit, end, per="", caveats=["at least"] if use.not_booked else [])
    share = Amount(end.nano - expected, currency)
    clauses = _clauses(named, share, _within(comparison.after, use.budget), is_compared=is_compared)
    return GateResult(
        name=f"budget {use.budget.name}",
        limit=limit.text,
        value=end.text,
        level=level if can_be_judged or fails else "warn",
        passed=is_within and can_be_judged,
        message="; ".join([f"this {use.budget.period} ends at {finding}", *clauses]),
    )


def _clauses(named: NamedBudget, share: Amount, workloads: list[WorkloadEntry], *, is_compared: bool) -> Iterator[str]:
    """Yields what the figure is made of; `share` is the part of it by the change of these workloads."""
    if named.use.expected_nano is None:
        yield "too early for a forecast, so that it goes by what is spent"
    if not is_compared:
        yield "the change isn't in it, as there is nothing to compare with"
    if share.nano:
        bases, prompts = [each.output_basis for each in workloads], [each.prompts for each in workloads]
        caveats = in_brackets(caveats_of(bases, chain.from_iterable(prompts)))
        yield f"{value_words(share, signed=True)} of it by the change{caveats}"
    if named.use.budget.tags and is_compared:
        yield "workloads have no tags: each that becomes dearer counts, and none that becomes cheaper"
    yield from map(silence_words, named.silent)
    if named.file is not None:
        yield f"a budget of {named.file}, as the ledger has none of that name"


def _change_nano(comparison: Comparison, budget: Budget) -> int:
    """Sums what the change adds a month to the budget's workloads, in its currency.

    It isn't known which workloads send a tag: of a budget of tags, each that becomes dearer counts, and none that
    becomes cheaper.
    """
    after, before = (_within(side, budget) for side in (comparison.after, comparison.before))
    if not budget.tags:
        return _added_nano(comparison, budget, after, before)
    by_name: dict[str, tuple[list[WorkloadEntry], list[WorkloadEntry]]] = {}
    for place, workloads in enumerate((after, before)):
        for workload in workloads:
            by_name.setdefault(workload.name, ([], []))[place].append(workload)
    return sum(max(_added_nano(comparison, budget, *sides), 0) for sides in by_name.values())


def _added_nano(comparison: Comparison, budget: Budget, after: list[WorkloadEntry], before: list[WorkloadEntry]) -> int:
    """Sums a month of after, less one of before and what counting adds."""
    counting_nano = counting_of(comparison, after).nano(budget.amount.currency)
    return amount_nano(after, budget.amount) - amount_nano(before, budget.amount) - counting_nano


def _within(side: Side | None, budget: Budget) -> list[WorkloadEntry]:
    """Returns the side's workloads with one of the budget's projects and models; all where it names none."""
    return [] if side is None else [each for each in side.document.workloads if _is_within(side, each, budget)]


def _is_within(side: Side, workload: WorkloadEntry, budget: Budget) -> bool:
    return (not budget.projects or (workload.project or UNASSIGNED) in budget.projects) and (
        not budget.models or bool({workload.model, side.entry_of(workload).model} & set(budget.models))
    )
