"""Files into the ledger in chunks, one transaction each, so that a run can be repeated."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from sqlalchemy import Connection

from ledger.book.posting import Posted, Run
from ledger.config import Config
from ledger.errors import LedgerError
from ledger.intake.containers.source import Source
from ledger.intake.labels import RunOptions
from ledger.intake.pipeline import Intake, RunCounts
from ledger.intake.portions.portion import Portion, portions, without_collector
from ledger.intake.portions.read_ahead import is_worthwhile, portions_ahead
from ledger.intake.quarantine import CUT, ENDLESS, OpenLines, hold, line_of
from ledger.logs import logger_of
from ledger.store.database import Database
from ledger.store.opening import ledger_exists, open_ledger
from ledger.values.words import counted

LOG = logger_of("intake")
LISTED_REJECTIONS = 20


class Rejection(NamedTuple):
    """A held-back item as results list it."""

    file: str
    line: int
    reason: str
    message: str


@dataclass(slots=True)
class IngestResult:
    """The result of a run. `rejections` lists the first, conflicts too; `committed` is false where nothing was kept."""

    tally: RunCounts
    committed: bool = True
    batch_id: int | None = None
    seconds: float = 0.0
    rejections: list[Rejection] = field(default_factory=list)
    without_usage: list[str] = field(default_factory=list)
    """Names of the files that hold no usage at all."""

    @property
    def not_recorded(self) -> int:
        """Items that went to quarantine."""
        return self.tally.counts["rejected"] + self.tally.counts["conflict"]


class Ingest:
    """One run over files that are open already."""

    def __init__(
        self,
        database: Database,
        config: Config,
        options: RunOptions,
        *,
        input_format: str = "auto",
        strict: bool = False,
        dry_run: bool = False,
        progress: Callable[[RunCounts], None] = lambda _tally: None,
    ) -> None:
        self._database = database
        self._config = config
        self._input_format = input_format
        self._strict = strict
        self._dry_run = dry_run
        self._progress = progress
        self._run = Run("ingest", {})
        self._intake = Intake(database, config, options, self._run)
        self._whole: Connection | None = None
        self._recorded = 0
        self.result = IngestResult(self._intake.tally)

    def run(self, files: Sequence[Source]) -> IngestResult:
        """Reads the files and records what is new; a LedgerError says how far it came."""
        started = time.perf_counter()
        self._run.options = {"files": [_plain(file.name) for file in files]}
        try:
            if self._strict or self._dry_run:
                self._run_as_one(files)
            else:
                self._run_all(files)
        except (LedgerError, OSError) as error:
            said = f"{error.filename or 'input'}: {error.strerror}" if isinstance(error, OSError) else error
            raise LedgerError(
                f"{said}. {counted(self._recorded, 'record of this run is', 'records of this run are')} recorded; "
                "run the same command again to record the rest"
            ) from error
        self.result.batch_id = self._run.id
        self.result.seconds = time.perf_counter() - started
        return self.result

    def _run_as_one(self, files: Sequence[Source]) -> None:
        with self._database.writing() as connection:
            self._whole = connection
            self._run_all(files)
            if self._dry_run or self.result.not_recorded or self.result.without_usage:
                connection.rollback()
                self.result.committed = False
                self._run.id = None

    def _transaction(self) -> AbstractContextManager[Connection]:
        return self._database.writing() if self._whole is None else nullcontext(self._whole)

    def _run_all(self, files: Sequence[Source]) -> None:
        with self._transaction() as connection:
            self._intake.prepare(connection)
            self._open_lines = OpenLines(connection)
        for file in files:
            LOG.info("%(file)s: reading", {"file": _plain(file.name)})
            before = self._intake.tally.seen
            with file, without_collector():
                for portion in self._read(file):
                    self._take(_plain(file.name), portion)
                    self._progress(self._intake.tally)
            if self._intake.tally.seen == before:
                self.result.without_usage.append(_plain(file.name))

    def _read(self, file: Source) -> Iterator[Portion]:
        if is_worthwhile(file):
            return portions_ahead(file, self._input_format, self._intake.options, self._config)
        return portions(file, self._input_format, self._intake.resolver)

    def _take(self, file: str, portion: Portion) -> None:
        rated = self._intake.rate(portion)
        with self._transaction() as connection:
            posted = self._intake.post(connection, rated, portion)
            portion.held.sort(key=lambda held: held.line)
            hold(connection, file, portion.held, self._intake.options)
            if self._open_lines:
                self._settle(connection, portion, posted)
            if any(item.reason in (CUT, ENDLESS) for item in portion.held):
                self._open_lines = OpenLines(connection)
        LOG.debug("%(file)s: %(read)d items read so far", {"file": file, "read": self._intake.tally.read})
        if self._whole is None:
            self._recorded = self._intake.tally.counts["accepted"]
        listed = portion.held[: LISTED_REJECTIONS - len(self.result.rejections)]
        self.result.rejections += [Rejection(file, item.line, item.reason, item.message) for item in listed]

    def _settle(self, connection: Connection, portion: Portion, posted: Posted) -> None:
        """Closes the quarantine's entries of lines that are recorded now."""
        for row, outcome in zip(portion.rows, posted.outcomes, strict=True):
            known_by = line_of(row.facts, row.raw)
            if known_by is not None and outcome != "conflict":
                self._open_lines.settle(connection, row.facts, row.line, known_by)


def _plain(name: str) -> str:
    """Returns a file's name as every database keeps it: bytes that aren't UTF-8 escaped."""
    return name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


@contextmanager
def ledger_for_dry_run(url: str, *, timezone: str, rollup_tags: Sequence[str]) -> Iterator[Database]:
    """Opens the ledger of `url`, or a passing one where there is none, to record nothing."""
    with ExitStack() as stack:
        if ledger_exists(url):
            database = open_ledger(url)
        else:
            folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="tollbook-"))
            path = str(Path(folder) / "dry-run.db")
            database = open_ledger(path, create=True, timezone=timezone, rollup_tags=rollup_tags)
        stack.callback(database.close)
        yield database
