"""The thread that books what waits, all of it in one transaction, and what is spooled."""

from __future__ import annotations

import math
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import replace

from ledger.config import Config
from ledger.errors import DatabaseFailure, LedgerError
from ledger.intake.application import Recorded, book_calls
from ledger.live.drain import SPOOL_SECONDS, drain, fill
from ledger.live.entry import Entry
from ledger.live.spool import Spool
from ledger.live.waiting import Waiting
from ledger.logs import logger_of
from ledger.store import forks
from ledger.store.database import Database
from ledger.store.sockets import Sockets

LOG = logger_of("live")
# Most responses that one transaction takes; where as many are buffered, they aren't waited with.
MAX_AT_ONCE = 1_000
# How soon what couldn't be booked is tried again, from a spool or buffered.
RETRY_SECONDS = 5


class Worker:
    """A queue and the thread that books it, on a database that the thread opens; a child of a fork has its own.

    `counts` are the responses so far by status, `drained` those booked from the spool.
    """

    def __init__(self, open_database: Callable[[], Database], config: Config, spool: Spool | None) -> None:
        self._open_database = open_database
        self._config = config
        self._spool = spool
        self._database: Database | None = None
        self._sockets = Sockets()
        self._is_closed = False
        self.counts: Counter[str] = Counter()
        self._begin()
        forks.follow_worker(self)

    def _begin(self) -> None:
        self._changed = threading.Condition()
        self._entries = Waiting()
        self._in_hand: list[Entry] = []
        self._kept: list[Entry] = []
        self._why_kept = ""
        self._again_at = 0.0
        self._thread: threading.Thread | None = None
        self._is_busy = False
        self._stuck_from = 0.0
        self._retry_at = 0.0

    def renew_after_fork(self) -> None:
        """Starts afresh in a child: what waits is the parent's, to book and to answer."""
        self._begin()
        self._sockets.forget()
        if self._spool is not None:
            self._spool.renew_after_fork()
        self.counts = Counter()

    def rest_before_fork(self) -> None:
        """Ends the thread where it is idle; the next call starts another."""
        with self._changed:
            thread = self._thread
            if thread is None or self._is_busy or self._entries or self._kept:
                return
            self._thread = None
            self._changed.notify_all()
        thread.join()

    def _start(self) -> None:
        """Has a thread run, under the lock."""
        if self._thread is None or not self._thread.is_alive():
            self._thread = threading.Thread(target=self._work, name="tollbook-outbox", daemon=True)
            self._thread.start()

    def _work(self) -> None:
        self._sockets.gather()
        while self._wait_for_work():
            self._book_waiting()
            if self._is_due() and self._spool is not None:
                self._drain(self._spool)
        if self._is_closed and self._database is not None:
            self._database.close()
        if self._kept:
            _unbooked.add(self)

    # --- when there is something to do ------------------------------------------------------------------------------

    def _wait_for_work(self) -> bool:
        """Waits until calls or the spool are due; returns false at the end, and where another thread took over."""
        with self._changed:
            self._is_busy = False
            self._changed.notify_all()
            while self._thread is threading.current_thread():
                self._try_again()
                if self._is_ready() or (self._is_due() and not self._is_closed):
                    self._is_busy = True
                    self._stuck_from = math.inf
                    return True
                if self._is_closed:
                    break
                self._changed.wait(self._seconds_to_wait())
        return False

    def _is_ready(self) -> bool:
        """Tells whether calls are to be booked now."""
        return bool(self._entries) and (self._is_closed or self._entries.seconds_until_due(MAX_AT_ONCE) == 0)

    def _is_due(self) -> bool:
        """Tells whether the spool is to be booked now."""
        return time.monotonic() >= self._retry_at and self._has_spooled()

    def _is_at_rest(self) -> bool:
        return not (self._is_busy or self._is_ready() or self._is_due())

    def _has_spooled(self) -> bool:
        return self._spool is not None and not self._spool.is_empty()

    def _seconds_to_wait(self) -> float | None:
        now = time.monotonic()
        waits = [self._entries.seconds_until_due(MAX_AT_ONCE)] if self._entries else []
        waits += [self._retry_at - now] if self._has_spooled() else []
        waits += [self._again_at - now] if self._kept else []
        return max(0.0, min(waits)) if waits else None

    def _try_again(self) -> None:
        """Has what is kept wait to be booked, where it is time to."""
        now = time.monotonic()
        if self._kept and now >= self._again_at:
            for entry in self._kept:
                self._entries.append(replace(entry, due=now, answer=Future()))
            self._kept = []

    # --- booking ----------------------------------------------------------------------------------------------------

    def _book_waiting(self) -> None:
        """Books the calls that wait, as many as go in one transaction; those taken back by their callers are gone."""
        with self._changed:
            taken = [entry for entry in self._entries.take(MAX_AT_ONCE) if entry.answer.set_running_or_notify_cancel()]
            self._in_hand = taken
            for entry in taken:
                if entry.buffered:
                    entry.until = time.monotonic() + entry.timeout
            self._changed.notify_all()  # there is room
        self._book(taken)
        with self._changed:
            self._in_hand = []

    def _book(self, entries: Sequence[Entry]) -> None:
        """Books calls in one transaction, or each in its own where that fails: the error of one isn't the others'."""
        if not entries:
            return
        with self._changed:
            self._stuck_from = max(entry.until for entry in entries)
        try:
            wait = max(entry.left for entry in entries)
            booked = book_calls(self._opened(), self._config, [entry.call for entry in entries], wait=wait)
        except Exception as error:  # noqa: BLE001 - it is the callers'
            late: list[Entry] = []
            for entry in entries:
                if len(entries) == 1 or not entry.left:
                    late.append(entry)
                else:
                    self._book([entry])
            self._fail(late, error)
            return
        with self._changed:
            self._retry_at = 0.0  # the database answers
            for told in booked:
                self._count(told)
        for entry, told in zip(entries, booked, strict=True):
            entry.answer.set_result(told)

    def _fail(self, entries: Sequence[Entry], error: Exception) -> None:
        """Tells callers why their calls aren't booked; what nobody waits for is spooled, or kept to be tried again."""
        for entry in entries:
            entry.answer.set_exception(error)
        buffered = [entry for entry in entries if entry.buffered]
        if not buffered:
            return
        try:
            self._fill(buffered, error if isinstance(error, LedgerError) else DatabaseFailure(repr(error)))
        except LedgerError as failure:
            with self._changed:
                self._kept += buffered
                self._why_kept = str(failure)
                self._again_at = time.monotonic() + RETRY_SECONDS
            said = {"responses": sum(entry.size for entry in buffered), "reason": self._why_kept}
            LOG.warning("%(responses)s buffered responses wait: %(reason)s", said)

    def _count(self, told: Sequence[Recorded]) -> None:
        self.counts.update(one.status for one in told)

    def _opened(self) -> Database:
        if self._database is None:
            try:
                self._database = self._open_database()
            except OSError as error:
                raise DatabaseFailure(f"{error.filename or 'the ledger'}: {error.strerror or error}") from error
        return self._database

    # --- the spool --------------------------------------------------------------------------------------------------

    def _fill(self, entries: Sequence[Entry], error: LedgerError) -> list[list[Recorded]]:
        """Spools calls; raises the error where there is no spool. Returns what became of their responses."""
        if self._spool is None:
            raise error
        with self._changed:  # first, so that the worker doesn't take a line at once to where it can't be booked
            self._retry_at = time.monotonic() + RETRY_SECONDS
        filled = fill(self._spool, self._config, [entry.call for entry in entries], error)
        with self._changed:
            for told in filled:
                self._count(told)
            self._changed.notify_all()
        return filled

    def _drain(self, spool: Spool) -> None:
        """Books what is spooled, and between its transactions what waits."""
        retry_at = time.monotonic() + RETRY_SECONDS
        self._stuck_from = time.monotonic() + SPOOL_SECONDS
        is_drained = drain(spool, self._opened, self._config, self._note_drained)
        with self._changed:
            self._retry_at = 0.0 if is_drained else retry_at

    def _note_drained(self, number: int) -> None:
        with self._changed:
            self.counts["drained"] += number
        self._book_waiting()
        self._stuck_from = time.monotonic() + SPOOL_SECONDS


# Those that ended with calls that aren't booked: whoever ends the program asks for them.
_unbooked: set[Worker] = set()
