"""Odd things in a month: days far outside their range, new projects, spend that has no project."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from datetime import date, datetime, timedelta
from statistics import median_low

from ledger.budgets.coverage import summed
from ledger.budgets.history import BY_OWN_DAY, own_days
from ledger.config import UNASSIGNED
from ledger.pages.days import DailyRows
from ledger.pages.figures import Oddity
from ledger.pages.levers import LEAST_PERCENT
from ledger.pages.month_spend import MonthSpend
from ledger.reports.extent import projects_before
from ledger.reports.snapshot import Snapshot
from ledger.reports.spend import SpendRow
from ledger.values.calendar import day_start
from ledger.values.spend import Spend

# The range: of the same weekday in so many weeks before, of which so many are known at least.
WEEKS = 8
FEWEST_WEEKS = 4
# So many days at most are named, those furthest outside.
MOST_DAYS = 5


def find_oddities(snapshot: Snapshot, month: MonthSpend, daily: DailyRows, *, now: datetime) -> tuple[Oddity, ...]:
    """Finds the days far outside their range, then new projects, then what has no project.

    Of the days that are over at most five are named, each outside by at least 1 % of the month's spend. All is told
    from the books up to this month, so that those of a closed month never change.
    """
    spent = spent_by_project(month.spend.rows)
    unassigned = [Oddity("unassigned", UNASSIGNED, spent[UNASSIGNED])] if spent.get(UNASSIGNED) else []
    return (*_days(snapshot, month, daily, now), *_new_projects(snapshot, month, spent), *unassigned)


def _new_projects(snapshot: Snapshot, month: MonthSpend, spent: Mapping[str, int]) -> list[Oddity]:
    """Projects that are in no earlier month's books, dearest first; none in the first month, when all would be."""
    before = projects_before(snapshot.connection, month.month)
    new = [name for name, nano in spent.items() if before and nano and name not in before and name != UNASSIGNED]
    return [Oddity("new_project", name, spent[name]) for name in sorted(new, key=lambda name: (-spent[name], name))]


def _days(snapshot: Snapshot, month: MonthSpend, daily: DailyRows, now: datetime) -> Iterator[Oddity]:
    costs = {day: summed(rows).usd_nano for day, rows in daily.items()}
    days = [month.last_day.replace(day=number) for number in range(1, month.last_day.day + 1)]
    over = [day for day in days if day_start(day + timedelta(days=1), snapshot.zone) <= now]
    outside: list[tuple[int, date, int, int]] = []
    for day in over:
        low_high, cost = day_range(costs, day), costs.get(day, 0)
        if low_high is not None:
            low, high = low_high
            distance_nano = max(low - cost, cost - high)
            if distance_nano > 0 and distance_nano * 100 >= month.usd_nano * LEAST_PERCENT:
                outside.append((distance_nano, day, low, high))
    furthest = sorted(outside, reverse=True)[:MOST_DAYS]
    own = spent_by_project(month.own_rows())
    for _distance, day, low, high in sorted(furthest, key=lambda each: each[1]):
        is_dear = costs.get(day, 0) > high
        mover = _moved_most(snapshot, month, day, own, others=len(over) - 1, sign=1 if is_dear else -1)
        yield Oddity("day", mover, costs.get(day, 0), day, low, high)


def _moved_most(
    snapshot: Snapshot, month: MonthSpend, day: date, own: Mapping[str, int], *, others: int, sign: int
) -> str:
    """The project whose cost on a day is furthest above (`sign` 1) or below its mean day in the rest of the month."""
    start, end = (day_start(day + timedelta(days=more), snapshot.zone) for more in (0, 1))
    asked = replace(month.selection, start=start, end=end, dimensions=("project", *BY_OWN_DAY))
    on_day = spent_by_project(own_days(snapshot.amounts(asked).rows).get(day.isoformat(), ()))

    def moved(project: str) -> int:
        cost = on_day.get(project, 0)
        return sign * (cost - (own[project] - cost) // max(others, 1))

    return max(sorted(own), key=moved, default="")


def day_range(costs: Mapping[date, int], day: date) -> tuple[int, int] | None:
    """Returns the range that a day's cost is expected in, from the same weekday of the eight weeks before.

    It is their median, six median deviations to either side, half of it at least; None where fewer than four such
    days are known. Days without usage cost 0, from the first day with usage on.
    """
    known = _same_weekdays(costs, day)
    if len(known) < FEWEST_WEEKS:
        return None
    middle = median_low(known)
    deviation = median_low([abs(cost - middle) for cost in known])
    margin = max(6 * deviation, middle // 2)
    return max(middle - margin, 0), middle + margin


def _same_weekdays(costs: Mapping[date, int], day: date) -> list[int]:
    first = min(costs, default=day)
    before = [day - timedelta(weeks=weeks) for weeks in range(1, WEEKS + 1)]
    return [costs.get(each, 0) for each in before if each >= first]


def spent_by_project(rows: Iterable[SpendRow]) -> dict[str, int]:
    """Sums rows by their first dimension, the project, each in USD nano."""
    spends: dict[str, Spend] = defaultdict(Spend)
    for row in rows:
        spends[row.dimensions[0] or ""].add(row.currency, row.per_usd_nano, row.sums.amount_nano, 0)
    return {project: spend.usd_nano for project, spend in spends.items()}
