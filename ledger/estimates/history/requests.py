"""Past requests: counts by output tokens, the first one and the latest day."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date, datetime, timedelta
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from sqlalchemy import Column, Connection, Select, Table, case, func, literal_column, select

from ledger.reports.selection import Selection, charges_in_period
from ledger.reports.sums import narrowed
from ledger.store.expressions import column_within, joined, microseconds, terms_of
from ledger.store.tables import charges, rollup_days, rollup_keys, rollup_quarters, usage_records
from ledger.values.calendar import day_start

ROWS_AT_ONCE = 10_000


class OutputCount(NamedTuple):
    """Requests of a project and model with the same output tokens; input includes cached."""

    project: str
    model: str
    output_tokens: int
    requests: int
    input_tokens: int
    cached_input_tokens: int


def read_output_counts(
    connection: Connection, selection: Selection, *, statuses: Sequence[str], ledger_zone: ZoneInfo
) -> Iterator[OutputCount]:
    """Streams the selection's live requests by project, model and rising output tokens.

    A reversal counts as -1 request with its charge's facts, so that what is left of a sum is what is live. Projects
    come in the database's own order. Tags and dimensions of the selection are ignored.
    """
    # SQLite's sums end at 64 bits.
    halves = connection.dialect.name == "sqlite"
    sign = case((charges.c.charge_class == "reversal", literal_column("-1")), else_=literal_column("1"))
    measures = [sign, sign * usage_records.c.input_tokens, sign * usage_records.c.cached_input_tokens]
    terms = [term for measure in measures for term in terms_of(measure, halves=halves)]
    group = (charges.c.project, charges.c.billed_model, usage_records.c.output_tokens)
    statement = (
        select(*group, *map(func.sum, terms))
        .join_from(charges, usage_records, usage_records.c.id == charges.c.usage_record_id)
        .where(usage_records.c.kind == "request", usage_records.c.status.in_(statuses))
        .where(charges_in_period(selection, ledger_zone, microseconds(usage_records.c.occurred_at)))
        .where(narrowed(selection, charges.c.project, charges.c.billed_model))
        .group_by(*group)
        .having(func.sum(sign) != 0)
        .order_by(*group)
    )
    result = connection.execute(statement, execution_options={"yield_per": ROWS_AT_ONCE})
    for project, model, output_tokens, *sums in result:
        yield OutputCount(project, model, output_tokens, *joined(sums, halves=halves))


def first_request(connection: Connection, selection: Selection, *, ledger_zone: ZoneInfo) -> datetime | None:
    """The quarter-hour in which the selection's projects and models had their first request.

    None where there is none. Voided requests don't count.
    """
    days = _with_requests(rollup_days, rollup_days.c.day, selection)
    day: str | None = connection.execute(days.order_by(rollup_days.c.day).limit(1)).scalar()
    if day is None:
        return None
    start, end = (day_start(date.fromisoformat(day) + timedelta(days=more), ledger_zone) for more in (0, 1))
    quarter = rollup_quarters.c.quarter
    quarters = _with_requests(rollup_quarters, quarter, selection).where(column_within(quarter, start, end))
    found: datetime | None = connection.execute(quarters.order_by(quarter).limit(1)).scalar()
    return found or start


def latest_day(connection: Connection, selection: Selection, *, until: date) -> date | None:
    """The latest day up to `until` with requests of the selection's projects and models."""
    column = rollup_days.c.day
    days = _with_requests(rollup_days, column, selection).where(column <= until.isoformat())
    day: str | None = connection.execute(days.order_by(column.desc()).limit(1)).scalar()
    return None if day is None else date.fromisoformat(day)


def _with_requests(table: Table, time: Column[Any], selection: Selection) -> Select[tuple[Any]]:
    """A roll-up's times with requests of the selection's projects and models."""
    keys = select(rollup_keys.c.id).where(narrowed(selection, rollup_keys.c.project, rollup_keys.c.billed_model))
    statement = select(time).group_by(time).having(func.sum(table.c.requests) > 0)
    return statement.where(table.c.key_id.in_(keys)) if selection.projects or selection.models else statement
