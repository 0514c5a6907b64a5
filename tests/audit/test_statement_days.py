"""Days of a statement: a zone that is stated counts, true dates need no format, and two that disagree are refused."""

from __future__ import annotations

import time
from datetime import date, datetime
from pathlib import Path

import pytest

from tests.conftest import Cli
from tests.helpers.ledgers import PRO
from tests.helpers.reconciling import book, reconcile, write


@pytest.fixture
def booked(cli: Cli) -> Cli:
    """A ledger of 1.5 credits at 20:00 UTC on 1 March 2026, which is 2 March in Shanghai."""
    book(cli, {"request_id": "a", "output_tokens": 9_375, "occurred_at": "2026-03-01T20:00:00Z"})
    return cli


@pytest.mark.parametrize("zone", ["UTC", "Asia/Shanghai", "America/New_York"])
@pytest.mark.parametrize("field", ["occurred_at", "day"])
@pytest.mark.parametrize(
    ("text", "form"),
    [
        ("2026-03-01 20:00 UTC", "%Y-%m-%d %H:%M %Z"),
        ("2026-03-01 20:00 GMT", "%Y-%m-%d %H:%M %Z"),
        ("01.03.2026 20:00 UTC", "DD.MM.YYYY HH:mm UTC"),
        ("2026-03-01 20:00 UTC", "%Y-%m-%d %H:%M UTC"),
        ("2026-03-01T20:00:00Z", "%Y-%m-%dT%H:%M:%SZ"),
        ("2026-03-01T20:00:00Z", "YYYY-MM-DDTHH:mm:ssZ"),
        ("2026-03-02 04:00 +0800", "%Y-%m-%d %H:%M %z"),
        ("2026-03-02 04:00 +08:00", "%Y-%m-%d %H:%M +08:00"),
    ],
)
def test_a_zone_in_the_text_counts(booked: Cli, text: str, form: str, field: str, zone: str) -> None:
    found = reconcile(booked, f"{field},amount / {text},1.5", "--date-format", form, "--timezone", zone)
    assert (found.exit_code, found.json["matched"]) == (0, 1), found.stdout
    day = "2026-03-02" if zone == "Asia/Shanghai" else "2026-03-01"
    assert found.json["period"] == f"{day} to {day}"


def test_names_of_other_zones_are_refused(booked: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "Europe/Berlin")
    time.tzset()
    text = write("occurred_at,amount / 2026-03-01 20:00 CET,1.5")
    asked = ("--date-format", "%Y-%m-%d %H:%M %Z", "--timezone", "UTC")
    found = booked("reconcile", "--statement", text, *asked)
    assert (found.exit_code, "isn't a date of --date-format" in found.stderr) == (2, True)


def test_a_time_of_another_form_names_the_option(booked: Cli) -> None:
    for at in ("2026-03-01 20:00 UTC", "01.03.2026 20:00", "3/1/26"):
        refused = booked("reconcile", "--statement", write(f"occurred_at,amount / {at},1.5"))
        assert (refused.exit_code, "--date-format" in refused.stderr) == (2, True), refused.stderr


def test_a_saved_layout_keeps_the_zone_of_its_days(booked: Cli) -> None:
    text = "day,amount / 2026-03-02,1.5"
    saved = reconcile(booked, text, "--timezone", "Asia/Shanghai", "--save-as", "acme")
    assert (saved.exit_code, saved.json["timezone"]) == (0, "Asia/Shanghai"), saved.stderr
    again = reconcile(booked, text, "--as", "acme")
    assert (again.exit_code, again.json["timezone"]) == (0, "Asia/Shanghai"), again.stderr
    assert reconcile(booked, text, "--as", "acme", "--timezone", "UTC").json["timezone"] == "UTC"
    layout = Path("tollbook.toml").read_text().replace("Asia/Shanghai", "Mars")
    Path("tollbook.toml").write_text(layout)
    refused = booked("reconcile", "--statement", write(text), "--as", "acme")
    assert (refused.exit_code, "statement.acme.timezone: 'Mars'" in refused.stderr) == (2, True), refused.stderr


def test_true_dates_of_a_workbook_need_no_format(booked: Cli) -> None:
    openpyxl = pytest.importorskip("openpyxl")
    for value, field in ((date(2026, 3, 1), "day"), (datetime(2026, 3, 1, 20), "occurred_at"), ("01.03.2026", "day")):  # noqa: DTZ001
        workbook = openpyxl.Workbook()
        for row in ([field, "amount"], [value, 1.5]):
            workbook.active.append(row)
        workbook.save("bill.xlsx")
        asked = ("--date-format", "DD.MM.YYYY", "--timezone", "UTC", "--json")
        found = booked("reconcile", "--statement", "bill.xlsx", *asked)
        assert (found.exit_code, found.json["matched"]) == (0, 1), found.stderr


def test_a_day_and_a_time_that_disagree_are_refused(booked: Cli) -> None:
    text = "request_id,day,occurred_at,amount / a,{},{},1.5"
    for at in ("2026-03-01T20:00:00Z", "2026-03-02T04:00:00+08:00", "2026-03-01T20:00:00", "", "?"):
        assert reconcile(booked, text.format("2026-03-01", at)).exit_code == 0, at
    for day, at in (("2026-03-02", "2026-03-01T20:00:00Z"), ("2026-03-01", "2026-03-02T04:00:00")):
        found = booked("reconcile", "--statement", write(text.format(day, at)))
        assert (found.exit_code, f"column of days says {day}" in found.stderr) == (2, True), found.stderr
    assert reconcile(booked, text.format("2026-03-02", "2026-03-01T20:00:00Z"), "--timezone", "Asia/Shanghai").json


@pytest.mark.parametrize(
    ("header", "outside", "options"),
    [
        ("Date", "2026-04-01", []),
        ("usage_date", "2026-04-01T00:00:00", []),
        ("Anything", "2026-02-28 23:00", []),
        ("date", "04/01/2026", []),
        ("日期", "2026年04月01日", []),
        ("Date", "01-Apr-2026", []),
        ("Datum", "01.04.2026", ["--date-format", "DD.MM.YYYY"]),
    ],
)
def test_days_past_the_month_in_a_column_that_isnt_mapped_are_told(
    booked: Cli, header: str, outside: str, options: list[str]
) -> None:
    inside = outside.replace("04", "03").replace("02-28", "03-31").replace("Apr", "Mar")
    text = f"model,{header},amount / {PRO},{inside},1.5 / {PRO},{outside},1"
    found = reconcile(booked, text, "--month", "2026-03", *options)
    assert f"column {header!r} has days outside 2026-03" in found.stderr
    assert f"--map day={header}" in found.stderr
    quiet = reconcile(booked, f"model,{header},amount / {PRO},{inside},1.5", "--month", "2026-03", *options)
    assert "outside" not in quiet.stderr


@pytest.mark.parametrize("zone", ["GMT+8", "UTC+8", "CST", "+08", "UTC +8"])
def test_a_zone_that_a_format_has_as_letters_is_to_be_said(booked: Cli, zone: str) -> None:
    text, shape = f"day,amount / 2026-03-02 04:00 {zone},1.5", ("--date-format", f"YYYY-MM-DD HH:mm {zone}")
    refused = booked("reconcile", "--statement", write(text), *shape)
    assert (refused.exit_code, f"is in {zone}" in refused.stderr) == (2, True), refused.stderr
    assert reconcile(booked, text, *shape, "--timezone", "Asia/Shanghai").exit_code == 0
