"""A wallet's balance and statement as sheets."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ledger.cli.show.sheet import Cell, Column, Sheet, columns, shown_cell
from ledger.values.amounts import unit_of
from ledger.values.words import tenths
from pricing.money import NANO, format_nano, round_usd

if TYPE_CHECKING:
    from ledger.wallet.drawdown import Wallet
    from ledger.wallet.statement import Balance, LotState, Runway, Statement


LOTS = (
    Column("lot", "count"),
    *columns("text", "kind", "on", "reference"),
    Column("credits", "money", exact=True),
    Column("used", "money", priority=1, exact=True),
    Column("expired", "money", priority=2, exact=True),
    Column("remaining", "money", exact=True),
    Column("expires"),
    Column("paid_usd", "usd", priority=3, exact=True),
)
ITEMS = (
    *columns("text", "day", "item"),
    Column("lot", "count", priority=1),
    Column("reference"),
    Column("credits", "money", exact=True),
    Column("paid_usd", "usd", priority=2, exact=True),
    Column("balance", "money", exact=True),
)


def balance_sheet(found: Balance) -> Sheet:
    """The lots as rows; what is left and how long it lasts in the JSON and under the table."""
    facts = {
        "provider": found.provider,
        "currency": found.currency,
        "at": found.day,
        **_left(found.wallet),
        "expiring": [{"expires": day, "credits": format_nano(nano)} for day, nano in found.expiring],
        "runway": [
            {
                "trailing_days": each.days,
                "credits_a_day": format_nano(_rate_nano(each)),
                "days": None if each.lasts_days is None else tenths(each.lasts_days),
            }
            for each in found.runways
        ],
    }
    title = f"Wallet of {found.provider} on {found.day}, {found.currency}"
    return Sheet(title, LOTS, [_lot_row(state) for state in found.lots], facts=facts, footnotes=_notes(found))


def _lot_row(state: LotState) -> tuple[Cell, ...]:
    if state.lot is None:
        return (None, "given back", None, None, None, None, None, state.remaining_nano, None, None)
    lot = state.lot
    kind = "granted" if lot.granted else "purchased"
    return (
        lot.id, kind, lot.day, state.reference, lot.credits_nano, state.used_nano, state.expired_nano,
        state.remaining_nano, lot.expires, lot.paid_nano,
    )  # fmt: skip


def _left(wallet: Wallet) -> dict[str, object]:
    return {
        "balance": format_nano(wallet.accounts["balance"]),
        "overdrawn": format_nano(wallet.overdrawn_nano),
    }


def _rate_nano(runway: Runway) -> int:
    return round_usd(runway.nano_a_day / NANO)


def _notes(found: Balance) -> list[str]:
    unit = unit_of(found.currency)

    def shown(nano: int) -> str:
        return f"{shown_cell(nano, 'money')} {unit}"

    notes = [f"{shown(found.wallet.accounts['balance'])} left."]
    if found.wallet.overdrawn_nano:
        notes[0] += f" {shown(found.wallet.overdrawn_nano)} overdrawn: the next top-up repays it."
    notes += [f"{shown(nano)} expire at the end of {day}, if nothing is used." for day, nano in found.expiring]
    for each in found.runways:
        rate = shown(_rate_nano(each))
        lasts = "nothing is used up" if each.lasts_days is None else f"it lasts {tenths(each.lasts_days)} days"
        notes.append(f"At the rate of the last {each.days} days ({rate} a day) {lasts}.")
    return notes


def statement_sheet(found: Statement) -> Sheet:
    """The items as rows; the transfers behind them as facts of the JSON."""
    facts = {
        "provider": found.provider,
        "currency": found.currency,
        "month": found.month,
        "closed": found.closed,
        "until": found.until.day,
        "opening": _left(found.opening),
        "closing": _left(found.closing),
        "accounts": _accounts(found),
        "entries": [
            {
                "day": entry.day,
                "from": entry.source,
                "to": entry.target,
                "lot": entry.lot,
                "credits": format_nano(entry.amount_nano),
            }
            for entry in found.entries
        ],
    }
    state = "closed" if found.closed else "open"
    title = f"Wallet of {found.provider}, {found.month} ({state}), {found.currency}"
    return Sheet(title, ITEMS, found.items, facts=facts)


def _accounts(found: Statement) -> dict[str, str]:
    """The sums that the month moved on each account: together 0."""
    from ledger.wallet.drawdown import ACCOUNTS

    return {
        account: format_nano(found.closing.accounts[account] - found.opening.accounts[account]) for account in ACCOUNTS
    }
