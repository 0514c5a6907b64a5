"""Folders whose files are to outlive a machine that stops: the disk must know the files' names too."""

from __future__ import annotations

import errno
import os
from pathlib import Path

# Of who may not read a folder, and of file systems that sync none: names are theirs to keep.
_CANNOT = (errno.EACCES, errno.EINVAL, errno.EBADF)


def sync_folder(folder: Path) -> None:
    """Waits until the disk knows the names in a folder, where folders can be opened and synced."""
    if os.name != "posix":
        return
    try:
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
    except OSError as error:
        if error.errno not in _CANNOT:
            raise
