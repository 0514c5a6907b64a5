"""Request ids and values of tags made unreadable, in a batch that says how many and why; money and digests stay.

What is in a text's place is a digest of it by a key of the ledger: the same text becomes the same word, so that a
request that comes again is known, and nobody who lacks the ledger can try what a word was.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import msgspec
from sqlalchemy import ColumnElement, Connection, bindparam, or_, select, update

from ledger.book.archived import any_archived, check_unarchived, find_archived
from ledger.book.booked_pages import Named, read_booked
from ledger.book.charges import PlainRow, as_sealed, next_charge_id, plain_rows, read_posted
from ledger.book.open_months import standing_closes
from ledger.book.posting import Poster, Run
from ledger.book.sealed_rows import added_in
from ledger.book.seals import append_text_seal, batch_digest, sealed_conversions
from ledger.book.settings import store_settings, sum_again
from ledger.errors import LedgerError
from ledger.store.bulk import append_rows, in_chunks, next_id, rows_by_key
from ledger.store.database import Database
from ledger.store.log import noting_held
from ledger.store.tables import batches, booked_usage, charges, lake_keys, quarantine, text_seals
from ledger.store.tables.book import LAST_REDACTION, REDACTION_KEY
from ledger.values.calendar import Calendar

KIND: Final = "redact"
_MARK: Final = "redacted:"
_ROWS = 8_000
# A condition has so many parts at most, of so many characters; SQLite takes a thousand, of 50,000 bytes.
_PARTS, _LENGTH = 100, 1_000


@dataclass(frozen=True)
class Texts:
    """The texts to redact: request ids, and pairs of a tag's key and its value."""

    request_ids: frozenset[str]
    tags: frozenset[tuple[str, str]]

    def within(self, request_id: ColumnElement[Any], *texts: ColumnElement[Any]) -> ColumnElement[bool]:
        """Returns a condition of what may hold one: `texts` are columns of JSON."""
        parts = {msgspec.json.encode({key: value}).decode()[1:-1][:_LENGTH] for key, value in self.tags}
        if len(parts) > _PARTS:
            parts = {""}
        found = [text.contains(part, autoescape=True) for text in texts for part in parts]
        return or_(request_id.in_(self.request_ids), *found)

    def redact_tags(self, text: str, key: str, *, below: str | None = None) -> str:
        """Returns JSON of tags, or with tags `below` a name, with words in place of their values."""
        whole = msgspec.json.decode(text)
        tags = whole if below is None else whole.get(below)
        if not isinstance(tags, dict) or self.tags.isdisjoint(tags.items()):
            return text
        tags.update({name: _word(key, f"{name}={value}") for name, value in self.tags & tags.items()})
        return msgspec.json.encode(whole, order="sorted").decode()


@dataclass(slots=True)
class Redacted:
    """Reach of a redaction: usage records, the batches that hold them, their closed months, quarantined lines.

    `batch_id` is its own batch, None where nothing was found or it is a trial.
    """

    batch_id: int | None = None
    by_id: int = 0
    by_tag: int = 0
    batches: set[int] = field(default_factory=set)
    closed_months: list[str] = field(default_factory=list)
    quarantined: int = 0


def _word(key: str, text: str) -> str:
    return f"{_MARK}{hashlib.blake2b(text.encode(), key=bytes.fromhex(key), digest_size=16).hexdigest()}"


def known_ids(connection: Connection, settings: Mapping[str, str], request_ids: list[str]) -> list[str]:
    """Returns the ids, and in place of one that is redacted in the ledger what stands for it there."""
    key = settings.get(REDACTION_KEY)
    if key is None:
        return request_ids
    words = [_word(key, request_id) for request_id in request_ids]
    query = "SELECT DISTINCT k0 FROM {keys} JOIN booked_usage u ON u.request_id = k0"
    redacted = {word for (word,) in rows_by_key(connection, query, [(word,) for word in words])}
    # What waits in quarantine under a word is recorded under it.
    waiting = select(quarantine.c.request_id).where(
        quarantine.c.state == "open", quarantine.c.request_id.startswith(_MARK)
    )
    redacted.update(connection.execute(waiting).scalars())
    return [word if word in redacted else text for word, text in zip(words, request_ids, strict=True)]


def redact(database: Database, texts: Texts, run: Run, *, rollups: bool = False, dry_run: bool = False) -> Redacted:
    """Redacts texts in usage records and quarantine; LedgerError for a rolled-up tag without `rollups`."""
    with database.reading() if dry_run else database.writing() as connection:
        rolled_up = _rolled_up(texts, database.rollup_tags, may_be=rollups)
        _check_sums(connection, texts)
        result = Redacted()
        key = database.settings.get(REDACTION_KEY) or os.urandom(32).hex()
        poster, batch_id = Poster(database, run), next_id(connection, batches)
        for rows in _found(connection, texts):
            changes = [_change(row.id, row.request_id, row.tags, texts, key) for row in rows]
            result.by_id += sum(row.request_id in texts.request_ids for row in rows)
            result.by_tag += sum(change["own_tags"] != row.tags for row, change in zip(rows, changes, strict=True))
            result.batches.update(row.batch_id for row in rows)
            if not dry_run:
                changed = update(booked_usage).where(booked_usage.c.id == bindparam("row"))
                own: dict[str, Any] = {"request_id": bindparam("own_id"), "tags": bindparam("own_tags")}
                connection.execute(changed.values(own), changes)
        for number in sorted(result.batches) if any_archived(connection) else ():
            check_unarchived(connection, batches.c.id == number, f"redacting in batch {number}")
        result.closed_months = _closed_months(connection, result.batches)
        result.quarantined = _redact_quarantine(connection, texts, key, dry_run=dry_run)
        if dry_run or not (result.batches or result.quarantined):
            return result
        _seal_again(connection, Calendar(database.zone), sorted(result.batches), batch_id)
        sealed = rows_of_redaction(connection, batch_id)
        next_charge = next_charge_id(connection)
        ids = {"id": batch_id, "first_usage_record_id": 1, "last_usage_record_id": 0}
        ids |= {"first_charge_id": next_charge, "last_charge_id": next_charge - 1}
        poster.append_batch(connection, ids, {}, lambda batch: batch_digest(batch, sealed, (), {}))
        store_settings(database, connection, {REDACTION_KEY: key, LAST_REDACTION: str(batch_id)})
        if rolled_up:
            sum_again(database, connection, database.rollup_tags, keeps_keys=False)
        result.batch_id = batch_id
    return result


def _rolled_up(texts: Texts, rollup_tags: Collection[str], *, may_be: bool) -> bool:
    """Tells whether a tag to redact is rolled up; LedgerError where none may be, or a text is redacted already."""
    for text in sorted({*texts.request_ids, *(value for _key, value in texts.tags)}):
        if text.startswith(_MARK):
            raise LedgerError(f"{text!r} stands for a redacted text, which would no longer be known: give others")
    found = sorted({key for key, _value in texts.tags} & set(rollup_tags))
    if found and not may_be:
        raise LedgerError(
            f"tag {found[0]!r} is rolled up, and reports by it would lose its value: --rollups sums all charges "
            "again by what stands for it then"
        )
    return bool(found)


def _check_sums(connection: Connection, texts: Texts) -> None:
    """Refuses values of tags that sums of a lake are by, which are sealed."""
    for text in connection.execute(select(lake_keys.c.tags).distinct()).scalars():
        for key, value in sorted(texts.tags & msgspec.json.decode(text).items()):
            raise LedgerError(f"tag {key}={value}: sums of a lake are by it, which are sealed: it stays readable")


def _found(connection: Connection, texts: Texts) -> Iterator[Sequence[Any]]:
    """Reads usage that holds any of the texts, by id, some thousand rows at a time."""
    usage, after = booked_usage.c, 0
    query = select(usage.id, usage.batch_id, usage.request_id, usage.tags).order_by(usage.id).limit(_ROWS)
    within = texts.within(usage.request_id, usage.tags)
    while rows := connection.execute(query.where(within, usage.id > after)).all():
        found = [row for row in rows if row.request_id in texts.request_ids or _has_tag(row.tags, texts)]
        if found:
            yield found
        after = rows[-1].id


def _has_tag(tags: str | None, texts: Texts) -> bool:
    return tags is not None and not texts.tags.isdisjoint(msgspec.json.decode(tags).items())


def _change(number: int, request_id: str, tags: str | None, texts: Texts, key: str) -> dict[str, Any]:
    if request_id in texts.request_ids:
        request_id = _word(key, request_id)
    if tags is not None:
        tags = texts.redact_tags(tags, key)
    return {"row": number, "own_id": request_id, "own_tags": tags}


def _closed_months(connection: Connection, of_batches: Collection[int]) -> list[str]:
    """Returns the closed months in whose books usage of these batches is."""
    closed = {row.month for row in standing_closes(connection)}
    months: set[str] = set()
    for chunk in in_chunks(of_batches if closed else (), 500):
        own = select(charges.c.posted_month).distinct().where(charges.c.batch_id.in_(chunk))
        months.update(connection.execute(own).scalars())
    return sorted(closed & months)


def _redact_quarantine(connection: Connection, texts: Texts, key: str, *, dry_run: bool) -> int:
    """Redacts what is kept of quarantined lines; returns how many hold any of the texts."""
    held = quarantine.c
    kept = held.request_id, held.fields, held.message, held.options
    changes: list[dict[str, Any]] = []
    within = texts.within(held.request_id, held.fields, held.options)
    for row in connection.execute(select(held.id, held.source, held.state, *kept).where(within)).all():
        request_id, message = row.request_id, row.message
        fields = texts.redact_tags(row.fields, key, below="tags")
        if request_id in texts.request_ids:
            identity = request_id, row.source, msgspec.json.decode(fields).get("kind", "request")
            if row.state == "open" and find_archived(connection, [identity]):
                raise LedgerError(
                    f"quarantine entry {row.id} is of usage that was archived, and is known by its id: discard it first"
                )
            request_id = _word(key, row.request_id)
            message = message.replace(repr(row.request_id), repr(request_id))
            named = msgspec.json.decode(fields) | {"request_id": request_id}
            fields = msgspec.json.encode(named, order="sorted").decode()
        own = request_id, fields, message, texts.redact_tags(row.options, key, below="tags")
        if own != (row.request_id, row.fields, row.message, row.options):
            names = (f"own_{column.name}" for column in kept)
            changes.append({"row": row.id, **dict(zip(names, own, strict=True))})
    if changes and not dry_run:
        change = update(quarantine).where(held.id == bindparam("row"))
        with noting_held(connection, [change["row"] for change in changes]):
            connection.execute(change.values({each: bindparam(f"own_{each.name}") for each in kept}), changes)
    return len(changes)


def _seal_again(connection: Connection, calendar: Calendar, of_batches: Sequence[int], sealed_by: int) -> None:
    """Seals the texts of batches as they are now; nobody can try what they were by a seal from before."""
    named = Named(connection)
    for number in of_batches:
        batch = connection.execute(select(batches).where(batches.c.id == number)).one()
        seals = select(text_seals.c.id).where(text_seals.c.batch_id == number, text_seals.c.sealed_by == number)
        ids = batch.first_charge_id, batch.last_charge_id
        if connection.execute(seals).first() is not None:
            before = update(text_seals).where(text_seals.c.batch_id == number, text_seals.c.salt.is_not(None))
            connection.execute(before.values(salt=None))
            append_text_seal(connection, number, sealed_by, read_booked(connection, named, *ids).between(*ids))
            continue
        posted = read_posted(connection, calendar, charges.c.id.between(*ids))
        _ids, added = added_in(connection, *ids, posted)
        rows = as_sealed(connection, posted.charges)
        digest = batch_digest(batch._asdict(), added, rows, sealed_conversions(connection))
        append_rows(connection, text_seals, [(next_id(connection, text_seals), number, sealed_by, None, None, digest)])


def rows_of_redaction(connection: Connection, batch_id: int) -> list[PlainRow]:
    """Reads what the digest of a batch that redacts covers: the new seals of other batches' texts."""
    seals = text_seals.c
    query = select(seals.id, seals.batch_id, seals.sealed_by, seals.digest, seals.rows_digest)
    return plain_rows(connection, query.where(seals.sealed_by == batch_id).order_by(seals.id))
