"""Quarantine: what couldn't be recorded, by digest with allowed fields, until settled."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import msgspec
from sqlalchemy import Connection, Row, bindparam, func, select, update

from ledger.book.rows import Facts
from ledger.errors import LedgerError
from ledger.intake.fields.record import Held
from ledger.intake.labels import RunOptions
from ledger.store.bulk import in_chunks, next_id
from ledger.store.log import note_rows, note_state, noting_held
from ledger.store.tables import quarantine
from ledger.values.instants import from_microseconds
from pricing.errors import RecordError
from pricing.times import read_time

CUT = "truncated_json"
ENDLESS = "no_terminal_event"


def digest_of(source: str, raw: bytes) -> str:
    """Returns the digest by which the same line of the same source is known."""
    return hashlib.sha256(source.encode() + b"\0" + raw).hexdigest()


def held_digest(file: str, item: Held) -> str:
    """Returns the digest by which what is held back is known again."""
    return digest_of(item.source, _raw(file, item))


def hold(connection: Connection, file: str, held: Sequence[Held], options: RunOptions) -> None:
    """Adds what is new; counts known lines, which are open as read last, unless discarded."""
    if not held:
        return
    now = datetime.now(UTC)
    by_digest: dict[str, list[Held]] = {}
    for item in held:
        by_digest.setdefault(held_digest(file, item), []).append(item)
    known = _known(connection, list(by_digest))
    number = next_id(connection, quarantine)
    added: list[dict[str, Any]] = []
    counted: list[dict[str, Any]] = []
    changed: list[dict[str, Any]] = []
    reopened: list[int] = []
    for digest, items in by_digest.items():
        first, read = items[0], _as_read(items[-1], options)
        if digest in known:
            entry, state = known[digest]
            again = {"entry": entry, "times": len(items), "last_seen_at": now}
            (counted if state == "discarded" else changed).append(again if state == "discarded" else again | read)
            if state not in ("open", "discarded"):
                reopened.append(entry)
            continue
        of_line = {"digest": digest, "file": file, "line": first.line, "length": len(_raw(file, first))}
        seen = {"seen": len(items), "source": first.source, "first_seen_at": now, "last_seen_at": now}
        added.append({"id": number + len(added), **of_line, **seen, **read})
    with noting_held(connection, [row["id"] for row in added] + [row["entry"] for row in changed]):
        if added:
            connection.execute(quarantine.insert(), added)
            note_rows(connection, quarantine, added[0]["id"], added[-1]["id"])
        seen_again = update(quarantine).where(quarantine.c.id == bindparam("entry"))
        for changes in filter(None, (counted, changed)):
            connection.execute(seen_again.values(seen=quarantine.c.seen + bindparam("times")), changes)
    note_state(connection, reopened, "open")


def _raw(file: str, item: Held) -> bytes:
    """Returns the bytes an item is known by; for a whole file, its name and what is wrong."""
    return f"{file}\0{item.reason}".encode() if item.raw is None else item.raw


def _known(connection: Connection, digests: Sequence[str]) -> dict[str, tuple[int, str]]:
    """Finds number and state of the entries that there are, by digest."""
    found: dict[str, tuple[int, str]] = {}
    for chunk in in_chunks(digests, 500):
        query = select(quarantine.c.id, quarantine.c.state, quarantine.c.digest).where(quarantine.c.digest.in_(chunk))
        found.update((digest, (number, state)) for number, state, digest in connection.execute(query))
    return found


def _as_read(item: Held, options: RunOptions) -> dict[str, Any]:
    return {
        "state": "open",
        "reason": item.reason,
        "message": item.message,
        "request_id": item.fields.get("request_id"),
        "occurred_at": occurred_at_of(item.fields),
        "fields": msgspec.json.encode(dict(item.fields), order="sorted").decode(),
        "complete": int(item.complete),
        "options": msgspec.json.encode(options, order="sorted").decode(),
        "resolution": None,
        "resolved_at": None,
    }


def occurred_at_of(fields: Mapping[str, Any]) -> datetime | None:
    """Returns the time that the fields of a record state; None where they state none."""
    value = fields.get("occurred_at", fields.get("start"))
    if value is None:
        return None
    try:
        return from_microseconds(read_time(value, "occurred_at"))
    except RecordError:
        return None


def line_of(facts: Facts, raw: bytes | None) -> bytes | None:
    """Returns the bytes to know a record by; storage derived from a line has its own."""
    return raw + b"\0assumed" if facts.assumed and raw is not None else raw


class OpenLines:
    """Open entries: a line recorded after all settles its own, and a cut-off part's.

    A cut-off line is the beginning of the whole one at the same line number, under whatever name the file comes back.
    A stream without its end is known by its id.
    """

    def __init__(self, connection: Connection) -> None:
        columns = (quarantine.c[name] for name in ("id", "reason", "line", "length", "source", "request_id", "digest"))
        rows = connection.execute(select(*columns).where(quarantine.c.state == "open")).all()
        self._by_digest = {row.digest: row.id for row in rows}
        self._cut: dict[int, list[Row[Any]]] = {}
        self._endless: dict[tuple[str, str | None], list[int]] = {}
        for row in rows:
            if row.reason == CUT:
                self._cut.setdefault(row.line, []).append(row)
            elif row.reason == ENDLESS:
                self._endless.setdefault((row.source, row.request_id), []).append(row.id)

    def __bool__(self) -> bool:
        return bool(self._by_digest)

    def settled_by(self, facts: Facts, line: int, raw: bytes) -> Iterator[tuple[int, str]]:
        """Finds the entries that a line resolves when it is recorded, each with its resolution."""
        number = self._by_digest.pop(digest_of(facts.source, raw), None)
        if number is not None:
            yield number, "the line was recorded when it came again"
        for row in self._cut.get(line, ()):
            if len(raw) > row.length and digest_of(row.source, raw[: row.length]) == row.digest:
                yield row.id, "the whole line was recorded"
        for number in self._endless.pop((facts.source, facts.request_id), ()):
            yield number, "the request was recorded with its usage"


def settle(connection: Connection, number: int, state: str, resolution: str) -> None:
    """Closes an entry that is open with how it was settled; one that was given up meanwhile stays so."""
    settled = connection.execute(
        update(quarantine)
        .where(quarantine.c.id == number, quarantine.c.state == "open")
        .values(state=state, resolution=resolution, resolved_at=datetime.now(UTC))
    )
    if settled.rowcount:
        note_state(connection, [number], state)


def get_entry(connection: Connection, number: int) -> Row[Any]:
    """Returns the entry of that number; LedgerError where there is none."""
    row = connection.execute(select(quarantine).where(quarantine.c.id == number)).first()
    if row is None:
        raise LedgerError(f"there is no quarantine entry {number}: see 'tollbook quarantine list'")
    return row


def entries(connection: Connection, *, state: str | None = "open", reason: str | None = None) -> Sequence[Row[Any]]:
    """Returns entries in order of number, of one state (None: all) and one reason."""
    wanted = {name: value for name, value in (("state", state), ("reason", reason)) if value is not None}
    return connection.execute(select(quarantine).filter_by(**wanted).order_by(quarantine.c.id)).all()


def count_open(connection: Connection) -> dict[str, int]:
    """Counts open entries by reason."""
    query = select(quarantine.c.reason, func.count()).where(quarantine.c.state == "open").group_by(quarantine.c.reason)
    return {row[0]: row[1] for row in connection.execute(query.order_by(quarantine.c.reason))}
