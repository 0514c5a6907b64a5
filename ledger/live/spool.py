"""A spool: a file of `records` lines beside an application, for what couldn't be booked in time.

Processes may share one. A line is in the file whole, and on the disk, before anybody is told so. It is booked from a
claimed file, which is removed once that is committed; if the program ends in between, it is booked again, as
duplicates.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from ledger.errors import LedgerError
from ledger.store import forks
from ledger.store.folders import sync_folder

if TYPE_CHECKING:
    from filelock import BaseFileLock

# How long a line waits for other threads and processes that add theirs.
LOCK_SECONDS = 10
_TAIL = 2**16
_BINARY = getattr(os, "O_BINARY", 0)  # of Windows


class Spool:
    """The spool of that path; its locks and the file that is being booked lie beside it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._claimed = path.with_name(f"{path.name}.claimed")
        if not path.absolute().parent.is_dir():
            raise LedgerError(f"the spool's folder {path.absolute().parent} isn't one: make it first")

    def is_empty(self) -> bool:
        """Tells whether nothing waits to be booked."""
        return not (_size(self.path) or _size(self._claimed))

    def append(self, lines: Sequence[bytes]) -> None:
        """Adds lines, all or none; LedgerError where that can't be done."""
        data = b"".join(line + b"\n" for line in lines)
        try:
            with forks.passing(is_sqlite=False), self._lock("lock", LOCK_SECONDS):
                is_new = not self.path.exists()
                file = os.open(self.path, os.O_CREAT | os.O_RDWR | os.O_APPEND | _BINARY, 0o600)
                try:
                    if is_new and hasattr(os, "fchmod"):  # a umask may have taken the owner's rights too
                        os.fchmod(file, 0o600)
                    _write_whole(file, data)
                finally:
                    os.close(file)
                if is_new:
                    sync_folder(self.path.absolute().parent)
        except OSError as error:
            said = error.strerror or f"another program has held {self.path}.lock for {LOCK_SECONDS} s"
            raise LedgerError(f"the spool {self.path} can't be written: {said}") from error

    @contextmanager
    def claimed(self) -> Iterator[Path | None]:
        """Claims what is spooled, to book it in the block; None where there is nothing, or another program is at it.

        The file is removed unless the block raises an error. What an ended program left is claimed first.
        """
        try:
            lock = self._lock("claimed.lock", 0)
            lock.acquire()
        except TimeoutError:
            yield None
            return
        try:
            if not self._claimed.exists():
                self._claim()
            yield self._claimed if self._claimed.exists() else None
            self._claimed.unlink(missing_ok=True)
        finally:
            lock.release()

    def _claim(self) -> None:
        with self._lock("lock", LOCK_SECONDS):
            if not self.path.exists():
                return
            file = os.open(self.path, os.O_RDWR | _BINARY)
            try:
                os.ftruncate(file, _end_of_last_line(file))
            finally:
                os.close(file)
            self.path.rename(self._claimed)

    def _lock(self, suffix: str, seconds: float) -> BaseFileLock:
        from filelock import FileLock  # who has no spool doesn't need it

        return FileLock(f"{self.path}.{suffix}", timeout=seconds, mode=0o600, thread_local=False)


def _write_whole(file: int, data: bytes) -> None:
    """Appends to a file and waits for the disk; where that fails the file is as it was, without a torn last line."""
    end = _end_of_last_line(file)
    os.ftruncate(file, end)
    try:
        view = memoryview(data)
        while view:
            view = view[os.write(file, view) :]
        os.fsync(file)
    except OSError:
        os.ftruncate(file, end)
        raise


def _end_of_last_line(file: int) -> int:
    """Returns the length of a file without what follows its last line end: a program was killed as it wrote that."""
    end = os.fstat(file).st_size
    while end:
        start = max(0, end - _TAIL)
        os.lseek(file, start, os.SEEK_SET)
        found = os.read(file, end - start).rfind(b"\n")
        if found >= 0:
            return start + found + 1
        end = start
    return 0


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0
