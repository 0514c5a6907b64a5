"""`tollbook verify` beside a floor that reads the same rows and hashes them, in turn.

`python -m benchmarks.bench_verify [COUNT] [RUNS]`, of 60,000 charges and three times unless told otherwise: processor
seconds of the process, less those of `tollbook status`, which opens the same ledger. Needs tollbook installed.
"""

from __future__ import annotations

import hashlib
import json
import resource
import sqlite3
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks.responses_lines import write

TOLLBOOK = str(Path(sys.executable).parent / "tollbook")


def floor(path: str) -> None:
    """Read every usage record and charge in pages, and hash them as JSON."""
    digest = hashlib.sha256()
    with sqlite3.connect(path) as connection:
        for table in ("usage_records", "charges"):
            rows = connection.execute(f"SELECT * FROM {table} ORDER BY id")
            while page := rows.fetchmany(8_000):
                digest.update(json.dumps(page).encode())
    print(digest.hexdigest())


def seconds(command: list[str]) -> float:
    """Processor seconds of a command that must succeed."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def main() -> None:
    """Fill a ledger once, then measure."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 60_000
    runs = int(sys.argv[2]) if len(sys.argv) > 2 else 3
    with tempfile.TemporaryDirectory() as name:
        lines, database = Path(name, "responses.jsonl"), str(Path(name, "bench.db"))
        write(count, lines)
        seconds([TOLLBOOK, "ingest", "--db", database, str(lines)])
        ours, floors = [], []
        for _ in range(runs):
            floors.append(seconds([sys.executable, "-m", "benchmarks.bench_verify", "--floor", database]))
            opening = seconds([TOLLBOOK, "status", "--db", database])
            ours.append(seconds([TOLLBOOK, "verify", "--db", database]) - opening)
    own, bare = (statistics.median(column) / count * 1e6 for column in (ours, floors))
    ratio = statistics.median(one / other for one, other in zip(ours, floors, strict=True))
    print(f"verify {own:.1f} µs a charge, floor {bare:.1f} µs, ratio {ratio:.2f}")


if __name__ == "__main__":
    if sys.argv[1:2] == ["--floor"]:
        floor(sys.argv[2])
    else:
        main()
