"""The gaps in a period's figures: usage that waits in quarantine, and sources that went silent."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

import msgspec
from sqlalchemy import BindParameter, Connection, bindparam, or_, select

from ledger.book.open_months import standing_closes
from ledger.book.quarters import HALF_DAY_US, QUARTERS, latest_usage
from ledger.reports.selection import Selection
from ledger.store.database import settings_in, zone_named
from ledger.store.expressions import column_within, literal_int, microseconds
from ledger.store.tables import quarantine, rollup_keys, rollup_quarters
from ledger.values.calendar import QUARTER_US, month_start, shift_month
from ledger.values.instants import MICROSECOND, from_microseconds, to_microseconds
from ledger.values.periods import quarter_end

# The time before its last usage by which a source that nothing is declared of is judged, and the least that it may be
# silent for: a daily run may be late.
DAY = timedelta(days=1)
JUDGED_BY = timedelta(weeks=4)
LEAST_SILENCE = timedelta(hours=26)
# Usage over this time, without long gaps, is regular.
REGULAR = timedelta(weeks=1)
# Keys of a source that are looked up one by one.
MOST_LOOKED_UP = 50


class NotBooked(msgspec.Struct, frozen=True):
    """Usage of a period that waits in quarantine and is in no total; undated lines count for every period.

    `tokens` are input and output tokens as far as they can be read. `usd_nano` is what the `priced_lines` would cost at
    the prices of their day; the other lines have no price. `conflicts` are lines whose requests are booked with other
    facts: they add neither tokens nor a price.
    """

    lines: int = 0
    tokens: int = 0
    priced_lines: int = 0
    usd_nano: int = 0
    undated_lines: int = 0
    conflicts: int = 0

    def __bool__(self) -> bool:
        """True where a total reads "at least"."""
        return self.lines > 0


@dataclass(frozen=True, slots=True)
class Silence:
    """A source that has been silent for longer than is expected: `declared` by a `[[source]]`, else by its own gaps.

    `last_occurred_at` is None where a declared source has never been in the ledger.
    """

    source: str
    last_occurred_at: datetime | None
    expected_every: timedelta
    declared: bool


class Completeness(msgspec.Struct, frozen=True):
    """The completeness of a period's figures; `data_through` is the last usage booked up to its end."""

    data_through: str | None
    not_booked: NotBooked
    silent: tuple[Silence, ...] = ()


# --- quarantine -----------------------------------------------------------------------------------------------------


def read_not_booked(connection: Connection, selection: Selection) -> NotBooked:
    """Sums what waits in quarantine of a selection's period: lines that would be booked in it, and undated ones.

    Of closed months on the posted basis as it was, and with the prices that there were, when the last of them was
    closed, so that the same is said of them for ever. A line counts unless its fields say that it is of other projects,
    models or tags than the selection's.
    """
    return read_each_not_booked(connection, [selection])[0]


def read_each_not_booked(connection: Connection, selections: Sequence[Selection]) -> list[NotBooked]:
    """Sums, in one pass, what waits of each selection, all of one period and basis, as `read_not_booked` does."""
    if connection.execute(select(quarantine.c.id).limit(1)).first() is None:
        return [NotBooked()] * len(selections)
    period = _waiting_period(connection, selections[0])
    waiting = quarantine.c.state == "open"
    if period.as_of is not None:
        settled_later = or_(quarantine.c.resolved_at.is_(None), quarantine.c.resolved_at > period.as_of)
        waiting = (quarantine.c.first_seen_at <= period.as_of) & settled_later
    dated = column_within(quarantine.c.occurred_at, period.start, period.end)
    wanted = waiting & or_(quarantine.c.occurred_at.is_(None), dated)
    if connection.execute(select(quarantine.c.id).where(wanted).limit(1)).first() is None:
        return [NotBooked()] * len(selections)
    # Cards take time to load, which only a ledger with something in quarantine has to spend.
    from ledger.book.prices.in_force import cards_in_force
    from ledger.reports.waiting import sum_waiting

    return sum_waiting(connection, wanted, selections, cards_in_force(connection, as_of=period.as_of))


class _WaitingPeriod(NamedTuple):
    """The times that lines are dated within which would be booked in a period, and as of when they waited."""

    start: datetime | None
    end: datetime | None
    as_of: datetime | None


def _waiting_period(connection: Connection, selection: Selection) -> _WaitingPeriod:
    """Returns the times of the lines that would be booked in a selection's period: those of closed months too.

    A line of a closed month would be booked in the first open one, so it waits there, not in its own.
    """
    start, end = selection.start, selection.end
    closes = standing_closes(connection) if selection.basis == "posted" else []
    if not closes:
        return _WaitingPeriod(start, end, None)
    zone = zone_named(settings_in(connection)["timezone"])
    last_month = "9999-12" if end is None else f"{(end - MICROSECOND).astimezone(zone):%Y-%m}"
    own = next((row for row in closes if row.month >= last_month), None)
    first = month_start(shift_month(closes[-1].month, 1) if own is None else own.month, zone)
    takes_earlier = start is not None and start <= first and (end is None or first < end)
    return _WaitingPeriod(None if takes_earlier else start, end, own and own.at)


# --- silences -------------------------------------------------------------------------------------------------------


class _Usage(NamedTuple):
    """The last usage of a source before a time: its quarter-hour, and the latest usage in that."""

    source: str
    quarter: datetime
    last_at: datetime


def read_silences(
    connection: Connection, expectations: Mapping[str, timedelta], *, ledger_zone: ZoneInfo, at: datetime
) -> tuple[Silence, ...]:
    """Reads which sources were silent at a time for longer than expected, to the quarter-hour, by name.

    `expectations` are the longest silences that `[[source]]` declares. Of another source twice the longest gap of its
    last four weeks is expected, and 26 hours at least; where it was never used regularly, it is named for four weeks.
    """
    return _silences(connection, _last_usages(connection, at, ledger_zone), expectations, at)


def _silences(
    connection: Connection, usages: Mapping[str, _Usage | None], expectations: Mapping[str, timedelta], at: datetime
) -> tuple[Silence, ...]:
    found = []
    for source in sorted({*usages, *expectations}):
        usage = usages.get(source)
        if source in expectations:
            # Of a source that began later nothing was expected then.
            is_silent = source not in usages if usage is None else at - usage.last_at > expectations[source]
            if is_silent:
                found.append(Silence(source, usage and usage.last_at, expectations[source], declared=True))
        elif usage is not None and at - usage.last_at > LEAST_SILENCE:
            expected, is_regular = _expected_of(connection, usage)
            silent_for = at - usage.last_at
            if silent_for > expected and (is_regular or silent_for <= JUDGED_BY):
                found.append(Silence(source, usage.last_at, expected, declared=False))
    return tuple(found)


def _last_usages(connection: Connection, until: datetime, ledger_zone: ZoneInfo) -> dict[str, _Usage | None]:
    """Finds the last usage of each source before a time; None where all of its usage is later.

    By the months of its keys, so that no longer time than a month is searched.
    """
    months: dict[str, list[str]] = defaultdict(list)
    columns = (rollup_keys.c.source, rollup_keys.c.occurred_month)
    of_usage = rollup_keys.c.charge_class != "adjustment"
    query = select(*columns).where(of_usage).distinct().order_by(rollup_keys.c.occurred_month.desc())
    for source, month in connection.execute(query):
        months[source].append(month)
    return {source: _last_usage(connection, source, each, until, ledger_zone) for source, each in months.items()}


def _last_usage(
    connection: Connection, source: str, months: list[str], until: datetime, ledger_zone: ZoneInfo
) -> _Usage | None:
    for month in months:
        start = month_start(month, ledger_zone)
        if start >= until:
            continue
        end = min(month_start(shift_month(month, 1), ledger_zone), until)
        keys = _keys(connection, source, [month])
        # Nearly always it is of the last day.
        quarters = _quarters(connection, keys, max(start, quarter_end(end - DAY)), end)
        if quarters or (quarters := _quarters(connection, keys, start, end)):
            last_us = latest_usage(connection, rollup_quarters.c.key_id.in_(keys), quarters[-1])
            assert last_us is not None
            return _Usage(source, quarters[-1], from_microseconds(last_us))
    return None


def _expected_of(connection: Connection, usage: _Usage) -> tuple[timedelta, bool]:
    """Returns the longest silence to expect by the gaps of a source's last four weeks, and whether it was regular."""
    start = usage.quarter - JUDGED_BY
    # A day on either side, as months are those of the ledger's zone.
    months = sorted(
        {f"{moment:%Y-%m}" for moment in (start - DAY, start + DAY, usage.quarter - DAY, usage.quarter + DAY)}
    )
    keys = _keys(connection, usage.source, months)
    quarters = [*_quarters(connection, keys, start, usage.quarter), usage.quarter]
    longest = max((after - before for before, after in pairwise(quarters)), default=timedelta())
    expected = max(2 * longest, LEAST_SILENCE)
    return expected, usage.quarter - quarters[0] >= max(expected, REGULAR)


def _keys(connection: Connection, source: str, months: Sequence[str]) -> BindParameter[Any]:
    """Finds a source's keys of some months, to be written into a statement."""
    of_usage = (rollup_keys.c.source == source) & (rollup_keys.c.charge_class != "adjustment")
    ids = select(rollup_keys.c.id).where(of_usage, rollup_keys.c.occurred_month.in_(months)).order_by(rollup_keys.c.id)
    found = connection.execute(ids).scalars().all()
    return bindparam("keys", found, expanding=True, literal_execute=True)


def _quarters(connection: Connection, keys: BindParameter[Any], start: datetime, end: datetime) -> list[datetime]:
    """Lists the quarter-hours with usage of the keys that begin in [start, end), both whole quarter-hours.

    Each half day is looked up, which takes the same time for a source among many others as for one alone: key by key of
    few keys, and of many in the rows that a half day has.
    """
    start_us, end_us = to_microseconds(start), to_microseconds(end)
    first = select(literal_int(start_us // HALF_DAY_US * HALF_DAY_US).label("half_day"))
    times = first.cte("times", recursive=True)
    after = times.c.half_day + literal_int(HALF_DAY_US)
    times = times.union_all(select(after).where(after < literal_int(end_us)))
    # Plus 0, the database can't look the keys up one by one in each half day.
    key = rollup_quarters.c.key_id if len(keys.value or []) <= MOST_LOOKED_UP else rollup_quarters.c.key_id + 0
    query = (
        select(times.c.half_day, rollup_quarters.c.quarters)
        .distinct()
        .join_from(times, rollup_quarters, microseconds(rollup_quarters.c.half_day) == times.c.half_day)
        .where(key.in_(keys))
    )
    used: Counter[int] = Counter()
    for half_day, bits in connection.execute(query):
        used[half_day] |= bits
    quarters = (
        half_day + place * QUARTER_US
        for half_day, bits in sorted(used.items())
        for place in range(QUARTERS)
        if bits >> place & 1
    )
    return [from_microseconds(quarter) for quarter in quarters if start_us <= quarter < end_us]
