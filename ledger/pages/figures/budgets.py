"""The budgets of a month's page: as far as each is used, and how it stands."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Literal, TypeAlias

from ledger.budgets.asked import asked_time
from ledger.budgets.gaps import budgets_with_gaps
from ledger.budgets.schedule import Schedules
from ledger.budgets.status import BudgetStatus, held_on, status_of, with_forecasts
from ledger.pages.figures.values import Crossing
from ledger.reports.selection import Selection
from ledger.reports.snapshot import Snapshot

State: TypeAlias = Literal["over", "risk", "silent", "fine"]


def read_budgets(
    snapshot: Snapshot, schedules: Schedules, month: str, project: str | None, *, at: datetime, is_closed: bool
) -> tuple[BudgetStatus, ...]:
    """Reads the budgets that hold at a time of the month, worst first; of one project those that name it.

    Those of a closed month have no forecast, even where a longer period runs on: the page says what is left. What waits
    of each in quarantine may still change then, and is left out too.
    """
    asked, base = asked_time(month, None, zone=snapshot.zone, now=at), Selection(snapshot.zone)
    held = [each for each in held_on(schedules, asked.day) if project is None or project in each.projects]
    found = status_of(held, asked, base, snapshot.spend).budgets
    if is_closed:
        return tuple(found)
    found = budgets_with_gaps(snapshot.connection, found, asked, base)
    return tuple(with_forecasts(found, at, base, snapshot.amounts))


def state_of(status: BudgetStatus, crossings: Sequence[Crossing]) -> State:
    """Tells whether a budget is over, at risk, without usage, or fine.

    It is at risk where it is expected to be over, where an alert is reached, by what is spent or by the forecast, or
    where an earlier period of the month was over.
    """
    if status.is_over:
        return "over"
    if status.crossed or status.will_be_over or status.crossed_by_forecast or over_before(status, crossings):
        return "risk"
    return "fine" if status.actual_nano else "silent"


def over_before(status: BudgetStatus, crossings: Sequence[Crossing]) -> list[str]:
    """Returns the periods of the month before the last one in which all of the budget was used."""
    periods = [each.period for each in crossings if each.budget == status.budget.name and each.percent >= 100]
    return [period for period in dict.fromkeys(periods) if period != status.label]
