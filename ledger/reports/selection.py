"""The charges that a report is about, and the conditions that pick them.

A charge's posted time, by which the posted basis picks periods: its occurred time where it is in its own month's books,
else the first instant of its posted month in the ledger's zone. So a month of the ledger's zone holds exactly
the charges posted in it. The occurred basis goes by the occurred time alone. Over all time both hold the same charges.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal, NamedTuple, TypeAlias
from zoneinfo import ZoneInfo

from sqlalchemy import ColumnElement, Connection, and_, case, func, or_, select

from ledger.reports.dimensions import TAG_PREFIX
from ledger.store.expressions import column_within, literal_int, microseconds
from ledger.store.tables import charges, rollup_keys, usage_records
from ledger.values.calendar import QUARTER_US, is_day_start, month_start, shift_month
from ledger.values.instants import MICROSECOND, to_microseconds

OCCURRED_US = microseconds(usage_records.c.occurred_at)
Basis: TypeAlias = Literal["posted", "occurred"]


@dataclass(frozen=True, slots=True)
class Selection:
    """Charges of [start, end) by `basis` (None is open), narrowed by project, billed model and tags, by `dimensions`.

    Of several projects, models or values of one tag key any will do. `zone` is the report's, for day and month.
    """

    zone: ZoneInfo
    start: datetime | None = None
    end: datetime | None = None
    basis: Basis = "posted"
    dimensions: tuple[str, ...] = ("model",)
    projects: tuple[str, ...] = ()
    models: tuple[str, ...] = ()
    tags: tuple[tuple[str, str], ...] = ()

    @property
    def tag_keys(self) -> list[str]:
        """The tag keys that filters and dimensions ask for, in order, each once."""
        asked = [name.removeprefix(TAG_PREFIX) for name in self.dimensions if name.startswith(TAG_PREFIX)]
        return list(dict.fromkeys([*(key for key, _value in self.tags), *asked]))

    @property
    def wants_calendar(self) -> bool:
        """True where days or months of the report's zone are asked for."""
        return "day" in self.dimensions or "month" in self.dimensions

    def on_day_starts(self, zone: ZoneInfo) -> bool:
        """Tells whether both bounds are where days of the zone start."""
        return all(moment is None or is_day_start(moment, zone) for moment in (self.start, self.end))

    def on_quarters(self) -> bool:
        """Tells whether both bounds are on quarter-hours."""
        return all(moment is None or to_microseconds(moment) % QUARTER_US == 0 for moment in (self.start, self.end))


class MonthBounds:
    """Conditions on posted and occurred month that a period comes to in the ledger's zone."""

    def __init__(self, selection: Selection, ledger_zone: ZoneInfo) -> None:
        self._start, self._end = selection.start, selection.end
        self._zone = ledger_zone

    def first_instant_within(self, month: ColumnElement[str]) -> ColumnElement[bool]:
        """Makes the condition that the month's first instant lies in the period."""
        start, end = (moment and self._month_from(moment) for moment in (self._start, self._end))
        return column_within(month, start, end)

    def overlaps(self, month: ColumnElement[str]) -> ColumnElement[bool]:
        """Makes the condition that the month has some part in the period."""
        start = self._start and self._month_of(self._start)
        end = self._end and shift_month(self._month_of(self._end - MICROSECOND), 1)
        return column_within(month, start, end)

    @property
    def whole_months(self) -> bool:
        """True where both bounds are where months of the ledger's zone start."""
        bounds = [moment for moment in (self._start, self._end) if moment is not None]
        return all(month_start(self._month_of(moment), self._zone) == moment for moment in bounds)

    def _month_of(self, moment: datetime) -> str:
        return f"{moment.astimezone(self._zone):%Y-%m}"

    def _month_from(self, moment: datetime) -> str:
        """Returns the first month that starts at the moment or later."""
        month = self._month_of(moment)
        return month if month_start(month, self._zone) >= moment else shift_month(month, 1)


class Part(NamedTuple):
    """Charges that one condition on their months finds; `timed` ones must also have occurred within the period."""

    months: ColumnElement[bool]
    timed: bool


def period_parts(
    selection: Selection, ledger_zone: ZoneInfo, posted_month: ColumnElement[str], occurred_month: ColumnElement[str]
) -> list[Part]:
    """Parts the period's charges; the parts don't overlap."""
    bounds = MonthBounds(selection, ledger_zone)
    if selection.basis == "occurred":
        return [Part(bounds.overlaps(occurred_month), not bounds.whole_months)]
    if bounds.whole_months:
        return [Part(bounds.overlaps(posted_month), timed=False)]
    return [
        Part(and_(occurred_month == posted_month, bounds.overlaps(posted_month)), timed=True),
        Part(and_(occurred_month != posted_month, bounds.first_instant_within(posted_month)), timed=False),
    ]


def charge_instant(
    connection: Connection, ledger_zone: ZoneInfo, occurred: ColumnElement[int] = OCCURRED_US
) -> ColumnElement[int]:
    """Returns when a charge's usage occurred, in microseconds; an adjustment, which has none, at its month's start."""
    adjusted = select(rollup_keys.c.occurred_month).where(rollup_keys.c.charge_class == "adjustment").distinct()
    months = list(connection.execute(adjusted).scalars())
    if not months:
        return occurred
    starts = {month: to_microseconds(month_start(month, ledger_zone)) for month in months}
    start = case(*((charges.c.occurred_month == month, literal_int(start)) for month, start in starts.items()))
    return func.coalesce(occurred, start)


def charges_in_period(selection: Selection, ledger_zone: ZoneInfo, instant: ColumnElement[int]) -> ColumnElement[bool]:
    """Makes the condition on charges joined with their usage records; `instant` is their `charge_instant`."""
    bounds = [moment and to_microseconds(moment) for moment in (selection.start, selection.end)]
    within = column_within(instant, *bounds)
    parts = period_parts(selection, ledger_zone, charges.c.posted_month, charges.c.occurred_month)
    return or_(*(and_(part.months, within) if part.timed else part.months for part in parts))
