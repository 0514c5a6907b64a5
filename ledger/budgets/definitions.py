"""Budgets in the ledger: read as schedules, stated, removed and applied; `budgets` holds their versions."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date, datetime
from typing import Any

import msgspec
from sqlalchemy import Connection, Row, select

from ledger.book.known_names import words_on
from ledger.book.open_months import first_open_month
from ledger.book.seals import append_sealed, read_sealed
from ledger.budgets.schedule import (
    BudgetChange,
    Part,
    Schedule,
    Schedules,
    Today,
    planned_changes,
    removal,
    stated_change,
)
from ledger.errors import LedgerError
from ledger.reports.selection import Selection
from ledger.reports.unknown import unknown_in_selection
from ledger.store.database import Database
from ledger.store.tables import budgets
from ledger.values.amounts import Amount
from ledger.values.budget import Budget
from ledger.values.budget_periods import first_start


def read_schedules(connection: Connection) -> Schedules:
    """Reads all budgets that the ledger ever had, by name."""
    found: dict[str, Schedule] = {}
    for row in connection.execute(select(budgets).order_by(budgets.c.id)):
        start = first_start(date.fromisoformat(row.effective_from), row.period)
        part = Part(start, None if row.removed else _budget(row), row.recorded_at)
        found[row.name] = found.get(row.name, Schedule()).with_part(part)
    return dict(sorted(found.items()))


def set_budget(database: Database, wanted: Budget, *, now: datetime) -> tuple[BudgetChange, tuple[Part, ...]]:
    """States a budget; the same again changes nothing. Returns with the change the parts that begin after it."""
    with database.writing() as connection:
        schedule = read_schedules(connection).get(wanted.name, Schedule())
        change = stated_change(schedule, wanted, _today(connection, database, now))
        _append(connection, change, now)
    return change, schedule.after(change.start)


def remove_budget(database: Database, name: str, stated: date | None, *, now: datetime) -> BudgetChange:
    """Ends a budget with the first of its periods that begins on the day or later; what was before stays."""
    with database.writing() as connection:
        schedules = read_schedules(connection)
        if name not in schedules:
            raise LedgerError(words_on("budget", name, schedules))
        change = removal(schedules[name], name, stated, _today(connection, database, now))
        _append(connection, change, now)
    return change


def apply_budgets(
    database: Database, wanted: Sequence[Budget], *, now: datetime, dry_run: bool
) -> tuple[list[BudgetChange], list[str]]:
    """States a file's budgets; returns what that changes, and the names of others in the ledger, left alone."""
    with database.reading() if dry_run else database.writing() as connection:
        schedules = read_schedules(connection)
        today = _today(connection, database, now)
        changes = planned_changes(schedules, wanted, today)
        if not dry_run:
            for change in changes:
                _append(connection, change, now)
    names = {budget.name for budget in wanted}
    return changes, [name for name, each in schedules.items() if name not in names and each.is_live(today.day)]


def unknown_in_budgets(database: Database, found: Sequence[Budget]) -> list[str]:
    """Returns words on each project, model and tag of the budgets that the ledger has never seen."""
    asked = Selection(
        database.zone,
        dimensions=(),
        projects=tuple(dict.fromkeys(name for budget in found for name in budget.projects)),
        models=tuple(dict.fromkeys(name for budget in found for name in budget.models)),
        tags=tuple(dict.fromkeys(tag for budget in found for tag in budget.tags)),
    )
    with database.reading() as connection:
        return unknown_in_selection(connection, asked, (), database.rollup_tags)


def check_budgets(connection: Connection) -> Iterator[str]:
    """Yields what is wrong with the rows: one is no longer as it was recorded, or missing."""
    for row, intact in read_sealed(connection, budgets):
        if not intact:
            yield f"budgets {row.id} ({row.name}): it is no longer as it was recorded"


def _today(connection: Connection, database: Database, now: datetime) -> Today:
    return Today(now.astimezone(database.zone).date(), first_open_month(connection))


def _budget(row: Row[Any]) -> Budget:
    return Budget(
        name=row.name,
        amount=Amount(row.amount_nano, row.currency),
        period=row.period,
        projects=tuple(msgspec.json.decode(row.projects)),
        models=tuple(msgspec.json.decode(row.models)),
        tags=tuple((key, value) for key, value in msgspec.json.decode(row.tags)),
        alerts=tuple(msgspec.json.decode(row.alerts)),
        alert_forecast=tuple(msgspec.json.decode(row.alert_forecast)),
        months=msgspec.json.decode(row.months),
        owner=row.owner,
        notify=row.notify,
    )


def _append(connection: Connection, change: BudgetChange, now: datetime) -> None:
    """Appends the version that a change makes; none where nothing is changed."""
    if change.change == "unchanged":
        return
    # The end of a budget is a day, whatever its periods are.
    nothing = Budget(name=change.name, amount=Amount(0, ""), period="day", alerts=(), alert_forecast=())
    budget = change.after or nothing

    def text(value: object) -> str:
        return msgspec.json.encode(value).decode()

    row = {
        "name": change.name,
        "amount_nano": budget.amount.nano,
        "currency": budget.amount.currency,
        "period": budget.period,
        "effective_from": (change.effective_from if change.after else change.start).isoformat(),
        "projects": text(budget.projects),
        "models": text(budget.models),
        "tags": text(budget.tags),
        "alerts": text(budget.alerts),
        "alert_forecast": text(budget.alert_forecast),
        "months": text(budget.months),
        "owner": budget.owner,
        "notify": budget.notify,
        "removed": int(change.after is None),
        "recorded_at": now,
    }
    append_sealed(connection, budgets, row)
