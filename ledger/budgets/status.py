"""How far budgets are used: each in its own period, what no budget covers, and all of the month."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from fractions import Fraction
from typing import NamedTuple, TypeAlias
from zoneinfo import ZoneInfo

from ledger.budgets.definitions import read_schedules
from ledger.errors import LedgerError
from ledger.reports.dimensions import TAG_PREFIX
from ledger.reports.selection import Basis, Selection
from ledger.reports.spend import SelectedSpend, SpendRow, read_spend
from ledger.reports.unbooked import read_unbooked_calls
from ledger.store.database import Database
from ledger.values.budget import Budget
from ledger.values.budget_periods import Period, next_start, period_label, period_start
from ledger.values.calendar import QUARTER, day_start
from ledger.values.instants import EPOCH, MICROSECOND, iso_text
from ledger.values.periods import LAST_YEAR, parse_day, parse_moment, parse_month
from ledger.values.spend import Spend

Bounds: TypeAlias = tuple[datetime, datetime]


class Asked(NamedTuple):
    """The time of a status: `day` picks each budget's period, usage from `cut` on doesn't count (None: all does)."""

    day: date
    at: datetime
    cut: datetime | None = None

    def selection(self, base: Selection, start: datetime, end: datetime) -> Selection:
        """Returns the usage of a period that counts."""
        return replace(base, start=start, end=max(start, min(end, self.cut or end)))


@dataclass(frozen=True, slots=True)
class BudgetStatus:
    """A budget in the period [start, end) at a time; amounts are nano of its currency.

    `other` is what its usage cost in currencies that a credits budget isn't compared in.
    """

    budget: Budget
    label: str
    start: datetime
    end: datetime
    at: datetime
    amount_nano: int
    actual_nano: int
    other: tuple[str, ...] = ()

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


@dataclass(frozen=True, slots=True)
class Status:
    """The budgets that hold on a day, worst first; `unbudgeted` and `total` are of its calendar month."""

    month: str
    at: datetime
    budgets: list[BudgetStatus]
    unbudgeted: Spend
    total: Spend
    data_through: str | None
    notes: list[str]
    unbooked_calls: int = 0


def asked_time(month: str | None, at: str | None, *, zone: ZoneInfo, now: datetime) -> Asked:
    """Returns the time that the options ask for: now, a month as far as it has passed, the end of a day, or a time."""
    if month is not None and at is not None:
        raise LedgerError("--month and --at both say when: give one of them")
    if month is not None:
        span = parse_month(month, zone=zone, now=now)
        assert span.start is not None
        assert span.end is not None
        time = min(max(now.astimezone(UTC), span.start), span.end)
        return Asked(_day_of(min(time, span.end - MICROSECOND), zone), time, span.end if time == span.end else None)
    if at is None:
        return Asked(_day_of(now, zone), now.astimezone(UTC))
    if len(at) <= len("2026-03-01"):
        day = date.fromisoformat(parse_day(at, "--at"))
        end = day_start(day + timedelta(days=1), zone)
        return Asked(day, end, end)
    time = parse_moment(at, zone, "--at")
    # Whole quarter-hours, which the roll-ups have.
    return Asked(_day_of(time, zone), time, time + (EPOCH - time) % QUARTER)


def _day_of(time: datetime, zone: ZoneInfo) -> date:
    # East of Greenwich the last day that can be asked for ends in a year without a next one.
    return min(time.astimezone(zone).date(), date(LAST_YEAR, 12, 31))


def read_status(database: Database, asked: Asked, *, basis: Basis) -> Status:
    """Reads the status of a ledger's budgets, from one snapshot of it."""
    zone = database.zone
    with database.reading() as connection:

        def read(selection: Selection) -> SelectedSpend:
            return read_spend(connection, selection, ledger_zone=zone, rollup_tags=database.rollup_tags)

        held = [budget for each in read_schedules(connection).values() if (budget := each.on(asked.day)) is not None]
        status = status_of(held, asked, Selection(zone, basis=basis), read)
        whole = asked.selection(Selection(zone, basis=basis), *_bounds(asked.day, "month", zone))
        return replace(status, unbooked_calls=read_unbooked_calls(connection, whole, zone))


def status_of(
    budgets: Sequence[Budget], asked: Asked, base: Selection, read: Callable[[Selection], SelectedSpend]
) -> Status:
    """Sums how far these budgets are used, all from one set of rows for each of their periods.

    `base` has zone and basis.
    """
    keys = tuple(dict.fromkeys(key for budget in budgets for key, _value in budget.tags))
    base = replace(base, dimensions=("project", "model", *(TAG_PREFIX + key for key in keys)))
    spans: dict[Bounds, SelectedSpend] = {}

    def rows(bounds: Bounds) -> list[SpendRow]:
        if bounds not in spans:
            spans[bounds] = read(asked.selection(base, *bounds))
        return spans[bounds].rows

    covers = [covering(budget, keys) for budget in budgets]
    found = []
    for budget, covered in zip(budgets, covers, strict=True):
        bounds = _bounds(asked.day, budget.period, base.zone)
        spend = _summed(row for row in rows(bounds) if covered(row))
        found.append(_status(budget, asked, bounds, spend))
    month = rows(_bounds(asked.day, "month", base.zone))
    last = max((row.last_occurred_at_us for row in month if row.last_occurred_at_us is not None), default=None)
    reasons = dict.fromkeys(each.reason for each in spans.values() if each.reason is not None)
    return Status(
        month=period_label(period_start(asked.day, "month"), "month"),
        at=asked.at,
        budgets=sorted(found, key=lambda each: (-each.used, each.budget.name)),
        unbudgeted=_summed(row for row in month if not any(covered(row) for covered in covers)),
        total=_summed(month),
        data_through=None if last is None else iso_text(last),
        notes=[f"read from the charges themselves, not from the roll-ups: {reason}" for reason in reasons],
    )


def _bounds(day: date, period: Period, zone: ZoneInfo) -> Bounds:
    """The first instant of the period that a day lies in, and that of the next one."""
    first = period_start(day, period)
    return day_start(first, zone), day_start(next_start(first, period), zone)


def covering(budget: Budget, keys: Sequence[str]) -> Callable[[SpendRow], bool]:
    """Makes a test that a row by project, model and these tag keys is the budget's, as a report's filters have it."""
    wanted: dict[int, set[str]] = {}
    if budget.projects:
        wanted[0] = set(budget.projects)
    if budget.models:
        wanted[1] = set(budget.models)
    for key, value in budget.tags:
        wanted.setdefault(2 + keys.index(key), set()).add(value)
    return lambda row: all(row.dimensions[place] in values for place, values in wanted.items())


def _summed(rows: Iterable[SpendRow]) -> Spend:
    spend = Spend()
    for row in rows:
        spend.add(row.currency, row.per_usd_nano, row.sums.amount_nano, row.sums.requests)
    return spend


def _status(budget: Budget, asked: Asked, bounds: Bounds, spend: Spend) -> BudgetStatus:
    first, currency = period_start(asked.day, budget.period), budget.amount.currency
    others = {name: amount for name, amount in spend.amounts.items() if name != currency and amount != "0"}
    return BudgetStatus(
        budget,
        period_label(first, budget.period),
        *bounds,
        asked.at,
        amount_nano=budget.amount_nano_in(f"{first:%Y-%m}"),
        actual_nano=spend.usd_nano if currency == "USD" else spend.nano(currency),
        other=() if currency == "USD" else tuple(f"{amount} {name}" for name, amount in others.items()),
    )
