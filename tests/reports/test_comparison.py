"""The period that a report is compared with: as much of it as is over of its own, and words where it isn't alike."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from ledger.reports.comparison import Remark, compared_with
from ledger.reports.report import ReportOptions, run_report
from ledger.reports.table import Report
from ledger.values.periods import parse_span
from tests.helpers.book import CODE, Book, Booked

UTC_ZONE, NEW_YORK = ZoneInfo("UTC"), ZoneInfo("America/New_York")
NOW = datetime(2026, 3, 10, 10, 20, 30, tzinfo=UTC)
APRIL = datetime(2026, 4, 10, 10, 20, 30, tzinfo=UTC)
MONTH_ENDS = datetime(2026, 3, 30, 12, tzinfo=UTC)


EMPTY = "nothing is booked in the other period with these filters"


def moment(text: str) -> datetime:
    return datetime.fromisoformat(text)


@pytest.mark.parametrize(
    ("options", "asked", "start", "end", "reasons"),
    [
        ({"month": "2026-02"}, "previous", "2026-01-01T00:00Z", "2026-02-01T00:00Z", []),
        ({"month": "2026-02"}, "2025-12", "2025-12-01T00:00Z", "2026-01-01T00:00Z", []),
        ({"month": "2026-03"}, "previous", "2026-02-01T00:00Z", "2026-02-10T10:30Z", ["not_over"]),
        ({"month": "2026-03"}, "2025-12", "2025-12-01T00:00Z", "2025-12-10T10:30Z", ["not_over"]),
        ({"month": "2026-03"}, "2026-03", "2026-03-01T00:00Z", "2026-03-10T10:30Z", ["not_over"]),
        ({"month": "2026-02"}, "2026-03", "2026-03-01T00:00Z", "2026-04-01T00:00Z", ["other_not_over"]),
        ({"month": "2026-05"}, "previous", "2026-04-01T00:00Z", "2026-05-01T00:00Z", ["not_begun", "other_not_over"]),
        ({"last": "7d"}, "previous", "2026-02-25T00:00Z", "2026-03-03T10:30Z", ["not_over"]),
        ({"last": "24h"}, "previous", "2026-03-08T10:30Z", "2026-03-09T10:30Z", []),
        ({"since": "2026-03-01"}, "previous", "2026-02-19T13:30Z", "2026-03-01T00:00Z", []),
        ({"since": "2026-03-01"}, "2026-02", "2026-02-01T00:00Z", "2026-02-10T10:30Z", ["not_over"]),
        ({"since": "2026-03-01", "until": "2026-03-15"}, "previous", "2026-02-15T00:00Z", "2026-02-24T10:30Z",
         ["not_over"]),
        ({"since": "2026-02-01", "until": "2026-02-15"}, "previous", "2026-01-18T00:00Z", "2026-02-01T00:00Z", []),
        ({"since": "2026-02-01", "until": "2026-02-15"}, "2026-01", "2026-01-01T00:00Z", "2026-02-01T00:00Z",
         ["lengths_differ"]),
        ({"since": "2025-12-01", "until": "2026-02-01"}, "2025-11", "2025-11-01T00:00Z", "2025-12-01T00:00Z",
         ["lengths_differ"]),
        ({"since": "2026-01-01", "until": "2026-02-01"}, "2025-12", "2025-12-01T00:00Z", "2026-01-01T00:00Z", []),
        ({}, "2026-02", "2026-02-01T00:00Z", "2026-03-01T00:00Z", ["lengths_differ"]),
        ({"until": "2026-02-01"}, "2026-02", "2026-02-01T00:00Z", "2026-03-01T00:00Z", ["lengths_differ"]),
    ],
)  # fmt: skip
def test_as_much_of_the_other_period_as_is_over(
    options: dict[str, str], asked: str, start: str, end: str, reasons: list[str]
) -> None:
    found = compared_with(asked, parse_span(**options, zone=UTC_ZONE, now=NOW), zone=UTC_ZONE, now=NOW)
    assert (found.span.start, found.span.end) == (moment(start), moment(end))
    assert [remark.reason for remark in found.remarks] == reasons


def test_a_shorter_month_is_whole_at_the_end_of_a_longer_one() -> None:
    march = parse_span(month="2026-03", zone=UTC_ZONE, now=MONTH_ENDS)
    found = compared_with("previous", march, zone=UTC_ZONE, now=MONTH_ENDS)
    assert found.span.label == "2026-02"
    assert [remark.message for remark in found.remarks] == [
        "this period isn't over; the other, which is shorter, is compared whole"
    ]


def test_clocks_that_change_move_no_day_and_no_hour() -> None:
    """New York's went forward on 8 March: 06:30 there is 10:30 UTC in March and 11:30 UTC in February."""
    march = parse_span(month="2026-03", zone=NEW_YORK, now=NOW)
    found = compared_with("previous", march, zone=NEW_YORK, now=NOW)
    assert found.span.end == moment("2026-02-10T11:30Z")


# --- of a ledger ----------------------------------------------------------------------------------------------------


def run(url: str, *days: str, month: str, projects: tuple[str, ...] = ()) -> tuple[Report, list[Remark]]:
    """The report of a ledger with a request at noon of each day."""
    book = Book(url).add(*(Booked("search", CODE, moment(f"{day}T12:00Z"), output_tokens=1) for day in days)).post()
    asked = ReportOptions(month=month, compare="previous", projects=projects)
    report = run_report(book.database, asked, now=APRIL)
    assert report.compared is not None
    return report, list(report.compared.remarks)


def test_a_running_month_is_compared_with_the_same_days(db_url: str) -> None:
    days = ("2026-02-20", "2026-03-09", "2026-03-10", "2026-03-28", "2026-04-01")
    found, remarks = run(db_url, *days, month="2026-04")
    now, before, change, percent = found.total[-5], *found.total[-3:]
    assert (now, before, change, percent) == (before, now, 0, 0)
    assert found.title.endswith("compared with 2026-03-01 to before 2026-03-10T10:30+00:00")
    assert [remark.reason for remark in remarks] == ["not_over"]
    assert found.notes == ()


@pytest.mark.parametrize(
    ("days", "projects", "words"),
    [
        (("2026-02-01", "2026-03-01"), (), None),
        (("2026-02-02", "2026-03-01"), (), "this ledger's first request is of 2026-02-02, within the other period"),
        (("2026-03-01",), (), f"{EMPTY}: this ledger's first request is of 2026-03-01"),
        (("2026-02-01", "2026-03-01"), ("nobody",), EMPTY),
    ],
)
def test_a_ledger_that_began_within_the_other_period_says_so(
    db_url: str, days: tuple[str, ...], projects: tuple[str, ...], words: str | None
) -> None:
    _report, remarks = run(db_url, *days, month="2026-03", projects=projects)
    assert [remark.message for remark in remarks] == ([] if words is None else [words])
