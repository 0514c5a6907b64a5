"""Blocks of a JSON array -> its elements; neither array nor a too long element is held.

Elements are found by counting brackets outside of strings and are decoded like lines, by the same strict rules.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from ledger.intake.containers.lines import TooLong
from ledger.intake.fields.record import MAX_ITEM_BYTES, Item, Rejected

# Possessive repeats: each byte is looked at once, whatever the text.
_TEXT = rb"(?:[^\"\\]++|\\.)*+"
_INSIDE = re.compile(rb"(?:[^\"\[\]{}]++|\"" + _TEXT + rb"\")*+", re.DOTALL)
_BETWEEN = re.compile(rb"(?:[^\"\[\]{},]++|\"" + _TEXT + rb"\")*+", re.DOTALL)
# Whole values of up to five levels are passed over at once, which most elements are.
_VALUE = rb"(?!)"
for _ in range(5):
    _VALUE = rb"[\[{](?:[^\"\[\]{}]++|\"" + _TEXT + rb"\"|" + _VALUE + rb")*+[\]}]"
_SHALLOW = re.compile(_VALUE, re.DOTALL)
_STRING_REST = re.compile(_TEXT, re.DOTALL)
_BLANKS = b" \t\r\n"
_AFTER_END = "something other than an array follows the array: nothing after it is read; correct the file"


@dataclass(frozen=True, slots=True)
class Element:
    """One element with the line it starts on and its place, 1 for the first."""

    line: int
    place: int
    raw: bytes


class ArraySplitter:
    """Cuts blocks of text into the elements of an array, or of several in a row."""

    def __init__(self) -> None:
        self._line = 1
        self._place = 0
        self._depth = 0
        self._in_string = False
        self._parts: list[bytes] = []
        self._size = 0
        self._too_long: TooLong | None = None
        self._carried = b""
        self.ended_badly = False
        """True where something after an array's end made the rest unreadable."""

    def feed(self, block: bytes) -> Iterator[Element | Item]:
        """The elements that end in this block."""
        data = self._carried + block
        # A backslash goes with the byte after it.
        odd = (len(data) - len(data.rstrip(b"\\"))) % 2
        self._carried = data[len(data) - odd :]
        data = data[: len(data) - odd]
        start = at = 0
        while at < len(data) and not self.ended_badly:
            if self._in_string:
                at = self._leave_string(data, at)
            elif self._depth == 0:
                at = start = self._enter_array(data, at)
                if self._depth == 0 and at < len(data):
                    self.ended_badly = True
                    yield Item(self._line, data[at : at + 1_024], Rejected("invalid_json", _AFTER_END))
            else:
                at, ended = self._step(data, at)
                if ended:
                    yield from self._take(data[start : at - 1], last=self._depth == 0)
                    start = at
        if self._depth > 0:
            self._keep(data[start:])

    def finish(self) -> Iterator[Element | Item]:
        """Yields a rejection where the text ends inside of an array."""
        if self._depth == 0 or self.ended_badly:
            return
        if self._too_long is not None:
            yield self._too_long.item()
            return
        raw = b"".join(self._parts).strip(_BLANKS)
        message = f"the array is cut off in element {self._place + 1}: read the file again when it is whole"
        yield Item(self._line, raw, Rejected("truncated_json", message))

    def _leave_string(self, data: bytes, at: int) -> int:
        found = _STRING_REST.match(data, at)
        end = found.end() if found else at
        if end < len(data):
            self._in_string = False
            end += 1
        return end

    def _enter_array(self, data: bytes, at: int) -> int:
        rest = data[at:].lstrip(_BLANKS)
        begin = len(data) - len(rest)
        self._line += data.count(b"\n", at, begin)
        if not rest.startswith(b"["):
            return begin
        self._depth = 1
        return begin + 1

    def _step(self, data: bytes, at: int) -> tuple[int, bool]:
        """Goes to behind the next bracket, comma or quote; tells whether an element ended."""
        found = (_BETWEEN if self._depth == 1 else _INSIDE).match(data, at)
        end = found.end() if found else at
        if end == len(data):
            return end, False
        mark = data[end]
        if mark == 0x22:
            self._in_string = True
        elif mark in b"[{":
            whole = _SHALLOW.match(data, end) if self._depth == 1 else None
            if whole:
                return whole.end(), False
            self._depth += 1
        elif mark == 0x2C:
            return end + 1, True
        elif self._depth > 1 or mark == 0x5D:
            self._depth -= 1
            return end + 1, self._depth == 0
        return end + 1, False

    def _take(self, data: bytes, *, last: bool) -> Iterator[Element | Item]:
        self._keep(data)
        place = self._place + 1
        self._place = 0 if last else place
        if self._too_long is not None:
            yield self._too_long.item()
            self._too_long = None
            return
        whole = b"".join(self._parts)
        raw = whole.strip(_BLANKS)
        line = self._line + _lines_before(whole)
        self._line += whole.count(b"\n")
        self._parts, self._size = [], 0
        if raw:
            yield Element(line, place, raw)
        elif not last or place > 1:
            message = f"element {place} of the array is empty: two commas, or one before the end; correct the file"
            yield Item(line, b"", Rejected("invalid_json", message))

    def _keep(self, data: bytes) -> None:
        """Keeps a piece of an element, up to the limit."""
        if self._too_long is None and self._size + len(data) > MAX_ITEM_BYTES:
            held = b"".join(self._parts)
            self._too_long = TooLong(self._line + _lines_before(held), "array element")
            self._too_long.add(held)
            self._line += held.count(b"\n")
            self._parts, self._size = [], 0
        if self._too_long is not None:
            self._too_long.add(data)
            self._line += data.count(b"\n")
        elif data:
            self._parts.append(data)
            self._size += len(data)


def _lines_before(text: bytes) -> int:
    """Counts the line ends before the first byte that isn't blank."""
    return text.count(b"\n", 0, len(text) - len(text.lstrip(_BLANKS)))


def elements(blocks: Iterable[bytes]) -> Iterator[Element | Item]:
    """The elements of the array or arrays that the text holds."""
    splitter = ArraySplitter()
    for block in blocks:
        yield from splitter.feed(block)
        if splitter.ended_badly:
            return
    yield from splitter.finish()
