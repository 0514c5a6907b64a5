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
from ledger.budgets.schedule import Schedules
from ledger.budgets.status import BudgetStatus, Status, held_on, read_status, status_of, with_forecasts
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
    """What became of an event, and over which channel; `error` says why it failed."""

    event: Event
    channel: Channel
    state: State
    error: str | None = None


class Watch:
    """The budgets and sources of a ledger at a time, of which `status` is."""

    def __init__(self, connection: Connection, database: Database, asked: Asked, status: Status) -> None:
        self.schedules = read_schedules(connection)
        self._connection, self._asked, self._status = connection, asked, status
        self._read = Snapshot.of(connection, database).spend
        first = select(budgets.c.name, func.min(budgets.c.recorded_at).label("stated_at")).group_by(budgets.c.name)
        self._stated_at = {row.name: row.stated_at for row in connection.execute(first)}
        self._base = Selection(database.zone, basis="posted")

    def alerts(self, told: Sequence[Alert], now: datetime) -> list[Alert]:
        """Returns an alert of each threshold that is crossed and each source that is silent, told or not.

        Those of earlier periods come first; `told` says which sources may be back.
        """
        status = self._status
        over = [each for each in status.budgets if each.crossed_by_forecast]
        times = [self._asked.at - timedelta(days=days) for days in DAYS_OVER]
        earlier = [self._earlier(over, time, now) for time in times] if over else []
        found = list(self._of_ended({(each.budget.name, each.label) for each in status.budgets}))
        for each in status.budgets:
            found += actual_alerts(each, status.data_through)
        for each in over:
            found += forecast_alerts(each, [known[each.budget.name] for known in earlier], status.data_through)
        found += map(silence_alert, status.silent)
        rows = self._connection.execute(select(sources.c.source, sources.c.last_occurred_at))
        last_usage = {row.source: row.last_occurred_at for row in rows}
        return found + back_alerts(told, {each.source for each in status.silent}, last_usage)

    def _earlier(self, over: Sequence[BudgetStatus], time: datetime, now: datetime) -> Mapping[str, BudgetStatus]:
        """The same budgets at an earlier time, as far as is known now, by name."""
        asked = asked_at(time, self._base.zone)
        found = status_of([each.budget for each in over], asked, self._base, self._read).budgets
        told = with_forecasts(found, min(time, now), self._base, self._read)
        return {each.budget.name: each for each in told}

    def _of_ended(self, seen: set[tuple[str, str]]) -> Iterator[Alert]:
        """Yields the alerts of periods that ended lately, of each once."""
        asked = self._asked
        for age in range(LOOK_BACK_DAYS, 0, -1):
            day = asked.day - timedelta(days=age)
            held = {(each.name, _label(each, day)): each for each in held_on(self.schedules, day)}
            ended = [budget for key, budget in held.items() if key not in seen]
            seen |= set(held)
            if ended:
                status = status_of(ended, asked._replace(day=day), self._base, self._read)
                for each in status.budgets:
                    # What another version of the budget cut short has not ended, and what was over before there was
                    # a budget is nobody's news.
                    if self._stated_at[each.budget.name] < each.end <= asked.at:
                        yield from actual_alerts(each, status.data_through)


def _label(budget: Budget, day: date) -> str:
    return period_label(period_start(day, budget.period), budget.period)


@dataclass(frozen=True, slots=True)
class Routes:
    """The channels of the file by name, the one of what names none, and the budgets, which name theirs."""

    channels: Mapping[str, Channel]
    other: Channel
    schedules: Schedules
    day: date

    def channel_of(self, alert: Alert) -> Channel:
        """Returns the channel of an alert: the one that its budget names now, of one that ended the last it named."""
        schedule = self.schedules.get(alert.name) if alert.kind in ("actual", "forecast") else None
        if schedule is None:
            return self.other
        budgets = [part.budget for part in schedule.parts if part.budget is not None]
        return self.of_budget(schedule.on(self.day) or budgets[-1])

    def of_budget(self, budget: Budget) -> Channel:
        """Returns the channel of a budget; LedgerError where it names one that the file hasn't."""
        where = f"budget {shown(budget.name)}:"
        return self.other if budget.notify is None else named_channel(self.channels, budget.notify, where)

    def used(self, alerts: Iterable[Alert]) -> dict[str, Channel]:
        """Returns the channels of these alerts and of all budgets, which may be needed any day."""
        found = (*map(self.of_budget, held_on(self.schedules, self.day)), *map(self.channel_of, alerts))
        return {channel.name: channel for channel in found}


class Plan(NamedTuple):
    """What a run has to do: alerts that are news, and events that earlier runs left.

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
    status = read_status(database, asked, basis="posted", now=now, expectations=expectations)
    with database.reading() as connection:
        watch, told = Watch(connection, database, asked, status), read_told(connection)
        routes = Routes(by_name, other, watch.schedules, asked.day)
        return Plan(news(watch.alerts(told, now), told), read_left(connection, None), routes)


def digest_plan(database: Database, digests: list[Alert], channel: Channel, day: date) -> Plan:
    """Returns what a run has to do that sends digests over a channel: these, and those that earlier runs left."""
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
        return Delivery(event, channel, "shown")
    try:
        send(channel, addresses[channel.name], event.message)
    except NotDelivered as error:
        fail(database, event, attempt, str(error))
        return Delivery(event, channel, "failed", str(error))
    confirm(database, event)
    return Delivery(event, channel, "delivered")
