"""Ledgers to kill runs on: copied with the folder that they are worked on in, and read whole, table by table."""

from __future__ import annotations

import shutil
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

from tests.conftest import PostgresServer
from tests.helpers.ledgers import connected
from tests.store.test_migrations import schema

Row: TypeAlias = tuple[tuple[str | int, Any], ...]
Tables: TypeAlias = dict[str, list[Row]]
"""The rows of each table, as pairs of column and value; the schema is a table too."""

# How long the server may take to notice that a client was killed.
MOST_SECONDS = 60
OTHERS = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"


@dataclass(frozen=True)
class Ledger:
    """A folder, and the ledger that is worked on in it: a file in it, or a database of the server."""

    folder: Path
    server: PostgresServer | None = None
    name: str = ""

    @property
    def url(self) -> str:
        return f"sqlite:///{self.folder / 'ledger.db'}" if self.server is None else self.server.database_url(self.name)

    @contextmanager
    def copied(self, folder: Path) -> Iterator[Ledger]:
        """Yields a copy, which is removed at the end."""
        shutil.copytree(self.folder, folder)
        name = "" if self.server is None else self.server.create(self.name)
        try:
            yield Ledger(folder, self.server, name)
        finally:
            if self.server is not None:
                self.server.drop(name)
            shutil.rmtree(folder)

    def read(self) -> Tables:
        """Reads all of it, once nobody else is connected: the server has rolled back what killed clients began."""
        if self.server is None:
            return self._read("SELECT name FROM sqlite_schema WHERE type = 'table'")
        deadline = time.monotonic() + MOST_SECONDS
        with connected(self.url) as connection:
            while connection.execute(OTHERS).fetchone() != (0,):
                assert time.monotonic() < deadline, "the server still has the connection of a killed client"
                time.sleep(0.005)
        return self._read("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")

    def _read(self, names: str) -> Tables:
        with connected(self.url) as connection:

            def rows(query: str) -> list[Row]:
                found = connection.execute(query)
                columns = [column[0] for column in found.description]
                return [tuple(zip(columns, row, strict=True)) for row in found]

            tables = {name: rows(f"SELECT * FROM {name}") for (name,) in connection.execute(names).fetchall()}
            return tables | {"(schema)": [tuple(enumerate(row)) for row in schema(self.url)]}


def differences(found: Tables, wanted: Tables, left_out: Mapping[str, set[str]]) -> list[str]:
    """Names the rows that only one of two ledgers has, without the columns that are left out."""
    said = []
    for name in sorted({*found, *wanted}):
        ours, theirs = (_without(each.get(name, []), left_out.get(name, set())) for each in (found, wanted))
        said += [f"{name} has {dict(row)}" for row in (ours - theirs).elements()]
        said += [f"{name} lacks {dict(row)}" for row in (theirs - ours).elements()]
    return said


def _without(rows: list[Row], columns: set[str]) -> Counter[Row]:
    return Counter(tuple(pair for pair in row if pair[0] not in columns) for row in rows)
