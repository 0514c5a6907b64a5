"""Programs that are killed as they record, spool and book: nothing is lost or doubled."""

from __future__ import annotations

import random
import signal
import sqlite3
import subprocess
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from pathlib import Path

import pytest

from ledger import Ledger
from tests.conftest import Cli
from tests.helpers.ledgers import rows, start
from tests.helpers.waits import lock_held

# Records until it is killed, now at once and now by the spool, and says what it was told.
BUSY = """
import sys
from ledger import Ledger
payload = {"object": "response", "model": "doubao-seed-2-0-pro-260215", "created_at": 1771486674, "status": "completed",
           "usage": {"input_tokens": 88, "output_tokens": 230, "total_tokens": 318}}
book = Ledger(sys.argv[1], spool="spool.jsonl", timeout=0.2)
for number in range(10_000):
    name = f"{sys.argv[2]}-{number}"
    status = book.record(payload | {"id": name}).status
    print(name, status, flush=True)
"""


Begin = Callable[[str], subprocess.Popen[str]]


@pytest.fixture
def begin(db_url: str, tmp_path: Path) -> Iterator[Begin]:
    """Begins a busy program whose ids have that name; it ends with the test."""
    with ExitStack() as stack:

        def begun(name: str) -> subprocess.Popen[str]:
            program = stack.enter_context(start(BUSY, [db_url, name], tmp_path))
            stack.callback(program.kill)
            return program

        yield begun


def lock_now_and_then(url: str, stop: threading.Event) -> None:
    while not stop.wait(0.1):
        with suppress(sqlite3.OperationalError), lock_held(url):  # the programs were at it for a minute
            stop.wait(0.3)


def told_by(program: subprocess.Popen[str], word: str) -> set[str]:
    """Reads its lines up to one of that word."""
    assert program.stdout is not None
    lines: list[str] = []
    while not lines or word not in lines[-1]:
        lines.append(program.stdout.readline())
        assert lines[-1], f"it ended before it told {word!r}"
    return set(lines)


def kill(programs: Sequence[subprocess.Popen[str]]) -> set[str]:
    """Kills programs at the same time; returns what they told last."""
    told: set[str] = set()
    for program in programs:
        program.send_signal(signal.SIGKILL)
    for program in programs:
        assert program.stdout is not None
        assert program.stderr is not None
        assert program.stderr.read() == ""
        told.update(program.stdout)
    return told


def check_told(url: str, folder: Path, told: set[str]) -> Counter[str]:
    """Checks that all of which a program was told is booked once; counts the statuses."""
    names = dict(line.split() for line in told if line.endswith("\n"))
    assert Ledger(url, spool=str(folder / "spool.jsonl"), timeout=60).flush()
    booked = Counter(request_id for (request_id,) in rows(url, "SELECT request_id FROM usage_records"))
    assert set(booked.values()) == {1}
    assert names.keys() <= booked.keys()
    return Counter(names.values())


def test_nothing_is_lost_or_doubled_by_kills(db_url: str, db_cli: Cli, tmp_path: Path, begin: Begin) -> None:
    """Two programs share a spool: the first is killed amid spooling, both are amid booking."""
    Ledger(db_url, timeout=60)
    with lock_held(db_url):
        programs = [begin(which) for which in "ab"]
        told = {line for program in programs for line in told_by(program, " spooled\n")}
        told |= kill(programs[:1])
        programs[0] = begin("c")
    told |= {line for program in programs for line in told_by(program, " accepted\n")}
    told |= kill(programs)
    seen = check_told(db_url, tmp_path, told)
    assert seen.keys() <= {"accepted", "duplicate", "spooled"}
    db_cli("verify").ok()


@pytest.mark.long
def test_nothing_is_lost_or_doubled_by_kills_at_any_moment(
    db_url: str, db_cli: Cli, tmp_path: Path, begin: Begin
) -> None:
    """Two programs share a spool while the lock comes and goes, each killed and begun again."""
    chance = random.Random(4711)
    Ledger(db_url, timeout=60)
    told: set[str] = set()
    stop = threading.Event()
    with ThreadPoolExecutor(1) as pool:
        locking = pool.submit(lock_now_and_then, db_url, stop)
        try:
            for turn in range(6):
                programs = [begin(f"{turn}-{which}") for which in "ab"]
                for program in programs:
                    assert program.stdout is not None
                    told.update(program.stdout.readline() for _ in range(chance.randrange(1, 60)))
                told |= kill(programs)
        finally:
            stop.set()
        locking.result()
    seen = check_told(db_url, tmp_path, told)
    assert seen.keys() <= {"accepted", "duplicate", "spooled"}
    assert seen["spooled"]
    assert seen["accepted"]
    db_cli("verify").ok()
