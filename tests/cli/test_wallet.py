"""`tollbook wallet`: what it says in each format, what it refuses, and what it makes."""

from __future__ import annotations

import csv
import io
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Cli
from tests.helpers.ledgers import rows, value
from tests.helpers.wallets import balance, close, draw, items, statement, top_up, use

MARCH = "2026-03"


# --- recording ------------------------------------------------------------------------------------------------------


def test_a_top_up_as_the_contract_words_it(db_cli: Cli, db_url: str) -> None:
    command = "wallet topup --credits 10000 --paid 138.89usd --on 2026-03-01 --reference INV-7 --expires 2027-02-28"
    found = db_cli(*command.split(), "--json").ok()
    assert found.json == {
        "schema": 1, "number": 1, "kind": "purchased", "provider": "evolink", "credits": "10000", "currency": "CRD",
        "paid_usd": "138.89", "on": "2026-03-01", "expires": "2027-02-28", "reference": "INV-7", "reason": None,
        "repeated": False,
    }  # fmt: skip
    assert found.stderr == ""
    again = db_cli(*command.split()).ok()
    assert again.stderr == "Note: this reference was recorded already, as number 1: nothing was added\n"
    columns = "kind, provider, currency, credits_nano, paid_nano, day, expires, reason, reference"
    assert rows(db_url, f"SELECT {columns} FROM wallet_moves") == [
        ("purchased", "evolink", "CRD", 10_000 * 10**9, 138_890_000_000, "2026-03-01", "2027-02-28", None, "INV-7")
    ]


def test_grants_cost_nothing_and_draws_say_why(db_cli: Cli, db_url: str) -> None:
    of = ["wallet", "topup", "--credits", "0.5", "--on", "2026-03-01", "--grant"]
    db_cli(*of, "--reference", "G-1").ok()
    db_cli(*of, "--reference", "G-2", "--paid", "0usd").ok()
    found = draw(db_cli, 120, "2026-03-09").ok().json
    assert (found["number"], found["kind"], found["credits"], found["reason"]) == (3, "draw", "120", "images")
    assert rows(db_url, "SELECT kind, paid_nano, reason FROM wallet_moves ORDER BY id") == [
        ("granted", 0, None),
        ("granted", 0, None),
        ("draw", 0, "images"),
    ]


def test_topup_and_draw_make_a_ledger_and_reading_does_not(cli: Cli, tmp_path: Path) -> None:
    for command in (["balance"], ["statement", "--month", MARCH]):
        outcome = cli("wallet", *command)
        assert (outcome.exit_code, outcome.stdout) == (2, "")
        assert "there is no ledger at tollbook.db" in outcome.stderr
    assert list(tmp_path.iterdir()) == []
    top_up(cli, 10, "2026-03-01").ok()
    assert (tmp_path / "tollbook.db").exists()


GOOD = {"--credits": "10", "--paid": "1usd", "--on": "2026-03-01", "--reference": "X"}


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"--credits": "0"}, "--credits 0: give more than 0"),
        ({"--credits": "-1"}, "--credits -1: give more than 0"),
        ({"--credits": "5000000000"}, "below 4.6 billion"),
        ({"--credits": "1,000"}, "'1,000' isn't a plain decimal"),
        ({"--credits": "1e3"}, "'1e3' isn't a plain decimal"),
        ({"--credits": "0.0000000001"}, "at most 9 places"),
        ({"--credits": "10credits"}, "plain decimal"),
        ({"--paid": None}, "say what the credits cost"),
        ({"--paid": "1"}, "isn't an amount"),
        ({"--paid": "1cny"}, "give it in usd"),
        ({"--paid": "-1usd"}, "is negative"),
        ({"--paid": "0usd"}, "or --grant"),
        ({"--paid": "138,89usd"}, "isn't an amount"),
        ({"--grant": ""}, "--grant and --paid 1usd contradict each other"),
        ({"--on": "2026-02-30"}, "--on '2026-02-30' isn't a day"),
        ({"--on": "20260301"}, "isn't a day"),
        ({"--on": "2026-03-01T00:00:00Z"}, "isn't a day"),
        ({"--on": "1969-12-31"}, "from 1970 to 9998"),
        ({"--expires": "2026-02-28"}, "--expires 2026-02-28 is before --on 2026-03-01"),
        ({"--expires": "never"}, "--expires 'never' isn't a day"),
        ({"--reference": " "}, "--reference ' ': give 1 to"),
        ({"--reference": "x" * 5_000}, "give 1 to"),
        ({"--provider": "nobody"}, "provider 'nobody' has no rate card: give evolink or volcengine"),
    ],
    ids=lambda given: str(given)[:40] if isinstance(given, dict) else "",
)
def test_what_can_not_be_meant_is_refused(db_cli: Cli, db_url: str, changes: dict[str, Any], words: str) -> None:
    options = {name: text for name, text in (GOOD | changes).items() if text is not None}
    outcome = db_cli("wallet", "topup", *(part for pair in options.items() for part in pair if part))
    assert (outcome.exit_code, outcome.stdout, outcome.stderr.count("Error")) == (2, "", 1)
    assert words in outcome.stderr
    assert value(db_url, "SELECT count(*) FROM wallet_moves") == 0


def test_a_draw_needs_a_reason(db_cli: Cli) -> None:
    of = ["wallet", "draw", "--credits", "1", "--on", "2026-03-01", "--reference", "X"]
    assert db_cli(*of).exit_code == 2
    outcome = db_cli(*of, "--reason", " ")
    assert (outcome.exit_code, "--reason ' ': give 1 to" in outcome.stderr) == (2, True)


def test_a_top_up_dated_ahead_counts_from_its_day_on(db_cli: Cli) -> None:
    top_up(db_cli, 5, "2026-03-01").ok()
    ahead = top_up(db_cli, 10, "2099-01-01").ok()
    assert ahead.stderr == "Note: 2099-01-01 is still to come: it counts from then on\n"
    assert balance(db_cli) == ("5", "0")
    assert balance(db_cli, "--at", "2099-01-01") == ("15", "0")


# --- balance --------------------------------------------------------------------------------------------------------


@pytest.fixture
def march(db_cli: Cli) -> Cli:
    """280 bought, 40 granted until 20 April; 14 used on the tenth and on the last, 7 drawn on the 26th."""
    top_up(db_cli, 280, "2026-03-01", paid="4usd").ok()
    top_up(db_cli, 40, "2026-03-01", "--expires", "2026-04-20", paid=None, reference="=WELCOME").ok()
    use(db_cli, ("2026-03-10", 14), ("2026-03-31", 14))
    draw(db_cli, 7, "2026-03-26").ok()
    return db_cli


def test_a_balance_by_lot_with_what_expires_and_how_long_it_lasts(march: Cli) -> None:
    found = march("wallet", "balance", "--at", "2026-03-31", "--json").ok().json
    assert (found["schema"], found["provider"], found["currency"], found["at"]) == (1, "evolink", "CRD", "2026-03-31")
    assert (found["balance"], found["overdrawn"]) == ("285", "0")
    assert found["rows"] == [
        {
            "lot": 2, "kind": "granted", "on": "2026-03-01", "reference": "=WELCOME", "credits": "40", "used": "35",
            "expired": "0", "remaining": "5", "expires": "2026-04-20", "paid_usd": "0",
        },
        {
            "lot": 1, "kind": "purchased", "on": "2026-03-01", "reference": "2026-03-01-280", "credits": "280",
            "used": "0", "expired": "0", "remaining": "280", "expires": None, "paid_usd": "4",
        },
    ]  # fmt: skip
    assert found["expiring"] == [{"expires": "2026-04-20", "credits": "5"}]
    # 25 to 31 March: 14 used and 7 drawn, 3 a day; 4 to 31 March: 14 more, 35 / 28 = 1.25 a day.
    assert found["runway"] == [
        {"trailing_days": 7, "credits_a_day": "3", "days": "95"},
        {"trailing_days": 28, "credits_a_day": "1.25", "days": "228"},
    ]


def test_trailing_days_end_with_the_day_itself(db_cli: Cli) -> None:
    top_up(db_cli, 100, "2026-03-01").ok()
    use(db_cli, ("2026-03-03", 20), ("2026-03-04", 7), ("2026-03-24", 14), ("2026-03-25", 7))
    found = db_cli("wallet", "balance", "--at", "2026-03-31", "--json").ok().json
    # 25 to 31 March, and 4 to 31 March: 7 / 7 and (7 + 14 + 7) / 28.
    assert [each["credits_a_day"] for each in found["runway"]] == ["1", "1"]
    assert [each["days"] for each in found["runway"]] == ["52", "52"]


def test_credits_that_expire_unused_do_not_make_it_last_longer(db_cli: Cli) -> None:
    top_up(db_cli, 100, "2026-03-01", "--expires", "2026-04-02").ok()
    top_up(db_cli, 10, "2026-03-01").ok()
    use(db_cli, ("2026-03-31", 14))
    found = db_cli("wallet", "balance", "--at", "2026-03-31", "--json").ok().json
    # 2 a day: two days of the lot that ends on 2 April, then 10 / 2; and 0.5 a day: two days, then 10 / 0.5.
    assert [each["days"] for each in found["runway"]] == ["7", "22"]


def test_what_ends_on_a_day_is_gone_at_its_end_and_today_still_there(db_cli: Cli) -> None:
    today = datetime.now(UTC).date()
    top_up(db_cli, 5, "2026-03-01", "--expires", "2026-03-20").ok()
    top_up(db_cli, 7, "2026-03-01", "--expires", today.isoformat()).ok()
    assert balance(db_cli, "--at", "2026-03-19") == ("12", "0")
    assert balance(db_cli, "--at", "2026-03-20T23:59:59Z") == ("12", "0")
    assert balance(db_cli, "--at", "2026-03-20") == ("7", "0")
    assert balance(db_cli) == ("7", "0")
    assert balance(db_cli, "--at", today.isoformat()) == ("0", "0")
    found = db_cli("wallet", "balance", "--at", "2026-03-20", "--json").ok().json
    assert [(row["lot"], row["expired"], row["remaining"]) for row in found["rows"]] == [(2, "0", "7"), (1, "5", "0")]


def test_a_balance_for_people(march: Cli) -> None:
    use(march, ("2026-04-01", 20))
    shown = march("wallet", "balance", "--at", "2026-03-31").ok().stdout
    assert "Wallet of evolink on 2026-03-31, CRD" in shown
    assert "285 credits left." in shown
    assert "5 credits expire at the end of 2026-04-20, if nothing is used." in shown
    assert "At the rate of the last 7 days (3 credits a day) it lasts 95 days." in shown
    draw(march, 400, "2026-03-31").ok()
    shown = march("wallet", "balance", "--at", "2026-03-31").ok().stdout
    assert "0 credits left. 115 credits overdrawn: the next top-up repays it." in shown
    assert "it lasts 0 days" in shown
    assert "nothing is used up" in march("wallet", "balance", "--at", "2026-03-01").ok().stdout


@pytest.mark.parametrize("at", ["2026-02-30", "2026-03-01T00:00:00", "yesterday", "", "2026-03-01 noon"])
def test_a_day_that_is_none_is_refused(march: Cli, at: str) -> None:
    outcome = march("wallet", "balance", "--at", at)
    assert (outcome.exit_code, outcome.stdout, outcome.stderr.count("Error: --at")) == (2, "", 1)


# --- statement ------------------------------------------------------------------------------------------------------


def test_a_statement_as_csv_and_markdown_keeps_text_text(march: Cli) -> None:
    data = march("wallet", "statement", "--month", MARCH, "--format", "csv").ok().stdout
    found = list(csv.DictReader(io.StringIO(data, newline="")))
    assert list(found[0]) == ["day", "item", "lot", "reference", "credits", "paid_usd", "balance"]
    assert [row["reference"] for row in found[:3]] == ["", "'=WELCOME", "2026-03-01-280"]
    assert sum(int(row["credits"] or 0) for row in found) == 285
    assert (found[0]["balance"], found[-1]["balance"], found[2]["paid_usd"]) == ("0", "285", "4")
    shown = march("wallet", "statement", "--month", MARCH, "--format", "markdown").ok().stdout
    assert "| 2026-03-26 | draw |  | draw-2026-03-26-7 | -7 |  | 299 |" in shown
    assert "| day | item | lot |" in shown


def test_a_statement_as_json_has_the_transfers_and_what_each_account_moved(march: Cli) -> None:
    found = statement(march, MARCH)
    assert (found["schema"], found["closed"], found["until"]) == (1, False, "2026-03-31")
    assert found["opening"] == {"balance": "0", "overdrawn": "0"}
    assert found["closing"] == {"balance": "285", "overdrawn": "0"}
    assert found["accounts"] == {
        "purchased": "-280", "granted": "-40", "balance": "285", "used": "28", "adjustment": "7", "expired": "0",
        "overdrawn": "0",
    }  # fmt: skip
    assert {"day": "2026-03-26", "from": "balance", "to": "adjustment", "lot": 2, "credits": "7"} in found["entries"]
    close(march, MARCH)
    assert statement(march, MARCH) == found | {"closed": True, "title": "Wallet of evolink, 2026-03 (closed), CRD"}


def test_a_running_months_statement_goes_up_to_today(db_cli: Cli) -> None:
    today = datetime.now(UTC).date()
    tomorrow = (today + timedelta(days=1)).isoformat()
    top_up(db_cli, 5, today.isoformat()).ok()
    top_up(db_cli, 7, tomorrow).ok()
    month, day = f"{today:%Y-%m}", f"{today:%d}"
    assert items(db_cli, month)[-2:] == [f"{day} purchased 5 = 5", f"{day} balance so far = 5"]
    outcome = db_cli("wallet", "statement", "--month", "2099-01")
    assert (outcome.exit_code, f"give a month up to {month}" in outcome.stderr) == (2, True)


def test_no_control_of_a_reference_reaches_the_terminal(db_cli: Cli) -> None:
    top_up(db_cli, 5, "2026-03-01", reference="\x1b[31mred\u202e").ok()
    for command in (["statement", "--month", MARCH], ["balance"]):
        for file_format in ("table", "csv", "markdown", "json"):
            shown = db_cli("wallet", *command, "--format", file_format).ok().stdout
            assert "\x1b" not in shown
            assert "\u202e" not in shown
