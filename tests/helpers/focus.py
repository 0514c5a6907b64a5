"""FOCUS exports at the command line, as rows."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable
from decimal import Decimal
from typing import Any

from tests.conftest import Cli
from tests.helpers.ledgers import CODE, MINI
from tests.helpers.sources import lines, record

FEBRUARY, MARCH, APRIL = ("2026-02", "2026-03", "2026-04")
Row = dict[str, str]


def export(cli: Cli, month: str = MARCH, *options: str) -> str:
    return cli("export", "focus", "--month", month, *options).ok().stdout


def rows_of(text: str) -> list[Row]:
    return list(csv.DictReader(io.StringIO(text, newline="")))


def rows(cli: Cli, month: str = MARCH, *options: str) -> list[Row]:
    return rows_of(export(cli, month, *options))


def lines_of(cli: Cli, month: str = MARCH, *options: str) -> list[Row]:
    return rows(cli, month, "--grain", "charge", *options)


def cells(found: Iterable[Row], *names: str) -> list[tuple[str, ...]]:
    return [tuple(row[name] for name in names) for row in found]


def total(found: Iterable[Row], name: str) -> Decimal:
    """The column's sum, exactly."""
    return sum((Decimal(row[name]) for row in found), Decimal())


# --- what is exported -------------------------------------------------------------------------------------------------


def request(number: str, day: str = "2026-03-05", **changes: Any) -> dict[str, Any]:
    """A request of code in the second tier: 30,000 tokens uncached, 10,000 cached and 2,000 out."""
    made = {
        "requested_model": CODE, "input_tokens": 40_000, "cached_input_tokens": 10_000, "output_tokens": 2_000,
        "project": "search",
    }  # fmt: skip
    return record(number, occurred_at=f"{day}T12:00:00Z") | made | changes


def storage(number: str, start: str, end: str, tokens: int = 1_000_000) -> dict[str, Any]:
    return {
        "request_id": number, "kind": "cache_storage", "tokens": tokens, "start": start, "end": end,
        "requested_model": CODE, "project": "search",
    }  # fmt: skip


def ingest(cli: Cli, *records: dict[str, Any], options: tuple[str, ...] = ()) -> None:
    cli("ingest", "-", *options, stdin=lines(records)).ok()


def close(cli: Cli, month: str) -> None:
    cli("close", "--through", month, "--force", "--reason", "all is there").ok()


def adjust(cli: Cli, amount: str, month: str = MARCH, reference: str = "CN-1", reason: str = "an outage") -> None:
    cli("adjust", "--project", "search", "--amount", amount, "--month", month, "--reason", reason,
        "--reference", reference).ok()  # fmt: skip


def fill(cli: Cli) -> Cli:
    """A ledger with usage of all meters and both cards, late, corrected and adjusted, in March."""
    ingest(cli, request("f1", "2026-02-20"), request("f2", "2026-02-21"))
    close(cli, FEBRUARY)
    ingest(cli, request("r1"), request("r2", "2026-03-06"), request("late", "2026-02-22"))
    ingest(cli, storage("s1", "2026-03-05T10:59:59Z", "2026-03-05T11:00:01Z"))
    ingest(cli, request("v1", requested_model=MINI), options=("--provider", "volcengine", "--source", "v"))
    cli("void", "--id", "f1").ok()
    cli("reassign", "--project", "search", "--to", "chat", "--id", "f2").ok()
    adjust(cli, "-12.50usd", FEBRUARY)
    adjust(cli, "900credits", reference="SC-1", reason="support")
    return cli
