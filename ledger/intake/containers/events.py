"""Text of event streams (`event:`, `data:`, blank lines) -> each event's JSON object."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator

from ledger.intake.containers.lines import LineChunk
from ledger.intake.fields.http_dates import from_http
from ledger.intake.fields.record import MAX_ITEM_BYTES, Item, JsonObject, refused
from ledger.intake.fields.strict_json import decode_object
from ledger.intake.formats.registry import is_known
from ledger.intake.formats.sse import StreamReader, is_sign_of_life
from pricing.errors import RecordError

Handle = Callable[[int, bytes, JsonObject], Iterable[Item]]

_EVENT_TEXT = re.compile(rb"(?:event|data|id|retry):|:")
_LATER_EVENT = re.compile(rb"^data: ?\{", re.MULTILINE)


def is_event_text(head: bytes) -> bool:
    """Tells whether a file begins like an event stream, or has one after curl -i's headers."""
    return _EVENT_TEXT.match(head) is not None or _LATER_EVENT.search(head) is not None


class EventReader:
    """Reads the lines of captured streams; `handle` takes each event's object.

    An event whose first line of data is a whole object ends there: captures often lose the blank lines. Data that isn't
    an object, such as a heartbeat, is passed over. A line that is an object itself is taken for an event's data. Of
    headers, as `curl -i` writes them before a stream, the date is read.
    """

    def __init__(self, streams: StreamReader, handle: Handle) -> None:
        self._streams = streams
        self._handle = handle
        self._waiting: list[bytes] = []
        self._size = 0
        self._line = 0
        self.has_events = False
        """True where any event was found, be it broken."""
        self.first_unknown: JsonObject | None = None
        """The first object that is no event of a known stream."""

    def items(self, pieces: Iterable[LineChunk | Item]) -> Iterator[Item]:
        """Yields the items of all lines; streams still open then are the caller's to finish."""
        for piece in pieces:
            if isinstance(piece, Item):
                # An event that a line is missing from is reported by that line.
                self._waiting = []
                self.has_events = True
                yield piece
                continue
            last = piece.first_line + len(piece.lines) - 1 if piece.last_is_cut else 0
            for number, line in enumerate(piece.lines, piece.first_line):
                yield from self._feed(number, line, cut=number == last)
        yield from self._dispatch()

    def _feed(self, number: int, line: bytes, *, cut: bool) -> Iterator[Item]:
        if line.startswith(b"{"):
            yield from self._data(number, line, cut=cut)
            return
        field, _, value = line.partition(b":")
        if field == b"data":
            value = value.removeprefix(b" ")
            if value.strip() == b"[DONE]":
                yield from self._dispatch()
                yield from self._streams.done()
            elif value:
                yield from self._data(number, value, cut=cut)
        elif field.lower() == b"date":
            self._streams.set_date(from_http(value.decode(errors="replace").strip()))
        elif field in (b"", b"event"):
            # A blank line ends an event; a comment between two lines of data does no harm by ending it too.
            yield from self._dispatch()

    def _data(self, number: int, data: bytes, *, cut: bool) -> Iterator[Item]:
        if not self._waiting and not data.lstrip().startswith(b"{"):
            return
        try:
            event = decode_object(data, cut=cut)
        except RecordError as error:
            self.has_events = True
            if error.reason == "truncated_json":
                yield from self._cut(number, data, error)
            else:
                yield from self._wait(number, data)
            return
        if self._waiting and not is_known(event):
            yield from self._wait(number, data)
            return
        yield from self._dispatch()
        yield from self._take(number, data, event)

    def _wait(self, number: int, data: bytes) -> Iterator[Item]:
        """Keeps data whose event may go on in the next line."""
        if not self._waiting:
            self._line, self._size = number, 0
        self._waiting.append(data)
        self._size += len(data)
        if self._size > MAX_ITEM_BYTES:
            yield from self._dispatch()

    def _dispatch(self) -> Iterator[Item]:
        if not self._waiting:
            return
        raw = b"\n".join(self._waiting)
        self._waiting = []
        try:
            event = decode_object(raw)
        except RecordError as error:
            yield refused(self._line, raw, error)
            return
        yield from self._take(self._line, raw, event)

    def _take(self, number: int, raw: bytes, event: JsonObject) -> Iterable[Item]:
        if "error" in event or (is_known(event) and not is_sign_of_life(event)):
            self.has_events = True
        elif self.first_unknown is None and not is_sign_of_life(event):
            self.first_unknown = event
        return self._handle(number, raw, event)

    def _cut(self, number: int, data: bytes, error: RecordError) -> Iterator[Item]:
        """Takes an event that the file ends in, unless the one stream that is open names it."""
        yield from self._dispatch()
        if self._streams.open_streams != 1:
            yield refused(number, data, error)
