"""The credit wallet: one a provider, in the currency of its card. Top-ups and draws go in; usage draws it down.

What it drew is worked out while a month is open, and written as entries when it closes: these stay as they are, and
later months go on from them. A wallet begins with the month of its first top-up or draw; usage that is posted before
was not prepaid. Usage in another currency, as an adjustment in USD is, doesn't draw on it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Sequence
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
from ledger.wallet.lot_costs import MonthCosts, month_costs
from ledger.wallet.moves import DRAW, read_moves
from ledger.wallet.usage import usage_after, usage_by_day

# --- reading --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class WalletBook:
    """What is recorded of a provider's wallet: its moves, and the entries that standing closes wrote."""

    provider: str
    currency: str
    moves: Sequence[Row[Any]]
    lots: dict[int, Lot]
    draws: Counter[str]
    entries: Sequence[Entry]
    first_month: str
    first_open: str

    @property
    def first_to_derive(self) -> str:
        """The first month that no close has written entries of."""
        return max(self.first_month, self.first_open)


def read_book(connection: Connection, provider: str) -> WalletBook | None:
    """What is recorded of a provider's wallet; None where there is none."""
    moves = read_moves(connection, provider)
    if not moves:
        return None
    lots = [_lot(row) for row in moves if row.kind != DRAW]
    draws: Counter[str] = Counter()
    for row in moves:
        if row.kind == DRAW:
            draws[row.day] += row.credits_nano
    closes: list[int] = [row.id for row in standing_closes(connection)]
    return WalletBook(
        provider,
        moves[0].currency,
        moves,
        {lot.id: lot for lot in lots},
        draws,
        read_entries(connection, closes, provider),
        min(row.day for row in moves)[:7],
        first_open_month(connection),
    )


def _lot(row: Row[Any]) -> Lot:
    return Lot(row.id, row.day, row.credits_nano, row.expires, row.kind == "granted", row.paid_nano)


def wallet_providers(connection: Connection, month: str | None = None) -> list[str]:
    """Providers with a wallet; with a month, with one that had begun by its end: their usage of it is prepaid."""
    query = select(wallet_moves.c.provider).group_by(wallet_moves.c.provider).order_by(wallet_moves.c.provider)
    if month is not None:
        query = query.having(func.min(wallet_moves.c.day) < f"{shift_month(month, 1)}-01")
    return [str(provider) for provider in connection.execute(query).scalars()]


class Until(NamedTuple):
    """Where a look at a wallet ends: a day, and whether it is over, so that what ends with it has expired.

    `left_out` is a stretch [start, end) at the day's end, on quarter-hours, whose usage doesn't count.
    """

    day: str
    over: bool = True
    left_out: tuple[datetime, datetime] | None = None


class Drawn(NamedTuple):
    """A wallet after a day, and all entries up to then, those of closed months as they were written."""

    wallet: Wallet
    entries: list[Entry]


def drawn_until(connection: Connection, book: WalletBook, until: Until) -> Drawn:
    """The wallet as it stood on a day of the ledger's zone."""
    day, over, left_out = until
    closed = day[:7] < book.first_open
    whole = over and left_out is None
    done = [entry for entry in book.entries if entry.day < day or (whole and entry.day == day)]
    wallet = Wallet(book.lots.values(), done)
    if day[:7] < book.first_month or (closed and whole):
        return Drawn(wallet, done)
    first = day if closed else f"{book.first_to_derive}-01"
    usage = usage_by_day(connection, book.provider, book.currency, first[:7], day[:7])
    if left_out is not None:
        usage[day] -= usage_after(connection, book.provider, book.currency, *left_out)
    return Drawn(wallet, [*done, *wallet.draw_down(usage, book.draws, first, day, over=over)])


def month_until(month: str, zone: ZoneInfo, now: datetime) -> Until:
    """The month's last day, or today while it runs; LedgerError before it begins."""
    today = now.astimezone(zone).date().isoformat()
    if today < month:
        raise LedgerError(f"{month} has not begun: give a month up to {today[:7]}")
    return Until(last_day(month)) if today[:7] > month else Until(today, over=False)


def read_month_costs(connection: Connection, provider: str, until: Until) -> MonthCosts | None:
    """What usage of the month of `until` drew from which lot, and what else became of its lots; None without a wallet.

    None too where the wallet began after that month: its usage isn't prepaid.
    """
    book = read_book(connection, provider)
    month = until.day[:7]
    if book is None or month < book.first_month:
        return None
    before, entries = split_at(drawn_until(connection, book, until).entries, f"{month}-01")
    return month_costs(month, book.lots, before, entries)


def split_at(entries: Iterable[Entry], day: str) -> tuple[list[Entry], list[Entry]]:
    """The entries of days before that one, and those from it on."""
    kept = list(entries)
    return [entry for entry in kept if entry.day < day], [entry for entry in kept if entry.day >= day]


def read_entries(connection: Connection, closing_ids: Collection[int], provider: str) -> list[Entry]:
    """What these closes wrote of a provider's wallet, in order."""
    columns = [wallet_entries.c[name] for name in ("day", "from_account", "to_account", "lot_id", "amount_nano")]
    query = (
        select(*columns)
        .where(wallet_entries.c.provider == provider, wallet_entries.c.closing_id.in_(closing_ids))
        .order_by(wallet_entries.c.id)
    )
    return [Entry(*row) for row in connection.execute(query)]
