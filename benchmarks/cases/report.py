"""The report of a month by model and project, of 10 million requests and of 100 million, beside a bare sum in SQL.

200 projects, 4 models, 3 tiers, 31 days. Only roll-ups are written, as they would be by that much usage: their number
of rows doesn't depend on it. The floor is one SUM over the same rows.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from functools import partial

from sqlalchemy import Connection, text

from benchmarks.runs import timed
from benchmarks.setting import Setting
from benchmarks.turns import SECONDS, TIME, Case, Goal, Side, Trial
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
SIZES = {10_000_000: "10M requests", 100_000_000: "100M requests"}
MOST_SECONDS = 0.3


def fill(connection: Connection, requests: int) -> None:
    """Writes a month's day cells."""
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


def report(database: Database) -> None:
    """The report in this process, from options to rows."""
    found = run_report(database, ReportOptions(("model", "project"), month=MONTH), now=NOW)
    assert len(found.rows) == PROJECTS * 4


def floor(database: Database) -> None:
    """One sum over the same rows, by the database alone."""
    with database.reading() as connection:
        connection.execute(
            text("SELECT key_id, sum(requests), sum(amount_nano) FROM rollup_days GROUP BY key_id")
        ).all()


@contextmanager
def prepare(setting: Setting) -> Iterator[Trial]:
    """Fills a ledger for each number of requests."""
    sides: dict[str, Side] = {}
    goals = []
    with setting.room() as room, ExitStack() as opened:
        for requests, title in SIZES.items():
            database = open_ledger(str(room / f"{requests}.db"), create=True)
            opened.callback(database.close)
            with database.writing() as connection:
                fill(connection, requests)
            sides[f"report, {title}"] = partial(timed, partial(report, database))
            sides[f"one SUM, {title}"] = partial(timed, partial(floor, database))
            goals += [
                Goal(f"report, {title}", SECONDS, MOST_SECONDS),
                Goal(f"report, {title}", TIME, peer=f"one SUM, {title}"),
            ]
        yield Trial(sides, goals)


CASES = (Case("report", "the report of a month by model and project, 200 projects, in this process", prepare),)
