"""The wallets at the end of a month, or now: what they hold, how long it lasts, and what will expire."""

from __future__ import annotations

from datetime import date, datetime

from ledger.pages.figures.values import WalletLine
from ledger.reports.snapshot import Snapshot
from ledger.values.calendar import last_day, shift_month
from ledger.wallet.book import month_until, wallet_providers
from ledger.wallet.drawdown import expiring_unused
from ledger.wallet.statement import balance_on


def read_wallets(snapshot: Snapshot, month: str, *, now: datetime) -> tuple[WalletLine, ...]:
    """Reads the wallets that had begun by the end of a month, as they are at its end, or today while it runs.

    Rates are of what the books up to this month hold: what is recorded after the month's close changes nothing. What
    expires is up to the end of the next month, at the rate of the longest window.
    """
    until, horizon = month_until(month, snapshot.zone, now), last_day(shift_month(month, 1))
    lines = []
    for provider in wallet_providers(snapshot.connection, month):
        held = balance_on(snapshot.connection, provider, until, posted_through=month)
        expiring, first = expiring_unused(held.wallet, until.day, held.runways[-1].nano_a_day, horizon)
        lines.append(
            WalletLine(
                provider,
                held.currency,
                held.wallet.net_nano,
                tuple((runway.days, runway.lasts_days) for runway in held.runways),
                round(expiring),
                None if first is None else date.fromisoformat(first),
            )
        )
    return tuple(lines)
