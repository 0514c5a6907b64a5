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
# The project that moved a day is told by so many days before it.
USUAL_DAYS = 28


def find_oddities(snapshot: Snapshot, month: MonthSpend, daily: DailyRows, *, now: datetime) -> tuple[Oddity, ...]:
    """Finds the days far outside their range, then new projects, then what has no project.

    Of the days that are over at most five are named, each outside by at least 1 % of the month's spend. All is told
    from the books up to this month, so that those of a closed month never change.
    """
    spent = spent_by_project(month.spend.rows)
    unassigned = [Oddity("unassigned", UNASSIGNED, spent[UNASSIGNED])] if spent.get(UNASSIGNED) else []
    return (*_days(snapshot, month, daily, now), *_new_projects(snapshot, month, spent), *unassigned)


def _new_projects(snapshot: Snapshot, month: MonthSpend, spent: Mapping[str, int]) -> list[Oddity]:
    """Lists projects that no earlier month's books have, dearest first; none in the first month, when all would be."""
    before = projects_before(snapshot.connection, month.month)
    new = [name for name, nano in spent.items() if before and nano and name not in before and name != UNASSIGNED]
    return [Oddity("new_project", name, spent[name]) for name in sorted(new, key=lambda name: (-spent[name], name))]


def _days(snapshot: Snapshot, month: MonthSpend, daily: DailyRows, now: datetime) -> Iterator[Oddity]:
    costs = {day: summed(rows).usd_nano for day, rows in daily.items()}
    first, today = month.first_day, now.astimezone(snapshot.zone).date()
    end = min(today, month.last_day + timedelta(days=1))
    outside: list[tuple[int, date, ExpectedDay]] = []
    for day, expected in expected_days(sorted(costs.items()), first, end).items():
        distance_nano = max(expected.low - costs.get(day, 0), costs.get(day, 0) - expected.high)
        if distance_nano > 0 and distance_nano * 100 >= month.usd_nano * LEAST_PERCENT:
            outside.append((distance_nano, day, expected))
    if not outside:
        return
    named = sorted(sorted(outside, reverse=True)[:MOST_DAYS], key=itemgetter(1))
    by_project = _read_by_project(snapshot, month, named[0][1], named[-1][1])
    for _distance, day, expected in named:
        sign = 1 if costs.get(day, 0) > expected.high else -1
        mover = _moved_most(by_project, day, min((day - min(costs)).days, USUAL_DAYS), sign=sign)
        yield Oddity("day", mover, costs.get(day, 0), day, expected.low, expected.high)


def _read_by_project(snapshot: Snapshot, month: MonthSpend, first: date, last: date) -> DailyRows:
    """Reads days, both inclusive, and the usual ones before the first, with rows that begin with the project."""
    bounds = (first - timedelta(days=USUAL_DAYS), last + timedelta(days=1))
    start, end = (day_start(day, snapshot.zone) for day in bounds)
    asked = replace(month.selection, start=start, end=end, dimensions=("project", *BY_OWN_DAY))
    return {date.fromisoformat(day): rows for day, rows in own_days(snapshot.amounts(asked).rows).items()}


def _moved_most(by_project: DailyRows, day: date, days: int, *, sign: int) -> str:
    """Returns the project whose cost is furthest above (`sign` 1) or below its mean of the days before; "" if none."""
    before = (row for age in range(1, days + 1) for row in by_project.get(day - timedelta(days=age), ()))
    usual, on_day = spent_by_project(before), spent_by_project(by_project.get(day, ()))
    moved = {name: sign * (on_day.get(name, 0) * days - usual.get(name, 0)) for name in sorted({*usual, *on_day})}
    mover = max(moved, key=lambda name: moved[name], default="")
    return mover if moved.get(mover, 0) > 0 else ""


def spent_by_project(rows: Iterable[SpendRow]) -> dict[str, int]:
    """Sums rows by their first dimension, the project, each in USD nano."""
    spends: dict[str, Spend] = defaultdict(Spend)
    for row in rows:
        spends[row.dimensions[0] or ""].add(row.currency, row.per_usd_nano, row.sums.amount_nano, 0)
    return {project: spend.usd_nano for project, spend in spends.items()}
