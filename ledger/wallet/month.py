"""The wallets that a month's usage drew on, with what their lots cost: by its close, or as if closed now."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from fractions import Fraction
from typing import Literal, TypeAlias
from zoneinfo import ZoneInfo

from sqlalchemy import Connection

from ledger.book.open_months import standing_close
from ledger.errors import LedgerError
from ledger.values.calendar import last_day
from ledger.wallet.book import Until, WalletBook, draw_until, read_book, split_at, wallet_providers
from ledger.wallet.drawdown import Entry, Lot, Wallet
from ledger.wallet.lot_costs import MonthCosts, month_costs
from ledger.wallet.usage import last_day_posted
from pricing.money import NANO

BillingMode: TypeAlias = Literal["prepaid", "postpaid"]


@dataclass(frozen=True, slots=True)
class MonthWallet:
    """A provider's wallet in a month: what became of its lots, what earlier months used up of them, in USD, exactly.

    `references` are those of its top-ups, by lot.
    """

    provider: str
    currency: str
    costs: MonthCosts
    used_up_before: Fraction
    references: Mapping[int, str]


def month_wallets(
    connection: Connection, month: str, billing: BillingMode | None, *, zone: ZoneInfo, now: datetime
) -> list[MonthWallet]:
    """Reads the wallets that a month's usage drew on, by provider; none where it is postpaid.

    How it is billed is what `billing` says, else what its close says, else prepaid where a wallet has begun.
    """
    providers = wallet_providers(connection, month)
    close = standing_close(connection, month)
    if "postpaid" in {billing, close.billing_mode if close is not None and billing is None else None}:
        return []
    if billing == "prepaid" and not providers:
        raise LedgerError(
            f"--billing prepaid: no wallet had begun by the end of {month}: record its top-ups with "
            "'tollbook wallet topup', or leave --billing out"
        )
    until = _until(connection, month, zone, now)
    return [_month_wallet(connection, read_book(connection, provider), month, until) for provider in providers]


def _until(connection: Connection, month: str, zone: ZoneInfo, now: datetime) -> Until:
    """Returns the end of the month once it is over, else today or the last day that it has usage of."""
    today, last = now.astimezone(zone).date().isoformat(), last_day(month)
    if today > last:
        return Until(last)
    reached = [f"{month}-01", today, last_day_posted(connection, month) or ""]
    return Until(max(day for day in reached if day <= last), over=False)


def _month_wallet(connection: Connection, book: WalletBook, month: str, until: Until) -> MonthWallet:
    before, entries = split_at(draw_until(connection, book, until), f"{month}-01")
    costs = month_costs(month, book.lots, before, entries)
    return MonthWallet(book.provider, book.currency, costs, used_up(book.lots, before), book.references)


def used_up(lots: Mapping[int, Lot], entries: Sequence[Entry]) -> Fraction:
    """Adds up what was paid for the credits that these entries leave nothing of, in USD."""
    come = {entry.lot for entry in entries if entry.source in {"purchased", "granted"}}
    left = Wallet(lots.values(), entries).remaining
    gone = {lot.id: lot.credits_nano - left.get(lot.id, 0) for lot in lots.values() if lot.id in come}
    return sum((lots[number].usd_per_credit * nano / NANO for number, nano in gone.items()), Fraction())
