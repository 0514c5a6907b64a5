"""A wallet on a day, lot by lot and for how long it lasts; and a month of it, item by item."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from fractions import Fraction
from typing import NamedTuple
from zoneinfo import ZoneInfo

from sqlalchemy import Connection

from ledger.store.database import Database
from ledger.values.calendar import QUARTER, day_start
from ledger.values.instants import EPOCH
from ledger.wallet.book import Until, WalletBook, draw_until, month_until, read_book, split_at
from ledger.wallet.drawdown import Entry, Lot, Wallet, days_left
from ledger.wallet.moves import DRAW
from ledger.wallet.usage import usage_of_days

# The trailing days whose rate says how long a balance lasts.
WINDOWS = (7, 28)


class LotState(NamedTuple):
    """A lot with what became of its credits, in nano; `lot` None is what was given back and is of no lot.

    `used_nano` is what usage and draws took of it.
    """

    lot: Lot | None
    reference: str | None
    used_nano: int
    expired_nano: int
    remaining_nano: int


class Runway(NamedTuple):
    """The days a balance lasts at the rate of the last `days` days, today included; None where nothing was used.

    What expires before it would be used doesn't count.
    """

    days: int
    nano_a_day: Fraction
    lasts_days: Fraction | None


@dataclass(frozen=True, slots=True)
class Balance:
    """A provider's wallet on a day: its lots, those with credits first and in the order in which they are drawn."""

    provider: str
    currency: str
    day: str
    wallet: Wallet
    lots: Sequence[LotState]
    runways: Sequence[Runway]

    @property
    def expiring(self) -> list[tuple[str, int]]:
        """The last days of what is left, soonest first, with the nano that each takes if nothing is used."""
        found: Counter[str] = Counter()
        for state in self.lots:
            if state.lot is not None and state.lot.expires is not None and state.remaining_nano:
                found[state.lot.expires] += state.remaining_nano
        return sorted(found.items())


class StatementLine(NamedTuple):
    """A line of a statement; the balance after it is less what is overdrawn, and so may be below 0."""

    day: str
    item: str
    lot: int | None
    reference: str | None
    credits_nano: int | None
    paid_nano: int | None
    balance_nano: int


@dataclass(frozen=True, slots=True)
class Statement:
    """A month of a provider's wallet: its items, the transfers behind them, and the accounts before and after it.

    `closed` ones don't change any more; `until` is its end in a month that runs.
    """

    provider: str
    currency: str
    month: str
    closed: bool
    until: Until
    opening: Wallet
    closing: Wallet
    items: Sequence[StatementLine]
    entries: Sequence[Entry]


def until_moment(moment: datetime, zone: ZoneInfo) -> Until:
    """Returns the end of a look at a moment: its day's usage counts up to the end of its quarter-hour."""
    day = moment.astimezone(zone).date()
    end = day_start(day + timedelta(days=1), zone)
    quarters = -((EPOCH - moment) // QUARTER)
    return Until(day.isoformat(), over=False, left_out=(min(EPOCH + quarters * QUARTER, end), end))


def read_balance(database: Database, provider: str, until: Until) -> Balance:
    """Reads what a wallet holds on a day; LedgerError where the provider has none."""
    with database.reading() as connection:
        return balance_on(connection, provider, until)


def balance_on(connection: Connection, provider: str, until: Until, *, posted_through: str | None = None) -> Balance:
    """Reads the same from a snapshot; where a month is named, its rates are of usage posted up to that one."""
    book = read_book(connection, provider)
    entries = draw_until(connection, book, until)
    wallet = Wallet(book.lots.values(), entries)

    def runway(days: int) -> Runway:
        first = (date.fromisoformat(until.day) - timedelta(days=days - 1)).isoformat()
        used_nano = usage_of_days(connection, provider, book.currency, first, until.day, posted_through=posted_through)
        used_nano += sum(nano for drawn_on, nano in book.draws.items() if first <= drawn_on <= until.day)
        rate = Fraction(used_nano, days)
        return Runway(days, rate, days_left(wallet, until.day, rate))

    runways = [runway(days) for days in WINDOWS]
    return Balance(provider, book.currency, until.day, wallet, _lots(book, wallet, entries), runways)


def _lots(book: WalletBook, wallet: Wallet, entries: Sequence[Entry]) -> list[LotState]:
    come = {entry.lot for entry in entries if entry.source in {"purchased", "granted"}}
    expired: Counter[int | None] = Counter()
    for entry in entries:
        if entry.target == "expired":
            expired[entry.lot] += entry.amount_nano
    states = []
    for lot in sorted((lot for lot in book.lots.values() if lot.id in come), key=lambda lot: lot.order):
        left = wallet.remaining.get(lot.id, 0)
        used = lot.credits_nano - expired[lot.id] - left
        states.append(LotState(lot, book.references[lot.id], used, expired[lot.id], left))
    of_no_lot = wallet.remaining.get(None, 0)
    given_back = [LotState(None, None, 0, 0, of_no_lot)] if of_no_lot else []
    return given_back + sorted(states, key=lambda state: not state.remaining_nano)


def read_statement(database: Database, provider: str, month: str, *, now: datetime) -> Statement:
    """Reads a month of a wallet; LedgerError where the provider has none, or the month has not begun."""
    with database.reading() as connection:
        book = read_book(connection, provider)
        until = month_until(month, database.zone, now)
        before, entries = split_at(draw_until(connection, book, until), f"{month}-01")
        opening = Wallet(book.lots.values(), before)
        closing = Wallet(book.lots.values(), [*before, *entries])
        items = list(_items(book, month, until, opening.net_nano, entries))
        closed = month < book.first_open
        return Statement(provider, book.currency, month, closed, until, opening, closing, items, entries)


def _items(
    book: WalletBook, month: str, until: Until, net_nano: int, entries: Sequence[Entry]
) -> Iterator[StatementLine]:
    yield StatementLine(f"{month}-01", "opening balance", None, None, None, None, net_nano)
    for day in sorted({entry.day for entry in entries}):
        for item in _items_of_day(book, day, [entry for entry in entries if entry.day == day]):
            assert item.credits_nano is not None
            net_nano += item.credits_nano
            yield item._replace(balance_nano=net_nano)
    last = "closing balance" if until.over else "balance so far"
    yield StatementLine(until.day, last, None, None, None, None, net_nano)


def _items_of_day(book: WalletBook, day: str, entries: Sequence[Entry]) -> Iterator[StatementLine]:
    """Yields the lines in the order in which they count; balances are the caller's."""
    for entry in entries:
        if entry.source in {"purchased", "granted"} and entry.lot is not None:
            paid, reference = book.lots[entry.lot].paid_nano or None, book.references[entry.lot]
            yield StatementLine(day, entry.source, entry.lot, reference, entry.amount_nano, paid, 0)
    used_nano = sum(entry.amount_nano * ((entry.source == "used") - (entry.target == "used")) for entry in entries)
    if used_nano:
        yield StatementLine(day, "usage", None, None, used_nano, None, 0)
    for row in book.moves:
        if row.kind == DRAW and row.day == day:
            yield StatementLine(day, DRAW, None, row.reference, -row.credits_nano, None, 0)
    for entry in entries:
        if entry.target == "expired" and entry.lot is not None:
            reference = book.references[entry.lot]
            yield StatementLine(day, "expired", entry.lot, reference, -entry.amount_nano, None, 0)
