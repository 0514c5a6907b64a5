"""The way from files of usage to a lake's, as every engine goes it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, ClassVar, Final, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from ledger.book.rows import Facts
from ledger.intake.fields.record import Held
from ledger.intake.files import LISTED_REJECTIONS, Rejection
from ledger.intake.rating import fields_of
from ledger.lake import queries
from ledger.lake.charges_file import CHARGES
from ledger.lake.staging import HELD, held_row
from ledger.store.bulk import in_chunks
from ledger.store.tables import MEASURES

if TYPE_CHECKING:
    from ledger.lake.manifest import LakeFile
    from ledger.lake.staging import FileCounts, Job
    from ledger.lake.store import Lake

ROWS_AT_ONCE: Final = 10_000
_HELD_FILE: Final = "quarantine.parquet"


class Outcome(NamedTuple):
    """The fate of staged usage; storage that is assumed is counted apart.

    `differing_labels` are duplicates with another project or tags.
    """

    counts: Counter[str]
    assumed: Counter[str]
    differing_labels: int


class Engine(ABC):
    """One run's usage in an engine: files are staged, what is new is decided, and then written into the lake.

    `folder` is the run's own, on this machine.
    """

    dialect: ClassVar[queries.Dialect]

    def __init__(self, lake: Lake, folder: Path) -> None:
        self.lake = lake
        self.folder = folder

    @abstractmethod
    def stage(self, job: Job, size: int) -> Iterator[FileCounts]:
        """Prices all files, of that many bytes, and yields the counts of each in order.

        LedgerError or OSError where one can't be read.
        """

    @abstractmethod
    def write_charges(self, name: str) -> Iterable[LakeFile]:
        """Writes what is accepted into the lake by day, in files of that name."""

    @abstractmethod
    def _write_sums(self, query: str, name: str) -> LakeFile | None:
        """Writes a query's rows, of CELLS, into one of the lake's files, or none for no rows."""

    @abstractmethod
    def _open_views(self, earlier: Sequence[str]) -> None:
        """Makes the views `staged` and `staged_keys`, and `earlier` of those files of charges where there are any."""

    @abstractmethod
    def _make_table(self, name: str, query: str) -> None: ...

    @abstractmethod
    def _make_view(self, name: str, query: str) -> None: ...

    @abstractmethod
    def _rows(self, query: str) -> Iterator[Sequence[Any]]: ...

    @abstractmethod
    def _staged_held(self) -> Iterable[IO[bytes]]:
        """Opens what was held back, file by file in order."""

    def decide(self, earlier: Sequence[str]) -> Outcome:
        """Finds what is new; `earlier` are the files of charges that earlier runs accepted."""
        self._open_views(earlier)
        if not earlier:
            self._make_view("earlier", f"SELECT {', '.join(CHARGES.names)} FROM staged WHERE false")
        self._make_table("keys", queries.KEYS)
        self._make_table("contested", queries.contested(self.dialect))
        self._make_table("decided", queries.decided(self.dialect))
        self._make_view("accepted", queries.ACCEPTED)
        counts, assumed = Counter[str](), Counter[str]()
        for fate, is_assumed, count in self._rows(queries.FATES):
            (assumed if is_assumed else counts)[fate] += count
        [[differs]] = self._rows(queries.DIFFERING)
        return Outcome(counts, assumed, differs)

    def write_cells(self, name: str) -> LakeFile | None:
        """Writes the sums of what is accepted into the lake."""
        [present] = self._rows(queries.PRESENT)
        measures = {MEASURES[0], *(measure for measure, count in zip(MEASURES[1:], present, strict=True) if count)}
        return self._write_sums(queries.sums(measures, self.dialect), f"cells/{name}")

    def spend(self) -> list[tuple[str, str, int | None, int, int]]:
        """Returns project, currency, nano of it for 1 USD, nano and records of what is accepted."""
        rows = self._rows(queries.spend(self.dialect))
        return [(project, currency, per_usd, int(nano), count) for project, currency, per_usd, nano, count in rows]

    def sources(self) -> tuple[str, ...]:
        """Returns the sources of what is accepted, by name."""
        return tuple(name for (name,) in self._rows(queries.SOURCES))

    def write_held(self, name: str) -> LakeFile | None:
        """Writes what is held back, conflicts too, into the lake."""
        path, count = self.folder / _HELD_FILE, 0
        with pq.ParquetWriter(path, HELD, compression="zstd") as writer:
            for staged in self._staged_held():
                with staged, pq.ParquetFile(staged) as file:
                    for batch in file.iter_batches(ROWS_AT_ONCE):
                        writer.write_batch(batch)
                        count += batch.num_rows
            for rows in in_chunks(self._rows(queries.CONFLICTS), ROWS_AT_ONCE):
                writer.write_table(pa.Table.from_pylist([_conflict(row) for row in rows], schema=HELD))
                count += len(rows)
        return self.lake.put(path, f"quarantine/{name}", count) if count else None

    def rejections(self) -> list[Rejection]:
        """Returns the first of what `write_held` wrote."""
        batches = pq.ParquetFile(self.folder / _HELD_FILE).iter_batches(LISTED_REJECTIONS, columns=Rejection._fields)
        return [Rejection(**row) for batch in islice(batches, 1) for row in batch.to_pylist()]


def _conflict(row: Sequence[Any]) -> dict[str, Any]:
    """Returns the row of quarantine that staged usage becomes which contradicts what is accepted."""
    *values, file, line = row
    stated = dict(zip(queries.HELD_FACTS, values, strict=True))
    facts = Facts(**stated | {"generation": 0, "assumed": int(stated["assumed"])})
    message = f"{facts.kind} {facts.request_id!r} of {facts.source} is in the lake with other facts: see its charges"
    held = Held(line, None, "conflict", message, fields_of(facts), facts.source, complete=True)
    return held_row(file, held, None)
