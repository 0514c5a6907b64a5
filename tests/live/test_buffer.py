"""Buffered calls: nobody waits for them, and nothing is lost or doubled but by a kill, which loses what waited."""

from __future__ import annotations

import asyncio
import logging
import os
import re
import signal
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from ledger import Ledger, Recorded
from ledger.errors import DatabaseFailure, LedgerError
from ledger.live import outbox, worker
from tests.conftest import Cli
from tests.helpers.ledgers import execute, finish, rows, start, value
from tests.helpers.sources import AT, response
from tests.helpers.waits import lock_held, until

BUFFERED = Recorded("buffered")
IDS = "SELECT request_id FROM usage_records ORDER BY id"
RECORDS = "SELECT count(*) FROM usage_records"
BATCHES = "SELECT count(*) FROM batches"
# A program that buffers for an hour: what is booked, something else than time has booked.
PROGRAM = """
import os, signal, sys, threading, time
from ledger import Ledger
payload = {"object": "response", "model": "doubao-seed-2-0-pro-260215", "created_at": 1771486674, "status": "completed",
           "usage": {"input_tokens": 88, "output_tokens": 230, "total_tokens": 318}}
book = Ledger(sys.argv[1], buffer=3600)
def record(name):
    sys.stdout.write(f"{name} {book.record(payload | {'id': name}).status}\\n")  # whole, beside other threads
    sys.stdout.flush()
"""
ENDINGS = {
    "its end": "for n in range(3): record(f'r{n}')",
    "an error": "for n in range(3): record(f'r{n}')\nraise SystemExit('on purpose')",
    "an error in the block": """
with book:
    for n in range(3): record(f'r{n}')
    raise SystemExit('on purpose')
""",
    "a signal that Python sees": """
signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
for n in range(3): record(f'r{n}')
os.kill(os.getpid(), signal.SIGTERM)
time.sleep(60)
""",
    "a ledger let go of": "for n in range(3): record(f'r{n}')\ndel book",
    "threads": """
threads = [threading.Thread(target=record, args=(f'r{n}',)) for n in range(3)]
for thread in threads: thread.start()
""",
}


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker, "RETRY_SECONDS", 0.1)


def ids(url: str) -> list[str]:
    return [name for (name,) in rows(url, IDS)]


# --- booking --------------------------------------------------------------------------------------------------------


def test_calls_are_booked_together_with_their_own_labels(db_url: str, db_cli: Cli) -> None:
    with Ledger(db_url, buffer=3600) as book:
        assert book.record(response("r0"), project="search", tags={"team": "a"}) == BUFFERED
        assert book.record_many([response("r1"), None, response("r0")], project="ads") == [BUFFERED] * 3
        assert book.record(response("r0", created_at=AT + 1)) == BUFFERED  # a conflict
        assert book.record(response("r2"), project=7) == BUFFERED  # type: ignore[arg-type]
        assert asyncio.run(book.arecord(response("r3", model="unheard-of"), project="maps")) == BUFFERED
        assert book.counts == {"waiting": 7}
        assert value(db_url, RECORDS) == 0
        assert book.flush()
        assert book.counts == {"accepted": 2, "duplicate": 1, "conflict": 1, "rejected": 3, "waiting": 0}
    assert rows(db_url, "SELECT request_id, project, tags FROM usage_records ORDER BY id") == [
        ("r0", "search", '{"team":"a"}'), ("r1", "ads", "{}")
    ]  # fmt: skip
    assert value(db_url, BATCHES) == 1
    held = {entry["reason"]: entry["id"] for entry in db_cli("quarantine", "list", "--json").ok().json["entries"]}
    assert len(held) == 4
    shown = db_cli("quarantine", "show", held["unknown_model"], "--json").ok().json
    assert shown["options"]["project"] == "maps"
    db_cli("verify").ok()


def test_a_buffer_books_the_same_as_calls_one_by_one(db_url: str, db_cli: Cli, tmp_path: Path) -> None:
    given = [
        response("r0"), None, {"error": {"message": "overloaded"}}, response("r0"), response("r1", status="queued"),
        response("r2", model="unheard-of"), response("r0", created_at=AT + 1), response("r3", usage=None), 7,
    ]  # fmt: skip
    other_url = f"sqlite:///{tmp_path}/other.db"
    for url, seconds in ((db_url, 3600), (other_url, 0)):
        with Ledger(url, buffer=seconds) as book:
            for payload in given:
                book.record(payload, project="search", tags={"team": "a"})
            book.flush()
            counts = book.counts
        assert counts["accepted"] == 1
    facts = "SELECT request_id, project, tags, input_tokens FROM usage_records ORDER BY id"
    held = "SELECT digest, reason, message, request_id, fields, options FROM quarantine ORDER BY digest"
    assert rows(db_url, facts) == rows(other_url, facts)
    assert rows(db_url, held) == rows(other_url, held)
    assert [row[3:] for row in rows(db_url, "SELECT * FROM charges")] == [
        row[3:] for row in rows(other_url, "SELECT * FROM charges")
    ]


def test_time_books_what_waits_and_so_does_a_full_group(db_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with Ledger(db_url, buffer=0.05) as soon:
        soon.record(response("r0"))
        until(lambda: value(db_url, RECORDS) == 1)
    monkeypatch.setattr(worker, "MAX_AT_ONCE", 3)
    monkeypatch.setattr(outbox, "MAX_AT_ONCE", 3)
    with Ledger(db_url, buffer=3600) as book:
        for number in range(1, 4):
            book.record(response(f"r{number}"))
        until(lambda: value(db_url, RECORDS) == 4)
        book.record(response("r4"))
        assert value(db_url, BATCHES) == 2
    assert value(db_url, RECORDS) == 5


def test_threads_share_a_buffer(db_url: str, db_cli: Cli) -> None:
    with Ledger(db_url, buffer=0.01) as book:

        def record(which: int) -> None:
            for number in range(200):
                book.record(response(f"{which}-{number}"))
                if number % 90 == 0:
                    book.flush()

        with ThreadPoolExecutor(4) as pool:
            list(pool.map(record, range(4)))
        assert book.flush()
        assert book.counts == {"accepted": 800, "waiting": 0}
    assert value(db_url, RECORDS) == 800
    db_cli("verify").ok()


def test_a_call_waits_for_room_and_no_longer_than_its_timeout(sqlite_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outbox, "MAX_WAITING", 3)
    with Ledger(sqlite_url, buffer=3600) as book:
        for number in range(3):
            book.record(response(f"r{number}"))
        with pytest.raises(DatabaseFailure, match="3 responses wait already, and no more can"):
            book.record(response("more"), timeout=0)
        with ThreadPoolExecutor(1) as pool:
            waiting = pool.submit(asyncio.run, book.arecord(response("more"), timeout=60))
            book.flush()
            assert waiting.result() == BUFFERED
    assert ids(sqlite_url) == ["r0", "r1", "r2", "more"]
    with Ledger(sqlite_url, buffer=3600, spool="spool.jsonl") as book:
        for number in range(4):
            told = book.record(response(f"s{number}"), timeout=0)
        assert told.status == "spooled"
    assert Ledger(sqlite_url, spool="spool.jsonl").flush()
    assert value(sqlite_url, RECORDS) == 8


@pytest.mark.parametrize("seconds", [-1, "1", float("nan"), None, 86_401])
def test_a_buffer_is_a_number_of_seconds(sqlite_url: str, seconds: float) -> None:
    with pytest.raises(LedgerError, match="buffer"):
        Ledger(sqlite_url, buffer=seconds)


def test_true_is_a_second(sqlite_url: str) -> None:
    assert Ledger(sqlite_url, buffer=True)._buffer == 1
    assert not Ledger(sqlite_url, buffer=False)._buffer


# --- the end --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("ending", ENDINGS)
def test_nothing_is_lost_as_a_program_ends(db_url: str, tmp_path: Path, ending: str) -> None:
    _code, out, err = finish(start(PROGRAM + ENDINGS[ending], [db_url], tmp_path))
    assert sorted(out.splitlines()) == [f"r{number} buffered" for number in range(3)]
    assert err in ("", "on purpose\n")
    assert sorted(ids(db_url)) == ["r0", "r1", "r2"]


def test_a_kill_loses_what_waited_and_nothing_else(db_url: str, db_cli: Cli, tmp_path: Path) -> None:
    killed = """
for n in range(3): record(f'r{n}')
assert book.flush()
for n in range(3, 6): record(f'r{n}')
os.kill(os.getpid(), signal.SIGKILL)
"""
    code, out, _err = finish(start(PROGRAM + killed, [db_url], tmp_path))
    assert (code, len(out.splitlines())) == (-signal.SIGKILL, 6)
    assert ids(db_url) == ["r0", "r1", "r2"]
    db_cli("verify").ok()


def test_a_kill_at_any_moment_loses_the_last_ones_alone(db_url: str, db_cli: Cli, tmp_path: Path) -> None:
    busy = "book = Ledger(sys.argv[1], buffer=0.01)\nfor n in range(100_000): record(f'r{n}')"
    program = start(PROGRAM + busy, [db_url], tmp_path)
    assert program.stdout is not None
    told = [program.stdout.readline() for _ in range(2_000)]
    until(lambda: value(db_url, RECORDS) > 0)
    program.kill()
    out, err = program.communicate()
    assert err == ""
    made = len(told) + len(re.findall(r" buffered\n", out))
    found = ids(db_url)
    assert found == [f"r{number}" for number in range(len(found))]  # the first ones, each once
    assert 0 < len(found) <= made + 1
    db_cli("verify").ok()


@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
def test_what_is_buffered_at_a_fork_is_the_parent_s_to_book(db_url: str) -> None:
    book = Ledger(db_url, buffer=3600)
    book.record(response("parent"))
    if pid := os.fork():
        assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    else:
        is_empty = book.counts["waiting"] == 0
        told = book.record(response("child")) == BUFFERED and book.flush(60)
        book.close()
        os._exit(0 if is_empty and told else 1)
    assert ids(db_url) == ["child"]
    book.close()
    assert ids(db_url) == ["child", "parent"]


# --- a database that fails ------------------------------------------------------------------------------------------


def test_what_can_not_be_booked_is_spooled_at_once_for_all(sqlite_url: str, impatient: None) -> None:
    with Ledger(sqlite_url, buffer=0.01, spool="spool.jsonl", timeout=0.1) as book:
        with lock_held(sqlite_url):
            for number in range(5):
                assert book.record(response(f"r{number}")) == BUFFERED
            until(lambda: book.counts.get("spooled") == 5)
            assert len(Path("spool.jsonl").read_text().splitlines()) == 5
        assert book.flush(60)
    assert sorted(ids(sqlite_url)) == [f"r{number}" for number in range(5)]


def test_without_a_spool_it_is_kept_and_tried_again(
    sqlite_url: str, impatient: None, caplog: pytest.LogCaptureFixture
) -> None:
    with Ledger(sqlite_url, buffer=0.01, timeout=0.1) as book:
        with lock_held(sqlite_url), caplog.at_level(logging.WARNING, "tollbook"):
            for number in range(5):
                book.record(response(f"r{number}"))
            until(lambda: "buffered responses wait: another program has been writing" in caplog.text)
            assert book.counts["waiting"] == 5
            assert not book.flush(0.1)
        until(lambda: value(sqlite_url, RECORDS) == 5)
    assert sorted(ids(sqlite_url)) == [f"r{number}" for number in range(5)]


def test_the_error_of_one_keeps_it_alone(sqlite_url: str, impatient: None) -> None:
    poison = "CREATE TRIGGER poison BEFORE INSERT ON booked_usage WHEN NEW.request_id = 'r1'"
    with Ledger(sqlite_url, buffer=3600) as book:
        execute(sqlite_url, f"{poison} BEGIN SELECT RAISE(ABORT, 'poison'); END")
        for number in range(3):
            book.record(response(f"r{number}"))
        assert not book.flush(5)
        assert ids(sqlite_url) == ["r0", "r2"]
        execute(sqlite_url, "DROP TRIGGER poison")
        assert book.flush(60)
    assert ids(sqlite_url) == ["r0", "r2", "r1"]


@pytest.fixture
def held_lock(sqlite_url: str) -> Callable[[Ledger], None]:
    """Lets a ledger be closed while another program writes."""

    def close(book: Ledger) -> None:
        with lock_held(sqlite_url):
            book.close()

    return close


def test_an_end_that_can_not_book_spools_or_says_how_many_are_lost(
    sqlite_url: str, held_lock: Callable[[Ledger], None]
) -> None:
    spooling = Ledger(sqlite_url, buffer=3600, timeout=0.1, spool="spool.jsonl")
    spooling.record(response("r0"))
    held_lock(spooling)
    assert Ledger(sqlite_url, spool="spool.jsonl").flush(60)
    assert ids(sqlite_url) == ["r0"]
    book = Ledger(sqlite_url, buffer=3600, timeout=0.1)
    book.record_many([response("r1"), response("r2")])
    with pytest.raises(DatabaseFailure, match="2 buffered responses aren't booked: another program has been writing"):
        held_lock(book)
    book.close()  # it said so once


def test_a_program_s_end_that_loses_responses_says_so(sqlite_url: str, tmp_path: Path) -> None:
    program = """
book = Ledger(sys.argv[1], buffer=3600, timeout=0.1)
record('r0')
import sqlite3
other = sqlite3.connect(sys.argv[1].removeprefix('sqlite:///'), isolation_level=None)
other.execute('BEGIN IMMEDIATE')
"""
    _code, _out, err = finish(start(PROGRAM + program, [sqlite_url], tmp_path))
    assert "1 buffered responses aren't booked: another program has been writing" in err
    assert ids(sqlite_url) == []
