"""The cost of each day before a time, of the usage of budgets: forecasts are made from it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from datetime import date, datetime, timedelta
from typing import TypeAlias

from ledger.budgets.coverage import covering, dimensions_of, nano_of, summed, tag_keys
from ledger.budgets.forecast import MOST_DAYS
from ledger.reports.selection import Selection
from ledger.reports.spend import SelectedSpend, SpendRow
from ledger.values.budget import Budget
from ledger.values.calendar import day_start

History: TypeAlias = list[tuple[date, int]]
# The last dimensions of rows that `own_days` groups.
BY_OWN_DAY = ("charge_class", "month", "day")


def read_histories(
    budgets: Sequence[Budget], at: datetime, base: Selection, read: Callable[[Selection], SelectedSpend]
) -> list[History]:
    """Reads the whole days before a time for all of the budgets at once, each in nano of its currency.

    By the day on which usage happened, less what was taken back of it. Late usage and corrections, booked in a later
    month than their own, stay out of it, and so do adjustments, which are no usage. A budget by what only rows tell,
    some of which aren't in the ledger, has no days at all.
    """
    keys = tag_keys(budgets)
    dimensions = dimensions_of(keys)
    today = at.astimezone(base.zone).date()
    start, end = (day_start(day, base.zone) for day in (today - timedelta(days=MOST_DAYS), today))
    asked = replace(base, basis="posted", start=start, end=end, dimensions=(*dimensions, *BY_OWN_DAY))
    spend = read(asked)
    if spend.without_rows:
        return [[]] if len(budgets) == 1 else [read_histories([each], at, base, read)[0] for each in budgets]
    days = own_days(spend.rows)
    found = []
    for budget in budgets:
        covered, currency = covering(budget, keys), budget.amount.currency
        costs = {day: nano_of(summed(filter(covered, rows)), currency) for day, rows in days.items()}
        found.append([(date.fromisoformat(day), cost) for day, cost in sorted(costs.items())])
    return found


def own_days(rows: Iterable[SpendRow]) -> dict[str, list[SpendRow]]:
    """Groups rows by the day on which their usage happened, those alone that are usage booked in its own month."""
    days: dict[str, list[SpendRow]] = defaultdict(list)
    for row in rows:
        charge_class, month, day = row.dimensions[-len(BY_OWN_DAY) :]
        if charge_class != "adjustment" and day is not None and day[:7] == month:
            days[day].append(row)
    return days
