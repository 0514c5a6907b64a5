"""All figures of a closed month: nothing recorded later changes any, and the examples' months agree with the report."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from ledger.budgets.definitions import read_schedules
from ledger.pages.figures.crossings import read_crossings
from ledger.pages.figures.days import month_days, read_daily
from ledger.pages.figures.levers import find_levers
from ledger.pages.figures.month_spend import cache_economics, month_parts
from ledger.pages.figures.oddities import find_oddities
from ledger.pages.figures.values import Crossing
from ledger.pages.figures.wallets import read_wallets
from ledger.store.opening import open_ledger
from ledger.values.instants import iso_text, to_microseconds
from tests.conftest import Cli
from tests.helpers.ledgers import PRO, apply_projects
from tests.helpers.page_months import month_read
from tests.helpers.sources import lines, record
from tests.helpers.wallets import close, top_up

NOW = datetime(2026, 5, 2, tzinfo=UTC)
CONFIGURATION = """
[[project]]
id = "ide-assistant"
owner = "{owner}"
"""


def figures(url: str, month: str, now: datetime = NOW, *projects: str) -> dict[str, Any]:
    database = open_ledger(url)
    with month_read(database, month, *projects) as (snapshot, spend):
        schedules = read_schedules(snapshot.connection)
        daily = read_daily(snapshot, spend)
        return {
            "total": spend.usd_nano,
            "levers": find_levers(snapshot, spend, schedules).found,
            "parts": month_parts(spend),
            "cache": cache_economics(spend),
            "days": month_days(spend, daily, now=now),
            "oddities": find_oddities(snapshot, spend, daily, now=now),
            "crossings": read_crossings(snapshot, schedules, spend.selection),
            "wallets": read_wallets(snapshot, month, now=now),
        }


@pytest.fixture
def ledger(db_cli: Cli, examples: Path) -> Cli:
    db_cli("ingest", *sorted((examples / "usage").iterdir())).ok()
    db_cli("budget", "set", "all", "--amount", "40usd", "--from", "2026-02-01").ok()
    db_cli("budget", "set", "weeks", "--amount", "5usd", "--period", "week", "--from", "2026-01-05").ok()
    apply_projects(db_cli, CONFIGURATION.format(owner="Ana"))
    top_up(db_cli, 9_000, "2026-02-01", "--expires", "2026-04-20").ok()
    return db_cli


def test_nothing_recorded_after_the_close_changes_a_figure(ledger: Cli, db_url: str) -> None:
    close(ledger, "2026-03")
    before = {month: figures(db_url, month) for month in ("2026-02", "2026-03")}
    late = [
        record(
            f"late-{day}-{number}", occurred_at=f"{day}T12:00:00Z", requested_model=PRO, project="late-project",
            input_tokens=130_000, output_tokens=4_000, cached_input_tokens=100_000,
        )
        for day in ("2026-02-11", "2026-03-11", "2026-04-11")
        for number in range(110)
    ]  # fmt: skip
    ledger("ingest", "-", stdin=lines(late)).ok()
    ledger("reassign", "--project", "data-extraction", "--to", "extraction", "--reason", "renamed").ok()
    ledger(
        "adjust",
        "--project",
        "support",
        "--month",
        "2026-03",
        "--amount",
        "-5usd",
        "--reason",
        "credit note",
        "--reference",
        "CN-1",
    ).ok()
    ledger("budget", "set", "all", "--amount", "10usd", "--from", "2026-04-01").ok()
    ledger("budget", "remove", "weeks", "--from", "2026-04-06").ok()
    ledger("rates", "conversion", "add", "--per-usd", "60", "--from", "2026-04-01").ok()
    apply_projects(ledger, CONFIGURATION.format(owner="Bo"))
    top_up(ledger, 500, "2026-04-01", "--expires", "2026-04-02").ok()
    later = datetime(2027, 1, 1, tzinfo=UTC)
    assert {month: figures(db_url, month, later) for month in before} == before
    # They do count in April.
    april = figures(db_url, "2026-04")
    assert {part.kind for part in april["parts"]} == {"late", "correction", "adjustment"}
    assert "late-project" in {odd.name for odd in april["oddities"] if odd.kind == "new_project"}


@pytest.mark.parametrize("month", ["2026-02", "2026-03"])
def test_the_examples_months_agree_with_the_report_and_the_status(ledger: Cli, db_url: str, month: str) -> None:
    found = figures(db_url, month)
    total = ledger("report", "--month", month, "--json").ok().json["total"]

    def nano(text: str) -> int:
        return round(float(text) * 10**9)

    assert found["total"] == nano(total["usd"])
    cache = found["cache"]
    assert (cache.input_tokens, cache.cached_input_tokens, cache.saved_nano) == (
        total["input_tokens"],
        total["cached_input_tokens"],
        nano(total["cache_savings_usd"]),
    )
    by_day = ledger("report", "--month", month, "--by", "day", "--json").ok().json["rows"]
    assert [(day.isoformat(), cost) for day, cost in found["days"].actual] == [
        (row["day"], nano(row["usd"])) for row in by_day
    ]
    status = ledger("budget", "status", "--month", month, "--json").ok().json
    crossed = {row["budget"]: row["crossed"] for row in status["rows"] if row["budget"] == "all"}
    assert [each.percent for each in found["crossings"] if each.budget == "all"] == crossed["all"]
    assert {each.period for each in found["crossings"] if each.budget == "weeks"} >= {"2026-W09"}


def test_the_examples_march_in_figures(ledger: Cli, db_url: str) -> None:
    found = figures(db_url, "2026-03")
    [first, second] = found["levers"]
    assert (first.kind, first.project, first.owner, first.requests, first.bound) == (
        "price_step", "ide-assistant", "Ana", 14, 128_000
    )  # fmt: skip
    assert (second.project, second.owner, second.requests) == ("contract-review", None, 4)
    crossing = found["crossings"][-1]
    assert (crossing.budget, crossing.percent) == ("all", 80)
    # The first quarter-hour after which a status at that time shows it.
    shown = []
    for minutes in (0, 15):
        at = iso_text(to_microseconds(crossing.at) - (15 - minutes) * 60 * 10**6)
        rows = ledger("budget", "status", "--at", at, "--json").ok().json["rows"]
        shown += [row["crossed"] for row in rows if row["budget"] == "all"]
    assert shown == [[], [80]]
    assert isinstance(crossing, Crossing)
