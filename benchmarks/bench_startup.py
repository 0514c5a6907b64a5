"""The time that commands take to start: whole processes on a ledger of a few records, beside the libraries alone.

`python -m benchmarks.bench_startup [ROUNDS]`: each round runs every command once, in turn, so that a busy machine slows
them alike. The floor is a Python that does nothing; the ratio is to one that imports SQLAlchemy and click.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
MAIN = "from ledger.cli import main; main()"
PRICE = ("price", "--model", "doubao-seed-2.0-pro", "--input-tokens", "1000")
LIBRARIES = 'python -c "import sqlalchemy, click"'
USAGE = {"id": "r1", "model": "doubao-seed-2.0-pro", "object": "response", "status": "completed"}
COUNTS = {"input_tokens": 1_000, "output_tokens": 100, "total_tokens": 1_100}
# By name, the code of each process and its arguments.
PROCESSES: dict[str, tuple[str, Sequence[str]]] = {
    "python -c pass": ("pass", ()),
    LIBRARIES: ("import sqlalchemy, click", ()),
    "tollbook --help": (MAIN, ("--help",)),
    "tollbook price": (MAIN, PRICE),
    "tollbook price, without a ledger": (MAIN, (*PRICE, "--db", "none.db")),
    "tollbook report": (MAIN, ("report",)),
    "tollbook status": (MAIN, ("status",)),
}


def run(folder: Path, code: str, arguments: Sequence[str], stdin: str = "") -> float:
    """Seconds that one process takes from its start to its end."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("TOLLBOOK_")}
    started = time.perf_counter()
    subprocess.run(
        [sys.executable, "-c", code, *arguments],
        cwd=folder,
        env=environment | {"PYTHONPATH": str(ROOT)},
        input=stdin,
        text=True,
        capture_output=True,
        check=True,
    )
    return time.perf_counter() - started


def main(rounds: int) -> None:
    """Print the least and the median time of each process, and the median's ratio to that of the libraries."""
    taken: dict[str, list[float]] = {name: [] for name in PROCESSES}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        line = json.dumps(USAGE | {"created_at": 1_771_486_674, "usage": COUNTS})
        run(folder, MAIN, ("ingest", "-"), line + "\n")
        for _round in range(rounds):
            for process, (code, arguments) in PROCESSES.items():
                taken[process].append(run(folder, code, arguments))
    medians = {process: statistics.median(seconds) for process, seconds in taken.items()}
    print(f"{rounds} rounds; milliseconds, and the median as a multiple of {LIBRARIES}")
    for process, seconds in taken.items():
        ratio = medians[process] / medians[LIBRARIES]
        print(f"{process:36} least {min(seconds) * 1000:6.0f}  median {medians[process] * 1000:6.0f}  {ratio:5.2f} x")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 15)
