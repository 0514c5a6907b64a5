"""Usage to reconcile, statements of it, and what reconciling says in short."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.conftest import Cli, Outcome
from tests.helpers.ledgers import PRO
from tests.helpers.sources import lines, record

NOON = "T12:00:00Z"


def book(cli: Cli, *requests: dict[str, Any]) -> None:
    """Ingest requests for 12:00 UTC of 1 March unless they say otherwise; what isn't given costs nothing."""
    usual = {"occurred_at": "2026-03-01" + NOON, "requested_model": PRO, "input_tokens": 0, "output_tokens": 0}
    cli("ingest", "-", stdin=lines(record("", **usual) | request for request in requests)).ok()


def write(text: str, name: str = "statement.csv") -> str:
    """A statement's file: rows are given with `/` between them."""
    Path(name).write_text(text.replace(" / ", "\n") + "\n", encoding="utf-8")
    return name


def reconcile(cli: Cli, statement: str | None, *options: str) -> Outcome:
    """Reconcile with a tolerance of nothing, and show every row."""
    of = [] if statement is None else ["--statement", write(statement)]
    return cli("reconcile", *of, "--tolerance", "0usd", "--all", "--json", *options)


def told(outcome: Outcome, *, matched: bool = False) -> list[str]:
    """Rows that differ, or all, in short by key: `key status ledger provider cause`, in the statement's currency."""
    assert outcome.exit_code in (0, 1), outcome.stderr
    rows = sorted(outcome.json["rows"], key=lambda row: str(row["key"])) if matched else _differing(outcome)
    names = ("key", "status", "ledger_amount", "provider_amount", "cause")
    return [" ".join(row[name] for name in names).strip() for row in rows]


def causes(outcome: Outcome) -> list[str]:
    assert outcome.exit_code == 1, (outcome.stdout, outcome.stderr)
    return [row["cause"] for row in _differing(outcome)]


def _differing(outcome: Outcome) -> list[dict[str, Any]]:
    rows = [row for row in outcome.json["rows"] if row["status"] != "matched"]
    return sorted(rows, key=lambda row: str(row["key"]))
