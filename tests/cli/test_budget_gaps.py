"""`tollbook budget status` where figures are incomplete: quarantine, silent sources, late usage and corrections."""

from __future__ import annotations

import csv
import io
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Cli
from tests.helpers.budgets import FROM, NOTHING_WAITS, status, use
from tests.helpers.ledgers import MINI, PRO
from tests.helpers.sources import lines, record

# Nothing of 2026 is silent by what is declared here.
SEEN = '[[source]]\nname = "evolink"\nexpect_every = "9999d"\n'
NOTHING = {"requests": 0, "credits": "0", "usd": "0"}


@pytest.fixture
def ledger(db_cli: Cli) -> Cli:
    """16 credits of search on 1 March, and budgets of search by month, of ide by week and of all by year."""
    use(db_cli, ("2026-03-01", "search", PRO, 16))
    db_cli("budget", "set", "search", "--amount", "100credits", "--project", "search", *FROM).ok()
    db_cli("budget", "set", "ide", "--amount", "90credits", "--period", "week", "--project", "ide", *FROM).ok()
    db_cli("budget", "set", "web", "--amount", "80credits", "--period", "year", "--tag", "team=web", *FROM).ok()
    return db_cli


def hold(cli: Cli, *lines_: dict[str, Any]) -> None:
    """Puts lines of an unknown model in quarantine, of 10 tokens in and 2 out each."""
    held = [record(f"q{number}", requested_model="doubao-next", **line) for number, line in enumerate(lines_)]
    assert cli("ingest", "-", stdin=lines(held)).exit_code == 3


def waiting(found: Any) -> list[int]:
    """The lines that wait of each budget, by name, and of the month."""
    rows = sorted(found["rows"], key=lambda row: str(row["budget"]))
    return [row["not_booked"]["lines"] for row in rows] + [found["not_booked"]["lines"]]


def test_what_waits_is_said_of_each_budget_in_its_period_and_of_the_month(ledger: Cli) -> None:
    assert waiting(status(ledger)) == [0, 0, 0, 0]
    hold(
        ledger,
        {"occurred_at": "2026-03-02T00:00:00Z", "project": "search"},
        {"occurred_at": "2026-03-31T00:00:00Z", "project": "ide"},
        {"occurred_at": "2026-02-10T00:00:00Z", "project": "ide", "tags": {"team": "web"}},
        {"occurred_at": "2026-04-02T00:00:00Z", "project": "ide"},
    )
    # ide, search, web and the month: the week of 31 March ends on 5 April, and `--month` with March.
    assert waiting(status(ledger)) == [1, 1, 1, 2]
    assert waiting(status(ledger, "--at", "2026-04-03")) == [2, 0, 1, 1]
    assert waiting(status(ledger, "--at", "2026-03-02")) == [0, 1, 1, 1]
    assert status(ledger)["not_booked"] == NOTHING_WAITS | {"lines": 2, "tokens": 24}


def test_the_page_of_a_running_month_says_of_each_budget_that_it_is_at_least(ledger: Cli) -> None:
    ledger("budget", "set", "search", "--amount", "1credits", "--project", "search", *FROM).ok()
    page = ("budget", "report", "--month", "2026-03", "--format", "markdown")
    assert "| search | 16.00 |" in ledger(*page).ok().stdout
    hold(ledger, {"occurred_at": "2026-03-02T00:00:00Z", "project": "search"})
    assert "| search | at least 16.00 |" in ledger(*page).ok().stdout


def test_totals_are_at_least_where_anything_waits(ledger: Cli) -> None:
    shown = ledger("budget", "status", "--month", "2026-03").ok().stdout
    assert "at least" not in shown
    assert "not booked" not in shown
    hold(ledger, {"occurred_at": "2026-03-02T00:00:00Z", "project": "search"})
    outcome = ledger("budget", "status", "--month", "2026-03").ok()
    text = " ".join(outcome.stdout.split())
    assert "total, at least 2026-03 0.22 USD 1" in text
    assert "unbudgeted, at least 2026-03 0.00 USD 1" in text
    words = "not booked: 1 line in quarantine, 12 tokens, 1 without a price: 'tollbook quarantine list'"
    assert words in text
    outcome = ledger("budget", "status", "--month", "2026-03", "--format", "csv").ok()
    assert f"Note: {words}" in outcome.stderr
    rows = list(csv.DictReader(io.StringIO(outcome.stdout)))
    assert [(row["kind"], row["budget"], row["not_booked"]) for row in rows] == [
        ("budget", "search", "1"), ("budget", "ide", "0"), ("budget", "web", "0"), ("late", "late usage", ""),
        ("corrections", "corrections", ""), ("unbudgeted", "unbudgeted, at least", "1"),
        ("total", "total, at least", "1"),
    ]  # fmt: skip


# --- silence --------------------------------------------------------------------------------------------------------


def test_silent_sources_are_named_and_fail_where_asked(ledger: Cli) -> None:
    Path("tollbook.toml").write_text(
        '[[source]]\nname = "evolink"\nexpect_every = "36h"\n[[source]]\nname = "batch"\nexpect_every = "1d"\n',
        encoding="utf-8",
    )
    # Last on 1 March at 10:00; 36 hours later is the 2nd at 22:00.
    early = ("--at", "2026-03-02T22:00:00Z", "--fail-stale")
    assert [each["source"] for each in status(ledger, *early, code=1)["silent"]] == ["batch"]
    late = ("--at", "2026-03-02T22:15:00Z")
    assert status(ledger, *late)["silent"] == [
        {"source": "batch", "last_occurred_at": None, "expected_every_hours": "24", "declared": True},
        {
            "source": "evolink", "last_occurred_at": "2026-03-01T10:00:00Z", "expected_every_hours": "36",
            "declared": True,
        },
    ]  # fmt: skip
    outcome = ledger("budget", "status", *late, "--fail-stale")
    assert outcome.exit_code == 1
    text = " ".join(outcome.stdout.split())
    assert "silent: batch, never seen, expected every 24 hours, as declared" in text
    assert "silent: evolink since 2026-03-01T10:00:00Z, expected every 36 hours, as declared" in text
    outcome = ledger("budget", "status", *late, "--format", "csv").ok()
    assert "Note: silent: evolink since" in outcome.stderr


def test_the_state_of_a_ledger_names_silent_sources(ledger: Cli) -> None:
    Path("tollbook.toml").write_text('[[source]]\nname = "batch"\nexpect_every = "1d"\n' + SEEN, encoding="utf-8")
    outcome = ledger("status", "--json").ok()
    assert [each["source"] for each in outcome.json["silent"]] == ["batch"]
    assert "silent: batch, never seen, expected every 24 hours, as declared" in outcome.stderr


def test_nothing_is_stale_where_all_sources_are_heard(ledger: Cli) -> None:
    Path("tollbook.toml").write_text(SEEN, encoding="utf-8")
    assert status(ledger, "--month", "2026-03", "--fail-stale")["silent"] == []


def test_a_time_to_come_makes_no_source_silent(db_cli: Cli) -> None:
    now = datetime.now(UTC).replace(microsecond=0)
    db_cli("ingest", "-", stdin=lines([record("r", occurred_at=now.isoformat(), requested_model=MINI)])).ok()
    soon = (now + timedelta(days=20)).date().isoformat()
    assert status(db_cli, "--at", soon, "--fail-stale")["silent"] == []


def test_a_dead_pipeline_is_no_quiet_month(ledger: Cli) -> None:
    """In April nothing came: that is no figure, but a silence."""
    use(ledger, *((f"2026-03-{day:02}", "search", PRO, 1) for day in range(2, 29)))
    found = status(ledger, "--month", "2026-04", "--fail-stale", code=1)
    assert (found["total"], found["data_through"]) == (NOTHING, "2026-03-28T10:00:00Z")
    assert [(each["source"], each["expected_every_hours"]) for each in found["silent"]] == [("evolink", "48")]


# --- late usage and corrections -------------------------------------------------------------------------------------


def test_late_usage_and_corrections_have_lines_of_their_own(ledger: Cli) -> None:
    use(ledger, ("2026-02-20", "search", PRO, 8), ("2026-02-21", "ide", PRO, 8))
    found = status(ledger)
    assert (found["late"], found["corrections"]) == (NOTHING, NOTHING)
    ledger("close", "2026-02", "--force", "--reason", "a test").ok()
    use(ledger, ("2026-02-22", "search", PRO, 4))
    ledger("void", "--id", f"2026-02-21-ide-{PRO}-8", "--reason", "a test").ok()
    booked = ("--project", "search", "--month", "2026-03", "--reason", "a test", "--reference", "CN-1")
    ledger("adjust", "--amount", "72credits", *booked).ok()
    found = status(ledger)
    # 4 / 72 late; 8 credits taken back and 72 added; 16 of March itself.
    assert found["late"] == {"requests": 1, "credits": "4", "usd": "0.055555556"}
    assert found["corrections"] == {"requests": -1, "credits": "64", "usd": "0.888888889"}
    assert found["total"]["credits"] == "84"
    total = ledger("report", "--month", "2026-03", "--json").ok().json
    assert total["total"]["usd"] == found["total"]["usd"]
    shown = ledger("budget", "status", "--month", "2026-03").ok().stdout
    assert [line.split()[0] for line in shown.splitlines() if "2026-03 " in line][-4:] == [
        "late", "corrections", "unbudgeted", "total",
    ]  # fmt: skip
    occurred = status(ledger, "--month", "2026-03", "--basis", "occurred")
    assert occurred["late"] == NOTHING


def test_a_correction_of_an_open_month_is_none(ledger: Cli) -> None:
    use(ledger, ("2026-03-05", "search", PRO, 8))
    ledger("void", "--id", f"2026-03-05-search-{PRO}-8", "--reason", "a test").ok()
    found = status(ledger)
    assert (found["late"], found["corrections"], found["total"]["credits"]) == (NOTHING, NOTHING, "16")
    assert "corrections" not in ledger("budget", "status", "--month", "2026-03").ok().stdout
