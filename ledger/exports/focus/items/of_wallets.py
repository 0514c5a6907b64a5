"""The rows that a wallet has of its own: top-ups, and what became of lots beside the month's usage."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta

from ledger.exports.focus.items.costs import WalletShare
from ledger.exports.focus.items.item import PICO_PER_NANO, Costs, Item, ItemKind
from ledger.wallet.drawdown import Lot
from ledger.wallet.lot_costs import Part
from ledger.wallet.month import MonthWallet


def wallet_rows(wallet: MonthWallet, share: WalletShare) -> Iterator[tuple[Item, Costs]]:
    """Top-ups, then what was repaid, paid elsewhere and expired, each by day and lot."""
    costs = wallet.costs
    for lot in costs.topped_up:
        yield _item(wallet, "top_up", lot.credits_nano, lot, days_of(lot)), Costs(lot.paid_nano, lot.paid_nano, 0)
    parts: list[tuple[ItemKind, Part]] = [
        *(("repaid", part) for part in costs.repaid),
        *(("drawn", part) for part in costs.drawn),
        *(("expired", part) for part in costs.expired),
    ]
    moved = share.rest([part for _kind, part in parts])
    for (kind, part), effective_nano in zip(parts, moved, strict=True):
        lot_of_part = None if part.lot is None else costs.lots[part.lot]
        item = _item(wallet, kind, part.amount_nano, lot_of_part, (part.day, day_after(part.day)))
        yield item, Costs(0, 0, effective_nano)


def _item(wallet: MonthWallet, kind: ItemKind, credits_nano: int, lot: Lot | None, days: tuple[str, str]) -> Item:
    return Item(
        kind=kind,
        provider=wallet.provider,
        currency=wallet.currency,
        per_usd_nano=None,
        amount_pico=credits_nano * PICO_PER_NANO,
        days=days,
        counts_on=days[0],
        lot=None if lot is None else lot.id,
        granted=lot is not None and lot.granted,
        reference=None if lot is None else wallet.references[lot.id],
    )


def days_of(lot: Lot) -> tuple[str, str]:
    """The days that a top-up is for: until its credits expire, or that of the top-up where they never do."""
    return lot.day, day_after(lot.expires or lot.day)


def day_after(day: str) -> str:
    """The next day: of "2026-02-28" it is "2026-03-01"."""
    return (date.fromisoformat(day) + timedelta(days=1)).isoformat()
