"""The model's budgets: stated one after the other, and what holds in a month."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal


@dataclass(frozen=True)
class Budget:
    """A budget from a month on; without an amount it is removed from there on."""

    name: str
    start: str
    amount: Decimal | None
    currency: str = ""


def budget_in(stated: Sequence[Budget], name: str, month: str) -> Budget | None:
    """The budget that holds in a month."""
    started = [each for start, each in sorted(_by_start(stated, name).items()) if start <= month]
    return started[-1] if started and started[-1].amount is not None else None


def ends_something(stated: Sequence[Budget], removal: Budget) -> bool:
    """Tells whether the budget holds when it is removed, or would from a later month on."""
    later = [each for start, each in _by_start(stated, removal.name).items() if start > removal.start]
    return budget_in(stated, removal.name, removal.start) is not None or any(each.amount is not None for each in later)


def _by_start(stated: Sequence[Budget], name: str) -> dict[str, Budget]:
    """A later statement replaces one of the same start; a removal takes those that begin after it, too."""
    found: dict[str, Budget] = {}
    for budget in stated:
        if budget.name == name:
            if budget.amount is None:
                found = {start: each for start, each in found.items() if start < budget.start}
            found[budget.start] = budget
    return found
