"""The page of the examples' second month: its bytes, its total, and what changes of it once the month is closed."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from ledger.budgets.asked import asked_time
from ledger.budgets.definitions import set_budget
from ledger.budgets.status import read_status
from ledger.errors import LedgerError
from ledger.months.close import close_months, reopen_month
from ledger.pages.document import document_of
from ledger.pages.figures.month import MonthFigures
from ledger.pages.figures.read import read_month
from ledger.pages.html import to_html
from ledger.pages.markdown import to_markdown
from ledger.pages.tidy import to_csv, to_json
from ledger.pages.view.blocks import Page
from ledger.pages.view.page import page_of
from ledger.store.database import Database
from ledger.store.opening import open_ledger
from ledger.values.amounts import Amount
from ledger.values.budget import Budget
from pricing.money import NANO
from tests.conftest import Cli
from tests.helpers.sources import AT, lines, response

MARCH = "2026-03"
CLOSED = datetime(2026, 4, 3, 9, tzinfo=UTC)
SOON, LATER = datetime(2026, 4, 2, 10, 7, tzinfo=UTC), datetime(2027, 1, 1, tzinfo=UTC)
BUDGETS = (
    Budget(name="all", amount=Amount(40 * NANO, "USD"), owner="Platform", start="2026-02-01"),
    Budget(name="search", amount=Amount(900 * NANO, "CRD"), projects=("search",), owner="Ann", start="2026-02-01"),
    Budget(name="ide", amount=Amount(6 * NANO, "USD"), projects=("ide-assistant",), owner="Bo", start="2026-02-01"),
)


def page(database: Database, month: str = MARCH, *, now: datetime = SOON, **options: Any) -> str:
    return to_html(page_of(read_month(database, month, now=now, **options)))


@pytest.fixture
def database(db_cli: Cli, db_url: str, examples: Path) -> Iterator[Database]:
    """The examples' usage, with three budgets."""
    db_cli("ingest", examples / "api-reference-response.json", *sorted((examples / "usage").iterdir())).ok()
    opened = open_ledger(db_url)
    for budget in BUDGETS:
        set_budget(opened, budget, now=datetime(2026, 2, 1, tzinfo=UTC))
    yield opened
    opened.close()


@pytest.fixture
def closed(database: Database) -> Database:
    close_months(database, MARCH, through=True, now=CLOSED)
    return database


def test_the_page_of_the_examples_second_month(closed: Database, golden: Callable[..., None]) -> None:
    figures = read_month(closed, MARCH, now=SOON)
    page = page_of(figures)
    golden("march-2026.html", to_html(page).encode(), "docs")
    golden("page.md", to_markdown(page).encode())
    golden("page.json", to_json(document_of(figures, page), indent=2).encode())
    golden("page.csv", to_csv(document_of(figures, page)))


def test_the_control_total_is_the_reports_to_the_last_digit(closed: Database, db_cli: Cli) -> None:
    report = db_cli("report", "--month", MARCH, "--json").ok().json
    figures = read_month(closed, MARCH, now=SOON)
    document = json.loads(to_json(document_of(figures, page_of(figures))))
    assert document["control_total_usd"] == document["total"]["usd"] == report["total"]["usd"]
    assert f"Control total {report['total']['usd']} USD" in page(closed)
    by_project = db_cli("report", "--month", MARCH, "--by", "project", "--json").ok().json["rows"]
    assert {row["project"]: row["usd"] for row in document["projects"]} == {
        row["project"]: row["usd"] for row in by_project
    }
    assert document["total"]["requests"] == report["total"]["requests"]


def test_a_budget_on_the_page_is_as_budget_status_has_it(closed: Database, db_cli: Cli) -> None:
    rows = {row["budget"]: row for row in db_cli("budget", "status", "--month", MARCH, "--json").ok().json["rows"]}
    figures = read_month(closed, MARCH, now=SOON)
    document = json.loads(to_json(document_of(figures, page_of(figures))))
    assert [(each["budget"], each["actual"], each["left"]) for each in document["budgets"]] == [
        (name, rows[name]["actual"], rows[name]["left"]) for name in ("ide", "all", "search")
    ]


def test_the_forecasts_of_an_open_page_are_those_of_budget_status(database: Database) -> None:
    now = datetime(2026, 3, 20, 10, 5, tzinfo=UTC)
    asked = asked_time(MARCH, None, zone=database.zone, now=now)
    status = read_status(database, asked, basis="posted", now=now, expectations={})
    forecasts = [(each.budget.name, each.forecast) for each in read_month(database, MARCH, now=now).budgets]
    assert forecasts == [(each.budget.name, each.forecast) for each in status.budgets]
    assert [forecast.method for _name, forecast in forecasts if forecast is not None] == ["weekdays"] * len(BUDGETS)


FORMATS: dict[str, Callable[[MonthFigures, Page], str | bytes]] = {
    "html": lambda _figures, page: to_html(page),
    "markdown": lambda _figures, page: to_markdown(page),
    "json": lambda figures, page: to_json(document_of(figures, page)),
    "csv": lambda figures, page: to_csv(document_of(figures, page)),
}


def every_format(database: Database, month: str, **options: Any) -> dict[tuple[str | None, str], str | bytes]:
    """The page of all and of one project, in each format."""
    found = {}
    for project in (None, "search"):
        figures = read_month(database, month, project=project, **options)
        for name, write in FORMATS.items():
            found[project, name] = write(figures, page_of(figures, name))
    return found


def test_a_closed_page_stays_whatever_comes_later(database: Database, db_cli: Cli, tmp_path: Path) -> None:
    topup = ("wallet", "topup", "--grant", "--credits")
    db_cli(*topup, "50000", "--on", "2026-02-01", "--reference", "A", "--expires", "2026-04-20").ok()
    amount = Amount(100 * NANO, "USD")
    for longer in (
        Budget(name="quarter", amount=amount, period="quarter", start="2026-01-01"),
        Budget(name="year", amount=amount, period="year", projects=("search",), start="2026-01-01"),
    ):
        set_budget(database, longer, now=datetime(2026, 2, 1, tzinfo=UTC))
    close_months(database, MARCH, through=True, now=CLOSED)
    before = every_format(database, MARCH, now=SOON)
    last = int(datetime(2026, 3, 31, 23, 59, tzinfo=UTC).timestamp())
    late, unpriced = response("resp_late", created_at=last), response("resp_odd", created_at=last, model="unknown-1")
    (tmp_path / "late.jsonl").write_text(lines([late, response("resp_more"), unpriced]))
    db_cli("ingest", "late.jsonl", "--allow-rejected", "1").ok()
    db_cli("reassign", "--project", "search", "--to", "elsewhere", "--reason", "R").ok()
    db_cli(*topup, "7", "--on", "2026-04-02", "--reference", "B").ok()
    (tmp_path / "tollbook.toml").write_text('[[project]]\nid = "ide-assistant"\nowner = "Somebody else"\n')
    db_cli("project", "apply").ok()
    raised = Budget(name="all", amount=Amount(80 * NANO, "USD"), owner="Other", start="2026-05-01")
    set_budget(database, raised, now=datetime(2026, 5, 2, tzinfo=UTC))
    close_months(database, "2026-04", now=datetime(2026, 5, 3, tzinfo=UTC), force_reason="R")
    assert every_format(database, MARCH, now=LATER, expectations={"evolink": timedelta(minutes=1)}) == before
    assert "1 line in quarantine" not in str(before[None, "html"])
    april = page(database, "2026-04", now=LATER)
    assert "late usage" in april
    assert "correction" in april
    assert "Complete" in april


def test_an_open_page_says_so_and_as_of_when(database: Database) -> None:
    found = page(database)
    assert "open, as of 2 April 10:07" in found
    assert "final" not in found
    close_months(database, MARCH, through=True, now=CLOSED)
    assert "final, closed 3 April" in page(database)
    reopen_month(database, MARCH, "late bill", now=CLOSED)
    assert "open, as of" in page(database)


def test_an_open_month_is_compared_with_as_much_of_the_one_before(database: Database) -> None:
    figures = read_month(database, MARCH, now=datetime(2026, 3, 20, 10, 5, tzinfo=UTC))
    assert figures.previous_until == datetime(2026, 2, 20, 10, 15, tzinfo=UTC)
    assert figures.bridge is not None
    assert figures.previous is not None
    assert figures.bridge.before_nano == figures.previous.usd_nano
    assert "Compared with February up to 20 February 10:15" in to_html(page_of(figures))


def test_the_causes_and_the_projects_add_up_to_the_change(closed: Database) -> None:
    figures = read_month(closed, MARCH, now=SOON)
    assert figures.bridge is not None
    assert figures.previous is not None
    change = figures.total.usd_nano - figures.previous.usd_nano
    assert sum(nano for _cause, nano in figures.bridge.by_cause) == change
    assert sum(each.change_nano for each in figures.bridge.by_project) == change


def test_the_page_of_one_project_has_its_total_and_its_budgets(closed: Database, db_cli: Cli) -> None:
    report = db_cli("report", "--month", MARCH, "--project", "search", "--json").ok().json
    found = page(closed, project="search")
    assert f"Control total {report['total']['usd']} USD" in found
    assert "tollbook report --month 2026-03 --project search" in found
    assert [each.budget.name for each in read_month(closed, MARCH, project="search", now=SOON).budgets] == ["search"]


def test_a_wallet_is_told_as_of_the_months_end(database: Database, db_cli: Cli) -> None:
    topup = ("--credits", "50000", "--on", "2026-02-01", "--reference", "A", "--grant", "--expires", "2026-04-20")
    db_cli("wallet", "topup", *topup).ok()
    [fact] = [each for each in page_of(read_month(database, MARCH, now=SOON)).facts if each.label == "Wallet"]
    words = "".join(part if isinstance(part, str) else part.shown for part in fact.text)
    assert "evolink" in words
    assert "before the next report, first on 20 April" in words


def test_a_month_without_usage_is_a_page_that_says_so(database: Database) -> None:
    found = page(database, "2025-12")
    assert "December 2025: nothing booked" in found
    assert "Control total 0 USD" in found


def test_a_month_of_one_request(db_cli: Cli, db_url: str, examples: Path) -> None:
    db_cli("ingest", examples / "api-reference-response.json").ok()
    database = open_ledger(db_url)
    month = f"{datetime.fromtimestamp(AT, UTC):%Y-%m}"
    found = page(database, month)
    # 88 tokens in at 32 and 230 out at 160 credits a million, at 72 a dollar.
    assert (88 * 32_000 + 230 * 160_000) * 10 // 72 // 10 == 550_222
    assert "Control total 0.000550222 USD" in found
    assert "0.000550 USD" in found
    database.close()


def test_a_month_to_come_is_refused(database: Database) -> None:
    with pytest.raises(LedgerError, match="2026-05 has not begun: give this month or an earlier one"):
        read_month(database, "2026-05", now=SOON)
    with pytest.raises(LedgerError, match="isn't a month"):
        read_month(database, "2026-13", now=SOON)


def test_totals_are_at_least_of_what_waits_and_stay_so_when_it_is_settled_after_the_close(
    database: Database, db_cli: Cli, tmp_path: Path
) -> None:
    waiting = response("resp_waiting", created_at=int(datetime(2026, 3, 5, tzinfo=UTC).timestamp()), model="unknown-1")
    (tmp_path / "waiting.jsonl").write_text(lines([waiting]))
    db_cli("ingest", "waiting.jsonl", "--allow-rejected", "1").ok()
    now = datetime.now(UTC) + timedelta(minutes=1)
    assert "March 2026: at least 37.23 of 40.00 USD" in page(database, now=now)
    assert "Not complete" in page(database, now=now)
    db_cli("close", "--through", MARCH, "--force", "--reason", "the line comes later").ok()
    before = every_format(database, MARCH, now=now)
    assert "March 2026: at least 37.23 of 40.00 USD" in str(before[None, "html"])
    assert "closed all the same: " in str(before[None, "html"])
    db_cli("quarantine", "discard", "1", "--reason", "a test").ok()
    assert db_cli("quarantine", "list", "--json").ok().json["entries"] == []
    assert every_format(database, MARCH, now=LATER) == before


def test_a_closed_month_has_no_forecast_of_a_quarter_that_runs_on(database: Database) -> None:
    quarter = Budget(name="quarter", amount=Amount(90 * NANO, "USD"), period="quarter", start="2026-01-01")
    set_budget(database, quarter, now=datetime(2026, 1, 1, tzinfo=UTC))
    close_months(database, "2026-02", through=True, now=CLOSED)
    february = read_month(database, "2026-02", now=SOON)
    assert all(each.forecast is None for each in february.budgets)
    document = json.loads(to_json(document_of(february, page_of(february))))
    [row] = [each for each in document["budgets"] if each["budget"] == "quarter"]
    # 41.50 of 90 in two months of the quarter: with a forecast it would be expected to be about 62.
    assert (row["state"], row["actual"], row["forecast"], row["runs_out"]) == ("fine", "41.496250693", None, None)
    running = read_month(database, MARCH, now=datetime(2026, 3, 20, 10, 5, tzinfo=UTC))
    assert all(each.forecast is not None for each in running.budgets)
