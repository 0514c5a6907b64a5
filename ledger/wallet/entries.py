"""Wallet entries: written as a month closes, and compared with what they are worked out from."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count

from sqlalchemy import Connection, func, select

from ledger.book.open_months import standing_closes
from ledger.book.seals import read_sealed
from ledger.store.bulk import append_rows, next_id
from ledger.store.log import note_rows
from ledger.store.tables import batches, wallet_entries, wallet_moves
from ledger.values.calendar import last_day
from ledger.wallet.book import WalletBook, read_book, wallet_providers
from ledger.wallet.drawdown import Entry, Wallet, merged
from ledger.wallet.moves import move_words
from ledger.wallet.usage import usage_by_day
from pricing.money import INT64_MAX, format_nano


def first_wallet_month(connection: Connection) -> str | None:
    """The month of the first top-up or draw; None where there is none."""
    day = connection.execute(select(func.min(wallet_moves.c.day))).scalar()
    return None if day is None else str(day)[:7]


def write_entries(connection: Connection, closing_id: int, month: str) -> None:
    """Writes every wallet's entries of the month that this close, which is recorded already, closes."""
    for provider in wallet_providers(connection, month):
        ids = count(next_id(connection, wallet_entries))
        rows = [
            (next(ids), closing_id, provider, *entry[:4], part)
            for entry in _draw_month(connection, read_book(connection, provider), month)
            for part in _parts(entry.amount_nano)
        ]
        append_rows(connection, wallet_entries, rows)
        if rows:
            note_rows(connection, wallet_entries, rows[0][0], rows[-1][0])


def _parts(amount_nano: int) -> list[int]:
    """The amount in parts of 64 bits."""
    whole, rest = divmod(amount_nano, INT64_MAX)
    return [INT64_MAX] * whole + [rest] * (rest > 0)


def _draw_month(connection: Connection, book: WalletBook, month: str) -> list[Entry]:
    """Draws the month by what is in its books, after the entries of the months before it."""
    first = f"{month}-01"
    wallet = Wallet(book.lots.values(), [entry for entry in book.entries if entry.day < first])
    usage = usage_by_day(connection, book.provider, book.currency, month, month)
    return wallet.draw_down(usage, book.draws, first, last_day(month))


def check_wallets(connection: Connection, month: str | None = None) -> Iterator[str]:
    """Yields what is wrong with the wallets, in words; with a month, with its entries alone."""
    if month is None:
        yield from _check_moves(connection)
    closes = standing_closes(connection)
    for row in closes:
        if month in {None, row.month}:
            prepaid = bool(wallet_providers(connection, row.month))
            if (row.billing_mode == "prepaid") != prepaid:
                yield f"{row.month}: closed as {row.billing_mode}, but {'a' if prepaid else 'no'} wallet had begun"
    for provider in wallet_providers(connection):
        book = read_book(connection, provider)
        for row in closes:
            if month in {None, row.month} and row.month >= book.first_month:
                yield from _check_month(connection, book, row.month)
        if month is None:
            yield from _check_sums(book)


def _check_moves(connection: Connection) -> Iterator[str]:
    references = set(connection.execute(select(batches.c.reference)).scalars())
    for row, intact in read_sealed(connection, wallet_moves):
        if not intact:
            yield f"{move_words(row)}: it is no longer as it was recorded"
        if row.reference in references:
            yield f"{move_words(row)}: its reference {row.reference!r} was used before"
        references.add(row.reference)


def _check_month(connection: Connection, book: WalletBook, month: str) -> Iterator[str]:
    recorded = merged(entry for entry in book.entries if entry.day.startswith(month))
    if recorded != _draw_month(connection, book, month):
        yield f"wallet of {book.provider}, {month}: its entries aren't what its lots, usage and draws come to"


def _check_sums(book: WalletBook) -> Iterator[str]:
    wallet = Wallet(book.lots.values(), book.entries)
    if sum(wallet.accounts.values()):
        yield f"wallet of {book.provider}: its accounts don't add up to 0"
    for lot, left_nano in wallet.remaining.items():
        if left_nano < 0 or (lot in book.lots and left_nano > book.lots[lot].credits_nano):
            yield f"wallet of {book.provider}: {format_nano(left_nano)} are left of lot {lot}"
