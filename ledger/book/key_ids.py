"""The ids of what many rows have alike, stored once each, and of the streams of request ids."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Protocol

from sqlalchemy import Connection, Table, select

from ledger.store.bulk import append_rows, in_chunks, next_id, rows_by_key
from ledger.store.log import memory_of
from ledger.store.tables import streams


class Key(Protocol):
    """A combination of values: a table's columns after id and digest."""

    @property
    def digest(self) -> str: ...

    def __iter__(self) -> Any: ...  # noqa: ANN401 - of values
    def __hash__(self) -> int: ...


class KeyIds:
    """The ids of a table's combinations, remembered from one transaction of a run to the next; new ones are appended.

    Without `keeps` new ones get ids below 0, which no row has, and aren't stored. `known` are those looked up so far.
    """

    def __init__(self, table: Table, *, keeps: bool = True) -> None:
        self._table = table
        self._keeps = keeps
        self.known: dict[Any, int] = {}

    def of(self, connection: Connection, keys: Sequence[Key]) -> list[int]:
        """Returns the id of each."""
        unknown = [key for key in keys if key not in self.known]
        for chunk in in_chunks(unknown, 500):
            by_digest = {key.digest: key for key in chunk}
            query = f"SELECT digest, id FROM {{keys}} JOIN {self._table.name} ON digest = k0"
            for digest, number in rows_by_key(connection, query, [(digest,) for digest in by_digest]):
                self.known[by_digest.pop(digest)] = number
            if self._keeps:
                new = list(enumerate(by_digest.items(), next_id(connection, self._table)))
                append_rows(connection, self._table, [(number, digest, *key) for number, (digest, key) in new])
                self.known.update({key: number for number, (_digest, key) in new})
            else:
                below = -1 - len(self.known)
                self.known.update({key: below - place for place, key in enumerate(by_digest.values())})
        return [self.known[key] for key in keys]


def key_ids_of(connection: Connection, table: Table) -> KeyIds:
    """Returns the ids of a table's combinations as the ledger's writers remember them."""
    known: KeyIds = memory_of(connection).setdefault(table.name, KeyIds(table))
    return known


class StreamIds:
    """The ids of streams by (source, kind), remembered as `KeyIds` does."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, str], int] = {}

    def of(self, connection: Connection, wanted: Iterable[tuple[str, str]]) -> list[int]:
        """Returns the id of each; new ones are appended."""
        wanted = list(wanted)
        if not self._known.keys() >= set(wanted):
            self._known = {(row.source, row.kind): row.id for row in connection.execute(select(streams))}
            new = [stream for stream in dict.fromkeys(wanted) if stream not in self._known]
            numbered = list(enumerate(new, next_id(connection, streams)))
            append_rows(connection, streams, [(number, *stream) for number, stream in numbered])
            self._known.update({stream: number for number, stream in numbered})
        return [self._known[stream] for stream in wanted]
