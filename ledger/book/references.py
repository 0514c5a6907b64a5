"""References: a command under one that was booked before does nothing again."""

from __future__ import annotations

import msgspec
from sqlalchemy import Connection, select

from ledger.book.posting import Run
from ledger.errors import LedgerError
from ledger.store.tables import batches, wallet_moves


def already_posted(connection: Connection, run: Run) -> int | None:
    """Returns the batch booked under the run's reference; LedgerError where it has other facts."""
    if run.reference is None:
        return None
    row = connection.execute(select(batches).where(batches.c.reference == run.reference)).first()
    if row is None:
        moved = connection.execute(select(wallet_moves.c.id).where(wallet_moves.c.reference == run.reference)).first()
        if moved is not None:
            raise LedgerError(f"reference {run.reference!r} is that of a wallet's movement: give another reference")
        return None
    if (row.kind, msgspec.json.decode(row.options), row.reason) != (run.kind, run.options, run.reason):
        raise LedgerError(
            f"reference {run.reference!r} is that of batch {row.id} ({row.kind}), which has other facts: "
            "give another reference, or the same facts"
        )
    return int(row.id)
