"""The times at which budgets reached their alerts, to the quarter-hour."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from datetime import date, datetime, timedelta
from typing import NamedTuple, TypeAlias, TypeVar

from ledger.budgets.coverage import nano_of, summed
from ledger.budgets.history import BY_OWN_DAY
from ledger.budgets.schedule import Schedule, Schedules
from ledger.pages.figures.days import WEEKS_BEFORE
from ledger.pages.figures.values import Crossing
from ledger.reports.plan import QUARTERS
from ledger.reports.selection import Selection
from ledger.reports.snapshot import Snapshot
from ledger.reports.spend import SelectedSpend, SpendRow
from ledger.values.budget import Budget
from ledger.values.budget_periods import next_start, period_label, period_start
from ledger.values.calendar import QUARTER, day_start, month_start
from ledger.values.instants import MICROSECOND, from_microseconds
from ledger.values.spend import Spend, total

T = TypeVar("T")
# Rows by time, in the order in which they count.
Steps: TypeAlias = list[tuple[T, list[SpendRow]]]
Read: TypeAlias = Callable[[Selection], SelectedSpend]


class _Held(NamedTuple):
    """A budget's period from `first` on, as far as it counts: up to `until`, exclusive."""

    budget: Budget
    first: date
    until: date

    @property
    def label(self) -> str:
        return period_label(self.first, self.budget.period)

    def selection(self, base: Selection, first: date, until: date) -> Selection:
        """Returns what counts for the budget on these days, whatever the projects of the page."""
        start, end = (day_start(day, base.zone) for day in (first, until))
        budget = self.budget
        return Selection(base.zone, start, end, projects=budget.projects, models=budget.models, tags=budget.tags)


def read_crossings(snapshot: Snapshot, schedules: Schedules, month: Selection) -> tuple[Crossing, ...]:
    """Reads when each alert was reached of the budgets' periods that have a day in the month, in order of time.

    An alert counts where it is reached still at the end of the month, of its period, or of the days on which
    the budget holds, whichever comes first: those that `budget status` shows as crossed then. The time is that at which
    it was first reached, before the month where a longer period began before. Usage counts when it happened; late
    usage and corrections of earlier months at the start of the month whose books they are in, as everywhere on
    the posted basis, and so in its first quarter-hour.
    """
    found: list[Crossing] = []
    spend = snapshot.amounts
    for name, schedule in schedules.items():
        by_budget: dict[int, list[_Held]] = defaultdict(list)
        for held in _periods(schedule, month):
            if held.budget.alerts:
                by_budget[id(held.budget)].append(held)
        for periods in by_budget.values():
            found += _crossings(spend, name, periods, month)
    return tuple(sorted(found, key=lambda each: (each.at, each.budget, each.period, each.percent)))


def _periods(schedule: Schedule, month: Selection) -> Iterator[_Held]:
    assert month.start is not None
    assert month.end is not None
    day, end = (moment.astimezone(month.zone).date() for moment in (month.start, month.end))
    starts = [part.start for part in schedule.parts]
    while day < end:
        next_part = min((start for start in starts if start > day), default=end)
        budget = schedule.on(day)
        until = min(next_part, end)
        if budget is not None:
            first = period_start(day, budget.period)
            until = min(until, next_start(first, budget.period))
            yield _Held(budget, first, until)
        day = until


def _crossings(spend: Read, name: str, periods: list[_Held], month: Selection) -> Iterator[Crossing]:
    """Finds the days first, then the quarter-hours in them: those of a month are twenty times as many rows."""
    days = _posted_days(spend, _selection_of_days(periods, month))
    for held in periods:
        own = [(day, rows) for day, rows in days if held.first <= day < held.until]
        by_day: dict[date, list[int]] = defaultdict(list)
        for percent, day in _first_reached(held, held.budget.alerts, Spend(), own).items():
            by_day[day].append(percent)
        for day, percents in by_day.items():
            before = summed(row for earlier, rows in own if earlier < day for row in rows)
            next_day = day + timedelta(days=1)
            quarters = _posted_quarters(spend, held.selection(month, day, next_day))
            last = day_start(next_day, month.zone) - MICROSECOND
            for percent, quarter in _first_reached(held, percents, before, quarters).items():
                yield Crossing(name, held.label, percent, min(quarter + QUARTER, last))


def _selection_of_days(periods: list[_Held], month: Selection) -> Selection:
    """Returns what counts on the days of the periods; of a budget of all usage on those that the page reads anyway."""
    budget, first, until = periods[0].budget, periods[0].first, periods[-1].until
    if budget.projects or budget.models or budget.tags:
        return periods[0].selection(month, first, until)
    assert month.start is not None
    assert month.end is not None
    start, end = (moment.astimezone(month.zone).date() for moment in (month.start, month.end))
    return periods[0].selection(month, min(first, start - timedelta(weeks=WEEKS_BEFORE)), end)


def _first_reached(held: _Held, percents: Iterable[int], spend: Spend, steps: Steps[T]) -> dict[int, T]:
    """Returns the step at which each percent was first reached, of those that are reached after the last one."""
    amount_nano, currency = held.budget.amount_nano_in(f"{held.first:%Y-%m}"), held.budget.amount.currency
    found: dict[int, T] = {}
    reached: list[int] = []
    for time, rows in steps:
        spend = total([spend, summed(rows)])
        hundred_times_nano = nano_of(spend, currency) * 100
        reached = [percent for percent in percents if hundred_times_nano >= amount_nano * percent]
        found = dict.fromkeys(reached, time) | found
    return {percent: found[percent] for percent in reached}


def _posted_days(spend: Read, selection: Selection) -> Steps[date]:
    found: dict[date, list[SpendRow]] = defaultdict(list)
    for row in spend(replace(selection, dimensions=BY_OWN_DAY)).rows:
        _class, month, day = row.dimensions
        found[date.fromisoformat(max(day or "", f"{month}-01"))].append(row)
    return sorted(found.items())


def _posted_quarters(spend: Read, selection: Selection) -> Steps[datetime]:
    found: dict[datetime, list[SpendRow]] = defaultdict(list)
    for row in spend(replace(selection, dimensions=("month", QUARTERS))).rows:
        month, quarter = row.dimensions
        booked = month_start(month or "", selection.zone)
        found[max(from_microseconds(int(quarter or 0)), booked)].append(row)
    return sorted(found.items())
