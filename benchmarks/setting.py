"""The setting of cases: a folder, a count of records, a PostgreSQL server, and the files and databases they share."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from benchmarks.responses_lines import write


class UnavailableError(Exception):
    """A case can't be run here; the message says what it needs."""


class Setting(NamedTuple):
    """The folder that cases share, how many records they take, and a PostgreSQL server's maintenance database."""

    folder: Path
    records: int
    postgres: str | None = None

    @contextmanager
    def room(self) -> Iterator[Path]:
        """Makes a folder that is one case's own, and gone afterwards."""
        with tempfile.TemporaryDirectory(dir=self.folder) as room:
            yield Path(room)

    def lines(self, count: int, *, ids: str = "vendor", month: int = 0) -> Path:
        """The file of so many Responses lines, written where it isn't there yet."""
        path = self.folder / f"{ids}-{count}-{month}.jsonl"
        if not path.exists():
            write(count, path, ids=ids, month=month)
        return path


class Place(NamedTuple):
    """A database to write: its path or URL, and its size in bytes."""

    url: str
    size: Callable[[], int]


def tollbook(*arguments: str) -> list[str]:
    """The command line of the tollbook that is installed beside this Python."""
    found = shutil.which("tollbook", path=str(Path(sys.executable).parent))
    if found is None:
        raise UnavailableError("tollbook is not installed beside this Python: pip install -e .")
    return [found, *arguments]


@contextmanager
def sqlite_place(folder: Path, copied: Path | None = None) -> Iterator[Place]:
    """Names a database file that is gone afterwards; where one is given to be `copied`, it begins as that."""
    path = folder / "bench.db"
    files = [Path(f"{path}{suffix}") for suffix in ("", "-wal", "-shm")]
    if copied is not None:
        shutil.copy(copied, path)
    try:
        yield Place(str(path), lambda: sum(file.stat().st_size for file in files if file.exists()))
    finally:
        for file in files:
            file.unlink(missing_ok=True)


@contextmanager
def postgres_place(server: str) -> Iterator[Place]:
    """Makes a database that is gone afterwards; its size leaves out that of an empty one."""
    import psycopg  # an extra

    name = f"tollbook_bench_{os.getpid()}"
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")

        def size() -> int:
            row = connection.execute(f"SELECT pg_database_size('{name}')").fetchone()
            assert row is not None
            return int(row[0])

        empty = size()
        try:
            yield Place(f"{server.rpartition('/')[0]}/{name}", lambda: size() - empty)
        finally:
            connection.execute(f"DROP DATABASE {name}")
