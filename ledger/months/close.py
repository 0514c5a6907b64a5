"""Months closed and reopened. A closed month's books never change; later rows post in open months.

Closing and posting both hold the ledger's one write lock, so that no row can slip into a month as it closes.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple
from zoneinfo import ZoneInfo

import msgspec
from sqlalchemy import Connection, func, select

from ledger.book.archived import archived_through
from ledger.book.open_months import last_closed
from ledger.book.seals import append_sealed
from ledger.config import FocusSection
from ledger.errors import LedgerError
from ledger.months.objections import find_objections
from ledger.months.rows import MonthRows, RowsRead
from ledger.months.version import EXPORT_VERSION, MonthSettings
from ledger.reports.conversion_notes import ConversionNote, read_conversion_notes
from ledger.reports.selection import Selection
from ledger.reports.snapshot import Snapshot
from ledger.reports.unbooked import read_unbooked_calls
from ledger.store.database import Database
from ledger.store.tables import closings, rollup_keys
from ledger.values.calendar import month_start, shift_month
from ledger.values.periods import month_span
from ledger.wallet.book import wallet_providers
from ledger.wallet.entries import first_wallet_month, write_entries


@dataclass(slots=True)
class Closed:
    """A month that was closed, or would be: `number` 1 is its first close; `objections` are what --force overrides.

    `unbooked_calls` are calls of tools whose fees are not in its books. `conversion_notes` are of a dry run alone.
    """

    month: str
    number: int
    rows: MonthRows
    unbooked_calls: int
    objections: list[str]
    conversion_notes: tuple[ConversionNote, ...] = ()


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
    """Closes a month, or with `through` all open ones up to it; none where it is closed already.

    LedgerError where one hasn't ended or is objected to.

    Objections are quarantined lines of the month and sources whose usage ended before it did; a reason to force it
    overrides them. `focus` names the month's FOCUS exports from then on.

    All is looked at first without the write lock, which holds nobody up; under it again, but of the rows, which take
    long, those alone that were posted meanwhile.
    """
    rows_read: dict[str, RowsRead] = {}

    def find(connection: Connection) -> list[Closed]:
        found = []
        for each in _months_to_close(connection, month, database.zone, now=now, through=through):
            rows = rows_read.setdefault(each, RowsRead(each))
            found.append(_found(connection, each, database.zone, rows))
            objections = "; ".join(found[-1].objections)
            if objections and force_reason is None and not dry_run:
                raise LedgerError(f"{each}: {objections}. Close it all the same: --force --reason R")
        return found

    with database.reading() as connection:
        closed = find(connection)
        if dry_run:
            _add_conversion_notes(Snapshot.of(connection, database), closed)
            return closed
    with database.writing() as connection:
        # Read under the lock: they may have been changed since the ledger was opened.
        settings = MonthSettings(focus=focus or FocusSection(), rollup_tags=tuple(database.rollup_tags))
        closed = find(connection)
        for each in closed:
            reason = force_reason if each.objections else None
            _append(connection, database, each, now=now, force_reason=reason, settings=settings)
    return closed


def _found(connection: Connection, month: str, zone: ZoneInfo, rows: RowsRead) -> Closed:
    """Returns what is in a month's books now, of which `rows` were read before."""
    span = Selection(zone, month_start(month, zone), month_start(shift_month(month, 1), zone))
    calls = read_unbooked_calls(connection, span, zone)
    objections = list(find_objections(connection, month, zone))
    return Closed(month, _next_number(connection, month), rows.read(connection), calls, objections)


def _add_conversion_notes(snapshot: Snapshot, closed: list[Closed]) -> None:
    for each in closed:
        span = month_span(each.month, snapshot.zone)
        each.conversion_notes = read_conversion_notes(snapshot, Selection(snapshot.zone, span.start, span.end))


class Reopened(NamedTuple):
    """A month that is open again: the number of the close that was undone, and whether that was done only now."""

    number: int
    is_new: bool


def reopen_month(database: Database, month: str, reason: str, *, now: datetime) -> Reopened:
    """Opens the last closed month again; does nothing where that is what was done last."""
    with database.writing() as connection:
        last = last_closed(connection)
        if last is None or last.month != month:
            latest = connection.execute(select(closings).order_by(closings.c.id.desc()).limit(1)).first()
            if latest is not None and (latest.action, latest.month) == ("reopen", month):
                return Reopened(int(latest.number), is_new=False)
            newest = "no month is closed" if last is None else f"the last closed month is {last.month}"
            raise LedgerError(f"{month} can't be reopened: {newest}, and only the last one can")
        if month <= (archived_through(connection) or ""):
            raise LedgerError(f"{month} can't be reopened: its rows were archived, and stay as they were closed")
        row = last._asdict() | {"action": "reopen", "at": now, "reason": reason, "forced": 0}
        append_sealed(connection, closings, row)
        return Reopened(int(last.number), is_new=True)


def _months_to_close(connection: Connection, month: str, zone: ZoneInfo, *, now: datetime, through: bool) -> list[str]:
    if now < month_start(shift_month(month, 1), zone):
        raise LedgerError(f"{month} has not ended: close it from {shift_month(month, 1)}-01 ({zone.key}) on")
    last = last_closed(connection)
    if last is not None and month <= last.month:
        return []
    first = shift_month(last.month, 1) if last is not None else _first_month(connection, month)
    if first < month and not through:
        raise LedgerError(f"{first} is open still: months close in order; close it first, or give --through {month}")
    months = [first]
    while months[-1] < month:
        months.append(shift_month(months[-1], 1))
    return months


def _first_month(connection: Connection, month: str) -> str:
    """Returns the first month with charges or moves of a wallet, or `month` where it comes before."""
    earliest = connection.execute(select(func.min(rollup_keys.c.posted_month))).scalar()
    return min(str(first) for first in (earliest, first_wallet_month(connection), month) if first is not None)


def _next_number(connection: Connection, month: str) -> int:
    numbers = select(func.max(closings.c.number)).where(closings.c.month == month, closings.c.action == "close")
    return int(connection.execute(numbers).scalar() or 0) + 1


def _append(
    connection: Connection,
    database: Database,
    closed: Closed,
    *,
    now: datetime,
    force_reason: str | None,
    settings: MonthSettings,
) -> None:
    closing_id = append_sealed(
        connection,
        closings,
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
