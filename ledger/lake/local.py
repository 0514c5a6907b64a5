"""The engine of one machine: DuckDB decides what of staged usage is new, and writes it by day, on all cores."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from glob import escape
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Final

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from ledger.errors import LedgerError
from ledger.intake.portions.read_ahead import WORTHWHILE_BYTES
from ledger.lake.cells_file import CELLS
from ledger.lake.charges_file import CHARGES
from ledger.lake.engine import ROWS_AT_ONCE, Engine
from ledger.lake.queries import DUCKDB
from ledger.lake.staging import stage_all

if TYPE_CHECKING:
    from ledger.lake.manifest import LakeFile
    from ledger.lake.staging import FileCounts, Job
    from ledger.lake.store import Lake

# What sorting and comparing may take before it goes to disk; the processes that read have ended by then.
_MEMORY: Final = "500MB"


class Local(Engine):
    """Staged usage of one run, in a database that lasts as long as the run."""

    dialect = DUCKDB

    def __init__(self, connection: duckdb.DuckDBPyConnection, lake: Lake, folder: Path, processes: int | None) -> None:
        super().__init__(lake, folder)
        self._connection = connection
        self._processes = processes

    def stage(self, job: Job, size: int) -> Iterator[FileCounts]:
        """Prices all files in as many processes as there are cores, few bytes in one."""
        wanted = self._processes or (1 if size < WORTHWHILE_BYTES else os.cpu_count() or 1)
        return stage_all(job, wanted)

    def write_charges(self, name: str) -> Iterator[LakeFile]:
        """Writes what is accepted, a file a day in order of file and line."""
        days = self._connection.execute(
            "SELECT occurred_day, count(*) FROM accepted GROUP BY ALL ORDER BY ALL"
        ).fetchall()
        columns = ", ".join(map(_as_stored, CHARGES))

        def write(day: str, rows: int) -> tuple[str, Path, int]:
            path = self.folder / f"charges-{day}.parquet"
            with self._connection.cursor() as own:  # a thread's
                _copy(own, f"SELECT {columns} FROM accepted WHERE occurred_day = '{day}' ORDER BY place", path)
            return day, path, rows

        with ThreadPoolExecutor(self._processes or os.cpu_count()) as pool:  # a day has too few rows for several
            for day, path, rows in pool.map(write, *zip(*days, strict=True)) if days else ():
                yield self.lake.put(path, f"charges/occurred_day={day}/{name}", rows)

    def _write_sums(self, query: str, name: str) -> LakeFile | None:
        path = self.folder / "cells.parquet"
        _copy(self._connection, f"SELECT {', '.join(map(_as_stored, CELLS))} FROM ({query})", path)
        rows = pq.read_metadata(path).num_rows
        return self.lake.put(path, name, rows) if rows else None

    def _open_views(self, earlier: Sequence[str]) -> None:
        self._make_view("staged", f"SELECT * FROM read_parquet({self._staged('staged-*.parquet')})")
        self._make_view("staged_keys", f"SELECT * FROM read_parquet({self._staged('keys-*.parquet')})")
        if earlier:
            self._make_view("earlier", f"SELECT {columns_of(CHARGES)} FROM {files(earlier)}")

    def _make_table(self, name: str, query: str) -> None:
        self._connection.execute(f"CREATE TABLE {name} AS {query}")

    def _make_view(self, name: str, query: str) -> None:
        self._connection.execute(f"CREATE VIEW {name} AS {query}")

    def _rows(self, query: str) -> Iterator[Sequence[Any]]:
        found = self._connection.execute(query)
        while rows := found.fetchmany(ROWS_AT_ONCE):
            yield from rows

    def _staged_held(self) -> Iterable[IO[bytes]]:
        return (path.open("rb") for path in sorted(self.folder.glob("held-*.parquet")))

    def _staged(self, pattern: str) -> str:
        return _quoted(f"{escape(str(self.folder))}/{pattern}")


def _copy(connection: duckdb.DuckDBPyConnection, query: str, path: Path) -> None:
    connection.execute(f"COPY ({query}) TO {_quoted(str(path))} (FORMAT parquet, COMPRESSION zstd)")


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def columns_of(schema: Any) -> str:  # noqa: ANN401 - pyarrow has no types
    """Returns the columns of stored files as queries have them: times in microseconds, whole numbers of any length."""
    return ", ".join(map(_as_queried, schema))


def _as_queried(field: Any) -> str:  # noqa: ANN401
    if pa.types.is_timestamp(field.type):
        return f"epoch_us({field.name}) AS {field.name}"
    return f"CAST({field.name} AS HUGEINT) AS {field.name}" if pa.types.is_decimal(field.type) else field.name


def files(paths: Sequence[str], *options: str) -> str:
    """Returns Parquet files as a query reads them, each by its own name."""
    listed = ", ".join(_quoted(escape(path)) for path in paths)
    return f"read_parquet({', '.join((f'[{listed}]', *options))})"


def _as_stored(field: Any) -> str:  # noqa: ANN401 - pyarrow has no types
    if pa.types.is_timestamp(field.type):
        return f"make_timestamptz({field.name}) AS {field.name}"
    return f"CAST({field.name} AS DECIMAL(38, 0)) AS {field.name}" if pa.types.is_decimal(field.type) else field.name


@contextmanager
def local_engine(lake: Lake, folder: Path, *, processes: int | None = None) -> Iterator[Local]:
    """Opens the engine over a folder, where files are staged and what has no room in memory is kept."""
    with duckdb_at(folder, lake, processes) as connection:
        yield Local(connection, lake, folder, processes)


@contextmanager
def duckdb_at(folder: Path, lake: Lake, threads: int | None = None) -> Iterator[duckdb.DuckDBPyConnection]:
    """Opens DuckDB with bounded memory, which keeps the rest in a folder and reaches the files of a lake."""
    connection = duckdb.connect(str(folder / "work.db"))
    try:
        connection.execute(f"SET memory_limit = '{_MEMORY}'")
        connection.execute(f"SET threads = {threads or os.cpu_count() or 1}")
        connection.execute(f"SET temp_directory = {_quoted(f'{folder}/spilled')}")
        connection.execute("SET TimeZone = 'UTC'")
        if not lake.is_local:
            connection.register_filesystem(lake.store)
        yield connection
    except (duckdb.IOException, duckdb.InvalidInputException, duckdb.OutOfMemoryException) as error:
        said = str(error).partition("\n")[0]
        raise LedgerError(f"{lake.name}: {said}") from error
    finally:
        connection.close()
