"""How complete a period's figures are: the last usage booked, what waits in quarantine, sources that went silent."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple
from zoneinfo import ZoneInfo

from sqlalchemy import ColumnElement, Connection, func, or_, select

from ledger.reports.selection import Selection
from ledger.store.expressions import column_within
from ledger.store.tables import quarantine, rollup_keys, rollup_quarters
from ledger.values.calendar import month_start, shift_month
from ledger.values.instants import moment_text
from pricing.rate_card import RateCard

# The time before its last usage by which a source that nothing is declared of is judged, and the least that it may be
# silent for: a daily run may be late.
JUDGED_BY = timedelta(weeks=4)
LEAST_SILENCE = timedelta(hours=26)
# Usage over this time, without long gaps, is regular.
REGULAR = timedelta(weeks=1)


@dataclass(frozen=True, slots=True)
class NotBooked:
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


@dataclass(frozen=True, slots=True)
class Completeness:
    """How complete a period's figures are at a time; `data_through` is the last usage booked of all in the ledger."""

    data_through: str | None
    not_booked: NotBooked
    silent: tuple[Silence, ...] = ()


def read_completeness(
    connection: Connection,
    selection: Selection,
    expectations: Mapping[str, timedelta],
    *,
    ledger_zone: ZoneInfo,
    at: datetime,
    now: datetime,
    as_of: datetime | None = None,
) -> Completeness:
    """Reads how complete a selection's figures are: the last usage and the silences at a time, now at the latest.

    `expectations` are those of `read_silences`, `as_of` is that of `read_not_booked`.
    """
    time = min(at, now)
    usages = _last_usages(connection, time, ledger_zone)
    last = max((usage.last_at for usage in usages.values() if usage is not None), default=None)
    return Completeness(
        None if last is None else moment_text(last),
        read_not_booked(connection, selection, as_of=as_of),
        _silences(connection, usages, expectations, time),
    )


# --- quarantine -----------------------------------------------------------------------------------------------------


def read_not_booked(
    connection: Connection,
    selection: Selection,
    *,
    cards: Mapping[str, RateCard] | None = None,
    as_of: datetime | None = None,
) -> NotBooked:
    """Sums what waits in quarantine of a selection's period: lines dated within it, and undated ones.

    With `as_of` as it was at that time, so that it can be said of a closed month for ever; `cards` are those in force,
    or that the ledger had then, unless given. A line counts unless its fields say that it is of other projects, models
    or tags than the selection's.
    """
    waiting = quarantine.c.state == "open"
    if as_of is not None:
        settled_later = or_(quarantine.c.resolved_at.is_(None), quarantine.c.resolved_at > as_of)
        waiting = (quarantine.c.first_seen_at <= as_of) & settled_later
    dated = column_within(quarantine.c.occurred_at, selection.start, selection.end)
    wanted = waiting & or_(quarantine.c.occurred_at.is_(None), dated)
    if connection.execute(select(quarantine.c.id).where(wanted).limit(1)).first() is None:
        return NotBooked()
    # Cards take time to load, which only a ledger with something in quarantine has to spend.
    from ledger.book.prices.in_force import cards_in_force
    from ledger.reports.waiting import sum_waiting

    known = cards_in_force(connection, as_of=as_of) if cards is None else cards
    return sum_waiting(connection, wanted, selection, known)


# --- silences -------------------------------------------------------------------------------------------------------


class _Usage(NamedTuple):
    """A source's keys, the quarter-hour of its last usage before a time, and the latest usage in that."""

    keys: ColumnElement[bool]
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
    ids = select(rollup_keys.c.id).where(rollup_keys.c.source == source, rollup_keys.c.charge_class != "adjustment")
    keys = rollup_quarters.c.key_id.in_(ids)
    for month in months:
        start = month_start(month, ledger_zone)
        if start >= until:
            continue
        end = min(month_start(shift_month(month, 1), ledger_zone), until)
        quarter = _quarter(connection, keys, start, end, latest=True)
        if quarter is not None:
            latest = select(func.max(rollup_quarters.c.last_occurred_at)).where(
                rollup_quarters.c.quarter == quarter, keys
            )
            return _Usage(keys, quarter, connection.execute(latest).scalar_one())
    return None


def _expected_of(connection: Connection, usage: _Usage) -> tuple[timedelta, bool]:
    """Returns the longest silence to expect by the gaps of a source's last four weeks, and whether it was regular.

    It goes back in steps of half the least silence, as no shorter gap counts: to the earliest usage of each such time,
    or over a gap to the usage before it.
    """
    step, start = LEAST_SILENCE / 2, usage.quarter - JUDGED_BY
    longest, later = timedelta(), usage.quarter
    while later > start:
        earlier = _quarter(connection, usage.keys, max(start, later - step), later)
        if earlier is None:
            earlier = _quarter(connection, usage.keys, start, later, latest=True)
            if earlier is None:
                break
            longest = max(longest, later - earlier)
        later = earlier
    expected = max(2 * longest, LEAST_SILENCE)
    return expected, usage.quarter - later >= max(expected, REGULAR)


def _quarter(
    connection: Connection, keys: ColumnElement[bool], start: datetime, end: datetime, *, latest: bool = False
) -> datetime | None:
    """Finds the first quarter-hour with usage of the keys that begins in [start, end), or the latest."""
    quarter = rollup_quarters.c.quarter
    query = select(quarter).where(keys, column_within(quarter, start, end))
    found: datetime | None = connection.execute(query.order_by(quarter.desc() if latest else quarter).limit(1)).scalar()
    return found
