"""The engine of one machine: DuckDB decides what of staged usage is new, and writes it by day, on all cores."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from glob import escape
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from ledger.book.rows import Facts
from ledger.errors import LedgerError
from ledger.intake.fields.record import Held
from ledger.intake.files import LISTED_REJECTIONS, Rejection
from ledger.intake.rating import fields_of
from ledger.lake import queries
from ledger.lake.cells_file import CELLS
from ledger.lake.charges_file import CHARGES, STAGED
from ledger.lake.staging import HELD, held_row
from ledger.store.tables import MEASURES

if TYPE_CHECKING:
    from ledger.lake.store import Lake

# What sorting and comparing may take before it goes to disk; the processes that read have ended by then.
_MEMORY: Final = "500MB"
_ROWS_AT_ONCE: Final = 10_000
_HELD_FILE: Final = "quarantine.parquet"


class Outcome(NamedTuple):
    """The fate of staged usage; storage that is assumed is counted apart.

    `differing_labels` are duplicates with another project or tags.
    """

    counts: Counter[str]
    assumed: Counter[str]
    differing_labels: int


class Local:
    """Staged usage of one run, in a database that lasts as long as the run."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, folder: Path, threads: int) -> None:
        self._connection = connection
        self._threads = threads
        self._folder = folder

    def decide(self, earlier: Sequence[str]) -> Outcome:
        """Finds what is new; `earlier` are the files of charges that earlier runs accepted."""
        run = self._connection.execute
        run(f"CREATE VIEW staged AS SELECT * FROM read_parquet({self._staged('staged-*.parquet')})")
        names = ", ".join(STAGED.field(name).name for name in CHARGES.names)
        if earlier:
            run(f"CREATE VIEW earlier AS SELECT {columns_of(CHARGES)} FROM {files(earlier)}")
        else:
            run(f"CREATE VIEW earlier AS SELECT {names} FROM staged WHERE false")
        run(f"CREATE VIEW staged_keys AS SELECT * FROM read_parquet({self._staged('keys-*.parquet')})")
        run(f"CREATE TABLE keys AS {queries.KEYS}")
        run(f"CREATE TABLE contested AS {queries.CONTESTED}")
        run(f"CREATE TABLE decided AS {queries.DECIDED}")
        run("CREATE VIEW accepted AS SELECT * FROM staged WHERE place NOT IN (SELECT place FROM decided)")
        counts, assumed = Counter[str](), Counter[str]()
        for fate, is_assumed, count in run(queries.FATES).fetchall():
            (assumed if is_assumed else counts)[fate] += count
        [differs] = self._one("SELECT count(*) FROM decided WHERE outcome = 'duplicate' AND differs")
        return Outcome(counts, assumed, differs)

    def write_charges(self) -> Iterator[tuple[str, Path, int]]:
        """Writes what is accepted, in order of file and line; yields each day, its file and its rows."""
        query = "SELECT occurred_day, count(*) FROM accepted GROUP BY ALL ORDER BY ALL"
        days = self._connection.execute(query).fetchall()
        columns = ", ".join(map(_as_stored, CHARGES))

        def write(day: str, rows: int) -> tuple[str, Path, int]:
            path = self._folder / f"charges-{day}.parquet"
            with self._connection.cursor() as own:  # a thread's
                _copy(own, f"SELECT {columns} FROM accepted WHERE occurred_day = '{day}' ORDER BY place", path)
            return day, path, rows

        with ThreadPoolExecutor(self._threads) as pool:  # a day has too few rows for several
            yield from pool.map(write, *zip(*days, strict=True)) if days else ()

    def write_cells(self) -> tuple[Path, int]:
        """Writes the sums of what is accepted; returns the file and its rows."""
        counts = zip(MEASURES[1:], self._one(queries.PRESENT), strict=True)
        present = {MEASURES[0], *(name for name, count in counts if count)}
        path = self._folder / "cells.parquet"
        wanted = ", ".join(map(_as_stored, CELLS))
        _copy(self._connection, f"SELECT {wanted} FROM ({queries.sums(present)})", path)
        return path, pq.read_metadata(path).num_rows

    def spend(self) -> list[tuple[str, str, int | None, int, int]]:
        """Returns project, currency, nano of it for 1 USD, nano and records of what is accepted."""
        return self._connection.execute(
            "SELECT project, currency, per_usd_nano, CAST(sum(amount_nano) AS HUGEINT), count(*) FROM accepted "
            "GROUP BY ALL ORDER BY ALL"
        ).fetchall()

    def sources(self) -> tuple[str, ...]:
        """Returns the sources of what is accepted, by name."""
        rows = self._connection.execute("SELECT DISTINCT source FROM accepted ORDER BY source").fetchall()
        return tuple(name for (name,) in rows)

    def write_held(self) -> tuple[Path, int]:
        """Writes what is held back, conflicts too; returns the file and its rows."""
        path, count = self._folder / _HELD_FILE, 0
        with pq.ParquetWriter(path, HELD, compression="zstd") as writer:
            for staged in sorted(self._folder.glob("held-*.parquet")):
                for batch in pq.ParquetFile(staged).iter_batches(_ROWS_AT_ONCE):
                    writer.write_batch(batch)
                    count += batch.num_rows
            found = self._connection.execute(
                f"SELECT {', '.join((*_FACTS, 'file', 'line'))} FROM staged JOIN decided USING (place) "
                "WHERE outcome = 'conflict' ORDER BY place"
            )
            while rows := found.fetchmany(_ROWS_AT_ONCE):
                writer.write_table(pa.Table.from_pylist([_conflict(row) for row in rows], schema=HELD))
                count += len(rows)
        return path, count

    def rejections(self) -> list[Rejection]:
        """Returns the first of what `write_held` wrote."""
        batches = pq.ParquetFile(self._folder / _HELD_FILE).iter_batches(LISTED_REJECTIONS, columns=Rejection._fields)
        return [Rejection(**row) for batch in islice(batches, 1) for row in batch.to_pylist()]

    def _staged(self, pattern: str) -> str:
        return _quoted(f"{escape(str(self._folder))}/{pattern}")

    def _one(self, query: str) -> tuple[Any, ...]:
        row = self._connection.execute(query).fetchone()
        assert row is not None, query
        return tuple(row)


_FACTS: Final = tuple(name for name in Facts._fields if name != "generation")


def _conflict(row: Sequence[Any]) -> dict[str, Any]:
    """Returns the row of quarantine that staged usage becomes which contradicts what is accepted."""
    *values, file, line = row
    stated = dict(zip(_FACTS, values, strict=True))
    facts = Facts(**stated | {"generation": 0, "assumed": int(stated["assumed"])})
    message = f"{facts.kind} {facts.request_id!r} of {facts.source} is in the lake with other facts: see its charges"
    held = Held(line, None, "conflict", message, fields_of(facts), facts.source, complete=True)
    return held_row(file, held, None)


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
def local_engine(folder: Path, lake: Lake, processes: int | None = None) -> Iterator[Local]:
    """Opens the engine over what is staged in a folder, where it also keeps what has no room in memory."""
    threads = processes or os.cpu_count() or 1
    with duckdb_at(folder, lake, threads) as connection:
        yield Local(connection, folder, threads)


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
