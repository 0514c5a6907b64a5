"""Sums of charges by dimensions, as a report adds them up."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from operator import itemgetter
from typing import Any, NamedTuple, TypeAlias
from zoneinfo import ZoneInfo

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from ledger.book.prices.pinned import read_rate_entries, read_usd_rates
from ledger.book.without_rows import Outside
from ledger.reports.dimensions import TAG_PREFIX
from ledger.reports.plan import FIXED_COLUMNS, KEY_COLUMN, QUARTERS, Grain, Plan, Sums, make_plan
from ledger.reports.quarter_sums import DAYS_BEFORE_EPOCH
from ledger.reports.selection import Selection
from ledger.reports.sums import sums_of_charges, sums_of_rollups
from ledger.reports.without_rows import selected_without_rows
from ledger.store.expressions import joined
from ledger.values.calendar import month_start
from ledger.values.instants import iso_text
from pricing.rate_entry import RateEntry

EPOCH_ORDINAL = date(1970, 1, 1).toordinal()


class SpendRow(NamedTuple):
    """Charges of one combination of dimensions that share currency, conversion, price entry and tier."""

    dimensions: tuple[str | None, ...]
    currency: str
    per_usd_nano: int | None
    rate_entry_id: int | None
    tier: str
    sums: Sums
    last_occurred_at_us: int | None


@dataclass(frozen=True, slots=True)
class SelectedSpend:
    """The rows selected, in no order; `grain` says from which table, `reason` why from the charges if it was.

    `without_rows` are the sources whose usage isn't in it, as charges were read and the ledger hasn't theirs.
    """

    rows: list[SpendRow]
    rate_entries: dict[int, RateEntry]
    grain: Grain
    reason: str | None = None
    without_rows: Sequence[Outside] = ()


def read_spend(
    connection: Connection,
    selection: Selection,
    *,
    ledger_zone: ZoneInfo,
    rollup_tags: Sequence[str],
    amounts_alone: bool = False,
) -> SelectedSpend:
    """Reads the selection's sums, exact past 64 bits.

    With `amounts_alone` it takes a third of the time: rows have no other sums, no price entry and no tier.
    """
    plan = make_plan(connection, selection, ledger_zone, rollup_tags)
    plan.amounts_alone = amounts_alone
    rows = _rows(connection, plan, _read_sums(connection, plan))
    used = {row.rate_entry_id for row in rows if row.rate_entry_id is not None}
    without_rows = selected_without_rows(connection, selection, ledger_zone) if plan.grain == "charges" else ()
    return SelectedSpend(rows, read_rate_entries(connection, used), plan.grain, plan.reason, without_rows)


def last_usage(rows: Iterable[SpendRow]) -> str | None:
    """Returns the last usage of rows, in ISO text; None where there is none."""
    last = max((row.last_occurred_at_us for row in rows if row.last_occurred_at_us is not None), default=None)
    return None if last is None else iso_text(last)


def _read_sums(connection: Connection, plan: Plan) -> Iterable[Sequence[Any]]:
    """Reads the grouped rows. SQLite refuses a sum past 64 bits: then, and where rows stream, halves are summed."""
    may_overflow = connection.dialect.name == "sqlite"
    if plan.grain == "charges":
        plan.halves = may_overflow
        return sums_of_charges(connection, plan)
    try:
        return list(sums_of_rollups(connection, plan))
    except DBAPIError as error:
        if not may_overflow or "integer overflow" not in str(error.orig):
            raise
    plan.halves = True
    return sums_of_rollups(connection, plan)


def _rows(connection: Connection, plan: Plan, raw_rows: Iterable[Sequence[Any]]) -> list[SpendRow]:
    names = plan.group_names
    width = len(names) + plan.needs_day
    of = {name: place for place, name in enumerate(names)} | {"day": width - 1}
    fixed = itemgetter(*(of[name] for name in FIXED_COLUMNS if name in of))
    none: tuple[Any, ...] = (None, "") if plan.amounts_alone else ()
    not_summed = [0] * Sums._fields.index("amount_nano") if plan.amounts_alone else []
    usd_rates = read_usd_rates(connection)
    services = _service_tiers(connection) if "service_tier" in plan.selection.dimensions else {}
    dimensions = [_reader(dimension, plan, of, services) for dimension in plan.selection.dimensions]
    tags_match = tag_filter(plan.selection, of.get("tags"))
    totals: dict[tuple[Any, ...], tuple[list[int], int | None]] = {}
    for raw in raw_rows:
        if tags_match is not None and not tags_match(raw):
            continue
        key = (tuple([read(raw) for read in dimensions]), *fixed(raw), *none)
        sums = joined(raw[width:-1], halves=plan.halves)
        known = totals.get(key)
        if known is not None:
            sums = [one + other for one, other in zip(known[0], sums, strict=True)]
        last = max((moment for moment in (raw[-1], known and known[1]) if moment is not None), default=None)
        totals[key] = (sums, last)
    return [
        SpendRow(dims, code, usd_rates[conversion_id], entry_id, label, Sums(*not_summed, *sums), last)
        for (dims, code, conversion_id, entry_id, label), (sums, last) in totals.items()
    ]


Reader: TypeAlias = Callable[[Sequence[Any]], str | None]


def _service_tiers(connection: Connection) -> dict[int, str]:
    return {number: entry.service for number, entry in read_rate_entries(connection).items()}


def _reader(dimension: str, plan: Plan, of: dict[str, int], services: Mapping[int, str]) -> Reader:
    """Makes a function from a grouped row to its value of a dimension."""
    if dimension.startswith(TAG_PREFIX):
        tags, key = of["tags"], dimension.removeprefix(TAG_PREFIX)
        return lambda raw: _tag(raw[tags], key)
    if dimension == QUARTERS:
        return lambda raw: str(raw[of["day"]])
    if dimension == "day":
        day = of["day"]
        return itemgetter(day) if plan.grain == "days" else lambda raw: _day_name(raw[day])
    if dimension == "month" and not plan.same_zone:
        return _month_reader(plan, of)
    if dimension == "month":
        return itemgetter(of["posted_month" if plan.selection.basis == "posted" else "occurred_month"])
    read = itemgetter(of[KEY_COLUMN[dimension]])
    return (lambda raw: services.get(read(raw))) if dimension == "service_tier" else read


def _month_reader(plan: Plan, of: dict[str, int]) -> Reader:
    """Makes a reader of another zone's month that the occurred, or on the posted basis the posted, time lies in."""
    posted, occurred, day = of["posted_month"], of["occurred_month"], of["day"]
    by_posted = plan.selection.basis == "posted"
    zone, ledger_zone = plan.selection.zone, plan.ledger_zone

    def read(raw: Sequence[Any]) -> str | None:
        if by_posted and raw[posted] != raw[occurred]:
            return f"{month_start(raw[posted], ledger_zone).astimezone(zone):%Y-%m}"
        name = _day_name(raw[day])
        return name and name[:7]

    return read


def _day_name(number: int | None) -> str | None:
    """Returns YYYY-MM-DD of a day number of `_local_day`; None for a charge without usage."""
    return None if number is None else date.fromordinal(EPOCH_ORDINAL - DAYS_BEFORE_EPOCH + number).isoformat()


def _tag(tags: str | None, key: str) -> str | None:
    value = json.loads(tags).get(key) if tags else None
    return None if value is None else str(value)


def tag_filter(selection: Selection, place: int | None) -> Callable[[Sequence[Any]], bool] | None:
    """Makes a test that a grouped row has one of the values asked for of each tag key; None without tag filters."""
    if not selection.tags or place is None:
        return None
    wanted: dict[str, set[str]] = {}
    for key, value in selection.tags:
        wanted.setdefault(key, set()).add(value)
    return lambda raw: all(_tag(raw[place], key) in values for key, values in wanted.items())
