"""Sockets of PostgreSQL connections, to be shut from outside: a thread can't be made to stop waiting on one otherwise.

The driver has no limit of its own for a statement, and a server that is frozen still acknowledges at TCP's level.
"""

from __future__ import annotations

import socket
import threading
from contextlib import suppress
from typing import Any

from sqlalchemy.pool import ConnectionPoolEntry

# Key of a connection's info: the copy of its socket, and where that is gathered.
_SOCKET = "ledger_socket"
_here = threading.local()


class Sockets:
    """The sockets of the connections that a worker's threads made, each a copy of the driver's own."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._open: set[socket.socket] = set()

    def gather(self) -> None:
        """Has the connections that this thread makes from now on be among these."""
        _here.sockets = self

    def cut(self) -> None:
        """Shuts all of them: whoever waits for an answer gets an error of the connection."""
        with self._lock:
            for copy in self._open:
                with suppress(OSError):  # the other side shut it before
                    copy.shutdown(socket.SHUT_RDWR)

    def forget(self) -> None:
        """Closes the copies alone: in a child of a fork the connections are the parent's."""
        self._lock = threading.Lock()
        for copy in self._open:
            copy.close()
        self._open = set()

    def add(self, driver: Any, record: ConnectionPoolEntry) -> None:  # noqa: ANN401 - psycopg may not be there
        """Takes a copy of a new connection's socket, as descriptors are given anew once they are closed."""
        copy = socket.fromfd(driver.fileno(), socket.AF_INET, socket.SOCK_STREAM)
        with self._lock:
            self._open.add(copy)
        record.info[_SOCKET] = self, copy

    def remove(self, copy: socket.socket) -> None:
        """Closes the copy of a connection that ends."""
        with self._lock:
            self._open.discard(copy)
            copy.close()


def note_connect(driver: Any, record: ConnectionPoolEntry) -> None:  # noqa: ANN401
    """Gathers a new connection where this thread's are."""
    gathered: Sockets | None = getattr(_here, "sockets", None)
    if gathered is not None:
        gathered.add(driver, record)


def note_close(_driver: object, record: ConnectionPoolEntry) -> None:
    """Lets go of a connection's socket as it ends."""
    sockets, copy = record.info.pop(_SOCKET, (None, None))
    if sockets is not None:
        sockets.remove(copy)
