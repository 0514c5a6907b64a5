"""The one queue between a running application and the book, as callers see it.

A worker books what waits; callers wait for its answer as long as they want to, and no longer. What isn't booked by then
goes to the spool, or is refused where there is none. It may have been booked all the same, by a server that didn't get
to say so: to book it again is harmless, as each response is known by its id.

For a buffered call nobody waits: it is booked with those that come soon after it. Without a spool it is kept where it
can't be booked, and tried again.
"""

from __future__ import annotations

import atexit
import threading
import time
from collections.abc import Callable
from weakref import WeakSet

from ledger.config import Config
from ledger.errors import DatabaseFailure, LedgerError
from ledger.intake.application import Recorded
from ledger.intake.calls import Call
from ledger.intake.labels import RunOptions
from ledger.live.entry import Entry
from ledger.live.spool import Spool
from ledger.live.worker import MAX_AT_ONCE, Worker
from ledger.store.database import Database

# Most responses that wait, but for a single call of more.
MAX_WAITING = 10_000
# How much longer than they want callers wait for what the database itself says.
GRACE_SECONDS = 0.5
EXIT_SECONDS = 5
NOTHING = Call((), RunOptions())
AGAIN = ": record it again, which is harmless where it was booked after all"


class Outbox(Worker):
    """Books calls by its worker. Safe to share between threads; a child of a fork has its own.

    `exit_seconds` is how long the program's end waits for it.
    """

    exit_seconds: float = EXIT_SECONDS

    def __init__(self, open_database: Callable[[], Database], config: Config, spool: Spool | None) -> None:
        super().__init__(open_database, config, spool)
        _outboxes.add(self)

    @property
    def waiting(self) -> int:
        """The number of responses that wait."""
        return self._entries.size + sum(entry.size for entry in self._kept)

    def has_room(self, responses: int) -> bool:
        """Tells whether so many responses more may wait."""
        waiting = self.waiting
        return not waiting or waiting + responses <= MAX_WAITING

    def book(self, call: Call, timeout: float) -> list[Recorded]:
        """Books a call's responses; returns the fate of each, within so many seconds and a little."""
        entry = self.put(call, timeout)
        try:
            return entry.answer.result(entry.left + GRACE_SECONDS)
        except (TimeoutError, LedgerError) as error:
            return self.give_up(entry, error)

    def put(self, call: Call, timeout: float) -> Entry:
        """Has a call wait to be booked, for so many seconds."""
        entry = Entry(call, time.monotonic() + timeout, timeout)
        with self._changed:
            if not self._append(entry):
                entry.answer.set_exception(self._no_room())
        return entry

    def buffer(self, call: Call, timeout: float, seconds: float) -> list[Recorded]:
        """Has a call booked with others that come within so many seconds, and doesn't wait for that.

        It waits for room alone; what has none within the timeout is spooled, or refused.
        """
        self.cut_if_stuck()
        due = time.monotonic() + seconds
        entry = Entry(call, due + timeout, timeout, due, buffered=True)
        with self._changed:
            self._changed.wait_for(lambda: self._is_closed or self.has_room(entry.size), timeout)
            is_added = self._append(entry)
        return [Recorded("buffered")] * entry.size if is_added else self.refuse(entry, self._no_room())

    def _append(self, entry: Entry) -> bool:
        """Adds a call to those that wait and sees to it that they are booked; returns whether there was room for it."""
        if self._is_closed:
            raise LedgerError("the ledger is closed: open it again with Ledger(url)")
        if not self.has_room(entry.size):
            return False
        # The worker sleeps until the first one is due: more of them don't wake it.
        wakes_in_time = entry.buffered and 0 < self._entries.size < MAX_AT_ONCE - entry.size
        self._entries.append(entry)
        self._start()
        if not wakes_in_time:
            self._changed.notify_all()
        return True

    def _no_room(self) -> DatabaseFailure:
        return DatabaseFailure(f"{self.waiting} responses wait already, and no more can")

    def flush(self, timeout: float) -> bool:
        """Books what waits, here and in the spool; returns whether nothing is left within so many seconds.

        Where another program is booking the spool, what that leaves is booked too.
        """
        until = time.monotonic() + timeout
        while not self._is_flushed(until):
            if self._spool is None or not self._spool.is_let_go(max(0.0, until - time.monotonic())):
                return self._is_nothing_left()  # the other may just have ended
        return True

    def _is_flushed(self, until: float) -> bool:
        with self._changed:
            self._retry_at = self._again_at = 0.0
        try:
            self.book(NOTHING, max(0.0, until - time.monotonic()))
        except DatabaseFailure:
            return False
        with self._changed:
            self._changed.wait_for(self._is_at_rest, max(0.0, until - time.monotonic()))
            return self._is_nothing_left()

    def _is_nothing_left(self) -> bool:
        return not (self._kept or self._is_ready() or self._has_spooled())

    def close(self, timeout: float) -> None:
        """Ends once what waits is booked, or after so many seconds; from then on all calls are refused.

        Buffered calls that couldn't be booked are spooled; without a spool a DatabaseFailure says how many they are.
        """
        thread = self.stop()
        if thread is not None and thread is not threading.current_thread():
            thread.join(timeout)
            if thread.is_alive():
                self._sockets.cut()
                thread.join(1)
        with self._changed:
            unbooked = dict.fromkeys((*self._in_hand, *self._kept, *self._entries.take()))
            self._in_hand, self._kept = [], []
        left = [entry for entry in unbooked if entry.buffered]
        if left:
            why = self._why_kept or f"the database hasn't answered for {timeout:g} s"
            responses = sum(entry.size for entry in left)
            self._fill(left, DatabaseFailure(f"{responses} buffered responses aren't booked: {why}"))

    def stop(self) -> threading.Thread | None:
        """Has the worker end once what waits is booked; returns it, where there is one."""
        with self._changed:
            self._is_closed = True
            self._again_at = 0.0
            self._changed.notify_all()
            return self._thread

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
        if not entry.size:
            raise error
        [told] = self._fill([entry], error)
        return told


_outboxes: WeakSet[Outbox] = WeakSet()


@atexit.register
def _close_all() -> None:
    """Lets workers end what they are at: one that the interpreter's end cuts off has its transaction rolled back."""
    began = time.monotonic()
    failures: list[LedgerError] = []
    for outbox in list(_outboxes):
        try:
            outbox.close(max(0.0, began + outbox.exit_seconds - time.monotonic()))
        except LedgerError as error:
            failures.append(error)
    if failures:
        raise failures[0]
