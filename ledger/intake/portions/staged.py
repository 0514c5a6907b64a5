"""Portions that wait, in a file that nobody else can open, until all of them may be posted."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from dataclasses import replace
from io import RawIOBase
from typing import NamedTuple

import msgspec

from ledger.errors import LedgerError
from ledger.intake.portions.portion import LineFacts, Portion

_LENGTH_BYTES = 8

_encode = msgspec.msgpack.Encoder().encode


class _Kept(NamedTuple):
    """The part of a portion that is kept, and the name of its file."""

    name: str
    rows: list[LineFacts]
    pending: int
    ignored: dict[str, int]
    lost_amounts: int
    unknown_keys: dict[str, int]


_decode = msgspec.msgpack.Decoder(_Kept).decode


class Staged:
    """Portions with the names of their files, in order, without lines: nothing of a payload is kept.

    The file is the caller's, without a buffer. One of `tempfile.TemporaryFile` is its owner's alone and, but for
    Windows, has no name: however the process ends, nothing is left of it.
    """

    def __init__(self, file: RawIOBase) -> None:
        self._file = file

    def append(self, name: str, portion: Portion) -> None:
        """Keeps the portion's rows and counts; LedgerError where there is no room for them."""
        rows = replace(portion, chunk=None, raws={}).rows()
        counts = (portion.pending, portion.ignored, portion.lost_amounts, dict(portion.unknown_keys))
        data = _encode(_Kept(name, rows, *counts))
        left = memoryview(len(data).to_bytes(_LENGTH_BYTES) + data)
        try:
            while left:
                left = left[self._file.write(left) :]
        except OSError as error:
            raise LedgerError(
                f"{tempfile.gettempdir()}: {error.strerror}; what is read waits there until all of it may be posted: "
                "make room, or name another folder in TMPDIR"
            ) from error

    def __iter__(self) -> Iterator[tuple[str, Portion]]:
        self._file.seek(0)
        while length := self._file.read(_LENGTH_BYTES):
            kept = _decode(self._file.read(int.from_bytes(length)))
            portion = Portion(pending=kept.pending, ignored=kept.ignored, lost_amounts=kept.lost_amounts)
            portion.unknown_keys.update(kept.unknown_keys)
            portion.set_rows(kept.rows)
            yield kept.name, portion
