"""The months that spend moves between, read from ledgers: to the last digit the report's, in its order."""

from __future__ import annotations

from datetime import UTC, datetime
from random import Random
from typing import Any

import pytest

from ledger.pages.figures.movements import TwoMonths, bridge_of, read_two_months
from ledger.pages.figures.ranking import Of, ranked
from ledger.pages.figures.values import Ranked
from ledger.reports.report import ReportOptions, run_report
from ledger.reports.selection import Selection
from ledger.reports.spend import SelectedSpend, read_spend
from ledger.store.database import Database
from ledger.store.opening import open_ledger
from ledger.values.periods import parse_month
from tests.conftest import Cli
from tests.helpers.book import PRO, Book, Booked
from tests.helpers.focus import adjust, close, fill, ingest, request
from tests.helpers.random_charges import random_charges

NOW = datetime(2026, 5, 10, 10, 20, tzinfo=UTC)
MONTHS = ("2026-01", "2026-02", "2026-03", "2026-04", "2026-05", "2026-06")


def read_months(database: Database, month: str, *, now: datetime = NOW, **filters: Any) -> TwoMonths:
    span = parse_month(month, zone=database.zone, now=now)
    with database.reading() as connection:

        def read(selection: Selection) -> SelectedSpend:
            return read_spend(connection, selection, ledger_zone=database.zone, rollup_tags=database.rollup_tags)

        return read_two_months(read, Selection(database.zone, **filters), span, now=now)


def reported(database: Database, month: str, by: Of, **filters: Any) -> tuple[list[Ranked], Ranked]:
    """The report's rows by project or model, beside the month before, and its total."""
    options = ReportOptions((by,), month=month, compare="previous", **filters)
    report = run_report(database, options, now=NOW)
    names = [column.name for column in report.columns]

    def row(cells: Any) -> Ranked:
        of = dict(zip(names, cells, strict=True))
        tokens = of["input_tokens"] + of["output_tokens"]
        return Ranked(of[by] or "", of["usd"], of["previous_usd"], of["requests"], tokens)

    return list(map(row, report.rows)), row(report.total)


def assert_as_reported(database: Database, month: str, **filters: Any) -> None:
    months = read_months(database, month, **filters)
    bridge = bridge_of(months)
    for by in ("project", "model"):
        rows, total = reported(database, month, by, **filters)
        assert list(ranked(months, by)) == rows
    assert (bridge.after_nano, bridge.before_nano) == (total.usd_nano, total.previous_nano)
    assert sum(nano for _cause, nano in bridge.by_cause) == bridge.after_nano - bridge.before_nano
    for measured in ("before_nano", "after_nano"):
        assert sum(getattr(movement, measured) for movement in bridge.by_project) == getattr(bridge, measured)
    own = {one.name: (one.previous_nano or 0, one.usd_nano) for one in ranked(months, "project")}
    for movement in bridge.by_project:
        before_nano, after_nano = own.get(movement.project, (0, 0))
        assert abs(movement.before_nano - before_nano) <= 1
        assert abs(movement.after_nano - after_nano) <= 2


@pytest.mark.parametrize("seed", [1, 2])
def test_months_of_random_ledgers_are_the_reports(empty_db_url: str, seed: int) -> None:
    book = Book(empty_db_url).add(*random_charges(Random(seed))).post()
    filters: list[dict[str, Any]] = [{"projects": ("search",)}, {"projects": ("search", "ide"), "models": (PRO,)}]
    for place, month in enumerate(MONTHS, seed):
        assert_as_reported(book.database, month)
        assert_as_reported(book.database, month, **filters[place % 2])


def test_months_with_late_usage_corrections_and_closings_are_the_reports(db_cli: Cli, db_url: str) -> None:
    fill(db_cli)
    close(db_cli, "2026-03")
    ingest(db_cli, request("a1", "2026-04-03"), request("later", "2026-03-30"))
    db_cli("void", "--id", "r1").ok()
    adjust(db_cli, "-1.50usd", "2026-04", "CN-2")
    database = open_ledger(db_url)
    for month in MONTHS:
        assert_as_reported(database, month)
    bridge = bridge_of(read_months(database, "2026-04"))
    report = run_report(database, ReportOptions(month="2026-04"), now=NOW)
    before = run_report(database, ReportOptions(month="2026-03"), now=NOW)
    of_parts = [sum(one.parts_usd_nano.values()) for one in (before, report)]
    assert abs(dict(bridge.by_cause)["corrections"] - (of_parts[1] - of_parts[0])) <= 2
    assert of_parts[1] < 0


def test_months_of_the_examples_are_the_reports(db_cli: Cli, db_url: str, examples: Any) -> None:
    db_cli("ingest", *sorted((examples / "usage").iterdir())).ok()
    database = open_ledger(db_url)
    for month in MONTHS[1:4]:
        assert_as_reported(database, month)
    assert read_months(database, "2026-03").compared.month == "2026-02"


def test_a_month_that_is_not_over_has_the_like_part_of_the_one_before(empty_db_url: str) -> None:
    """On 10 May at 10:20, April counts to 10 April 10:30, and late usage as of its first instant."""
    at = [datetime(2026, 4, day, hour, tzinfo=UTC) for day, hour in ((2, 0), (10, 10), (10, 11), (20, 0))]
    book = Book(empty_db_url).add(*(Booked(at=moment, input_tokens=9_000) for moment in at))
    book.add(Booked(at=datetime(2026, 3, 20, tzinfo=UTC), posted_month="2026-04", input_tokens=9_000))
    book.add(Booked(at=datetime(2026, 5, 1, tzinfo=UTC), input_tokens=9_000)).post()
    months = read_months(book.database, "2026-05")
    bridge = bridge_of(months)
    each = 9_000 * 32_000 // 72
    assert (bridge.before_nano, bridge.after_nano) == (3 * each, each)
    assert dict(bridge.by_cause)["requests"] == -2 * each
    assert months.compared.label == "from 2026-04-01 to before 2026-04-10T10:30+00:00"


def test_without_a_month_before_nothing_is_said_of_it(empty_db_url: str) -> None:
    book = Book(empty_db_url).add(Booked(input_tokens=9_000, output_tokens=1)).post()
    months = read_months(book.database, "2026-03")
    spent = 9_000 * 32_000 + 160_000
    assert ranked(months, "project", has_before=False) == (Ranked("search", round(spent / 72), None, 1, 9_001),)
    assert [one.previous_nano for one in ranked(months, "model")] == [0]


def test_the_page_of_one_project_moves_by_that_project_alone(empty_db_url: str) -> None:
    book = Book(empty_db_url).add(*random_charges(Random(3))).post()
    bridge = bridge_of(read_months(book.database, "2026-04", projects=("search",)))
    assert [movement.project for movement in bridge.by_project] == ["search"]
    assert bridge.by_project[0].change_nano == bridge.after_nano - bridge.before_nano
