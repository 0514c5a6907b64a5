"""SQLite files that their reader may only read: nothing is made beside them, no row of a write-ahead file passed over.

Without sqlalchemy, for those who look into a ledger before it is loaded.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import NamedTuple

from ledger.errors import LedgerError

# Offset and end of the file change counter in a SQLite file's header.
_CHANGE_COUNTER = slice(24, 28)


class Stamp(NamedTuple):
    """The state of a file: bytes, nanoseconds since the epoch, SQLite's change counter."""

    size: int
    modified_ns: int
    change_counter: bytes


class Way(NamedTuple):
    """The way to open a file: its URI, and its stamp where no lock keeps writers off while it is read."""

    path: str
    uri: str
    stamp: Stamp | None = None

    @property
    def may_write(self) -> bool:
        """Tells whether the file can be written this way."""
        return self.uri.endswith("?mode=rw")

    def is_outdated(self) -> bool:
        """Tells whether the file was written since, or a write-ahead file with rows lies beside it now."""
        if self.stamp is None:
            return False
        try:
            return _has_rows_beside(self.path) or stamp_of(self.path) != self.stamp
        except OSError:
            return True


def find_way(path: str) -> Way:
    """Returns how to open a ledger's file; LedgerError where rows beside it can't be read without writing.

    Who may write is to write: a connection that can only read would leave the write-ahead file and its index behind.
    Who may not uses those that are there, or takes a file without them as it is, which needs nothing beside it.
    """
    path = os.path.realpath(path)
    uri = Path(path).as_uri()
    if not _allows(path, os.R_OK) or _may_write(path):
        return Way(path, f"{uri}?mode=rw")
    if all(_allows(path + suffix, os.R_OK) for suffix in ("-wal", "-shm")):
        return Way(path, f"{uri}?mode=ro")
    if _has_rows_beside(path):
        raise LedgerError(
            f"{path} may only be read, and rows in the write-ahead file or journal beside it can't be without writing: "
            "have its owner run 'tollbook db check', which takes them in, or copy both to a folder of your own"
        )
    return Way(path, f"{uri}?mode=ro&immutable=1", stamp_of(path))


def stamp_of(path: str) -> Stamp:
    """Returns what a file is like now."""
    with Path(path).open("rb") as file:
        status = os.fstat(file.fileno())
        return Stamp(status.st_size, status.st_mtime_ns, file.read(_CHANGE_COUNTER.stop)[_CHANGE_COUNTER])


def _may_write(path: str) -> bool:
    """Tells whether the file can be written, and its write-ahead file and index be made or written beside it."""
    return _allows(path, os.W_OK) and (
        _allows(str(Path(path).parent), os.W_OK) or all(_allows(path + suffix, os.W_OK) for suffix in ("-wal", "-shm"))
    )


def _allows(path: str, mode: int) -> bool:
    return os.access(path, mode, effective_ids=os.access in os.supports_effective_ids)


def _has_rows_beside(path: str) -> bool:
    """Tells whether a write-ahead file or journal with content lies beside the file."""
    return any(
        os.path.exists(path + suffix) and os.path.getsize(path + suffix) > 0  # noqa: PTH110, PTH202 - suffixes of names
        for suffix in ("-wal", "-journal")
    )
