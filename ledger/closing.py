"""Months closed and reopened. What stands in a closed month's books never changes; later rows post in open months.

Closing and posting both hold the ledger's one write lock, so that no row can slip into a month as it closes.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

import msgspec
from sqlalchemy import Connection, func, select

from ledger.book.open_months import last_closed, standing_close, standing_closes
from ledger.book.rows import ChargeRow
from ledger.book.seals import row_digest, sealed_conversions
from ledger.config import FocusSection
from ledger.errors import LedgerError
from ledger.queries import Selection, read_unbooked_calls
from ledger.store.bulk import next_id
from ledger.store.database import Database
from ledger.store.tables import charges, closings, quarantine, rollup_keys, sources
from ledger.values.calendar import month_start, shift_month
from ledger.wallet.book import wallet_providers
from ledger.wallet.entries import first_wallet_month, write_entries

# Raised whenever an export of a closed month would come out differently; `closings` remembers which one it was.
EXPORT_VERSION = 1
ROWS_AT_ONCE = 5_000


@dataclass(frozen=True, slots=True)
class MonthRows:
    """What stands in a month's books: how many charges, their nano by currency, and a digest over them."""

    charges: int
    amounts_nano: dict[str, int]
    digest: str
    last_charge_id: int


@dataclass(slots=True)
class Closed:
    """A month that was closed, or would be: `number` 1 is its first close; `objections` are what --force overrides.

    `unbooked_calls` are calls of tools whose fees are not in its books.
    """

    month: str
    number: int
    rows: MonthRows
    unbooked_calls: int
    objections: list[str] = field(default_factory=list)


class MonthSettings(msgspec.Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """Settings that exports of a month depend on: they are kept with its close, and hold from then on."""

    focus: FocusSection = FocusSection()
    rollup_tags: tuple[str, ...] = ()


def close_months(
    database: Database,
    month: str,
    *,
    through: bool = False,
    now: datetime,
    force_reason: str | None = None,
    dry_run: bool = False,
    focus: FocusSection | None = None,
) -> list[Closed]:
    """Close a month, or with `through` all open ones up to it; LedgerError where one hasn't ended or something objects.

    Objections are quarantined lines of the month and sources whose usage ended before it did; a reason to force it
    overrides them. `focus` names the month's FOCUS exports from then on.
    """
    with database.reading() if dry_run else database.writing() as connection:
        # Read under the lock: they may have been changed since the ledger was opened.
        settings = MonthSettings(focus=focus or FocusSection(), rollup_tags=tuple(database.rollup_tags))
        zone = database.zone
        if now < month_start(shift_month(month, 1), zone):
            raise LedgerError(f"{month} has not ended: close it from {shift_month(month, 1)}-01 ({zone.key}) on")
        closed = []
        for each in _months_to_close(connection, month, through=through):
            span = Selection(zone, month_start(each, zone), month_start(shift_month(each, 1), zone))
            calls = read_unbooked_calls(connection, span, zone)
            found = Closed(each, _next_number(connection, each), rows_of_month(connection, each), calls)
            found.objections = [*_quarantined(connection, each, zone), *_early_sources(connection, each, zone)]
            if found.objections and force_reason is None and not dry_run:
                raise LedgerError(f"{each}: {'; '.join(found.objections)}. Close it all the same: --force --reason R")
            if not dry_run:
                reason = force_reason if found.objections else None
                _append(connection, database, found, now=now, force_reason=reason, settings=settings)
            closed.append(found)
        return closed


def reopen_month(database: Database, month: str, reason: str, *, now: datetime) -> int:
    """Open the last closed month again; the number of the close that this undoes."""
    with database.writing() as connection:
        last = last_closed(connection)
        if last is None or last.month != month:
            stands = "no month is closed" if last is None else f"the last closed month is {last.month}"
            raise LedgerError(f"{month} can't be reopened: {stands}, and only the last one can")
        row = last._asdict() | {"action": "reopen", "at": now, "reason": reason, "forced": 0}
        _append_row(connection, row)
        return int(last.number)


class MonthVersion(NamedTuple):
    """Which books of a month an export shows: `closed` is the number of the close that holds, None while it is open."""

    month: str | None
    closed: int | None
    export_version: int


def month_version(connection: Connection, month: str | None) -> MonthVersion:
    """The version of a month that exports show now; `month` None is a period that is no month of the ledger's."""
    close = standing_close(connection, month)
    if close is None:
        return MonthVersion(month, None, EXPORT_VERSION)
    return MonthVersion(month, int(close.number), int(close.export_version))


def month_settings(connection: Connection, month: str, now: MonthSettings) -> MonthSettings:
    """The settings that hold for a month: those that its close kept, else those of `now`."""
    close = standing_close(connection, month)
    if close is None or close.settings is None:
        return now
    return msgspec.json.decode(close.settings, type=MonthSettings)


def undated_quarantine(connection: Connection) -> int:
    """Open quarantine entries without a readable time: they belong to no month and never block a close."""
    query = select(func.count()).where(quarantine.c.state == "open", quarantine.c.occurred_at.is_(None))
    return int(connection.execute(query).scalar_one())


def _months_to_close(connection: Connection, month: str, *, through: bool) -> list[str]:
    last = last_closed(connection)
    if last is not None and month <= last.month:
        raise LedgerError(f"{month} is closed already; corrections post in {shift_month(last.month, 1)} or later")
    first = shift_month(last.month, 1) if last is not None else _first_month(connection, month)
    if first < month and not through:
        raise LedgerError(f"{first} is open still: months close in order; close it first, or give --through {month}")
    months = [first]
    while months[-1] < month:
        months.append(shift_month(months[-1], 1))
    return months


def _first_month(connection: Connection, month: str) -> str:
    """The first month with charges or moves of a wallet, or `month` where it comes before."""
    earliest = connection.execute(select(func.min(rollup_keys.c.posted_month))).scalar()
    return min(str(first) for first in (earliest, first_wallet_month(connection), month) if first is not None)


def _next_number(connection: Connection, month: str) -> int:
    numbers = select(func.max(closings.c.number)).where(closings.c.month == month, closings.c.action == "close")
    return int(connection.execute(numbers).scalar() or 0) + 1


def _quarantined(connection: Connection, month: str, zone: ZoneInfo) -> Iterator[str]:
    query = select(func.count()).where(
        quarantine.c.state == "open",
        quarantine.c.occurred_at >= month_start(month, zone),
        quarantine.c.occurred_at < month_start(shift_month(month, 1), zone),
    )
    count = int(connection.execute(query).scalar_one())
    if count:
        lines = "line is" if count == 1 else "lines are"
        yield f"{count} quarantined {lines} of that month: 'tollbook quarantine list'"


def _early_sources(connection: Connection, month: str, zone: ZoneInfo) -> Iterator[str]:
    """Sources with usage in the month whose latest record is from before the month's last day."""
    last_day = (month_start(shift_month(month, 1), zone).astimezone(zone) - timedelta(days=1)).date()
    active = select(rollup_keys.c.source).where(rollup_keys.c.occurred_month == month).distinct()
    query = select(sources).where(sources.c.source.in_(active)).order_by(sources.c.source)
    for source, last_occurred_at, _last_ingest_at in connection.execute(query):
        ended = last_occurred_at.astimezone(zone).date()
        if ended < last_day:
            yield f"source {source!r} ends on {ended}, before {last_day}: its usage may be incomplete"


def rows_of_month(connection: Connection, month: str, last_charge_id: int | None = None) -> MonthRows:
    """The charges posted in a month, up to an id, and their digest: sha256 over JSON lines, with what they pin."""
    last = next_id(connection, charges) - 1 if last_charge_id is None else last_charge_id
    query = select(charges).where(charges.c.posted_month == month, charges.c.id <= last).order_by(charges.c.id)
    result = connection.execute(query, execution_options={"yield_per": ROWS_AT_ONCE})
    digest = hashlib.sha256()
    encode_lines = msgspec.json.Encoder().encode_lines
    count = 0
    pinned: set[int | None] = set()
    amounts: Counter[str] = Counter()
    for page in result.partitions():
        rows = [ChargeRow(*row) for row in page]
        digest.update(encode_lines(rows))
        count += len(rows)
        pinned.update(row.conversion_id for row in rows)
        for row in rows:
            amounts[row.currency] += row.amount_nano
    known = sealed_conversions(connection)
    digest.update(encode_lines([known.get(number) for number in sorted(number for number in pinned if number)]))
    return MonthRows(count, dict(amounts), digest.hexdigest(), last)


def _append(
    connection: Connection,
    database: Database,
    closed: Closed,
    *,
    now: datetime,
    force_reason: str | None,
    settings: MonthSettings,
) -> None:
    closing_id = _append_row(
        connection,
        {
            "action": "close",
            "month": closed.month,
            "number": closed.number,
            "at": now,
            "reason": force_reason,
            "forced": int(force_reason is not None),
            "last_charge_id": closed.rows.last_charge_id,
            "charges": closed.rows.charges,
            "amounts": msgspec.json.encode(closed.rows.amounts_nano, order="sorted").decode(),
            "rows_digest": closed.rows.digest,
            "billing_mode": "prepaid" if wallet_providers(connection, closed.month) else "postpaid",
            "timezone": database.zone_name,
            "export_version": EXPORT_VERSION,
            "settings": msgspec.json.encode(settings, order="sorted").decode(),
        },
    )
    write_entries(connection, closing_id, closed.month)


def _append_row(connection: Connection, row: dict[str, Any]) -> int:
    """Append a row to `closings`, sealed; its id."""
    newest = connection.execute(select(closings).order_by(closings.c.id.desc()).limit(1)).first()
    row = {**row, "id": next_id(connection, closings), "previous": newest.digest if newest else ""}
    connection.execute(closings.insert().values(**row | {"digest": row_digest(closings, row)}))
    return int(row["id"])


def check_closings(connection: Connection, month: str | None = None) -> Iterator[str]:
    """What is wrong with the closes, in words: rows of a month that are no longer what was closed, a broken chain."""
    previous = ""
    for row in connection.execute(select(closings).order_by(closings.c.id)):
        name = f"{row.action} no. {row.number} of {row.month}"
        if row.previous != previous or row_digest(closings, row._asdict()) != row.digest:
            yield f"{name}: it is no longer as it was recorded"
        previous = row.digest
        if row.action == "close" and month in (None, row.month):
            found = rows_of_month(connection, row.month, row.last_charge_id)
            if (found.digest, found.charges) != (row.rows_digest, row.charges):
                yield f"{name}: its {row.charges} charges are no longer those that were closed"
    yield from _strays(connection, month)


def _strays(connection: Connection, month: str | None) -> Iterator[str]:
    for row in standing_closes(connection):
        if month in (None, row.month):
            query = select(func.count()).where(charges.c.posted_month == row.month, charges.c.id > row.last_charge_id)
            count = int(connection.execute(query).scalar_one())
            if count:
                yield f"{row.month}: {count} charges were posted in it after it was closed"
