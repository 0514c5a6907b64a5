"""Files that are there whole or not at all, and what killed processes left of them."""

from __future__ import annotations

import os
import re
import signal
import stat
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, NoReturn

from ledger.errors import NotShown
from ledger.store.folders import sync_folder

if sys.platform != "win32":
    import fcntl

_PREFIX, _SUFFIX = ".tollbook-", ".tmp"
# Such as tempfile makes: eight of its characters.
_TEMPORARY = re.compile(r"\.tollbook-[a-z0-9_]{8}\.tmp")
_STALE_SECONDS = 24 * 3_600


@contextmanager
def replacing(path: str, *, mode: int | None = None) -> Iterator[IO[bytes]]:
    """Yields a file that replaces `path` once written whole; on any exception or SIGTERM nothing does.

    It gets `mode`, else the permissions of the file that it replaces, else those that the umask leaves. Pipes and
    devices are written to directly. OSError becomes NotShown naming the path.
    """
    try:
        if Path(path).exists() and not Path(path).is_file():
            with Path(path).open("wb") as device:
                yield device
            return
        # A link stays one: the file that it names is replaced.
        target = Path(os.path.realpath(path))
        _remove_stale(target.parent)
        with _ending_on_sigterm():
            handle, name = tempfile.mkstemp(prefix=_PREFIX, suffix=_SUFFIX, dir=target.parent)
            try:
                os.close(handle)
                with Path(name).open("wb") as file:
                    _lock(file.fileno())
                    yield file
                    file.flush()
                    os.fsync(file.fileno())
                Path(name).chmod(_mode_of(target) if mode is None else mode)
                Path(name).replace(target)
                sync_folder(target.parent)
            except BaseException:
                Path(name).unlink(missing_ok=True)
                raise
    except OSError as error:
        if isinstance(error, BrokenPipeError):
            raise
        raise NotShown(f"{path}: can't be written: {error.strerror or error}") from error


def _mode_of(target: Path) -> int:
    """The permissions of the file to be replaced, else a new file's by the umask."""
    try:
        return stat.S_IMODE(target.stat().st_mode)
    except FileNotFoundError:
        mask = os.umask(0)
        os.umask(mask)
        return 0o666 & ~mask


@contextmanager
def _ending_on_sigterm() -> Iterator[None]:
    """Has SIGTERM end the process as an exception does, where nobody else handles it."""
    is_ours = (
        threading.current_thread() is threading.main_thread() and signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
    )
    if is_ours:
        signal.signal(signal.SIGTERM, _end)
    try:
        yield
    finally:
        if is_ours:
            signal.signal(signal.SIGTERM, signal.SIG_DFL)


def _end(number: int, _frame: object) -> NoReturn:
    sys.exit(128 + number)


def _lock(handle: int) -> None:
    """Says, as long as the file is open, that a process is at it. OSError where another says so."""
    if sys.platform != "win32":
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)


def _remove_stale(folder: Path) -> None:
    """Removes temporary files of ours that are a day old and that no running process has open."""
    # Nothing is lost where one can't be looked at or removed: whoever writes next tries again.
    with suppress(OSError):
        for path in folder.iterdir():
            if _TEMPORARY.fullmatch(path.name):
                with suppress(OSError):
                    _remove_if_stale(path)


def _remove_if_stale(path: Path) -> None:
    found = path.lstat()
    is_own = stat.S_ISREG(found.st_mode) and (not hasattr(os, "geteuid") or found.st_uid == os.geteuid())
    if is_own and time.time() - found.st_mtime > _STALE_SECONDS:
        with path.open("rb") as file:
            _lock(file.fileno())
            path.unlink()
