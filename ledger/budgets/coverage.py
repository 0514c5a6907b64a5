"""The rows of spend that are a budget's, and their sum."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from ledger.reports.dimensions import TAG_PREFIX
from ledger.reports.spend import SpendRow
from ledger.values.budget import Budget
from ledger.values.spend import Spend


def tag_keys(budgets: Sequence[Budget]) -> tuple[str, ...]:
    """Returns the tag keys that budgets name, each once."""
    return tuple(dict.fromkeys(key for budget in budgets for key, _value in budget.tags))


def dimensions_of(keys: Sequence[str]) -> tuple[str, ...]:
    """Returns the dimensions of rows that can be told apart by `covering`."""
    return ("project", "model", *(TAG_PREFIX + key for key in keys))


def covering(budget: Budget, keys: Sequence[str]) -> Callable[[SpendRow], bool]:
    """Makes a test that a row by project, model and these tag keys is the budget's, as a report's filters have it."""
    wanted: dict[int, set[str]] = {}
    if budget.projects:
        wanted[0] = set(budget.projects)
    if budget.models:
        wanted[1] = set(budget.models)
    for key, value in budget.tags:
        wanted.setdefault(2 + keys.index(key), set()).add(value)
    return lambda row: all(row.dimensions[place] in values for place, values in wanted.items())


def summed(rows: Iterable[SpendRow]) -> Spend:
    """Returns what rows cost together."""
    spend = Spend()
    for row in rows:
        spend.add(row.currency, row.per_usd_nano, row.sums.amount_nano, row.sums.requests)
    return spend


def nano_of(spend: Spend, currency: str) -> int:
    """Returns the spend in a budget's currency: credits alone of a credits budget, all of it in USD."""
    return spend.usd_nano if currency == "USD" else spend.nano(currency)
