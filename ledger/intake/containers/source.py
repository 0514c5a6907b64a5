"""Input files: opened first, read later in blocks, decompressed by their first bytes."""

from __future__ import annotations

import errno
import os
import stat
import sys
import zlib
from codecs import BOM_UTF8
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from itertools import chain
from pathlib import Path
from typing import BinaryIO, Self

import zstandard

from ledger.intake.containers.inputs import is_url, open_in_store

BLOCK = 2**20
_GZIP_MAGIC = b"\x1f\x8b"
_PARQUET_MAGIC = b"PAR1"
_ZSTD_MAGIC = b"\x28\xb5\x2f\xfd"
# A zstd block of four bytes may expand to 128 KiB, so what is fed at once bounds what comes out at once.
_ZSTD_FEED = 2_048
_MAX_KEPT_OPEN = 100


class Source:
    """An opened input; `name` is the path as given, `-` for standard input."""

    def __init__(self, name: str, stream: BinaryIO | None) -> None:
        self.name = name
        self._stream = stream
        self.fault: tuple[str, str] | None = None
        """After reading: reason and message where compressed data ended early or is damaged."""
        self.bytes_read = 0
        """Bytes of the file that were read so far, before decompression."""
        self.text_start: int | None = None
        """Bytes of the file before its text; None until it is read, and where it is compressed."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Closes the file; standard input stays open."""
        if self._stream is not None and self.name != "-":
            self._stream.close()

    def blocks(self) -> Iterator[bytes]:
        """Yields the text once, decompressed, without a byte order mark, in blocks never empty.

        Raises OSError where the system can't read. Damaged compressed data ends the blocks and sets `fault`.
        """
        if self._stream is None:
            self._stream = _open(self.name)
        raw = self._counted(_raw_blocks(self._stream))
        head = _join_head(raw, 4)
        decompressed = self._decompressed(head, raw)
        marked = _join_head(decompressed, len(BOM_UTF8))
        first = marked.removeprefix(BOM_UTF8)
        if self.text_start is not None:
            self.text_start = len(marked) - len(first)
        for text in chain(filter(None, [first]), decompressed):
            # zstd may turn a few bytes into many at once.
            for start in range(0, len(text), BLOCK):
                yield text if len(text) <= BLOCK else text[start : start + BLOCK]

    def parquet(self) -> BinaryIO | None:
        """Returns the file where it is a Parquet one, which is read from its end; None for all else."""
        if self._stream is None:
            self._stream = _open(self.name)
        if not self._stream.seekable():
            return None
        start = self._stream.tell()
        is_parquet = self._stream.read(len(_PARQUET_MAGIC)) == _PARQUET_MAGIC
        self._stream.seek(start)
        return self._stream if is_parquet else None

    @property
    def size(self) -> int | None:
        """The bytes of a regular file; None of anything else."""
        path = Path(self.name)
        if is_url(self.name):
            return getattr(self._stream, "size", None)
        return path.stat().st_size if self.name != "-" and path.is_file() else None

    def _counted(self, blocks: Iterator[bytes]) -> Iterator[bytes]:
        for block in blocks:
            self.bytes_read += len(block)
            yield block

    def _decompressed(self, head: bytes, rest: Iterator[bytes]) -> Iterator[bytes]:
        blocks = chain(filter(None, [head]), rest)
        if head.startswith(_GZIP_MAGIC):
            yield from self._gunzip(blocks)
        elif head.startswith(_ZSTD_MAGIC) or _is_skippable(head):
            yield from self._unzstd(blocks)
        else:
            self.text_start = 0
            yield from blocks

    def _gunzip(self, blocks: Iterator[bytes]) -> Iterator[bytes]:
        inflate = zlib.decompressobj(31)
        for block in blocks:
            data = block
            while data:
                if inflate.eof:
                    # Another member may follow; zero bytes pad the end of tapes and of some appended logs.
                    data = data.lstrip(b"\0")
                    if not data:
                        break
                    inflate = zlib.decompressobj(31)
                try:
                    text = inflate.decompress(data, BLOCK)
                except zlib.error as error:
                    self._damaged("gzip", error)
                    return
                if text:
                    yield text
                data = inflate.unused_data if inflate.eof else inflate.unconsumed_tail
        if not inflate.eof:
            self._truncated("gzip")

    def _unzstd(self, blocks: Iterator[bytes]) -> Iterator[bytes]:
        decompressor = zstandard.ZstdDecompressor()
        frame = decompressor.decompressobj()
        for block in blocks:
            for start in range(0, len(block), _ZSTD_FEED):
                data = block[start : start + _ZSTD_FEED]
                while data:
                    if frame.eof:
                        frame = decompressor.decompressobj()
                    try:
                        text = frame.decompress(data)
                    except zstandard.ZstdError as error:
                        self._damaged("zstd", error)
                        return
                    if text:
                        yield text
                    data = frame.unused_data if frame.eof else b""
        if not frame.eof:
            self._truncated("zstd")

    def _truncated(self, kind: str) -> None:
        message = f"the {kind} data ends early: what came before was read; read the file again when it is whole"
        self.fault = ("truncated_file", message)

    def _damaged(self, kind: str, error: Exception) -> None:
        message = f"the {kind} data is damaged ({error}): what came before was read; fetch the file again"
        self.fault = ("damaged_file", message)


def open_source(name: str, *, keep_open: bool = True) -> Source:
    """Opens a file, one in a store by its URL, or standard input for `-`; raises OSError with the file's name.

    `keep_open` false closes a regular file again until it is read, where many would exceed the system's limit.
    """
    if name == "-":
        if sys.stdin is None or sys.stdin.closed:
            raise OSError(errno.EBADF, "standard input is closed", name)
        return Source(name, sys.stdin.buffer)
    stream = _open(name)
    if is_url(name):
        return Source(name, stream)
    if keep_open or not stat.S_ISREG(os.fstat(stream.fileno()).st_mode):
        return Source(name, stream)
    stream.close()
    return Source(name, None)


def open_sources(names: Iterable[str]) -> list[Source]:
    """Opens all files, of which 100 stay open, or none: raises OSError for the first."""
    with ExitStack() as until_all_are_open:
        sources = [
            until_all_are_open.enter_context(open_source(name, keep_open=place < _MAX_KEPT_OPEN))
            for place, name in enumerate(names)
        ]
        until_all_are_open.pop_all()
    return sources


def _open(name: str) -> BinaryIO:
    if is_url(name):
        return open_in_store(name)
    return Path(name).open("rb", buffering=0)


def _raw_blocks(stream: BinaryIO) -> Iterator[bytes]:
    # A pipe's next bytes are passed on as they come; a raw file's read does the same.
    read = getattr(stream, "read1", stream.read)
    while block := read(BLOCK):
        yield block


def _join_head(blocks: Iterator[bytes], size: int) -> bytes:
    """Joins the first blocks to `size` bytes or more, where there are that many."""
    head = b""
    for block in blocks:
        head += block
        if len(head) >= size:
            break
    return head


def _is_skippable(head: bytes) -> bool:
    """Tells whether zstd data begins with a skippable frame, as parallel zstd writes."""
    return len(head) >= 4 and 0x50 <= head[0] <= 0x5F and head[1:4] == b"\x2a\x4d\x18"
