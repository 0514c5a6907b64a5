"""`export chargeback`: cents that add up to the report's total, by project with its metadata or by a tag."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ledger.exports.chargeback import Chargeback, columns_by, export_chargeback, format_cents, owed_by_name
from ledger.exports.formats.writer import ExportFile
from ledger.reports.plan import Sums
from ledger.reports.report import ReportOptions, run_report
from ledger.reports.spend import SpendRow
from ledger.values.periods import month_span
from tests.conftest import Cli
from tests.helpers.book import NOON, Book
from tests.helpers.ledgers import LITE, apply_projects
from tests.helpers.sources import lines, record
from tests.reports.test_plan import random_charges, with_corrections

NANO = 10**9
FEBRUARY, MARCH, APRIL = ("2026-02", "2026-03", "2026-04")
COLUMNS = (
    "month, project, project_name, cost_center, owner, requests, input_tokens, cached_input_tokens, output_tokens, "
    "credits, usd_exact, usd, corrections_usd"
)
PROJECTS = """
[[project]]
id = "search"
name = "Search"
owner = "Ann"
cost_center = "CC-1"
aliases = ["find"]

[[project]]
id = "support"
cost_center = "CC-2"
"""


def rows(cli: Cli, month: str = MARCH, *options: str) -> list[dict[str, str]]:
    text = cli("export", "chargeback", "--month", month, *options).ok().stdout
    return list(csv.DictReader(io.StringIO(text, newline="")))


def cells(found: list[dict[str, str]], *names: str) -> list[tuple[str, ...]]:
    return [tuple(row[name] for name in names) for row in found]


def adjust(cli: Cli, project: str, amount: str, month: str = MARCH) -> None:
    """An amount of its own reference: 24 credits are a third of a dollar."""
    reference = f"{project} {amount} {month}"
    cli("adjust", "--project", project, "--amount", amount, "--month", month, "--reason", "r",
        "--reference", reference).ok()  # fmt: skip


def ingest(cli: Cli, request_id: str, day: str, project: str, **changes: Any) -> None:
    """A request of 30,000 tokens in, 10,000 of them cached, and 1,000 out."""
    made = record(
        request_id, occurred_at=f"{day}T12:00:00Z", requested_model=LITE, project=project, input_tokens=30_000,
        cached_input_tokens=10_000, output_tokens=1_000, **changes,
    )  # fmt: skip
    cli("ingest", "-", stdin=lines([made])).ok()


# Credits of such a request at lite's 6, 1.2 and 36 for 1M tokens: 0.12 + 0.012 + 0.036.
ONE = Decimal(20_000 * 6 + 10_000 * Decimal("1.2") + 1_000 * 36) / 1_000_000


# --- figures --------------------------------------------------------------------------------------------------------


def test_columns_are_the_contracts(db_cli: Cli) -> None:
    assert ", ".join(column.name for column in columns_by("project")) == COLUMNS
    assert db_cli("export", "chargeback", "--month", MARCH).ok().stdout == COLUMNS.replace(", ", ",") + "\n"


def test_cents_of_thirds_add_up_to_the_dollar(db_cli: Cli) -> None:
    for project in ("c", "a", "b"):
        adjust(db_cli, project, "24credits")
    found = rows(db_cli)
    # Each is 33.33… cents: the one that is left goes to the first name. The running total of usd_exact is 0.333333333,
    # 0.666666667 and 1.
    assert cells(found, "project", "credits", "usd_exact", "usd") == [
        ("a", "24", "0.333333333", "0.34"),
        ("b", "24", "0.333333334", "0.33"),
        ("c", "24", "0.333333333", "0.33"),
    ]
    assert db_cli("report", "--month", MARCH, "--json").ok().json["total"]["usd"] == "1"


def test_a_month_below_nothing_adds_up_too(db_cli: Cli) -> None:
    for project in ("a", "b", "c"):
        adjust(db_cli, project, "-24credits")
    adjust(db_cli, "d", "0.125usd")
    found = rows(db_cli)
    # -1 + 0.125 is -0.875, half-even -0.88. Rounded down: 3 x -34 + 12 = -90, so two cents are left, and the greatest
    # remainders are 2/3 of a and b (of c too, which comes later), above 1/2 of d.
    assert cells(found, "project", "credits", "usd_exact", "usd") == [
        ("a", "-24", "-0.333333333", "-0.33"),
        ("b", "-24", "-0.333333334", "-0.33"),
        ("c", "-24", "-0.333333333", "-0.34"),
        ("d", "0", "0.125", "0.12"),
    ]
    outcome = db_cli("export", "chargeback", "--month", MARCH)
    assert "Note: control total: 4 rows of 0 requests, -72 CRD and -0.875 USD, in cents -0.88 USD\n" in outcome.stderr


def test_counts_and_what_the_ledger_knows_of_projects(db_cli: Cli) -> None:
    apply_projects(db_cli, PROJECTS)
    ingest(db_cli, "r1", "2026-03-01", "search")
    ingest(db_cli, "r2", "2026-03-31", "find")
    ingest(db_cli, "r3", "2026-03-31", "other")
    ingest(db_cli, "r4", "2026-04-01", "search")
    found = rows(db_cli)
    described = ("month", "project", "project_name", "cost_center", "owner")
    assert cells(found, *described) == [(MARCH, "other", "", "", ""), (MARCH, "search", "Search", "CC-1", "Ann")]
    counted = ("requests", "input_tokens", "cached_input_tokens", "output_tokens", "credits")
    assert cells(found, *counted) == [
        ("1", "30000", "10000", "1000", str(ONE)),
        ("2", "60000", "20000", "2000", str(2 * ONE)),
    ]
    # An alias counts in chargeback alone: what was booked stays as it came.
    by_project = db_cli("report", "--by", "project", "--month", MARCH, "--json").ok().json["rows"]
    assert {row["project"] for row in by_project} == {"find", "other", "search"}
    assert ",find," in db_cli("export", "charges", "--month", MARCH).ok().stdout


def test_other_currencies_are_owed_in_dollars(db_cli: Cli) -> None:
    ingest(db_cli, "r1", "2026-03-01", "search", provider="volcengine")
    # A tenth of the credits in CNY, but that the cached ones are 0.12 there too, at 7.2 CNY = 1 USD.
    (row,) = rows(db_cli)
    assert (row["credits"], row["requests"]) == ("0", "1")
    assert Decimal(row["usd_exact"]) == (ONE / 10 / Decimal("7.2")).quantize(Decimal(10) ** -9)


def test_what_was_taken_back_whole_is_left_out(db_cli: Cli) -> None:
    ingest(db_cli, "r1", "2026-03-01", "search")
    ingest(db_cli, "r2", "2026-03-01", "support")
    db_cli("void", "--id", "r1").ok()
    assert cells(rows(db_cli), "project", "requests") == [("support", "1")]


# --- corrections ----------------------------------------------------------------------------------------------------


def test_corrections_are_of_usage_of_earlier_months(db_cli: Cli) -> None:
    ingest(db_cli, "r1", "2026-02-28", "search")
    ingest(db_cli, "r2", "2026-03-31", "search")
    db_cli("close", FEBRUARY).ok()
    ingest(db_cli, "late", "2026-02-27", "search")
    db_cli("reassign", "--project", "search", "--to", "support", "--id", "r1").ok()
    adjust(db_cli, "search", "-0.5usd", FEBRUARY)
    adjust(db_cli, "search", "0.25usd", MARCH)
    db_cli("void", "--id", "r2").ok()
    usd = (ONE / 72).quantize(Decimal(10) ** -9)
    search, support = rows(db_cli)
    # Late usage is usage; what March's own books took back or added is no correction of a closed month.
    assert Decimal(search["corrections_usd"]) == -usd - Decimal("0.5")
    assert Decimal(search["usd_exact"]) == Decimal("0.25") - Decimal("0.5")
    assert Decimal(support["corrections_usd"]) == Decimal(support["usd_exact"]) == usd
    assert (search["requests"], support["requests"]) == ("0", "1")
    assert cells(rows(db_cli, FEBRUARY), "project", "corrections_usd") == [("search", "0")]


def test_a_new_conversion_of_a_closed_month_is_owed_although_no_credits_are(db_cli: Cli) -> None:
    ingest(db_cli, "r1", "2026-02-28", "search")
    ingest(db_cli, "r2", "2026-03-31", "support")
    db_cli("close", FEBRUARY).ok()
    db_cli("rates", "conversion", "add", "--per-usd", "68", "--from", "2026-02-02").ok()
    db_cli("reprice", "--since", "2026-02-01", "--until", "2026-03-01", "--reason", "the rate had changed").ok()
    search, support = rows(db_cli)
    difference = (ONE / 68 - ONE / 72).quantize(Decimal(10) ** -9)
    assert (search["requests"], search["credits"]) == ("0", "0")
    assert Decimal(search["usd_exact"]) == Decimal(search["corrections_usd"]) == difference
    report = db_cli("report", "--by", "project", "--month", MARCH, "--json").ok().json
    assert {row["project"] for row in report["rows"]} == {"search", "support"}
    assert Decimal(search["usd_exact"]) + Decimal(support["usd_exact"]) == Decimal(report["total"]["usd"])


# --- by tag ---------------------------------------------------------------------------------------------------------


def test_by_a_tag_it_is_the_tags_value(db_cli: Cli) -> None:
    apply_projects(db_cli, PROJECTS)
    ingest(db_cli, "r1", "2026-03-01", "search", tags={"team": "blue"})
    ingest(db_cli, "r2", "2026-03-02", "find", tags={"team": "search"})
    ingest(db_cli, "r3", "2026-03-03", "search", tags={"team": ""})
    ingest(db_cli, "r4", "2026-03-04", "search")
    outcome = db_cli("export", "chargeback", "--month", MARCH, "--by", "tag:team").ok()
    assert outcome.stdout.splitlines()[0] == COLUMNS.replace(", ", ",").replace(",project,", ",tag:team,")
    assert "read from the charges" in outcome.stderr
    found = rows(db_cli, MARCH, "--by", "tag:team")
    shown = ("tag:team", "project_name", "cost_center", "owner", "requests")
    # Usage without the tag, or with nothing in it, is one row.
    assert cells(found, *shown) == [("", "", "", "", "2"), ("blue", "", "", "", "1"), ("search", "", "", "", "1")]
    db_cli("db", "rollups", "--tag", "team").ok()
    again = db_cli("export", "chargeback", "--month", MARCH, "--by", "tag:team").ok()
    assert (again.stdout, "read from the charges" in again.stderr) == (outcome.stdout, False)


@pytest.mark.parametrize("options", [["--by", "model"], ["--by", "tag:"], ["--by", "tag"], ["--by", ""]], ids=" ".join)
def test_other_ways_are_refused(db_cli: Cli, options: list[str]) -> None:
    outcome = db_cli("export", "chargeback", "--month", MARCH, *options)
    assert (outcome.exit_code, outcome.stdout, outcome.stderr.count("Error")) == (2, "", 1)
    assert outcome.stderr.endswith(", else one of project, service_tier\n")


@pytest.mark.parametrize("options", [[], ["--month", "2026-13"], ["--month", ""]], ids=str)
def test_a_month_is_needed(db_cli: Cli, options: list[str]) -> None:
    assert db_cli("export", "chargeback", *options).exit_code == 2


# --- JSON -----------------------------------------------------------------------------------------------------------


def test_json_is_one_document_with_the_totals(db_cli: Cli) -> None:
    apply_projects(db_cli, PROJECTS)
    ingest(db_cli, "r1", "2026-03-01", "find")
    adjust(db_cli, "=x", "-24credits")
    found = db_cli("export", "chargeback", "--month", MARCH, "--json").ok().json
    assert found["title"] == "Chargeback by project, 2026-03 (posted, UTC)"
    assert [row["project"] for row in found["rows"]] == ["=x", "search"]
    assert found["rows"][0]["project_name"] is None
    # (0.168 - 24) credits / 72 are -0.331 exactly.
    assert found["total"] == {
        "rows": 2, "requests": 1, "input_tokens": 30_000, "cached_input_tokens": 10_000, "output_tokens": 1_000,
        "credits": str(ONE - 24), "usd_exact": "-0.331", "usd": "-0.33", "corrections_usd": "0",
    }  # fmt: skip


# --- for ever the same ----------------------------------------------------------------------------------------------


def test_a_closed_month_is_the_same_bytes_whatever_comes_later(db_cli: Cli) -> None:
    apply_projects(db_cli, PROJECTS)
    ingest(db_cli, "r1", "2026-03-01", "search", tags={"team": "blue"})
    ingest(db_cli, "r2", "2026-03-31", "find")
    db_cli("close", MARCH).ok()
    commands = [
        ["export", "charges", "--month", MARCH],
        ["export", "charges", "--month", MARCH, "--json"],
        ["export", "chargeback", "--month", MARCH],
        ["export", "chargeback", "--month", MARCH, "--json"],
        ["export", "chargeback", "--month", MARCH, "--by", "tag:team"],
    ]
    before = [db_cli(*command).ok().stdout for command in commands]
    apply_projects(db_cli, PROJECTS.replace("Search", "Find").replace("Ann", "Bob").replace('"find"', '"other"'))
    ingest(db_cli, "late", "2026-03-02", "find", tags={"team": "blue"})
    db_cli("rates", "conversion", "add", "--per-usd", "68", "--from", "2026-03-01").ok()
    db_cli("reprice", "--since", "2026-03-01", "--until", "2026-04-01", "--reason", "r").ok()
    db_cli("reassign", "--project", "find", "--to", "support").ok()
    db_cli("void", "--id", "r1").ok()
    adjust(db_cli, "search", "5credits")
    db_cli("db", "rollups", "--tag", "team").ok()
    apply_projects(db_cli, '[[project]]\nid = "support"\nname = "All"\n')
    assert [db_cli(*command).ok().stdout for command in commands] == before
    db_cli("close", "--through", APRIL).ok()
    assert [db_cli(*command).ok().stdout for command in commands] == before
    assert cells(rows(db_cli, APRIL), "project", "project_name") == [
        ("find", ""),
        ("search", ""),
        ("support", "All"),
    ]


def test_a_reopened_month_shows_what_stands_now(db_cli: Cli) -> None:
    apply_projects(db_cli, PROJECTS)
    ingest(db_cli, "r1", "2026-03-31", "search")
    db_cli("close", MARCH).ok()
    apply_projects(db_cli, PROJECTS.replace("Ann", "Bob"))
    assert cells(rows(db_cli), "owner") == [("Ann",)]
    db_cli("reopen", MARCH, "--reason", "late").ok()
    assert cells(rows(db_cli), "owner") == [("Bob",)]


def test_columns_and_figures_are_those_of_the_golden_file(db_cli: Cli, golden: Callable[[str, bytes], None]) -> None:
    apply_projects(db_cli, PROJECTS.replace("CC-2", "=CC-2"))
    ingest(db_cli, "r1", "2026-02-28", "search", tags={"team": "blue"})
    db_cli("close", FEBRUARY).ok()
    ingest(db_cli, "r2", "2026-03-31", "find", tags={"team": "-red, green"})
    ingest(db_cli, "late", "2026-02-27", "other")
    db_cli("reassign", "--project", "search", "--to", "support", "--id", "r1").ok()
    adjust(db_cli, "support", "-12.34usd")
    for name, options in (("chargeback.csv", []), ("chargeback-by-tag.csv", ["--by", "tag:team"])):
        db_cli("export", "chargeback", "--month", MARCH, "-o", name, *options).ok()
        golden(name, Path(name).read_bytes())


# --- laws -----------------------------------------------------------------------------------------------------------


def test_columns_add_up_to_the_report(db_url: str) -> None:
    book = Book(db_url).add(*with_corrections(random_charges(21, 300), 22)).post()
    for month, dimension in ((MARCH, "project"), ("2026-06", "project"), ("2026-06", "tag:team")):
        out = io.BytesIO()
        export_chargeback(book.database, month_span(month, book.zone), ExportFile(out), dimension=dimension)
        found = list(csv.DictReader(io.StringIO(out.getvalue().decode(), newline="")))
        report = run_report(book.database, ReportOptions(month=month, dimensions=[dimension]), now=NOON)
        total = dict(zip([column.name for column in report.columns], report.total, strict=True))
        assert sum(Decimal(row["usd_exact"]) for row in found) * NANO == total["usd"]
        cents = (Decimal(int(total["usd"] or 0)) / NANO).quantize(Decimal("0.01"))
        assert sum(Decimal(row["usd"]) for row in found) == cents
        assert sum(Decimal(row["credits"]) for row in found) * NANO == total["credits"]
        for name in ("requests", "input_tokens", "cached_input_tokens", "output_tokens"):
            assert sum(int(row[name]) for row in found) == total[name]
        parts = (
            priced.measures["amount_nano"] / Decimal(str(priced.booked.per_usd))
            for priced in book.priced
            if priced.posted_month == month and priced.occurred_month < month
            if priced.booked.charge_class == "reversal"
        )
        corrections = sum((Decimal(row["corrections_usd"]) for row in found), Decimal())
        assert abs(corrections * NANO - sum(parts, Decimal())) <= 1


AMOUNTS = st.tuples(
    st.sampled_from(["a", "b", "c", "d"]),
    st.sampled_from(["charge", "reversal", "adjustment"]),
    st.sampled_from([FEBRUARY, MARCH]),
    st.sampled_from([72 * NANO, 68 * NANO, 7_200_000_000, None]),
    st.integers(-(10**13), 10**13),
)


@settings(suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(AMOUNTS, max_size=20))
def test_cents_add_up_whatever_is_owed(amounts: list[tuple[str, str, str, int | None, int]]) -> None:
    spend = [
        SpendRow(
            (name, class_, month),
            "CRD",
            per_usd,
            None,
            "none",
            Sums(**dict.fromkeys(Sums._fields, 0) | {"amount_nano": nano}),
            None,
        )
        for name, class_, month, per_usd, nano in amounts
    ]
    found = Chargeback(MARCH, owed_by_name(spend, MARCH, None), None)
    names = [column.name for column in columns_by("tag:team")]
    rows_of = [dict(zip(names, row, strict=True)) for row in found.rows()]
    total = found.total()
    for name in ("usd", "usd_exact", "corrections_usd", "credits"):
        assert sum(Decimal(str(row[name])) for row in rows_of) == Decimal(str(total[name]))
    assert Decimal(str(total["usd"])) == Decimal(str(total["usd_exact"])).quantize(Decimal("0.01"))
    for row in rows_of:
        assert abs(Decimal(str(row["usd"])) - Decimal(str(row["usd_exact"]))) < Decimal("0.010000002")
    # The order in which the database gives its rows doesn't matter.
    again = Chargeback(MARCH, owed_by_name(spend[::-1], MARCH, None), None)
    assert list(again.rows()) == list(found.rows())


@pytest.mark.parametrize(("cents", "text"), [(0, "0.00"), (5, "0.05"), (-5, "-0.05"), (-123, "-1.23"), (100, "1.00")])
def test_cents_have_two_places(cents: int, text: str) -> None:
    assert format_cents(cents) == text


def test_the_titles_zone_is_the_ledgers(cli: Cli, sqlite_url: str) -> None:
    cli("db", "init", "--timezone", "Asia/Shanghai", "--db", sqlite_url).ok()
    made = record("r1", occurred_at="2026-02-28T16:00:00Z", requested_model=LITE)
    cli("ingest", "-", "--db", sqlite_url, stdin=lines([made])).ok()
    found = json.loads(cli("export", "chargeback", "--month", MARCH, "--json", "--db", sqlite_url).ok().stdout)
    assert (found["title"], found["total"]["requests"]) == (
        "Chargeback by project, 2026-03 (posted, Asia/Shanghai)",
        1,
    )
