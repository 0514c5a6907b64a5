"""`tollbook report` and `tollbook export charges` as commands: options, streams, files and exit codes."""

from __future__ import annotations

import csv
import io
import json
import re
from datetime import UTC, datetime
from decimal import Decimal
from fractions import Fraction
from pathlib import Path

import pytest

from tests.conftest import Cli
from tests.helpers.book import CODE, MINI, PRO, Book, Booked
from tests.helpers.focus import adjust, close, ingest, request
from tests.helpers.sources import lines, record

FIXED = (
    "requests,input_tokens,cached_input_tokens,output_tokens,reasoning_tokens,input_credits,cached_input_credits,"
    "output_credits,cache_storage_credits,credits,usd,cache_savings_usd"
)


@pytest.fixture
def booked(db_url: str) -> Book:
    """March and February usage of three models in two projects."""
    return (
        Book(db_url)
        .add(
            Booked("search", CODE, datetime(2026, 3, 5, tzinfo=UTC), 40_000, 10_000, 2_000, 500, tags={"team": "a"}),
            Booked("search", MINI, datetime(2026, 3, 31, 20, tzinfo=UTC), 1_000, 0, 10, 0),
            Booked("=1+1\x1b[31m", PRO, datetime(2026, 2, 5, tzinfo=UTC), 10, 0, 7, 0),
        )
        .post()
    )


def test_the_default_is_all_time_by_model(booked: Book, db_cli: Cli) -> None:
    outcome = db_cli("report").ok()
    lines = outcome.stdout.splitlines()
    assert lines[0] == "Spend by model, all time (posted, UTC)"
    assert [line.split()[0] for line in lines[5:8]] == [CODE, MINI, PRO]
    assert lines[-1] == "data through 2026-03-31T20:00:00Z"
    assert max(map(len, lines)) <= 100
    assert "Note: left out to fit 100 columns: " in outcome.stderr


def test_json_has_the_contracts_keys(booked: Book, db_cli: Cli) -> None:
    outcome = db_cli("report", "--json", "--by", "project", "--by", "model", "--month", "2026-03").ok()
    assert outcome.stderr == ""
    document = outcome.json
    assert list(document) == [
        "schema", "title", "data_through", "not_booked", "corrections_usd", "adjustments_usd", "rows", "total"
    ]  # fmt: skip
    assert document["title"] == "Spend by project and model, 2026-03 (posted, UTC)"
    assert document["data_through"] == "2026-03-31T20:00:00Z"
    assert [list(row) for row in document["rows"]] == [["project", "model", *FIXED.split(",")]] * 2
    assert list(document["total"]) == FIXED.split(",")
    code = (30_000 * 48 + 10_000 * Decimal("6.4") + 2_000 * 240) / 1_000_000
    assert document["rows"][0]["credits"] == f"{code.normalize():f}"
    assert document["rows"][0]["cache_savings_usd"] == f"{10_000 * (48 - Decimal('6.4')) / 1_000_000 / 72:.9f}"
    assert document["total"]["requests"] == 2


def test_csv_is_data_alone(booked: Book, db_cli: Cli) -> None:
    outcome = db_cli("report", "--by", "project", "--format", "csv").ok()
    header, *rows = csv.reader(io.StringIO(outcome.stdout, newline=""))
    assert header == ["project", *FIXED.split(",")]
    assert [row[0] for row in rows] == ["search", r"'=1+1\x1b[31m"]
    assert outcome.stderr == ""


def test_no_format_carries_an_escape(booked: Book, db_cli: Cli) -> None:
    for name in ("table", "json", "csv", "markdown"):
        outcome = db_cli("report", "--by", "project", "--format", name, "--project", "=1+1\x1b[31m").ok()
        assert "\x1b" not in outcome.stdout + outcome.stderr


def test_a_file_takes_the_table_whole(booked: Book, db_cli: Cli, tmp_path: Path) -> None:
    outcome = db_cli("report", "--by", "day", "--month", "2026-03", "-o", "out.txt").ok()
    assert (outcome.stdout, outcome.stderr) == ("", "")
    assert "cache storage credits" in (tmp_path / "out.txt").read_text()
    db_cli("report", "-o", "out.json").ok()
    assert json.loads((tmp_path / "out.json").read_text())["schema"] == 1
    failed = db_cli("report", "-o", "missing/out.json")
    assert failed.exit_code == 2
    assert "missing/out.json: can't be written" in failed.stderr


def test_filters_comparison_and_order(booked: Book, db_cli: Cli) -> None:
    options = ("--month", "2026-03", "--compare", "previous", "--sort", "change_usd", "--top", "1", "--json")
    document = db_cli("report", "--by", "model", *options).ok().json
    assert document["title"].endswith("compared with 2026-02; top 1 of 3 by change_usd")
    assert [row["model"] for row in document["rows"]] == [CODE]
    assert document["rows"][0]["previous_usd"] == "0"
    assert document["rows"][0]["change_percent"] is None
    only = db_cli("report", "--json", "--project", "search", "--model", MINI, "--since", "2026-03-31").ok().json
    assert [row["model"] for row in only["rows"]] == [MINI]


def test_what_isnt_alike_is_said_in_every_format(booked: Book, db_cli: Cli) -> None:
    """The ledger's first request is within February."""
    words = "this ledger's first request is of 2026-02-05, within the other period"
    options = ("report", "--month", "2026-03", "--compare", "previous")
    assert db_cli(*options, "--json").ok().json["compared_with"] == {
        "since": "2026-02-01T00:00:00Z",
        "until": "2026-03-01T00:00:00Z",
        "remarks": [{"reason": "begins_later", "message": words}],
    }
    assert db_cli(*options).ok().stdout.endswith(f"{words}\n")
    assert f"Note: {words}\n" in db_cli(*options, "--format", "csv").ok().stderr
    assert words in db_cli(*options, "--format", "markdown").ok().stdout


def test_another_zone(booked: Book, db_cli: Cli) -> None:
    document = db_cli("report", "--json", "--by", "day", "--timezone", "Asia/Shanghai", "--month", "2026-04").ok().json
    assert document["title"] == "Spend by day, 2026-04 (posted, Asia/Shanghai)"
    assert [row["day"] for row in document["rows"]] == ["2026-04-01"]


def test_reading_charges_is_said_on_standard_error(booked: Book, db_cli: Cli) -> None:
    outcome = db_cli("report", "--by", "tag:team", "--json").ok()
    assert [row["tag:team"] for row in outcome.json["rows"]] == ["a", None]
    assert outcome.stderr.startswith("Note: read from the charges themselves, not from the roll-ups: ")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--month", "2026-03", "--since", "2026-03-01"), "--month is a whole period"),
        (("--since", "2026-03-02", "--until", "2026-03-01"), "is not before"),
        (("--since", "2026-03-02T10:00"), "has no time zone"),
        (("--timezone", "Mars/Olympus"), "Mars/Olympus"),
        (("--by", "colour"), "'colour' isn't a dimension"),
        (("--sort", "colour"), "'colour' isn't a column"),
        (("--top", "0"), "0"),
        (("--compare", "previous"), "needs a period with a start"),
        (("--compare", "march"), "--compare 'march' isn't a month"),
        (("--by", "month", "--compare", "2026-03"), "leave out --by day"),
        (("--tag", "team"), "KEY=VALUE"),
        (("--json", "--format", "table"), "contradict"),
        (("--basis", "paid"), "paid"),
    ],
)
def test_wrong_use_is_one_line_and_exit_code_2(booked: Book, db_cli: Cli, options: tuple[str, ...], words: str) -> None:
    outcome = db_cli("report", *options)
    assert outcome.exit_code == 2
    assert outcome.stdout == ""
    assert words in outcome.stderr.splitlines()[-1]


def test_a_missing_ledger_is_named_and_not_made(cli: Cli, tmp_path: Path) -> None:
    for command in (("report",), ("export", "charges")):
        outcome = cli(*command, env={"TOLLBOOK_DB": "nowhere.db"})
        assert outcome.exit_code == 2
        assert "nowhere.db" in outcome.stderr
    assert list(tmp_path.iterdir()) == []


def test_export_adds_up_to_the_report(booked: Book, db_cli: Cli, tmp_path: Path) -> None:
    outcome = db_cli("export", "charges", "--month", "2026-03", "-o", "charges.csv").ok()
    assert outcome.stdout == ""
    assert (tmp_path / "charges.csv").read_bytes().count(b"\r\n") == 1 + 5
    rows = list(csv.DictReader((tmp_path / "charges.csv").read_text().splitlines()))
    total = db_cli("report", "--month", "2026-03", "--json").ok().json["total"]
    assert sum(Decimal(row["usd"]) for row in rows) == Decimal(total["usd"])
    assert outcome.stderr == (
        f"Note: control total: 5 lines of 2 charges, {total['credits']} CRD = {total['usd']} USD\n"
    )


def test_export_streams_to_standard_output(booked: Book, db_cli: Cli) -> None:
    lines = db_cli("export", "charges").ok().stdout.splitlines()
    assert lines[0].startswith("line_id,posted_seq,")
    document = db_cli("export", "charges", "--json").ok().json
    assert len(document["rows"]) == len(lines) - 1
    abroad = db_cli("export", "charges", "--json", "--month", "2026-04", "--timezone", "Asia/Shanghai").ok().json
    assert abroad["title"] == "Charges, 2026-04 (posted, Asia/Shanghai)"
    assert {row["occurred_at"] for row in abroad["rows"]} == {"2026-03-31T20:00:00Z"}
    refused = db_cli("export", "charges", "-o", "charges.pdf")
    assert refused.exit_code == 2
    assert "can't be written: give --format" in refused.stderr


def test_an_export_that_fails_leaves_the_old_file(booked: Book, db_cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "charges.csv").write_text("old")
    outcome = db_cli("export", "charges", "--since", "x", "-o", "charges.csv")
    assert outcome.exit_code == 2
    assert (tmp_path / "charges.csv").read_text() == "old"
    assert [path.name for path in tmp_path.iterdir() if path.suffix == ".tmp"] == []


def test_help_has_examples(cli: Cli) -> None:
    for command in (("report",), ("export", "charges"), ("price",)):
        text = cli(*command, "--help").ok().stdout
        assert "Examples:" in text
        assert f"tollbook {' '.join(command)} " in text


# --- what a total is made of ----------------------------------------------------------------------------------------


@pytest.fixture
def corrected(db_cli: Cli) -> Cli:
    """March's books with a void and a reassignment of closed February, late usage, an adjustment of either month.

    A request is (30,000 x 48 + 10,000 x 6.4 + 2,000 x 240) / 1M = 1.984 credits.
    """
    day = {"f1": "02-20", "f2": "02-21", "r1": "03-05", "r2": "03-06", "late": "02-22"}
    ingest(db_cli, request("f1", "2026-02-20", tags={"team": "a"}), request("f2", "2026-02-21"))
    close(db_cli, "2026-02")
    ingest(db_cli, *(request(name, f"2026-{day[name]}") for name in ("r1", "r2", "late")))
    db_cli("void", "--id", "f1").ok()
    db_cli("reassign", "--project", "search", "--to", "chat", "--id", "f2").ok()
    db_cli("void", "--id", "r2").ok()
    adjust(db_cli, "-12.50usd", "2026-02")
    adjust(db_cli, "720credits", "2026-03", reference="SC-1")
    return db_cli


ONE = Fraction(1_984, 1_000) / 72


def usd(exact: Fraction) -> str:
    return f"{Decimal(round(exact * 10**9)) / 10**9:f}"


CREDIT_NOTES = Fraction(-125, 10) + Fraction(720, 72)
EVERY_PART = [
    # options, corrections and adjustments, None where there is none
    (("--month", "2026-03"), -ONE, CREDIT_NOTES),
    (("--month", "2026-03", "--project", "search"), -2 * ONE, CREDIT_NOTES),
    (("--month", "2026-03", "--project", "chat", "--by", "day", "--by", "charge_class"), ONE, None),
    (("--month", "2026-03", "--model", CODE, "--top", "1"), -ONE, None),
    (("--month", "2026-03", "--by", "tag:team", "--tag", "team=a"), -ONE, None),
    (("--month", "2026-02"), None, None),
    (("--month", "2026-02", "--basis", "occurred"), -ONE, Fraction(-125, 10)),
    (("--since", "2026-02-28T23:59:59Z", "--by", "project"), -ONE, CREDIT_NOTES),
    ((), -ONE, CREDIT_NOTES),
    (("--basis", "occurred", "--by", "month", "--timezone", "Asia/Shanghai"), -ONE, CREDIT_NOTES),
]


@pytest.mark.parametrize(("options", "corrections", "adjustments"), EVERY_PART)
def test_corrections_of_closed_months_and_adjustments_are_named(
    corrected: Cli, options: tuple[str, ...], corrections: Fraction | None, adjustments: Fraction | None
) -> None:
    document = corrected("report", *options, "--json").ok().json
    assert document["corrections_usd"] == usd(corrections or Fraction())
    assert document["adjustments_usd"] == usd(adjustments or Fraction())
    shown = corrected("report", *options).ok().stdout.splitlines()[-1]
    for part, word in ((corrections, "corrections of closed months"), (adjustments, "adjustments")):
        assert (f"{usd(part)} USD {word}" in shown) if part is not None else (word not in shown)


def test_by_class_of_charge(corrected: Cli) -> None:
    options = ("--by", "charge_class", "--by", "project", "--month", "2026-03", "--json")
    rows = corrected("report", *options).ok().json["rows"]
    found = {(row["charge_class"], row["project"]): (row["requests"], row["usd"]) for row in rows}
    assert found == {
        # r1, r2 and the late one; f1 and f2 of February and r2 are taken back.
        ("charge", "search"): (3, usd(3 * ONE)),
        ("reversal", "search"): (-3, usd(-3 * ONE)),
        ("replacement", "chat"): (1, usd(ONE)),
        ("adjustment", "search"): (0, usd(CREDIT_NOTES)),
    }


def test_formats_without_lines_below_are_given_a_note(corrected: Cli) -> None:
    outcome = corrected("report", "--month", "2026-03", "--format", "csv").ok()
    assert f"Note: in the total: {usd(-ONE)} USD corrections of closed months, -2.5 USD adjustments\n" in outcome.stderr
    assert corrected("report", "--month", "2026-02", "--format", "csv").ok().stderr == ""


# --- what waits in quarantine ---------------------------------------------------------------------------------------

NOTHING = {"lines": 0, "tokens": 0, "usd": "0", "priced_lines": 0, "undated_lines": 0, "conflicts": 0}


@pytest.fixture
def waiting(db_cli: Cli) -> Cli:
    """A line of March booked, and waiting: one of an unknown model, two contradictions, one of search, one undated."""
    first = record("a", occurred_at="2026-03-05T00:00:00Z", requested_model=MINI, project="ide")
    held = [
        record("b", occurred_at="2026-03-06T00:00:00Z", requested_model="doubao-next", project="ide", output_tokens=90),
        {**first, "output_tokens": 50},
        record("c", occurred_at=..., requested_model=MINI),
    ]
    db_cli("ingest", "-", stdin=lines([first, *held]))
    return db_cli


def test_where_usage_waits_in_quarantine_the_total_is_at_least(waiting: Cli) -> None:
    march = ("report", "--by", "project", "--month", "2026-03")
    shown = waiting(*march).ok().stdout
    assert re.search(r"^total, at least +1 ", shown, re.MULTILINE)
    words = (
        "not booked: 3 lines in quarantine, 112 tokens, 3 without a price, 1 conflict with what is booked, "
        "1 without a date: 'tollbook quarantine list'"
    )
    assert " ".join(shown.split()).endswith(words)
    asked = waiting(*march, "--json").ok()
    # 10 in and 90 out, and of the undated one 10 in and 2 out.
    assert asked.json["not_booked"] == NOTHING | {"lines": 3, "tokens": 112, "undated_lines": 1, "conflicts": 1}
    assert asked.stderr == ""
    assert f"Note: {words}" in waiting(*march, "--format", "csv").ok().stderr
    assert "| total, at least |" in waiting(*march, "--format", "markdown").ok().stdout
    # What has no date may be of any month; an unknown model may be any model.
    assert waiting("report", "--month", "2026-01", "--json").json["not_booked"]["lines"] == 1
    assert waiting(*march, "--project", "search", "--json").json["not_booked"]["lines"] == 1
    assert waiting(*march, "--model", PRO, "--json").json["not_booked"]["lines"] == 2


def test_what_was_settled_no_longer_waits(waiting: Cli) -> None:
    Path("next.toml").write_text(
        'provider = "evolink"\ncurrency = "CRD"\nper_tokens = 1_000_000\n[[model]]\nid = "doubao-next"\n'
        '[[model.price]]\neffective_from = 2026-02-01\ntiers = [{ input = "0", output = "720" }]\n',
        encoding="utf-8",
    )
    waiting("rates", "add", "next.toml").ok()
    march = ("report", "--by", "project", "--month", "2026-03")
    # Now it has a price: 90 tokens at 10 USD per 1M.
    assert waiting(*march, "--json").json["not_booked"]["usd"] == "0.0009"
    assert "0.0009 USD for 1 of them, 2 without a price" in " ".join(waiting(*march).stdout.split())
    waiting("quarantine", "retry")
    waiting("quarantine", "accept", "2").ok()
    waiting("quarantine", "discard", "3", "--reason", "a test").ok()
    assert waiting(*march, "--json").json["not_booked"] == NOTHING
    shown = waiting(*march).ok().stdout
    assert re.search(r"^total +2 ", shown, re.MULTILINE)
    assert "not booked" not in shown


def test_a_closed_month_says_for_ever_what_waited_and_the_next_one_what_still_does(waiting: Cli) -> None:
    waiting("close", "2026-03", "--force", "--reason", "a test").ok()
    march = ("report", "--by", "project", "--month", "2026-03", "--format", "json")
    before = waiting(*march).ok().stdout
    assert json.loads(before)["not_booked"]["lines"] == 3
    # It would be booked in April now.
    assert waiting("report", "--month", "2026-04", "--json").json["not_booked"]["lines"] == 3
    assert waiting("report", "--month", "2026-05", "--json").json["not_booked"]["lines"] == 1
    later = record("d", occurred_at="2026-03-07T00:00:00Z", requested_model="doubao-next")
    waiting("ingest", "-", stdin=lines([later]))
    waiting("quarantine", "discard", "1", "2", "--reason", "a test").ok()
    assert waiting(*march).ok().stdout == before
    assert waiting("report", "--month", "2026-04", "--json").json["not_booked"]["lines"] == 2
    occurred = waiting("report", "--month", "2026-03", "--basis", "occurred", "--json")
    assert occurred.json["not_booked"]["lines"] == 2


def test_months_closed_together_each_say_what_waited_for_them(waiting: Cli) -> None:
    waiting("close", "--through", "2026-04", "--force", "--reason", "a test").ok()
    found = {
        month: waiting("report", "--month", month, "--json").ok().json["not_booked"]["lines"]
        for month in ("2026-02", "2026-03", "2026-04", "2026-05", "2026-06")
    }
    # April is closed after March, whose lines would have been booked in it; so would they in May now.
    assert found == {"2026-02": 1, "2026-03": 3, "2026-04": 3, "2026-05": 3, "2026-06": 1}
