"""A write lock that another program holds: waits for it don't add up."""

from __future__ import annotations

import re
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from ledger import Ledger
from ledger.errors import DatabaseFailure, LedgerError
from ledger.store.opening import open_ledger
from tests.conftest import Cli
from tests.helpers.ledgers import value
from tests.helpers.sources import response
from tests.helpers.waits import lock_held, until

RECORDS = "SELECT count(*) FROM usage_records"


@pytest.fixture
def book(db_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Ledger:
    monkeypatch.chdir(tmp_path)
    return Ledger(db_url, timeout=60)


def test_every_waiting_thread_gives_up_after_one_wait_and_says_for_what(book: Ledger, db_url: str) -> None:
    def words(number: int) -> str:
        with pytest.raises(DatabaseFailure) as caught:
            book.record(response(f"r{number}"), timeout=4)
        return str(caught.value)

    with lock_held(db_url):
        started = time.monotonic()
        with ThreadPoolExecutor(16) as pool:
            told = list(pool.map(words, range(16)))
        assert time.monotonic() - started < 30  # one after the other it would be a minute
    assert any(re.search(r"another program has been writing the ledger for \d+ s", said) for said in told)
    assert value(db_url, RECORDS) == 0
    assert book.record(response("r0")).status == "accepted"


def test_a_database_says_how_long_it_waited_and_what_a_call_left_over(db_url: str) -> None:
    database = open_ledger(db_url)
    with (
        lock_held(db_url),
        pytest.raises(DatabaseFailure, match=r"has been writing the ledger for \d+ s: try again"),
        database.writing(wait=1),
    ):
        pass
    with database.writing() as connection:  # what a call could wait is of its own transaction
        shown = "PRAGMA busy_timeout" if database.is_sqlite else "SHOW lock_timeout"
        assert str(connection.exec_driver_sql(shown).scalar_one()) in {"120000", "2min"}


def test_who_waits_is_booked_once_the_lock_is_free(book: Ledger, db_url: str, db_cli: Cli) -> None:
    with ThreadPoolExecutor(8) as pool:
        with lock_held(db_url):
            waiting = [pool.submit(book.record, response("r0"), timeout=60)]
            until(lambda: book._outbox._is_busy and not book.counts["waiting"])
            waiting += [pool.submit(book.record, response(f"r{number}"), timeout=60) for number in range(1, 8)]
            until(lambda: book.counts["waiting"] == 7)
        assert {each.result().status for each in waiting} == {"accepted"}
    assert value(db_url, RECORDS) == 8
    # The seven that waited meanwhile were booked together.
    assert [row["usage_records"] for row in db_cli("batches", "--json").ok().json["batches"]] == [7, 1]
    db_cli("verify").ok()


@pytest.mark.parametrize("timeout", [-1, float("nan"), float("inf"), True, "30", 86_401])
def test_a_timeout_is_a_number_of_seconds(book: Ledger, timeout: float) -> None:
    with pytest.raises(LedgerError, match="isn't a number of seconds"):
        book.record(response("r1"), timeout=timeout)
    with pytest.raises(LedgerError, match="isn't a number of seconds"):
        Ledger("other.db", timeout=timeout)
