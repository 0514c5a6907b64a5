"""The SELECTs behind a report: sums grouped by what its dimensions and USD need."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from sqlalchemy import (
    ColumnElement,
    Connection,
    Select,
    Table,
    and_,
    case,
    func,
    literal_column,
    or_,
    select,
    true,
    union_all,
)

from ledger.book.quarters import read_quarters
from ledger.book.rows import OPTIONAL_COUNTS, Facts
from ledger.book.with_usage import WITH_USAGE, usage_column
from ledger.reports.plan import ADJUSTMENT, CORRECTION, PART, Changes, Plan
from ledger.reports.quarter_sums import DAY_US, DAYS_BEFORE_EPOCH, sums_of_quarters
from ledger.reports.selection import Selection, charge_instant, charges_in_period, period_parts
from ledger.store.expressions import column_within, literal_int, microseconds, terms_of
from ledger.store.tables import charges, rollup_days, rollup_keys, rollup_quarters
from ledger.values.calendar import QUARTER_US, day_start, month_start, shift_month
from ledger.values.instants import MICROSECOND, to_microseconds

LAST_MONTH = "9999-12"
OPTIONAL_MEASURES = Facts._fields[OPTIONAL_COUNTS]


def narrowed(selection: Selection, project: ColumnElement[str], model: ColumnElement[str]) -> ColumnElement[bool]:
    """Makes the condition that columns hold a project and a model that the selection asks for."""
    conditions: list[ColumnElement[bool]] = [true()]
    if selection.projects:
        conditions.append(project.in_(selection.projects))
    if selection.models:
        conditions.append(model.in_(selection.models))
    return and_(*conditions)


class KeyRange(NamedTuple):
    """The keys that meet a condition: the first and last of them, and the months that their usage occurred in.

    Keys are numbered as they first come up, so those of a month lie close together: their range keeps the database
    from reading the roll-up of all months.
    """

    first: int
    last: int
    first_month: str
    last_month: str
    condition: ColumnElement[bool]

    def finds(self, key_id: ColumnElement[int]) -> ColumnElement[bool]:
        """Makes the condition that a column holds one of the keys."""
        return and_(key_id.between(self.first, self.last), key_id.in_(select(rollup_keys.c.id).where(self.condition)))

    def narrow(
        self, start: datetime | None, end: datetime | None, zone: ZoneInfo
    ) -> tuple[datetime | None, datetime | None]:
        """Returns the bounds of a period, and of the months where it has none."""
        if start is None:
            start = month_start(self.first_month, zone)
        if end is None and self.last_month < LAST_MONTH:
            end = month_start(shift_month(self.last_month, 1), zone)
        return start, end


def sums_of_rollups(connection: Connection, plan: Plan) -> Iterator[Sequence[Any]]:
    """Rows of the group columns, the day where it is needed, the sums and the latest usage, from the roll-ups.

    Several rows may be of the same groups and day. Days are summed by key first, in the order of the primary key, then
    by dimensions: half the time of one join on SQLite.
    """
    selection, keys = plan.selection, rollup_keys
    filters = narrowed(selection, keys.c.project, keys.c.billed_model)
    group = [_group_column(keys, name) for name in plan.group_names]
    selects = []
    for part in period_parts(selection, plan.ledger_zone, keys.c.posted_month, keys.c.occurred_month):
        wanted = _key_range(connection, and_(part.months, filters))
        if wanted is None:
            continue
        pieces = _pieces(plan, timed=part.timed)
        if pieces.days is not None:
            selects.append(_sums_by_key(plan, pieces.days, wanted))
        for start, end in pieces.quarters:
            of_keys = select(keys.c.id, *group).where(wanted.condition)
            groups = {number: tuple(values) for number, *values in connection.execute(of_keys)}
            bounds = wanted.narrow(start, end, plan.ledger_zone)
            cells = read_quarters(connection, wanted.finds(rollup_quarters.c.key_id), *bounds)
            yield from sums_of_quarters(plan, groups, cells)
    if selects:
        inner = (selects[0] if len(selects) == 1 else union_all(*selects)).subquery("sums")
        group += [inner.c.day] if plan.needs_day else []
        sums = [func.sum(column) for column in inner.c if column.name.startswith("sum_")]
        outer = select(*group, *sums, func.max(inner.c.last)).join_from(inner, keys, keys.c.id == inner.c.key_id)
        yield from connection.execute(outer.group_by(*group))


def _key_range(connection: Connection, condition: ColumnElement[bool]) -> KeyRange | None:
    """Reads the range of the keys that meet a condition; None without any."""
    keys = rollup_keys.c
    bounds = (func.min(keys.id), func.max(keys.id), func.min(keys.occurred_month), func.max(keys.occurred_month))
    row = connection.execute(select(*bounds).where(condition)).one()
    return None if row[0] is None else KeyRange(*row, condition)


def _group_column(table: Table, name: str) -> ColumnElement[Any]:
    """Returns a column of roll-up keys or charges to group by; a charge's part is worked out of others."""
    if name != PART:
        return table.c[name]
    classes = table.c.charge_class
    corrects = and_(
        or_(*(classes == literal_column(f"'{correcting}'") for correcting in ("reversal", "replacement"))),
        table.c.posted_month != table.c.occurred_month,
    )
    return case(
        (classes == literal_column("'adjustment'"), literal_column(f"'{ADJUSTMENT}'")),
        (corrects, literal_column(f"'{CORRECTION}'")),
    )


def _sums_by_key(plan: Plan, time: ColumnElement[bool], wanted: KeyRange) -> Select[Any]:
    """Sums days by key; where rows are needed by day, the roll-up's own rows, which are by both already."""
    table = rollup_days
    by: list[ColumnElement[Any]] = [table.c.key_id, table.c.day] if plan.needs_day else [table.c.key_id]
    terms = [term for name in plan.measures for term in terms_of(table.c[name], halves=plan.halves)]
    last = microseconds(table.c.last_occurred_at)
    if not plan.needs_day:
        terms, last = [func.sum(term) for term in terms], func.max(last)
    found = select(*by, *(term.label(f"sum_{number}") for number, term in enumerate(terms)), last.label("last"))
    found = found.where(wanted.finds(table.c.key_id), time)
    return found if plan.needs_day else found.group_by(*by)


class _Pieces(NamedTuple):
    """The days to sum, by a condition, and bounds of the quarter-hours."""

    days: ColumnElement[bool] | None
    quarters: Sequence[tuple[datetime | None, datetime | None]] = ()


def _pieces(plan: Plan, *, timed: bool) -> _Pieces:
    """Tiles the period, or all time: with whole days of the ledger's zone, and quarter-hours before and after them.

    With quarter-hours alone where days of another zone are asked for: they are twenty times as many cells.
    """
    start, end = (plan.selection.start, plan.selection.end) if timed else (None, None)
    first, after = _day_at(start, plan.ledger_zone, up=True), _day_at(end, plan.ledger_zone)
    if plan.by_local_day or (first and after and first[0] >= after[0]):
        return _Pieces(None, [(start, end)])
    quarters = []
    if start and first and start != first[0]:
        quarters.append((start, first[0]))
    if end and after and end != after[0]:
        quarters.append((after[0], end))
    return _Pieces(column_within(rollup_days.c.day, first and first[1], after and after[1]), quarters)


def _day_at(moment: datetime | None, zone: ZoneInfo, *, up: bool = False) -> tuple[datetime, str] | None:
    """Returns start and name of the day that the moment lies in; with `up`, of the first that starts then or later."""
    if moment is None:
        return None
    day = moment.astimezone(zone).date()
    if up and day_start(day, zone) < moment:
        day += timedelta(days=1)
    return day_start(day, zone), day.isoformat()


def sums_of_charges(connection: Connection, plan: Plan) -> Iterator[Sequence[Any]]:
    """Yields the same rows from charges and their usage records, streamed."""
    selection = plan.selection
    instant = charge_instant(connection, plan.ledger_zone, microseconds(usage_column("occurred_at")))
    terms = [term for name in plan.measures for term in terms_of(_measure(name), halves=plan.halves)]
    # What an adjustment, which has no usage, shows in its place: see `adjustment_facts`.
    of_usage: dict[str, ColumnElement[Any]] = {
        "source": func.coalesce(usage_column("source"), charges.c.provider),
        "status": func.coalesce(usage_column("status"), literal_column("'completed'")),
        "tags": usage_column("tags"),
    }
    group: list[ColumnElement[Any]] = [
        of_usage[name] if name in of_usage else _group_column(charges, name) for name in plan.group_names
    ]
    if plan.needs_day:
        group = [*group, _local_time(plan, instant).label("day")]
    statement = (
        select(*group, *(func.sum(term) for term in terms), func.max(instant))
        .select_from(WITH_USAGE)
        .where(charges_in_period(selection, plan.ledger_zone, instant))
        .where(narrowed(selection, charges.c.project, charges.c.billed_model))
        .group_by(*group)
    )
    yield from connection.execute(statement, execution_options={"yield_per": 10_000})


def _measure(name: str) -> ColumnElement[Any]:
    """Returns a measure of one charge as the roll-ups count it: tokens and requests of a reversal are negative."""
    if name.endswith("_nano"):
        return charges.c[name]
    value: ColumnElement[Any] = literal_column("1") if name == "requests" else usage_column(name)
    if name in OPTIONAL_MEASURES:
        value = func.coalesce(value, literal_column("0"))
    counted = charges.c.charge_class != "adjustment"
    if name == "requests":
        counted = and_(counted, usage_column("kind") == "request")
    return case((~counted, literal_column("0")), (charges.c.charge_class == "reversal", -value), else_=value)


def _local_time(plan: Plan, instant: ColumnElement[int]) -> ColumnElement[int]:
    """Returns the start of the instant's quarter-hour, or the number of its day: whatever the rows are by."""
    if plan.by_quarter:
        return instant - instant % literal_int(QUARTER_US)
    return _local_day(instant, plan.changes)


def _local_day(instant: ColumnElement[int], changes: Changes) -> ColumnElement[int]:
    """Returns the number of the zone's calendar day, counted from DAYS_BEFORE_EPOCH days before 1970-01-01."""
    shifts = [literal_int(offset // MICROSECOND + DAYS_BEFORE_EPOCH * DAY_US) for _moment, offset in changes]
    shift = shifts[-1]
    if len(changes) > 1:
        # A shift holds until the next change; the last one for ever.
        ends = [literal_int(to_microseconds(moment)) for moment, _offset in changes[1:]]
        shift = case(*((instant < end, before) for end, before in zip(ends, shifts, strict=False)), else_=shifts[-1])
    return (instant + shift) // literal_int(DAY_US)
