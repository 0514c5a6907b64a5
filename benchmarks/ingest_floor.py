"""The bare floor that ingest is held against: decode each line with msgspec, put the same facts into one table.

No pricing, no checks, no roll-ups: `python -m benchmarks.ingest_floor FILE DATABASE-URL`. SQLite by executemany,
PostgreSQL by COPY; the table has the same facts as `usage_records` and a unique request id.
"""

from __future__ import annotations

import sqlite3
import sys
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import msgspec

COLUMNS = (
    "id bigint primary key, batch_id bigint, kind text, source text, request_id text unique, generation bigint, "
    "provider text, occurred_at bigint, requested_model text, reported_model text, project text, status text, "
    "service_tier text, input_tokens bigint, cached_input_tokens bigint, output_tokens bigint, "
    "reasoning_tokens bigint, tags text, storage_tokens bigint, storage_end bigint, provider_amount_nano bigint, "
    "assumed smallint"
)
CHUNK = 20_000


def rows(path: Path) -> Iterator[tuple[Any, ...]]:
    """One row of facts a line."""
    with path.open("rb") as lines:
        for number, line in enumerate(lines, 1):
            response = msgspec.json.decode(line)
            usage = response["usage"]
            metadata = response["metadata"]
            counts = (
                usage["input_tokens"],
                usage["input_tokens_details"]["cached_tokens"],
                usage["output_tokens"],
                usage["output_tokens_details"]["reasoning_tokens"],
            )
            names = (None, response["model"], metadata["project"], response["status"], response["service_tier"])
            occurred_at = response["created_at"] * 1_000_000
            first = (number, 1, "request", "evolink", response["id"], 0, "evolink", occurred_at)
            yield (*first, *names, *counts, "{}", None, None, None, 0)


def into_sqlite(path: Path, database: str) -> None:
    """executemany, a transaction a chunk."""
    connection = sqlite3.connect(database, isolation_level=None)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA cache_size = -65536")
    connection.execute(f"CREATE TABLE facts ({COLUMNS})")
    found = rows(path)
    insert = f"INSERT INTO facts VALUES ({', '.join('?' * 22)})"
    while chunk := list(islice(found, CHUNK)):
        connection.execute("BEGIN IMMEDIATE")
        connection.executemany(insert, chunk)
        connection.execute("COMMIT")


def into_postgres(path: Path, url: str) -> None:
    """COPY, a transaction a chunk."""
    import psycopg  # an extra

    found = rows(path)
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(f"CREATE TABLE facts ({COLUMNS})")
        while chunk := list(islice(found, CHUNK)):
            with connection.transaction(), connection.cursor().copy("COPY facts FROM STDIN") as copy:
                for row in chunk:
                    copy.write_row(row)


if __name__ == "__main__":
    source, target = Path(sys.argv[1]), sys.argv[2]
    if "://" in target:
        into_postgres(source, target)
    else:
        into_sqlite(source, target)
