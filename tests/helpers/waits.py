"""Waits of tests: for something that another thread does, and for a lock that another program holds."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from tests.helpers.ledgers import connected


def until(holds: Callable[[], bool]) -> None:
    """Wait until something holds, a minute at most."""
    deadline = time.monotonic() + 60
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.01)


@contextmanager
def lock_held(url: str) -> Iterator[None]:
    """Holds the ledger's write lock as another program does."""
    with connected(url) as connection:
        if url.startswith("sqlite"):
            connection.execute("BEGIN IMMEDIATE")
        else:
            connection.execute("BEGIN")
            connection.execute("SELECT * FROM ledger_settings WHERE name = 'lock' FOR UPDATE")
        yield
        connection.execute("ROLLBACK")
