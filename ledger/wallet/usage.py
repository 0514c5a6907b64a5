"""Usage that draws on a wallet, by day, from the roll-ups."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, and_, func, select, true

from ledger.book.quarters import read_quarters
from ledger.store.expressions import joined, terms_of
from ledger.store.tables import MEASURES, rollup_days, rollup_keys, rollup_quarters


def wallet_day(occurred_day: str, posted_month: str) -> str:
    """Returns the day that usage counts on: its own, or the first of its posted month where it occurred before."""
    return max(occurred_day, f"{posted_month}-01")


def usage_by_day(
    connection: Connection, provider: str, currency: str, first_month: str, last_month: str
) -> Counter[str]:
    """Reads nano posted in these months, by the day that it counts on."""
    of_months = and_(_of(provider, currency), rollup_keys.c.posted_month.between(first_month, last_month))
    found: Counter[str] = Counter()
    # Days come first in the roll-up's primary key: bounds keep the database from reading all months.
    first_occurred = connection.execute(select(func.min(rollup_keys.c.occurred_month)).where(of_months)).scalar()
    if first_occurred is None:
        return found
    days = rollup_days.c.day.between(f"{first_occurred}-01", f"{last_month}-31")
    by = (rollup_keys.c.posted_month, rollup_days.c.day)
    for nano, posted_month, day in _sums(connection, and_(of_months, days), *by):
        found[wallet_day(day, posted_month)] += nano
    return found


def usage_after(connection: Connection, provider: str, currency: str, start: datetime, end: datetime) -> int:
    """Reads nano of usage that occurred in [start, end), quarter-hours of one month, and posts in that month."""
    own = and_(
        _of(provider, currency),
        rollup_keys.c.charge_class != "adjustment",
        rollup_keys.c.posted_month == rollup_keys.c.occurred_month,
    )
    keys = rollup_quarters.c.key_id.in_(select(rollup_keys.c.id).where(own))
    amounts = (cells.sums[MEASURES.index("amount_nano")] for cells in read_quarters(connection, keys, start, end))
    return sum(nano for amount in amounts for nano in amount.tolist())


def usage_of_days(
    connection: Connection, provider: str, currency: str, first: str, last: str, *, posted_through: str | None = None
) -> int:
    """Reads nano of usage that occurred on these days; adjustments aren't usage.

    It counts wherever it is posted, or, where a month is named, up to that one.
    """
    within = and_(
        _of(provider, currency),
        rollup_keys.c.charge_class != "adjustment",
        true() if posted_through is None else rollup_keys.c.posted_month <= posted_through,
        rollup_days.c.day.between(first, last),
    )
    return sum(nano for (nano,) in _sums(connection, within))


def _of(provider: str, currency: str) -> ColumnElement[bool]:
    return and_(rollup_keys.c.provider == provider, rollup_keys.c.currency == currency)


def _sums(connection: Connection, condition: ColumnElement[bool], *by: ColumnElement[Any]) -> Iterator[tuple[Any, ...]]:
    """Reads a row for each value of `by`: the sum of its amounts, exact past 64 bits, and the value."""
    halves = connection.dialect.name == "sqlite"
    sums = [func.sum(term) for term in terms_of(rollup_days.c.amount_nano, halves=halves)]
    query = (
        select(*by, *sums)
        .join_from(rollup_days, rollup_keys, rollup_keys.c.id == rollup_days.c.key_id)
        .where(condition)
        .group_by(*by)
    )
    for row in connection.execute(query):
        if row[-1] is not None:
            yield (*joined(row[len(by) :], halves=halves), *row[: len(by)])


def last_day_posted(connection: Connection, month: str) -> str | None:
    """Reads the latest day with usage in the month's books."""
    query = select(func.max(rollup_days.c.day)).join_from(
        rollup_days, rollup_keys, rollup_keys.c.id == rollup_days.c.key_id
    )
    return connection.execute(query.where(rollup_keys.c.posted_month == month)).scalar()
