"""The log compared with the rows that it covers: each must be there as it was, and in one entry."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import msgspec
from sqlalchemy import Connection, Row, text

from ledger.audit.verification import Head, Verification, words_of
from ledger.store.expressions import ROWS_AT_ONCE
from ledger.store.log import (
    COVERED,
    HELD,
    NOTHING_HELD,
    SETTINGS,
    digest_of_entry,
    digest_of_settings,
    hex_of_held,
    read_content,
    sum_of_held,
)
from ledger.store.tables import log_entries

STATES = ("open", "resolved", "accepted", "discarded")
_COLUMNS = tuple(log_entries.c.keys())


def check_log(connection: Connection, result: Verification, signed: Head | None = None) -> Head | None:
    """Checks the log's chain, and every covered row by it; returns its last entry. `signed` must be one of it."""
    last: Head | None = None
    with ExitStack() as stack:
        covered = _Covered(connection, result, stack)
        for entry in _stream(connection, stack, f"SELECT {', '.join(_COLUMNS)} FROM log_entries ORDER BY id"):
            result.checked[log_entries.name] += 1
            _check_entry(entry, last, result)
            covered.check(entry)
            if signed is not None and entry.id == signed.sequence and entry.digest != signed.digest:
                result.problem(f"log entry {entry.id}: isn't the one that was signed off: the ledger was rewritten")
            last = Head(entry.id, entry.digest, entry.at)
        covered.finish()
    count = 0 if last is None else last.sequence
    if signed is not None and count < signed.sequence:
        result.problem(f"log entry {signed.sequence}: was signed off and is missing: the log ends with {count}")
    return last


def _stream(connection: Connection, stack: ExitStack, query: str) -> Iterator[Any]:
    """Reads rows as they are stored, some thousands in memory at a time."""
    found = connection.execute(text(query), execution_options={"yield_per": ROWS_AT_ONCE})
    stack.callback(found.close)
    return iter(found)


def _check_entry(entry: Row[Any], before: Head | None, result: Verification) -> None:
    number, digest = (0, "") if before is None else (before.sequence, before.digest)
    if entry.id != number + 1:
        result.problem(f"log entry {entry.id}: follows {number}: an entry is missing")
    if entry.previous != digest:
        result.problem(f"log entry {entry.id}: doesn't follow the digest of the entry before it")
    if digest_of_entry(tuple(entry)[:-1]) != entry.digest:
        result.problem(f"log entry {entry.id}: it is no longer as it was recorded")


class _Covered:
    """The covered tables, read in order of id beside the log, and the states of quarantine as it tells them."""

    def __init__(self, connection: Connection, result: Verification, stack: ExitStack) -> None:
        self._connection = connection
        self._result = result
        self._rows: dict[str, Iterator[Any]] = {}
        self._next: dict[str, Any] = {}
        self._settings: str | None = None
        self._held = NOTHING_HELD
        self._states = bytearray()
        for name, columns in COVERED.items():
            with result.checking(connection, name):
                connection.execute(text(f"SELECT {', '.join(columns)} FROM {name} LIMIT 1")).all()
                self._next[name] = None
        for name in self._next:
            self._rows[name] = _stream(connection, stack, f"SELECT {', '.join(COVERED[name])} FROM {name} ORDER BY id")
            self._advance(name)
        if "quarantine" in self._rows:
            # Ids are 1, 2, 3 …; where one is missing that is told, and what is beyond has no state to compare.
            self._states = bytearray(1 + connection.execute(text("SELECT count(*) FROM quarantine")).scalar_one())

    def _advance(self, name: str) -> None:
        try:
            self._next[name] = next(self._rows[name], None)
        except Exception as error:
            if self._connection.invalidated:
                raise
            raise ValueError(f"{name} can't be read: {words_of(error, self._connection.engine.url)}") from error

    def check(self, entry: Row[Any]) -> None:
        """Compares the rows of an entry with what it says of them, and takes up the states it tells."""
        self._held = entry.held
        try:
            rows, settled = read_content(entry.rows, entry.settled)
        except ValueError as error:
            self._result.problem(f"log entry {entry.id}: can't be read: {error}")
            return
        for name, first, last, digest in rows:
            if name == SETTINGS:
                self._settings = digest
            elif name not in COVERED:
                self._result.problem(f"log entry {entry.id}: is of a table {name[:40]!r}, which no entry covers")
            elif name in self._rows:
                self._check_rows(entry.id, name, first, last, digest)
        for state, ranges in settled.items():
            code = STATES.index(state) if state in STATES else 0
            for first, last in ranges:
                for number in range(max(first, 1), min(last, len(self._states) - 1) + 1):
                    self._states[number] = code

    def _check_rows(self, entry: int, name: str, first: int, last: int, digest: str) -> None:
        self._strays(name, first)
        found = hashlib.sha256()
        count = 0
        while (row := self._next[name]) is not None and row[0] <= last:
            found.update(msgspec.json.encode(tuple(row)) + b"\n")
            count += 1
            self._advance(name)
        if found.hexdigest() != digest:
            said = "no longer as recorded" if count else "missing"
            self._result.problem(f"{_words(name, first, last)}: {said} (log entry {entry})")

    def _strays(self, name: str, before: int | None = None) -> None:
        first = last = None
        while (row := self._next[name]) is not None and (before is None or row[0] < before):
            first, last = row[0] if first is None else first, row[0]
            self._advance(name)
        if first is not None:
            self._result.problem(f"{_words(name, first, last)}: in no entry of the log")

    def finish(self) -> None:
        """Names what is in no entry, states that nobody gave, and settings that nobody set."""
        for name in self._rows:
            self._strays(name)
        with self._result.checking(self._connection, SETTINGS):
            rows = self._connection.execute(text("SELECT name, value FROM ledger_settings"))
            if digest_of_settings((row[0], row[1]) for row in rows) != self._settings:
                self._result.problem(f"{SETTINGS}: aren't those that the log says were set")
        if "quarantine" in self._rows:
            with self._result.checking(self._connection, "quarantine"):
                self._check_states()
            with self._result.checking(self._connection, "quarantine"), ExitStack() as stack:
                if hex_of_held(sum_of_held(_stream(self._connection, stack, HELD))) != self._held:
                    self._result.problem("quarantine: what it keeps of lines isn't as it was recorded")

    def _check_states(self) -> None:
        with ExitStack() as stack:
            for number, state in _stream(self._connection, stack, "SELECT id, state FROM quarantine ORDER BY id"):
                self._result.checked["quarantine"] += 1
                logged = STATES[self._states[number]] if 0 < number < len(self._states) else state
                if state != logged:
                    self._result.problem(f"quarantine {number}: is {state}, the log says {logged}")


def _words(name: str, first: object, last: object) -> str:
    return f"{name} {first}" if first == last else f"{name} {first} to {last}"
