"""A run of `budget notify`: what is news at a time, and where each event goes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Literal, NamedTuple, TypeAlias

from sqlalchemy import Connection, func, select

from ledger.book.known_names import words_on
from ledger.budgets.alerts import Alert, actual_alerts, back_alerts, forecast_alerts, news, silence_alert
from ledger.budgets.asked import Asked, asked_at
from ledger.budgets.definitions import read_schedules
from ledger.budgets.events import Event, claim, confirm, fail, read_told, read_undelivered
from ledger.budgets.schedule import Schedule, Schedules
from ledger.budgets.status import BudgetStatus, Status, held_on, status_in, status_of, with_forecasts
from ledger.channels.message import NotDelivered
from ledger.channels.send import send
from ledger.channels.settings import STANDARD_OUTPUT, Address, Channel, read_address
from ledger.errors import LedgerError
from ledger.reports.selection import Selection
from ledger.reports.snapshot import Snapshot
from ledger.store.database import Database
from ledger.store.tables import budgets, sources
from ledger.values.budget import Budget
from ledger.values.budget_periods import period_label, period_start
from pricing.errors import shown

# Periods that ended so long ago are still looked at: runs may have been missed, and usage is booked late.
LOOK_BACK_DAYS = 31
# A forecast is told once it has been over at these ages too, so that one odd day alone tells nothing.
DAYS_OVER = (1, 2)

State: TypeAlias = Literal["new", "waiting", "shown", "delivered", "failed", "elsewhere"]
"""The state of an event after a run: `new` and `waiting` before one, `elsewhere` where another run has it.

What goes to standard output is `shown`, and to be confirmed once it was.
"""


class Delivery(NamedTuple):
    """The end of an event in a run, over a channel; `error` says why it failed, `attempt` which one it was."""

    event: Event
    channel: Channel
    state: State
    error: str | None = None
    attempt: int = 0


def alerts_at(
    snapshot: Snapshot, asked: Asked, status: Status, schedules: Schedules, told: Sequence[Alert], *, now: datetime
) -> list[Alert]:
    """Returns an alert of each threshold that is crossed and each source that is silent, told or not.

    `status` is that of the time. Alerts of earlier periods come first; `told` says which sources may be back.
    """
    over = [each for each in status.budgets if each.crossed_by_forecast]
    times = [asked.at - timedelta(days=days) for days in DAYS_OVER]
    earlier = [_status_before(snapshot, over, time, now) for time in times] if over else []
    running = {(each.budget.name, each.label) for each in status.budgets}
    found = list(_alerts_of_ended(snapshot, schedules, asked, running))
    for each in status.budgets:
        found += actual_alerts(each, status.data_through)
    for each in over:
        found += forecast_alerts(each, [known[each.budget.name] for known in earlier], status.data_through)
    found += map(silence_alert, status.silent)
    rows = snapshot.connection.execute(select(sources.c.source, sources.c.last_occurred_at))
    last_usage = {row.source: row.last_occurred_at for row in rows}
    return found + back_alerts(told, {each.source for each in status.silent}, last_usage)


def _status_before(
    snapshot: Snapshot, over: Sequence[BudgetStatus], time: datetime, now: datetime
) -> Mapping[str, BudgetStatus]:
    """Reads the same budgets at an earlier time, as far as is known now, by name."""
    base, asked = Selection(snapshot.zone), asked_at(time, snapshot.zone)
    found = status_of([each.budget for each in over], asked, base, snapshot.spend).budgets
    return {each.budget.name: each for each in with_forecasts(found, min(time, now), base, snapshot.spend)}


def _alerts_of_ended(
    snapshot: Snapshot, schedules: Schedules, asked: Asked, running: set[tuple[str, str]]
) -> Iterator[Alert]:
    """Yields the alerts of periods that ended lately, of each once; `running` are names and periods left out."""
    first = select(budgets.c.name, func.min(budgets.c.recorded_at).label("stated_at")).group_by(budgets.c.name)
    stated_at = {row.name: row.stated_at for row in snapshot.connection.execute(first)}
    seen = set(running)
    for age in range(LOOK_BACK_DAYS, 0, -1):
        day = asked.day - timedelta(days=age)
        held = {(each.name, _label(each, day)): each for each in held_on(schedules, day)}
        ended = [budget for key, budget in held.items() if key not in seen]
        seen |= set(held)
        if ended:
            status = status_of(ended, asked._replace(day=day), Selection(snapshot.zone), snapshot.spend)
            for each in status.budgets:
                # What another version of the budget cut short has not ended, and what was over before there was
                # a budget is nobody's news.
                if stated_at[each.budget.name] < each.end <= asked.at:
                    yield from actual_alerts(each, status.data_through)


def _label(budget: Budget, day: date) -> str:
    return period_label(period_start(day, budget.period), budget.period)


def _last_named(schedule: Schedule) -> str:
    """Returns the channel that the last version of a budget names, "" where it names none."""
    return next((part.budget.notify or "" for part in reversed(schedule.parts) if part.budget is not None), "")


@dataclass(frozen=True, slots=True)
class Routes:
    """The channels of the file by name, the one of what names none, and the budgets, which name theirs."""

    channels: Mapping[str, Channel]
    other: Channel
    schedules: Schedules
    day: date

    def channel_of(self, alert: Alert) -> Channel:
        """Returns the channel that the alert's budget names now, of one that ended the last that it named.

        The other channel where none is named, or an ended budget names one that the file no longer has.
        """
        schedule = self._schedule(alert)
        if schedule is None:
            return self.other
        held = schedule.on(self.day)
        return self.channels.get(_last_named(schedule), self.other) if held is None else self.of_budget(held)

    def notes(self, alerts: Iterable[Alert]) -> list[str]:
        """Says of each ended budget whose channel the file no longer has where its alerts go."""
        schedules = {each.name: schedule for each in alerts if (schedule := self._schedule(each)) is not None}
        instead = f"told over {self.other.name}"
        return [
            f"budget {shown(name)} has ended and tollbook.toml has no channel {shown(last)}: {instead}"
            for name, schedule in schedules.items()
            if schedule.on(self.day) is None and (last := _last_named(schedule)) and last not in self.channels
        ]

    def _schedule(self, alert: Alert) -> Schedule | None:
        return self.schedules.get(alert.name) if alert.kind in ("actual", "forecast") else None

    def of_budget(self, budget: Budget) -> Channel:
        """Returns the channel of a budget; LedgerError where it names one that the file hasn't."""
        where = f"budget {shown(budget.name)}:"
        return self.other if budget.notify is None else named_channel(self.channels, budget.notify, where)

    def used(self, alerts: Iterable[Alert]) -> dict[str, Channel]:
        """Returns the channels of these alerts and of all budgets, which may be needed any day."""
        found = (*map(self.of_budget, held_on(self.schedules, self.day)), *map(self.channel_of, alerts))
        return {channel.name: channel for channel in found}


class Plan(NamedTuple):
    """The work of a run: alerts that are news, and events that earlier runs left.

    `digests_to` names the channel of a run that sends digests, and nothing else.
    """

    news: list[Alert]
    left: list[Event]
    routes: Routes
    digests_to: str | None = None


def read_left(connection: Connection, digests_to: str | None) -> list[Event]:
    """Reads the undelivered events that a run sends: alerts, or the digests of one channel."""
    return [
        each
        for each in read_undelivered(connection)
        if (each.alert.name if each.alert.is_digest else None) == digests_to
    ]


def make_plan(
    database: Database,
    asked: Asked,
    *,
    channels: Sequence[Channel],
    other: Channel,
    expectations: Mapping[str, timedelta],
    now: datetime,
) -> Plan:
    """Reads what is to be told at a time; `other` is the channel of what names none.

    `expectations` are the longest silences expected of sources that are declared.
    """
    by_name = {channel.name: channel for channel in channels}
    with database.reading() as connection:
        snapshot = Snapshot.of(connection, database)
        status = status_in(snapshot, asked, basis="posted", now=now, expectations=expectations)
        schedules, told = read_schedules(connection), read_told(connection)
        found = news(alerts_at(snapshot, asked, status, schedules, told, now=now), told)
        return Plan(found, read_left(connection, None), Routes(by_name, other, schedules, asked.day))


def digest_plan(database: Database, digests: list[Alert], channel: Channel, day: date) -> Plan:
    """Plans a run that sends digests over a channel: these, and those that earlier runs left."""
    with database.reading() as connection:
        left = read_left(connection, channel.name)
    return Plan(digests, left, Routes({}, channel, {}, day), channel.name)


def fallback_channel(channels: Sequence[Channel], name: str | None) -> Channel:
    """Returns the channel that `--channel` names, standard output where it isn't given."""
    by_name = {channel.name: channel for channel in channels}
    return STANDARD_OUTPUT if name is None else named_channel(by_name, name, "--channel:")


def named_channel(channels: Mapping[str, Channel], name: str, where: str) -> Channel:
    """Returns the channel of that name; LedgerError naming `where` and the nearest one."""
    if name not in channels:
        raise LedgerError(f"{where} {words_on('channel', name, channels, where='tollbook.toml')}; see [[channel]]")
    return channels[name]


def read_addresses(channels: Iterable[Channel], environment: Mapping[str, str]) -> dict[str, Address]:
    """Reads the addresses of channels by name, so that nothing is claimed for one that lacks it."""
    return {each.name: read_address(each, environment) for each in channels if each.kind != "stdout"}


def deliver(database: Database, event: Event, channel: Channel, addresses: Mapping[str, Address]) -> Delivery:
    """Claims an event, sends it and notes what became of it; no lock is held while it is sent."""
    attempt = claim(database, event, channel.name)
    if attempt is None:
        return Delivery(event, channel, "elsewhere")
    if channel.kind == STANDARD_OUTPUT.kind:
        return Delivery(event, channel, "shown", attempt=attempt)
    try:
        send(channel, addresses[channel.name], event.message)
    except NotDelivered as error:
        fail(database, event, attempt, str(error))
        return Delivery(event, channel, "failed", str(error))
    confirm(database, event)
    return Delivery(event, channel, "delivered")
