"""Usage of so many credits, and how far budgets are used then."""

from __future__ import annotations

from typing import Any

from tests.conftest import Cli
from tests.helpers.ledgers import MINI, PRO
from tests.helpers.sources import lines, record

# Of pro 1M output tokens are 160 credits, of mini 20.
CREDITS = {PRO: 160, MINI: 20}
FROM = ("--from", "2026-01-01")
NOTHING_WAITS = {"lines": 0, "tokens": 0, "usd": "0", "priced_lines": 0, "undated_lines": 0, "conflicts": 0}


def use(cli: Cli, *requests: tuple[str, str, str, int], **changes: Any) -> None:
    """Books requests of (day, project, model, credits); the output alone costs."""
    cli("ingest", "-", *(["--provider", changes.pop("provider")] if "provider" in changes else []), stdin=lines([
        record(f"{day}-{project}-{model}-{credits}", occurred_at=f"{day}T10:00:00Z", project=project,
               requested_model=model, input_tokens=0, output_tokens=credits * 1_000_000 // CREDITS[model], **changes)
        for day, project, model, credits in requests
    ])).ok()  # fmt: skip


def status(cli: Cli, *options: str, code: int = 0) -> Any:
    outcome = cli("budget", "status", "--json", *(options or ("--month", "2026-03")))
    assert outcome.exit_code == code, outcome.stderr
    return outcome.json


def refusal(cli: Cli) -> str:
    """Runs notify, which is refused; returns what it says."""
    outcome = cli("budget", "notify")
    assert outcome.exit_code == 2
    return outcome.stderr
