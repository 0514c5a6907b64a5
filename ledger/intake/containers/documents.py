"""Pretty-printed objects, one after another -> the text of each."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from ledger.intake.containers.lines import LineChunk, TooLong
from ledger.intake.fields.record import MAX_ITEM_BYTES, Item
from ledger.intake.fields.strict_json import is_prefix


@dataclass(frozen=True, slots=True)
class Document:
    """One object's text with the line it starts on; `is_cut`: the file ended inside of it."""

    line: int
    raw: bytes
    is_cut: bool = False


def is_document(line: bytes, following: bytes) -> bool:
    """Tells whether a file's first line starts an object that goes on in the next.

    A line that is an object of its own shows JSON Lines, of which the first is broken.
    """
    if not following.strip() or not is_prefix(line):
        return False
    before, after = line.rstrip()[-1:], following.lstrip()[:1]
    if after == b"{":
        return before in b"[:" and (following[:1] != b"{" or is_prefix(following))
    return before in b"{[,:" or after in b",}]"


class _Collector:
    """Collects the lines of one document after another."""

    def __init__(self) -> None:
        self._lines: list[bytes] = []
        self._start = 0
        self._size = 0
        self._too_long: TooLong | None = None
        self._is_spoilt = False

    def spoil(self) -> None:
        """Drops the document being collected: a line of it was refused, which tells of it."""
        self._is_spoilt = bool(self._lines)

    def add(self, number: int, line: bytes) -> Iterator[Document | Item]:
        """The documents that end before or with this line."""
        if line.startswith(b"{") and self._is_indented():
            yield from self.finish(is_cut=False)
        if not self._lines:
            if not line:
                return
            self._start = number
        if self._too_long is None:
            self._lines.append(line)
            self._size += len(line) + 1
            if self._size > MAX_ITEM_BYTES:
                self._give_up()
        else:
            self._too_long.add(line + b"\n")
        if self._ends(line):
            yield from self.finish(is_cut=False)

    def finish(self, *, is_cut: bool) -> Iterator[Document | Item]:
        """The document collected so far."""
        if self._too_long is not None:
            yield self._too_long.item()
        elif any(self._lines) and not self._is_spoilt:
            yield Document(self._start, b"\n".join(self._lines), is_cut)
        self._lines, self._size, self._too_long, self._is_spoilt = [], 0, None, False

    def _is_indented(self) -> bool:
        return len(self._lines) > 1 and self._lines[1][:1] in (b" ", b"\t")

    def _ends(self, line: bytes) -> bool:
        """Tells whether a document is whole: by a bracket at the margin, or all in one line."""
        if self._is_indented():
            return line.rstrip() == b"}"
        return len(self._lines) == 1 and line.rstrip().endswith(b"}") and not is_prefix(line)

    def _give_up(self) -> None:
        self._too_long = TooLong(self._start, "document")
        self._too_long.add(b"\n".join(self._lines) + b"\n")
        # What shows where it ends is kept.
        self._lines = self._lines[:2]


def documents(pieces: Iterable[LineChunk | Item]) -> Iterator[Document | Item]:
    """Yields the objects of a file; where lines aren't indented, all of it is one."""
    collector = _Collector()
    for piece in pieces:
        if isinstance(piece, Item):
            collector.spoil()
            yield piece
            continue
        for number, line in enumerate(piece.lines, piece.first_line):
            yield from collector.add(number, line)
    yield from collector.finish(is_cut=True)
