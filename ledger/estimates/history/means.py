"""Means of past requests, for what an estimate isn't given."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from functools import cache
from typing import TypeAlias

from ledger.estimates.history.profile import DAY, STATUSES
from ledger.reports.extent import latest_day
from ledger.reports.selection import Selection
from ledger.reports.spend import read_spend
from ledger.store.database import Database
from ledger.values.calendar import day_start
from pricing.money import divide_half_even

MEANS_DAYS = 90
Means: TypeAlias = Callable[[str, str | None], int | None]


def ledger_means(database: Database, *, now: datetime) -> Means:
    """Finds mean output tokens by model and project in the roll-ups, each read once.

    Over the 90 days up to the last one, today or before, that the model has requests on in that project: what prompts
    did long ago says little, and a ledger that is fed seldom still answers. Over all projects where none is named.
    Rounded half-even to whole tokens; None without requests.
    """
    zone, today = database.zone, now.astimezone(database.zone).date()

    @cache
    def mean(model: str, project: str | None) -> int | None:
        projects = () if project is None else (project,)
        with database.reading() as connection:
            last = latest_day(connection, Selection(zone, projects=projects, models=(model,)), until=today)
            if last is None:
                return None
            start, end = day_start(last - (MEANS_DAYS - 1) * DAY, zone), day_start(last + DAY, zone)
            selection = Selection(zone, start, end, "occurred", ("status",), projects, (model,))
            spend = read_spend(connection, selection, ledger_zone=zone, rollup_tags=database.rollup_tags)
        sums = [row.sums for row in spend.rows if row.dimensions[0] in STATUSES]
        requests = sum(each.requests for each in sums)
        return divide_half_even(sum(each.output_tokens for each in sums), requests) if requests else None

    return mean
