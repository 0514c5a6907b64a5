"""The use of budgets: each in its own period, what no budget covers, and all of the month."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from fractions import Fraction
from typing import TypeAlias
from zoneinfo import ZoneInfo

from ledger.book.without_rows import check_rows
from ledger.budgets.asked import Asked
from ledger.budgets.coverage import covering, dimensions_of, nano_of, summed, tag_keys
from ledger.budgets.definitions import read_schedules
from ledger.budgets.forecast import Forecast, forecast_at
from ledger.budgets.gaps import with_gaps
from ledger.budgets.history import read_histories
from ledger.budgets.schedule import Schedules
from ledger.errors import LedgerError
from ledger.reports.completeness import NotBooked, Silence
from ledger.reports.extent import read_data_through
from ledger.reports.plan import PART
from ledger.reports.selection import Basis, Selection
from ledger.reports.snapshot import Snapshot
from ledger.reports.spend import SelectedSpend, SpendRow, last_usage
from ledger.reports.unbooked import read_unbooked_calls
from ledger.store.database import Database
from ledger.values.budget import Budget
from ledger.values.budget_periods import Period, next_start, period_label, period_start
from ledger.values.calendar import day_start
from ledger.values.instants import MICROSECOND
from ledger.values.spend import Spend
from pricing.errors import shown

Bounds: TypeAlias = tuple[datetime, datetime]


@dataclass(frozen=True, slots=True)
class BudgetStatus:
    """A budget in the period [start, end) at a time; amounts are nano of its currency.

    `other` is what its usage cost in currencies that a credits budget isn't compared in, `not_booked` what may be of it
    and isn't in `actual`. A period that is over has no forecast.
    """

    budget: Budget
    label: str
    start: datetime
    end: datetime
    at: datetime
    amount_nano: int
    actual_nano: int
    other: tuple[str, ...] = ()
    forecast: Forecast | None = None
    not_booked: NotBooked = field(default_factory=NotBooked)

    @property
    def used(self) -> Fraction:
        """The part that is used: 1 is all of it."""
        return Fraction(self.actual_nano, self.amount_nano)

    @property
    def is_over(self) -> bool:
        return self.actual_nano > self.amount_nano

    @property
    def elapsed(self) -> Fraction:
        """The part of the period that has passed."""
        passed = min(max(self.at, self.start), self.end) - self.start
        return Fraction(passed // MICROSECOND, (self.end - self.start) // MICROSECOND)

    @property
    def left_nano(self) -> int:
        return self.amount_nano - self.actual_nano

    @property
    def days_left(self) -> Fraction:
        """Days of 24 hours to come in the period."""
        to_come = self.end - min(max(self.at, self.start), self.end)
        return Fraction(to_come // MICROSECOND, timedelta(days=1) // MICROSECOND)

    @property
    def left_a_day_nano(self) -> int | None:
        """The most that each day to come may cost, rounded down; of the last day all that is left. None after it.

        With 30 left and 4 days to come it is 7.5, with 30 left and 6 hours to come 30.
        """
        return int(max(self.left_nano, 0) / max(self.days_left, Fraction(1))) if self.days_left else None

    @property
    def crossed(self) -> list[int]:
        """The alerts, in percent, that are reached."""
        return [percent for percent in self.budget.alerts if self.actual_nano * 100 >= self.amount_nano * percent]

    @property
    def expected_nano(self) -> int | None:
        """The expected cost at the period's end, where there is a forecast of it."""
        return None if self.forecast is None else self.forecast.expected

    @property
    def will_be_over(self) -> bool:
        """True where the expected cost is more than the amount; without a forecast it is the actual one."""
        expected = self.expected_nano
        return self.is_over if expected is None else expected > self.amount_nano

    def check_currency(self) -> None:
        """Refuses to judge a credits budget whose usage isn't all in credits."""
        if self.other:
            raise LedgerError(
                f"budget {shown(self.budget.name)} is in credits and holds {' and '.join(self.other)}, which have no "
                "conversion to credits: give its amount in usd, or projects and models that are billed in credits"
            )

    @property
    def runs_out(self) -> date | None:
        """The day on which the expected cost passes the amount; None where it has, or won't within the period."""
        return None if self.forecast is None or self.is_over else self.forecast.runs_out(self.amount_nano)

    @property
    def crossed_by_forecast(self) -> list[int]:
        """The forecast's alerts, in percent, that the expected cost reaches."""
        expected = self.expected_nano
        if expected is None:
            return []
        return [percent for percent in self.budget.alert_forecast if expected * 100 >= self.amount_nano * percent]


@dataclass(frozen=True, slots=True)
class Status:
    """The budgets that hold on a day, worst first; `unbudgeted` and `total` are of its calendar month.

    Parts of the total that aren't usage of the month itself: `late` is usage of earlier months that is booked in it,
    `corrections` are those of closed months and adjustments.
    """

    month: str
    at: datetime
    budgets: list[BudgetStatus]
    unbudgeted: Spend
    total: Spend
    data_through: str | None
    notes: list[str]
    unbooked_calls: int = 0
    late: Spend = field(default_factory=Spend)
    corrections: Spend = field(default_factory=Spend)
    not_booked: NotBooked = field(default_factory=NotBooked)
    silent: tuple[Silence, ...] = ()


def read_status(
    database: Database,
    asked: Asked,
    *,
    basis: Basis,
    now: datetime,
    expectations: Mapping[str, timedelta],
) -> Status:
    """Reads the status of a ledger's budgets, from one snapshot of it; forecasts know the days up to now at most.

    `expectations` are the longest silences expected of sources that are declared.
    """
    with database.reading() as connection:
        snapshot = Snapshot.of(connection, database)
        return status_in(snapshot, asked, basis=basis, now=now, expectations=expectations)


def status_in(
    snapshot: Snapshot,
    asked: Asked,
    *,
    basis: Basis,
    now: datetime,
    expectations: Mapping[str, timedelta],
    budgets: Sequence[Budget] | None = None,
) -> Status:
    """Reads the status of the budgets in a snapshot, or of these, and how complete it is."""
    connection, zone = snapshot.connection, snapshot.zone
    if budgets is None:
        budgets = held_on(read_schedules(connection), asked.day)
    status = status_of(budgets, asked, Selection(zone, basis=basis), snapshot.spend)
    month = asked.selection(Selection(zone, basis=basis), *_bounds(asked.day, "month", zone))
    status = replace(
        status,
        budgets=with_forecasts(status.budgets, min(asked.at, now), Selection(zone), snapshot.amounts),
        data_through=read_data_through(snapshot, month, status.data_through),
        unbooked_calls=read_unbooked_calls(connection, month, zone),
    )
    return with_gaps(connection, status, asked, month, expectations, now=now)


def held_on(schedules: Schedules, day: date) -> list[Budget]:
    """Returns the budgets that hold on a day."""
    return [budget for each in schedules.values() if (budget := each.on(day)) is not None]


def status_of(
    budgets: Sequence[Budget], asked: Asked, base: Selection, read: Callable[[Selection], SelectedSpend]
) -> Status:
    """Sums how far these budgets are used, all from one set of rows for each of their periods.

    `base` has zone and basis.
    """
    keys = tag_keys(budgets)
    # The last two tell corrections and late usage apart, which are in budgets like all other usage.
    base = replace(base, dimensions=(*dimensions_of(keys), PART, "occurred_month"))
    spans: dict[Bounds, SelectedSpend] = {}

    def rows(bounds: Bounds) -> list[SpendRow]:
        if bounds not in spans:
            spans[bounds] = read(asked.selection(base, *bounds))
            check_rows(spans[bounds].without_rows, "a budget by a tag that isn't rolled up")
        return spans[bounds].rows

    covers = [covering(budget, keys) for budget in budgets]
    found = []
    for budget, covered in zip(budgets, covers, strict=True):
        bounds = _bounds(asked.day, budget.period, base.zone)
        spend = summed(row for row in rows(bounds) if covered(row))
        found.append(_status(budget, asked, bounds, spend))
    month = rows(_bounds(asked.day, "month", base.zone))
    label = period_label(period_start(asked.day, "month"), "month")
    reasons = dict.fromkeys(each.reason for each in spans.values() if each.reason is not None)
    return Status(
        month=label,
        at=asked.at,
        budgets=sorted(found, key=lambda each: (-each.used, each.budget.name)),
        unbudgeted=summed(row for row in month if not any(covered(row) for covered in covers)),
        total=summed(month),
        late=summed(row for row in month if row.dimensions[-2] is None and row.dimensions[-1] != label),
        corrections=summed(row for row in month if row.dimensions[-2] is not None),
        data_through=last_usage(month),
        notes=[f"read from the charges themselves, not from the roll-ups: {reason}" for reason in reasons],
    )


def with_forecasts(
    found: Sequence[BudgetStatus], at: datetime, base: Selection, read: Callable[[Selection], SelectedSpend]
) -> list[BudgetStatus]:
    """Adds the forecasts of the periods that aren't over at a time, all from one read."""
    running = [each for each in found if each.end > at]
    if not running:
        return list(found)
    histories = iter(read_histories([each.budget for each in running], at, base, read))

    def of(each: BudgetStatus) -> Forecast:
        spent, history = each.actual_nano, next(histories)
        return forecast_at(history, spent=spent, at=at, start=each.start, end=each.end, zone=base.zone)

    return [replace(each, forecast=of(each)) if each.end > at else each for each in found]


def _bounds(day: date, period: Period, zone: ZoneInfo) -> Bounds:
    """Returns the first instant of the period that a day lies in, and that of the next one."""
    first = period_start(day, period)
    return day_start(first, zone), day_start(next_start(first, period), zone)


def _status(budget: Budget, asked: Asked, bounds: Bounds, spend: Spend) -> BudgetStatus:
    first, currency = period_start(asked.day, budget.period), budget.amount.currency
    others = {name: amount for name, amount in spend.amounts.items() if name != currency and amount != "0"}
    return BudgetStatus(
        budget,
        period_label(first, budget.period),
        *bounds,
        asked.at,
        amount_nano=budget.amount_nano_in(f"{first:%Y-%m}"),
        actual_nano=nano_of(spend, currency),
        other=() if currency == "USD" else tuple(f"{amount} {name}" for name, amount in others.items()),
    )
