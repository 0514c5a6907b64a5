"""The gaps of a status: what waits in quarantine of its budgets and month, and sources that are silent."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from ledger.reports.completeness import NotBooked, read_each_not_booked, read_silences
from ledger.reports.selection import Selection

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from ledger.budgets.asked import Asked
    from ledger.budgets.status import BudgetStatus, Status


def with_gaps(
    connection: Connection,
    status: Status,
    asked: Asked,
    month: Selection,
    expectations: Mapping[str, timedelta],
    *,
    now: datetime,
) -> Status:
    """Adds what waits of each budget and of the month, a selection, and the sources silent then, or now if earlier."""
    [of_month] = read_each_not_booked(connection, [month])
    return replace(
        status,
        budgets=budgets_with_gaps(connection, status.budgets, asked, month),
        not_booked=of_month,
        silent=read_silences(connection, expectations, ledger_zone=month.zone, at=min(asked.at, now)),
    )


def budgets_with_gaps(
    connection: Connection, budgets: Sequence[BudgetStatus], asked: Asked, base: Selection
) -> list[BudgetStatus]:
    """Adds what waits of each budget's period, on the basis of a selection; one pass serves those of one period."""
    by_period: dict[tuple[datetime, datetime], list[BudgetStatus]] = defaultdict(list)
    for each in budgets:
        by_period[each.start, each.end].append(each)
    waiting: dict[str, NotBooked] = {}
    for bounds, found in by_period.items():
        rules = [each.budget for each in found]
        selections = [
            replace(asked.selection(base, *bounds), projects=rule.projects, models=rule.models, tags=rule.tags)
            for rule in rules
        ]
        each_waiting = read_each_not_booked(connection, selections)
        waiting.update(zip((rule.name for rule in rules), each_waiting, strict=True))
    return [replace(each, not_booked=waiting[each.budget.name]) for each in budgets]
