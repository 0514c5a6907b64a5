"""The one queue between a running application and the book.

A worker thread books what waits, all of it in one transaction; callers wait for its answer as long as they want to, and
no longer. What isn't booked by then goes to the spool, or is refused where there is none. It may have been booked all
the same, by a server that didn't get to say so: to book it again is harmless, as each response is known by its id.
"""

from __future__ import annotations

import atexit
import math
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Sequence
from weakref import WeakSet

from ledger.config import Config
from ledger.errors import DatabaseFailure, LedgerError
from ledger.intake.application import Call, Recorded, book_calls
from ledger.intake.labels import RunOptions
from ledger.live.drain import SPOOL_SECONDS, drain, fill
from ledger.live.entry import Entry
from ledger.live.spool import Spool
from ledger.store import forks
from ledger.store.database import Database
from ledger.store.sockets import Sockets

# Most responses that wait, but for a single call of more, and most that one transaction takes.
MAX_WAITING = 10_000
MAX_AT_ONCE = 1_000
# How much longer than they want callers wait for what the database itself says.
GRACE_SECONDS = 0.5
# How soon a spool is tried again that couldn't be booked.
RETRY_SECONDS = 5
EXIT_SECONDS = 5
NOTHING = Call((), RunOptions())
AGAIN = ": record it again, which is harmless where it was booked after all"


class Outbox:
    """Books calls, on a database that its worker opens. Safe to share between threads; a child of a fork has its own.

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
        _outboxes.add(self)

    def _begin(self) -> None:
        self._changed = threading.Condition()
        self._entries: deque[Entry] = deque()
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

    @property
    def waiting(self) -> int:
        """The number of responses that wait."""
        return sum(entry.size for entry in list(self._entries))

    # --- callers ----------------------------------------------------------------------------------------------------

    def book(self, call: Call, timeout: float) -> list[Recorded]:
        """Books a call's responses; returns the fate of each, within so many seconds and a little."""
        entry = self.put(call, timeout)
        try:
            return entry.answer.result(entry.left + GRACE_SECONDS)
        except (TimeoutError, LedgerError) as error:
            return self.give_up(entry, error)

    def flush(self, timeout: float) -> bool:
        """Books what waits, here and in the spool; returns whether nothing is left within so many seconds."""
        until = time.monotonic() + timeout
        with self._changed:
            self._retry_at = 0.0
        try:
            self.book(NOTHING, timeout)
        except DatabaseFailure:
            return False
        with self._changed:
            self._changed.wait_for(self._is_at_rest, max(0.0, until - time.monotonic()))
            return not self._entries and not self._has_spooled()

    def close(self, timeout: float) -> None:
        """Ends once what waits is booked, or after so many seconds; from then on all calls are refused."""
        thread = self.stop()
        if thread is not None and thread is not threading.current_thread():
            thread.join(timeout)
            if thread.is_alive():
                self._sockets.cut()
                thread.join(1)

    def stop(self) -> threading.Thread | None:
        """Has the worker end once what waits is booked; returns it, where there is one."""
        with self._changed:
            self._is_closed = True
            self._changed.notify_all()
            return self._thread

    def rest_before_fork(self) -> None:
        """Ends the worker where it is idle; the next call starts another."""
        with self._changed:
            thread = self._thread
            if thread is None or self._is_busy or self._entries:
                return
            self._thread = None
            self._changed.notify_all()
        thread.join()

    def put(self, call: Call, timeout: float) -> Entry:
        """Has a call wait to be booked, for so many seconds."""
        entry = Entry(call, time.monotonic() + timeout, timeout)
        with self._changed:
            if self._is_closed:
                raise LedgerError("the ledger is closed: open it again with Ledger(url)")
            waiting = self.waiting
            if waiting and waiting + entry.size > MAX_WAITING:
                entry.answer.set_exception(DatabaseFailure(f"{waiting} responses wait already, and no more can"))
                return entry
            self._entries.append(entry)
            if self._thread is None or not self._thread.is_alive():
                self._thread = threading.Thread(target=self._work, name="tollbook-outbox", daemon=True)
                self._thread.start()
            self._changed.notify_all()
        return entry

    def give_up(self, entry: Entry, error: Exception) -> list[Recorded]:
        """Takes a call back; returns what became of it in the spool, or raises the error."""
        answer = entry.answer
        with self._changed:
            if entry in self._entries:
                self._entries.remove(entry)
            elif answer.done() and not answer.cancelled() and not answer.exception():
                return answer.result()
        self.cut_if_stuck()
        if not isinstance(error, LedgerError):
            error = DatabaseFailure(
                f"the database hasn't answered for {entry.timeout:g} s{AGAIN if entry.size else ''}"
            )
        return self.refuse(entry, error)

    def cut_if_stuck(self) -> None:
        """Has the worker get an error where it waits for longer than all whose calls it is booking."""
        with self._changed:
            if self._is_busy and time.monotonic() >= self._stuck_from:
                self._sockets.cut()

    def refuse(self, entry: Entry, error: LedgerError) -> list[Recorded]:
        """Returns what became of a call in the spool; raises the error where there is none."""
        if self._spool is None or not entry.size:
            raise error
        with self._changed:  # first, so that the worker doesn't take a line at once to where it can't be booked
            self._retry_at = time.monotonic() + RETRY_SECONDS
        told = fill(self._spool, self._config, entry.call, error)
        with self._changed:
            self._count(told)
            self._changed.notify_all()
        return told

    def _count(self, told: Sequence[Recorded]) -> None:
        self.counts.update(one.status for one in told)

    def _has_spooled(self) -> bool:
        return self._spool is not None and not self._spool.is_empty()

    def _is_due(self) -> bool:
        return time.monotonic() >= self._retry_at and self._has_spooled()

    def _is_at_rest(self) -> bool:
        return not (self._is_busy or self._entries or self._is_due())

    # --- the worker -------------------------------------------------------------------------------------------------

    def _work(self) -> None:
        self._sockets.gather()
        while self._wait_for_work():
            self._book(self._take())
            if self._is_due() and self._spool is not None:
                self._drain(self._spool)
        if self._is_closed and self._database is not None:
            self._database.close()

    def _wait_for_work(self) -> bool:
        """Waits until there are calls or the spool is due; returns false at the end, and where another took over."""
        with self._changed:
            self._is_busy = False
            self._changed.notify_all()
            while self._thread is threading.current_thread():
                if self._entries or (self._is_due() and not self._is_closed):
                    self._is_busy = True
                    self._stuck_from = math.inf
                    return True
                if self._is_closed:
                    break
                self._changed.wait(max(0.0, self._retry_at - time.monotonic()) if self._has_spooled() else None)
        return False

    def _take(self) -> list[Entry]:
        """Takes the calls that wait, as many as go in one transaction; those taken back by their callers are gone."""
        taken: list[Entry] = []
        size = 0
        with self._changed:
            while self._entries and (not size or size + self._entries[0].size <= MAX_AT_ONCE):
                entry = self._entries.popleft()
                if entry.answer.set_running_or_notify_cancel():
                    taken.append(entry)
                    size += entry.size
        return taken

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
            for entry in entries:
                if len(entries) == 1 or not entry.left:
                    entry.answer.set_exception(error)
                else:
                    self._book([entry])
            return
        with self._changed:
            self._retry_at = 0.0  # the database answers
            for told in booked:
                self._count(told)
        for entry, told in zip(entries, booked, strict=True):
            entry.answer.set_result(told)

    def _opened(self) -> Database:
        if self._database is None:
            try:
                self._database = self._open_database()
            except OSError as error:
                raise DatabaseFailure(f"{error.filename or 'the ledger'}: {error.strerror or error}") from error
        return self._database

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
        self._book(self._take())
        self._stuck_from = time.monotonic() + SPOOL_SECONDS


_outboxes: WeakSet[Outbox] = WeakSet()


@atexit.register
def _close_all() -> None:
    """Lets workers end what they are at: one that the interpreter's end cuts off has its transaction rolled back."""
    until = time.monotonic() + EXIT_SECONDS
    for outbox in list(_outboxes):
        outbox.close(max(0.0, until - time.monotonic()))
