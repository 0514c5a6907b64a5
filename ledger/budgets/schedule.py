"""The versions of one budget in time, and what a statement of budgets would change of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Literal, NamedTuple, TypeAlias

import msgspec

from ledger.errors import LedgerError
from ledger.values.budget import Budget
from ledger.values.budget_periods import first_start, period_start
from pricing.errors import shown

Change: TypeAlias = Literal["new", "changed", "unchanged", "removed"]


class Part(NamedTuple):
    """A stretch of a schedule: the budget that holds from `start` on, or None from where it is removed."""

    start: date
    budget: Budget | None
    recorded_at: datetime


@dataclass(frozen=True, slots=True)
class Schedule:
    """A budget's parts by their starts, each up to the next."""

    parts: tuple[Part, ...] = ()

    def with_part(self, part: Part) -> Schedule:
        """Adds a part recorded after the others: it replaces one of the same start, a removal also later ones."""
        kept = [each for each in self.parts if each.start < part.start or (part.budget and each.start > part.start)]
        return Schedule(tuple(sorted([*kept, part], key=lambda each: each.start)))

    def on(self, day: date) -> Budget | None:
        """Returns the budget that holds on a day: that of the period which the day lies in."""
        before = [part for part in self.parts if part.start <= day]
        return before[-1].budget if before else None

    def after(self, day: date) -> tuple[Part, ...]:
        """Returns the parts that begin after a day."""
        return tuple(part for part in self.parts if part.start > day)

    def is_live(self, day: date) -> bool:
        """Tells whether the budget holds on a day, or a part to come makes it hold again."""
        return self.on(day) is not None or any(part.budget for part in self.after(day))


Schedules: TypeAlias = Mapping[str, Schedule]


class BudgetChange(NamedTuple):
    """The effect of stating a budget: `after` holds from `start`, the first day of a period, None where it is removed.

    `effective_from` is the day that was stated; `before` what held at `start`.
    """

    change: Change
    name: str
    before: Budget | None
    after: Budget | None
    effective_from: date
    start: date


class Today(NamedTuple):
    """The day that statements are made on, in the ledger's zone, and its first open month ("" where all are)."""

    day: date
    first_open: str


def stated_change(schedule: Schedule, wanted: Budget, today: Today) -> BudgetChange:
    """Returns what a budget changes, from its own start or from the first day of this period on."""
    stated = period_start(today.day, wanted.period) if wanted.start is None else date.fromisoformat(wanted.start)
    start = first_start(stated, wanted.period)
    before = schedule.on(start)
    change: Change = "new" if before is None else "changed"
    if before == wanted.rule:
        change = "unchanged"
    else:
        refuse_closed(wanted, stated, today)
    return BudgetChange(change, wanted.name, before, wanted.rule, stated, start)


def planned_changes(schedules: Schedules, wanted: Sequence[Budget], today: Today) -> list[BudgetChange]:
    """Returns what each budget of a file changes.

    Of a budget that the ledger knows, the file says how it is from this period on, and later where its start is later.
    """
    changes = []
    for budget in wanted:
        schedule, start = schedules.get(budget.name, Schedule()), budget.start
        if schedule.parts:
            start = max(start or "", period_start(today.day, budget.period).isoformat())
        changes.append(stated_change(schedule, msgspec.structs.replace(budget, start=start), today))
    return changes


def removal(schedule: Schedule, name: str, stated: date | None, today: Today) -> BudgetChange:
    """Returns what removing a budget changes, from the day or from the first day of this period on."""
    if not schedule.is_live(stated or today.day):
        raise LedgerError(f"budget {shown(name)} has ended: nothing holds on {stated or today.day} or later")
    live = [part.budget for part in schedule.parts if part.budget is not None]
    period = (schedule.on(stated or today.day) or live[-1]).period
    day = stated or period_start(today.day, period)
    start = first_start(day, period)
    if not schedule.is_live(start):
        raise LedgerError(f"budget {shown(name)} ends with {schedule.parts[-1].start} already, before {start}")
    before = schedule.on(start) or next(part.budget for part in schedule.after(start) if part.budget is not None)
    refuse_closed(before, day, today)
    return BudgetChange("removed", name, before, None, day, start)


def refuse_closed(budget: Budget, stated: date, today: Today) -> None:
    """Refuses a start in a closed month, by naming the first open day and the period that it would begin."""
    if stated.isoformat()[:7] >= today.first_open:
        return
    first_day = date.fromisoformat(f"{today.first_open}-01")
    raise LedgerError(
        f"budget {shown(budget.name)}: its start {stated} lies in {stated:%Y-%m}, which is closed: "
        f"the first open day is {first_day}, for the {budget.period} from {first_start(first_day, budget.period)} on"
    )
