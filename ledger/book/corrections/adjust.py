"""Credit notes and surcharges: money of a project and a month, without usage."""

from __future__ import annotations

from typing import NamedTuple

from sqlalchemy import Connection, select

from ledger.book.charges import next_charge_id
from ledger.book.open_months import first_open_month, posted_month
from ledger.book.posting import Poster, Run
from ledger.book.prices.in_force import cards_in_force
from ledger.book.prices.pins import PinnedIds
from ledger.book.references import already_posted
from ledger.book.rows import ADJUSTMENT, ChargeRow, adjustment_facts
from ledger.errors import LedgerError
from ledger.store.bulk import next_id
from ledger.store.database import Database
from ledger.store.tables import batches, charges
from ledger.values.amounts import Amount
from ledger.values.columns import columns_of
from ledger.values.instants import from_microseconds

MODEL = "adjustment"


class Adjusted(NamedTuple):
    """The batch of an adjustment and its posted month; `repeated` where its reference was booked before."""

    batch_id: int
    posted_month: str
    repeated: bool


def adjust(database: Database, run: Run, *, project: str, amount: Amount, month: str, provider: str) -> Adjusted:
    """Books an amount for a project in a month, or the earliest open one after it.

    An amount in the card's currency is converted as usage of the month's first instant is; USD stays USD.
    """
    with database.writing() as connection:
        done = already_posted(connection, run)
        if done is not None:
            booked = select(charges.c.posted_month).where(charges.c.batch_id == done)
            return Adjusted(done, str(connection.execute(booked).scalar_one()), repeated=True)
        poster = Poster(database, run)
        in_books = posted_month(month, first_open_month(connection))
        batch_id = next_id(connection, batches)
        start_us = poster.calendar.month_start_us(month)
        conversion_id = None if amount.currency == "USD" else _conversion(connection, provider, amount, start_us)
        row = ChargeRow(
            id=next_charge_id(connection),
            batch_id=batch_id,
            usage_record_id=None,
            charge_class=ADJUSTMENT,
            corrects_id=None,
            occurred_month=month,
            posted_month=in_books,
            project=project,
            provider=provider,
            currency=amount.currency,
            billed_model=MODEL,
            model_differs=0,
            rate_entry_id=None,
            conversion_id=conversion_id,
            tier="none",
            input_nano=0,
            cached_input_nano=0,
            output_nano=0,
            cache_storage_nano=0,
            amount_nano=amount.nano,
        )
        facts = adjustment_facts(row, poster.calendar)
        poster.seal(connection, batch_id, None, columns_of([row]), columns_of([facts]))
        return Adjusted(batch_id, in_books, repeated=False)


def _conversion(connection: Connection, provider: str, amount: Amount, start_us: int) -> int | None:
    card = cards_in_force(connection).get(provider)
    if card is None or card.currency != amount.currency:
        has = "no rate card" if card is None else f"a card in {card.currency}"
        raise LedgerError(f"--amount {amount.text}: provider {provider} has {has}; give usd, or another --provider")
    pins = PinnedIds()
    pins.pin(connection, [card])
    return pins.conversion(provider, card.conversion_at(from_microseconds(start_us)))
