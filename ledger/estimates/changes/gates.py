"""Limits on a change and its outcome: `increase`, `over`, `budget` and `uncounted`.

Each is compared with the printed figures of the total, or of each workload; exactly at the limit passes. What another
way of counting adds is no increase: after is compared as it would have been counted before. Where the baseline can't be
estimated, what needs it can't be judged: such a gate warns and doesn't fail.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING

from msgspec.structs import replace

from ledger.estimates.changes.budget_gate import budget_gate
from ledger.estimates.changes.causes import USD, CountingPart, Side
from ledger.estimates.changes.compare import Comparison
from ledger.estimates.changes.sums import amount_nano, counting_of
from ledger.estimates.workloads.document import (
    GateResult,
    Level,
    Total,
    WorkloadEntry,
    hold_within,
    uncounted_gate,
)
from ledger.estimates.workloads.gate_words import increase_message, percent_words
from ledger.estimates.workloads.inputs import NO_REQUESTS
from ledger.values.amounts import Amount, Increase
from pricing.money import NANO, parse_units

if TYPE_CHECKING:
    from ledger.budgets.named import NamedBudget


@dataclass(frozen=True, slots=True)
class Limits:
    """The gates asked for, each with its level; `per_workload` compares each workload.

    With `fail_stale` a budget's gate has its own level where the ledger is silent, else it warns.
    """

    increases: Sequence[tuple[Increase, Level]] = ()
    overs: Sequence[tuple[Amount, Level]] = ()
    budgets: Sequence[tuple[NamedBudget, Level]] = ()
    per_workload: bool = False
    uncounted: bool = False
    fail_stale: bool = False


def run_gates(comparison: Comparison, limits: Limits) -> list[GateResult]:
    """Compares each limit asked for, then the limits that the workloads of after have."""
    scopes = list(_workload_scopes(comparison)) if limits.per_workload else [_total_scope(comparison)]
    results = [_increase(limit, level, scope) for limit, level in limits.increases for scope in scopes]
    results += [_over(limit, level, scope) for limit, level in limits.overs for scope in scopes]
    results += [budget_gate(named, level, comparison, fail_stale=limits.fail_stale) for named, level in limits.budgets]
    if limits.uncounted:
        results.append(uncounted_gate(comparison.after.document.uncounted()))
    return results + list(_own_gates(comparison.after))


def all_passed(gates: Sequence[GateResult]) -> bool:
    """Tells whether nothing failed; a gate of level "warn" fails nothing."""
    return all(gate.passed for gate in gates if gate.level == "fail")


def gate_message(gate: GateResult) -> str:
    """Returns a gate's finding, in one line; documents of older versions have no words of their own."""
    return f"{gate.name}: {gate.message or ', '.join([gate.value or 'no value', f'limit {gate.limit}'])}"


@dataclass(frozen=True, slots=True)
class _Scope:
    """A month of a workload or of all, in nano-USD; None is no price before.

    `counting` is the part of after that another way of counting adds. `is_known` is false where the requests of some
    workload aren't.
    """

    prefix: str
    before_usd: int | None
    after_usd: int
    before: Sequence[Total | WorkloadEntry]
    after: Sequence[Total | WorkloadEntry]
    counting: CountingPart
    caveats: Sequence[str]
    is_known: bool

    def sides(self, limit: Amount) -> tuple[int | None, int]:
        """Returns before and after in the currency of a limit; in USD as the totals are printed."""
        if limit.currency == USD:
            return self.before_usd, self.after_usd
        before, after = (amount_nano(side, limit) for side in (self.before, self.after))
        return (None if self.before_usd is None else before), after


def _total_scope(comparison: Comparison) -> _Scope:
    total = comparison.total
    before = total.before_usd_per_month
    return _Scope(
        "",
        None if before is None else parse_units(before, NANO),
        parse_units(total.after_usd_per_month, NANO),
        [] if comparison.before is None else _amounts_of(comparison.before),
        _amounts_of(comparison.after),
        counting_of(comparison, comparison.after.document.workloads),
        total.caveats,
        all(map(_has_requests, comparison.after.document.workloads)),
    )


def _has_requests(workload: WorkloadEntry) -> bool:
    """Tells whether it is known how often the workload is sent: where it isn't, its month counts as 0."""
    return NO_REQUESTS not in workload.warnings


def _amounts_of(side: Side) -> Sequence[Total | WorkloadEntry]:
    """Its total, or its workloads, where they are in several currencies."""
    document = side.document
    return document.workloads if document.total.amount is None else [document.total]


def _workload_scopes(comparison: Comparison) -> Iterator[_Scope]:
    """Yields each workload of after that has a price; one without fails by a limit of its own."""
    known = {} if comparison.before is None else {w.name: w for w in comparison.before.document.workloads}
    for new in comparison.after.document.workloads:
        if new.usd_per_month is None:
            continue
        old = known.get(new.name)
        before = "0" if old is None else old.usd_per_month
        has_before = before is not None and comparison.baseline_error is None
        yield _Scope(
            f"{new.name}: ",
            parse_units(before, NANO) if has_before and before is not None else None,
            parse_units(new.usd_per_month, NANO),
            [] if old is None else [old],
            [new],
            counting_of(comparison, [new]),
            new.caveats,
            _has_requests(new),
        )


def _increase(limit: Increase, level: Level, scope: _Scope) -> GateResult:
    """Compares an increase: past the limit is past percentage and amount, if both are given.

    From nothing, any increase is past any percentage.
    """
    values: list[str] = []
    past: list[bool] = []
    before, after = scope.before_usd, scope.after_usd - scope.counting.nano(USD)
    change = None if before is None else Amount(after - before, USD)
    percent = None if not before else Fraction((after - before) * 100, before)
    if limit.percent is not None and before is not None:
        past.append(after - before > limit.percent * before / 100)
        values += [f"{percent_words(percent, limit.percent)}%"] if percent is not None else []
    if limit.amount is not None:
        before, after = scope.sides(limit.amount)
        after -= scope.counting.nano(limit.amount.currency)
        if before is not None:
            past.append(after - before > limit.amount.nano)
            change = Amount(after - before, limit.amount.currency)
            values.append(change.text)
    # Without a price before it can't be judged: that is a warning, whatever was asked for.
    passed = bool(past) and not all(past)
    return GateResult(
        name=f"{scope.prefix}increase",
        limit=limit.text,
        value=",".join(values) or None,
        level=level if past else "warn",
        passed=passed,
        message=increase_message(limit, change, percent, passed=passed, caveats=scope.caveats),
    )


def _over(limit: Amount, level: Level, scope: _Scope) -> GateResult:
    _before, after = scope.sides(limit)
    value = Amount(after, limit.currency) if scope.is_known or after > limit.nano else None
    return hold_within(limit, value, name=f"{scope.prefix}over", per="month", caveats=scope.caveats, level=level)


def _own_gates(after: Side) -> Iterator[GateResult]:
    for workload in after.document.workloads:
        if workload.usd_per_month is None and all_passed(workload.gates):
            said = "longer than any tier of its card"
            yield GateResult(
                name=f"{workload.name}: price", limit="a tier of its card", value=None, passed=False, message=said
            )
        for gate in workload.gates:
            yield replace(gate, name=f"{workload.name}: {gate.name}")
