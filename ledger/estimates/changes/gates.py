"""Limits on a change and its outcome: `increase`, `over` and `budget`.

Each is compared with the printed figures of the total, or of each workload; exactly at the limit passes.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction

from msgspec.structs import replace

from ledger.config import UNASSIGNED, Budget
from ledger.errors import LedgerError
from ledger.estimates.changes.causes import Side
from ledger.estimates.changes.compare import Comparison
from ledger.estimates.history.budget_pace import BudgetPace
from ledger.estimates.workloads.document import GateResult, Level, Total, WorkloadEntry, hold_within
from ledger.values.amounts import Amount, Increase, unit_of
from pricing.money import NANO, divide_half_even, format_nano, parse_units, round_usd

USD = "USD"


@dataclass(frozen=True, slots=True)
class Limits:
    """The gates asked for, each with its level; `per_workload` compares each workload."""

    increases: Sequence[tuple[Increase, Level]] = ()
    overs: Sequence[tuple[Amount, Level]] = ()
    budgets: Sequence[tuple[BudgetPace, Level]] = ()
    per_workload: bool = False


def run_gates(comparison: Comparison, limits: Limits) -> list[GateResult]:
    """Compares each limit asked for, then the limits that the workloads of after have."""
    scopes = list(_workload_scopes(comparison)) if limits.per_workload else [_total_scope(comparison)]
    results = [_increase(limit, level, scope) for limit, level in limits.increases for scope in scopes]
    results += [_over(limit, level, scope) for limit, level in limits.overs for scope in scopes]
    results += [_budget(limit, level, comparison) for limit, level in limits.budgets]
    return results + list(_own_gates(comparison.after))


def all_passed(gates: Sequence[GateResult]) -> bool:
    """Tells whether nothing failed; a gate of level "warn" fails nothing."""
    return all(gate.passed for gate in gates if gate.level == "fail")


def gate_message(gate: GateResult) -> str:
    """A gate's finding, in one line."""
    if gate.passed:
        return f"{gate.name}: {'nothing to compare with' if gate.value is None else gate.value}, within {gate.limit}"
    if gate.value is not None:
        return f"{gate.name}: {gate.value} is past the limit of {gate.limit}"
    if gate.limit.endswith("%"):
        return (
            f"{gate.name}: there was nothing before, so that any increase is past {gate.limit}; "
            f"a limit such as {gate.limit},5usd lets small new ones pass"
        )
    lacks = "price, or no requests_per_month," if gate.name.endswith("month") else "price"
    return f"{gate.name}: it has no {lacks} to compare with {gate.limit}"


@dataclass(frozen=True, slots=True)
class _Scope:
    """A month of a workload or of all, in nano-USD; None is no price before."""

    prefix: str
    before_usd: int | None
    after_usd: int
    before: Sequence[Total | WorkloadEntry]
    after: Sequence[Total | WorkloadEntry]

    def sides(self, limit: Amount) -> tuple[int | None, int]:
        """Before and after in the currency of a limit."""
        if limit.currency == USD:
            return self.before_usd, self.after_usd
        before, after = (_amount_nano(side, limit) for side in (self.before, self.after))
        return (None if self.before_usd is None else before), after


def _total_scope(comparison: Comparison) -> _Scope:
    total = comparison.total
    return _Scope(
        "",
        parse_units(total.before_usd_per_month, NANO),
        parse_units(total.after_usd_per_month, NANO),
        [] if comparison.before is None else _amounts_of(comparison.before),
        _amounts_of(comparison.after),
    )


def _amounts_of(side: Side) -> Sequence[Total | WorkloadEntry]:
    """Its total, or its workloads, where they are in several currencies."""
    document = side.document
    return document.workloads if document.total.amount is None else [document.total]


def _workload_scopes(comparison: Comparison) -> Iterator[_Scope]:
    """Each workload of after that has a price; one without fails by a limit of its own."""
    known = {} if comparison.before is None else {w.name: w for w in comparison.before.document.workloads}
    for new in comparison.after.document.workloads:
        if new.usd_per_month is None:
            continue
        old = known.get(new.name)
        before = "0" if old is None else old.usd_per_month
        before_nano = None if before is None else parse_units(before, NANO)
        after_nano = parse_units(new.usd_per_month, NANO)
        yield _Scope(f"{new.name}: ", before_nano, after_nano, [] if old is None else [old], [new])


def _amount_nano(parts: Sequence[Total | WorkloadEntry], limit: Amount) -> int:
    """A month in the limit's currency; LedgerError where something is in another."""
    amounts = [
        (part.currency or "", part.amount if isinstance(part, Total) else part.amount_per_month) for part in parts
    ]
    others = {unit_of(currency) for currency, amount in amounts if amount is not None} - {unit_of(limit.currency)}
    if others:
        units = " and ".join(sorted(others))
        raise LedgerError(f"the limit {limit.text} can't be compared with prices in {units}: give it in usd")
    return sum(parse_units(amount, NANO) for _currency, amount in amounts if amount is not None)


def _increase(limit: Increase, level: Level, scope: _Scope) -> GateResult:
    """Compares an increase: past the limit is past percentage and amount, if both are given.

    From nothing, any increase is past any percentage.
    """
    values: list[str] = []
    past: list[bool] = []
    before, after = scope.before_usd, scope.after_usd
    if limit.percent is not None and before is not None:
        change = after - before
        past.append(change > limit.percent * before / 100)
        values += [_percent_text(Fraction(change * 100, before), limit.percent)] if before else []
    if limit.amount is not None:
        before, after = scope.sides(limit.amount)
        if before is not None:
            past.append(after - before > limit.amount.nano)
            values.append(Amount(after - before, limit.amount.currency).text)
    return GateResult(
        name=f"{scope.prefix}increase",
        limit=limit.text,
        value=",".join(values) or None,
        level=level,
        # Without a price before there is no telling that it is past the limit.
        passed=not (past and all(past)),
    )


def _over(limit: Amount, level: Level, scope: _Scope) -> GateResult:
    _before, after = scope.sides(limit)
    return hold_within(limit, Amount(after, limit.currency), name=f"{scope.prefix}over", level=level)


def _budget(pace: BudgetPace, level: Level, comparison: Comparison) -> GateResult:
    """Projects the month with the change of the workloads that the budget is of."""
    budget = pace.budget
    sides = (comparison.after, comparison.before)
    after, before = (0 if side is None else _usd_within(side, budget) for side in sides)
    projected = pace.projected_usd(Fraction(after - before, NANO))
    return GateResult(
        name=f"budget {budget.name}",
        limit=budget.amount.text,
        value=f"{format_nano(round_usd(projected))}usd",
        level=level,
        # As printed, and rounded alike: a limit in credits may be a fraction of USD without end.
        passed=round_usd(projected) <= round_usd(pace.limit_usd),
    )


def _usd_within(side: Side, budget: Budget) -> int:
    """Nano-USD a month of the side's workloads that the budget names; of all if it names none."""
    return sum(
        parse_units(workload.usd_per_month or "0", NANO)
        for workload in side.document.workloads
        if (not budget.projects or (workload.project or UNASSIGNED) in budget.projects)
        and (not budget.models or {workload.model, side.entry_of(workload).model} & set(budget.models))
    )


def _own_gates(after: Side) -> Iterator[GateResult]:
    for workload in after.document.workloads:
        if workload.usd_per_month is None and all_passed(workload.gates):
            yield GateResult(name=f"{workload.name}: price", limit="a tier of its card", value=None, passed=False)
        for gate in workload.gates:
            yield replace(gate, name=f"{workload.name}: {gate.name}")


def _percent_text(value: Fraction, limit: Fraction) -> str:
    """The percentage, to as many decimals as show its side of the limit: 10.04% is past 10%."""
    for places in range(1, 10):
        units = divide_half_even(value.numerator * 10**places, value.denominator)
        if (Fraction(units, 10**places) > limit) == (value > limit):
            break
    return f"{format_nano(units * 10 ** (9 - places))}%"
