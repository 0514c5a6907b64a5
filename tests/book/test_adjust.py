"""Credit notes and surcharges: booked once by reference, in every report and export, and never as usage."""

from __future__ import annotations

from typing import Any

import pytest

from tests.conftest import Cli
from tests.helpers.ledgers import LITE, nano, rows, tamper, value
from tests.helpers.sources import lines, record

FEBRUARY, MARCH, APRIL = ("2026-02", "2026-03", "2026-04")
ONE_NANO = 1_000 * 6_000


@pytest.fixture
def book(db_cli: Cli) -> Cli:
    made = record("r1", occurred_at="2026-03-31T12:00:00Z", requested_model=LITE, input_tokens=1_000, output_tokens=0)
    db_cli("ingest", "-", stdin=lines([made | {"project": "search"}])).ok()
    return db_cli


def adjust(cli: Cli, amount: str, month: str = MARCH, reference: str = "CN-1", **changes: Any) -> Any:
    options = {"project": "search", "reason": "an outage"} | changes
    pairs = [text for name, value in options.items() for text in (f"--{name}", value)]
    return cli("adjust", "--amount", amount, "--month", month, "--reference", reference, *pairs, "--json")


def test_credits_and_dollars_are_booked_for_project_and_month(book: Cli, db_url: str) -> None:
    found = adjust(book, "900credits").ok().json
    assert (found["batch"], found["posted_month"], found["amount"]) == (2, MARCH, "900credits")
    adjust(book, "-12.50usd", reference="CN-2").ok()
    query = (
        "SELECT charge_class, occurred_month, posted_month, currency, amount_nano, conversion_id IS NULL FROM charges"
    )
    assert rows(db_url, f"{query} ORDER BY id")[1:] == [
        ("adjustment", MARCH, MARCH, "CRD", 900 * 10**9, 0),
        ("adjustment", MARCH, MARCH, "USD", -12_500_000_000, 1),
    ]
    report = book("report", "--by", "model", "--month", MARCH, "--json").ok().json
    usd = {row["model"]: (row["requests"], row["usd"]) for row in report["rows"]}
    # 900 credits at 72 are 12.50 USD, which the other takes back.
    assert usd == {LITE: (1, "0.000083333"), "adjustment": (0, "0")}
    assert nano(report["total"]["credits"]) == 900 * 10**9 + ONE_NANO
    book("verify").ok()


@pytest.mark.parametrize(
    "options",
    [
        ["--by", "day"],
        ["--by", "source", "--by", "status", "--by", "tier"],
        ["--by", "currency"],
        ["--by", "day", "--timezone", "Asia/Kathmandu"],
        ["--by", "tag:team"],
        ["--since", "2026-03-01", "--until", "2026-04-01"],
        ["--since", "2026-02-28T23:59:59Z", "--until", "2026-03-31T23:00:01Z"],
        ["--month", MARCH, "--basis", "occurred"],
    ],
    ids=" ".join,
)
def test_every_report_has_it_whichever_table_it_reads(book: Cli, options: list[str]) -> None:
    adjust(book, "900credits").ok()
    total = book("report", *options, "--json").ok().json["total"]
    assert (nano(total.get("credits") or total["amount"]), total["requests"]) == (900 * 10**9 + ONE_NANO, 1)


def test_exports_have_it_as_one_line_without_tokens(book: Cli) -> None:
    adjust(book, "900credits").ok()
    for options in (["--month", MARCH], ["--since", "2026-02-28T23:59:59Z", "--until", "2026-03-31T23:00:01Z"]):
        lines_of = book("export", "charges", *options, "--json").ok().json["rows"]
        line = next(row for row in lines_of if row["charge_class"] == "adjustment")
        assert (line["line_id"], line["billed_model"], line["amount"]) == ("2-adjustment", "adjustment", "900")
        assert (line["meter"], line["tokens"], line["rate"], line["request_id"]) == (None, 0, None, None)


def test_an_adjustment_of_a_closed_month_posts_in_the_open_one(book: Cli, db_url: str) -> None:
    book("close", "--through", MARCH).ok()
    assert adjust(book, "-1credits", FEBRUARY).ok().json["posted_month"] == APRIL
    assert rows(db_url, "SELECT occurred_month, posted_month FROM charges WHERE id = 2") == [(FEBRUARY, APRIL)]
    book("verify").ok()


def test_the_same_reference_books_once_and_other_facts_are_refused(book: Cli, db_url: str) -> None:
    first = adjust(book, "5credits").ok().json
    again = adjust(book, "5.0credits").ok()
    assert (again.json["batch"], again.json["repeated"]) == (first["batch"], True)
    assert "did it already" in again.stderr
    for changed in (
        adjust(book, "6credits"),
        adjust(book, "5credits", APRIL),
        adjust(book, "5credits", project="support"),
        adjust(book, "5credits", reason="another"),
    ):
        assert (changed.exit_code, "which has other facts" in changed.stderr) == (2, True)
    assert value(db_url, "SELECT count(*) FROM charges") == 2


@pytest.mark.parametrize(
    "amount", ["0usd", "12.50", "usd", "1e3usd", "1,5usd", "0.0000000001usd", "5cny", "9" * 12 + "usd"]
)
def test_amounts_that_can_not_be_meant_are_refused(book: Cli, db_url: str, amount: str) -> None:
    outcome = adjust(book, amount)
    assert (outcome.exit_code, outcome.stdout, outcome.stderr.count("Error")) == (2, "", 1)
    assert value(db_url, "SELECT count(*) FROM charges") == 1


def test_roll_ups_are_rebuilt_with_it(book: Cli) -> None:
    adjust(book, "900credits").ok()
    book("db", "rollups", "--tag", "team").ok()
    book("verify").ok()
    assert nano(book("report", "--json").ok().json["total"]["credits"]) == 900 * 10**9 + ONE_NANO


def test_verify_finds_a_changed_adjustment(book: Cli, db_url: str) -> None:
    adjust(book, "900credits").ok()
    tamper(db_url, "UPDATE charges SET amount_nano = 1 WHERE id = 2")
    assert book("verify").exit_code == 1


def test_an_amount_for_a_month_ahead_is_told(book: Cli) -> None:
    assert "2098-01 lies ahead" in adjust(book, "1usd", "2098-01").ok().stderr
    assert "lies ahead" not in adjust(book, "1usd", MARCH, "CN-2").ok().stderr
