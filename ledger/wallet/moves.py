"""Top-ups and draws: moves into and out of a wallet."""

from __future__ import annotations

from datetime import datetime
from operator import attrgetter
from typing import Any, NamedTuple

from sqlalchemy import Connection, Row, select

from ledger.book.open_months import first_open_month
from ledger.book.prices.in_force import card_in_force
from ledger.book.seals import append_sealed
from ledger.errors import LedgerError
from ledger.store.database import Database
from ledger.store.tables import batches, wallet_moves


def read_moves(connection: Connection, provider: str | None = None) -> list[Row[Any]]:
    """Reads top-ups and draws in order of recording; of one provider where it is named."""
    query = select(wallet_moves).order_by(wallet_moves.c.id)
    if provider is not None:
        query = query.where(wallet_moves.c.provider == provider)
    return list(connection.execute(query))


DRAW = "draw"


class Movement(NamedTuple):
    """A top-up (kind purchased or granted) or a draw, as it is asked for: the facts behind its reference."""

    kind: str
    provider: str
    credits_nano: int
    paid_nano: int
    day: str
    expires: str | None
    reason: str | None
    reference: str


class Moved(NamedTuple):
    """The number of a top-up (its lot's) or a draw; `repeated` where its reference had been recorded before."""

    id: int
    currency: str
    repeated: bool


def record_movement(database: Database, movement: Movement, *, now: datetime) -> Moved:
    """Records a top-up or a draw; the same reference and facts again do nothing, others are refused."""
    with database.writing() as connection:
        known = _known(connection, movement)
        if known is not None:
            return Moved(known.id, known.currency, repeated=True)
        currency = _currency(connection, movement.provider)
        first_open = first_open_month(connection)
        if movement.day < first_open:
            closed = f"--on {movement.day} lies in {movement.day[:7]}, which is closed"
            raise LedgerError(f"{closed}: the first open day is {first_open}-01")
        row = {**movement._asdict(), "currency": currency, "recorded_at": now}
        return Moved(append_sealed(connection, wallet_moves, row), currency, repeated=False)


def _known(connection: Connection, movement: Movement) -> Row[Any] | None:
    """The move of the same reference and facts; LedgerError where the reference has other ones."""
    row = connection.execute(select(wallet_moves).where(wallet_moves.c.reference == movement.reference)).first()
    if row is not None:
        if attrgetter(*Movement._fields)(row) == movement:
            return row
        raise LedgerError(
            f"reference {movement.reference!r} is that of {move_words(row)}, which has other facts: "
            "give another reference, or the same facts"
        )
    batch = connection.execute(select(batches).where(batches.c.reference == movement.reference)).first()
    if batch is not None:
        raise LedgerError(
            f"reference {movement.reference!r} is that of batch {batch.id} ({batch.kind}): give another reference"
        )
    return None


def move_words(row: Row[Any]) -> str:
    """Names a top-up or a draw in messages."""
    return f"{'draw' if row.kind == DRAW else 'lot'} {row.id} of {row.provider}, {row.day}"


def _currency(connection: Connection, provider: str) -> str:
    currency = card_in_force(connection, provider).currency
    moves = read_moves(connection, provider)
    if moves and moves[0].currency != currency:
        raise LedgerError(
            f"the wallet of {provider} is in {moves[0].currency}, its card in {currency}: they must agree"
        )
    return currency
