"""The rows that a wallet has of its own: top-ups, and what became of lots beside the month's usage."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta

from ledger.exports.focus.items.costs import WalletShare
from ledger.exports.focus.items.item import Costs, Item, ItemKind
from ledger.wallet.drawdown import Lot
from ledger.wallet.lot_costs import Part
from ledger.wallet.month import MonthWallet
from pricing.money import PICO_PER_NANO


def wallet_rows(wallet: MonthWallet, share: WalletShare) -> Iterator[tuple[Item, Costs]]:
    """Yields top-ups, then what was repaid, paid elsewhere and expired, each by day and lot."""
    costs = wallet.costs
    for lot in costs.topped_up:
        # For the days until its credits expire, or that of the top-up where they never do.
        days = (lot.day, day_after(lot.expires or lot.day))
        yield (
            _item(wallet, "top_up", lot.credits_nano, lot, days),
            Costs(lot.paid_nano, lot.paid_nano, lot.paid_nano, 0),
        )
    parts: list[tuple[ItemKind, Part]] = [
        *(("repaid", part) for part in costs.repaid),
        *(("drawn", part) for part in costs.drawn),
        *(("expired", part) for part in costs.expired),
    ]
    moved = share.rest([part for _kind, part in parts])
    for (kind, part), effective_nano in zip(parts, moved, strict=True):
        lot_of_part = None if part.lot is None else costs.lots[part.lot]
        item = _item(wallet, kind, part.amount_nano, lot_of_part, (part.day, day_after(part.day)))
        yield item, Costs(0, 0, 0, effective_nano)


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


def day_after(day: str) -> str:
    """Returns the next day: of "2026-02-28" it is "2026-03-01"."""
    return (date.fromisoformat(day) + timedelta(days=1)).isoformat()
