"""The page of a month beside the report of that month, as whole commands."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

from benchmarks.runs import ROOT, alone
from benchmarks.setting import Setting, tollbook
from benchmarks.turns import TIME, Case, Goal, Side, Trial

EXAMPLES = ROOT / "examples"
MODELS = ("pro", "code", "lite", "mini")
PROJECTS = 500
MONTH = "2026-03"
COMMANDS = {
    "page": ("budget", "report", "--month", MONTH, "-o", "page.html"),
    "report": ("report", "--month", MONTH),
}
BUDGETS = (
    ("budget", "set", "all", "--amount", "500usd", "--from", "2026-02-01"),
    ("budget", "set", "one", "--amount", "1usd", "--project", "project-001", "--period", "week"),
)


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


def inputs(folder: Path, requests: int) -> Iterator[tuple[str, list[Path]]]:
    """Yields what ledgers of different sizes hold: an empty month, one request, the examples, many of 500 projects."""
    counts = {"an empty month": 0, "one request": 1, f"{PROJECTS} projects": requests}
    for title, count in counts.items():
        path = folder / f"{title}.jsonl"
        path.write_text("".join(f"{line}\n" for line in records(count)))
        yield title, [path]
    yield "the examples", [EXAMPLES / "api-reference-response.json", *sorted((EXAMPLES / "usage").iterdir())]


@contextmanager
def prepare(setting: Setting) -> Iterator[Trial]:
    """Makes a ledger of each size, with budgets of all usage and of a project."""
    sides: dict[str, Side] = {}
    goals = []
    with setting.room() as room:
        for title, files in inputs(room, setting.records // 5):
            folder = room / title
            folder.mkdir()
            for command in (("ingest", *map(str, files)), *BUDGETS):
                alone(tollbook(*command), folder)
            sides |= {f"{name}, {title}": partial(alone, tollbook(*COMMANDS[name]), folder) for name in COMMANDS}
            goals.append(Goal(f"page, {title}", TIME, peer=f"report, {title}"))
        yield Trial(sides, goals)


CASES = (Case("page", "the page of a month beside its report", prepare),)
