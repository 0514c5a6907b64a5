"""`tollbook lake price` of Responses lines and of `records` as Parquet, beside a user's DuckDB script."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from importlib.util import find_spec
from itertools import islice
from pathlib import Path
from typing import Any

from benchmarks.runs import Run, alone
from benchmarks.setting import Setting, UnavailableError, tollbook
from benchmarks.turns import PEAK, RATE, TIME, Case, Goal, Side, Trial
from ledger.config import Config
from ledger.intake.containers.source import open_source
from ledger.intake.labels import Resolver, RunOptions
from ledger.intake.portions.portion import portions

OURS = "tollbook lake price"
DUCKDB = "DuckDB script"
FILES = 4
MONTH = "2026-02"
MOST_PEAK_MB = 1_000
LEAST_LINES_PER_SECOND = 80_000
LEAST_RECORDS_PER_SECOND = 300_000


@contextmanager
def prepare(setting: Setting, *, is_parquet: bool, bound: float) -> Iterator[Trial]:
    """Prepares files of usage and a ledger with the cards; each run writes a lake that is gone afterwards."""
    if find_spec("duckdb") is None or find_spec("fsspec") is None:
        raise UnavailableError("it needs pip install 'tollbook[lake]'")
    with setting.room() as room:
        usage, ledger = usage_in(room, setting, is_parquet=is_parquet), ledger_in(room)
        ours = tollbook("lake", "price", "--db", ledger, "--input", usage, "--month", MONTH, "--output")
        peer = [sys.executable, "-m", "benchmarks.lake_duckdb", usage]
        run = partial(run_into, room, records=setting.records)
        sides: dict[str, Side] = {
            OURS: partial(run, lambda lake: [*ours, str(lake), "--source", lake.name]),
            DUCKDB: partial(run, lambda lake: [*peer, str(lake)]),
        }
        goals = [Goal(OURS, RATE, bound), Goal(OURS, PEAK, MOST_PEAK_MB), Goal(OURS, TIME, None, DUCKDB)]
        yield Trial(sides, goals)


def usage_in(room: Path, setting: Setting, *, is_parquet: bool) -> str:
    """Writes the setting's records into files; returns their glob."""
    usage, suffix = room / "usage", "parquet" if is_parquet else "jsonl"
    usage.mkdir()
    write = write_parquet if is_parquet else write_lines
    for number, lines in enumerate(split(setting.lines(setting.records), setting.records)):
        write(lines, usage / f"{number}.{suffix}")
    return f"{usage}/*.{suffix}"


def ledger_in(room: Path) -> str:
    """Makes a ledger with the cards."""
    ledger = str(room / "ledger.db")
    alone(tollbook("db", "init", "--db", ledger), room)
    return ledger


def run_into(room: Path, command: Callable[[Path], list[str]], *, records: int) -> Run:
    """Runs a command into a new folder; a ledger knows each lake by a source of its own."""
    lake = room / f"lake-{len(list(room.iterdir()))}-{hash(command) & 0xFFFF}"
    lake.mkdir()
    try:
        return alone(command(lake), room, records=records)
    finally:
        shutil.rmtree(lake)


def split(lines: Path, count: int) -> Iterator[list[str]]:
    """Yields the lines in as many parts as there are files."""
    with lines.open() as file:
        while part := list(islice(file, -(-count // FILES))):
            yield part


def write_lines(lines: list[str], path: Path) -> None:
    """Writes lines as they are."""
    path.write_text("".join(lines))


def write_parquet(lines: list[str], path: Path) -> None:
    """Writes the usage of lines as `records`, the columns that these have."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    write_lines(lines, path)
    columns: dict[str, list[Any]] = {}
    with open_source(str(path)) as source:
        for portion in portions(source, "responses", Resolver(RunOptions(), Config())):
            found = {
                "request_id": portion.records.request_ids,
                "occurred_at": portion.records.values("occurred_at"),
                "requested_model": portion.records.values("reported_model"),
                **{
                    name: portion.records.values(name)
                    for name in (
                        "project", "input_tokens", "cached_input_tokens", "output_tokens", "reasoning_tokens"
                    )
                },
            }  # fmt: skip
            for name, values in found.items():
                columns.setdefault(name, []).extend(values)
    times = pa.array(columns.pop("occurred_at"), pa.timestamp("us", tz="UTC"))
    pq.write_table(pa.table({**columns, "occurred_at": times}), path)


CASES = (
    Case(
        "lake-lines",
        "a month of Responses lines into a lake",
        partial(prepare, is_parquet=False, bound=LEAST_LINES_PER_SECOND),
        grows=True,
    ),
    Case(
        "lake-parquet",
        "a month of records in Parquet files into a lake",
        partial(prepare, is_parquet=True, bound=LEAST_RECORDS_PER_SECOND),
        grows=True,
    ),
)
