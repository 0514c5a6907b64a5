"""One run: of a command as a process of its own, or of a call in this one."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parent.parent
RUN_ALONE = str(Path(__file__).with_name("run_alone.py"))


class CommandError(Exception):
    """A command that is measured ended with an error; the message has its last words."""


class Run(NamedTuple):
    """Time, memory and size of one run. The peak is of a command's largest process, the size that of its database."""

    seconds: float
    cpu_seconds: float
    peak_bytes: int = 0
    records: int = 0
    bytes_per_record: float = 0.0


def timed(call: Callable[[], object], *, records: int = 0, calls: int = 1) -> Run:
    """Runs a call in this process; the times are those of one of so many `calls`."""
    cpu, wall = time.process_time(), time.perf_counter()
    for _call in range(calls):
        call()
    wall_seconds, cpu_seconds = time.perf_counter() - wall, time.process_time() - cpu
    return Run(wall_seconds / calls, cpu_seconds / calls, records=records)


def alone(command: Sequence[str], folder: Path, *, records: int = 0, also: Mapping[str, str] | None = None) -> Run:
    """Runs a command in a folder, without the tollbook settings of this shell; CommandError where it fails.

    Modules are kept compiled, as they are once a package is installed, whatever this shell says.
    """
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith(("TOLLBOOK_", "PYTHONDONT"))
    }
    done = subprocess.run(
        [sys.executable, "-I", "-S", RUN_ALONE, *command],
        cwd=folder,
        env=environment | {"PYTHONPATH": str(ROOT)} | dict(also or {}),
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise CommandError(f"{' '.join(command)} failed: {done.stderr.strip()}")
    return Run(**json.loads(done.stdout), records=records)
