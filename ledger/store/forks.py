"""Forks of a process that works on ledgers: they wait for transactions, and a child begins with its own connections.

A child gets only the thread that forked, but every lock as it was held at that moment, the sockets of PostgreSQL
connections and, of SQLite, its idea of locks that are the parent's. So a fork waits until no other thread is inside a
transaction, closes idle SQLite connections, and has the child make its own locks and connections.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol
from weakref import WeakSet

import msgspec

from ledger.errors import LedgerError

if TYPE_CHECKING:
    from sqlalchemy import Engine

# How long a fork waits for the transactions of other threads.
WAIT_SECONDS = 30


class Follower(Protocol):
    """An object that does something of its own after a fork."""

    def renew_after_fork(self) -> None:
        """Replaces, in the child, what is the parent's."""


class Worker(Follower, Protocol):
    """A follower with a thread of its own."""

    def rest_before_fork(self) -> None:
        """Ends an idle thread, so that a program with no other forks as one without threads."""


class _Gate:
    """Lets threads into transactions while nobody forks, and knows which are inside.

    Its lock is held from before a fork until after it, so that in the child it is never another thread's.
    """

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._inside: dict[object, tuple[int, bool]] = {}
        self._is_closing = False
        self._is_quiet = False
        self._forking: int | None = None
        self.holds_sqlite = False

    @contextmanager
    def passing(self, *, is_sqlite: bool) -> Iterator[None]:
        """Lets this thread be inside; one that is inside already, or that forks, always gets in."""
        pass_ = object()
        with self._changed:
            self._changed.wait_for(lambda: not self._is_closing or self._has(threading.get_ident()))
            self._inside[pass_] = (threading.get_ident(), is_sqlite)
        try:
            yield
        finally:
            with self._changed:
                self._inside.pop(pass_, None)  # in a child, the parent's are gone
                self._changed.notify_all()

    def _has(self, thread: int) -> bool:
        return thread == self._forking or any(ident == thread for ident, _is_sqlite in self._inside.values())

    def close(self) -> bool:
        """Keeps threads out and waits for those inside; returns whether none is left. The lock stays held."""
        self._changed.acquire()
        self._changed.wait_for(lambda: not self._is_closing)  # another thread's fork
        self._is_closing = True
        # A fork inside a transaction of its own inherits that in any case; others may even be waiting for it.
        if not self._has(threading.get_ident()):
            self._changed.wait_for(lambda: not self._inside, WAIT_SECONDS)
        self._is_quiet = not self._inside
        self._forking = threading.get_ident()  # the collector may close forgotten connections in this very thread
        return self._is_quiet

    def open(self) -> None:
        """Lets threads in again."""
        self._is_closing = self._is_quiet = False
        self._forking = None
        self._changed.notify_all()
        self._changed.release()

    def renew(self, *, idle_sqlite: bool) -> None:
        """Starts afresh in a child, with this thread alone; `idle_sqlite` where its parent had SQLite ledgers open."""
        inherited = any(is_sqlite for _ident, is_sqlite in self._inside.values()) or idle_sqlite
        self.holds_sqlite = self.holds_sqlite or (inherited and not self._is_quiet)
        self._changed = threading.Condition()
        self._inside = {}
        self._forking = None
        self._is_closing = self._is_quiet = False


class Lock:
    """A lock that is free in a child, whichever thread of the parent held it at the fork."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        follow(self)

    def __enter__(self) -> None:
        self._lock.acquire()

    def __exit__(self, *_error: object) -> None:
        self._lock.release()

    def renew_after_fork(self) -> None:
        """Puts a free lock in its place."""
        self._lock = threading.Lock()


class _Kept(msgspec.Struct, gc=False):
    what: object
    itself: object = None


def keep(what: object) -> None:
    """Keeps an object for good, even as the process ends.

    A connection of the parent's must not be closed in the child: the end of a SQLite connection may write to the file
    and remove its write-ahead file, behind the back of the parent that works on it.
    """
    kept = _Kept(what)
    kept.itself = kept  # a circle that the garbage collector doesn't know


_gate = _Gate()
_followers: WeakSet[Follower] = WeakSet()
_workers: WeakSet[Worker] = WeakSet()
# Engines that may have idle SQLite connections, from when they are made until they are let go of.
_sqlite_engines: set[Engine] = set()
passing = _gate.passing


def register_sqlite(engine: Engine) -> None:
    """Has an engine's idle connections closed before each fork, until it is let go of."""
    _sqlite_engines.add(engine)


def let_go(engine: Engine) -> None:
    """Closes an engine's connections for good; while a fork goes on, after it."""
    with passing(is_sqlite=engine in _sqlite_engines):
        engine.dispose()
        _sqlite_engines.discard(engine)


def follow(thing: Follower) -> None:
    """Renews an object after each fork for as long as it lives."""
    _followers.add(thing)


def follow_worker(worker: Worker) -> None:
    """Renews a worker as `follow` does, and has it rest before each fork."""
    _workers.add(worker)
    follow(worker)


def refuse_inherited_sqlite() -> None:
    """Refuses SQLite in a child that was forked while it was in use.

    The library takes locks that it saw the parent hold for its own, and would overwrite what the parent writes.
    """
    if _gate.holds_sqlite:
        raise LedgerError(
            "this process was forked while a SQLite ledger was in use, and SQLite can't go on in both: "
            "fork outside of the ledger's transactions, or start processes anew (multiprocessing's 'spawn')"
        )


def _before() -> None:
    for worker in list(_workers):
        worker.rest_before_fork()
    if _gate.close():
        for engine in list(_sqlite_engines):
            engine.dispose()


def _after_in_child() -> None:
    _gate.renew(idle_sqlite=bool(_sqlite_engines))
    for engine in list(_sqlite_engines):
        keep(engine)
    _sqlite_engines.clear()
    for thing in list(_followers):
        thing.renew_after_fork()


if hasattr(os, "register_at_fork"):  # Windows doesn't fork
    os.register_at_fork(before=_before, after_in_parent=_gate.open, after_in_child=_after_in_child)
