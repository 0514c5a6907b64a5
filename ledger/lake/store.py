"""A lake: a folder, on a disk or in a store by its URL, with the files that its manifests name."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Collection, Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Final

import msgspec
from msgspec.structs import replace

from ledger.errors import LedgerError
from ledger.intake.containers.inputs import reaching
from ledger.lake.manifest import LakeFile, Manifest, read_manifest
from ledger.store.folders import sync_folder

if TYPE_CHECKING:
    from fsspec import AbstractFileSystem

_HEAD: Final = "lake.json"
_MANIFESTS: Final = "manifests"
_DATA: Final = ("charges", "quarantine", "cells")
STAGING: Final = "staging"
"""The folder below a lake of what runs at work have staged."""


@dataclass(frozen=True)
class Lake:
    """An opened lake: its name as given, its `id`, and how its files are reached."""

    name: str
    id: str
    store: AbstractFileSystem
    root: str

    @property
    def is_local(self) -> bool:
        """True where its files are on a disk of this machine."""
        from fsspec.implementations.local import LocalFileSystem

        return isinstance(self.store, LocalFileSystem)

    def path(self, path: str) -> str:
        """Returns the full path, in its store, of a path below the lake."""
        return f"{self.root}/{path}"

    def url(self, path: str) -> str:
        """Returns how other programs find a path below the lake."""
        full: str = self.path(path) if self.is_local else self.store.unstrip_protocol(self.path(path))
        return full

    def manifests(self) -> list[tuple[Manifest, str]]:
        """Reads its manifests in order, each with its digest; LedgerError where one is missing or was changed."""
        found: list[tuple[Manifest, str]] = []
        previous = ""
        for number, (name, data) in enumerate(self.manifest_files(), 1):
            manifest, digest = read_manifest(data, name)
            if (manifest.lake, manifest.number, manifest.previous) != (self.id, number, previous):
                raise LedgerError(f"{name}: it doesn't follow the manifest before it: restore those of {self.name}")
            previous = digest
            found.append((manifest, digest))
        return found

    def manifest_files(self) -> list[tuple[str, bytes]]:
        """Returns the content of its manifests, each with its full path, in order."""
        with reaching(self.name):
            listed = self.store.find(self.path(_MANIFESTS), maxdepth=1)
            names = sorted(name for name in listed if name.endswith(".json"))
            return [(name, self.store.cat_file(name)) for name in names]

    def open(self, path: str) -> IO[bytes]:
        """Opens a file below the lake to be read; LedgerError for one that isn't."""
        if ".." in path.split("/"):
            raise LedgerError(f"{path}: it lies outside of the lake {self.name}: the manifest was changed")
        with reaching(self.url(path)):
            opened: IO[bytes] = self.store.open(self.path(path), "rb")
            return opened

    def check(self, files: Iterable[LakeFile]) -> None:
        """Raises a LedgerError where a file isn't the one that a manifest names."""
        for file in files:
            try:
                with self.open(file.path) as opened:
                    digest = hashlib.file_digest(opened, "sha256").hexdigest()  # type: ignore[arg-type]
            except OSError as error:
                raise LedgerError(f"{self.url(file.path)}: can't be read: {error.strerror or error}") from error
            if digest != file.sha256:
                named = f"the file that the manifest names (sha256 {file.sha256[:12]}…)"
                raise LedgerError(f"{self.url(file.path)}: isn't {named}: restore it")

    def put(self, local: Path, path: str, rows: int) -> LakeFile:
        """Copies a file into the lake, where it is kept through a loss of power; returns its statement."""
        self.copy(local, path)
        if self.is_local:
            _sync(Path(self.path(path)))
        with local.open("rb") as file:
            return LakeFile(path, rows, hashlib.file_digest(file, "sha256").hexdigest())

    def add(self, data: bytes, path: str, rows: int) -> LakeFile:
        """Adds a file, its owner's alone on a disk, where it is kept through a loss of power; returns its statement.

        One of that name may be there already if it is the same.
        """
        file = LakeFile(path, rows, hashlib.sha256(data).hexdigest())
        with reaching(self.name):
            with suppress(FileExistsError):
                _create(self, path, data, mode=0o600)
            for folder in (Path(self.root), Path(self.root).parent) if self.is_local else ():
                sync_folder(folder)
        self.check([file])
        return file

    def copy(self, local: Path, path: str) -> None:
        """Copies a file into the lake."""
        with reaching(self.name):
            self.store.makedirs(self.path(path).rpartition("/")[0], exist_ok=True)
            self.store.put_file(str(local), self.path(path))

    def move(self, file: LakeFile, path: str) -> LakeFile:
        """Moves one of the lake's files to another path below it; returns its statement there."""
        with reaching(self.name):
            self.store.makedirs(self.path(path).rpartition("/")[0], exist_ok=True)
            self.store.mv(self.path(file.path), self.path(path))
        if self.is_local:
            sync_folder(Path(self.path(path)).parent)
        return replace(file, path=path)

    def remove(self, folder: str) -> None:
        """Removes a folder below the lake with all that is in it, where it is there."""
        with reaching(self.name):
            if self.store.exists(self.path(folder)):
                self.store.rm(self.path(folder), recursive=True)

    def commit(self, manifest: Manifest) -> str:
        """Adds a manifest under its number, whole or not at all; returns its digest.

        LedgerError where another run was first: what this one found was decided without that one's.
        """
        data = manifest.encoded()
        try:
            _create(self, manifest.name, data)
        except FileExistsError:
            message = f"{self.name}: another run was committed meanwhile: run the same command again"
            raise LedgerError(message) from None
        return hashlib.sha256(data).hexdigest()

    def remove_strays(self, manifests: Collection[Manifest]) -> None:
        """Removes the files that a run left which was killed before its manifest; on a disk alone.

        LedgerError, and all stay, where one can't be of such a run: then manifests may have been lost.
        """
        known = {file.path for manifest in manifests for file in manifest.files}
        found = [path for folder in _DATA if self.is_local for path in Path(self.path(folder)).rglob("*.parquet")]
        strays = [path for path in found if path.relative_to(self.root).as_posix() not in known]
        for path in strays:
            if not path.name.startswith(f"{len(manifests) + 1:06}-"):
                message = f"{path}: no manifest names it: restore the manifests of {self.name}, or remove the file"
                raise LedgerError(message)
        for path in strays:
            path.unlink()
        if self.is_local:
            self.remove(STAGING)


def open_lake(name: str, *, making: bool = True) -> Lake:
    """Opens a lake, or makes one where there is no file; LedgerError where that can't be."""
    with reaching(name) as (store, path):
        root = path.rstrip("/")
        head = f"{root}/{_HEAD}"
        if not store.exists(head):
            if not making:
                raise LedgerError(
                    f"{name}: this is no lake: name the folder or URL that 'tollbook lake price' or 'archive' wrote"
                )
            if store.exists(root) and (not store.isdir(root) or any(map(_is_foreign, store.ls(root, detail=False)))):
                message = f"{name}: this is no lake, and not empty: name a folder of its own"
                raise LedgerError(message)
            store.makedirs(root, exist_ok=True)
            lake = Lake(name, os.urandom(8).hex(), store, root)
            try:
                _create(lake, _HEAD, msgspec.json.encode({"schema": 1, "lake": lake.id}) + b"\n")
            except FileExistsError:  # another run has made it meanwhile
                return open_lake(name)
            return lake
        data = store.cat_file(head)
    try:
        return Lake(name, msgspec.json.decode(data, type=dict[str, Any])["lake"], store, root)
    except (msgspec.MsgspecError, KeyError):
        raise LedgerError(f"{name}/{_HEAD}: it doesn't say which lake this is: restore it") from None


def _is_foreign(path: str) -> bool:
    """Tells what a run that was killed while it made a lake didn't leave."""
    return not path.rpartition("/")[2].startswith(f".{_HEAD}.")


def _create(lake: Lake, path: str, data: bytes, *, mode: int = 0o666) -> None:
    """Writes a new file, whole or not at all; FileExistsError where it is there."""
    target = lake.path(path)
    if not lake.is_local:
        lake.store.pipe_file(target, data, mode="create")
        return
    file = Path(target)
    file.parent.mkdir(parents=True, exist_ok=True)
    whole = file.with_name(f".{file.name}.{os.getpid()}")
    with os.fdopen(os.open(whole, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode), "wb") as opened:
        opened.write(data)
    _sync(whole)
    try:
        os.link(whole, file)
    finally:
        whole.unlink()
    sync_folder(file.parent)


def _sync(file: Path) -> None:
    """Waits until the disk has a file, and its name."""
    with file.open("rb") as opened:
        os.fsync(opened.fileno())
    sync_folder(file.parent)
