"""One run over usage that stays outside of the ledger's tables: priced by its cards and rules, written as Parquet."""

from __future__ import annotations

import os
import tempfile
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

from filelock import FileLock, Timeout

from ledger.book.corrections.void_sums import live_manifests
from ledger.book.prices.in_force import cards_in_force
from ledger.book.prices.pins import PinnedIds
from ledger.book.sources import sources_elsewhere
from ledger.config import Config
from ledger.errors import LedgerError
from ledger.intake.files import Rejection
from ledger.intake.rating import RunCounts
from ledger.lake.asked import pins_of, run_digest, state_input
from ledger.lake.engine import Engine
from ledger.lake.manifest import SCHEMA, Manifest
from ledger.lake.staging import Inputs, Job
from ledger.lake.store import Lake, open_lake
from ledger.store.database import Database, settings_in
from ledger.values.spend import Spend, total

Progress: TypeAlias = Callable[[RunCounts, float | None], None]
Opening: TypeAlias = Callable[[Lake, Path], AbstractContextManager[Engine]]


@dataclass(slots=True)
class Priced:
    """The result of a run: its manifest with its digest, and the fate of what was read.

    `is_new` is false where the same run was committed before: then nothing was done.
    """

    manifest: Manifest
    digest: str
    is_new: bool
    tally: RunCounts
    other_months: int = 0
    rejections: list[Rejection] = field(default_factory=list)
    """The first of what went to quarantine, conflicts too."""

    @property
    def not_accepted(self) -> int:
        """Items that went to the lake's quarantine."""
        return self.tally.counts["rejected"] + self.tally.counts["conflict"]


def price_lake(
    database: Database,
    config: Config,
    inputs: Inputs,
    output: str,
    month: str,
    *,
    opening: Opening,
    progress: Progress = lambda _tally, _part: None,
) -> Priced:
    """Prices the usage of a month into a lake, each request once; LedgerError or OSError where that can't be done.

    `opening` opens the engine, given the lake and a folder of the run's own. The run is one manifest: whatever happens
    before that is there, the lake is as before.
    """
    lake = open_lake(output)
    with ExitStack() as stack:
        stack.enter_context(_alone(lake))
        before = lake.manifests()
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="tollbook-")))
        job = _job(database, config, inputs, month, lake=lake, folder=folder, manifests=len(before))
        lake.remove_strays([manifest for manifest, _digest in before])
        run = _Run(lake, job, before, [state_input(name) for name in inputs.files])
        for manifest, digest in before:
            if manifest.run == run.digest:
                return _priced_before(manifest, digest)
        engine = stack.enter_context(opening(lake, folder))
        run.stage(engine, progress)
        manifest = run.write(engine)
        with database.writing() as connection:
            job.ids.pin(connection, job.cards.values())  # so that the manifest's sums can be posted
        digest = lake.commit(manifest)
        rejections = engine.rejections()
        return Priced(
            manifest, digest, is_new=True, tally=run.tally, other_months=run.other_months, rejections=rejections
        )


def _alone(lake: Lake) -> AbstractContextManager[object]:
    """Returns the lock of a lake on a disk, held; LedgerError where another run has it."""
    if not lake.is_local:
        return nullcontext()
    lock = FileLock(lake.path(".lock"))
    try:
        return lock.acquire(timeout=0)
    except Timeout:
        raise LedgerError(f"{lake.name}: another run is at work there: wait until it has ended") from None


def _job(
    database: Database, config: Config, inputs: Inputs, month: str, *, lake: Lake, folder: Path, manifests: int
) -> Job:
    ids = PinnedIds()
    with database.reading() as connection:
        last = max(live_manifests(connection, lake.id), default=0)
        if last > manifests:
            message = f"{lake.name}: it has {manifests} manifests, and the ledger sums of manifest {last}: restore them"
            raise LedgerError(message)
        cards = cards_in_force(connection)
        ids.pin(connection, cards.values(), adding=False)
        elsewhere = sources_elsewhere(connection, settings_in(connection), lake.id, month)
    return Job(inputs, config, cards, ids, database.zone_name, database.rollup_tags, month, elsewhere, folder)


@dataclass
class _Run:
    """A run over stated inputs, after the manifests `before` it."""

    lake: Lake
    job: Job
    before: Sequence[tuple[Manifest, str]]
    stated: Sequence[Mapping[str, Any]]
    tally: RunCounts = field(default_factory=RunCounts)
    other_months: int = 0
    staged: int = 0

    @property
    def digest(self) -> str:
        return run_digest(self.job, self.stated)

    def stage(self, engine: Engine, progress: Progress) -> None:
        """Prices all files."""
        sizes = [each["size"] or 0 for each in self.stated]
        whole, read = sum(sizes), 0
        for size, counts in zip(sizes, engine.stage(self.job, whole), strict=True):
            self.tally.add(counts.tally)
            self.other_months += counts.other_months
            self.staged += counts.staged
            read += size
            progress(self.tally, read / whole if whole else None)

    def write(self, engine: Engine) -> Manifest:
        """Writes what is new and what is held back into the lake; returns the manifest of it."""
        lake, job, number = self.lake, self.job, len(self.before) + 1
        # In a store the same run may be at work twice, and neither is to write over the other's files.
        name = f"{number:06}-{self.digest[:8]}-{os.urandom(4).hex()}.parquet"
        earlier = [file for manifest, _digest in self.before for file in manifest.charges]
        lake.check(earlier if lake.is_local else ())  # in a store all would have to be fetched
        outcome = engine.decide([lake.url(file.path) for file in earlier])
        self._check("decided", outcome.counts.total() + outcome.assumed.total(), self.staged)
        self.tally.counts.update(outcome.counts)
        self.tally.assumed.update(outcome.assumed)
        self.tally.differing_labels = outcome.differing_labels
        self.tally.spend = _spend(engine)
        charges = tuple(engine.write_charges(name))
        accepted = outcome.counts["accepted"] + outcome.assumed["accepted"]
        self._check("written", sum(file.rows for file in charges), accepted)
        held, cells = engine.write_held(name), engine.write_cells(name)
        return Manifest(
            schema=SCHEMA,
            lake=lake.id,
            number=number,
            previous=self.before[-1][1] if self.before else "",
            run=self.digest,
            month=job.month,
            timezone=job.zone,
            rollup_tags=job.rollup_tags,
            sources=engine.sources(),
            inputs=tuple(self.stated),
            pins=pins_of(job),
            counts={**self.tally.fates, "other_months": self.other_months},
            amounts=total(list(self.tally.spend.values())).amounts,
            charges=charges,
            quarantine=(held,) if held else (),
            cells=(cells,) if cells else (),
        )

    def _check(self, done: str, found: int, expected: int) -> None:
        """Raises a LedgerError where an engine's rows aren't as many as they are to be."""
        if found != expected:
            message = f"{self.lake.name}: {found} of {expected} rows were {done}: run the same command again"
            raise LedgerError(message)


def _spend(engine: Engine) -> defaultdict[str, Spend]:
    spend: defaultdict[str, Spend] = defaultdict(Spend)
    for project, currency, per_usd_nano, amount_nano, records in engine.spend():
        spend[project].add(currency, per_usd_nano, amount_nano, records)
    return spend


def _priced_before(manifest: Manifest, digest: str) -> Priced:
    counts = dict(manifest.counts)
    other_months = counts.pop("other_months", 0)
    return Priced(manifest, digest, is_new=False, tally=RunCounts(Counter(counts)), other_months=other_months)
