"""Odd things in a month: days far outside their range, new projects, spend that has no project."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from datetime import date, datetime, timedelta
from operator import itemgetter

from ledger.budgets.coverage import summed
from ledger.budgets.forecast import ExpectedDay, expected_days
from ledger.budgets.history import BY_OWN_DAY, own_days
from ledger.config import UNASSIGNED
from ledger.pages.figures.days import DailyRows
from ledger.pages.figures.levers import LEAST_PERCENT
from ledger.pages.figures.month_spend import MonthSpend
from ledger.pages.figures.values import Oddity
from ledger.reports.extent import projects_before
from ledger.reports.snapshot import Snapshot
from ledger.reports.spend import SpendRow
from ledger.values.calendar import day_start
from ledger.values.spend import Spend

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
    first, today = month.last_day.replace(day=1), now.astimezone(snapshot.zone).date()
    end = min(today, month.last_day + timedelta(days=1))
    outside: list[tuple[int, date, ExpectedDay]] = []
    for day, expected in expected_days(sorted(costs.items()), first, end).items():
        distance_nano = max(expected.low - costs.get(day, 0), costs.get(day, 0) - expected.high)
        if distance_nano > 0 and distance_nano * 100 >= month.usd_nano * LEAST_PERCENT:
            outside.append((distance_nano, day, expected))
    own, others = spent_by_project(month.own_rows()), (end - first).days - 1
    for _distance, day, expected in sorted(sorted(outside, reverse=True)[:MOST_DAYS], key=itemgetter(1)):
        sign = 1 if costs.get(day, 0) > expected.high else -1
        mover = _moved_most(snapshot, month, day, own, others=others, sign=sign)
        yield Oddity("day", mover, costs.get(day, 0), day, expected.low, expected.high)


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


def spent_by_project(rows: Iterable[SpendRow]) -> dict[str, int]:
    """Sums rows by their first dimension, the project, each in USD nano."""
    spends: dict[str, Spend] = defaultdict(Spend)
    for row in rows:
        spends[row.dimensions[0] or ""].add(row.currency, row.per_usd_nano, row.sums.amount_nano, 0)
    return {project: spend.usd_nano for project, spend in spends.items()}
