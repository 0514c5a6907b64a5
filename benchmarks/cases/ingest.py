"""`tollbook ingest` of Responses lines beside the bare floor, a leaner one, and a user's DuckDB script.

The floor (`ingest_floor`) decodes each line and puts the same facts into one table with a unique id.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import TypeAlias

from benchmarks.runs import Run, alone
from benchmarks.setting import Place, Setting, UnavailableError, postgres_place, sqlite_place, tollbook
from benchmarks.turns import PEAK, SIZE, TIME, Case, Goal, Side, Trial

Command: TypeAlias = Callable[[str], list[str]]
OURS = "tollbook ingest"
FLOOR = "floor"
LEAN = "lean"
DUCKDB = "DuckDB script"
DUCKDB_UNIQUE = "DuckDB script, unique id"
MOST_PEAK_MB = 300
MOST_BYTES_PER_RECORD = 250
PART_MORE = 5  # a fifth as many records as there are come later


def script(name: str, lines: Path, *options: str) -> Command:
    """The command line of one of the scripts beside this folder, for a database."""
    return lambda url: [sys.executable, "-m", f"benchmarks.{name}", str(lines), url, *options]


def ingest(lines: Path) -> Command:
    """Our command line for a database."""
    return lambda url: tollbook("ingest", "--db", url, str(lines))


def run_into(
    place: Callable[[], AbstractContextManager[Place]], command: Command, *, folder: Path, read: int, held: int
) -> Run:
    """Runs a command into a database of its own: so many records read, and held afterwards."""
    with place() as database:
        os.sync()  # what the run before left to be written is none of this one's time
        run = alone(command(database.url), folder, records=read)
        return run._replace(bytes_per_record=database.size() / held)


def goals(peers: Mapping[str, float | None], *, sized: bool = True) -> list[Goal]:
    """The ratios to the peers, with the most that they may be, and the limits of memory and size."""
    limits = [Goal(OURS, PEAK, MOST_PEAK_MB), *([Goal(OURS, SIZE, MOST_BYTES_PER_RECORD)] if sized else [])]
    return [*(Goal(OURS, TIME, bound, peer) for peer, bound in peers.items()), *limits]


@contextmanager
def into_sqlite(setting: Setting, *, ids: str, bound: float) -> Iterator[Trial]:
    """Prepares a new ledger beside the floor and the other ways to a table."""
    lines = setting.lines(setting.records, ids=ids)
    commands = {
        OURS: ingest(lines),
        FLOOR: script("ingest_floor", lines),
        LEAN: script("ingest_peers", lines, "--lean"),
    }
    if find_spec("duckdb") is not None:
        commands[DUCKDB] = script("ingest_duckdb", lines)
        commands[DUCKDB_UNIQUE] = script("ingest_duckdb", lines, "--unique")
    with setting.room() as room:
        run = partial(run_into, partial(sqlite_place, room), folder=room, read=setting.records, held=setting.records)
        bounds = {name: bound if name == FLOOR else None for name in commands if name != OURS}
        yield Trial({name: partial(run, command) for name, command in commands.items()}, goals(bounds))


@contextmanager
def into_postgres(setting: Setting, *, ids: str) -> Iterator[Trial]:
    """Prepares a new ledger on the server beside the floor's COPY."""
    if setting.postgres is None:
        raise UnavailableError("--postgres URL names no server")
    lines = setting.lines(setting.records, ids=ids)
    commands = {OURS: ingest(lines), FLOOR: script("ingest_floor", lines)}
    place = partial(postgres_place, setting.postgres)
    run = partial(run_into, place, folder=setting.folder, read=setting.records, held=setting.records)
    yield Trial({name: partial(run, command) for name, command in commands.items()}, goals({FLOOR: 1.0}, sized=False))


@contextmanager
def into_held(setting: Setting, *, again: bool, bound: float) -> Iterator[Trial]:
    """Prepares databases that hold the records: later ones are added, or the same file comes `again`."""
    first = setting.lines(setting.records)
    lines = first if again else setting.lines(setting.records // PART_MORE, month=1)
    options = ["--ignore"] if again else []
    commands = {
        OURS: (ingest(first), ingest(lines)),
        FLOOR: (script("ingest_floor", first), script("ingest_peers", lines, *options)),
        LEAN: (script("ingest_peers", first, "--lean"), script("ingest_peers", lines, "--lean", *options)),
    }
    read = setting.records if again else setting.records // PART_MORE
    held = setting.records if again else setting.records + read
    sides: dict[str, Side] = {}
    with setting.room() as room:
        for name, (begin, command) in commands.items():
            held_file = room / f"{name}.db"
            alone(begin(str(held_file)), room)
            place = partial(sqlite_place, room, held_file)
            sides[name] = partial(run_into, place, command, folder=room, read=read, held=held)
        yield Trial(sides, goals({FLOOR: bound, LEAN: None}, sized=not again))


CASES = tuple(
    Case(name, about, prepare, grows=True)
    for name, about, prepare in (
        ("ingest", "into a new SQLite ledger, the vendor's ids", partial(into_sqlite, ids="vendor", bound=0.9)),
        ("ingest-random", "the same with random ids", partial(into_sqlite, ids="random", bound=0.8)),
        ("ingest-more", "a fifth as many into a ledger with those", partial(into_held, again=False, bound=1.1)),
        ("ingest-again", "the same file again", partial(into_held, again=True, bound=1.5)),
        ("ingest-postgres", "into a new PostgreSQL ledger, the vendor's ids", partial(into_postgres, ids="vendor")),
        ("ingest-postgres-random", "the same with random ids", partial(into_postgres, ids="random")),
    )
)
