"""The log: one entry a transaction that changed the book, chained, over the rows that it added.

Writers note what they append; `Database.writing` makes the entry of it at the end, under the write lock.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, NamedTuple

import msgspec
from sqlalchemy import Connection, Table, TextClause, bindparam, select, text

from ledger.errors import LedgerError
from ledger.store.actor import tollbook_version
from ledger.store.bulk import in_chunks, next_id
from ledger.store.driver import insert_row, run
from ledger.store.tables import ledger_settings, log_entries
from ledger.values.instants import to_microseconds

# Execution option of a connection: the changes of its transaction.
CHANGES = "ledger_changes"
# What the log calls the settings, which are one fact: they have no ids.
SETTINGS = "ledger_settings"

_SEALED = ("id", "digest")
# The columns that an entry covers of each table's rows: digest, where it covers a row's others, else all that stay.
COVERED = {
    "batches": _SEALED,
    "closings": _SEALED,
    "archives": _SEALED,
    "wallet_moves": _SEALED,
    "projects": _SEALED,
    "budgets": _SEALED,
    "budget_events": _SEALED,
    "wallet_entries": ("id", "closing_id", "provider", "day", "from_account", "to_account", "lot_id", "amount_nano"),
    "card_versions": ("id", "provider", "origin", "digest", "content", "reason", "added_at"),
    "rate_entries": (
        "id", "card_version_id", "provider", "model", "currency", "effective_from", "key", "digest", "content",
        "recorded_at",
    ),
    "conversions": (
        "id", "provider", "currency", "per_usd_nano", "effective_from", "origin", "source_url", "checked_on", "reason",
        "added_at",
    ),
    "quarantine": ("id", "digest", "file", "line", "length", "source", "first_seen_at"),
}  # fmt: skip
# What quarantine keeps of a line, which changes where the line comes again; and the sum of no lines.
HELD = "SELECT id, reason, message, request_id, occurred_at, fields, complete, options FROM quarantine"
NOTHING_HELD = "0" * 64
# The tables that booking usage adds to: where nothing else was added, prices, months and settings are as they were.
_BOOKED = frozenset({"batches", "quarantine"})
# Most entries of others that are looked through for what they changed.
_MOST_ENTRIES = 100
_LAST = "SELECT id, held, digest FROM log_entries ORDER BY id DESC LIMIT 1"
_SINCE = f"SELECT id, held, digest, rows FROM log_entries WHERE id >= ? ORDER BY id LIMIT {_MOST_ENTRIES}"


class Content(NamedTuple):
    """The rows that an entry covers, as (table, first id, last id, digest), and ranges of quarantine's ids by state."""

    rows: list[tuple[str, int, int, str]]
    settled: dict[str, list[tuple[int, int]]]


def read_content(rows: str, settled: str | None) -> Content:
    """Reads an entry's columns of these names; ValueError where they hold something else."""
    try:
        return msgspec.convert(
            (msgspec.json.decode(rows), {} if settled is None else msgspec.json.decode(settled)), Content
        )
    except (msgspec.MsgspecError, TypeError) as error:
        raise ValueError(str(error)) from error


class Head(NamedTuple):
    """The log's last entry, as far as the next one is made of it."""

    id: int
    held: str
    digest: str


class Changes:
    """The changes of a transaction so far: ids added by table, states of quarantine by id, and whether settings.

    `sealed` has ids and digests of the rows that a digest of their own covers, `held` is what the sum over quarantine
    grew by. `head` is the log's last entry, where it was read, and `memory` what `memory_of` says.
    """

    def __init__(self) -> None:
        self.added: dict[str, tuple[int, int]] = {}
        self.sealed: dict[str, list[tuple[int, str]]] = {}
        self.states: dict[int, str] = {}
        self.settings = False
        self.held = 0
        self.head: Head | None = None
        self.memory: dict[Any, Any] = {}


def _changes(connection: Connection) -> Changes:
    changes: Changes = connection.get_execution_options()[CHANGES]
    return changes


def memory_of(connection: Connection) -> dict[Any, Any]:
    """Returns what was read in a transaction and holds until prices, months, settings or the like change.

    A ledger's next writer gets it too, unless the log names such a change since, or the transaction came to nothing.
    """
    changes = connection.get_execution_options().get(CHANGES)
    return changes.memory if isinstance(changes, Changes) else {}


def memory_while_alone(connection: Connection) -> dict[Any, Any]:
    """Returns what holds as `memory_of` does, and only until any other writer books."""
    memory: dict[Any, Any] = memory_of(connection).setdefault(memory_while_alone, {})
    return memory


def recall(connection: Connection, seen: Head, memory: dict[Any, Any]) -> bool:
    """Takes up a memory left with the entry that was the log's last; returns False where it doesn't hold any more."""
    if not only_booked_since(connection, seen):
        return False
    changes = _changes(connection)
    if changes.head != seen:
        memory.pop(memory_while_alone, None)
    changes.memory = memory
    return True


def only_booked_since(connection: Connection, seen: Head) -> bool:
    """Tells, under the write lock, whether all entries after one that was the last only booked usage."""
    entries = run(connection, _SINCE, (seen.id,)).fetchall()
    if not entries or len(entries) == _MOST_ENTRIES or Head(*entries[0][:3]) != seen:
        return False
    _changes(connection).head = Head(*entries[-1][:3])
    return all(_only_books(rows) for *_head, rows in entries[1:])


def _only_books(rows: str) -> bool:
    try:
        return _BOOKED.issuperset(table for table, *_ids in read_content(rows, None).rows)
    except ValueError:
        return False


def note_rows(connection: Connection, table: Table, first: int, last: int | None = None) -> None:
    """Notes rows appended under the ids from first to last; those of one table follow each other."""
    changes, name = _changes(connection), str(table.name)
    changes.added[name] = (changes.added.get(name, (first, 0))[0], first if last is None else last)
    if name not in _BOOKED:
        changes.memory.clear()


def note_sealed(connection: Connection, table: Table, number: int, digest: str) -> None:
    """Notes a row appended to a table whose rows have digests."""
    note_rows(connection, table, number)
    _changes(connection).sealed.setdefault(str(table.name), []).append((number, digest))


def note_state(connection: Connection, numbers: Iterable[int], state: str) -> None:
    """Notes entries of quarantine that came to a state; what is new is open."""
    _changes(connection).states.update(dict.fromkeys(numbers, state))


@contextmanager
def noting_held(connection: Connection, numbers: Sequence[int]) -> Iterator[None]:
    """Notes what quarantine keeps of lines that are added or changed meanwhile, by their ids."""

    def sum_now() -> int:
        query = text(f"{HELD} WHERE id IN :ids").bindparams(bindparam("ids", expanding=True))
        return sum(sum_of_held(connection.execute(query, {"ids": ids})) for ids in in_chunks(numbers, 500))

    before = sum_now()
    yield
    _changes(connection).held += sum_now() - before


def note_settings(connection: Connection) -> None:
    """Notes that settings of the ledger were stored."""
    changes = _changes(connection)
    changes.settings = True
    changes.memory.clear()


def append_row(connection: Connection, table: Table, **values: Any) -> int:
    """Appends a row under the next id, notes and returns that; only the holder of the write lock may."""
    number = next_id(connection, table)
    connection.execute(table.insert().values(id=number, **values))
    note_rows(connection, table, number)
    return number


def append_entry(connection: Connection, actor: str) -> Head | None:
    """Appends the entry of a transaction that is about to commit, unless nothing of the book was changed.

    Returns the log's last entry then; None where it isn't known.
    """
    changes = _changes(connection)
    covered: list[tuple[str, int, int, str]] = []
    for table, (first, last) in changes.added.items():
        rows: list[tuple[Any, ...]] = list(changes.sealed.get(table, ())) or [
            tuple(row) for row in connection.execute(rows_between(table), {"first": first, "last": last})
        ]
        if rows:  # none where they were taken back to a savepoint
            covered.append((table, first, last, digest_of_rows(rows)))
    if changes.settings:
        rows = [(row.name, row.value) for row in connection.execute(select(ledger_settings))]
        covered.append((SETTINGS, 0, 0, digest_of_settings(rows)))
    if not (covered or changes.states or changes.held):
        return changes.head
    before = changes.head or _read_head(connection)
    entry = {
        "id": before.id + 1,
        "at": to_microseconds(datetime.now(UTC)),
        "actor": actor,
        "version": tollbook_version(),
        "rows": msgspec.json.encode(covered).decode(),
        "settled": msgspec.json.encode(_ranges_by_state(changes.states)).decode() if changes.states else None,
        "held": hex_of_held(_held(before.held) + changes.held) if changes.held else before.held,
        "previous": before.digest,
    }
    digest = digest_of_entry(list(entry.values()))
    insert_row(connection, log_entries, entry | {"digest": digest})
    return Head(before.id + 1, str(entry["held"]), digest)


def _read_head(connection: Connection) -> Head:
    last = run(connection, _LAST).fetchone()
    return Head(0, NOTHING_HELD, "") if last is None else Head(*last)


def _ranges_by_state(states: dict[int, str]) -> dict[str, list[tuple[int, int]]]:
    found: dict[str, list[tuple[int, int]]] = {}
    for number, state in sorted(states.items()):
        ranges = found.setdefault(state, [])
        if ranges and ranges[-1][1] == number - 1:
            ranges[-1] = (ranges[-1][0], number)
        else:
            ranges.append((number, number))
    return found


@lru_cache(maxsize=len(COVERED))
def rows_between(table: str) -> TextClause:
    """Returns the query of a table's covered columns as they are stored, by :first and :last."""
    return text(f"SELECT {', '.join(COVERED[table])} FROM {table} WHERE id BETWEEN :first AND :last ORDER BY id")


def digest_of_rows(rows: Sequence[Sequence[Any]]) -> str:
    """Computes sha256 over JSON arrays, a line each: rows of covered columns, by id."""
    return hashlib.sha256(msgspec.json.Encoder().encode_lines(rows)).hexdigest()


def digest_of_settings(rows: Iterable[tuple[str, str]]) -> str:
    """Computes the same over names and values by name, without the row that writers queue on."""
    return digest_of_rows(sorted(row for row in rows if row[0] != "lock"))


def sum_of_held(rows: Iterable[Sequence[Any]]) -> int:
    """Adds up sha256 over each row of HELD as a JSON array: a sum that one row can leave and join."""
    return sum(int.from_bytes(hashlib.sha256(msgspec.json.encode(tuple(row))).digest()) for row in rows)


def _held(text: str) -> int:
    try:
        return int(text, 16)
    except ValueError:
        raise LedgerError("the log's last entry was changed: 'tollbook verify' says how") from None


def hex_of_held(total: int) -> str:
    """Writes such a sum as an entry keeps it, modulo 2**256."""
    return f"{total % 2**256:064x}"


def digest_of_entry(values: Sequence[Any]) -> str:
    """Computes sha256 over an entry's columns before the digest, as stored, as one JSON array."""
    return hashlib.sha256(msgspec.json.encode(values)).hexdigest()
