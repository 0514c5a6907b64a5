"""The credit wallet: one a provider, in the currency of its card. Top-ups and draws go in; usage draws it down.

Its entries are worked out while a month is open, and written when it closes: those stay, and later months go on from
them. A wallet begins with the month of its first top-up or draw; usage that is posted before
was not prepaid. Usage in another currency, as an adjustment in USD is, doesn't draw on it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from sqlalchemy import Connection, Row, func, select

from ledger.book.open_months import first_open_month, standing_closes
from ledger.errors import LedgerError
from ledger.store.tables import wallet_entries, wallet_moves
from ledger.values.calendar import last_day, shift_month
from ledger.wallet.drawdown import Entry, Lot, Wallet
from ledger.wallet.moves import DRAW, read_moves
from ledger.wallet.usage import usage_after, usage_by_day


@dataclass(frozen=True, slots=True)
class WalletBook:
    """A provider's wallet as recorded: its moves, and the entries that closes in force wrote."""

    provider: str
    currency: str
    moves: Sequence[Row[Any]]
    references: Mapping[int, str]
    lots: dict[int, Lot]
    draws: Counter[str]
    entries: Sequence[Entry]
    first_month: str
    first_open: str


def read_book(connection: Connection, provider: str) -> WalletBook:
    """Reads what is recorded of a provider's wallet; LedgerError where it has none."""
    moves = read_moves(connection, provider)
    if not moves:
        raise LedgerError(f"{provider} has no wallet: 'tollbook wallet topup' makes one, or give another --provider")
    draws: Counter[str] = Counter()
    for row in moves:
        if row.kind == DRAW:
            draws[row.day] += row.credits_nano
    return WalletBook(
        provider,
        moves[0].currency,
        moves,
        {row.id: row.reference for row in moves},
        {row.id: _lot(row) for row in moves if row.kind != DRAW},
        draws,
        _read_entries(connection, provider),
        min(row.day for row in moves)[:7],
        first_open_month(connection),
    )


def _lot(row: Row[Any]) -> Lot:
    return Lot(row.id, row.day, row.credits_nano, row.expires, row.kind == "granted", row.paid_nano)


def wallet_providers(connection: Connection, month: str | None = None) -> list[str]:
    """Reads which providers have a wallet; with a month, one begun by its end: their usage of it is prepaid."""
    query = select(wallet_moves.c.provider).group_by(wallet_moves.c.provider).order_by(wallet_moves.c.provider)
    if month is not None:
        query = query.having(func.min(wallet_moves.c.day) < f"{shift_month(month, 1)}-01")
    return [str(provider) for provider in connection.execute(query).scalars()]


class Until(NamedTuple):
    """The end of a look at a wallet: a day, and whether it is over, so that what ends with it has expired.

    `left_out` is a stretch [start, end) at the day's end, on quarter-hours, whose usage doesn't count.
    """

    day: str
    over: bool = True
    left_out: tuple[datetime, datetime] | None = None


def draw_until(connection: Connection, book: WalletBook, until: Until) -> list[Entry]:
    """Draws a wallet down to a day of the ledger's zone: all entries, those of closed months as they were written."""
    day, over, left_out = until
    closed = day[:7] < book.first_open
    whole = over and left_out is None
    done = [entry for entry in book.entries if entry.day < day or (whole and entry.day == day)]
    if day[:7] < book.first_month or (closed and whole):
        return done
    first = day if closed else f"{max(book.first_month, book.first_open)}-01"
    usage = usage_by_day(connection, book.provider, book.currency, first[:7], day[:7])
    if left_out is not None:
        usage[day] -= usage_after(connection, book.provider, book.currency, *left_out)
    return [*done, *Wallet(book.lots.values(), done).draw_down(usage, book.draws, first, day, over=over)]


def month_until(month: str, zone: ZoneInfo, now: datetime) -> Until:
    """Returns the month's last day, or today while it runs; LedgerError before it begins."""
    today = now.astimezone(zone).date().isoformat()
    if today < month:
        raise LedgerError(f"{month} has not begun: give a month up to {today[:7]}")
    return Until(last_day(month)) if today[:7] > month else Until(today, over=False)


def split_at(entries: Sequence[Entry], day: str) -> tuple[list[Entry], list[Entry]]:
    """Splits entries into those of days before that one, and those from it on."""
    return [entry for entry in entries if entry.day < day], [entry for entry in entries if entry.day >= day]


def _read_entries(connection: Connection, provider: str) -> list[Entry]:
    """Reads in order what the closes in force wrote."""
    closing_ids: list[int] = [row.id for row in standing_closes(connection)]
    columns = [wallet_entries.c[name] for name in ("day", "from_account", "to_account", "lot_id", "amount_nano")]
    query = (
        select(*columns)
        .where(wallet_entries.c.provider == provider, wallet_entries.c.closing_id.in_(closing_ids))
        .order_by(wallet_entries.c.id)
    )
    return [Entry(*row) for row in connection.execute(query)]
