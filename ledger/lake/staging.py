"""Input files priced and staged, one by one, in as many processes as there are cores."""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, NamedTuple

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq

from ledger.book.prices.pins import PinnedIds
from ledger.book.records import Rated
from ledger.config import Config
from ledger.errors import LedgerError
from ledger.intake.containers.source import open_source
from ledger.intake.fields.record import Held
from ledger.intake.files import plain_name
from ledger.intake.labels import Resolver, RunOptions
from ledger.intake.portions.portion import Portion, portions, without_collector
from ledger.intake.portions.read_ahead import PortionsAhead, is_worthwhile
from ledger.intake.quarantine import held_digest, occurred_at_of
from ledger.intake.rating import Rating, RunCounts
from ledger.lake.charges_file import CODED_NAMES, STAGED, Pins, Staging, month_places
from ledger.store.database import zone_named
from ledger.values.calendar import Calendar
from ledger.values.columns import distinct
from ledger.values.instants import to_microseconds
from pricing.rate_card import RateCard

HELD: Final = pa.schema(
    [
        ("file", pa.string()),
        ("line", pa.int64()),
        ("reason", pa.string()),
        ("message", pa.string()),
        ("source", pa.string()),
        ("request_id", pa.string()),
        ("occurred_at", pa.timestamp("us", tz="UTC")),
        ("fields", pa.string()),  # JSON of what may be kept, in the words of `records`
        ("complete", pa.bool_()),  # true where the fields hold every fact
        ("digest", pa.string()),  # of the line; null for a conflict
    ]
)
"""The columns that quarantine keeps of a line."""
# Lines of one file that are numbered apart from those of the next.
_PLACES_A_FILE: Final = 2**40


class Inputs(NamedTuple):
    """The usage to price: its files, their format, and what holds for each record."""

    files: tuple[str, ...]
    input_format: str
    options: RunOptions


@dataclass(frozen=True)
class Job:
    """All that pricing a file takes, for a process of its own; `folder` gets what is staged.

    `elsewhere` says of each source that is not this lake's why its usage is refused.
    """

    inputs: Inputs
    config: Config
    cards: dict[str, RateCard]
    ids: PinnedIds
    zone: str
    rollup_tags: tuple[str, ...]
    month: str
    elsewhere: Mapping[str, str]
    folder: Path


@dataclass
class FileCounts:
    """The outcome of a file's items so far; `other_months` are left to the runs of theirs, `staged` are its rows."""

    tally: RunCounts
    other_months: int = 0
    staged: int = 0


def stage_all(job: Job, processes: int) -> Iterator[FileCounts]:
    """Prices each file in turn or in several processes; LedgerError or OSError where one can't be read."""
    count = len(job.inputs.files)
    if processes == 1 or count == 1:
        for number in range(count):
            yield stage_file(job, number)
        return
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(min(processes, count), mp_context=context) as pool:
        try:
            yield from pool.map(stage_file, [job] * count, range(count))
        except BrokenProcessPool:
            raise LedgerError("a process that read usage ended early: run the same command again") from None
        finally:
            pool.shutdown(cancel_futures=True)  # files that nobody waits for any more aren't begun


def stage_file(job: Job, number: int, *, reached: str | None = None) -> FileCounts:
    """Prices one file: what is accepted and what is held back, each a Parquet file in the job's folder.

    `reached` is the file's name on another machine than the one it was named on; no process reads ahead there.
    """
    name = job.inputs.files[number]
    resolver = Resolver(job.inputs.options, job.config)
    calendar = Calendar(zone_named(job.zone))
    rating = Rating(job.cards, job.ids, resolver)
    staging = Staging(calendar, job.rollup_tags, Pins.of(job.cards, job.ids))
    counts, place = FileCounts(RunCounts()), number * _PLACES_A_FILE
    with (
        without_collector(),
        open_source(reached or name) as source,
        pq.ParquetWriter(
            job.folder / f"staged-{number:06}.parquet", STAGED, compression="lz4", use_dictionary=CODED_NAMES
        ) as staged,
        pq.ParquetWriter(job.folder / f"held-{number:06}.parquet", HELD) as kept,
    ):
        ahead = not reached and len(job.inputs.files) < (os.cpu_count() or 1) and is_worthwhile(source)
        found = (
            PortionsAhead(source, job.inputs.input_format, job.inputs.options, job.config)
            if ahead
            else portions(source, job.inputs.input_format, resolver)
        )
        with closing(found):
            for portion in found:
                rated = _rate(portion, rating, job, calendar, counts)
                if len(rated):
                    staged.write_table(staging.table(rated, plain_name(name), portion.lines, place))
                    place += len(rated)
                    counts.staged += len(rated)
                if portion.held:
                    kept.write_table(_held_table(plain_name(name), portion.held))
    pq.write_table(staging.keys(), job.folder / f"keys-{number:06}.parquet")
    return counts


def _rate(portion: Portion, rating: Rating, job: Job, calendar: Calendar, counts: FileCounts) -> Rated:
    """Prices what of a portion occurred in the month, and leaves that alone in it."""
    places = month_places(portion.records.number("occurred_at"), job.month, calendar)
    if places is not None:
        counts.other_months += len(portion.records) - len(places)
        portion.keep(places)
    held = [item for item in portion.held if _may_be_of(item, job.month, calendar)]
    counts.other_months += len(portion.held) - len(held)
    portion.rejected -= len(portion.held) - len(held)
    portion.held = held
    labels = portion.records.labels
    for code in distinct(portion.records.number("label")).tolist() if job.elsewhere else ():
        if labels[code].source in job.elsewhere:
            raise LedgerError(job.elsewhere[labels[code].source])
    return rating.rate(portion, counts.tally)


def _may_be_of(item: Held, month: str, calendar: Calendar) -> bool:
    """Tells whether what is held back is of the month, or may be as it has no time."""
    at = occurred_at_of(item.fields)
    return at is None or calendar.month(to_microseconds(at)) == month


def _held_table(file: str, held: Sequence[Held]) -> Any:  # noqa: ANN401 - pyarrow has no types
    rows = [held_row(file, item, held_digest(file, item)) for item in held]
    return pa.Table.from_pylist(rows, schema=HELD)


def held_row(file: str, item: Held, digest: str | None) -> dict[str, Any]:
    """Returns a row of HELD."""
    return {
        "file": file,
        "line": item.line,
        "reason": item.reason,
        "message": item.message,
        "source": item.source,
        "request_id": item.fields.get("request_id"),
        "occurred_at": occurred_at_of(item.fields),
        "fields": msgspec.json.encode(dict(item.fields), order="sorted").decode(),
        "complete": item.complete,
        "digest": digest,
    }
