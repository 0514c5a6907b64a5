"""The result of checks: rows checked, by table, what is wrong, and how far the log came."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from typing import NamedTuple

from sqlalchemy import Connection
from sqlalchemy.engine import URL

from ledger.errors import ChangedWhileRead
from ledger.store.engines import first_line, is_database_error

LISTED_PROBLEMS = 20


class Head(NamedTuple):
    """An entry of the log by its number and digest, which hold all that came before; and when it was made."""

    sequence: int
    digest: str
    at_us: int = 0


@dataclass(slots=True)
class Verification:
    """Rows checked, by table, and what is wrong: all counted, the first ones in words. `head` ends the log."""

    checked: Counter[str] = field(default_factory=Counter)
    problem_count: int = 0
    problems: list[str] = field(default_factory=list)
    head: Head | None = None

    @property
    def passed(self) -> bool:
        return self.problem_count == 0

    def problem(self, message: str) -> None:
        self.problem_count += 1
        if len(self.problems) < LISTED_PROBLEMS:
            self.problems.append(message)

    @contextmanager
    def checking(self, connection: Connection, what: str) -> Iterator[None]:
        """Runs a check; whatever it raises over what the tables hold is a problem, and the next check goes on.

        A database that went away is none.
        """
        # A statement that fails ends a transaction of PostgreSQL, except within a savepoint.
        savepoint = nullcontext() if connection.dialect.name == "sqlite" else connection.begin_nested()
        try:
            with savepoint:
                yield
        except ChangedWhileRead:
            raise
        except Exception as error:
            if connection.closed or connection.invalidated:
                raise
            self.problem(f"{what} can't be checked: {words_of(error, connection.engine.url)}")


def words_of(error: Exception, url: URL) -> str:
    """Returns what an exception of a check says: a database's in one line without secrets, else its type too."""
    return first_line(error, url) if is_database_error(error) else f"{type(error).__name__}: {error}"
