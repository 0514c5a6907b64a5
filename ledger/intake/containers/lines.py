"""Blocks of bytes -> chunks of whole lines; a too long line is passed over, never held."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from ledger.intake.fields.record import MAX_ITEM_BYTES, Item, Rejected

CHUNK_BYTES = 8 * 2**20
CHUNK_LINES = 20_000


@dataclass(frozen=True, slots=True)
class LineChunk:
    """Lines in a row without their ends (LF or CRLF); `lines[i]` is line `first_line + i`.

    Blank lines are there as b"" and are no items. `last_is_cut` says that the file ended without a line end after the
    last one, which is then no sign of damage by itself.
    """

    first_line: int
    lines: list[bytes]
    last_is_cut: bool = False


class TooLong:
    """The digest and length of something too long to be held, as it passes by."""

    def __init__(self, line: int, what: str) -> None:
        self._line = line
        self._what = what
        self._digest = hashlib.sha256()
        self._length = 0

    def add(self, data: bytes) -> None:
        """Passes on the next bytes of it."""
        self._digest.update(data)
        self._length += len(data)

    def item(self) -> Item:
        """The rejection, once all of it has passed."""
        mark = f"sha256:{self._digest.hexdigest()} length:{self._length}".encode()
        message = (
            f"the {self._what} has {self._length} bytes: at most {MAX_ITEM_BYTES} are read; "
            "leave prompts and outputs out of what you log"
        )
        return Item(self._line, mark, Rejected("line_too_long", message))


class _Splitter:
    """Collects blocks and cuts them into lines."""

    def __init__(self) -> None:
        self.next_line = 1
        self.parts: list[bytes] = []
        self.size = 0
        self.tail = 0
        """Bytes since the last line end, at the end of `parts`."""

    def add(self, block: bytes) -> None:
        self.parts.append(block)
        self.size += len(block)
        end = block.rfind(b"\n")
        self.tail = self.tail + len(block) if end < 0 else len(block) - end - 1

    def take(self, *, rest: bool = False) -> list[LineChunk]:
        """The whole lines collected, and with `rest` also the one without an end."""
        data = b"".join(self.parts)
        cut = len(data) if rest else len(data) - self.tail
        self.parts, self.size = [data[cut:]], len(data) - cut
        if cut == 0:
            return []
        lines = data[:cut].split(b"\n")
        last_is_cut = bool(lines[-1])
        if not last_is_cut:
            lines.pop()
        if rest:
            self.tail = 0
        return self._chunks(lines, last_is_cut=last_is_cut)

    def _chunks(self, lines: list[bytes], *, last_is_cut: bool) -> list[LineChunk]:
        chunks = []
        for start in range(0, len(lines), CHUNK_LINES):
            part = [_bare(line) for line in lines[start : start + CHUNK_LINES]]
            last = start + len(part) == len(lines)
            chunks.append(LineChunk(self.next_line, part, last_is_cut=last_is_cut and last))
            self.next_line += len(part)
        return chunks


def line_chunks(blocks: Iterable[bytes]) -> Iterator[LineChunk | Item]:
    """Yields chunks of about 8 MiB and 20,000 lines at most; a longer line is one alone."""
    splitter = _Splitter()
    too_long: TooLong | None = None
    for block in blocks:
        rest = block
        if too_long is None and splitter.tail + len(block.partition(b"\n")[0]) > MAX_ITEM_BYTES:
            yield from splitter.take()
            too_long = TooLong(splitter.next_line, "line")
            too_long.add(splitter.parts[0])
            splitter.parts, splitter.size, splitter.tail = [], 0, 0
        if too_long is not None:
            line, found, rest = block.partition(b"\n")
            too_long.add(line)
            if not found:
                continue
            yield too_long.item()
            too_long = None
            splitter.next_line += 1
        splitter.add(rest)
        if splitter.size - splitter.tail >= CHUNK_BYTES:
            yield from splitter.take()
    if too_long is not None:
        yield too_long.item()
    yield from splitter.take(rest=True)


def _bare(line: bytes) -> bytes:
    """The line without a carriage return at its end; b"" where it is blank."""
    if line.endswith(b"\r"):
        line = line[:-1]
    return line if line.strip() else b""
