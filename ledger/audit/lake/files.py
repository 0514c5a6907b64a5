"""A lake's manifests as a chain, and the files that they name as they were written."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from ledger.audit.verification import Verification
from ledger.errors import LedgerError
from ledger.lake.cells_file import CELLS
from ledger.lake.charges_file import CHARGES
from ledger.lake.manifest import LakeFile, Manifest, read_manifest
from ledger.lake.store import Lake

_PARTS = {"charges": CHARGES.names, "cells": CELLS.names}


class Checked(NamedTuple):
    """A manifest with its digest; `charges` and `cells` are those of its files that can be read, each with its rows.

    `is_whole` where all of its files can.
    """

    manifest: Manifest
    digest: str
    charges: list[tuple[str, int]]
    cells: list[tuple[str, int]]
    is_whole: bool

    @property
    def name(self) -> str:
        """Its name in problems."""
        return f"manifest {self.manifest.number}"


def read_chain(lake: Lake, result: Verification) -> list[tuple[Manifest, str]]:
    """Reads the manifests that can be read; one that doesn't follow the one before it is a problem."""
    found: list[tuple[Manifest, str]] = []
    previous = ""
    for number, (name, data) in enumerate(lake.manifest_files(), 1):
        result.checked["manifests"] += 1
        previous, before = hashlib.sha256(data).hexdigest(), previous
        try:
            manifest, digest = read_manifest(data, name)
        except LedgerError as error:
            result.problem(str(error))
            continue
        if (manifest.lake, manifest.number, manifest.previous) != (lake.id, number, before):
            result.problem(f"{name}: it doesn't follow the manifest before it: that one was changed or is missing")
        found.append((manifest, digest))
    return found


def check_files(lake: Lake, manifest: Manifest, digest: str, result: Verification) -> Checked:
    """Compares the files of a manifest with what it says of them."""
    checked = Checked(manifest, digest, [], [], is_whole=True)
    for part, wanted, file in _files_of(manifest):
        result.checked["files"] += 1
        try:
            rows, problem = _look_at(lake, file, wanted)
        except (LedgerError, OSError, pa.ArrowException) as error:
            result.problem(f"{checked.name}: {file.path} can't be read: {str(error).splitlines()[0]}")
            checked = checked._replace(is_whole=checked.is_whole and part == "quarantine")
            continue
        if problem is not None:
            result.problem(f"{checked.name}: {file.path} {problem}")
        if part != "quarantine":
            getattr(checked, part).append((file.path, rows))
    stated, found = manifest.counts.get("accepted"), sum(rows for _path, rows in checked.charges)
    if checked.is_whole and stated != found:
        result.problem(f"{checked.name}: it says that {stated} were accepted, its charges are {found}")
    return checked


def _files_of(manifest: Manifest) -> Iterator[tuple[str, list[str] | None, LakeFile]]:
    """Yields each file with its part of the lake, and the columns that it has to have."""
    for part in ("charges", "quarantine", "cells"):
        for file in getattr(manifest, part):
            yield part, _PARTS.get(part), file


def _look_at(lake: Lake, file: LakeFile, wanted: list[str] | None) -> tuple[int, str | None]:
    """Returns the rows of a file and what is wrong with it; LedgerError where it can't be one of the lake's."""
    with lake.open(file.path) as opened:
        digest = hashlib.file_digest(opened, "sha256").hexdigest()  # type: ignore[arg-type]
        opened.seek(0)
        with pq.ParquetFile(opened) as parquet:
            rows, names = parquet.metadata.num_rows, parquet.schema_arrow.names
    if wanted is not None and names != wanted:
        raise LedgerError("its columns aren't those of a lake")
    if digest != file.sha256:
        return rows, f"isn't the file that was written (sha256 {digest[:12]}…, not {file.sha256[:12]}…)"
    return rows, None if rows == file.rows else f"has {rows} rows, not {file.rows}"
