"""The spool: what it holds, and that each line of it is booked once, whatever happens to whoever writes or books it."""

from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from filelock import FileLock

from ledger import Ledger
from ledger.errors import DatabaseFailure, LedgerError
from ledger.live import worker
from ledger.live.spool import Spool
from ledger.store.revision import HEAD_REVISION
from ledger.store.urls import parse_url
from tests.conftest import Cli
from tests.helpers.ledgers import PRO, execute, finish, rows, start, value
from tests.helpers.sources import chat, lines, record, response
from tests.helpers.waits import lock_held

CANARY = "canary-4711"
SPOOL = "spool.jsonl"
GIVEN = {
    "plain": response("r1"),
    "labelled": response("r2", metadata={"project": "search", "team": "a"}, output=[{"text": CANARY}]),
    "failed": response("r3", status="failed", usage=None, error={"message": CANARY}),
    "chat": chat("c1"),
    "unknown model": response("r4", model="unheard-of"),
    "conflict": response("r0", created_at=1771486675),
    "without usage": response("r5", usage=None, instructions=CANARY),
    "nothing": {"error": {"message": CANARY}},
    "no response": 7,
}


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(worker, "RETRY_SECONDS", 600)  # so that `flush` alone tries it again, however slow the disk is


@contextmanager
def away(book: Ledger) -> Iterator[None]:
    """A database that doesn't book in time."""
    with lock_held(str(parse_url(book._url))):
        yield


def record_given(book: Ledger, timeout: float) -> list[str]:
    return [
        book.record(given, project="ads", tags={"feature": "x"}, timeout=timeout).status for given in GIVEN.values()
    ]


def facts(url: str) -> list[list[tuple[object, ...]]]:
    columns = "request_id, source, kind, provider, occurred_at, requested_model, reported_model, project, status, tags"
    held = "digest, length, source, reason, message, request_id, complete, seen"
    return [
        rows(url, f"SELECT {columns}, input_tokens, output_tokens FROM usage_records ORDER BY request_id"),
        rows(url, f"SELECT {held} FROM quarantine ORDER BY digest"),
        rows(url, "SELECT amount_nano, currency, occurred_month FROM charges ORDER BY usage_record_id"),
    ]


@pytest.mark.parametrize("way", ["by itself", "by ingest"])
def test_what_is_spooled_is_booked_and_held_back_as_it_would_have_been(cli: Cli, tmp_path: Path, way: str) -> None:
    direct, spooled = Ledger("direct.db"), Ledger("spooled.db", spool=SPOOL)
    for book in (direct, spooled):
        book.record(response("r0"))
    assert set(record_given(direct, 30)) == {"accepted", "conflict", "rejected"}
    with away(spooled):
        assert set(record_given(spooled, 0)) == {"spooled"}
        text = Path(SPOOL).read_text()
        assert CANARY not in text
        assert Path(SPOOL).stat().st_mode & 0o777 == 0o600
    if way == "by itself":
        assert spooled.flush(timeout=60)
    else:
        spooled.close()
        cli("ingest", SPOOL, "--db", "spooled.db", "--json", "--allow-rejected", 9)
    urls = [f"sqlite:///{tmp_path / name}" for name in ("direct.db", "spooled.db")]
    assert facts(urls[0]) == facts(urls[1])
    assert len(facts(urls[0])[0]) == 5
    assert len(facts(urls[0])[1]) == 5
    assert record_given(Ledger("spooled.db"), 30) == record_given(direct, 30)  # known by both ways
    assert facts(urls[0]) == facts(urls[1])
    assert {seen for *_others, seen in facts(urls[1])[1]} == {2}
    cli("verify", "--db", "spooled.db").ok()


def test_what_is_not_to_be_booked_is_not_spooled(sqlite_url: str) -> None:
    book = Ledger(sqlite_url, spool=SPOOL)
    with away(book):
        told = book.record_many([response("r1", status="queued"), response("r2"), {"a": 1}], timeout=0)
        spooled = Path(SPOOL).read_text()  # before the worker can book it
    assert [one.status for one in told] == ["pending", "spooled", "spooled"]
    assert (told[1].reason, told[2].reason) == (None, "unrecognised_format")
    assert "writing the ledger" in str(told[1].message) or "answered" in str(told[1].message)
    assert len(spooled.splitlines()) == 2


def test_an_upgrade_stops_no_application(db_url: str) -> None:
    """The older program spools what the newer one books."""
    older = Ledger(db_url, spool=SPOOL)
    assert older.record(response("r1")).status == "accepted"
    execute(db_url, "UPDATE alembic_version SET version_num = '9999'")
    told = older.record(response("r2"))
    assert (told.status, "newer than this tollbook's" in str(told.message)) == ("spooled", True)
    assert not older.flush(timeout=5)
    older.close()
    execute(db_url, f"UPDATE alembic_version SET version_num = '{HEAD_REVISION}'")
    with Ledger(db_url, spool=SPOOL) as newer:
        assert newer.flush(timeout=60)
    assert rows(db_url, "SELECT request_id FROM usage_records ORDER BY 1") == [("r1",), ("r2",)]
    assert value(db_url, "SELECT count(*) FROM quarantine") == 0


def test_a_torn_last_line_spoils_no_other(sqlite_url: str) -> None:
    """Its program was killed as it wrote it, and was never told that it is spooled."""
    book = Ledger(sqlite_url, spool=SPOOL)
    for number, torn in enumerate(['{"request_id": "torn', '{"request_id": "' + "x" * 200_000]):
        Path(SPOOL).write_text(torn)
        with away(book):
            assert book.record(response(f"r{number}"), timeout=0).status == "spooled"
        with Spool(Path(SPOOL))._alone(), Path(SPOOL).open("a") as file:  # as who writes it has it
            file.write(torn)
        assert book.flush(timeout=60)
    assert rows(sqlite_url, "SELECT request_id FROM usage_records ORDER BY 1") == [("r0",), ("r1",)]
    assert value(sqlite_url, "SELECT count(*) FROM quarantine") == 0


FULL = """
import resource, sys
from ledger import Ledger
from ledger.errors import DatabaseFailure
payload = {"object": "response", "model": "doubao-seed-2-0-pro-260215", "created_at": 1771486674, "status": "completed",
           "usage": {"input_tokens": 88, "output_tokens": 230, "total_tokens": 318}}
book = Ledger(sys.argv[1], spool="spool.jsonl")
resource.setrlimit(resource.RLIMIT_FSIZE, (1_000, 1_000))
told = []
for number in range(10):
    try:
        told.append(book.record(payload | {"id": f"r{number}"}, timeout=0).status)
    except DatabaseFailure as error:
        told.append(str(error))
print(*told, sep="\\n")
"""


def test_a_spool_that_can_not_be_written_is_told_and_its_lines_are_whole(sqlite_url: str, tmp_path: Path) -> None:
    Ledger(sqlite_url)
    with lock_held(sqlite_url):
        code, out, err = finish(start(FULL, [sqlite_url], tmp_path))
    assert (code, err) == (0, "")
    told = out.splitlines()
    kept = told.count("spooled")
    assert 0 < kept < 10
    assert all(said == "spooled" or ("the spool " in said and "File too large" in said) for said in told)
    assert [json.loads(line)["request_id"] for line in Path(SPOOL).read_text().splitlines()] == [
        f"r{number}" for number in range(kept)
    ]
    assert Ledger(sqlite_url, spool=SPOOL).flush(timeout=60)
    assert value(sqlite_url, "SELECT count(*) FROM usage_records") == kept


def test_a_spool_in_no_folder_is_refused_at_once(sqlite_url: str) -> None:
    with pytest.raises(LedgerError, match="isn't one: make it first"):
        Ledger(sqlite_url, spool="nowhere/spool.jsonl")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_spool_without_rights_is_an_error_that_says_so(sqlite_url: str, tmp_path: Path) -> None:
    (tmp_path / "locked").mkdir(mode=0o500)
    book = Ledger(sqlite_url, spool="locked/spool.jsonl")
    with away(book), pytest.raises(DatabaseFailure, match="can't be written: Permission denied"):
        book.record(response("r1"), timeout=0)


def test_a_spool_that_another_program_has_locked_is_an_error_that_says_so(sqlite_url: str, tmp_path: Path) -> None:
    book = Ledger(sqlite_url, spool=SPOOL)
    with away(book), FileLock(f"{SPOOL}.lock"):
        started = time.monotonic()
        with pytest.raises(DatabaseFailure, match=r"Nothing is spooled either: .*spool.jsonl.lock is held by others"):
            book.record(response("r1"), timeout=0)
        assert time.monotonic() - started < 8
    assert not Path(SPOOL).exists()


def test_many_threads_that_spool_at_once_all_do(monkeypatch: pytest.MonkeyPatch) -> None:
    """However long the disk takes for each of them."""
    monkeypatch.setattr("os.fsync", lambda _file: time.sleep(0.05))
    spool = Spool(Path(SPOOL))
    with ThreadPoolExecutor(40) as pool:
        list(pool.map(spool.append, ([b'{"request_id":"%d"}' % number] for number in range(40))))
    assert len(Path(SPOOL).read_text().splitlines()) == 40


def test_a_claimed_file_of_an_ended_program_is_booked_first(sqlite_url: str) -> None:
    book = Ledger(sqlite_url, spool=SPOOL)
    with away(book):
        book.record(response("r1"), timeout=0)
        with suppress(FileNotFoundError):  # the ledger's own worker may have claimed it already
            Path(SPOOL).rename(f"{SPOOL}.claimed")
        book.record(response("r2"), timeout=0)
    assert Ledger(sqlite_url, spool=SPOOL).flush(timeout=60)
    assert rows(sqlite_url, "SELECT request_id FROM usage_records ORDER BY 1") == [("r1",), ("r2",)]
    assert sorted(str(path) for path in Path().glob(f"{SPOOL}*")) == [f"{SPOOL}.claimed.lock", f"{SPOOL}.lock"]


def test_flush_waits_for_another_program_that_books_the_spool(sqlite_url: str) -> None:
    Spool(Path(SPOOL)).append([lines([record("r1", requested_model=PRO)]).encode().rstrip()])
    other, is_claimed = Spool(Path(SPOOL)), threading.Event()

    def fail() -> None:
        with suppress(KeyError), other.claimed():
            is_claimed.set()
            time.sleep(0.5)
            raise KeyError

    with ThreadPoolExecutor(1) as pool:
        failing = pool.submit(fail)
        assert is_claimed.wait(10)
        assert Ledger(sqlite_url, spool=SPOOL).flush(timeout=60)
        failing.result()
    assert rows(sqlite_url, "SELECT request_id FROM usage_records") == [("r1",)]


def test_flush_ends_in_time_where_another_program_keeps_the_spool(sqlite_url: str) -> None:
    spool = Spool(Path(SPOOL))
    spool.append([lines([record("r1", requested_model=PRO)]).encode().rstrip()])
    with suppress(KeyError), spool.claimed():
        assert not Ledger(sqlite_url, spool=SPOOL).flush(timeout=1)
        raise KeyError


def test_a_file_is_booked_by_one_program_at_a_time_and_stays_where_that_fails(tmp_path: Path) -> None:
    spool, other = Spool(tmp_path / SPOOL), Spool(tmp_path / SPOOL)
    spool.append([b'{"request_id":"a"}'])

    def fail() -> None:
        with spool.claimed() as path, other.claimed() as nothing:
            assert (path is None, nothing) == (False, None)
            other.append([b'{"request_id":"b"}'])
            raise KeyError

    with pytest.raises(KeyError):
        fail()
    with other.claimed() as path:
        assert path is not None
        assert path.read_bytes() == b'{"request_id":"a"}\n'
    assert not spool.is_empty()
    with spool.claimed() as path:
        assert path is not None
        assert path.read_bytes() == b'{"request_id":"b"}\n'
    assert spool.is_empty()


@pytest.mark.parametrize(
    "name",
    [
        "",
        ".",
        "x" * 250,
        "x" * 300,
        "a\0b",
        "folder",
        "fifo",
        "loop",
        "notes.txt",
        "book.db",
        "book.db-wal",
        "[]",
        "{}",
    ],
)
def test_what_cannot_be_a_spool_is_refused_at_once_and_stays_as_it_is(tmp_path: Path, name: str) -> None:
    url = f"sqlite:///{tmp_path}/book.db"
    book = Ledger(url)
    assert book.record(response("r1")).status == "accepted"
    (tmp_path / "folder").mkdir()
    (tmp_path / "loop").symlink_to("loop")
    os.mkfifo(tmp_path / "fifo")
    for path, text in (("notes.txt", "my notes\nand more"), ("[]", "[1]\n"), ("{}", '{"a":1}')):
        (tmp_path / path).write_text(text, encoding="utf-8")
    kept = {path: path.read_bytes() for path in tmp_path.iterdir() if path.is_file()}
    with pytest.raises(LedgerError, match="spool"):
        Ledger(url, spool=name)
    assert {path: path.read_bytes() for path in tmp_path.iterdir() if path.is_file()} == kept
    assert book.record(response("r2")).status == "accepted"
    book.close()


def test_a_file_that_comes_to_lie_in_its_place_is_left_alone(tmp_path: Path) -> None:
    with Ledger(f"sqlite:///{tmp_path}/book.db", spool=SPOOL) as book:
        (tmp_path / SPOOL).write_text("my notes\nand more", encoding="utf-8")
        assert book.record(response("r1")).status == "accepted"
        assert not book.flush(0.5)
        with away(book), pytest.raises(DatabaseFailure, match="holds something else than a spool"):
            book.record(response("r2"), timeout=0)
    assert (tmp_path / SPOOL).read_text(encoding="utf-8") == "my notes\nand more"
