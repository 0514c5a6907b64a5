"""The newest batch, which the next one is numbered and chained by: remembered while no other writer books."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from sqlalchemy import Connection

from ledger.book.charges import NUMBERED_AS_CHARGES
from ledger.store.bulk import next_ids
from ledger.store.driver import run
from ledger.store.log import memory_while_alone
from ledger.store.tables import batches

_LAST = "SELECT sequence, digest FROM batches ORDER BY sequence DESC LIMIT 1"


class _Newest(NamedTuple):
    """A batch with charges: nothing has ids above its own and its last charge's."""

    id: int
    last_charge_id: int
    sequence: int
    digest: str


def next_batch_and_charge(connection: Connection) -> tuple[int, int]:
    """Returns the ids of the next batch and of its first charge; only the holder of the write lock may ask."""
    newest: _Newest | None = memory_while_alone(connection).get(_Newest)
    if newest is not None:
        return newest.id + 1, newest.last_charge_id + 1
    batch_id, *charge_ids = next_ids(connection, batches, *NUMBERED_AS_CHARGES)
    return batch_id, max(charge_ids)


def last_of_chain(connection: Connection) -> tuple[int, str]:
    """Returns the sequence and the digest of the last batch; 0 and nothing before the first."""
    newest: _Newest | None = memory_while_alone(connection).get(_Newest)
    if newest is not None:
        return newest.sequence, newest.digest
    sequence, digest = run(connection, _LAST).fetchone() or (0, "")
    return sequence, digest


def note_newest(connection: Connection, ids: Mapping[str, int], sequence: int, digest: str) -> None:
    """Remembers a batch that was appended, by its ids; one without charges says nothing of theirs."""
    memory = memory_while_alone(connection)
    memory.pop(_Newest, None)
    if ids["first_charge_id"] <= ids["last_charge_id"]:
        memory[_Newest] = _Newest(ids["id"], ids["last_charge_id"], sequence, digest)
