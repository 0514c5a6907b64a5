"""A ledger with closed months whose rows are archived, and what of it doesn't need rows."""

from __future__ import annotations

from typing import Any

from tests.conftest import Cli, Outcome
from tests.helpers.ledgers import CODE, LITE, PRO, responses
from tests.helpers.sources import lines, record, response

APRIL = 1_775_500_000  # 2026-04-06
STORED = {"kind": "cache_storage", "requested_model": PRO, "tokens": 1_000_000, "occurred_at": ...}
DURING = {"start": "2026-03-02T10:30:00Z", "end": "2026-03-02T13:00:00Z"}
NO_TOKENS = dict.fromkeys(("input_tokens", "output_tokens"), ...)
WHY = ("--reason", "as agreed")


def of_march(*ids: str, **changes: Any) -> str:
    of = {"occurred_at": "2026-03-05T10:07:00Z", "requested_model": LITE}
    return lines(record(name, **(of | changes)) for name in ids)


def stored(name: str = "s1", **changes: Any) -> str:
    return lines([record(name, **(STORED | DURING | NO_TOKENS | changes))])


def fill(cli: Cli) -> None:
    """Books two months and a part of a third, some of it late, corrected, voided or with calls of tools; closes two."""
    cli("db", "init", "--timezone", "Asia/Shanghai").ok()
    cli("ingest", "-", stdin=responses(range(40))).ok()
    cli("ingest", "-", stdin=of_march("m1", "m2", "m3", tags={"team": "a", "user": 'x"=1,\n'}) + stored()).ok()
    cli("close", "2026-02", "--force", *WHY).ok()
    late = lines([record("late", occurred_at="2026-02-27T10:00:00Z", requested_model=CODE)])
    cli("ingest", "-", stdin=late + lines([response("a1", created_at=APRIL)])).ok()
    cli("void", "--id", "resp_000007", *WHY).ok()
    cli("reassign", "--project", "project-1", "--to", "other", "--id", "resp_000004", *WHY).ok()
    cli("adjust", "--project", "search", "--amount", "-0.5usd", "--month", "2026-03", "--reference", "CN-1", *WHY).ok()
    cli("close", "2026-03", "--force", *WHY).ok()


def archive(cli: Cli, through: str = "2026-03", lake: str = "kept", *more: str) -> Outcome:
    return cli("archive", "--through", through, "-o", lake, "--json", *more)


def figures(cli: Cli) -> dict[str, Any]:
    """What of a ledger doesn't need rows."""
    asked = {
        "months": ("report", "--by", "month", "--by", "model", "--by", "project", "--by", "tier"),
        "days": ("report", "--by", "day", "--basis", "occurred"),
        "chargeback": ("export", "chargeback", "--month", "2026-03"),
        "focus": ("export", "focus", "--month", "2026-02", "--grain", "day"),
    }
    return {name: cli(*args, "--json").ok().json for name, args in asked.items()}


def other_lake(cli: Cli) -> str:
    cli("lake", "move", "evolink", "--lake", "second", "--from", "2026-12").ok()
    return "second"
