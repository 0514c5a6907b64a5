"""Captured event streams of either API, one or many, also interleaved: what each stream's terminal event says.

A Responses stream ends with response.completed, .incomplete, .failed or .cancelled, which holds the whole response. A
chat stream ends with its last chunk: the one with usage and no choices, else the one before `[DONE]` or the capture's
end. Chunks may repeat usage as it grows; the last one counts, nothing is summed. A stream without an end is refused.
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from ledger.records import PENDING_STATUSES, Parsed, Rejected
from ledger.sources import chat, responses
from ledger.sources.base import Format, Item, JsonObject
from ledger.sources.refusals import sealed

TERMINAL = {
    "response.completed": "completed",
    "response.incomplete": "incomplete",
    "response.failed": "failed",
    "response.cancelled": "cancelled",
}
CHUNK = "chat.completion.chunk"
MAX_OPEN = 10_000
"""Streams that may be open at once; the oldest one beyond is taken for one without an end."""

_MAX_CLOSED = 1_000
_CHAT_FACTS = ("id", "created", "model", "service_tier", "metadata")


@dataclass(slots=True)
class _Open:
    """A stream whose end hasn't come: its first line, what tells it apart, and the facts seen so far."""

    line: int
    raw: bytes
    facts: JsonObject = field(default_factory=dict)


@dataclass(slots=True)
class _OpenChat(_Open):
    """A chat stream: the last usage seen and where.

    `finished` once a choice says why it ended; `ended` while the last chunk is usage that can't be a stream's first.
    """

    usage: object = None
    usage_line: int = 0
    usage_raw: bytes = b""
    begun: bool = False
    finished: bool = False
    ended: bool = False


class StreamReader:
    """Takes the events of streams one by one and yields an item for each stream that ends."""

    def __init__(self) -> None:
        self._responses: OrderedDict[str, _Open] = OrderedDict()
        self._chats: OrderedDict[str, _OpenChat] = OrderedDict()
        self._closed_chats: OrderedDict[str, None] = OrderedDict()
        self._nameless: _Open | None = None

    @property
    def open_streams(self) -> int:
        """How many streams have begun and not ended."""
        return len(self._responses) + len(self._chats) + (self._nameless is not None)

    def feed(self, line: int, raw: bytes, event: JsonObject) -> Iterator[Item]:
        """The items that an event completes: mostly none. Events of no stream, such as pings, are passed over."""
        kind = event.get("type")
        if event.get("object") == CHUNK:
            yield from self._feed_chunk(line, raw, event)
        elif isinstance(kind, str) and kind.startswith("response."):
            yield from self._feed_response_event(line, raw, kind, event)
        elif kind == "error" or event.get("error"):
            self._note_nameless(line, raw)

    def done(self) -> Iterator[Item]:
        """`[DONE]`: the end of the one chat stream that is open; among several it can't be known whose."""
        if len(self._chats) == 1:
            _, stream = self._chats.popitem()
            stream.finished = True
            yield self._close_chat(stream)
        elif not self._chats:
            self._closed_chats.clear()
            yield from self._close_nameless()

    def finish(self) -> Iterator[Item]:
        """The end of the capture: chat streams that are finished end here, all other open ones are refused."""
        while self._chats:
            yield self._end_chat(self._chats.popitem(last=False)[1])
        while self._responses:
            yield _endless(self._responses.popitem(last=False)[1])
        yield from self._close_nameless()

    def _feed_response_event(self, line: int, raw: bytes, kind: str, event: JsonObject) -> Iterator[Item]:
        response = event.get("response")
        if not isinstance(response, dict):
            # Deltas name no response: they belong to one that is open, or to one whose start was not captured.
            if kind in TERMINAL:
                response = {}
            else:
                self._note_nameless(line, raw)
                return
        response_id = response.get("id")
        if kind in TERMINAL:
            known = self._responses.pop(response_id, None) if isinstance(response_id, str) else None
            if known is None:
                self._nameless = None
            yield Item(line, raw, _final_response(kind, response, known))
        elif isinstance(response_id, str) and response_id:
            if response_id not in self._responses:
                facts = {key: response.get(key) for key in ("id", "created_at", "model", "service_tier", "metadata")}
                self._responses[response_id] = _Open(line, _mark(raw), facts)
            if len(self._responses) > MAX_OPEN:
                yield _endless(self._responses.popitem(last=False)[1])
        else:
            self._note_nameless(line, raw)

    def _feed_chunk(self, line: int, raw: bytes, chunk: JsonObject) -> Iterator[Item]:
        chunk_id, choices, usage = chunk.get("id"), chunk.get("choices"), chunk.get("usage")
        if not isinstance(chunk_id, str) or not chunk_id:
            if choices or usage:
                self._note_nameless(line, raw)
            return
        stream = self._chats.get(chunk_id)
        if stream is None:
            if chunk_id in self._closed_chats and not _begins(choices):
                return
            stream = self._chats[chunk_id] = _OpenChat(line, _mark(raw))
        for key in _CHAT_FACTS:
            if chunk.get(key) is not None:
                stream.facts[key] = chunk[key]
        if _note_usage(stream, line, raw, chunk):
            del self._chats[chunk_id]
            yield self._close_chat(stream)
        if len(self._chats) > MAX_OPEN:
            yield self._end_chat(self._chats.popitem(last=False)[1])

    def _end_chat(self, stream: _OpenChat) -> Item:
        return self._close_chat(stream) if stream.finished or stream.ended else _endless(stream)

    def _close_nameless(self) -> Iterator[Item]:
        if self._nameless is not None:
            yield _endless(self._nameless)
            self._nameless = None

    def _close_chat(self, stream: _OpenChat) -> Item:
        self._closed_chats[stream.facts["id"]] = None
        if len(self._closed_chats) > _MAX_CLOSED:
            self._closed_chats.popitem(last=False)
        (parsed,) = chat.READER.parse(stream.facts | {"usage": stream.usage})
        return Item(stream.usage_line or stream.line, stream.usage_raw or stream.raw, parsed)

    def _note_nameless(self, line: int, raw: bytes) -> None:
        if not self._responses and not self._chats and self._nameless is None:
            self._nameless = _Open(line, _mark(raw))


def _final_response(kind: str, response: JsonObject, known: _Open | None) -> Parsed:
    """The response of a terminal event; what it leaves out is taken from the stream's first event, never usage."""
    whole = {
        key: value for key, value in (known.facts if known else {}).items() if response.get(key) is None
    } | response
    if whole.get("status") is None or whole["status"] in PENDING_STATUSES:
        whole["status"] = TERMINAL[kind]
    return responses.READER.parse(whole)[0]


def _endless(stream: _Open) -> Item:
    reader = chat.READER if isinstance(stream, _OpenChat) else responses.READER
    fields = {key: value for key, value in reader.salvage(stream.facts).items() if key != "status"}
    message = "the stream has no terminal event, so its usage is unknown: capture it to its end, or book it from a log"
    return Item(stream.line, stream.raw, Rejected("no_terminal_event", message, sealed(fields)))


def _note_usage(stream: _OpenChat, line: int, raw: bytes, chunk: JsonObject) -> bool:
    """Whether a chunk is the stream's last: it has usage and no choices, and a chunk before it said finished.

    Usage without choices may also come first, with nothing yet written, so by itself it ends no stream that goes on.
    Usage that more choices came after is not the final one, unless they only say finished.
    """
    choices, usage = chunk.get("choices"), chunk.get("usage")
    finishes = _finishes(choices)
    if usage is not None:
        stream.usage, stream.usage_line, stream.usage_raw = usage, line, raw
    elif choices and not finishes:
        stream.usage = None
    alone = usage is not None and not choices
    written = isinstance(usage, dict) and bool(usage.get("completion_tokens"))
    last = alone and stream.finished
    stream.ended = alone and (stream.begun or written)
    stream.begun = stream.begun or bool(choices)
    stream.finished = finishes or (stream.finished and not choices)
    return last


def _mark(raw: bytes) -> bytes:
    """What tells a stream from another by its first event, without keeping that: events hold prompts of any size."""
    return b"sha256:" + hashlib.sha256(raw).hexdigest().encode()


def _begins(choices: Any) -> bool:  # noqa: ANN401 - any JSON
    """Whether a chunk is a stream's first: it gives the role."""
    return isinstance(choices, list) and any(
        isinstance(choice, dict) and isinstance(choice.get("delta"), dict) and choice["delta"].get("role")
        for choice in choices
    )


def _finishes(choices: Any) -> bool:  # noqa: ANN401 - any JSON
    return isinstance(choices, list) and any(
        isinstance(choice, dict) and choice.get("finish_reason") for choice in choices
    )


def recognise(obj: JsonObject) -> bool:
    """Whether an object is an event of a stream."""
    kind = obj.get("type")
    return isinstance(kind, str) and (kind.startswith("response.") or (kind == "error" and "sequence_number" in obj))


def parse(obj: JsonObject) -> Iterator[Parsed]:
    """What one event says as a capture of its own; never raises."""
    if not recognise(obj) and obj.get("object") != CHUNK:
        yield Rejected(
            "unrecognised_format", "the object is no event of a stream: check the file or its --input-format"
        )
        return
    streams = StreamReader()
    for item in [*streams.feed(1, b"", obj), *streams.finish()]:
        yield item.parsed


FORMAT = Format("sse", recognise, parse, objects=(CHUNK,))
