"""Captured event streams of all APIs, most of them also interleaved: what each one's end says.

A Responses stream ends with response.completed, .incomplete, .failed or .cancelled, which holds the whole response; a
stream without an end is refused. Chunks of chat streams go to `chat_streams`, what vendors send to their own formats.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass, field

from ledger.intake.fields.kinds import named_kind
from ledger.intake.fields.record import Item, JsonObject, Parsed
from ledger.intake.formats import anthropic, captures, chat, gemini, responses
from ledger.intake.formats.captures import endless, mark
from ledger.intake.formats.chat_streams import ChatStreams
from ledger.intake.formats.chunks import CHUNK, is_chunk
from ledger.intake.formats.format import Format
from pricing.record_values import PENDING_STATUSES

TERMINAL = {
    "response.completed": "completed",
    "response.incomplete": "incomplete",
    "response.failed": "failed",
    "response.cancelled": "cancelled",
    "response.done": "completed",  # as the API was first described, and as Realtime ends an answer
}
# Events that keep a connection open.
_SIGNS_OF_LIFE = frozenset({"ping", "keepalive", "keep-alive", "heartbeat"})


@dataclass(slots=True)
class _Open:
    """A stream whose end hasn't come: its first line, its mark, and the facts so far."""

    line: int
    raw: bytes
    facts: JsonObject = field(default_factory=dict)


class StreamReader:
    """Takes events one by one and yields an item for each stream that ends."""

    def __init__(self) -> None:
        self._responses: OrderedDict[str, _Open] = OrderedDict()
        self._chats = ChatStreams()
        self._messages = anthropic.MessageStreams()
        self._chunks = gemini.ChunkStreams()
        self._nameless: _Open | None = None

    @property
    def open_streams(self) -> int:
        """The number of streams that have begun and not ended."""
        vendors = self._messages.open_streams + self._chunks.open_streams
        return len(self._responses) + self._chats.open_streams + vendors + (self._nameless is not None)

    def set_date(self, date: object) -> None:
        """Takes a response's `Date` header, which is the time of the streams after it that state none."""
        self._messages.date = self._chunks.date = date

    def is_chunk(self, obj: JsonObject, *, in_events: bool = False) -> bool:
        """Tells whether an object is a chat chunk; in an event stream, chat objects are too."""
        if self._chats.is_chunk(obj):
            return True
        is_chat = in_events and named_kind(obj, chat.READER.objects) is None
        return is_chat and (obj.get("object") in chat.READER.objects or chat.recognise(obj))

    def feed(self, line: int, raw: bytes, event: JsonObject) -> Iterator[Item]:
        """Yields the items that an event completes: mostly none. Pings are passed over."""
        kind = event.get("type")
        if isinstance(kind, str) and kind.startswith("response."):
            yield from self._feed_response_event(line, raw, kind, event)
        elif anthropic.is_event(event):
            yield from self._messages.feed(line, raw, event)
        elif gemini.recognise(event):
            yield from self._chunks.feed(line, raw, event)
        elif self.is_chunk(event, in_events=True):
            yield from self._chats.feed(line, raw, event)
        elif kind == "error" or event.get("error"):
            self._note_nameless(line, raw)

    def done(self) -> Iterator[Item]:
        """Ends chat streams at `[DONE]`; where none was open, a stream without a name."""
        was_chat = self._chats.open_streams > 0
        yield from self._chats.done()
        if not was_chat:
            yield from self._close_nameless()

    def finish(self) -> Iterator[Item]:
        """Ends the capture: finished streams end here, all other open ones are refused."""
        yield from self._chats.finish()
        yield from self._messages.finish()
        yield from self._chunks.finish()
        while self._responses:
            yield _endless(self._responses.popitem(last=False)[1])
        yield from self._close_nameless()

    def _feed_response_event(self, line: int, raw: bytes, kind: str, event: JsonObject) -> Iterator[Item]:
        found = event.get("response")
        response = found if isinstance(found, dict) else {}
        response_id = response.get("id")
        if kind in TERMINAL:
            known = self._responses.pop(response_id, None) if isinstance(response_id, str) else None
            if known is None:
                self._nameless = None
            yield Item(line, raw, _final_response(kind, response, known))
        elif isinstance(response_id, str) and response_id:
            if response_id not in self._responses:
                facts = {key: response.get(key) for key in ("id", "created_at", "model", "service_tier", "metadata")}
                self._responses[response_id] = _Open(line, mark(raw), facts)
            if len(self._responses) > captures.MAX_OPEN:
                yield _endless(self._responses.popitem(last=False)[1])
        else:
            # Deltas name no response: they belong to one that is open, or to one whose start was not captured.
            self._note_nameless(line, raw)

    def _close_nameless(self) -> Iterator[Item]:
        if self._nameless is not None:
            yield _endless(self._nameless)
            self._nameless = None

    def _note_nameless(self, line: int, raw: bytes) -> None:
        if not self.open_streams:
            self._nameless = _Open(line, mark(raw))


def _final_response(kind: str, response: JsonObject, known: _Open | None) -> Parsed:
    """Reads a terminal event's response; all but usage is filled in from the first event."""
    whole = {
        key: value for key, value in (known.facts if known else {}).items() if response.get(key) is None
    } | response
    if whole.get("status") is None or whole["status"] in PENDING_STATUSES:
        whole["status"] = TERMINAL[kind]
    return responses.READER.parse(whole)


def _endless(stream: _Open) -> Item:
    return Item(stream.line, stream.raw, endless(responses.READER.salvage(stream.facts)))


def recognise(obj: JsonObject) -> bool:
    """Tells whether an object is an event of a stream."""
    kind = obj.get("type")
    if isinstance(kind, str) and (kind.startswith("response.") or is_sign_of_life(obj)):
        return True
    return (kind == "error" and "sequence_number" in obj) or anthropic.is_event(obj) or is_chunk(obj)


def is_sign_of_life(obj: JsonObject) -> bool:
    """Tells whether an event only keeps its connection open."""
    kind = obj.get("type")
    return isinstance(kind, str) and kind in _SIGNS_OF_LIFE


FORMAT = Format("sse", recognise, objects=(CHUNK,))
