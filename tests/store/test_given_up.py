"""A transaction that PostgreSQL gives up for another one's is run again, and nothing is done or counted twice."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest
from sqlalchemy import Connection

from ledger import Ledger
from ledger.config import load_config
from ledger.errors import TransactionGivenUp
from ledger.intake.containers.source import open_source
from ledger.intake.files import Ingest
from ledger.intake.labels import RunOptions
from ledger.store.database import Database
from ledger.store.driver import run
from ledger.store.opening import open_ledger
from tests.conftest import Cli
from tests.helpers.ledgers import connected, execute, responses, value
from tests.helpers.sources import lines, response, usage
from tests.helpers.waits import until

LOCK = "SELECT * FROM ledger_settings WHERE name = 'lock' FOR UPDATE"
TOUCH = "UPDATE sources SET last_ingest_at = last_ingest_at + 1"
TOUCHED = "SELECT last_ingest_at FROM sources"
RECORDS = "SELECT count(*) FROM usage_records"
WAITING = "SELECT count(*) FROM pg_locks WHERE NOT granted AND relation = '{}'::regclass"
# The server looks for a deadlock once a wait is this long: the ledger's is, and is the one that is given up.
LEDGERS_TURN, NEVER = "2s", "10min"


@pytest.fixture
def patient_url(postgres_url: str) -> str:
    """A ledger with a record, whose writers look for a deadlock after two seconds."""
    with Ledger(postgres_url) as book:
        book.record(response("first"))
    return f"{postgres_url}?options=-c%20deadlock_timeout%3D{LEDGERS_TURN}"


@contextmanager
def table_locked(url: str, table: str) -> Iterator[psycopg.Connection[Any]]:
    """Holds a table that writers write to, and doesn't look for a deadlock itself."""
    with connected(url) as other:
        for statement in ("BEGIN", f"SET LOCAL deadlock_timeout = '{NEVER}'", f"LOCK TABLE {table} IN EXCLUSIVE MODE"):
            other.execute(statement)
        yield other


def meet(url: str, book: Callable[[], object], *, at: str) -> Any:
    """Runs what books into a deadlock at a table, which the other side outlives; returns what it returned."""
    with ThreadPoolExecutor(1) as pool, table_locked(url, at) as other:
        booked: Future[object] = pool.submit(book)
        until(lambda: value(url, WAITING.format(at)) == 1)
        other.execute(LOCK)  # waits for the writer, which waits for this: one of both is given up
        other.execute("COMMIT")
        return booked.result(60)


def test_a_call_is_booked_after_a_deadlock(patient_url: str, postgres_url: str, cli: Cli, tmp_path: Path) -> None:
    with Ledger(patient_url, timeout=60) as book:
        started = time.monotonic()
        assert meet(postgres_url, lambda: book.record(response("second")), at="sources").status == "accepted"
        assert time.monotonic() - started > 1.5  # the deadlock was there
    assert value(postgres_url, RECORDS) == 2
    cli("verify", "--db", postgres_url).ok()


def test_a_portion_is_booked_and_counted_once_after_a_deadlock(
    patient_url: str, postgres_url: str, cli: Cli, tmp_path: Path
) -> None:
    again = response("first", usage=usage(input_tokens=300, total_tokens=530))  # contradicts what is booked
    text = responses(range(30)) + responses(range(3)) + lines([again]) + "no JSON\n"
    (tmp_path / "usage.jsonl").write_text(text)
    database = open_ledger(patient_url)
    ingest = Ingest(database, load_config(tmp_path), RunOptions())
    source = open_source(str(tmp_path / "usage.jsonl"))
    result = meet(postgres_url, lambda: ingest.run([source]), at="quarantine")  # the last that a portion writes to
    fates = {"accepted": 30, "duplicate": 3, "conflict": 1, "rejected": 1, "pending": 0}
    assert result.tally.fates == fates, result.rejections
    assert sum(spend.records for spend in result.tally.spend.values()) == 30
    assert len(result.rejections) == 2
    assert value(postgres_url, RECORDS) == 31
    assert value(postgres_url, "SELECT count(*) FROM quarantine WHERE seen = 1") == 2
    assert value(postgres_url, "SELECT max(id) FROM batches WHERE run_id = id") == result.batch_id
    cli("verify", "--db", postgres_url).ok()


# --- serialization failures -----------------------------------------------------------------------------------------


@pytest.fixture
def strict(patient_url: str, monkeypatch: pytest.MonkeyPatch) -> Database:
    """A ledger whose transactions the server gives up where they can't be in order."""
    monkeypatch.setattr("ledger.store.database._ISOLATION", "SET LOCAL transaction_isolation = 'serializable'")
    return open_ledger(patient_url)


def touched_meanwhile(url: str, times: int) -> tuple[Callable[[Connection], int], list[int]]:
    """Work that changes a row which another connection changed since its transaction began, the first few times."""
    attempts: list[int] = []

    def work(connection: Connection) -> int:
        attempts.append(len(attempts))
        if len(attempts) <= times:
            execute(url, TOUCH)
        run(connection, TOUCH)
        return len(attempts)

    return work, attempts


def test_work_is_done_again_after_a_serialization_failure(strict: Database, postgres_url: str) -> None:
    before = value(postgres_url, TOUCHED)
    work, _attempts = touched_meanwhile(postgres_url, times=2)
    assert strict.write(work) == 3
    assert value(postgres_url, TOUCHED) == before + 3  # twice by the other, once by the ledger


def test_work_that_is_given_up_each_time_fails(strict: Database, postgres_url: str) -> None:
    before = value(postgres_url, TOUCHED)
    work, attempts = touched_meanwhile(postgres_url, times=100)
    with pytest.raises(TransactionGivenUp, match="could not serialize access"):
        strict.write(work)
    assert len(attempts) == 3
    assert value(postgres_url, TOUCHED) == before + 3


def test_writers_see_what_others_committed_whatever_the_databases_default(postgres_url: str, cli: Cli) -> None:
    name = postgres_url.rpartition("/")[2]
    execute(postgres_url, f"ALTER DATABASE {name} SET default_transaction_isolation = 'repeatable read'")
    try:
        with Ledger(postgres_url, timeout=60) as book:
            book.record(response("first"))
        start = threading.Barrier(4)

        def book_some(writer: int) -> list[str]:
            with Ledger(postgres_url, timeout=60) as book:
                start.wait()
                return [book.record(response(f"{writer}-{number}")).status for number in range(10)]

        with ThreadPoolExecutor(4) as pool:
            told = [status for statuses in pool.map(book_some, range(4)) for status in statuses]
    finally:
        execute(postgres_url, f"ALTER DATABASE {name} RESET default_transaction_isolation")
    assert told == ["accepted"] * 40
    assert value(postgres_url, RECORDS) == 41
    cli("verify", "--db", postgres_url).ok()
