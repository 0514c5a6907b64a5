"""`Ledger.record` beside the bare floor, one commit a call, in turn; and what a buffered call keeps its caller waiting.

`python -m benchmarks.bench_record [CALLS] [RUNS] [BUFFERED]`, of 500 calls five times, and 20,000 buffered ones.

The floor inserts one row and commits, with the ledger's settings of SQLite. Both write to the same disk: the working
directory's, unless TMPDIR names another. PostgreSQL is measured where TOLLBOOK_BENCH_POSTGRES names a server's
maintenance database. Needs tollbook installed.
"""

from __future__ import annotations

import os
import sqlite3
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any

from benchmarks.bench_ingest import postgres_target, sqlite_target
from tollbook import Ledger

_NUMBERS = count()
# So many buffered calls a second, as of a busy server, where each caller's wait is measured.
PACED = 1_000


def response() -> dict[str, Any]:
    """A response that no ledger has seen."""
    number = next(_NUMBERS)
    return {
        "id": f"resp_{number:010}",
        "object": "response",
        "created_at": 1_772_323_200 + number % 86_400,
        "model": "doubao-seed-2-0-pro-260215",
        "status": "completed",
        "usage": {
            "input_tokens": 1_000 + number % 500,
            "input_tokens_details": {"cached_tokens": 100},
            "output_tokens": 200,
            "output_tokens_details": {"reasoning_tokens": 50},
            "total_tokens": 1_200 + number % 500,
        },
    }


def per_second(call: Callable[[], object], calls: int) -> tuple[float, float]:
    """Calls a second, and milliseconds of the processor's time a call."""
    started, busy = time.perf_counter(), time.process_time()
    for _ in range(calls):
        call()
    return calls / (time.perf_counter() - started), (time.process_time() - busy) / calls * 1_000


def sqlite_floor(path: Path) -> Callable[[], object]:
    """One row and a commit, by the driver alone."""
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("CREATE TABLE facts (id INTEGER PRIMARY KEY, request_id TEXT UNIQUE, tokens INTEGER)")

    def insert() -> None:
        connection.execute("BEGIN IMMEDIATE")
        connection.execute("INSERT INTO facts (request_id, tokens) VALUES (?, ?)", (f"r{next(_NUMBERS)}", 1_000))
        connection.execute("COMMIT")

    return insert


def postgres_floor(url: str) -> Callable[[], object]:
    """One row and a commit, by the driver alone."""
    import psycopg  # an extra

    connection = psycopg.connect(url, autocommit=True)
    connection.execute("CREATE TABLE facts (id bigserial PRIMARY KEY, request_id text UNIQUE, tokens bigint)")
    insert = "INSERT INTO facts (request_id, tokens) VALUES (%s, %s)"
    return lambda: connection.execute(insert, (f"r{next(_NUMBERS)}", 1_000))


def compare(name: str, url: str, make_floor: Callable[[], Callable[[], object]], *, calls: int, runs: int) -> None:
    """Both in turn, and the ratio pair by pair."""
    with Ledger(url) as book:
        floor = make_floor()
        for _ in range(20):
            book.record(response())
        pairs = [(per_second(floor, calls), per_second(lambda: book.record(response()), calls)) for _ in range(runs)]
    floors, ours = (
        [statistics.median(column) for column in zip(*side, strict=True)] for side in zip(*pairs, strict=True)
    )
    ratios = sorted(own[0] / bare[0] for bare, own in pairs)
    print(
        f"{name}: floor {floors[0]:,.0f} commits/s ({floors[1]:.2f} ms of CPU), record {ours[0]:,.0f} calls/s "
        f"({ours[1]:.2f} ms of CPU), ratio {statistics.median(ratios):.2f} ({ratios[0]:.2f} to {ratios[-1]:.2f})"
    )


def waits_of(book: Ledger, calls: int, pause: float) -> list[float]:
    """Milliseconds that each of so many calls keeps its caller, in order of length."""
    waits = []
    for _ in range(calls):
        made = response()
        started = time.perf_counter()
        book.record(made)
        waits.append((time.perf_counter() - started) * 1_000)
        if pause:
            time.sleep(pause)
    return sorted(waits)


def measure_buffer(name: str, url: str, calls: int) -> None:
    """Buffered records a second up to the last one's commit, and the waits of callers, at full speed and paced."""
    with Ledger(url, buffer=True) as book:
        started, busy = time.perf_counter(), time.process_time()
        waits = waits_of(book, calls, 0)
        assert book.flush(600)
        seconds, cpu = time.perf_counter() - started, time.process_time() - busy
        paced = waits_of(book, min(calls, 5 * PACED), 1 / PACED)
        assert book.flush(600)
        assert book.counts["accepted"] == calls + len(paced)
    print(f"{name}, buffered: {calls / seconds:,.0f} records/s ({cpu / calls * 1e6:.0f} µs of CPU each)")
    for pace, found in (("at full speed", waits), (f"at most {PACED:,} a second", paced)):
        p50, p99 = (found[int(len(found) * part)] for part in (0.5, 0.99))
        print(f"  a call {pace} takes {p50:.3f} ms (p50), {p99:.3f} ms (p99), {found[-1]:.1f} ms at most")


def main() -> None:
    """SQLite, and PostgreSQL where there is one."""
    calls, runs, buffered = (int(text) for text in [*sys.argv[1:], *("500", "5", "20000")[len(sys.argv) - 1 :]])
    with tempfile.TemporaryDirectory(dir=os.environ.get("TMPDIR", ".")) as name:
        os.chdir(name)
        with sqlite_target(Path(name).absolute()) as target:
            url = f"sqlite:///{target}"
            compare("SQLite", url, partial(sqlite_floor, Path("floor.db")), calls=calls, runs=runs)
            measure_buffer("SQLite", url, buffered)
        server = os.environ.get("TOLLBOOK_BENCH_POSTGRES")
        if server:
            with postgres_target(server) as target:
                compare("PostgreSQL", target, partial(postgres_floor, target), calls=calls, runs=runs)
                measure_buffer("PostgreSQL", target, buffered)
        os.chdir("/")


if __name__ == "__main__":
    main()
