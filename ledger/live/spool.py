"""A spool: a file of `records` lines beside an application, for what couldn't be booked in time.

Processes may share one. A line is in the file whole, and on the disk, before anybody is told so. It is booked from a
claimed file, which is removed once that is committed; if the program ends in between, it is booked again, as
duplicates.
"""

from __future__ import annotations

import json
import os
import stat
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from ledger.errors import LedgerError
from ledger.intake.formats.records import REFUSED
from ledger.store import forks
from ledger.store.folders import sync_folder

if TYPE_CHECKING:
    from filelock import BaseFileLock

# How long lines wait for another program that adds its own, and for other threads of this one.
LOCK_SECONDS = 1
TURN_SECONDS = 10
_TAIL = 2**16
_LINE = 2**20  # more than any line of ours has
_BINARY = getattr(os, "O_BINARY", 0)  # of Windows


class Spool:
    """The spool of that path; its locks and the file that is being booked lie beside it."""

    def __init__(self, path: Path) -> None:
        """Refuses, with a LedgerError, what can't be a spool or holds something else."""
        self.path = path
        self._claimed = path.with_name(f"{path.name}.claimed")
        self._turn = threading.Lock()
        try:
            if not path.absolute().parent.is_dir():
                raise LedgerError(f"the spool's folder {path.absolute().parent} isn't one: make it first")
            for each in (path, self._claimed, path.with_name(f"{path.name}.claimed.lock")):
                with suppress(FileNotFoundError):
                    if not stat.S_ISREG(each.stat().st_mode):
                        raise LedgerError(f"the spool {each} isn't a file: name one that is a spool, or not there yet")
            for each in (path, self._claimed):
                with suppress(FileNotFoundError):  # another program may have booked it just now
                    _refuse_other(each)
        except (OSError, ValueError) as error:
            raise _unusable(path, error) from error

    def renew_after_fork(self) -> None:
        """Makes the child's own lock: another thread of the parent may have held the one it got."""
        self._turn = threading.Lock()

    def is_empty(self) -> bool:
        """Tells whether nothing waits to be booked."""
        return not (_size(self.path) or _size(self._claimed))

    def append(self, lines: Sequence[bytes]) -> None:
        """Adds lines, all or none; LedgerError where that can't be done."""
        data = b"".join(line + b"\n" for line in lines)
        try:
            with forks.passing(is_sqlite=False), self._alone():
                is_new = not self.path.exists()
                if not is_new:
                    _refuse_other(self.path)
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
            said = error.strerror or f"{self.path}.lock is held by others: try again"
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
        except OSError as error:
            raise _unusable(self.path, error) from error
        try:
            try:
                if not self._claimed.exists():
                    self._claim()
                is_claimed = self._claimed.exists()
            except OSError as error:
                raise _unusable(self.path, error) from error
            yield self._claimed if is_claimed else None
            self._claimed.unlink(missing_ok=True)
        finally:
            lock.release()

    def is_let_go(self, seconds: float) -> bool:
        """Tells whether another program was booking what is spooled, and ended that within so many seconds."""
        try:
            with self._lock("claimed.lock", 0):
                return False
        except TimeoutError:
            pass
        try:
            with self._lock("claimed.lock", seconds):
                return True
        except TimeoutError:
            return False

    def _claim(self) -> None:
        with self._alone():
            if not self.path.exists():
                return
            _refuse_other(self.path)
            file = os.open(self.path, os.O_RDWR | _BINARY)
            try:
                os.ftruncate(file, _end_of_last_line(file))
            finally:
                os.close(file)
            self.path.rename(self._claimed)

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Keeps others from the file; TimeoutError where they don't let go of it."""
        # Threads come in turn: a lock on a file is polled, and the last of many would give up.
        if not self._turn.acquire(timeout=TURN_SECONDS):
            raise TimeoutError
        try:
            with self._lock("lock", LOCK_SECONDS):
                yield
        finally:
            self._turn.release()

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
    """Returns a file's bytes; 0 where it can't be told, as whoever books or adds lines is told why."""
    try:
        return path.stat().st_size
    except OSError:
        return 0


def _refuse_other(path: Path) -> None:
    """Refuses a file whose first line is no line of a spool: it would be booked, and removed."""
    with path.open("rb") as file:
        line = file.readline(_LINE)
    try:
        fields = json.loads(line or b"{}")
    except ValueError:
        fields = None
        if line.startswith(b"{") and not line.endswith(b"\n") and len(line) < _LINE:
            return  # the first line was cut off
    if line and not (isinstance(fields, dict) and {"request_id", REFUSED} & fields.keys()):
        raise LedgerError(f"{path} holds something else than a spool: name another file, or none, as a new spool")


def _unusable(path: Path, error: Exception) -> LedgerError:
    said = getattr(error, "strerror", None) or str(error)
    return LedgerError(f"the spool {str(path)!r} can't be used: {said}")
