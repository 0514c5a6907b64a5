"""Wallets at the end of a month, and now."""

from __future__ import annotations

from datetime import UTC, date, datetime
from fractions import Fraction

import pytest

from ledger.pages.figures.values import WalletLine
from ledger.pages.figures.wallets import read_wallets
from ledger.reports.snapshot import Snapshot
from ledger.store.opening import open_ledger
from pricing.money import NANO
from tests.conftest import Cli
from tests.helpers.wallets import close, top_up, use

APRIL = datetime(2026, 4, 10, tzinfo=UTC)


def wallets(url: str, month: str, now: datetime = APRIL) -> tuple[WalletLine, ...]:
    database = open_ledger(url)
    with database.reading() as connection:
        return read_wallets(Snapshot(connection, database.zone), month, now=now)


def filled(cli: Cli) -> None:
    """100 credits until 10 April and 200 without end; 14 in the last week of March, 28 in its last four."""
    top_up(cli, 100, "2026-02-01", "--expires", "2026-04-10").ok()
    top_up(cli, 200, "2026-03-01", paid=None).ok()
    use(cli, ("2026-02-20", 10), ("2026-03-10", 14), ("2026-03-30", 14))


def test_a_wallet_at_the_months_end_with_both_rates_and_what_will_expire(db_cli: Cli, db_url: str) -> None:
    filled(db_cli)
    # 62 are left of the first lot: 10 days at 2 a day use 20 of them, at 1 a day 10. Then 200 of the other.
    lasts = ((7, Fraction(10 + 100)), (28, Fraction(10 + 200)))
    expected = WalletLine("evolink", "CRD", 262 * NANO, lasts, 52 * NANO, date(2026, 4, 10))
    assert wallets(db_url, "2026-03") == (expected,)
    close(db_cli, "2026-03")
    assert wallets(db_url, "2026-03") == (expected,)
    assert wallets(db_url, "2026-01") == ()


def test_what_is_recorded_after_the_close_changes_nothing(db_cli: Cli, db_url: str) -> None:
    filled(db_cli)
    close(db_cli, "2026-03")
    before = {month: wallets(db_url, month) for month in ("2026-02", "2026-03")}
    top_up(db_cli, 50, "2026-04-01", "--expires", "2026-04-05").ok()
    # Late usage of March and more of April.
    use(db_cli, ("2026-03-31", 20), ("2026-04-01", 20))
    db_cli("void", "--id", "2026-03-30-14", "--reason", "wrong").ok()
    assert {month: wallets(db_url, month) for month in before} == before
    close(db_cli, "2026-04")
    later = datetime(2026, 6, 1, tzinfo=UTC)
    assert {month: wallets(db_url, month, later) for month in before} == before
    assert wallets(db_url, "2026-04", later) != ()


def test_a_running_month_is_as_of_today(db_cli: Cli, db_url: str) -> None:
    filled(db_cli)
    [line] = wallets(db_url, "2026-03", datetime(2026, 3, 12, 9, tzinfo=UTC))
    # Usage up to 12 March alone: 10 and 14, of the first lot; 24 in four weeks.
    assert (line.balance_nano, line.lasts_days[0][0]) == (276 * NANO, 7)
    unused = 76 - Fraction(24, 28) * 29
    assert (line.expiring_nano, line.expires_first) == (round(unused * NANO), date(2026, 4, 10))


def test_nothing_used_lasts_for_ever_and_all_of_a_lot_expires(db_cli: Cli, db_url: str) -> None:
    top_up(db_cli, 100, "2026-03-01", "--expires", "2026-04-30").ok()
    [line] = wallets(db_url, "2026-03")
    assert line == WalletLine("evolink", "CRD", 100 * NANO, ((7, None), (28, None)), 100 * NANO, date(2026, 4, 30))
    # It ends after the month that follows.
    assert wallets(db_url, "2026-03", datetime(2026, 3, 5, tzinfo=UTC))[0].expiring_nano == 100 * NANO


@pytest.mark.parametrize("used", [120])
def test_a_wallet_may_be_overdrawn(db_cli: Cli, db_url: str, used: int) -> None:
    top_up(db_cli, 100, "2026-03-01").ok()
    use(db_cli, *[(f"2026-03-{day:02}", used // 6) for day in range(5, 11)])
    [line] = wallets(db_url, "2026-03")
    assert (line.balance_nano, line.expiring_nano, line.lasts_days[1]) == (-20 * NANO, 0, (28, Fraction(0)))
