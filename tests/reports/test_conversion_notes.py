"""Conversions that purchases contradict, or that nobody has checked for long: where it is said, and from when on."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
import time_machine

from ledger.reports.conversion_notes import Sold
from pricing.card_file import CardFile, parse_card
from pricing.money import INT64_MAX, NANO, Conversion
from tests.conftest import Cli, Outcome
from tests.helpers.ledgers import PRO, flat_card
from tests.helpers.wallets import close, draw, top_up, use

MARCH = "2026-03"
CHECKED = "2026-03-01"
IN_FORCE = Conversion("CRD", 72 * NANO, datetime(2026, 3, 1, tzinfo=UTC))


def convert(cli: Cli, per_usd: object, start: str, *options: str, checked_on: str = CHECKED) -> Outcome:
    of = ["--per-usd", per_usd, "--from", start, "--checked-on", checked_on]
    return cli("rates", "conversion", "add", *of, *options).ok()


def report_notes(cli: Cli, *options: str) -> list[dict[str, Any]]:
    """The notes of a report; JSON has no such key without one."""
    found = cli("report", *options, "--json").ok()
    notes: list[dict[str, Any]] = found.json.get("conversion_notes", [])
    assert len(notes) == found.stderr.count("Note: the conversion of ")
    return notes


def of_march(cli: Cli) -> list[dict[str, Any]]:
    return report_notes(cli, "--month", MARCH)


def differences(notes: Sequence[dict[str, Any]]) -> list[tuple[str, str, str]]:
    bought = [note for note in notes if note["kind"] == "purchases"]
    return [(note["found_per_usd"], note["found_on"], note["moves_usd"]) for note in bought]


@pytest.fixture
def book(db_cli: Cli) -> Cli:
    """10 credits used on 5 and 25 March, at 72 a USD, which was checked on 1 March."""
    convert(db_cli, 72, "2026-03-01")
    use(db_cli, ("2026-03-05", 10), ("2026-03-25", 10))
    return db_cli


# --- purchases ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("credits", "paid", "is_over"),
    [
        (72 * NANO, NANO, False),
        (72_720_000_000, NANO, False),  # 72 * 1.01: exactly 1 %
        (72_720_000_001, NANO, True),
        (71_280_000_000, NANO, False),  # 72 * 0.99
        (71_279_999_999, NANO, True),
        (10_000 * NANO, 138_890_000_000, False),  # 71.9994…
        (10_000 * NANO, 147_060_000_000, True),  # 67.9994…
    ],
)
def test_more_than_one_percent_is_exact(credits: int, paid: int, is_over: bool) -> None:
    assert Sold("2026-03-20", credits, paid).contradicts(IN_FORCE) is is_over


def test_what_a_purchase_moves_is_rounded_once() -> None:
    bought = Sold("2026-03-20", 68 * NANO, NANO)
    # 7,200/68 - 7,200/72 = 105.882352941… - 100
    assert bought.moves_nano(7_200 * NANO, IN_FORCE) == round(Fraction(7_200 * NANO, 68) - 100 * NANO) == 5_882_352_941
    assert bought.moves_nano(-7_200 * NANO, IN_FORCE) == -5_882_352_941
    assert Sold("2026-03-20", 80 * NANO, NANO).moves_nano(7_200 * NANO, IN_FORCE) == -10 * NANO


@pytest.mark.parametrize(("credits", "paid", "per_usd"), [(1, 10**18, 1), (10**18, 1, INT64_MAX), (1, 3, 333_333_333)])
def test_a_purchases_figure_is_one_that_a_conversion_may_have(credits: int, paid: int, per_usd: int) -> None:
    assert Sold("2026-03-20", credits, paid).per_usd_nano == per_usd


def test_a_purchase_at_another_figure_is_told_with_what_it_moves_and_what_mends_it(book: Cli) -> None:
    top_up(book, 680, "2026-03-20", paid="10usd").ok()
    found = book("report", "--month", MARCH, "--json").ok()
    # 10/68 - 10/72, of 25 March alone
    assert found.json["conversion_notes"] == [
        {
            "kind": "purchases", "provider": "evolink", "currency": "CRD", "per_usd": "72",
            "effective_from": "2026-03-01T00:00:00Z", "checked_on": "2026-03-01", "found_on": "2026-03-20",
            "found_per_usd": "68", "difference_percent": "-5.6", "moves_usd": "0.008169935",
            "command": "tollbook rates conversion add --provider evolink --per-usd 68 --from 2026-03-20",
        }
    ]  # fmt: skip
    assert found.stderr == (
        "Note: the conversion of evolink is 72 CRD = 1 USD, but credits were bought at 68 on 2026-03-20, 5.6 % less: "
        "usage from then on costs 0.008169935 USD more by that; "
        "'tollbook rates conversion add --provider evolink --per-usd 68 --from 2026-03-20' mends it, "
        "and 'tollbook reprice' what is booked\n"
    )


@pytest.mark.parametrize("zone", ["UTC", "Asia/Shanghai", "America/New_York"])
def test_the_command_mends_it_and_repricing_moves_what_was_said(cli: Cli, zone: str) -> None:
    cli("db", "init", "--timezone", zone).ok()
    use(cli, ("2026-03-19", 9), ("2026-03-20", 9), ("2026-03-21", 18))
    # Either side of the UTC midnight at which a conversion of that day begins.
    use(cli, ("2026-03-19", 18), occurred_at="2026-03-19T23:59:59Z")
    use(cli, ("2026-03-20", 18), occurred_at="2026-03-20T00:00:00Z")
    top_up(cli, 60, "2026-03-20").ok()
    [note] = of_march(cli)
    # 45 credits: 0.75 USD at 60, 0.625 at 72
    assert note["moves_usd"] == "0.125"
    before = cli("report", "--month", MARCH, "--json").ok().json["total"]["usd"]
    cli(*note["command"].split()[1:]).ok()
    cli("reprice", "--since", "2026-03-01", "--reason", "bought at 60").ok()
    after = cli("report", "--month", MARCH, "--json").ok()
    assert Fraction(after.json["total"]["usd"]) - Fraction(before) == Fraction("0.125")
    assert "conversion_notes" not in after.json


def test_the_latest_purchase_counts(book: Cli) -> None:
    top_up(book, 720, "2026-03-02", paid="10usd").ok()
    assert of_march(book) == []
    top_up(book, 680, "2026-03-20", paid="10usd").ok()
    assert differences(of_march(book)) == [("68", "2026-03-20", "0.008169935")]
    # Of one day the one that was recorded last.
    top_up(book, 720, "2026-03-20", paid="10usd").ok()
    assert of_march(book) == []


def test_what_was_not_bought_or_not_yet_does_not_count(book: Cli) -> None:
    top_up(book, 5_000, "2026-03-20", paid=None).ok()
    draw(book, 5, "2026-03-21").ok()
    top_up(book, 680, "2026-03-26", paid="10usd").ok()  # after the last usage
    assert of_march(book) == []
    use(book, ("2026-03-26", 10))
    assert differences(of_march(book)) == [("68", "2026-03-26", "0.008169935")]


def test_a_purchase_before_the_ledgers_first_conversion_has_none_to_differ_from(book: Cli) -> None:
    top_up(book, 680, "2026-01-31", paid="10usd").ok()
    assert of_march(book) == []


def test_a_purchase_on_the_conversions_own_day_replaces_it(book: Cli) -> None:
    top_up(book, 680, "2026-03-01", paid="10usd").ok()
    [note] = of_march(book)
    assert note["command"].endswith(" --per-usd 68 --from 2026-03-01 --replace --reason R")
    book(*note["command"].split()[1:]).ok()
    assert of_march(book) == []


def test_each_conversion_is_compared_with_its_own_purchases(book: Cli) -> None:
    top_up(book, 680, "2026-03-02", paid="10usd").ok()
    convert(book, 68, "2026-03-20", checked_on="2026-03-20")
    # What was bought under 72 says nothing of 68, and moves what was used until then.
    assert differences(of_march(book)) == [("68", "2026-03-02", "0.008169935")]
    use(book, ("2026-04-02", 10))
    assert report_notes(book, "--month", "2026-04") == []
    assert differences(report_notes(book)) == [("68", "2026-03-02", "0.008169935")]


def test_filters_and_months_narrow_what_it_moves(book: Cli) -> None:
    top_up(book, 680, "2026-03-20", paid="10usd").ok()
    use(book, ("2026-04-02", 20), project="search", tags={"team": "blue"})
    twice = ("68", "2026-03-20", "0.016339869")
    assert differences(report_notes(book, "--month", "2026-04")) == [twice]
    assert differences(report_notes(book, "--project", "search")) == [twice]
    assert differences(report_notes(book, "--tag", "team=blue")) == [twice]
    # 30/68 - 30/72
    assert differences(report_notes(book, "--basis", "occurred")) == [("68", "2026-03-20", "0.024509804")]
    assert report_notes(book, "--project", "none") == []


def test_a_card_in_usd_and_a_ledger_without_a_wallet_have_nothing_to_compare(book: Cli, tmp_path: Path) -> None:
    assert of_march(book) == []
    card = flat_card(PRO, "2026-02-01", input=1, cached_input=1, output=1)
    (tmp_path / "direct.toml").write_text(card.replace("evolink", "direct").replace("CRD", "USD"), encoding="utf-8")
    book("rates", "add", "direct.toml").ok()
    top_up(book, 680, "2026-03-20", "--provider", "direct", paid="10usd").ok()
    use(book, ("2026-03-28", 1), provider="direct")
    assert of_march(book) == []
    assert book("status", "--json").ok().json["conversion_notes"][1:] == []


# --- age ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("last_day", "is_told"), [("2026-03-31", False), ("2026-04-01", True)])
def test_a_check_30_days_before_the_last_usage_is_young_enough(book: Cli, last_day: str, is_told: bool) -> None:
    use(book, (last_day, 10))
    notes = report_notes(book)
    assert bool(notes) is is_told
    # As of the month that is over long ago, whatever happened since.
    assert of_march(book) == []
    if is_told:
        assert notes == [
            {
                "kind": "age", "provider": "evolink", "currency": "CRD", "per_usd": "72",
                "effective_from": "2026-03-01T00:00:00Z", "checked_on": "2026-03-01", "found_on": None,
                "found_per_usd": None, "difference_percent": None, "moves_usd": None,
                "command": "tollbook rates conversion add --provider evolink --per-usd N --from DATE",
            }
        ]  # fmt: skip


def test_a_later_check_is_one_of_all_usage_before_it(book: Cli) -> None:
    use(book, ("2026-04-20", 10))
    assert [note["kind"] for note in report_notes(book)] == ["age"]
    convert(book, 72, "2026-05-01", checked_on="2026-05-01")
    assert report_notes(book) == []


def test_one_that_was_never_checked_is_told(book: Cli) -> None:
    use(book, ("2026-03-20", 1), provider="volcengine")
    found = book("report", "--month", MARCH, "--json").ok()
    assert [note["checked_on"] for note in found.json["conversion_notes"]] == [None]
    assert "Note: the conversion of volcengine was never checked (7.2 CNY = 1 USD): look it up, then" in found.stderr
    # A provider's age ends with its own last month.
    use(book, ("2026-06-01", 1), provider="volcengine")
    assert [note["provider"] for note in report_notes(book)] == ["volcengine"]


def test_a_check_that_a_card_file_brings_counts_though_no_row_has_it(book: Cli, tmp_path: Path) -> None:
    """As a later release does, whose card has a conversion that is recorded already and a new day of its check."""
    use(book, ("2026-03-20", 1), provider="volcengine")
    assert [note["provider"] for note in of_march(book)] == ["volcengine"]
    card = flat_card("another", "2026-02-01", input=1, cached_input=1, output=1)
    checked = '[[conversion]]\nper_usd = "7.2"\neffective_from = 2026-02-01\nchecked_on = 2026-03-02\n[[model]]'
    text = card.replace("[[model]]", checked).replace("evolink", "volcengine").replace("CRD", "CNY")
    (tmp_path / "checked.toml").write_text(text, encoding="utf-8")
    book("rates", "add", "checked.toml").ok()
    assert of_march(book) == []


@pytest.mark.parametrize(("day", "is_told"), [("2026-03-31", False), ("2026-04-01", True)])
def test_status_is_as_of_today(book: Cli, day: str, is_told: bool) -> None:
    with time_machine.travel(f"{day}T12:00:00Z", tick=False):
        found = book("status", "--json").ok()
    assert [note["kind"] for note in found.json["conversion_notes"]] == ["age"] * is_told
    assert ("the conversion of evolink was last checked on 2026-03-01" in found.stderr) is is_told


# --- where it is said -----------------------------------------------------------------------------------------------


def test_status_says_what_is_to_come_before_there_is_usage(db_cli: Cli) -> None:
    convert(db_cli, 72, "2026-03-01")
    top_up(db_cli, 680, "2026-03-20", paid="10usd").ok()
    notes = db_cli("status", "--json").ok().json["conversion_notes"]
    assert differences(notes) == [("68", "2026-03-20", "0")]


def test_a_dry_run_of_a_close_says_it_by_month_and_stops_nothing(book: Cli) -> None:
    top_up(book, 680, "2026-03-20", paid="10usd").ok()
    use(book, ("2026-03-31", 10), ("2026-04-30", 10))
    found = book("close", "--through", "2026-04", "--dry-run", "--json").ok()
    [march, april] = [each["conversion_notes"] for each in found.json["closed"]]
    assert differences(march) == [("68", "2026-03-20", "0.016339869")]
    assert [note["kind"] for note in april] == ["purchases", "age"]
    assert "Note: 2026-03: the conversion of evolink is 72 CRD = 1 USD, but credits were bought at 68" in found.stderr
    done = book("close", "--through", "2026-03", "--json").ok()
    assert "conversion_notes" not in done.json["closed"][0]
    assert done.stderr == ""


def test_the_page_of_an_open_month_says_it(book: Cli) -> None:
    top_up(book, 680, "2026-03-20", paid="10usd").ok()
    page = book("budget", "report", "--month", MARCH, "--format", "markdown").ok().stdout
    assert "- **Conversion**: the conversion of evolink is 72 CRD = 1 USD, but credits were bought at 68" in page
    document = book("budget", "report", "--month", MARCH, "--format", "json").ok().json
    assert document["conversion_notes"] == of_march(book)
    table = book("budget", "report", "--month", MARCH, "--format", "csv").ok().stdout
    assert "conversion_notes,1,purchases,moves_usd,0.008169935" in table
    assert "0.008169935 USD more" in book("report", "--month", MARCH, "--format", "html").ok().stdout


def test_nothing_is_said_of_closed_months(book: Cli) -> None:
    top_up(book, 680, "2026-03-20", paid="10usd").ok()
    use(book, ("2026-03-31", 10))
    close(book, MARCH)
    assert of_march(book) == report_notes(book) == []
    assert "conversion_notes" not in book("budget", "report", "--month", MARCH, "--format", "json").ok().json
    # What is posted in an open month counts alone.
    use(book, ("2026-03-30", 10))
    assert differences(report_notes(book)) == [("68", "2026-03-20", "0.008169935")]


def test_a_doubt_reads_the_card_files_of_its_provider_alone(
    book: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A card with hundreds of models takes longer to read than the report."""
    card = flat_card("m", "2026-03-01", input=1, cached_input=1, output=1)
    for text in (card, card.replace("evolink", "acme").replace("CRD", "USD")):
        (tmp_path / "card.toml").write_text(text)
        book("rates", "add", "card.toml").ok()
    top_up(book, 680, "2026-03-20", paid="10usd").ok()
    read: list[str] = []

    def parsed(text: str, name: str) -> CardFile:
        file = parse_card(text, name)
        read.append(file.provider)
        return file

    monkeypatch.setattr("ledger.book.prices.in_force.parse_card", parsed)
    assert differences(of_march(book)) == [("68", "2026-03-20", "0.008169935")]
    assert read == ["evolink"]
