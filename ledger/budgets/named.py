"""The budget that a gate means by its name: the ledger's, else a file's, and how far it is used now."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from ledger.book.known_names import words_on
from ledger.budgets.asked import asked_time
from ledger.budgets.definitions import read_schedules
from ledger.budgets.schedule import Part, Schedule, Today, stated_change
from ledger.budgets.status import BudgetStatus, status_in
from ledger.errors import LedgerError
from ledger.reports.completeness import Silence
from ledger.reports.snapshot import Snapshot
from ledger.store.database import Database
from ledger.values.budget import Budget, check_budget
from pricing.errors import shown


@dataclass(frozen=True, slots=True)
class NamedBudget:
    """A budget in its period of now; `file` is where it stands, None where the ledger has it.

    `silent` are the ledger's sources that are; `notes` say how it was read.
    """

    use: BudgetStatus
    file: str | None = None
    silent: Sequence[Silence] = ()
    notes: Sequence[str] = ()


def read_named(
    database: Database,
    name: str,
    filed: Mapping[str, Budget],
    file: str,
    *,
    expectations: Mapping[str, timedelta],
    now: datetime,
) -> NamedBudget:
    """Reads how far a budget is used now, from one snapshot of a ledger.

    `filed` are a file's budgets, for a name that the ledger lacks. `expectations` are the longest silences that
    `[[source]]` declares.
    """
    asked = asked_time(None, None, zone=database.zone, now=now)
    with database.reading() as connection:
        schedules = read_schedules(connection)
        if name not in schedules and name not in filed:
            raise LedgerError(words_on("budget", name, {*schedules, *filed}, where=f"this ledger or {file}"))
        schedule = schedules[name] if name in schedules else _as_applied(filed[name], file, asked.day, now)
        budget = schedule.on(asked.day)
        if budget is None:
            raise _not_held(name, schedule, asked.day)
        snapshot = Snapshot.of(connection, database)
        status = status_in(snapshot, asked, basis="posted", now=now, expectations=expectations, budgets=[budget])
    return NamedBudget(status.budgets[0], None if name in schedules else file, status.silent, status.notes)


def _as_applied(budget: Budget, file: str, day: date, now: datetime) -> Schedule:
    """Returns the schedule of a file's budget in a ledger that has none and no closed month."""
    check_budget(budget, lambda field: f"{file}: budget {shown(budget.name)}: {field}")
    change = stated_change(Schedule(), budget, Today(day, ""))
    return Schedule((Part(change.start, change.after, now),))


def _not_held(name: str, schedule: Schedule, day: date) -> LedgerError:
    begins = [part.start for part in schedule.after(day) if part.budget is not None]
    when = f"it begins on {begins[0]}" if begins else f"it ended on {schedule.parts[-1].start}"
    return LedgerError(f"budget {shown(name)} doesn't hold on {day}: {when}; name another, or 'tollbook budget set' it")
