"""The queue between an application and the book: bounded, shared by threads, and a child's own after a fork."""

from __future__ import annotations

import gc
import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from ledger import Ledger
from ledger.errors import DatabaseFailure, LedgerError
from ledger.live import outbox, worker
from ledger.store.engines import make_engine
from ledger.store.urls import parse_url
from tests.helpers.ledgers import execute, finish, rows, start, value
from tests.helpers.sources import response
from tests.helpers.waits import lock_held, until

RECORDS = "SELECT count(*) FROM usage_records"
IDS = "SELECT request_id FROM usage_records ORDER BY 1"


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@contextmanager
def waiting(book: Ledger, url: str, number: int) -> Iterator[list[Any]]:
    """One call that is being booked and so many that wait behind it, until the block ends; their results."""
    results: list[Any] = []
    with ThreadPoolExecutor(number + 1) as pool:
        with lock_held(url):
            calls = [pool.submit(book.record, response("first"), timeout=60)]
            until(lambda: book._outbox._is_busy and not book.counts["waiting"])
            calls += [pool.submit(book.record, response(f"r{n}"), timeout=60) for n in range(number)]
            until(lambda: book.counts["waiting"] == number)
            yield results
        results += [call.result().status for call in calls]


def test_memory_is_bounded_and_what_has_no_room_is_refused_or_spooled(
    sqlite_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outbox, "MAX_WAITING", 3)
    book = Ledger(sqlite_url)
    with waiting(book, sqlite_url, 3) as results:
        with pytest.raises(DatabaseFailure, match="3 responses wait already, and no more can"):
            book.record(response("more"), timeout=60)
        assert book.counts["waiting"] == 3
    assert results == ["accepted"] * 4
    spooling = Ledger(sqlite_url, spool="spool.jsonl")
    with waiting(spooling, sqlite_url, 3) as results:
        assert spooling.record(response("more"), timeout=60).status == "spooled"
    assert results == ["duplicate"] * 4
    assert spooling.flush(timeout=60)
    assert value(sqlite_url, "SELECT count(*) FROM usage_records WHERE request_id = 'more'") == 1
    # A call of more than have room is booked where nothing else waits.
    assert len(book.record_many([response(f"many{n}") for n in range(5)])) == 5


def test_the_error_of_one_is_not_the_others(sqlite_url: str) -> None:
    execute(
        sqlite_url,
        "CREATE TRIGGER poison BEFORE INSERT ON booked_usage WHEN NEW.request_id = 'r1'"
        " BEGIN SELECT RAISE(ABORT, 'poison'); END",
    )
    book = Ledger(sqlite_url)
    with ThreadPoolExecutor(4) as pool:
        with lock_held(sqlite_url):
            first = pool.submit(book.record, response("first"), timeout=60)
            until(lambda: book._outbox._is_busy and not book.counts["waiting"])
            calls = [pool.submit(book.record, response(f"r{n}"), timeout=60) for n in range(3)]
            until(lambda: book.counts["waiting"] == 3)
        assert [each.result().status for each in (first, calls[0], calls[2])] == ["accepted"] * 3
        with pytest.raises(DatabaseFailure, match="poison"):
            calls[1].result()
    assert rows(sqlite_url, IDS) == [("first",), ("r0",), ("r2",)]


def test_a_call_that_was_given_up_before_it_was_begun_is_not_booked(sqlite_url: str) -> None:
    book = Ledger(sqlite_url)
    with waiting(book, sqlite_url, 1), pytest.raises(DatabaseFailure):
        book.record(response("late"), timeout=0)
    assert rows(sqlite_url, IDS) == [("first",), ("r0",)]


def test_counts_say_what_became_of_responses(sqlite_url: str) -> None:
    book = Ledger(sqlite_url, spool="spool.jsonl")
    book.record_many([response("r1"), response("r1"), {"a": 1}])
    with lock_held(sqlite_url):
        book.record(response("r2"), timeout=0)
    assert book.flush(timeout=60)
    found = book.counts
    assert {name: found[name] for name in ("accepted", "duplicate", "rejected", "spooled", "drained", "waiting")} == {
        "accepted": 1, "duplicate": 1, "rejected": 1, "spooled": 1, "drained": 1, "waiting": 0
    }  # fmt: skip


def test_a_spool_is_booked_by_the_worker_itself_once_the_database_answers(
    sqlite_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker, "RETRY_SECONDS", 0.1)
    book = Ledger(sqlite_url, spool="spool.jsonl")
    with lock_held(sqlite_url):
        assert book.record(response("r1"), timeout=0).status == "spooled"
    until(lambda: value(sqlite_url, RECORDS) == 1)
    until(lambda: not Path("spool.jsonl").exists() and not Path("spool.jsonl.claimed").exists())
    with lock_held(sqlite_url):
        assert book.record(response("r2"), timeout=0).status == "spooled"
    book.close()
    Ledger(sqlite_url, spool="spool.jsonl")  # opening is an opportunity too
    until(lambda: value(sqlite_url, RECORDS) == 2)


def test_a_flush_that_can_not_book_all_says_so(sqlite_url: str) -> None:
    book = Ledger(sqlite_url, spool="spool.jsonl")
    with lock_held(sqlite_url):
        book.record(response("r1"), timeout=0)
        assert not book.flush(timeout=1)
    assert Path("spool.jsonl").exists() or Path("spool.jsonl.claimed").exists()


def test_a_ledger_that_is_closed_or_let_go_of_has_no_worker_left(sqlite_url: str) -> None:
    book, other = Ledger(sqlite_url), Ledger(sqlite_url)
    first, second = book._outbox._thread, other._outbox._thread
    assert first is not None
    assert second is not None
    book.close()
    assert not first.is_alive()
    with pytest.raises(LedgerError, match="is closed"):
        book.flush()
    assert second.is_alive()
    del other
    gc.collect()
    until(lambda: not second.is_alive())


EXIT = """
import sys, threading
from ledger import Ledger
payload = {"object": "response", "model": "doubao-seed-2-0-pro-260215", "created_at": 1771486674, "status": "completed",
           "usage": {"input_tokens": 88, "output_tokens": 230, "total_tokens": 318}}
book = Ledger(sys.argv[1], timeout=60)
assert book.record(payload | {"id": "r1"}).status == "accepted"
threading.Thread(target=lambda: print(book.record(payload | {"id": "r2"}).status)).start()
"""


def test_a_program_that_ends_ends_its_worker(db_url: str, tmp_path: Path) -> None:
    assert finish(start(EXIT, [db_url], tmp_path)) == (0, "accepted\n", "")
    assert rows(db_url, IDS) == [("r1",), ("r2",)]


# --- forks ----------------------------------------------------------------------------------------------------------


def test_an_idle_worker_rests_while_its_program_forks(sqlite_url: str) -> None:
    """A program without other threads forks as one without threads, as Python asks it to."""
    book = Ledger(sqlite_url)
    worker = book._outbox._thread
    assert worker is not None
    if pid := os.fork():
        assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    else:
        os._exit(0 if book.record(response("child")).status == "accepted" else 1)
    assert not worker.is_alive()
    assert book.record(response("parent")).status == "accepted"
    assert rows(sqlite_url, IDS) == [("child",), ("parent",)]


@pytest.mark.long
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
def test_what_waits_at_a_fork_is_the_parent_s_to_book(postgres_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from ledger.store import forks

    monkeypatch.setattr(forks, "WAIT_SECONDS", 0.1)
    book = Ledger(postgres_url)
    with waiting(book, postgres_url, 3) as results:
        if pid := os.fork():
            pass
        else:
            is_empty = book.counts["waiting"] == 0 and not book._outbox._is_busy
            told = is_empty and book.record(response("child"), timeout=60).status == "accepted"
            os._exit(0 if told else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    assert results == ["accepted"] * 4
    assert rows(postgres_url, IDS) == [(name,) for name in ("child", "first", "r0", "r1", "r2")]


# --- limits of PostgreSQL's connections -----------------------------------------------------------------------------


def shown_limits(url: str) -> dict[str, str]:
    engine = make_engine(parse_url(url))
    with engine.connect() as connection:
        driver: Any = connection.connection.driver_connection
        return {option.keyword.decode(): (option.val or b"").decode() for option in driver.pgconn.info}


def test_limits_are_defaults_that_the_url_overrides(postgres_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    limits = ("connect_timeout", "tcp_user_timeout", "keepalives_idle", "keepalives_interval", "keepalives_count")
    found = shown_limits(postgres_url)
    assert [found[name] for name in limits] == ["10", "60000", "30", "10", "3"]
    found = shown_limits(f"{postgres_url}?connect_timeout=3&tcp_user_timeout=7000")
    assert [found[name] for name in limits] == ["3", "7000", "30", "10", "3"]
    monkeypatch.setenv("PGCONNECT_TIMEOUT", "4")
    assert shown_limits(postgres_url)["connect_timeout"] == "4"
    assert "timeout" not in repr(Ledger(postgres_url))


def test_several_hosts_are_tried_in_their_order(postgres_url: str) -> None:
    url = parse_url(postgres_url)
    several = f"postgresql://{url.username}@/{url.database}?host=127.0.0.1:1&host={url.host}:{url.port or 5432}"
    assert Ledger(several).record(response("r1")).status == "accepted"


def test_a_unix_socket_serves(postgres_url: str) -> None:
    folder = value(postgres_url, "SHOW unix_socket_directories").split(",")[0].strip()
    if not list(Path(folder or "/nowhere").glob(".s.PGSQL.*")):
        pytest.skip("the server has no unix socket on this machine")
    url = parse_url(postgres_url)
    by_socket = f"postgresql://{url.username}@/{url.database}?host={folder}"
    assert Ledger(by_socket).record(response("r1")).status == "accepted"
