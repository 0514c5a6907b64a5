"""A file's container: lines, an array, documents, a table, events, or none of them."""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Literal

from ledger.intake.containers.documents import is_document
from ledger.intake.containers.events import is_event_text
from ledger.intake.containers.lines import LineChunk
from ledger.intake.containers.tables import find_dialect
from ledger.intake.fields.record import Item, Rejected, refused
from ledger.intake.fields.refusals import unless_refused
from ledger.intake.fields.strict_json import decode, decode_object
from ledger.intake.formats.registry import AUTO, FORMATS, is_known, unrecognised
from ledger.values.csv_rows import is_separator_line

Container = Literal["lines", "array", "documents", "table", "events", "binary"]

SAMPLE = 64 * 1024
_OBJECT = re.compile(rb"^[ \t]*\{[ \t\r\n]*[\"}]", re.MULTILINE)
_ARRAY = re.compile(rb"\[\s*(?:[{\[\],]|$)")


class Head:
    """The first bytes of a text, looked at before any of it is read."""

    def __init__(self, blocks: Iterator[bytes]) -> None:
        self._blocks = blocks
        self.data = b""
        self.is_whole = True
        """True where the data is all there is."""
        for block in blocks:
            self.data += block
            if len(self.data) > 4 * SAMPLE or (len(self.data) >= SAMPLE and self.data.strip()):
                self.is_whole = False
                break

    def blocks(self) -> Iterator[bytes]:
        """All blocks, those looked at first."""
        if self.data:
            yield self.data
            self.data = b""
        yield from self._blocks


def find_container(head: Head, input_format: str) -> Container:
    """Finds the container by the first bytes; explicit formats narrow it down."""
    text = head.data.lstrip()
    if not text:
        return "lines"
    is_object = _OBJECT.match(text) is not None
    if is_object and input_format != "sse":
        return "documents" if is_document(*_two_lines(text)) else "lines"
    if text.startswith(b"[") and _begins_array(text):
        return "array"
    if input_format == "sse" or (input_format == AUTO and is_event_text(text)):
        return "events" if is_object or is_event_text(text) or not _is_binary(head) else "binary"
    first_line, second_line = _two_lines(text)
    header = second_line if is_separator_line(first_line) else first_line
    if find_dialect(header, input_format) is not None:
        return "table"
    if _OBJECT.search(head.data):
        return "lines"
    if _is_binary(head):
        return "binary"
    is_table = input_format != AUTO and FORMATS[input_format].table is not None
    return "table" if is_table and not text.startswith(b"{") else "lines"


def binary_file(head: Head) -> Item:
    """The one rejection of a file that holds no text."""
    message = "the file is not UTF-8 text: give JSON, CSV or an event stream, plain or as .gz or .zst"
    if head.data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) or head.data[1:2] == b"\0":
        message += "; it looks like UTF-16, save it as UTF-8"
    return Item(1, head.data[:SAMPLE], Rejected("binary_file", message))


def readable_lines(pieces: Iterable[LineChunk | Item], input_format: str) -> Iterator[LineChunk | Item]:
    """Yields the lines; one rejection where the only chunk holds none of a known format."""
    all_pieces = iter(pieces)
    filled = (piece for piece in all_pieces if isinstance(piece, Item) or not piece.text.isspace())
    for first in islice(filled, 1):
        if isinstance(first, Item) or any(_is_readable(line, input_format) for line in first.lines if line):
            yield first
        else:
            following = list(islice(all_pieces, 1))
            yield from [first, *following] if following else [_unrecognised_file(first)]
        del first  # so that it isn't held until the last
    yield from filled


def _unrecognised_file(chunk: LineChunk) -> Item:
    """The one rejection of a text in which no line is in any format."""
    number, line = next((number, line) for number, line in enumerate(chunk.lines, chunk.first_line) if line)
    return refused(number, b"\n".join(chunk.lines), unrecognised(unless_refused(decode_object, line)))


def _two_lines(text: bytes) -> tuple[bytes, bytes]:
    first, _, rest = text.partition(b"\n")
    return first.rstrip(b"\r"), rest.lstrip(b"\r\n").partition(b"\n")[0]


def _begins_array(text: bytes) -> bool:
    """Tells whether a bracket opens a JSON array, not a log's time stamp."""
    return _ARRAY.match(text) is not None or isinstance(unless_refused(decode, text.partition(b"\n")[0]), list)


def _is_binary(head: Head) -> bool:
    if b"\0" in head.data:
        return True
    try:
        codecs.getincrementaldecoder("utf-8")().decode(head.data, final=head.is_whole)
    except UnicodeDecodeError:
        return True
    return False


def _is_readable(line: bytes, input_format: str) -> bool:
    """Tells whether a line is an object of a known format, or was meant to be an object."""
    obj = unless_refused(decode_object, line)
    if obj is None:
        return line.lstrip().startswith(b"{")
    return input_format != AUTO or is_known(obj)
