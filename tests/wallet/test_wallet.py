"""Wallets over months: worked out while they are open, written as they close, and going on from there."""

from __future__ import annotations

from datetime import UTC, datetime
from fractions import Fraction
from zoneinfo import ZoneInfo

import pytest

from ledger.store.opening import open_ledger
from ledger.values.calendar import last_day
from ledger.wallet.book import Until, month_until
from ledger.wallet.entries import _parts
from ledger.wallet.lot_costs import MonthCosts
from ledger.wallet.month import MonthWallet, month_wallets
from pricing.money import format_nano
from tests.conftest import Cli, Outcome
from tests.helpers.ledgers import execute, rows, tamper, value
from tests.helpers.wallets import balance, close, draw, items, statement, top_up, use

FEBRUARY, MARCH, APRIL, MAY = ("2026-02", "2026-03", "2026-04", "2026-05")
NANO = 10**9


def entries(url: str) -> list[str]:
    """Entries that closes wrote, in short: `1 04 balance 2>used 3` is 3 of lot 2, by the first close."""
    query = "SELECT closing_id, day, from_account, lot_id, to_account, amount_nano FROM wallet_entries ORDER BY id"
    return [
        f"{closing} {day[8:]} {source}{'' if lot is None else f' {lot}'}>{target} {nano // NANO}"
        for closing, day, source, lot, target, nano in rows(url, query)
    ]


def costs(url: str, month: str, provider: str = "evolink") -> MonthCosts:
    return wallets(url, month)[provider].costs


def wallets(url: str, month: str) -> dict[str, MonthWallet]:
    """The wallets of a month that is over."""
    database = open_ledger(url)
    with database.reading() as connection:
        found = month_wallets(connection, month, None, zone=database.zone, now=datetime(2030, 1, 1, tzinfo=UTC))
    return {wallet.provider: wallet for wallet in found}


def test_a_month_by_hand_open_and_closed(db_cli: Cli, db_url: str) -> None:
    top_up(db_cli, 10, "2026-03-01", paid="5usd").ok()
    top_up(db_cli, 4, "2026-03-01", "--expires", "2026-03-05", paid=None).ok()
    use(db_cli, ("2026-03-02", 1), ("2026-03-05", 2), ("2026-03-06", 3), ("2026-03-20", 9))
    draw(db_cli, 2, "2026-03-20").ok()
    top_up(db_cli, 20, "2026-03-31", paid="8usd").ok()
    expected = [
        "01 opening balance = 0",
        "01 granted 4 = 4",
        "01 purchased 10 = 14",
        "02 usage -1 = 13",
        "05 usage -2 = 11",
        "05 expired -1 = 10",
        "06 usage -3 = 7",
        "20 usage -9 = -2",
        "20 draw -2 = -4",
        "31 purchased 20 = 16",
        "31 closing balance = 16",
    ]
    assert items(db_cli, MARCH) == expected
    before = costs(db_url, MARCH)
    close(db_cli, MARCH)
    assert items(db_cli, MARCH) == expected
    assert entries(db_url) == [
        "1 01 granted 2>balance 4",
        "1 01 purchased 1>balance 10",
        "1 02 balance 2>used 1",
        "1 05 balance 2>used 2",
        "1 05 balance 2>expired 1",
        "1 06 balance 1>used 3",
        "1 20 balance 1>used 7",
        "1 20 overdrawn>used 2",
        "1 20 overdrawn>adjustment 2",
        "1 31 purchased 4>balance 20",
        "1 31 balance 4>overdrawn 4",
    ]
    assert value(db_url, "SELECT billing_mode FROM closings") == "prepaid"
    found = costs(db_url, MARCH)
    assert found == before
    # The tenth of March's lots at 0.50 USD a credit, the last at 0.40: 7 and 2 credits on the twentieth.
    assert found.usd_of_day("2026-03-20") == 7 * Fraction(1, 2) + 2 * Fraction(2, 5)
    assert found.usd_of_day("2026-03-05") == 0
    assert [(part.lot, part.amount_nano // NANO) for part in (*found.expired, *found.drawn)] == [(2, 1), (4, 2)]
    db_cli("verify").ok()


def test_later_posts_leave_a_closed_statement_and_count_on_the_first_open_day(db_cli: Cli, db_url: str) -> None:
    top_up(db_cli, 10, "2026-03-01").ok()
    use(db_cli, ("2026-03-02", 4))
    close(db_cli, MARCH)
    closed = db_cli("wallet", "statement", "--month", MARCH, "--json").ok().stdout
    use(db_cli, ("2026-03-30", 3), ("2026-04-01", 1), ("2026-04-02", 5))
    top_up(db_cli, 100, "2026-04-02").ok()
    db_cli("void", "--id", "2026-03-02-4").ok()
    assert db_cli("wallet", "statement", "--month", MARCH, "--json").ok().stdout == closed
    # On the first: 3 that came late and 1, less the 4 voided; they cancel out, so that nothing is drawn.
    assert items(db_cli, APRIL) == [
        "01 opening balance = 6",
        "02 purchased 100 = 106",
        "02 usage -5 = 101",
        "30 closing balance = 101",
    ]
    close(db_cli, APRIL)
    assert db_cli("wallet", "statement", "--month", MARCH, "--json").ok().stdout == closed
    assert entries(db_url)[2:] == ["2 02 purchased 2>balance 100", "2 02 balance 1>used 5"]
    assert balance(db_cli) == ("101", "0")
    db_cli("verify").ok()


def test_usage_taken_back_from_a_closed_month_goes_back_to_its_lot(db_cli: Cli, db_url: str) -> None:
    top_up(db_cli, 5, "2026-03-01", "--expires", "2026-03-31").ok()
    top_up(db_cli, 10, "2026-03-01").ok()
    use(db_cli, ("2026-03-02", 4), ("2026-03-03", 3))
    close(db_cli, MARCH)
    db_cli("void", "--id", "2026-03-02-4").ok()
    close(db_cli, APRIL)
    # Latest first: 2 of the second lot, then 2 of the first, which had ended and loses them again.
    assert entries(db_url)[5:] == ["2 01 used 2>balance 2", "2 01 used 1>balance 2", "2 01 balance 1>expired 2"]
    assert items(db_cli, APRIL) == [
        "01 opening balance = 8",
        "01 usage 4 = 12",
        "01 expired -2 = 10",
        "30 closing balance = 10",
    ]
    db_cli("verify").ok()


def test_a_reopened_month_is_drawn_anew_and_its_first_entries_no_longer_count(db_cli: Cli, db_url: str) -> None:
    top_up(db_cli, 10, "2026-03-01").ok()
    use(db_cli, ("2026-03-02", 4))
    close(db_cli, MARCH)
    assert top_up(db_cli, 3, "2026-03-03", paid=None).exit_code == 2
    db_cli("reopen", MARCH, "--reason", "a grant was forgotten").ok()
    assert statement(db_cli, MARCH)["closed"] is False
    top_up(db_cli, 3, "2026-03-01", "--expires", "2026-03-31", paid=None).ok()
    use(db_cli, ("2026-03-04", 1))
    close(db_cli, MARCH)
    assert entries(db_url) == [
        "1 01 purchased 1>balance 10",
        "1 02 balance 1>used 4",
        "3 01 granted 2>balance 3",
        "3 01 purchased 1>balance 10",
        "3 02 balance 2>used 3",
        "3 02 balance 1>used 1",
        "3 04 balance 1>used 1",
    ]
    assert balance(db_cli) == ("8", "0")
    db_cli("verify").ok()


def test_movements_dated_in_a_closed_month_are_refused_unless_they_are_known(db_cli: Cli, db_url: str) -> None:
    top_up(db_cli, 10, "2026-03-01").ok()
    draw(db_cli, 1, "2026-03-02").ok()
    close(db_cli, MARCH)
    for outcome in (top_up(db_cli, 9, "2026-03-31"), draw(db_cli, 9, "2026-02-01")):
        assert (outcome.exit_code, outcome.stdout) == (2, "")
        assert "is closed: the first open day is 2026-04-01" in outcome.stderr
    for again in (top_up(db_cli, "10.0", "2026-03-01", reference="2026-03-01-10"), draw(db_cli, 1, "2026-03-02")):
        assert again.ok().json["repeated"] is True
    assert value(db_url, "SELECT count(*) FROM wallet_moves") == 2


def test_a_wallet_begins_with_its_first_month(db_cli: Cli, db_url: str) -> None:
    use(db_cli, ("2026-02-28", 7), ("2026-03-01", 2))
    close(db_cli, FEBRUARY)
    top_up(db_cli, 10, "2026-03-15").ok()
    # February was not prepaid; March is from its first day on.
    assert items(db_cli, MARCH)[:3] == ["01 opening balance = 0", "01 usage -2 = -2", "15 purchased 10 = 8"]
    assert statement(db_cli, FEBRUARY)["rows"][-1]["balance"] == "0"
    use(db_cli, ("2026-02-27", 3))
    close(db_cli, MARCH)
    assert items(db_cli, MARCH)[1] == "01 usage -5 = -5"
    assert rows(db_url, "SELECT month, billing_mode FROM closings ORDER BY id") == [
        (FEBRUARY, "postpaid"),
        (MARCH, "prepaid"),
    ]
    # What was never drawn and is taken back stands in the balance without a lot.
    db_cli("void", "--id", "2026-02-28-7").ok()
    found = db_cli("wallet", "balance", "--at", "2026-04-30", "--json").ok().json
    assert [(row["kind"], row["remaining"]) for row in found["rows"]] == [("given back", "2"), ("purchased", "10")]
    close(db_cli, APRIL)
    db_cli("verify").ok()


def test_a_wallet_that_begins_later_leaves_the_months_before_it_postpaid(db_cli: Cli, db_url: str) -> None:
    use(db_cli, ("2026-03-02", 4))
    top_up(db_cli, 10, "2026-05-01").ok()
    assert balance(db_cli, "--at", "2026-04-30") == ("0", "0")
    close(db_cli, APRIL)
    assert (entries(db_url), value(db_url, "SELECT min(billing_mode) FROM closings")) == ([], "postpaid")
    assert balance(db_cli, "--at", "2026-05-01") == ("10", "0")
    db_cli("verify").ok()


def test_a_month_with_a_top_up_alone_has_books_to_close(db_cli: Cli, db_url: str) -> None:
    top_up(db_cli, 10, "2026-02-15").ok()
    use(db_cli, ("2026-04-30", 1))
    outcome = db_cli("close", APRIL)
    assert (outcome.exit_code, "2026-02 is open still" in outcome.stderr) == (2, True)
    close(db_cli, APRIL)
    assert entries(db_url) == ["1 15 purchased 1>balance 10", "3 30 balance 1>used 1"]
    assert rows(db_url, "SELECT month, billing_mode FROM closings ORDER BY id") == [
        (month, "prepaid") for month in (FEBRUARY, MARCH, APRIL)
    ]
    assert items(db_cli, MARCH) == ["01 opening balance = 10", "31 closing balance = 10"]
    db_cli("verify").ok()


def test_days_are_those_of_the_ledgers_zone(cli: Cli, empty_db_url: str) -> None:
    def here(*args: object, stdin: str | bytes | None = None) -> Outcome:
        return cli(*args, "--db", empty_db_url, stdin=stdin)

    cli("db", "init", "--timezone", "Asia/Shanghai", "--db", empty_db_url).ok()
    top_up(here, 10, "2026-03-01").ok()
    # 15:59Z is still the fifth in Shanghai, 16:00Z the sixth; and 16:00Z of 31 March is April.
    for moment, credits in (("2026-03-05T15:59:59Z", 1), ("2026-03-05T16:00:00Z", 2), ("2026-03-31T16:00:00Z", 4)):
        use(here, ("2026-03-01", credits), occurred_at=moment)
    assert items(here, MARCH) == [
        "01 opening balance = 0",
        "01 purchased 10 = 10",
        "05 usage -1 = 9",
        "06 usage -2 = 7",
        "31 closing balance = 7",
    ]
    assert items(here, APRIL)[1] == "01 usage -4 = 3"
    # 00:00 of the sixth in Shanghai, and what was used up to then: the quarter-hour that begins then isn't in it.
    assert balance(here, "--at", "2026-03-05T16:00:00Z") == ("9", "0")
    assert balance(here, "--at", "2026-03-05T16:00:01Z") == ("7", "0")
    assert balance(here, "--at", "2026-03-05T23:59:00+08:00") == ("9", "0")
    assert balance(here, "--at", "2026-03-05T23:30:00+08:00") == ("10", "0")
    close(here, MARCH)
    assert balance(here, "--at", "2026-03-05T23:30:00+08:00") == ("10", "0")
    assert balance(here, "--at", "2026-03-05T23:59:00+08:00") == ("9", "0")
    assert balance(here, "--at", "2026-03-06") == ("7", "0")
    cli("verify", "--db", empty_db_url).ok()


def test_late_usage_is_there_at_any_time_of_the_first_day(db_cli: Cli) -> None:
    top_up(db_cli, 10, "2026-03-01").ok()
    close(db_cli, MARCH)
    use(db_cli, ("2026-03-20", 3), ("2026-04-01", 2))
    db_cli(
        "adjust", "--project", "p", "--amount", "1credits", "--month", APRIL, "--reason", "r", "--reference", "A"
    ).ok()
    assert balance(db_cli, "--at", "2026-04-01T00:00:00Z") == ("6", "0")
    assert balance(db_cli, "--at", "2026-04-01T11:59:00Z") == ("6", "0")
    assert balance(db_cli, "--at", "2026-04-01T12:01:00Z") == ("4", "0")


def test_adjustments_in_credits_draw_and_those_in_dollars_do_not(db_cli: Cli) -> None:
    top_up(db_cli, 10, "2026-03-01").ok()
    use(db_cli, ("2026-03-05", 4))
    for number, amount in enumerate(("3credits", "-1credits", "-5usd")):
        of = ["--project", "p", "--month", MARCH, "--reason", "r", "--reference", f"A{number}"]
        db_cli("adjust", "--amount", amount, *of).ok()
    assert items(db_cli, MARCH)[2:-1] == ["01 usage -2 = 8", "05 usage -4 = 4"]


def test_each_provider_has_its_own_wallet_in_its_cards_currency(db_cli: Cli, db_url: str) -> None:
    top_up(db_cli, 10, "2026-03-01").ok()
    assert top_up(db_cli, 50, "2026-03-02", "--provider", "volcengine").ok().json["currency"] == "CNY"
    use(db_cli, ("2026-03-05", 4))
    use(db_cli, ("2026-03-05", 20), provider="volcengine", source="volcengine")
    # 16 CNY per 1M tokens of output: 125,000 of them are 2 CNY.
    assert items(db_cli, MARCH, "--provider", "volcengine")[1:3] == ["02 purchased 50 = 50", "05 usage -2 = 48"]
    assert items(db_cli, MARCH)[1:3] == ["01 purchased 10 = 10", "05 usage -4 = 6"]
    close(db_cli, MARCH)
    assert balance(db_cli, "--provider", "volcengine") == ("48", "0")
    assert sorted({provider for (provider,) in rows(db_url, "SELECT provider FROM wallet_entries")}) == [
        "evolink",
        "volcengine",
    ]
    db_cli("verify").ok()


def test_a_wallet_of_one_provider_leaves_the_others_usage_postpaid(db_cli: Cli, db_url: str) -> None:
    top_up(db_cli, 10, "2026-03-01", "--provider", "volcengine").ok()
    use(db_cli, ("2026-03-05", 4))
    outcome = db_cli("wallet", "balance")
    assert (outcome.exit_code, "evolink has no wallet" in outcome.stderr) == (2, True)
    assert set(wallets(db_url, MARCH)) == {"volcengine"}
    assert not wallets(db_url, FEBRUARY)


# --- references -----------------------------------------------------------------------------------------------------


def test_a_reference_stands_for_one_movement_of_money(db_cli: Cli, db_url: str) -> None:
    top_up(db_cli, 10, "2026-03-01", "--expires", "2026-06-30", reference="X").ok()
    again = top_up(db_cli, "10.000", "2026-03-01", "--expires", "2026-06-30", paid="1.00usd", reference="X").ok()
    assert (again.json["number"], again.json["repeated"], "nothing was added" in again.stderr) == (1, True, True)
    for other in (
        top_up(db_cli, 11, "2026-03-01", "--expires", "2026-06-30", reference="X"),
        top_up(db_cli, 10, "2026-03-02", "--expires", "2026-06-30", reference="X"),
        top_up(db_cli, 10, "2026-03-01", reference="X"),
        top_up(db_cli, 10, "2026-03-01", "--expires", "2026-06-30", paid="2usd", reference="X"),
        top_up(db_cli, 10, "2026-03-01", "--expires", "2026-06-30", paid=None, reference="X"),
        top_up(db_cli, 10, "2026-03-01", "--expires", "2026-06-30", "--provider", "volcengine", reference="X"),
        draw(db_cli, 10, "2026-03-01", reference="X"),
    ):
        assert (other.exit_code, other.stdout) == (2, "")
        assert "reference 'X' is that of lot 1 of evolink, 2026-03-01, which has other facts" in other.stderr
    assert value(db_url, "SELECT count(*) FROM wallet_moves") == 1


def test_wallets_and_adjustments_share_their_references(db_cli: Cli) -> None:
    of = ["--project", "p", "--amount", "1usd", "--month", MARCH, "--reason", "r", "--reference"]
    top_up(db_cli, 10, "2026-03-01", reference="X").ok()
    db_cli("adjust", *of, "Y").ok()
    outcome = db_cli("adjust", *of, "X")
    assert (outcome.exit_code, "reference 'X' is that of a wallet's movement" in outcome.stderr) == (2, True)
    outcome = draw(db_cli, 1, "2026-03-01", reference="Y")
    assert (outcome.exit_code, "reference 'Y' is that of batch 1 (adjust)" in outcome.stderr) == (2, True)


# --- verify ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("statement", "words"),
    [
        ("UPDATE wallet_moves SET credits_nano = 1 WHERE id = 2", "lot 2 of evolink, 2026-04-01: it is no longer"),
        ("UPDATE wallet_moves SET reference = 'A'", "its reference 'A' was used before"),
        ("DELETE FROM wallet_entries WHERE id = 2", "wallet of evolink, 2026-03: its entries aren't what"),
        ("UPDATE wallet_entries SET amount_nano = 1 WHERE id = 1", "wallet of evolink, 2026-03: its entries aren't"),
        ("UPDATE wallet_entries SET amount_nano = 1 WHERE id = 1", "are left of lot 1"),
        ("UPDATE wallet_entries SET to_account = 'adjustment' WHERE id = 2", "its entries aren't what"),
        ("UPDATE rollup_days SET amount_nano = amount_nano + 1", "wallet of evolink, 2026-03: its entries aren't"),
        ("UPDATE closings SET billing_mode = 'postpaid'", "closed as postpaid, but a wallet had begun"),
    ],
)
def test_verify_finds_what_was_changed_behind_a_wallet(db_cli: Cli, db_url: str, statement: str, words: str) -> None:
    top_up(db_cli, 10, "2026-03-01").ok()
    use(db_cli, ("2026-03-02", 4))
    of = ["--project", "p", "--amount", "1usd", "--month", MARCH, "--reason", "r", "--reference", "A"]
    db_cli("adjust", *of).ok()
    close(db_cli, MARCH)
    top_up(db_cli, 5, "2026-04-01").ok()
    assert db_cli("verify", "--json").ok().json["checked"]["wallet_entries"] == 2
    if "reference" in statement:
        # Behind the unique index, which the same reference can't pass within the table.
        statement += " WHERE id = 2"
    tamper(db_url, statement)
    outcome = db_cli("verify")
    assert (outcome.exit_code, words in outcome.stderr) == (1, True), outcome.stderr


def test_verify_of_one_month_says_what_is_wrong_with_its_wallet(db_cli: Cli, db_url: str) -> None:
    top_up(db_cli, 10, "2026-03-01").ok()
    use(db_cli, ("2026-04-02", 4))
    close(db_cli, APRIL)
    tamper(db_url, "DELETE FROM wallet_entries WHERE day = '2026-04-02'")
    db_cli("verify", "--month", MARCH).ok()
    assert db_cli("verify", "--month", APRIL).exit_code == 1


@pytest.mark.parametrize(
    "change",
    [
        "from_account = 'used', to_account = 'used'",
        "from_account = 'purchased', to_account = 'used'",
        "amount_nano = 0",
    ],
)
def test_no_entry_takes_without_giving(db_cli: Cli, db_url: str, change: str) -> None:
    top_up(db_cli, 10, "2026-03-01").ok()
    close(db_cli, MARCH)
    values = {"from_account": "purchased", "to_account": "balance", "amount_nano": "1"}
    values |= dict(part.replace("'", "").split(" = ") for part in change.split(", "))
    with pytest.raises(Exception, match="ck_wallet_entries"):
        execute(
            db_url,
            "INSERT INTO wallet_entries VALUES (99, 1, 'evolink', '2026-03-01',"
            f" '{values['from_account']}', '{values['to_account']}', NULL, {values['amount_nano']})",
        )


# --- parts ----------------------------------------------------------------------------------------------------------


def test_amounts_past_64_bits_are_written_in_parts() -> None:
    most = 2**63 - 1
    assert [_parts(nano) for nano in (1, most, most + 1, 2 * most)] == [[1], [most], [most, 1], [most, most]]


def test_a_month_goes_as_far_as_it_has_gone() -> None:
    zone, now = ZoneInfo("Asia/Shanghai"), datetime(2026, 3, 31, 16, tzinfo=UTC)
    assert month_until(MARCH, zone, now) == Until("2026-03-31")
    assert month_until(APRIL, zone, now) == Until("2026-04-01", over=False)
    with pytest.raises(Exception, match="2026-05 has not begun"):
        month_until(MAY, zone, now)
    assert [last_day(month) for month in ("2026-02", "2028-02", "2026-12")] == [
        "2026-02-28",
        "2028-02-29",
        "2026-12-31",
    ]


def test_sums_past_64_bits_are_exact_in_the_balance_and_in_entries(db_cli: Cli, db_url: str) -> None:
    top_up(db_cli, 1, "2026-03-01").ok()
    for project in ("a", "b", "c"):
        use(db_cli, ("2026-03-02", 1), project=project, source=project)
    most = 2**63 - 1
    tamper(db_url, f"UPDATE rollup_days SET amount_nano = {most}")
    expected = ("0", format_nano(3 * most - NANO))
    assert balance(db_cli) == expected
    close(db_cli, MARCH)
    assert balance(db_cli) == expected
    assert value(db_url, "SELECT count(*) FROM wallet_entries WHERE from_account = 'overdrawn'") == 3
