"""A standalone Spark cluster on this machine, for tests and measuring: a master, and workers of a core each."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import pyspark

BIN = Path(pyspark.__file__).parent / "bin"
START_SECONDS = 300
_DEPLOY = "org.apache.spark.deploy"


@dataclass
class Cluster:
    """Its URL, and the processes of its workers."""

    master: str
    workers: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def kill_worker(self) -> None:
        """Kills a worker with all that runs on it, as a lost machine does."""
        _kill(self.workers.pop())


@contextmanager
def cluster(folder: Path, *, workers: int, pinned: bool = False) -> Iterator[Cluster]:
    """Starts a cluster whose logs and work are in a folder, each worker `pinned` to a core where that is wanted."""
    port = _free_port()
    with ExitStack() as stack:
        master = ("Master", "--host", "127.0.0.1", "--port", str(port), "--webui-port", "0")
        _started(stack, folder, "master", *master)
        until(lambda: _listens(port))
        found = Cluster(f"spark://127.0.0.1:{port}")
        for number in range(workers):
            worker = ("Worker", "--host", "127.0.0.1", "--cores", "1", "--memory", "2g", "--webui-port", "0")
            own = ("--work-dir", str(folder / f"work-{number}"), found.master)
            core = ("taskset", "-c", str(number)) if pinned else ()
            found.workers.append(_started(stack, folder, f"worker-{number}", *worker, *own, before=core))
        log = folder / "master.log"
        until(lambda: log.read_text().count("Registering worker") == workers)
        yield found


def until(holds: Callable[[], bool]) -> None:
    """Waits until something holds, some minutes at most; TimeoutError where it doesn't come to that."""
    deadline = time.monotonic() + START_SECONDS
    while not holds():
        if time.monotonic() > deadline:
            raise TimeoutError
        time.sleep(0.05)


def _started(
    stack: ExitStack, folder: Path, name: str, what: str, *args: str, before: Sequence[str] = ()
) -> subprocess.Popen[bytes]:
    log = stack.enter_context((folder / f"{name}.log").open("wb"))
    command = [*before, str(BIN / "spark-class"), f"{_DEPLOY}.{what.lower()}.{what}", *args]
    environment = os.environ | {"SPARK_LOCAL_IP": "127.0.0.1", "PYSPARK_PYTHON": sys.executable}
    process = subprocess.Popen(command, stdout=log, stderr=log, env=environment, start_new_session=True)
    stack.callback(_kill, process)
    return process


def _kill(process: subprocess.Popen[bytes]) -> None:
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _free_port() -> int:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        port: int = listening.getsockname()[1]
        return port


def _listens(port: int) -> bool:
    with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
        return True
    return False
