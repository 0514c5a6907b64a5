"""Inputs as they are named on a command line: files, folders, globs and URLs, as the files that they stand for."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, BinaryIO

from ledger.errors import LedgerError

if TYPE_CHECKING:
    from fsspec import AbstractFileSystem

_MAGIC = "*?["
# Names that other programs leave beside data: of a run's success, of what isn't whole yet.
_NOT_DATA = (".", "_")
# Stores raise the kinds of errors that a system does, often without a number.
_ERRNO: dict[type[OSError], int] = {
    FileNotFoundError: errno.ENOENT,
    PermissionError: errno.EACCES,
    IsADirectoryError: errno.EISDIR,
}


def is_url(name: str) -> bool:
    """Tells whether a name is of a store such as s3://bucket/usage.jsonl."""
    return "://" in name


def find_inputs(names: Iterable[str]) -> list[str]:
    """Returns the files that names stand for: each in the order of names, those of a folder or glob by name.

    Of a folder all files below it count but those whose name, or a folder's below it, begins with a dot or an
    underscore. LedgerError where a folder or glob holds none; what isn't there at all is for `open_source` to refuse.
    """
    found: list[str] = []
    for name in names:
        files = _in_store(name) if is_url(name) else _on_disk(name)
        if files == []:
            raise LedgerError(f"{name}: there are no files: check the name; in quotes a glob is read by tollbook")
        found += [name] if files is None else files
    return found


def _on_disk(name: str) -> list[str] | None:
    """Returns the files of a folder or glob; None for a name that is a file's own, or of nothing."""
    path = Path(name)
    if name and path.is_dir():
        below = (each for each in path.rglob("*") if each.is_file())
        return sorted(str(each) for each in below if _is_data(each.relative_to(path).parts))
    if name == "-" or path.exists() or not any(sign in name for sign in _MAGIC):
        return None
    from ledger.values.globs import files_matching  # which few inputs need

    return sorted(files_matching(name, Path()).values())


def _in_store(name: str) -> list[str] | None:
    with reaching(name) as (store, path):
        if any(sign in path for sign in _MAGIC):
            return sorted(store.unstrip_protocol(each) for each in store.glob(path) if store.isfile(each))
        if not store.isdir(path):
            return None
        below = ((each, PurePosixPath(each).relative_to(PurePosixPath(path)).parts) for each in store.find(path))
        return sorted(store.unstrip_protocol(each) for each, parts in below if _is_data(parts))


def _is_data(parts: Iterable[str]) -> bool:
    return not any(part.startswith(_NOT_DATA) for part in parts)


@contextmanager
def reaching(url: str) -> Iterator[tuple[AbstractFileSystem, str]]:
    """Gives the store of a URL and the path there; its errors are LedgerError or OSError with the URL."""
    try:
        from fsspec.core import url_to_fs
    except ModuleNotFoundError:
        raise LedgerError(f"{url}: stores need fsspec: pip install 'tollbook[lake]'") from None
    try:
        yield url_to_fs(url)
    except ImportError as error:
        raise LedgerError(f"{url}: {error}") from None
    except ValueError as error:  # of a protocol that it doesn't know, or a URL without a bucket
        raise LedgerError(f"{url}: {error}") from None
    except OSError as error:
        number = error.errno or next((code for kind, code in _ERRNO.items() if isinstance(error, kind)), errno.EIO)
        raise OSError(number, error.strerror or os.strerror(number), url) from error


def open_in_store(url: str) -> BinaryIO:
    """Opens a file of a store to be read; raises OSError with the URL."""
    with reaching(url) as (store, path):
        opened: BinaryIO = store.open(path, "rb")
        return opened
