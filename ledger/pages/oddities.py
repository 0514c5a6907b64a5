"""Odd things in a month: days far outside their range, new projects, spend that has no project."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from datetime import date, datetime, timedelta
from statistics import median_low

from ledger.budgets.coverage import summed
from ledger.config import UNASSIGNED
from ledger.pages.days import DailyRows, read_daily
from ledger.pages.figures import Oddity
from ledger.pages.month_spend import MonthSpend
from ledger.reports.extent import projects_before
from ledger.reports.snapshot import Snapshot
from ledger.values.calendar import day_start
from ledger.values.spend import Spend

# The range: of the same weekday in so many weeks before, of which so many are known at least.
WEEKS = 8
FEWEST_WEEKS = 4


def find_oddities(snapshot: Snapshot, month: MonthSpend, daily: DailyRows, *, now: datetime) -> tuple[Oddity, ...]:
    """Finds the days that are over and far outside their range, then new projects, then what has no project.

    All is told from the books up to this month, so that those of a closed month never change.
    """
    by_project: dict[str, Spend] = defaultdict(Spend)
    for row in month.spend.rows:
        by_project[row.dimensions[0] or ""].add(row.currency, row.per_usd_nano, row.sums.amount_nano, 0)
    spent = {project: spend.usd_nano for project, spend in by_project.items()}
    unassigned = [Oddity("unassigned", UNASSIGNED, spent[UNASSIGNED])] if spent.get(UNASSIGNED) else []
    return (*_days(snapshot, month, daily, now), *_new_projects(snapshot, month, spent), *unassigned)


def _new_projects(snapshot: Snapshot, month: MonthSpend, spent: Mapping[str, int]) -> list[Oddity]:
    """Projects that are in no earlier month's books, dearest first; none in the first month, when all would be."""
    before = projects_before(snapshot.connection, month.month)
    new = [name for name, nano in spent.items() if before and nano and name not in before and name != UNASSIGNED]
    return [Oddity("new_project", name, spent[name]) for name in sorted(new, key=lambda name: (-spent[name], name))]


def _days(snapshot: Snapshot, month: MonthSpend, daily: DailyRows, now: datetime) -> Iterator[Oddity]:
    costs = {day: summed(rows).usd_nano for day, rows in daily.items()}
    projects: dict[str, dict[date, int]] | None = None
    for number in range(month.last_day.day):
        day = month.last_day.replace(day=1 + number)
        found = day_range(costs, day)
        over = day_start(day + timedelta(days=1), snapshot.zone) <= now
        if found is None or not over or found[0] <= costs.get(day, 0) <= found[1]:
            continue
        if projects is None:
            projects = _by_project(read_daily(snapshot, month, "project"))
        yield Oddity("day", _moved_most(projects, day, costs), costs.get(day, 0), day, *found)


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


def _by_project(daily: DailyRows) -> dict[str, dict[date, int]]:
    costs: dict[str, dict[date, int]] = defaultdict(dict)
    for day, rows in daily.items():
        spends: dict[str, Spend] = defaultdict(Spend)
        for row in rows:
            spends[row.dimensions[0] or ""].add(row.currency, row.per_usd_nano, row.sums.amount_nano, 0)
        for project, spend in spends.items():
            costs[project][day] = spend.usd_nano
    return costs


def _moved_most(projects: Mapping[str, Mapping[date, int]], day: date, costs: Mapping[date, int]) -> str:
    """The project whose cost differs most from that of its usual day, in the direction in which the day differs."""
    first = min(costs, default=day)
    sign = 1 if costs.get(day, 0) > median_low(_same_weekdays(costs, day)) else -1

    def moved(project: str) -> int:
        known = {first: 0} | dict(projects[project])
        return sign * (known.get(day, 0) - median_low(_same_weekdays(known, day)))

    return max(sorted(projects), key=moved, default="")
