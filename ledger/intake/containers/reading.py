"""A source -> items, in one pass; JSON Lines as chunks, which may be read a faster way."""

from __future__ import annotations

from collections.abc import Iterator

from ledger.intake.containers import kinds as containers
from ledger.intake.containers.arrays import Element, elements
from ledger.intake.containers.documents import documents
from ledger.intake.containers.events import EventReader
from ledger.intake.containers.lines import LineChunk, line_chunks
from ledger.intake.containers.source import Source
from ledger.intake.containers.tables import rows
from ledger.intake.fields.kinds import carries_usage
from ledger.intake.fields.record import Ignored, Item, JsonObject, Parsed, Rejected, refused
from ledger.intake.fields.refusals import unless_refused
from ledger.intake.fields.strict_json import decode_lines, decode_object, encode
from ledger.intake.formats.format import Format
from ledger.intake.formats.registry import AUTO, FORMATS, is_known, list_elements, recognise, unrecognised
from ledger.intake.formats.sse import StreamReader
from pricing.errors import RecordError, described

_AT_ONCE = 50
"""Lines decoded at once: enough to be fast, few enough to need no memory."""


class SourceReader:
    """Reads one source of one format, or of any; keeps event streams until they end.

    `pieces` yields items, and JSON Lines as chunks, each to be read before the next is asked for: through `items` or
    `line`, or through something faster for the lines that it can read.
    """

    def __init__(self, source: Source, input_format: str = AUTO) -> None:
        if input_format != AUTO and input_format not in FORMATS:
            message = f"input format {input_format!r} is unknown: it is auto or one of {', '.join(sorted(FORMATS))}"
            raise ValueError(message)
        self._source = source
        self._input_format = input_format
        self._format = FORMATS.get(input_format)
        self._recognises = input_format in (AUTO, "sse")
        self._streams = StreamReader()
        self._memories = {name: found.memory() for name, found in FORMATS.items()}
        self._partial: tuple[int, bytes | None] = (1, None)

    def items(self, chunk: LineChunk) -> Iterator[Item]:
        """Reads the lines of a chunk, in order."""
        for start in range(0, len(chunk.lines), _AT_ONCE):
            lines = chunk.lines[start : start + _AT_ONCE]
            first = chunk.first_line + start
            values = decode_lines(lines) if all(lines) else None
            if values is None:
                for number, line in enumerate(lines, first):
                    is_last = number - chunk.first_line == len(chunk.lines) - 1
                    yield from self.line(number, line, cut=chunk.last_is_cut and is_last)
                continue
            for number, (line, value) in enumerate(zip(lines, values, strict=True), first):
                yield from self.value(number, line, value) if type(value) is dict else self.line(number, line)

    def line(self, number: int, raw: bytes, cut: bool = False) -> list[Item]:
        """Reads one line; never raises. `cut`: no line end followed it."""
        if not raw or raw.isspace():
            return []
        try:
            obj = decode_object(raw, cut=cut)
        except RecordError as error:
            return [refused(number, raw, error)]
        return self.value(number, raw, obj)

    def value(self, number: int, raw: bytes, obj: JsonObject) -> list[Item]:
        """Reads one object; never raises. Events are kept until their stream ends."""
        elements = list_elements(obj)
        if elements is not None:
            return [item for element in elements for item in self._listed(number, element)]
        found = self._format
        if self._recognises and self._streams.is_chunk(obj):
            found = FORMATS["sse"]
        elif self._recognises:
            name = recognise(obj)
            if name is None and obj.get("error") and self._streams.open_streams:
                name = "sse"  # what ended a stream that is open
            if name is None:
                return [refused(number, raw, unrecognised(obj))]
            found = FORMATS[name]
        if found is not None and found.parts is not None:
            return [Item(number, part, parsed) for part, parsed in found.parts(obj, self._memories[found.name])]
        if found is None or found.parse is None or found.is_part(obj):
            return list(self._streams.feed(number, raw, obj))
        parsed = found.parse(obj)
        return [Item(number, raw, parsed if self._recognises else _hinted(parsed, obj, found))]

    def _listed(self, number: int, element: object) -> list[Item]:
        if type(element) is dict:
            return self.value(number, encode(element), element)
        message = f"{described(element)} in a list isn't a JSON object: each request is one; correct the list"
        return [Item(number, encode(element), Rejected("not_an_object", message))]

    def pieces(self) -> Iterator[LineChunk | Item]:
        """Yields all of the source, once: items, and chunks of lines. Raises OSError."""
        head = containers.Head(self._source.blocks())
        container = containers.find_container(head, self._input_format)
        if container == "binary":
            yield containers.binary_file(head)
            return
        for piece in self._contents(container, head):
            if self._source.fault is None or isinstance(piece, LineChunk) or not self._is_partial(piece):
                yield piece
        yield from self._streams.finish()
        if self._source.fault is not None:
            yield Item(*self._partial, Rejected(*self._source.fault))

    def _contents(self, container: containers.Container, head: containers.Head) -> Iterator[LineChunk | Item]:
        head_of_file = head.data[: containers.SAMPLE]
        if container == "array":
            for element in elements(head.blocks()):
                yield from [element] if isinstance(element, Item) else self._element(element)
            return
        chunks = self._chunks(container, head)
        if container == "documents":
            for document in documents(chunks):
                if isinstance(document, Item):
                    yield document
                else:
                    yield from self.line(document.line, document.raw, cut=document.is_cut)
        elif container == "table":
            yield from rows(chunks, self._input_format)
        elif container == "events":
            reader = EventReader(self._streams, self._event)
            yield from reader.items(chunks)
            if not reader.has_events:
                yield refused(1, head_of_file, unrecognised(reader.first_unknown))
        else:
            yield from containers.readable_lines(chunks, self._input_format)

    def _chunks(self, container: containers.Container, head: containers.Head) -> Iterator[LineChunk | Item]:
        """Yields the lines, except a last one that compressed data ended inside of."""
        for piece in line_chunks(head.blocks()):
            if isinstance(piece, Item) or not piece.last_is_cut or self._source.fault is None:
                yield piece
            elif container == "table" or (
                container == "lines" and unless_refused(decode_object, piece.lines[-1]) is None
            ):
                self._partial = (piece.first_line + len(piece.lines) - 1, piece.lines[-1])
                whole = piece.text[: piece.text.rfind(b"\n") + 1]
                if whole:
                    yield LineChunk(piece.first_line, whole)
            else:
                yield piece

    def _is_partial(self, item: Item) -> bool:
        """Tells whether an item says of damaged data what the file's own rejection says."""
        if not isinstance(item.parsed, Rejected) or item.parsed.reason != "truncated_json":
            return False
        self._partial = (item.line, item.raw)
        return True

    def _element(self, element: Element) -> Iterator[Item]:
        try:
            obj = decode_object(element.raw)
        except RecordError as error:
            message = f"element {element.place} of the array: {error}"
            yield Item(element.line, element.raw, Rejected(error.reason, message))
            return
        yield from self.value(element.line, encode(obj), obj)

    def _event(self, number: int, raw: bytes, obj: JsonObject) -> list[Item]:
        """Reads an object in an event stream: an event or a whole response; else it says nothing."""
        if self._streams.is_chunk(obj, in_events=True):
            return list(self._streams.feed(number, raw, obj))
        if is_known(obj):
            return self.value(number, raw, obj)
        unread = [Item(number, raw, Ignored("unknown_event"))] if carries_usage(obj) else []
        return [*unread, *self._streams.feed(number, raw, obj)]


def _hinted(parsed: Parsed, obj: JsonObject, named: Format) -> Parsed:
    """A rejection under a named format, with the format the object looks like."""
    if not isinstance(parsed, Rejected) or (looks_like := recognise(obj)) in (None, named.name):
        return parsed
    message = f"{parsed.message}; it looks like {looks_like}: leave out --input-format {named.name}"
    return Rejected(parsed.reason, message, parsed.fields)
