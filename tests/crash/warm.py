"""A process that has imported everything, and forks a child for each run: a killed run costs no start-up."""

from __future__ import annotations

import gc
import os
import pkgutil
import random
import signal
import subprocess
import sys
import tempfile
import traceback
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from importlib import import_module
from pathlib import Path
from typing import IO, NoReturn

import msgspec
import time_machine

from tests.conftest import ROOT, command_environment
from tests.crash.places import Places

# A run that takes longer hangs.
MOST_SECONDS = 120
# Lines of a transaction, so that few lines take several.
CHUNK_LINES = 10
PYTHON = "python"


class Order(msgspec.Struct):
    """Command lines of tollbook to run one after another, or `python CODE`, in a folder, at a moment that stays."""

    lines: Sequence[Sequence[str]]
    folder: str
    at: datetime
    environment: Mapping[str, str]
    kill_at: int | None = None


class Ended(msgspec.Struct):
    """The end of a run: the first exit code other than 0, what it wrote, and the places that it passed."""

    code: int
    out: str
    err: str
    places: list[str]

    @property
    def was_killed(self) -> bool:
        return self.code == -signal.SIGKILL


class Warm:
    """The process, as tests hold it."""

    def __init__(self, orders: IO[bytes], answers: IO[bytes]) -> None:
        self._orders, self._answers = orders, answers

    def run(self, order: Order) -> Ended:
        """Has a child run it; the result once that has ended."""
        self._orders.write(msgspec.json.encode(order) + b"\n")
        self._orders.flush()
        return msgspec.json.decode(self._answers.readline(), type=Ended)


@contextmanager
def warm_process() -> Iterator[Warm]:
    # Threads of numpy's would not live on in a child.
    environment = command_environment({"OPENBLAS_NUM_THREADS": "1"})
    command = [sys.executable, "-m", "tests.crash.warm"]
    with subprocess.Popen(command, cwd=ROOT, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        yield Warm(process.stdin, process.stdout)
        process.stdin.close()


# --- in the process -------------------------------------------------------------------------------------------------


def _main() -> None:
    _import_everything()
    gc.collect()
    gc.freeze()
    with tempfile.TemporaryDirectory() as scratch:
        for line in sys.stdin.buffer:
            answer = _run(msgspec.json.decode(line, type=Order), Path(scratch))
            sys.stdout.buffer.write(msgspec.json.encode(answer) + b"\n")
            sys.stdout.buffer.flush()


def _import_everything() -> None:
    import ledger

    for module in pkgutil.walk_packages(ledger.__path__, "ledger."):
        if not module.name.endswith("__main__"):
            import_module(module.name)
    for name in (
        "alembic.command",
        "numpy",
        "sqlalchemy.dialects.postgresql",
        "sqlalchemy.dialects.sqlite",
        "tollbook",
    ):
        import_module(name)
    import_module("ledger.intake.containers.lines").__dict__["CHUNK_LINES"] = CHUNK_LINES


def _run(order: Order, scratch: Path) -> Ended:
    files = out, err, places = [scratch / name for name in ("out", "err", "places")]
    for file in files:
        file.write_text("")
    child = os.fork()
    if child == 0:
        _be_child(order, out, err, Places(places, order.kill_at))
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    return Ended(code, out.read_text(), err.read_text(), places.read_text().splitlines())


def _be_child(order: Order, out: Path, err: Path, places: Places) -> NoReturn:
    code = 70
    try:
        signal.alarm(MOST_SECONDS)
        for number, path in enumerate((Path(os.devnull), out, err)):
            os.dup2(os.open(path, os.O_RDWR), number)
        os.chdir(order.folder)
        os.environ.update(order.environment)
        os.urandom = random.Random(order.at.isoformat()).randbytes  # the ids of events
        with time_machine.travel(order.at, tick=False):
            places.watch()
            code = next((code for line in order.lines if (code := _code_of(line))), 0)
        places.keep()
    except BaseException:  # noqa: BLE001 - nothing may get past the child's end
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def _code_of(line: Sequence[str]) -> int:
    """Runs one line; its exit code."""
    from ledger.cli import cli

    if line[0] == PYTHON:
        exec(line[1], {})
        return 0
    try:
        cli.main(list(line), prog_name="tollbook")
    except SystemExit as end:
        return int(end.code or 0)


if __name__ == "__main__":
    _main()
