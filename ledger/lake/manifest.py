"""The statement of one run of `lake price` about what it wrote: what `lake post` books, and what readers may read.

Manifests of a lake are numbered from 1 in the order in which they were committed, and chained by digest. A file that
none of them names is of a run that didn't come to its end.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec
from msgspec import Struct

from ledger.errors import LedgerError

SCHEMA: Final = 1


class LakeFile(Struct, frozen=True, forbid_unknown_fields=True):
    """A Parquet file: its path below the lake, its rows, and sha256 over its bytes."""

    path: str
    rows: int
    sha256: str


class Manifest(Struct, frozen=True, forbid_unknown_fields=True):
    """One run of `lake price`.

    `lake` is the lake's id, `run` the digest of what was asked for, and `month` the month whose usage was priced, in
    `timezone`. `counts` has the outcome of each item that was read, `amounts` plain decimals by currency. `pins` are
    the cards, rules and options that the run went by. `charges`, `quarantine` and `cells` are its files.
    """

    schema: int
    lake: str
    number: int
    previous: str
    run: str
    month: str
    timezone: str
    rollup_tags: tuple[str, ...]
    sources: tuple[str, ...]
    inputs: tuple[Mapping[str, Any], ...]
    pins: Mapping[str, Any]
    counts: Mapping[str, int]
    amounts: Mapping[str, str]
    charges: tuple[LakeFile, ...]
    quarantine: tuple[LakeFile, ...]
    cells: tuple[LakeFile, ...]

    @property
    def files(self) -> Sequence[LakeFile]:
        """All its files."""
        return (*self.charges, *self.quarantine, *self.cells)

    @property
    def name(self) -> str:
        """Its path below the lake."""
        return f"manifests/{self.number:06}.json"

    def encoded(self) -> bytes:
        """Returns the manifest as it is stored: the same one is the same bytes."""
        return msgspec.json.format(msgspec.json.encode(self, order="sorted"), indent=2) + b"\n"


def read_manifest(data: bytes, name: str) -> tuple[Manifest, str]:
    """Returns a manifest and its digest, sha256 over its bytes; LedgerError naming it where it is none."""
    try:
        manifest = msgspec.json.decode(data, type=Manifest)
    except (msgspec.MsgspecError, RecursionError) as error:
        raise LedgerError(f"{name}: this is no manifest of 'tollbook lake price': {error}") from None
    if manifest.schema != SCHEMA:
        raise LedgerError(f"{name}: its schema is {manifest.schema}, and this version reads {SCHEMA}: upgrade tollbook")
    return manifest, hashlib.sha256(data).hexdigest()
