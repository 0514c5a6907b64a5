"""A write lock that another program holds: waits for it don't add up."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest

from ledger import Ledger
from ledger.errors import DatabaseFailure, LedgerError
from ledger.store.opening import open_ledger
from tests.conftest import Cli
from tests.helpers.ledgers import connected, value
from tests.helpers.sources import response

SLACK_SECONDS = 8
RECORDS = "SELECT count(*) FROM usage_records"


@contextmanager
def lock_held(url: str) -> Iterator[None]:
    """Holds the ledger's write lock as another program does."""
    with connected(url) as connection:
        if url.startswith("sqlite"):
            connection.execute("BEGIN IMMEDIATE")
        else:
            connection.execute("BEGIN")
            connection.execute("SELECT * FROM ledger_settings WHERE name = 'lock' FOR UPDATE")
        yield
        connection.execute("ROLLBACK")


@pytest.fixture
def book(db_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Ledger:
    monkeypatch.chdir(tmp_path)
    return Ledger(db_url, timeout=2)


def test_every_waiting_thread_gives_up_after_one_wait_and_says_for_what(book: Ledger, db_url: str) -> None:
    def words(number: int) -> str:
        with pytest.raises(DatabaseFailure) as caught:
            book.record(response(f"r{number}"))
        return str(caught.value)

    with lock_held(db_url):
        started = time.monotonic()
        with ThreadPoolExecutor(8) as pool:
            told = list(pool.map(words, range(8)))
        assert time.monotonic() - started < 2 + SLACK_SECONDS
    assert any("another program has been writing the ledger for 2 s" in said for said in told)
    assert value(db_url, RECORDS) == 0
    assert book.record(response("r0"), timeout=60).status == "accepted"


def test_a_database_says_how_long_it_waited_and_what_a_call_left_over(db_url: str) -> None:
    database = open_ledger(db_url)
    with (
        lock_held(db_url),
        pytest.raises(DatabaseFailure, match="has been writing the ledger for 1 s: try again"),
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
            while book.counts["waiting"] or not book._outbox._is_busy:
                time.sleep(0.01)
            waiting += [pool.submit(book.record, response(f"r{number}"), timeout=60) for number in range(1, 8)]
            while book.counts["waiting"] < 7:
                time.sleep(0.01)
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
