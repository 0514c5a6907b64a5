"""From which table a selection's sums are read: a roll-up wherever one can tell, else the charges themselves."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Literal, NamedTuple, TypeAlias
from zoneinfo import ZoneInfo

import msgspec
from sqlalchemy import Connection, func, select

from ledger.reports.selection import Selection
from ledger.store.tables import rollup_keys
from ledger.values.calendar import QUARTER, QUARTER_US, month_start, offset_changes, shift_month
from ledger.values.instants import to_microseconds

Grain: TypeAlias = Literal["days", "quarters", "charges"]
Changes: TypeAlias = Sequence[tuple[datetime, timedelta]]

# The part of a total that a charge belongs to, which no column holds: an adjustment, a correction of a closed month
# (a reversal or replacement in the books of a later month than its usage's), or usage.
PART, CORRECTION, ADJUSTMENT = "part", "correction", "adjustment"

# The columns of `rollup_keys` (and of charges or their usage records) that dimensions are read from.
KEY_COLUMN = {
    "model": "billed_model",
    "project": "project",
    "tier": "tier",
    "source": "source",
    "provider": "provider",
    "status": "status",
    "currency": "currency",
    "charge_class": "charge_class",
    "service_tier": "rate_entry_id",  # each price is of one service tier
    # Not for reports, whose months are those of their own basis and zone.
    "occurred_month": "occurred_month",
    "posted_month": "posted_month",
    PART: PART,
}
# A dimension that isn't for reports either: the start of the quarter-hour of occurrence, in microseconds UTC as digits.
QUARTERS = "quarter"
# What every grouped row has, for USD and cache savings.
FIXED_COLUMNS = ("currency", "conversion_id", "rate_entry_id", "tier")


class Sums(NamedTuple):
    """Exact sums: tokens, and nano of the row's currency. Input tokens include cached ones and those written."""

    requests: int
    input_tokens: int
    cached_input_tokens: int
    output_tokens: int
    reasoning_tokens: int
    input_nano: int
    cached_input_nano: int
    output_nano: int
    cache_storage_nano: int
    amount_nano: int
    cache_write_5m_tokens: int = 0
    cache_write_1h_tokens: int = 0
    calls: int = 0


class Plan(msgspec.Struct):
    """The sums to read, and how their grouped columns become dimensions.

    `grain` days reads days alone; quarters reads quarter-hours where days of the ledger's zone don't do; charges are
    read themselves for the `reason` given. `changes` are the report zone's UTC offsets, where days need them. `halves`
    sums the upper and the lower half of each number apart, as SQLite's sums end at 64 bits. With `amounts_alone` only
    amounts are summed, whatever they were charged at.
    """

    selection: Selection
    ledger_zone: ZoneInfo
    grain: Grain = "days"
    reason: str | None = None
    changes: Changes = ()
    halves: bool = False
    amounts_alone: bool = False

    @property
    def same_zone(self) -> bool:
        """True where the report's calendar is the ledger's."""
        return self.selection.zone.key == self.ledger_zone.key

    @property
    def needs_day(self) -> bool:
        """True where rows are needed by day or quarter-hour; a month of the ledger's own zone is in the keys."""
        asked = self.selection.dimensions
        return self.by_quarter or "day" in asked or ("month" in asked and not self.same_zone)

    @property
    def by_quarter(self) -> bool:
        """True where the time of a row is its quarter-hour; then it can't be the day."""
        return QUARTERS in self.selection.dimensions

    @property
    def days_suffice(self) -> bool:
        """True where days of the ledger's zone tell all that is asked for."""
        selection = self.selection
        by_its_days = self.same_zone or not selection.wants_calendar
        return not self.by_quarter and selection.on_day_starts(self.ledger_zone) and by_its_days

    @property
    def by_local_day(self) -> bool:
        """True where days or quarter-hours must be worked out from instants."""
        return self.needs_day and self.grain != "days"

    @property
    def measures(self) -> tuple[str, ...]:
        return ("amount_nano",) if self.amounts_alone else Sums._fields

    @property
    def group_names(self) -> list[str]:
        """The columns to group by, besides the day: those that dimensions, tag filters and USD need."""
        names = list(FIXED_COLUMNS[:2] if self.amounts_alone else FIXED_COLUMNS)
        for dimension in self.selection.dimensions:
            if dimension in KEY_COLUMN:
                names.append(KEY_COLUMN[dimension])
            elif dimension == "month" and self.same_zone:
                names.append("posted_month" if self.selection.basis == "posted" else "occurred_month")
            elif dimension == "month":
                names += ["posted_month", "occurred_month"]
        if self.selection.tag_keys:
            names.append("tags")
        return list(dict.fromkeys(names))


def make_plan(connection: Connection, selection: Selection, ledger_zone: ZoneInfo, rollup_tags: Sequence[str]) -> Plan:
    """Chooses days for the ledger's own calendar, quarter-hours for that of other zones, charges for the rest."""
    plan = Plan(selection, ledger_zone)
    other_tags = [key for key in selection.tag_keys if key not in rollup_tags]
    if other_tags:
        plan.grain, plan.reason = "charges", f"tag {other_tags[0]!r} is not rolled up ('tollbook db rollups' can)"
    elif plan.days_suffice:
        return plan
    elif selection.on_quarters():
        plan.grain = "quarters"
    else:
        plan.grain, plan.reason = "charges", "the period doesn't start and end on quarter-hours"
    if plan.needs_day and not plan.by_quarter:
        plan.changes = _offsets(connection, selection.zone, ledger_zone)
        if plan.grain == "quarters" and not _on_quarters(plan.changes):
            plan.grain, plan.reason = "charges", f"days of {selection.zone.key} didn't start on quarter-hours then"
    return plan


def _offsets(connection: Connection, zone: ZoneInfo, ledger_zone: ZoneInfo) -> Changes:
    """Reads the zone's UTC offsets over all months that the ledger has charges of."""
    months = select(func.min(rollup_keys.c.occurred_month), func.max(rollup_keys.c.occurred_month))
    first, last = connection.execute(months).one()
    if first is None:
        return [(datetime(1970, 1, 1, tzinfo=UTC), timedelta())]
    end = datetime(9999, 12, 31, tzinfo=UTC) if last >= "9999" else month_start(shift_month(last, 1), ledger_zone)
    return offset_changes(zone, month_start(first, ledger_zone), end)


def _on_quarters(changes: Iterable[tuple[datetime, timedelta]]) -> bool:
    return all(
        offset % QUARTER == timedelta() and to_microseconds(moment) % QUARTER_US == 0 for moment, offset in changes
    )
