"""The page of a month beside the report of that month, as whole commands.

`python -m benchmarks.bench_page [REQUESTS] [RUNS]`: an empty month, one request, the examples' second month, and 500
projects with REQUESTS in the two months (200,000 unless given), each with budgets of all usage and of a project.
"""

from __future__ import annotations

import json
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

EXAMPLES = Path(__file__).parents[1] / "examples"
MODELS = ("pro", "code", "lite", "mini")
PROJECTS = 500
MONTH = "2026-03"


def tollbook(folder: Path, *arguments: str) -> float:
    """Runs a command in a folder; returns its wall seconds."""
    started = time.perf_counter()
    subprocess.run(
        [sys.executable, "-m", "tollbook", *arguments], cwd=folder, check=True, stdout=subprocess.DEVNULL, stderr=-1
    )
    return time.perf_counter() - started


def records(requests: int) -> Iterator[str]:
    """Yields usage of February and March, by any of the projects and models."""
    rng = random.Random(20260301)
    start = datetime(2026, 2, 1, tzinfo=UTC)
    for number in range(requests):
        tokens = rng.randrange(1_000, 150_000)
        yield json.dumps(
            {
                "request_id": f"r-{number}",
                "occurred_at": (start + timedelta(seconds=rng.randrange(59 * 86_400))).isoformat(),
                "requested_model": f"doubao-seed-2.0-{rng.choice(MODELS)}",
                "status": "completed",
                "input_tokens": tokens,
                "cached_input_tokens": tokens * rng.randrange(5) // 10,
                "output_tokens": rng.randrange(4_000),
                "project": f"project-{rng.randrange(PROJECTS):03}",
            }
        )


def main() -> None:
    """Prints both times and their ratio for each month, the commands run in turn."""
    requests, runs = (int(text) for text in [*sys.argv[1:], *("200000", "7")[len(sys.argv) - 1 :]])
    examples = [str(EXAMPLES / "api-reference-response.json"), *map(str, sorted((EXAMPLES / "usage").iterdir()))]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for month, count in (("empty", 0), ("one request", 1), ("500 projects", requests)):
            (folder / f"{month}.jsonl").write_text("".join(f"{line}\n" for line in records(count)))
        inputs = {
            "an empty month": [str(folder / "empty.jsonl")],
            "one request": [str(folder / "one request.jsonl")],
            "the examples": examples,
            f"{PROJECTS} projects, {requests:,} requests": [str(folder / "500 projects.jsonl")],
        }
        for number, (title, files) in enumerate(inputs.items()):
            ledger = folder / str(number)
            ledger.mkdir()
            tollbook(ledger, "ingest", *files)
            tollbook(ledger, "budget", "set", "all", "--amount", "500usd", "--from", "2026-02-01")
            tollbook(ledger, "budget", "set", "one", "--amount", "1usd", "--project", "project-001", "--period", "week")
            report = ("report", "--month", MONTH)
            page = ("budget", "report", "--month", MONTH, "-o", "page.html")
            pairs = [(tollbook(ledger, *page), tollbook(ledger, *report)) for _run in range(runs)]
            seconds = [statistics.median(column) for column in zip(*pairs, strict=True)]
            ratio = statistics.median(one / other for one, other in pairs)
            print(f"{title}: page {seconds[0]:.2f} s, report {seconds[1]:.2f} s, ratio {ratio:.1f}")


if __name__ == "__main__":
    main()
