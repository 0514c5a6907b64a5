"""Files into the ledger: streamed in chunks, one transaction each, so that a run taken up again ends the same."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from ledger.config import Config
from ledger.db import Database, first_line, ledger_exists, open_ledger
from ledger.errors import LedgerError
from ledger.intake import Intake, Taken, Tally
from ledger.ordinary import OrdinaryLines
from ledger.posting import Posted, Run
from ledger.quarantine import CUT, CutLines, Held, hold
from ledger.resolve import RunOptions
from ledger.sources.base import Item
from ledger.sources.files import Source
from ledger.sources.lines import LineChunk
from ledger.sources.reading import SourceReader

CHUNK = 20_000
LISTED_REJECTIONS = 20


@dataclass(frozen=True, slots=True)
class Rejection:
    """A held-back item as results list it."""

    file: str
    line: int
    reason: str
    message: str


@dataclass(slots=True)
class IngestResult:
    """What a run did. `rejections` lists the first ones, conflicts included; `committed` is false where nothing was recorded."""

    tally: Tally
    committed: bool = True
    batch_id: int | None = None
    seconds: float = 0.0
    rejections: list[Rejection] = field(default_factory=list)

    @property
    def not_recorded(self) -> int:
        """Items that went to quarantine."""
        return self.tally.counts["rejected"] + self.tally.counts["conflict"]


class _Undo(Exception):  # noqa: N818 - no error: ends a transaction that must not be kept
    """Raised inside a transaction to roll it back."""


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
        progress: Callable[[Tally], None] = lambda _tally: None,
    ) -> None:
        self._database = database
        self._input_format = input_format
        self._strict = strict
        self._dry_run = dry_run
        self._progress = progress
        self._run = Run("ingest", {})
        self._intake = Intake(database, config, options, self._run)
        self._whole: Connection | None = None
        self.result = IngestResult(self._intake.tally)

    def run(self, files: Sequence[Source]) -> IngestResult:
        """Read every file and record what is new; LedgerError says how far it came where the database failed."""
        started = time.perf_counter()
        self._run.options = {"files": [file.name for file in files]}
        try:
            if self._strict or self._dry_run:
                self._run_as_one(files)
            else:
                self._run_all(files)
        except DBAPIError as error:
            recorded = 0 if self._strict or self._dry_run else self._intake.tally.counts["accepted"]
            raise LedgerError(
                f"the database failed: {first_line(error)}. {recorded} records of this run are recorded; "
                "run the same command again to record the rest"
            ) from error
        self.result.batch_id = self._run.id
        self.result.seconds = time.perf_counter() - started
        return self.result

    def _run_as_one(self, files: Sequence[Source]) -> None:
        try:
            with self._database.writing() as connection:
                self._whole = connection
                self._run_all(files)
                if self._dry_run or self.result.not_recorded:
                    raise _Undo
        except _Undo:
            self.result.committed = False
            self._run.id = None

    @contextmanager
    def _transaction(self) -> Iterator[Connection]:
        if self._whole is not None:
            yield self._whole
        else:
            with self._database.writing() as connection:
                yield connection

    def _run_all(self, files: Sequence[Source]) -> None:
        with self._transaction() as connection:
            self._intake.prepare(connection)
            self._cut_lines = CutLines(connection)
        for file in files:
            with file:
                for taken in self._read(file):
                    self._take(file.name, taken)
                    self._progress(self._intake.tally)

    def _read(self, file: Source) -> Iterator[Taken]:
        """The file's items in portions, ordinary lines by the short way."""
        reader = SourceReader(file, self._input_format)
        short_way = self._input_format in ("auto", "responses") and not self._intake.options.assume_cache_storage
        ordinary = OrdinaryLines(self._intake.resolver) if short_way else None
        waiting: list[Item] = []
        for piece in reader.pieces():
            if isinstance(piece, Item):
                waiting.append(piece)
            if waiting and (isinstance(piece, LineChunk) or len(waiting) >= CHUNK):
                yield self._intake.resolve(waiting)
                waiting = []
            if isinstance(piece, LineChunk):
                yield self._read_chunk(piece, reader, ordinary)
        if waiting:
            yield self._intake.resolve(waiting)

    def _read_chunk(self, chunk: LineChunk, reader: SourceReader, ordinary: OrdinaryLines | None) -> Taken:
        """Ordinary lines by the short way, the others by the general one."""
        found = None if ordinary is None else ordinary.read(chunk.lines)
        if found is None:
            return self._intake.resolve(list(reader.items(chunk)))
        taken, items, last = Taken(), [], len(chunk.lines) - 1
        for place, facts in enumerate(found):
            if facts is not None:
                taken.add(chunk.first_line + place, chunk.lines[place], facts)
            elif chunk.lines[place]:
                cut = chunk.last_is_cut and place == last
                items += reader.line(chunk.first_line + place, chunk.lines[place], cut=cut)
        return self._intake.resolve(items).merged(taken) if items else taken

    def _take(self, file: str, taken: Taken) -> None:
        rated = self._intake.rate(taken)
        with self._transaction() as connection:
            posted = self._intake.post(connection, rated, taken)
            hold(connection, file, taken.held, self._intake.options)
            if self._cut_lines:
                self._settle_cut(connection, taken, posted)
            if any(item.reason == CUT for item in taken.held):
                self._cut_lines = CutLines(connection)
        self._list(file, taken.held)

    def _settle_cut(self, connection: Connection, taken: Taken, posted: Posted) -> None:
        for line, raw, outcome in zip(taken.lines, taken.raws, posted.outcomes, strict=True):
            if raw is not None and outcome != "conflict":
                self._cut_lines.settle(connection, line, raw)

    def _list(self, file: str, held: Sequence[Held]) -> None:
        room = LISTED_REJECTIONS - len(self.result.rejections)
        self.result.rejections += [
            Rejection(file, item.line, item.reason, item.message) for item in held[: max(room, 0)]
        ]


@contextmanager
def ledger_for_dry_run(url: str, *, timezone: str, rollup_tags: Sequence[str]) -> Iterator[Database]:
    """The ledger of `url`, or a passing one where there is none, for a run that must record nothing."""
    if ledger_exists(url):
        yield open_ledger(url)
        return
    with tempfile.TemporaryDirectory(prefix="tollbook-") as folder:
        yield open_ledger(str(Path(folder) / "dry-run.db"), create=True, timezone=timezone, rollup_tags=rollup_tags)
