"""The report of a month by model and project, of 10 million requests and of 100 million, beside a bare sum in SQL.

`python -m benchmarks.bench_report [RUNS]`: 200 projects, 4 models, 3 tiers, 31 days. Only roll-ups are written, as they
would be by that much usage: their number of rows doesn't depend on it. The floor is one SUM over the same rows.
"""

from __future__ import annotations

import random
import statistics
import sys
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

from sqlalchemy import Connection, text

from ledger.book.prices.in_force import cards_in_force
from ledger.book.prices.pins import PinnedIds
from ledger.reports.report import ReportOptions, run_report
from ledger.store.bulk import append_rows
from ledger.store.database import Database
from ledger.store.opening import open_ledger
from ledger.store.tables import rollup_days, rollup_keys
from ledger.store.tables.rollups import Dimensions
from ledger.values.instants import to_microseconds
from pricing.rate_card import RateCard

MONTH = "2026-03"
START = datetime(2026, 3, 1, tzinfo=UTC)
DAYS = 31
PROJECTS = 200
NOW = datetime(2026, 4, 2, tzinfo=UTC)


def fill(connection: Connection, requests: int) -> int:
    """Write a month's day cells; their number."""
    card = cards_in_force(connection)["evolink"]
    pins = PinnedIds()
    pins.pin(connection, [card])
    keys = [(number, key.digest, *key) for number, key in enumerate(dimensions(card, pins), 1)]
    append_rows(connection, rollup_keys, keys)
    rng = random.Random(20260301)
    each = requests // (len(keys) * DAYS)
    rows = []
    for day in range(DAYS):
        noon = START + timedelta(days=day, hours=12)
        for key in keys:
            amounts = [rng.randrange(10**12) for _meter in range(3)]
            counts = (each, each * rng.randrange(100_000), each * 1_000, each * 500, each * 100, 0)
            rows.append(
                (f"{noon:%Y-%m-%d}", key[0], *counts, *amounts, 0, sum(amounts), to_microseconds(noon), *[0] * 6)
            )
    append_rows(connection, rollup_days, rows)
    return len(rows)


def dimensions(card: RateCard, pins: PinnedIds) -> list[Dimensions]:
    """Every combination of project, model and tier."""
    conversion = pins.conversion(card.provider, card.conversions[0])
    common = {"source": "evolink", "provider": "evolink", "currency": "CRD", "status": "completed", "kind": "request"}
    return [
        Dimensions(
            posted_month=MONTH,
            occurred_month=MONTH,
            billed_model=model.id,
            project=f"project-{project:03}",
            tier=tier.label,
            charge_class="charge",
            tags="{}",
            rate_entry_id=pins.entry(model.entries[0]),
            conversion_id=conversion,
            **common,
        )
        for project in range(PROJECTS)
        for model in card.models.values()
        for tier in model.entries[0].tiers
    ]


def seconds_of_report(database: Database) -> float:
    """Wall seconds of the report in the process, from options to rows."""
    started = time.perf_counter()
    report = run_report(database, ReportOptions(("model", "project"), month=MONTH), now=NOW)
    assert len(report.rows) == PROJECTS * 4
    return time.perf_counter() - started


def seconds_of_floor(database: Database) -> float:
    """Wall seconds of one sum over the same rows, by the database alone."""
    started = time.perf_counter()
    with database.reading() as connection:
        connection.execute(
            text("SELECT key_id, sum(requests), sum(amount_nano) FROM rollup_days GROUP BY key_id")
        ).all()
    return time.perf_counter() - started


def main() -> None:
    """Both, in turn, for each size."""
    runs = int(sys.argv[1]) if len(sys.argv) > 1 else 7
    for requests in (10_000_000, 100_000_000):
        with tempfile.TemporaryDirectory() as folder:
            database = open_ledger(str(Path(folder) / "bench.db"), create=True)
            with database.writing() as connection:
                cells = fill(connection, requests)
            pairs = [(seconds_of_report(database), seconds_of_floor(database)) for _run in range(runs)]
            report, floor = (statistics.median(column) for column in zip(*pairs, strict=True))
            ratio = statistics.median(one / other for one, other in pairs)
            print(f"{requests:,} requests, {cells:,} cells:", end=" ")
            print(f"report {report:.3f} s, one sum {floor:.3f} s, ratio {ratio:.1f}")
            database.engine.dispose()


if __name__ == "__main__":
    main()
