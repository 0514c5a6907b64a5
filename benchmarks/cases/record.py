"""`Ledger.record`, a response a call, beside bare commits of one row each on the same disk, and with a buffer."""

from __future__ import annotations

import itertools
import json
import random
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager

from benchmarks.responses_lines import MONTH_START, line
from benchmarks.runs import Run, timed
from benchmarks.setting import Setting
from benchmarks.turns import RATE, SPEED, Case, Goal, Side, Trial
from tollbook import Ledger

OURS = "Ledger.record"
BARE = "bare commits"
BUFFERED = "Ledger(buffer=True).record"
CALLS = 300
BUFFERED_CALLS = 20_000
LEAST_BUFFERED_PER_SECOND = 5_000
LEAST_CALLS_PER_SECOND = 300
LEAST_OF_BARE = 0.2
INSERT = "INSERT INTO facts (facts) VALUES (?)"


@contextmanager
def prepare(setting: Setting) -> Iterator[Trial]:
    """Opens both databases; each call books another response."""
    rng = random.Random(20260201)
    responses = (json.loads(line(MONTH_START * 1000 + number, rng, "vendor")) for number in itertools.count())
    with (
        setting.room() as room,
        Ledger(str(room / "record.db")) as book,
        closing(sqlite3.connect(room / "bare.db", isolation_level=None)) as bare,
    ):
        bare.execute("PRAGMA journal_mode = WAL")
        bare.execute("PRAGMA synchronous = FULL")
        bare.execute("CREATE TABLE facts (id INTEGER PRIMARY KEY, facts TEXT)")
        book.record(next(responses))  # the first call opens the ledger

        def ours() -> Run:
            some = iter(list(itertools.islice(responses, CALLS)))
            return timed(lambda: book.record(next(some)), calls=CALLS, records=1)

        def peer() -> Run:
            return timed(lambda: bare.execute(INSERT, ("x" * 250,)), calls=CALLS, records=1)

        sides: dict[str, Side] = {OURS: ours, BARE: peer}
        yield Trial(sides, [Goal(OURS, SPEED, LEAST_OF_BARE, BARE), Goal(OURS, RATE, LEAST_CALLS_PER_SECOND)])


@contextmanager
def prepare_buffered(setting: Setting) -> Iterator[Trial]:
    """Opens a ledger with a buffer; a turn is over once all of its calls are committed."""
    rng = random.Random(20260201)
    responses = (json.loads(line(MONTH_START * 1000 + number, rng, "vendor")) for number in itertools.count())
    with setting.room() as room, Ledger(str(room / "record.db"), buffer=True) as book:

        def ours() -> Run:
            some = list(itertools.islice(responses, BUFFERED_CALLS))

            def book_all() -> None:
                for response in some:
                    book.record(response)
                assert book.flush(600)

            return timed(book_all, records=BUFFERED_CALLS)

        yield Trial({BUFFERED: ours}, [Goal(BUFFERED, RATE, LEAST_BUFFERED_PER_SECOND)])


CASES = (
    Case("record", "one response a call, each committed", prepare),
    Case("record-buffered", "one response a call, committed in groups", prepare_buffered),
)
