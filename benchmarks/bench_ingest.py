"""`tollbook ingest` of Responses lines beside the bare floor, in turn.

`python -m benchmarks.bench_ingest [COUNT] [RUNS]`, of a million lines and three times unless told otherwise.

The floor (`ingest_floor`) decodes each line and puts the same facts into one table with a unique id. PostgreSQL is
measured where TOLLBOOK_BENCH_POSTGRES names a server's maintenance database. Needs tollbook installed.
"""

from __future__ import annotations

import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.responses_lines import write

Target = str


@contextmanager
def sqlite_target(folder: Path) -> Iterator[Target]:
    """A database file that is gone afterwards."""
    path = folder / "bench.db"
    yield str(path)
    for suffix in ("", "-wal", "-shm"):
        Path(f"{path}{suffix}").unlink(missing_ok=True)


@contextmanager
def postgres_target(server: str) -> Iterator[Target]:
    """A database of its own that is gone afterwards."""
    import psycopg  # an extra

    name = f"tollbook_bench_{os.getpid()}"
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
    try:
        yield f"{server.rpartition('/')[0]}/{name}"
    finally:
        with psycopg.connect(server, autocommit=True) as connection:
            connection.execute(f"DROP DATABASE {name}")


def seconds(command: list[str]) -> float:
    """Wall seconds of a command that must succeed."""
    started = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return time.perf_counter() - started


def compare(name: str, lines: Path, *, count: int, runs: int, folder: Path, server: str | None) -> None:
    """Both in turn, and the ratio pair by pair."""
    ratios, ours, floors = [], [], []
    for _ in range(runs):
        with postgres_target(server) if server else sqlite_target(folder) as target:
            floors.append(seconds([sys.executable, "-m", "benchmarks.ingest_floor", str(lines), target]))
        with postgres_target(server) if server else sqlite_target(folder) as target:
            tollbook = str(Path(sys.executable).parent / "tollbook")
            ours.append(seconds([tollbook, "ingest", "--db", target, str(lines)]))
        ratios.append(ours[-1] / floors[-1])
    floor, own = statistics.median(floors), statistics.median(ours)
    print(
        f"{name}: floor {floor:.1f} s, tollbook {own:.1f} s ({count / own:,.0f} records/s), "
        f"ratio {statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})"
    )


def main() -> None:
    """Write the lines once, then measure."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000
    runs = int(sys.argv[2]) if len(sys.argv) > 2 else 3
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        lines = folder / "responses.jsonl"
        write(count, lines)
        print(f"{count:,} lines of {lines.stat().st_size // count} bytes")
        compare("SQLite", lines, count=count, runs=runs, folder=folder, server=None)
        server = os.environ.get("TOLLBOOK_BENCH_POSTGRES")
        if server:
            compare("PostgreSQL", lines, count=count, runs=runs, folder=folder, server=server)
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    print(f"largest process: {peak / 1024:.0f} MiB")


if __name__ == "__main__":
    main()
