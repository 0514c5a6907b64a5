"""The only writer of the book: usage records and charges go in together, with roll-ups and the sealed batch.

Everything happens in one transaction that holds the write lock, so ids are handed out here without gaps between
writers, and nothing is recorded in part.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Literal

import msgspec
from sqlalchemy import Connection

from ledger.book.archived import find_archived
from ledger.book.booked import Months, append_charged
from ledger.book.charges import Identity, Known, as_sealed, known_records
from ledger.book.headroom import Headroom
from ledger.book.newest import last_of_chain, next_batch_and_charge, note_newest
from ledger.book.open_months import first_open_month, posted_month
from ledger.book.records import Rated, Records, Spread, coded, recoded, sum_by_code
from ledger.book.repeats import find_booked
from ledger.book.rollups import Alike, RollUp, token_hours
from ledger.book.rows import ChargeRow, Facts, same_facts
from ledger.book.seals import (
    StoredUsage,
    amounts_by_currency,
    amounts_text,
    append_text_seal,
    batch_digest,
    sealed_conversions,
    usage_digest,
)
from ledger.book.sources import note_sources
from ledger.errors import LedgerError
from ledger.logs import logger_of
from ledger.store.bulk import append_rows
from ledger.store.database import Database
from ledger.store.driver import insert_row
from ledger.store.log import note_sealed
from ledger.store.tables import batches, booked_corrections
from ledger.values.calendar import QUARTER_US, Calendar
from ledger.values.columns import Columns, numbered, plain, rows_of

LOG = logger_of("book")

DigestOf = Callable[[Mapping[str, Any]], str]
Outcome = Literal["accepted", "duplicate", "conflict"]
BatchKind = Literal[
    "ingest", "record", "retry", "accept", "lake", "archive", "void", "reassign", "reprice", "adjust", "redact"
]


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
    """Posts one run's batches to a ledger, one transaction each; the caller holds the write lock.

    Where it `goes_back`, the caller rolls its transaction back on AlreadyKnown, and posts the same once more.
    """

    def __init__(self, database: Database, run: Run) -> None:
        self.run = run
        self.calendar = Calendar(database.zone)
        self._roll_up = RollUp(self.calendar, database.rollup_tags)
        self._headroom = Headroom(self.calendar, database.rollup_tags)
        self.goes_back = False
        self._expects_known = False
        self._database = database
        self._cut_by = database.zone_name, database.rollup_tags

    @property
    def settings(self) -> Mapping[str, str]:
        """The ledger's settings as they are now."""
        return self._database.settings

    def refusals(self, connection: Connection, rated: Rated) -> dict[int, str]:
        """Finds the records that the roll-ups have no room for, by place, each with why: nearly always none."""
        records = rated.records
        hours = token_hours(records.columns()) if "storage_tokens" in records.optional else []
        counts = (records.number("input_tokens"), records.number("output_tokens"), hours)
        parts = (*counts, records.optional.get("calls", []), rated.amount_nano)
        if not len(rated) or self._headroom.is_ample(connection, records.number("occurred_at"), parts):
            return {}
        known = known_records(connection, list(set(records.identities)))
        recorded = {identity for identity, record in known.items() if record.live_charge_id is not None}
        recorded.update(find_archived(connection, records.identities))
        charges = self.charged(connection, rated)
        return self._headroom.refusals(connection, charges, records.columns(), recorded, sums={})

    def post_usage(self, connection: Connection, rated: Rated) -> Posted:
        """Records what is new, each identity once; says whether the rest repeats or contradicts what is booked.

        What `refusals` finds must not be among it.
        """
        archived = find_archived(connection, rated.records.identities)
        if not archived:
            return self._post(connection, rated)
        places = [place for place, identity in enumerate(rated.records.identities) if identity not in archived]
        posted = self._post(connection, rated.take(places)) if places else Posted()
        posted.known = {places[place]: outcome for place, outcome in posted.known.items()}
        for place, facts in enumerate(rated.records.rows()):
            if facts.identity in archived:
                self._compare(posted, place, facts, archived[facts.identity].facts(facts))
        return posted

    def _post(self, connection: Connection, rated: Rated) -> Posted:
        posted = Posted()
        if len(set(rated.records.request_ids)) == len(rated):  # as nearly always
            self._post_first_ones(connection, rated, range(len(rated)), posted)
            return posted
        identities = rated.records.identities
        first_of = dict(zip(reversed(identities), range(len(identities) - 1, -1, -1), strict=True))
        known = self._post_first_ones(connection, rated, sorted(first_of.values()), posted)
        standing = {identity: record.facts for identity, record in known.items() if record.live_charge_id is not None}
        rows = rated.records.rows()
        for place, identity in enumerate(identities):
            first = first_of[identity]
            if first != place:
                self._compare(posted, place, rows[place], standing.get(identity, rows[first]))
        return posted

    def _post_first_ones(
        self, connection: Connection, rated: Rated, places: Sequence[int], posted: Posted
    ) -> dict[Identity, Known]:
        """Posts records of different identities; returns what is known of them, where any is."""
        taken = rated if len(places) == len(rated) else rated.take(places)
        known: dict[Identity, Known] = {}
        # Expected from now on, also where the transaction goes back.
        expected, self._expects_known = self._expects_known, True
        if not expected and self._post_new(connection, taken, posted):
            self._expects_known = False
        else:
            repeats, others = find_booked(connection, taken.records)
            posted.known.update({places[place]: "duplicate" for place in repeats})
            known = known_records(connection, taken.records.take(others).identities)
            self._expects_known = bool(repeats or known)
            self._settle_known(places, taken.records, others, known, posted)
            charged = [at for at, place in enumerate(places) if place not in posted.known]  # new, and voided ones again
            if charged and not self._post_new(connection, taken.take(charged), posted):
                raise LedgerError("identities that were looked up as new are known: 'tollbook db check' says more")
        return known

    def _settle_known(
        self, places: Sequence[int], records: Records, others: list[int], known: dict[Identity, Known], posted: Posted
    ) -> None:
        """Compares the `others` of records with what is booked; voided ones get their next generation."""
        for at, facts in zip(others, records.take(others).rows(), strict=True):
            before = known.get(facts.identity)
            if before is not None and before.live_charge_id is not None:
                self._compare(posted, places[at], facts, before.facts)
            elif before is not None:
                records.change("generation", at, before.facts.generation + 1)

    def _post_new(self, connection: Connection, rated: Rated, posted: Posted) -> bool:
        """Records and charges what is new; returns False, and does nothing, where any of it is known."""
        batch_id, first_id = next_batch_and_charge(connection)
        ids = range(first_id, first_id + len(rated))
        months = self._months(connection, rated.records)
        usage = append_charged(connection, batch_id, ids, rated, months, or_go_back=self.goes_back)
        if usage is None:
            return False
        columns, alike = _charged(rated, months, batch_id, ids)
        self.seal(connection, batch_id, usage, columns, rated.records.columns(), alike=alike)
        note_sources(connection, rated.records)
        posted.batch_id = batch_id
        return True

    def _months(self, connection: Connection, records: Records) -> Months:
        import numpy as np

        quarters, quarter = numbered(records.number("occurred_at") // QUARTER_US)
        occurred, month = coded(self.calendar.month(at * QUARTER_US) for at in quarters.tolist())
        first_open = first_open_month(connection)
        in_books = [posted_month(name, first_open) for name in occurred]
        return Months(occurred, in_books, np.array(month, dtype=np.int64)[quarter])

    def charged(self, connection: Connection, rated: Rated) -> Columns:
        """Returns the columns of the charges that the records would have, all but their ids."""
        return _charged(rated, self._months(connection, rated.records), 0, range(len(rated)))[0]

    @staticmethod
    def _compare(posted: Posted, place: int, facts: Facts, before: Facts) -> None:
        if before == facts or same_facts(before, facts):  # nearly always equal, which is seen at once
            posted.known[place] = "duplicate"
            posted.differing_labels += (before.project, before.tags) != (facts.project, facts.tags)
        else:
            posted.known[place] = "conflict"

    def seal(
        self,
        connection: Connection,
        batch_id: int,
        usage: StoredUsage | None,
        columns: Columns,
        facts: Columns,
        *,
        alike: Alike | None = None,
    ) -> None:
        """Adds charges to the roll-ups and closes their batch; appends those that are no first ones of new records.

        `columns` are those of ChargeRow, `facts` those of each charge's usage record. `usage` is what this batch
        appended; None where it only corrects. First charges say what is `alike` among them. LedgerError where a
        roll-up has no room for the others; of first ones, `refusals` has seen to that.
        """
        self.check_settings()
        rows: Sequence[tuple[Any, ...]] = ()
        if alike is None:
            rows = list(rows_of(columns))
            self._headroom.check(connection, columns, facts)
            append_rows(connection, booked_corrections, rows)
            rows = as_sealed(connection, rows)
        self._roll_up.add(connection, columns, facts, alike)
        charge: Any = ChargeRow._make(columns)  # columns by name
        known = sealed_conversions(connection)

        def digest_of(batch: Mapping[str, Any]) -> str:
            if usage is None:
                return batch_digest(batch, (), rows, known)
            return usage_digest(batch, usage, append_text_seal(connection, batch_id, batch_id, usage), rows, known)

        usage_ids = (1, 0) if usage is None else usage.columns["id"]
        ids = {
            "id": batch_id,
            "first_usage_record_id": int(usage_ids[0]),
            "last_usage_record_id": int(usage_ids[-1]),
            "first_charge_id": charge.id[0],
            "last_charge_id": charge.id[-1],
        }
        sums: Iterable[tuple[str, int]] = zip(charge.currency, plain(charge.amount_nano), strict=True)
        if alike is not None:  # of which there are few
            parts = sum_by_code(charge.amount_nano, alike.code)
            sums = (
                (charge.currency[place], amount) for place, (amount, _count) in zip(alike.first, parts, strict=True)
            )
        self.append_batch(connection, ids, amounts_by_currency(sums), digest_of)

    def check_settings(self) -> None:
        """Raises a LedgerError where the ledger cuts days otherwise, or rolls other tags up, than as this began."""
        if (self._database.zone_name, self._database.rollup_tags) != self._cut_by:
            raise LedgerError("the ledger's zone or rolled-up tags were changed meanwhile: run the command again")

    def append_batch(
        self, connection: Connection, ids: Mapping[str, int], amounts_nano: Mapping[str, int], digest_of: DigestOf
    ) -> None:
        """Appends the row of a batch of `ids` under the digest that is worked out of it, after the batch before."""
        sequence, previous = last_of_chain(connection)
        if self.run.id is None:
            self.run.id = ids["id"]
        batch: dict[str, Any] = {
            **ids,
            "run_id": self.run.id,
            "sequence": sequence + 1,
            "kind": self.run.kind,
            "reason": self.run.reason,
            "reference": self.run.reference if self.run.id == ids["id"] else None,  # once a run: it is unique
            "options": msgspec.json.encode(self.run.options).decode(),
            "posted_at": datetime.now(UTC),
            "amounts": amounts_text(amounts_nano),
            "previous": previous,
        }
        digest = digest_of(batch)
        insert_row(connection, batches, batch | {"digest": digest})
        note_sealed(connection, batches, ids["id"], digest)
        note_newest(connection, ids, sequence + 1, digest)
        counts = {name: ids[f"last_{name}_id"] - ids[f"first_{name}_id"] + 1 for name in ("usage_record", "charge")}
        LOG.info(
            "batch %(batch)d, %(kind)s: %(records)d usage records and %(charges)d charges to be committed",
            {"batch": ids["id"], "kind": self.run.kind, "records": counts["usage_record"], "charges": counts["charge"]},
        )


def _charged(rated: Rated, months: Months, batch_id: int, ids: Sequence[int]) -> tuple[Columns, Alike]:
    """Returns the columns of the records' first charges, and which of these are alike."""
    count, records = len(rated), rated.records
    label_of = records.number("label")
    columns: list[Any] = [
        ids,
        [batch_id] * count,
        ids,
        ["charge"] * count,
        [None] * count,
        Spread(months.occurred, months.code),
        Spread(months.posted, months.code),
        *(Spread([getattr(label, name) for label in records.labels], label_of) for name in ("project", "provider")),
        *rated.columns(),
    ]
    return columns, Alike(*recoded(label_of, records.number("tags"), rated.term, months.code))
