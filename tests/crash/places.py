"""The places where a kill can leave something else behind: before each call that changes something, after each commit.

The calls are the drivers' own, whoever makes them: SQLAlchemy, Alembic, or bulk work. Calls that only read are none: a
kill between them leaves what a kill at the place before them leaves. To be used in a child process, for good.
"""

from __future__ import annotations

import functools
import os
import signal
import sqlite3.dbapi2
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg

READING = {"", "SELECT", "PRAGMA", "SET", "SHOW"}


class Places:
    """The places that a process has passed, kept in a file; at one of them, counted from 1, it kills itself."""

    def __init__(self, file: Path, kill_at: int | None) -> None:
        self._file, self._kill_at = file, kill_at
        self._passed: list[str] = []

    def come_to(self, name: str) -> None:
        self._passed.append(name)
        if len(self._passed) == self._kill_at:
            self.keep()
            os.kill(os.getpid(), signal.SIGKILL)

    def keep(self) -> None:
        self._file.write_text("\n".join(self._passed), encoding="utf-8")

    def around(self, name: str, call: Callable[..., Any]) -> Callable[..., Any]:
        """Returns the call with a place before and after it."""

        @functools.wraps(call)
        def watched(*args: Any, **kwargs: Any) -> Any:
            self.come_to(f"before {name}")
            result = call(*args, **kwargs)
            self.come_to(f"after {name}")
            return result

        return watched

    def watch(self) -> None:
        """Watches both drivers and the files that replace others, until the process ends."""
        _watch_sqlite(self)
        _watch_psycopg(self)
        os.replace = self.around("a file is replaced", os.replace)


def _is_changing(statement: str) -> bool:
    words = statement.upper().split()
    if words[:2] == ["PRAGMA", "JOURNAL_MODE"]:
        return True
    return words != ["BEGIN"] and "".join(words[:1]) not in READING


def _words(statement: str) -> str:
    return " ".join(statement.split()[:3])


# --- SQLite ---------------------------------------------------------------------------------------------------------


def _watch_sqlite(places: Places) -> None:
    class Cursor(sqlite3.Cursor):
        connection: Connection

        def execute(self, statement: str, *parameters: Any) -> Any:
            self.connection.come_to(statement)
            return super().execute(statement, *parameters)

        def executemany(self, statement: str, rows: Iterable[Any]) -> Any:
            self.connection.come_to(statement)
            return super().executemany(statement, _halfway(places, list(rows), statement))

    class Connection(sqlite3.Connection):
        has_changed = False

        def come_to(self, statement: str) -> None:
            if _is_changing(statement):
                self.has_changed = True
                places.come_to(f"before {_words(statement)}")

        def cursor(self, factory: Any = Cursor) -> Any:
            return super().cursor(factory)

        def execute(self, statement: str, *parameters: Any) -> Any:
            return self.cursor().execute(statement, *parameters)

        def executemany(self, statement: str, rows: Iterable[Any]) -> Any:
            return self.cursor().executemany(statement, rows)

        def commit(self) -> None:
            if self.has_changed:
                self.has_changed = False
                places.around("COMMIT", super().commit)()
            else:
                super().commit()

        def rollback(self) -> None:
            self.has_changed = False
            super().rollback()

    driver: Any = sqlite3.dbapi2
    driver.connect = functools.partial(sqlite3.connect, factory=Connection)


def _halfway(places: Places, rows: list[Any], statement: str) -> Iterator[Any]:
    """Yields the rows, with a place in their middle: each is a statement of its own."""
    for place, row in enumerate(rows):
        if place and place == len(rows) // 2:
            places.come_to(f"halfway through {_words(statement)}")
        yield row


# --- PostgreSQL -----------------------------------------------------------------------------------------------------


def _watch_psycopg(places: Places) -> None:
    driver: Any = psycopg
    commit, rollback, end = driver.Connection.commit, driver.Connection.rollback, driver.Copy.__exit__

    def come_to(cursor: Any, query: Any) -> str:
        statement = query if isinstance(query, str) else query.as_string(cursor)
        if _is_changing(statement):
            cursor.connection.has_changed = True
            places.come_to(f"before {_words(statement)}")
        # The server's clock stands still as the process's does.
        return statement.replace("clock_timestamp()", f"timestamptz '{datetime.now(UTC).isoformat()}'")

    def watched(call: Callable[..., Any]) -> Callable[..., Any]:
        return lambda cursor, query, *args, **options: call(cursor, come_to(cursor, query), *args, **options)

    def watched_commit(connection: Any) -> None:
        has_changed, connection.has_changed = connection.has_changed, False
        (places.around("COMMIT", commit) if has_changed else commit)(connection)

    def watched_rollback(connection: Any) -> None:
        connection.has_changed = False
        rollback(connection)

    def watched_end(copying: Any, *error: Any) -> Any:
        places.come_to("before the end of COPY")
        return end(copying, *error)

    for name in ("execute", "executemany", "copy"):
        setattr(driver.Cursor, name, watched(getattr(driver.Cursor, name)))
    driver.Copy.__exit__ = watched_end
    driver.Connection.has_changed = False
    driver.Connection.commit, driver.Connection.rollback = watched_commit, watched_rollback
