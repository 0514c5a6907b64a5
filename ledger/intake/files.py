"""Files into the ledger in chunks, one transaction each, so that a run can be repeated."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import NamedTuple

from sqlalchemy import Connection

from ledger.book.posting import Posted, Run
from ledger.config import Config
from ledger.errors import AlreadyKnown, LedgerError
from ledger.intake.containers.source import Source
from ledger.intake.labels import Resolver, RunOptions, check_options
from ledger.intake.pipeline import Intake
from ledger.intake.portions.portion import Portion, portions, without_collector
from ledger.intake.portions.read_ahead import PortionsAhead, is_worthwhile
from ledger.intake.portions.staged import Staged
from ledger.intake.quarantine import CUT, ENDLESS, OpenLines, hold, line_of, settle
from ledger.intake.rating import RunCounts
from ledger.logs import logger_of
from ledger.store.database import Database, settings_in
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
        progress: Callable[[RunCounts, float | None], None] = lambda _tally, _part: None,
    ) -> None:
        self._database = database
        self._config = config
        self._input_format = input_format
        self._strict = strict
        self._dry_run = dry_run
        self._progress = progress
        self._options = options
        self._resolver = Resolver(options, config)
        self._run = Run("ingest", {})
        self._recorded = 0
        self._begun: PortionsAhead | None = None
        self.result = IngestResult(RunCounts())

    def run(self, files: Sequence[Source], begun: PortionsAhead | None = None) -> IngestResult:
        """Reads the files and records what is new; a LedgerError says how far it came.

        `begun` are portions of the first file, where `begin_reading` has begun to read it.
        """
        self._begun = begun
        started = time.perf_counter()
        self._run.options = {"files": [plain_name(file.name) for file in files]}
        try:
            if self._strict or self._dry_run:
                self._try(files)
            else:
                self._post(files)
        except (LedgerError, OSError) as error:
            said = f"{error.filename or 'input'}: {error.strerror}" if isinstance(error, OSError) else error
            raise LedgerError(
                f"{said}. {counted(self._recorded, 'record of this run is', 'records of this run are')} recorded; "
                "run the same command again to record the rest"
            ) from error
        self.result.batch_id = self._run.id
        self.result.seconds = time.perf_counter() - started
        return self.result

    def _begin(self, connection: Connection, *, is_trial: bool = False) -> Intake:
        """Begins to count anew, by the cards, zone and tags in force now."""
        intake = Intake(self._database, self._config, self._options, self._run, is_trial=is_trial)
        intake.prepare(connection)
        self.result.tally = intake.tally
        return intake

    def _post(self, files: Sequence[Source]) -> None:
        """Records each portion in a transaction of its own."""
        with self._database.writing() as connection:
            intake = self._begin(connection)
            open_lines = OpenLines(connection)
        intake.poster.goes_back = True

        def take(name: str, portion: Portion) -> None:
            rated = intake.rate(portion)
            before, attempts = intake.mark(portion), count()

            def post(connection: Connection) -> None:
                nonlocal open_lines, before
                if next(attempts):
                    before, open_lines = intake.go_back(before, portion), OpenLines(connection)
                posted = intake.post(connection, rated, portion)
                hold(connection, name, portion.held, self._options)
                for number, resolution in _settled(open_lines, portion, posted):
                    settle(connection, number, "resolved", resolution)
                if any(item.reason in (CUT, ENDLESS) for item in portion.held):
                    open_lines = OpenLines(connection)

            try:
                self._database.write(post, bulk=True)
            except AlreadyKnown:  # at most once: what is known is looked for now
                self._database.write(post, bulk=True)
            self._recorded = intake.tally.counts["accepted"]

        self._read_all(files, take)

    def _try(self, files: Sequence[Source]) -> None:
        """Finds out what would be recorded, which holds no writer up; a strict run then records it, or nothing."""
        settled: list[tuple[int, str]] = []
        self.result.committed = False
        with tempfile.TemporaryFile(buffering=0, prefix="tollbook-") as file:
            staged = Staged(file)
            with self._database.scratch() as connection:
                self._database.settings = settings_in(connection)
                intake = self._begin(connection, is_trial=True)
                open_lines = OpenLines(connection)

                def take(name: str, portion: Portion) -> None:
                    if self._strict and not self.result.not_recorded:
                        staged.append(name, portion)
                    posted = intake.post(connection, intake.rate(portion), portion)
                    settled.extend(_settled(open_lines, portion, posted))

                self._read_all(files, take)
            if self._strict and not (self.result.not_recorded or self.result.without_usage):
                self._post_staged(staged, settled)

    def _post_staged(self, staged: Staged, settled: Sequence[tuple[int, str]]) -> None:
        """Records all in one transaction, priced and compared anew: others may have written since it was tried."""
        with without_collector(), self._database.writing() as connection:
            intake = self._begin(connection)
            for name, portion in staged:
                intake.post(connection, intake.rate(portion), portion)
                self._list(name, portion)
                self._progress(intake.tally, None)
            for number, resolution in settled:
                settle(connection, number, "resolved", resolution)
            self.result.committed = not self.result.not_recorded
            if not self.result.committed:
                connection.rollback()
                self._run.id = None

    def _read_all(self, files: Sequence[Source], take: Callable[[str, Portion], None]) -> None:
        sizes = [file.size for file in files]
        whole = sum(size for size in sizes if size) if None not in sizes else None
        begun = 0
        for file, size in zip(files, sizes, strict=True):
            LOG.info("%(file)s: reading", {"file": plain_name(file.name)})
            before = self.result.tally.seen
            with file, without_collector(), closing(self._read(file)) as found:
                for portion in found:
                    take(plain_name(file.name), portion)
                    self._list(plain_name(file.name), portion)
                    self._progress(self.result.tally, (begun + portion.bytes_read) / whole if whole else None)
                    told = {"file": plain_name(file.name), "read": self.result.tally.read}
                    LOG.debug("%(file)s: %(read)d items read so far", told)
            if self.result.tally.seen == before:
                self.result.without_usage.append(plain_name(file.name))
            begun += size or 0

    def _read(self, file: Source) -> PortionsAhead | Generator[Portion]:
        begun, self._begun = self._begun, None
        begun = begun or begin_reading(file, self._input_format, self._options, self._config)
        return begun or portions(file, self._input_format, self._resolver)

    def _list(self, file: str, portion: Portion) -> None:
        """Lists what was held back of the portion, as far as there is room."""
        held = portion.held[: LISTED_REJECTIONS - len(self.result.rejections)]
        self.result.rejections += [Rejection(file, item.line, item.reason, item.message) for item in held]


def begin_reading(file: Source, input_format: str, options: RunOptions, config: Config) -> PortionsAhead | None:
    """Has a large file read by a second process from now on, while a ledger is opened; None where it isn't large.

    LedgerError where no record could be kept with the options.
    """
    check_options(options)
    return PortionsAhead(file, input_format, options, config) if is_worthwhile(file) else None


def _settled(open_lines: OpenLines, portion: Portion, posted: Posted) -> Iterator[tuple[int, str]]:
    """Finds the quarantine's entries of lines that are recorded now, each with its resolution."""
    if open_lines:
        for place, row in enumerate(portion.rows()):
            known_by = line_of(row.facts, row.raw)
            if known_by is not None and posted.outcome(place) != "conflict":
                yield from open_lines.settled_by(row.facts, row.line, known_by)


def plain_name(name: str) -> str:
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
