"""Runs a command and prints what it took as JSON: `python -I -S run_alone.py COMMAND...`.

A small process of its own, since a child's peak of memory counts what its parent held as it was started. The peak is
that of the command's largest process, its CPU time that of all of them.
"""

from __future__ import annotations

import json
import os
import sys
import time

if __name__ == "__main__":
    command = sys.argv[1:]
    quiet = [(os.POSIX_SPAWN_OPEN, descriptor, os.devnull, os.O_RDWR, 0) for descriptor in (0, 1)]
    started = time.perf_counter()
    child = os.posix_spawnp(command[0], command, os.environ, file_actions=quiet)
    _child, status, usage = os.wait4(child, 0)
    seconds = time.perf_counter() - started
    peak_bytes = usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    cpu_seconds = usage.ru_utime + usage.ru_stime
    print(json.dumps({"seconds": seconds, "cpu_seconds": cpu_seconds, "peak_bytes": peak_bytes}))
    sys.exit(os.waitstatus_to_exitcode(status) != 0)
