"""Rows of the views `usage_records` and `charges` written where they are stored, for tests that fill or tamper."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ledger.store.tables import booked_corrections, booked_usage, charges, streams, usage_records
from ledger.store.tables.keys import RecordKey

Execute = Callable[[str, Sequence[Any]], Any]
_UPDATE = re.compile(r"UPDATE (usage_records|charges) SET (.*?)(?: WHERE (.*))?", re.DOTALL)
_DELETE = re.compile(r"DELETE FROM (usage_records|charges)(?: WHERE (.*))?", re.DOTALL)
_INSERT = re.compile(r"INSERT INTO charges (SELECT .*)", re.DOTALL)
_ASSIGNMENT = re.compile(r"(?:^|, )(\w+) = ")
_OF_STREAM = ("source", "kind")


def store(execute: Execute, usage: Mapping[str, Any], charge: Mapping[str, Any]) -> None:
    """Stores a record with its first charge, given as rows of the views, instants as microseconds."""
    is_first = charge["charge_class"] == "charge"
    key = {name: charge.get(name, usage.get(name)) if is_first else None for name in RecordKey._fields}
    key |= {name: usage[name] for name in RecordKey._fields if name in usage_records.c}
    both = {**usage, **(charge if is_first else {}), "id": charge["id"]}
    row = {column.name: both.get(column.name) for column in booked_usage.columns}
    row |= {"key_id": key_id(execute, key), "stream_id": stream_id(execute, usage)}
    insert(execute, "booked_usage", row)
    if not is_first:
        insert(execute, "booked_corrections", charge)


def key_id(execute: Execute, values: Mapping[str, Any]) -> int:
    """The id of the key of these values, which is new where there was none."""
    key = RecordKey(**{name: values[name] for name in RecordKey._fields})
    found = execute("SELECT id FROM record_keys WHERE digest = ?", [key.digest]).fetchone()
    if found is None:
        found = execute("SELECT coalesce(max(id), 0) + 1 FROM record_keys", []).fetchone()
        insert(execute, "record_keys", {"id": found[0], "digest": key.digest, **key._asdict()})
    return int(found[0])


def stream_id(execute: Execute, values: Mapping[str, Any]) -> int:
    stream = [values[name] for name in _OF_STREAM]
    found = execute("SELECT id FROM streams WHERE source = ? AND kind = ?", stream).fetchone()
    if found is None:
        found = execute("SELECT coalesce(max(id), 0) + 1 FROM streams", []).fetchone()
        insert(execute, streams.name, {"id": found[0], **dict(zip(_OF_STREAM, stream, strict=True))})
    return int(found[0])


def insert(execute: Execute, table: str, row: Mapping[str, Any]) -> None:
    execute(f"INSERT INTO {table} ({', '.join(row)}) VALUES ({', '.join('?' * len(row))})", list(row.values()))


def change(execute: Execute, statement: str) -> None:
    """Does what a statement of the views says to the rows that they show."""
    updated, deleted = _UPDATE.fullmatch(statement), _DELETE.fullmatch(statement)
    inserted = _INSERT.fullmatch(statement)
    if updated is not None:
        view, assigned, condition = updated.groups()
        parts = _ASSIGNMENT.split(assigned)[1:]
        _update(execute, view, dict(zip(parts[::2], parts[1::2], strict=True)), condition or "true")
    elif deleted is not None:
        view, condition = deleted.groups()
        chosen = f"IN (SELECT id FROM {view} WHERE {condition or 'true'})"
        # A record and its first charge are one row: of it, what shows the one and not the other is taken away.
        if view == "charges":
            execute(f"UPDATE booked_usage SET input_nano = NULL WHERE id {chosen}", [])
            execute(f"DELETE FROM booked_corrections WHERE id {chosen}", [])
        else:
            execute(f"UPDATE booked_usage SET stream_id = 0 WHERE id {chosen}", [])
    elif inserted is not None:
        execute(f"INSERT INTO booked_corrections {inserted[1]}", [])
    else:
        execute(statement, [])


def _update(execute: Execute, view: str, changes: Mapping[str, str], condition: str) -> None:
    model = charges if view == "charges" else usage_records
    names = model.columns.keys()
    values = ", ".join(changes.get(name, name) for name in names)
    found = [
        dict(zip(names, row, strict=True)) for row in execute(f"SELECT {values} FROM {view} WHERE {condition}", [])
    ]
    for row in found:
        own = {name: row[name] for name in changes}
        number = row["id"]
        if view == "charges" and row["charge_class"] != "charge":
            _set(execute, booked_corrections.name, number, own)
            continue
        kept = {name: value for name, value in own.items() if name in booked_usage.c}
        if any(name in RecordKey._fields for name in own):
            stored = execute(
                f"SELECT {', '.join(RecordKey._fields)} FROM record_keys"
                f" WHERE id = (SELECT key_id FROM booked_usage WHERE id = {number})",
                [],
            ).fetchone()
            kept["key_id"] = key_id(execute, dict(zip(RecordKey._fields, stored, strict=True)) | own)
        _set(execute, booked_usage.name, number, kept)


def _set(execute: Execute, table: str, number: int, values: Mapping[str, Any]) -> None:
    if values:
        assigned = ", ".join(f"{name} = ?" for name in values)
        execute(f"UPDATE {table} SET {assigned} WHERE id = {number}", list(values.values()))
