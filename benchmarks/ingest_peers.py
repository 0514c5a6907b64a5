"""More to compare ingest with: `python -m benchmarks.ingest_peers FILE DATABASE [--lean] [--ignore]`, SQLite alone.

It adds to the table that is there, as `ingest_floor` makes it, or begins one. `--lean` decodes each line to a typed
Struct and has an integer primary key, which SQLite keeps without an index of its own: about the least that Python,
msgspec and SQLite take for these facts. `--ignore` leaves out what is there by `ON CONFLICT DO NOTHING`.
"""

from __future__ import annotations

import sqlite3
import sys
from collections.abc import Iterator
from contextlib import closing
from itertools import islice
from pathlib import Path
from typing import Any

import msgspec

from benchmarks.ingest_floor import CHUNK, COLUMNS, rows

LEAN_COLUMNS = COLUMNS.replace("id bigint primary key", "id integer primary key", 1)


class Cached(msgspec.Struct, gc=False):
    """The details of input."""

    cached_tokens: int


class Reasoning(msgspec.Struct, gc=False):
    """The details of output."""

    reasoning_tokens: int


class Usage(msgspec.Struct, gc=False):
    """The counts of a response."""

    input_tokens: int
    input_tokens_details: Cached
    output_tokens: int
    output_tokens_details: Reasoning


class Metadata(msgspec.Struct, gc=False):
    """The label of a response."""

    project: str


class Response(msgspec.Struct, gc=False):
    """The facts of a line, and nothing else of it."""

    id: str
    created_at: int
    model: str
    status: str
    service_tier: str
    usage: Usage
    metadata: Metadata


def lean_rows(path: Path) -> Iterator[tuple[Any, ...]]:
    """The same rows as the floor's."""
    decode = msgspec.json.Decoder(Response).decode
    with path.open("rb") as lines:
        for number, line in enumerate(lines, 1):
            found = decode(line)
            usage = found.usage
            yield (
                number, 1, "request", "evolink", found.id, 0, "evolink", found.created_at * 1_000_000,
                None, found.model, found.metadata.project, found.status, found.service_tier,
                usage.input_tokens, usage.input_tokens_details.cached_tokens,
                usage.output_tokens, usage.output_tokens_details.reasoning_tokens,
                "{}", None, None, None, 0,
            )  # fmt: skip


def append(path: Path, database: str, *, lean: bool, ignore: bool) -> None:
    """Appends as the floor does: executemany, a transaction a chunk."""
    found = lean_rows(path) if lean else rows(path)
    with closing(sqlite3.connect(database, isolation_level=None)) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA cache_size = -65536")
        connection.execute(f"CREATE TABLE IF NOT EXISTS facts ({LEAN_COLUMNS if lean else COLUMNS})")
        (last,) = connection.execute("SELECT coalesce(max(id), 0) FROM facts").fetchone()
        insert = f"INSERT INTO facts VALUES (? + {last}{', ?' * 21}){' ON CONFLICT DO NOTHING' if ignore else ''}"
        while chunk := list(islice(found, CHUNK)):
            connection.execute("BEGIN IMMEDIATE")
            connection.executemany(insert, chunk)
            connection.execute("COMMIT")


if __name__ == "__main__":
    append(Path(sys.argv[1]), sys.argv[2], lean="--lean" in sys.argv, ignore="--ignore" in sys.argv)
