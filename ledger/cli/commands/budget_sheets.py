"""Budgets, and changes of them, as sheets."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from msgspec.structs import replace

from ledger.cli.show.sheet import Cell, Column, Sheet, columns, json_row, without_fees
from ledger.reports.completeness_words import (
    not_booked_document,
    not_booked_words,
    silence_documents,
    silence_words,
)
from ledger.values.amounts import CREDITS
from ledger.values.budget import DEFAULT_ALERTS, DEFAULT_FORECAST_ALERTS
from ledger.values.instants import moment_text
from ledger.values.words import counted, tenths
from pricing.money import format_nano

if TYPE_CHECKING:
    from ledger.budgets.events import Event
    from ledger.budgets.schedule import BudgetChange, Schedules
    from ledger.budgets.status import BudgetStatus, Status
    from ledger.values.budget import Budget
    from ledger.values.spend import Spend

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
STATUS = (
    Column("kind", shown=False),
    *columns("text", "budget", "period"),
    *columns("money", "actual", "amount"),
    Column("currency"),
    Column("not_booked", "count"),
    Column("used_percent", "decimal"),
    Column("elapsed_percent", "decimal", priority=5),
    Column("left", "money", priority=4),
    Column("days_left", "decimal", priority=6),
    Column("left_a_day", "money", priority=3),
    Column("crossed", priority=1),
    Column("forecast_method", priority=1),
    Column("forecast_low", "money", priority=2),
    Column("forecast", "money"),
    Column("forecast_high", "money", priority=2),
    Column("variance", "money", priority=7),
    Column("runs_out", priority=1),
    Column("crossed_by_forecast", priority=1),
)
# Tables have these where a row says more than what is usual.
RARE = {*RULE, BEFORE, UNTIL}
USUAL: tuple[Cell, ...] = ("", ", ".join(map(str, DEFAULT_ALERTS)), ", ".join(map(str, DEFAULT_FORECAST_ALERTS)), {})


def changes_sheet(changes: Sequence[BudgetChange], title: str) -> Sheet:
    """Lays out the changes that stating budgets makes, a row each; `before` are the fields that were otherwise."""
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
    """Lays out the budgets from today on, a row a version; `until` is the day from which another, or none, holds."""
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
    """Returns the columns, those in which no row says more than the default for programs alone."""
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
    """Returns the fields as JSON has them: what isn't given is null."""
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
    """Returns a field as a cell: several in one, nothing where it isn't given."""
    if isinstance(value, dict):
        return ", ".join(f"{month} {amount}" for month, amount in value.items())
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value or "")


def status_sheet(found: Status, basis: str, zone: ZoneInfo, undelivered: Sequence[Event]) -> Sheet:
    """Lays out the budgets as rows, then of the month what is late, corrected and in none of them, and all of it.

    JSON has the last four apart; people see those of late usage and corrections where there is anything.
    """
    rows: list[list[Cell]] = [_status_row(each) for each in found.budgets]
    parts = [_month_row(kind, found, getattr(found, kind)) for kind in ("late", "corrections")]
    ends = [_month_row(kind, found, getattr(found, kind), found.not_booked.lines) for kind in ("unbudgeted", "total")]
    told = [row for row, spend in zip(parts, (found.late, found.corrections), strict=True) if spend.parts]
    title = f"Budgets at {moment_text(found.at, 'seconds')}, {found.month} ({basis}, {zone.key})"
    calls = {"unbooked_tool_calls": found.unbooked_calls} if found.unbooked_calls else {}
    document = {
        "title": title,
        "month": found.month,
        "at": moment_text(found.at, "seconds"),
        "basis": basis,
        "data_through": found.data_through,
        "not_booked": not_booked_document(found.not_booked),
        "silent": silence_documents(found.silent),
        **calls,
        "rows": [_status_document(each, row) for each, row in zip(found.budgets, rows, strict=False)],
        "late": _spend_document(found.late),
        "corrections": _spend_document(found.corrections),
        "unbudgeted": _spend_document(found.unbudgeted),
        "total": _spend_document(found.total),
        "undelivered": [_undelivered_document(each) for each in undelivered],
    }
    footnotes = [f"data through {found.data_through}"] if found.data_through else []
    footnotes += gap_words(found)
    footnotes += _undelivered_words(undelivered)
    whole = [*rows, *parts, *ends]
    return Sheet(title, _told(whole), whole, document=document, footnotes=footnotes, brief=[*rows, *told, *ends])


def gap_words(found: Status) -> list[str]:
    """Returns what readers of the figures must know: lines under a table, notes beside a file."""
    fees = [without_fees(found.unbooked_calls)] if found.unbooked_calls else []
    return [*not_booked_words(found.not_booked), *fees, *map(silence_words, found.silent)]


def _undelivered_words(undelivered: Sequence[Event]) -> list[str]:
    """Returns the lines on alerts and on digests that wait, each sent by runs of their own."""
    digests = sum(event.alert.is_digest for event in undelivered)
    alerts = len(undelivered) - digests
    lines = [f"{counted(alerts, 'alert')} not delivered yet: 'tollbook budget notify' sends them"] if alerts else []
    if digests:
        sends = "'tollbook budget notify --digest' sends them, with their --channel"
        lines.append(f"{counted(digests, 'digest')} not delivered yet: {sends}")
    return lines


def _undelivered_document(event: Event) -> dict[str, object]:
    alert = event.alert
    facts = {"kind": alert.kind, "name": alert.name, "period": alert.period, "percent": alert.percent or None}
    return {"event_id": event.event_id, **facts, "attempts": event.attempts, "error": event.error}


def _told(rows: Sequence[Sequence[Cell]]) -> list[Column]:
    """Returns the columns of a status: people see those that say something, of a method that it is too early."""
    silent = {"forecast_method": ("", "run rate", "weekdays"), "not_booked": (0, None)}
    return [
        replace(
            column, shown=column.shown and any(row[place] not in silent.get(column.name, ("", None)) for row in rows)
        )
        for place, column in enumerate(STATUS)
    ]


def _status_row(status: BudgetStatus) -> list[Cell]:
    return [
        "budget",
        status.budget.name,
        status.label,
        status.actual_nano,
        status.amount_nano,
        status.budget.amount.currency,
        status.not_booked.lines,
        tenths(status.used * 100),
        tenths(status.elapsed * 100),
        status.left_nano,
        tenths(status.days_left),
        status.left_a_day_nano,
        _percents(status.crossed),
        *_forecast_cells(status),
    ]


def _forecast_cells(status: BudgetStatus) -> list[Cell]:
    """Returns the forecast's cells, empty where there is none."""
    found = status.forecast
    if found is None:
        return ["", None, None, None, None, "", ""]
    variance = None if found.expected is None else found.expected - status.amount_nano
    out = "" if status.runs_out is None else status.runs_out.isoformat()
    return [
        found.method, found.low, found.expected, found.high, variance, out, _percents(status.crossed_by_forecast)
    ]  # fmt: skip


def _percents(values: Sequence[int]) -> str:
    return ", ".join(f"{percent}%" for percent in values)


def _month_row(kind: str, found: Status, spend: Spend, waiting: int | None = None) -> list[Cell]:
    name = "late usage" if kind == "late" else f"{kind}, at least" if waiting else kind
    return [kind, name, found.month, spend.usd_nano, None, "USD", waiting, *[None] * 5, "", "", *[None] * 4, "", ""]


def _status_document(status: BudgetStatus, row: Sequence[Cell]) -> dict[str, object]:
    cells = json_row(STATUS[1:], row[1:])
    other = {"not_compared": list(status.other)} if status.other else {}
    lists = {"crossed": status.crossed, "crossed_by_forecast": status.crossed_by_forecast}
    texts = {name: cells[name] or None for name in ("forecast_method", "runs_out")}
    waiting = {"not_booked": not_booked_document(status.not_booked)}
    return cells | waiting | lists | texts | {"owner": status.budget.owner} | other


def _spend_document(spend: Spend) -> dict[str, object]:
    return {"requests": spend.records, "credits": format_nano(spend.nano(CREDITS)), "usd": spend.usd_text}
