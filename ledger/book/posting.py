"""The only writer of the book: usage records and charges go in together, with roll-ups and the sealed batch.

Everything happens in one transaction that holds the write lock, so ids are handed out here without gaps between
writers, and nothing is recorded in part.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Literal

import msgspec
from sqlalchemy import Connection, select

from ledger.book.charges import Identity, Known, known_records
from ledger.book.headroom import Headroom
from ledger.book.open_months import first_open_month, posted_month
from ledger.book.rollups import RollUp
from ledger.book.rows import Columns, Facts, Rated, columns_of, same_facts
from ledger.book.seals import amounts_text, batch_digest, sealed_conversions
from ledger.errors import LedgerError
from ledger.logs import logger_of
from ledger.store.bulk import append_new_rows, append_rows, next_id, upsert
from ledger.store.database import Database
from ledger.store.driver import insert_row, run
from ledger.store.log import note_sealed
from ledger.store.tables import batches, charges, sources, usage_records, wallet_moves
from ledger.values.calendar import Calendar
from ledger.values.instants import to_microseconds

LOG = logger_of("book")

Outcome = Literal["accepted", "duplicate", "conflict"]
BatchKind = Literal["ingest", "record", "retry", "accept", "void", "reassign", "reprice", "adjust"]


@dataclass(slots=True)
class Run:
    """One command that posts: what its batches have in common. `id` is the first batch's, once there is one."""

    kind: BatchKind
    options: dict[str, Any] = field(default_factory=dict)
    reason: str | None = None
    reference: str | None = None
    id: int | None = None


@dataclass(slots=True)
class Posted:
    """The outcomes of rated records, by place, and the number of duplicates with another project or tags."""

    outcomes: list[Outcome]
    batch_id: int | None
    differing_labels: int = 0


class Poster:
    """Posts one run's batches to a ledger, one transaction each; the caller holds the write lock."""

    def __init__(self, database: Database, run: Run) -> None:
        self.run = run
        self.calendar = Calendar(database.zone)
        self._roll_up = RollUp(self.calendar, database.rollup_tags)
        self._headroom = Headroom(self.calendar, database.rollup_tags)
        self._fresh = True
        self._database = database
        self._settings = database.settings

    def refusals(self, connection: Connection, rated: Rated) -> dict[int, str]:
        """Finds the records that the roll-ups have no room for, by place, each with why: nearly always none."""
        if not rated.facts or self._headroom.is_ample(connection, rated.facts, rated.amount_nano):
            return {}
        known = known_records(connection, list({facts.identity for facts in rated.facts}))
        recorded = {identity for identity, record in known.items() if record.live_charge_id is not None}
        facts = columns_of(rated.facts)
        columns = self._charge_columns(connection, 0, range(len(rated.facts)), rated, facts)
        return self._headroom.refusals(connection, columns, facts, recorded, sums={})

    def post_usage(self, connection: Connection, rated: Rated) -> Posted:
        """Records what is new, each identity once; says whether the rest repeats or contradicts what is booked.

        What `refusals` finds must not be among it.
        """
        posted = Posted(["accepted"] * len(rated.facts), None)
        identities = [(row.request_id, row.source, row.kind) for row in rated.facts]
        first_of = dict(zip(reversed(identities), range(len(identities) - 1, -1, -1), strict=True))
        if len(first_of) == len(identities):
            self._post_first_ones(connection, rated, range(len(identities)), posted)
            return posted
        places = sorted(first_of.values())
        standing = self._post_first_ones(connection, rated, places, posted)
        for place, identity in enumerate(identities):
            first = first_of[identity]
            if first != place:
                self._compare(posted, place, rated.facts[place], standing.get(identity, rated.facts[first]))
        return posted

    def _post_first_ones(
        self, connection: Connection, rated: Rated, places: Sequence[int], posted: Posted
    ) -> dict[Identity, Facts]:
        """Posts records of different identities; returns the facts recorded before, where any were."""
        first_id = next_id(connection, usage_records)
        batch_id = next_id(connection, batches)
        facts = rated.facts if len(places) == len(rated.facts) else [rated.facts[place] for place in places]
        ids = range(first_id, first_id + len(facts))
        rows = [(number, batch_id, *row) for number, row in zip(ids, facts, strict=True)]
        inserted = append_new_rows(connection, usage_records, rows, fresh=self._fresh)
        self._fresh = inserted is None
        if inserted is None:
            taken = rated if len(places) == len(rated.facts) else rated.take(places)
            self._post_charges(connection, batch_id, rows, taken)
            posted.batch_id = batch_id
            return {}
        missed = [row.identity for number, row in zip(ids, facts, strict=True) if number not in inserted]
        known = known_records(connection, missed)
        charged = self._settle_known(rated, list(zip(ids, places, strict=True)), inserted, known, posted)
        if charged:
            taken = rated.take([place for _number, place in charged])
            rows = [(number, batch_id, *row) for (number, _place), row in zip(charged, taken.facts, strict=True)]
            append_rows(connection, usage_records, [row for row in rows if row[0] not in inserted])
            self._post_charges(connection, batch_id, rows, taken)
            posted.batch_id = batch_id
        return {identity: record.facts for identity, record in known.items() if record.live_charge_id is not None}

    def _post_charges(
        self, connection: Connection, batch_id: int, added: Sequence[Sequence[Any]], rated: Rated
    ) -> None:
        """Charges records that were just appended as `added`, and closes their batch."""
        facts = columns_of(rated.facts)
        usage: Any = Facts._make(facts)  # columns by name
        columns = self._charge_columns(connection, batch_id, [row[0] for row in added], rated, facts)
        self.seal(connection, batch_id, added, columns, facts, has_room=True)
        note_sources(connection, usage.source, usage.occurred_at)

    def _charge_columns(
        self, connection: Connection, batch_id: int, usage_ids: Sequence[int], rated: Rated, facts: Columns
    ) -> Columns:
        """Returns the charges of usage records, whose columns are `facts`."""
        usage: Any = Facts._make(facts)  # columns by name
        count = len(rated.facts)
        first_id = next_id(connection, charges)
        months = list(map(self.calendar.month, usage.occurred_at))
        first_open = first_open_month(connection)
        return (
            range(first_id, first_id + count),
            [batch_id] * count,
            usage_ids,
            ["charge"] * count,
            [None] * count,
            months,
            [posted_month(month, first_open) for month in months],
            usage.project,
            usage.provider,
            *rated[1:],
        )

    def _settle_known(
        self,
        rated: Rated,
        numbered: Sequence[tuple[int, int]],
        inserted: set[int],
        known: dict[Identity, Known],
        posted: Posted,
    ) -> list[tuple[int, int]]:
        """Returns ids and places to charge: of new records, and of voided ones again; others are compared."""
        charged: list[tuple[int, int]] = []
        for number, place in numbered:
            facts = rated.facts[place]
            before = None if number in inserted else known[facts.identity]
            if before is not None and before.live_charge_id is not None:
                self._compare(posted, place, facts, before.facts)
                continue
            if before is not None:
                rated.facts[place] = facts._replace(generation=before.facts.generation + 1)
            charged.append((number, place))
        return charged

    @staticmethod
    def _compare(posted: Posted, place: int, facts: Facts, before: Facts) -> None:
        if same_facts(before, facts):
            posted.outcomes[place] = "duplicate"
            posted.differing_labels += (before.project, before.tags) != (facts.project, facts.tags)
        else:
            posted.outcomes[place] = "conflict"

    def seal(
        self,
        connection: Connection,
        batch_id: int,
        added: Sequence[Sequence[Any]],
        columns: Columns,
        facts: Columns,
        *,
        has_room: bool = False,
    ) -> None:
        """Appends charges, adds them to the roll-ups and closes the batch.

        `columns` are those of ChargeRow, `facts` those of each charge's usage record. `added` are the rows of
        `usage_records` that this batch appended, by id; none where it only corrects. LedgerError where a roll-up has
        no room for the charges, which is looked up unless it is known that it has.
        """
        if self._database.settings != self._settings:
            raise LedgerError("the ledger's zone or rolled-up tags were changed meanwhile: run the command again")
        if not has_room:
            self._headroom.check(connection, columns, facts)
        rows = list(zip(*columns, strict=True))
        append_rows(connection, charges, rows)
        self._roll_up.add(connection, columns, facts)
        newest = "SELECT sequence + 1, digest FROM batches ORDER BY sequence DESC LIMIT 1"
        sequence, previous = run(connection, newest).fetchone() or (1, "")
        if self.run.id is None:
            self.run.id = batch_id
        batch: dict[str, Any] = {
            "id": batch_id,
            "run_id": self.run.id,
            "sequence": sequence,
            "kind": self.run.kind,
            "reason": self.run.reason,
            "reference": self.run.reference if self.run.id == batch_id else None,  # once a run: it is unique
            "options": msgspec.json.encode(self.run.options).decode(),
            "posted_at": datetime.now(UTC),
            "first_usage_record_id": added[0][0] if added else 1,
            "last_usage_record_id": added[-1][0] if added else 0,
            "first_charge_id": rows[0][0],
            "last_charge_id": rows[-1][0],
            "amounts": amounts_text(columns),
            "previous": previous,
        }
        digest = batch_digest(batch, added, rows, sealed_conversions(connection))
        insert_row(connection, batches, batch | {"digest": digest})
        note_sealed(connection, batches, batch_id, digest)
        LOG.info(
            "batch %(batch)d, %(kind)s: %(records)d usage records and %(charges)d charges to be committed",
            {"batch": batch_id, "kind": self.run.kind, "records": len(added), "charges": len(rows)},
        )


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


def note_sources(connection: Connection, names: Sequence[str], occurred_us: Sequence[int]) -> None:
    """Remembers per source the latest usage, and now as its last ingest."""
    now = to_microseconds(datetime.now(UTC))
    latest: dict[str, int] = {}
    for name, occurred in (
        set(zip(names, occurred_us, strict=True)) if len(set(names)) > 1 else [(names[0], max(occurred_us))]
    ):
        latest[name] = max(occurred, latest.get(name, 0))
    rows = [(name, occurred, now) for name, occurred in latest.items()]
    upsert(connection, sources, ("source",), rows, latest=("last_occurred_at", "last_ingest_at"))
