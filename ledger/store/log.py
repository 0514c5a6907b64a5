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


class Changes:
    """The changes of a transaction so far: ids added by table, states of quarantine by id, and whether settings.

    `sealed` has ids and digests of the rows that a digest of their own covers, `held` is what the sum over quarantine
    grew by.
    """

    def __init__(self) -> None:
        self.added: dict[str, tuple[int, int]] = {}
        self.sealed: dict[str, list[tuple[int, str]]] = {}
        self.states: dict[int, str] = {}
        self.settings = False
        self.held = 0


def _changes(connection: Connection) -> Changes:
    changes: Changes = connection.get_execution_options()[CHANGES]
    return changes


def note_rows(connection: Connection, table: Table, first: int, last: int | None = None) -> None:
    """Notes rows appended under the ids from first to last; those of one table follow each other."""
    added, name = _changes(connection).added, str(table.name)
    added[name] = (added.get(name, (first, 0))[0], first if last is None else last)


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
    _changes(connection).settings = True


def append_row(connection: Connection, table: Table, **values: Any) -> int:
    """Appends a row under the next id, notes and returns that; only the holder of the write lock may."""
    number = next_id(connection, table)
    connection.execute(table.insert().values(id=number, **values))
    note_rows(connection, table, number)
    return number


def append_entry(connection: Connection, actor: str) -> None:
    """Appends the entry of a transaction that is about to commit; none where nothing of the book was changed."""
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
        return
    columns = (log_entries.c.id, log_entries.c.held, log_entries.c.digest)
    last_entry = connection.execute(select(*columns).order_by(log_entries.c.id.desc()).limit(1)).first()
    last, held, previous = (0, NOTHING_HELD, "") if last_entry is None else last_entry
    entry = {
        "id": last + 1,
        "at": datetime.now(UTC),
        "actor": actor,
        "version": tollbook_version(),
        "rows": msgspec.json.encode(covered).decode(),
        "settled": msgspec.json.encode(_ranges_by_state(changes.states)).decode() if changes.states else None,
        "held": hex_of_held(_held(held) + changes.held) if changes.held else held,
        "previous": previous,
    }
    values = [to_microseconds(value) if isinstance(value, datetime) else value for value in entry.values()]
    connection.execute(log_entries.insert().values(**entry, digest=digest_of_entry(values)))


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
