"""The only writer of the book: usage records and charges go in together, with roll-ups and the sealed batch.

Everything happens in one transaction that holds the write lock, so ids are handed out here without gaps between
writers, and nothing is recorded in part.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Literal

import msgspec
from sqlalchemy import Connection, select

from ledger.book.charges import Identity, Known, known_records
from ledger.book.headroom import Headroom
from ledger.book.open_months import first_open_month, posted_month
from ledger.book.records import Rated, Records, coded, recoded, spread
from ledger.book.rollups import Alike, RollUp
from ledger.book.rows import Columns, Facts, rows_of, same_facts
from ledger.book.seals import amounts_text, batch_digest, sealed_conversions
from ledger.errors import LedgerError
from ledger.logs import logger_of
from ledger.store.bulk import append_new_rows, append_rows, next_id, upsert
from ledger.store.database import Database
from ledger.store.driver import insert_row, run
from ledger.store.log import note_sealed
from ledger.store.tables import batches, charges, sources, usage_records, wallet_moves
from ledger.values.calendar import QUARTER_US, Calendar
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
    """The outcome of rated records: `known` has those that were not accepted, by place.

    `differing_labels` counts duplicates with another project or tags.
    """

    known: dict[int, Outcome] = field(default_factory=dict)
    batch_id: int | None = None
    differing_labels: int = 0

    def outcome(self, place: int) -> Outcome:
        """Returns the outcome of one record."""
        return self.known.get(place, "accepted")


class Poster:
    """Posts one run's batches to a ledger, one transaction each; the caller holds the write lock."""

    def __init__(self, database: Database, run: Run) -> None:
        self.run = run
        self.calendar = Calendar(database.zone)
        self._roll_up = RollUp(self.calendar, database.rollup_tags)
        self._headroom = Headroom(self.calendar, database.rollup_tags)
        self._expects_known = False
        self._database = database
        self._settings = database.settings

    def refusals(self, connection: Connection, rated: Rated) -> dict[int, str]:
        """Finds the records that the roll-ups have no room for, by place, each with why: nearly always none."""
        facts = rated.records.columns()
        if not len(rated) or self._headroom.is_ample(connection, facts, rated.amount_nano.tolist()):
            return {}
        known = known_records(connection, list(set(rated.records.identities)))
        recorded = {identity for identity, record in known.items() if record.live_charge_id is not None}
        charged, _alike = self._charged(connection, rated)
        return self._headroom.refusals(connection, charged, facts, recorded, sums={})

    def post_usage(self, connection: Connection, rated: Rated) -> Posted:
        """Records what is new, each identity once; says whether the rest repeats or contradicts what is booked.

        What `refusals` finds must not be among it.
        """
        posted = Posted()
        identities = rated.records.identities
        first_of = dict(zip(reversed(identities), range(len(identities) - 1, -1, -1), strict=True))
        places = sorted(first_of.values())
        standing = self._post_first_ones(connection, rated, places, posted)
        if len(places) < len(identities):
            rows = rated.records.rows()
            for place, identity in enumerate(identities):
                first = first_of[identity]
                if first != place:
                    self._compare(posted, place, rows[place], standing.get(identity, rows[first]))
        return posted

    def _post_first_ones(
        self, connection: Connection, rated: Rated, places: Sequence[int], posted: Posted
    ) -> dict[Identity, Facts]:
        """Posts records of different identities; returns the facts recorded before, where any were."""
        taken = rated if len(places) == len(rated) else rated.take(places)
        first_id, batch_id = next_id(connection, usage_records), next_id(connection, batches)
        ids: Sequence[int] = range(first_id, first_id + len(taken))
        known: dict[Identity, Known] = {}
        rows = _usage_rows(ids, batch_id, taken)
        inserted = frozenset[int]() if self._expects_known else append_new_rows(connection, usage_records, rows)
        if inserted is not None:
            left = zip(ids, taken.records.identities, strict=True)
            known = known_records(connection, [identity for number, identity in left if number not in inserted])
            self._expects_known = bool(known)
            charged = self._settle_known(places, taken.records, known, posted)
            taken, ids = taken.take(charged), [ids[place] for place in charged]
            rows = _usage_rows(ids, batch_id, taken)
            append_rows(connection, usage_records, [row for row in rows if row[0] not in inserted])
        if rows:
            self._post_charges(connection, batch_id, rows, taken)
            posted.batch_id = batch_id
        return {identity: record.facts for identity, record in known.items() if record.live_charge_id is not None}

    def _settle_known(
        self, places: Sequence[int], records: Records, known: Mapping[Identity, Known], posted: Posted
    ) -> list[int]:
        """Compares records with what is booked; returns those to charge: new ones, and voided ones again."""
        charged: list[int] = []
        for place, facts in enumerate(records.rows()):
            before = known.get(facts.identity)
            if before is not None and before.live_charge_id is not None:
                self._compare(posted, places[place], facts, before.facts)
                continue
            if before is not None:
                records.change("generation", place, before.facts.generation + 1)
            charged.append(place)
        return charged

    def _post_charges(
        self, connection: Connection, batch_id: int, added: Sequence[Sequence[Any]], rated: Rated
    ) -> None:
        """Charges records that were just appended as `added`, and closes their batch."""
        columns, alike = self._charged(connection, rated, batch_id, [row[0] for row in added])
        self.seal(connection, batch_id, added, columns, rated.records.columns(), alike=alike)
        note_sources(connection, rated.records)

    def _charged(
        self, connection: Connection, rated: Rated, batch_id: int = 0, usage_ids: Sequence[int] | None = None
    ) -> tuple[Columns, Alike]:
        """Returns the columns of the records' charges, and which of these are alike."""
        import numpy as np

        count, records = len(rated), rated.records
        quarters, quarter = np.unique(records.number("occurred_at") // QUARTER_US, return_inverse=True)
        months, month = coded(self.calendar.month(at * QUARTER_US) for at in quarters.tolist())
        in_month = np.array(month, dtype=np.int64)[quarter]
        first_id, first_open = next_id(connection, charges), first_open_month(connection)
        columns = [
            range(first_id, first_id + count),
            [batch_id] * count,
            range(count) if usage_ids is None else usage_ids,
            ["charge"] * count,
            [None] * count,
            spread(months, in_month),
            spread([posted_month(name, first_open) for name in months], in_month),
            records.values("project"),
            records.values("provider"),
            *rated.columns(),
        ]
        return columns, Alike(*recoded(records.number("label"), records.number("tags"), rated.term, in_month))

    @staticmethod
    def _compare(posted: Posted, place: int, facts: Facts, before: Facts) -> None:
        if same_facts(before, facts):
            posted.known[place] = "duplicate"
            posted.differing_labels += (before.project, before.tags) != (facts.project, facts.tags)
        else:
            posted.known[place] = "conflict"

    def seal(
        self,
        connection: Connection,
        batch_id: int,
        added: Sequence[Sequence[Any]],
        columns: Columns,
        facts: Columns,
        *,
        alike: Alike | None = None,
    ) -> None:
        """Appends charges, adds them to the roll-ups and closes the batch.

        `columns` are those of ChargeRow, `facts` those of each charge's usage record. `added` are the rows of
        `usage_records` that this batch appended, by id; none where it only corrects. LedgerError where a roll-up has
        no room for the charges; of new ones, which say what is `alike` among them, `refusals` has seen to that.
        """
        if self._database.settings != self._settings:
            raise LedgerError("the ledger's zone or rolled-up tags were changed meanwhile: run the command again")
        if alike is None:
            self._headroom.check(connection, columns, facts)
        rows = list(rows_of(columns))
        append_rows(connection, charges, rows)
        self._roll_up.add(connection, columns, facts, alike)
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


def _usage_rows(ids: Sequence[int], batch_id: int, rated: Rated) -> list[tuple[Any, ...]]:
    """Returns rows of usage_records."""
    return list(rows_of([ids, [batch_id] * len(ids), *rated.records.columns()]))


def note_sources(connection: Connection, records: Records) -> None:
    """Remembers per source the latest usage, and now as its last ingest."""
    import numpy as np

    now = to_microseconds(datetime.now(UTC))
    names, source_of = coded(label.source for label in records.labels)
    source = np.array(source_of, dtype=np.int64)[records.number("label")]
    latest = {code: int(records.number("occurred_at")[source == code].max()) for code in np.unique(source).tolist()}
    rows = [(names[code], occurred, now) for code, occurred in latest.items()]
    upsert(connection, sources, ("source",), rows, latest=("last_occurred_at", "last_ingest_at"))
