"""What a wallet is worked out from: its moves, the entries that closes wrote, and usage by day from the roll-ups."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, Table, and_, func, literal_column, select

from ledger.store.expressions import HALF_BITS, LOWER_HALF, column_within, microseconds
from ledger.store.tables import rollup_days, rollup_keys, rollup_quarters
from ledger.values.instants import to_microseconds


def wallet_day(occurred_day: str, posted_month: str) -> str:
    """The day that usage counts on: its own, or the first of its posted month where it occurred before."""
    return max(occurred_day, f"{posted_month}-01")


def usage_by_day(
    connection: Connection, provider: str, currency: str, first_month: str, last_month: str
) -> Counter[str]:
    """Nano posted in these months, by the day that it counts on."""
    of_months = and_(
        _of(provider, currency), rollup_keys.c.posted_month >= first_month, rollup_keys.c.posted_month <= last_month
    )
    found: Counter[str] = Counter()
    # Days come first in the roll-up's primary key: bounds keep the database from reading all months.
    first_occurred = connection.execute(select(func.min(rollup_keys.c.occurred_month)).where(of_months)).scalar()
    if first_occurred is None:
        return found
    days = rollup_days.c.day.between(f"{first_occurred}-01", f"{last_month}-31")
    query = _sums(connection, rollup_days, and_(of_months, days), rollup_keys.c.posted_month, rollup_days.c.day)
    for posted_month, day, upper, lower in connection.execute(query):
        found[wallet_day(day, posted_month)] += _joined(upper, lower)
    return found


def usage_after(connection: Connection, provider: str, currency: str, start: datetime, end: datetime) -> int:
    """Nano of usage that occurred in [start, end), both on quarter-hours of one month, and posts in that month."""
    within = and_(
        _of(provider, currency),
        rollup_keys.c.charge_class != "adjustment",
        rollup_keys.c.posted_month == rollup_keys.c.occurred_month,
        column_within(microseconds(rollup_quarters.c.quarter), to_microseconds(start), to_microseconds(end)),
    )
    return _total(connection.execute(_sums(connection, rollup_quarters, within)))


def usage_of_days(connection: Connection, provider: str, currency: str, first: str, last: str) -> int:
    """Nano of usage that occurred on these days, wherever it is posted; adjustments aren't usage."""
    within = and_(
        _of(provider, currency), rollup_keys.c.charge_class != "adjustment", rollup_days.c.day.between(first, last)
    )
    return _total(connection.execute(_sums(connection, rollup_days, within)))


def _of(provider: str, currency: str) -> ColumnElement[bool]:
    return and_(rollup_keys.c.provider == provider, rollup_keys.c.currency == currency)


def _sums(connection: Connection, table: Table, condition: ColumnElement[bool], *by: ColumnElement[Any]) -> Select[Any]:
    """A row for each value of `by`, with the sum of amounts in two parts: see `_joined`."""
    amount = table.c.amount_nano
    parts: tuple[ColumnElement[Any], ColumnElement[Any]] = (literal_column("0"), func.sum(amount))
    if connection.dialect.name == "sqlite":
        # Its sums end at 64 bits: the upper and the lower half of each number are summed apart.
        parts = (func.sum(amount.bitwise_rshift(HALF_BITS)), func.sum(amount.bitwise_and(LOWER_HALF)))
    return (
        select(*by, *parts)
        .join_from(table, rollup_keys, rollup_keys.c.id == table.c.key_id)
        .where(condition)
        .group_by(*by)
    )


def _total(rows: Iterable[Sequence[Any]]) -> int:
    return sum(_joined(upper, lower) for upper, lower in rows)


def _joined(upper: int | None, lower: int | None) -> int:
    return (int(upper or 0) << HALF_BITS) + int(lower or 0)


def last_day_posted(connection: Connection, month: str) -> str | None:
    """The latest day whose usage stands in the month's books."""
    query = select(func.max(rollup_days.c.day)).join_from(
        rollup_days, rollup_keys, rollup_keys.c.id == rollup_days.c.key_id
    )
    return connection.execute(query.where(rollup_keys.c.posted_month == month)).scalar()
