"""The engine of a cluster: Spark prices files, decides what of them is new and writes it, on all of its workers.

Workers have tollbook installed, and reach usage and lake by the names given here: on a shared disk, or in a store.
"""

from __future__ import annotations

import logging
import os
import pickle
import re
import signal
import sys
import tempfile
import threading
import warnings
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Final

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from py4j.protocol import Py4JError
from pyspark.errors import PySparkException
from pyspark.sql import SparkSession

from ledger.errors import LedgerError
from ledger.intake.containers.inputs import is_url
from ledger.lake.cells_file import CELLS
from ledger.lake.charges_file import CHARGES
from ledger.lake.engine import Engine
from ledger.lake.manifest import LakeFile
from ledger.lake.queries import SPARK, SUMS_ORDER
from ledger.lake.staging import stage_file
from ledger.lake.store import STAGING

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

    from ledger.lake.staging import FileCounts, Job
    from ledger.lake.store import Lake

_SETTINGS: Final = {
    "spark.sql.ansi.enabled": "true",  # so that what is too large for a type is an error
    "spark.sql.session.timeZone": "UTC",
    "spark.sql.execution.arrow.maxRecordsPerBatch": "50000",
    "spark.sql.files.ignoreMissingFiles": "false",  # a file that is passed over is a charge lost, or booked twice
    "spark.sql.files.ignoreCorruptFiles": "false",
}
_STAGED_FILES: Final = ("staged", "keys", "held")
# A line of Java's or Python's words about an error that names its kind.
_CAUSE: Final = re.compile(r"^(?:Caused by: |: )?([\w.$]+(?:Error|Exception): .+)", re.MULTILINE)
_MESSAGE: Final = 500
_TELLS_OF_WAITING: Final = "org.apache.spark.scheduler.TaskSchedulerImpl"  # for a cluster's free workers


class Spark(Engine):
    """Staged usage of one run, in a folder of the lake that lasts as long as the run.

    An attempt at a task writes files of its own; those of the attempt that Spark takes are the run's.
    """

    dialect = SPARK

    def __init__(self, session: SparkSession, lake: Lake, folder: Path) -> None:
        super().__init__(lake, folder)
        self._session = session
        self._staging = f"{STAGING}/{os.urandom(8).hex()}"
        self._folders: list[str] = []  # of the files' attempts, in order
        self._tables: list[str] = []

    def stage(self, job: Job, size: int) -> Iterator[FileCounts]:
        """Prices all files, each a task."""
        names = [name if is_url(name) else str(Path(name).absolute()) for name in job.inputs.files]
        count, task = len(names), _StageFile(job, names, self.lake, self._staging)
        staged = self._session.range(0, count, 1, count).mapInArrow(task, "number long, folder string, outcome binary")
        for _number, folder, outcome in sorted(staged.collect()):
            counts = pickle.loads(outcome)  # noqa: S301 - a worker's of this run
            if isinstance(counts, Exception):
                raise counts
            self._folders.append(folder)
            yield counts

    def write_charges(self, name: str) -> Iterable[LakeFile]:
        """Writes what is accepted by day, in files of about as many bytes each, in order of file and line."""
        accepted = self._session.sql(f"SELECT occurred_day AS part, place, {', '.join(CHARGES.names)} FROM accepted")
        order = ("part", "place")
        parts = accepted.repartitionByRange(*order).sortWithinPartitions(*order)
        for number, (day, file) in enumerate(self._written(parts, CHARGES)):
            target = name.replace(".parquet", f"-{number:06}.parquet")
            yield self.lake.move(file, f"charges/occurred_day={day}/{target}")

    def _write_sums(self, query: str, name: str) -> LakeFile | None:
        sums = self._session.sql(query).selectExpr("'' AS part", "*").repartition(1).sortWithinPartitions(*SUMS_ORDER)
        found = [self.lake.move(file, name) for _part, file in self._written(sums, CELLS)]
        return found[0] if found else None

    def remove_staged(self) -> None:
        """Removes what was staged."""
        self.lake.remove(STAGING if self.lake.is_local else self._staging)

    def free_tables(self) -> None:
        """Gives a session that goes on the memory back that the run's tables take."""
        for name in self._tables:
            self._session.sql(f"UNCACHE TABLE {name}")

    def _open_views(self, earlier: Sequence[str]) -> None:
        for kind, name in (("staged", "staged"), ("keys", "staged_keys")):
            self._read([self.lake.url(f"{folder}/{kind}.parquet") for folder in self._folders]).createTempView(name)
        if earlier:
            self._read(earlier).selectExpr(*map(_as_queried, CHARGES)).createTempView("earlier")

    def _read(self, urls: Sequence[str]) -> DataFrame:
        named = self._session.read.option("__globPaths__", "false")  # else it takes names for globs
        return named.parquet(*(url if is_url(url) else f"file://{Path(url).absolute()}" for url in urls))

    def _make_table(self, name: str, query: str) -> None:
        self._session.sql(f"CACHE TABLE {name} AS {query}")
        self._tables.append(name)

    def _make_view(self, name: str, query: str) -> None:
        self._session.sql(f"CREATE TEMPORARY VIEW {name} AS {query}")

    def _rows(self, query: str) -> Iterator[Sequence[Any]]:
        yield from self._session.sql(query).toLocalIterator(prefetchPartitions=True)

    def _staged_held(self) -> Iterable[IO[bytes]]:
        return (self.lake.open(f"{folder}/held.parquet") for folder in self._folders)

    def _written(self, rows: DataFrame, schema: Any) -> list[tuple[str, LakeFile]]:  # noqa: ANN401
        """Has workers write rows into files of the run's, by `part`; returns them in the order of the rows."""
        task = _WriteParts(schema, self.lake, self._staging)
        written = rows.mapInArrow(task, "part string, path string, rows long, sha256 string").collect()
        return [(part, LakeFile(*file)) for part, *file in written]


@dataclass(frozen=True)
class _StageFile:
    """A task that stages the files of its numbers; what would be refused again is its outcome, and not tried again."""

    job: Job
    names: Sequence[str]
    lake: Lake
    staging: str

    def __call__(self, batches: Iterator[Any]) -> Iterator[Any]:
        for batch in batches:
            for number in batch.column(0).to_pylist():
                folder = f"{self.staging}/{os.urandom(8).hex()}"
                outcome = self._stage(number, folder)
                yield pa.RecordBatch.from_pydict(
                    {"number": [number], "folder": [folder], "outcome": [pickle.dumps(outcome)]}
                )

    def _stage(self, number: int, folder: str) -> FileCounts | Exception:
        with tempfile.TemporaryDirectory(prefix="tollbook-") as own:
            try:
                counts = stage_file(replace(self.job, folder=Path(own)), number, reached=self.names[number])
                for kind in _STAGED_FILES:
                    self.lake.copy(Path(own) / f"{kind}-{number:06}.parquet", f"{folder}/{kind}.parquet")
            except (LedgerError, FileNotFoundError, PermissionError) as error:
                return error
            return counts


@dataclass(frozen=True)
class _WriteParts:
    """A task that writes rows, in order of `part`, into a file for each."""

    schema: Any
    lake: Lake
    staging: str

    def __call__(self, batches: Iterator[Any]) -> Iterator[Any]:
        pieces = (piece for batch in batches for piece in _by_part(batch))
        for part, found in groupby(pieces, key=itemgetter(0)):
            put = self._put(rows for _part, rows in found)
            yield pa.RecordBatch.from_pydict(
                {"part": [part], "path": [put.path], "rows": [put.rows], "sha256": [put.sha256]}
            )

    def _put(self, tables: Iterator[Any]) -> LakeFile:
        with tempfile.TemporaryDirectory(prefix="tollbook-") as own:
            path, count = Path(own) / "part.parquet", 0
            with pq.ParquetWriter(path, self.schema, compression="zstd") as file:
                for table in tables:
                    file.write_table(table.select(self.schema.names).cast(self.schema))
                    count += len(table)
            return self.lake.put(path, f"{self.staging}/{os.urandom(8).hex()}.parquet", count)


def _by_part(batch: Any) -> Iterator[tuple[str, Any]]:  # noqa: ANN401 - pyarrow has no types
    """Yields each part's rows of a batch that is in order of parts."""
    parts = batch.column("part")
    for part in pc.unique(parts).to_pylist():
        yield part, pa.Table.from_batches([batch.filter(pc.equal(parts, part))])


def _as_queried(field: Any) -> str:  # noqa: ANN401 - pyarrow has no types
    return f"unix_micros({field.name}) AS {field.name}" if pa.types.is_timestamp(field.type) else field.name


@contextmanager
def spark_engine(lake: Lake, folder: Path, *, master: str | None = None) -> Iterator[Spark]:
    """Opens the engine in this process's Spark session; its errors become a LedgerError.

    Where there is none it begins here, and ends with the process.
    """
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "PySpark does not yet fully support pandas", FutureWarning)
        try:
            engine = Spark(_session(master), lake, folder)
            try:
                yield engine
            finally:
                with suppress(OSError, LedgerError, PySparkException, Py4JError):  # the next run removes what is left
                    engine.remove_staged()
                    engine.free_tables()
        except (PySparkException, Py4JError, ConnectionError) as error:
            raise LedgerError(f"Spark: {_said(error)}") from error


def _session(master: str | None) -> SparkSession:
    """Returns a session whose settings and views are the run's own."""
    os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
    logging.getLogger("SQLQueryContextLogger").setLevel(logging.CRITICAL)  # it prints what is raised anyway
    builder = SparkSession.builder.appName("tollbook lake price").config("spark.ui.showConsoleProgress", "false")
    interrupted = signal.getsignal(signal.SIGINT)
    session: SparkSession = (builder.master(master) if master else builder).getOrCreate()
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGINT, interrupted)  # Spark's own asks Java in the midst of a call to it, and prints that
    session.sparkContext.setLogLevel("ERROR")
    log4j = session.sparkContext._jvm.org.apache.logging.log4j  # noqa: SLF001 - one logger's level has no other way
    log4j.core.config.Configurator.setLevel(_TELLS_OF_WAITING, log4j.Level.WARN)
    own: SparkSession = session.newSession()
    for name, value in _SETTINGS.items():
        own.conf.set(name, value)
    return own


def _said(error: Exception) -> str:
    """Returns the innermost cause that Spark, or a worker's traceback, names."""
    if isinstance(error, PySparkException) and error.getCondition() == "JAVA_GATEWAY_EXITED":
        return "it doesn't start: it needs Java 17 or newer (JAVA_HOME), and a --master such as spark://head:7077"
    text = str(error).strip()
    causes: list[str] = _CAUSE.findall(text) or [text.partition("\n")[0]]
    said = causes[-1][:_MESSAGE]
    if "No module named" in said:
        return f"{said}: install tollbook in the workers' Python, see PYSPARK_PYTHON"
    return said
