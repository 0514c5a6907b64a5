"""A run tried without posting it: in a snapshot and a temporary table, without the write lock."""

from __future__ import annotations

import msgspec
from sqlalchemy import Column, Connection, MetaData, Table, Text
from sqlalchemy.schema import CreateTable

from ledger.book.archived import Archived, find_archived
from ledger.book.charges import Identity, known_records
from ledger.book.headroom import Cell, Sums
from ledger.book.posting import Posted, Poster, Run
from ledger.book.records import Rated, Records
from ledger.book.repeats import find_booked
from ledger.book.rows import Facts
from ledger.store.bulk import append_rows, rows_by_key
from ledger.store.database import Database

_KEY = ("request_id", "source", "kind")
_tried = Table(
    "tried_records",
    MetaData(),
    *(Column(name, Text, primary_key=True) for name in _KEY),
    Column("facts", Text, nullable=False),
    prefixes=["TEMPORARY"],
)
_TRIED = f"SELECT k0, k1, k2, t.facts FROM {{keys}} JOIN {_tried.name} t ON " + " AND ".join(
    f"t.{name} = k{place}" for place, name in enumerate(_KEY)
)
_decode = msgspec.json.Decoder(Facts).decode


class Trial(Poster):
    """Says of one run's records what a Poster would do with them; `Database.scratch` has the connection it wants.

    It remembers what it would have recorded. Ask `refusals` first of each lot of records, as of a Poster.
    """

    def __init__(self, database: Database, run: Run) -> None:
        super().__init__(database, run)
        self._sums: dict[Cell, Sums] = {}
        self._before: dict[Identity, Facts] = {}
        self._archived: dict[Identity, Archived] = {}

    def refusals(self, connection: Connection, rated: Rated) -> dict[int, str]:
        """Finds the records that the roll-ups would have no room for, by place, each with why."""
        if not len(rated):
            return {}
        self._before = self._recorded(connection, rated.records)
        self._archived = find_archived(connection, rated.records.identities)
        columns, recorded = self.charged(connection, rated), self._before.keys() | self._archived.keys()
        return self._headroom.refusals(connection, columns, rated.records.columns(), recorded, self._sums)

    def _recorded(self, connection: Connection, records: Records) -> dict[Identity, Facts]:
        """Returns what stands of these identities: as recorded and not voided, else as tried before."""
        connection.execute(CreateTable(_tried, if_not_exists=True))
        repeats, others = find_booked(connection, records)
        found = {facts.identity: facts for facts in records.take(sorted(repeats)).rows()}
        known = known_records(connection, list(set(records.take(others).identities)))
        found |= {identity: record.facts for identity, record in known.items() if record.live_charge_id is not None}
        new = list(set(records.identities) - found.keys())
        tried = rows_by_key(connection, _TRIED, new)
        return {(request_id, source, kind): _decode(facts) for request_id, source, kind, facts in tried} | found

    def post_usage(self, connection: Connection, rated: Rated) -> Posted:
        """Remembers what is new, each identity once; says whether the rest repeats or contradicts what stands."""
        posted = Posted()
        new: dict[Identity, Facts] = {}
        for place, facts in enumerate(rated.records.rows()):
            archived = self._archived.get(facts.identity)
            before = archived.facts(facts) if archived is not None else self._before.get(facts.identity)
            before = before or new.setdefault(facts.identity, facts)
            if before is not facts:
                self._compare(posted, place, facts, before)
        append_rows(connection, _tried, [(*key, msgspec.json.encode(facts).decode()) for key, facts in new.items()])
        return posted
