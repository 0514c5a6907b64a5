"""Blocks of bytes -> chunks of whole lines; a too long line is passed over, never held."""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from ledger.errors import LedgerError
from ledger.intake.fields.record import MAX_ITEM_BYTES, Item, Rejected

CHUNK_BYTES = 12 * 2**20
CHUNK_LINES = 20_000


@dataclass(frozen=True)
class LineChunk:
    """Lines in a row as they are; `lines[i]` is line `first_line + i`."""

    first_line: int
    text: bytes
    start: int = 0
    """The bytes of the source's text before it."""

    def __reduce__(self) -> tuple[type[LineChunk], tuple[int, bytes, int]]:
        return LineChunk, (self.first_line, self.text, self.start)

    @property
    def last_is_cut(self) -> bool:
        """True where the file ended without a line end after the last line, which is no sign of damage by itself."""
        return not self.text.endswith(b"\n")

    @cached_property
    def count(self) -> int:
        """The number of lines."""
        return self.text.count(b"\n") + self.last_is_cut

    @cached_property
    def lines(self) -> list[bytes]:
        """The lines without their ends (LF or CRLF). Blank lines are there as b"" and are no items."""
        lines = list(map(_bare, self.text.split(b"\n")))
        return lines if self.last_is_cut else lines[:-1]


@dataclass(frozen=True)
class FileLines:
    """The lines of a chunk, read again from their file where one is asked for."""

    name: str
    first_line: int
    start: int
    length: int
    checksum: int

    @classmethod
    def of(cls, chunk: LineChunk, name: str, text_start: int) -> FileLines:
        """Returns the lines of a chunk of a file, whose text begins after so many bytes."""
        return cls(name, chunk.first_line, text_start + chunk.start, len(chunk.text), zlib.crc32(chunk.text))

    @cached_property
    def lines(self) -> list[bytes]:
        """The lines as those of LineChunk; LedgerError where the file has others by now."""
        with Path(self.name).open("rb") as file:
            file.seek(self.start)
            text = file.read(self.length)
        if zlib.crc32(text) != self.checksum:
            raise LedgerError(f"{self.name}: its lines from {self.first_line} on were changed since they were read")
        return LineChunk(self.first_line, text).lines


class TooLong:
    """The digest and length of something too long to be held, as it passes by."""

    def __init__(self, line: int, what: str) -> None:
        self._line = line
        self._what = what
        self._digest = hashlib.sha256()
        self.length = 0

    def add(self, data: bytes) -> None:
        """Passes on the next bytes of it."""
        self._digest.update(data)
        self.length += len(data)

    def item(self) -> Item:
        """The rejection, once all of it has passed."""
        mark = f"sha256:{self._digest.hexdigest()} length:{self.length}".encode()
        message = (
            f"the {self._what} has {self.length} bytes: at most {MAX_ITEM_BYTES} are read; "
            "leave prompts and outputs out of what you log"
        )
        return Item(self._line, mark, Rejected("line_too_long", message))


class _Splitter:
    """Collects blocks and cuts them into lines."""

    def __init__(self) -> None:
        self.next_line = 1
        self._next_byte = 0
        self._whole: list[bytes] = []
        self.whole_bytes = 0
        """Bytes of the whole lines collected."""
        self._tail: list[bytes] = []
        self.tail_bytes = 0
        """Bytes since the last line end."""

    def add(self, block: bytes) -> None:
        end = block.rfind(b"\n") + 1
        if end:
            self._whole += [*self._tail, block[:end]]
            self.whole_bytes += self.tail_bytes + end
            self._tail, self.tail_bytes = [], 0
        self._tail.append(block[end:])
        self.tail_bytes += len(block) - end

    def take(self) -> list[LineChunk]:
        """Takes the whole lines collected."""
        chunk = LineChunk(self.next_line, b"".join(self._whole), self._next_byte)
        self._whole, self.whole_bytes = [], 0
        if not chunk.text:
            return []
        self.next_line += chunk.count
        self._next_byte += len(chunk.text)
        return _parts(chunk)

    def take_tail(self) -> bytes:
        """Takes the part of a line that has no end yet."""
        tail = b"".join(self._tail)
        self._tail, self.tail_bytes = [], 0
        return tail

    def take_rest(self) -> list[LineChunk]:
        """Takes all, a last line without an end too."""
        self._whole.append(self.take_tail())
        return self.take()

    def pass_over(self, line: TooLong) -> None:
        """Goes on after a line that isn't held, and its end."""
        self.next_line += 1
        self._next_byte += line.length + 1


def _parts(chunk: LineChunk) -> list[LineChunk]:
    """Cuts a chunk at line ends into chunks of CHUNK_LINES lines at most."""
    if chunk.count <= CHUNK_LINES:
        return [chunk]
    lines = [line + b"\n" for line in chunk.text.split(b"\n")]
    lines[-1] = lines[-1][:-1]
    parts, start = [], chunk.start
    for first in range(0, chunk.count, CHUNK_LINES):
        text = b"".join(lines[first : first + CHUNK_LINES])
        parts.append(LineChunk(chunk.first_line + first, text, start))
        start += len(text)
    return parts


def line_chunks(blocks: Iterable[bytes]) -> Iterator[LineChunk | Item]:
    """Yields chunks of about 12 MiB and 20,000 lines at most; a longer line is one alone."""
    splitter = _Splitter()
    too_long: TooLong | None = None
    for block in blocks:
        rest = block
        if too_long is None and splitter.tail_bytes + len(block.partition(b"\n")[0]) > MAX_ITEM_BYTES:
            yield from splitter.take()
            too_long = TooLong(splitter.next_line, "line")
            too_long.add(splitter.take_tail())
        if too_long is not None:
            line, found, rest = block.partition(b"\n")
            too_long.add(line)
            if not found:
                continue
            yield too_long.item()
            splitter.pass_over(too_long)
            too_long = None
        splitter.add(rest)
        if splitter.whole_bytes >= CHUNK_BYTES:
            yield from splitter.take()
    if too_long is not None:
        yield too_long.item()
    yield from splitter.take_rest()


def _bare(line: bytes) -> bytes:
    """Returns the line without a carriage return at its end; b"" where it is blank."""
    line = line[:-1] if line.endswith(b"\r") else line
    return b"" if line.isspace() else line
