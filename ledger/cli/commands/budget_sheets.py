"""Budgets, and changes of them, as sheets."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import date
from typing import TYPE_CHECKING

from ledger.cli.show.sheet import Cell, Column, Sheet, columns, json_row
from ledger.values.budget import DEFAULT_ALERTS, DEFAULT_FORECAST_ALERTS
from pricing.money import format_nano

if TYPE_CHECKING:
    from ledger.budgets.schedule import BudgetChange, Schedules
    from ledger.values.budget import Budget

AMOUNT = (Column("amount", "money", exact=True), *columns("text", "currency", "period"))
RULE = (
    *columns("text", "projects", "models", "tags", priority=1),
    *columns("text", "alerts", "alert_forecast", priority=3),
    *columns("text", "owner", "notify", priority=2),
    Column("months", "facts", priority=2),
)
BEFORE = Column("before", "facts")
UNTIL = Column("until", priority=1)
CHANGES = (*columns("text", "change", "budget"), *AMOUNT, Column("from"), *RULE, BEFORE)
LIST = (Column("budget"), *AMOUNT, Column("from"), UNTIL, *RULE)
# Tables have these where a row says more than what is usual.
RARE = {*RULE, BEFORE, UNTIL}
USUAL: tuple[Cell, ...] = ("", ", ".join(map(str, DEFAULT_ALERTS)), ", ".join(map(str, DEFAULT_FORECAST_ALERTS)), {})


def changes_sheet(changes: Sequence[BudgetChange], title: str) -> Sheet:
    """What stating budgets changes, a row each; `before` are the fields that were otherwise."""
    rows: list[list[Cell]] = []
    document_rows = []
    for change in changes:
        shown = change.after or change.before
        assert shown is not None
        facts, then = _facts(shown), {} if change.before is None else _facts(change.before)
        before = {name: then[name] for name in then if change.after is None or then[name] != facts[name]}
        row = [change.change, change.name, *_amount(shown), change.start.isoformat(), *_rule(shown)]
        rows.append([*row, {name: _text(value) for name, value in before.items() if change.after}])
        document_rows.append(
            {"change": change.change, "budget": change.name, "from": change.start.isoformat(), **facts}
            | {"before": before if change.after else {}}
        )
    return Sheet(title, _telling(CHANGES, rows), rows, document={"title": title, "changes": document_rows})


def list_sheet(schedules: Schedules, today: date) -> Sheet:
    """The budgets from today on, a row a version; `until` is the day from which another one, or none, holds."""
    rows: list[list[Cell]] = []
    document_rows = []
    for name, schedule in schedules.items():
        for number, part in enumerate(schedule.parts):
            end = schedule.parts[number + 1].start if number + 1 < len(schedule.parts) else None
            if part.budget is None or (end is not None and end <= today):
                continue
            dates: list[Cell] = [part.start.isoformat(), None if end is None else end.isoformat()]
            rows.append([name, *_amount(part.budget), dates[0], dates[1] or "", *_rule(part.budget)])
            document_rows.append({"budget": name, "from": dates[0], "until": dates[1], **_facts(part.budget)})
    return Sheet("Budgets", _telling(LIST, rows), rows, document={"title": "Budgets", "budgets": document_rows})


def _telling(columns: Sequence[Column], rows: Sequence[Sequence[Cell]]) -> list[Column]:
    """The columns, those in which no row says more than the default for programs alone."""
    return [
        replace(column, shown=column not in RARE or any(row[place] not in USUAL for row in rows))
        for place, column in enumerate(columns)
    ]


def _amount(budget: Budget) -> list[Cell]:
    return [budget.amount.nano, budget.amount.currency, budget.period]


def _rule(budget: Budget) -> list[Cell]:
    facts = _facts(budget)
    months = {month: format_nano(nano) for month, nano in budget.months.items()}
    return [*(_text(facts[column.name]) for column in RULE[:-1]), months]


def _facts(budget: Budget) -> dict[str, object]:
    """The fields as JSON has them: what isn't given is null."""
    return {
        **json_row(AMOUNT, _amount(budget)),
        "projects": list(budget.projects),
        "models": list(budget.models),
        "tags": [f"{key}={value}" for key, value in budget.tags],
        "alerts": list(budget.alerts),
        "alert_forecast": list(budget.alert_forecast),
        "owner": budget.owner,
        "notify": budget.notify,
        "months": {month: format_nano(nano) for month, nano in budget.months.items()},
    }


def _text(value: object) -> str:
    """A field as a cell: several in one, nothing where it isn't given."""
    if isinstance(value, dict):
        return ", ".join(f"{month} {amount}" for month, amount in value.items())
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value or "")
