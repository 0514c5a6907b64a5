"""Responses of Anthropic's Messages API, whole or as the events of a stream.

Cached tokens are outside of `input_tokens`; thinking is inside `output_tokens`. All input is input_tokens +
cache_read_input_tokens + cache_creation_input_tokens (SDK, types/message.py: "Total input tokens in a request is the
summation of …"), and output_tokens "remains the inclusive, authoritative total used for billing" (types/usage.py). A
stream's message_delta repeats the usage so far, cumulative (Anthropic, Streaming messages). No response states a time,
so one is given beside it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from ledger.intake.fields.kinds import Calls, objects_in
from ledger.intake.fields.record import Item, JsonObject
from ledger.intake.fields.usage import leaves
from ledger.intake.fields.vendor_usage import Counts, VendorUsage, cache_writes, tokens_of
from ledger.intake.formats.captures import endless, mark, no_end
from ledger.intake.formats.format import Format
from ledger.intake.formats.payloads import PayloadReader
from pricing.usage import TokenUsage

EVENTS = frozenset(
    {
        "message_start",
        "message_delta",
        "message_stop",
        "content_block_start",
        "content_block_delta",
        "content_block_stop",
    }
)
_WRITTEN = (
    "cache_creation_input_tokens",
    "cache_creation.ephemeral_5m_input_tokens",
    "cache_creation.ephemeral_1h_input_tokens",
)
_COUNTS = frozenset(
    {"input_tokens", "output_tokens", "cache_read_input_tokens", "output_tokens_details.thinking_tokens", *_WRITTEN}
)
# Fetching a page costs its tokens alone, all other tools of the server are billed apart (Anthropic, pricing of tools).
_FREE_TOOLS = ("web_fetch", "web_fetch_requests")


def _together(counts: Counts) -> TokenUsage:
    return tokens_of(
        uncached=counts["input_tokens"],
        cached=counts["cache_read_input_tokens"],
        output=counts["output_tokens"],
        reasoning=counts["output_tokens_details.thinking_tokens"],
        **cache_writes(counts, *_WRITTEN),
    )


def _parts(usage: Mapping[str, Any]) -> Iterator[tuple[str, object]]:
    """Yields the counts; one iteration that is the message itself repeats them.

    Others are billed and not in the counts beside them (Anthropic, Compaction: "sum across all entries").
    """
    for path, value in leaves(usage):
        if path == f"server_tool_use.{_FREE_TOOLS[1]}":
            continue
        if path == "iterations" and isinstance(value, list) and len(value) == 1 and _is_message(value[0], usage):
            continue
        yield path, value


def _is_message(iteration: object, usage: Mapping[str, Any]) -> bool:
    if not isinstance(iteration, dict) or iteration.get("type") != "message":
        return False
    return all(iteration.get(name, usage.get(name)) == usage.get(name) for name in _COUNTS)


def _plain(obj: JsonObject) -> JsonObject:
    """Returns a message with a status: without a reason to stop, it is the beginning of one that is still written."""
    is_open = "stop_reason" in obj and obj["stop_reason"] is None
    return obj | {"status": "in_progress" if is_open else "completed"}


def _calls(obj: JsonObject) -> Calls:
    """Counts the tools that the server ran and bills."""
    called = [block.get("name") for block in objects_in(obj.get("content")) if block.get("type") == "server_tool_use"]
    return Calls(sum(name not in _FREE_TOOLS for name in called), called.count("web_search"))


READER = PayloadReader(
    objects=("message",),
    time_key="occurred_at",
    usage=VendorUsage(
        "usage.",
        _COUNTS,
        needed=("input_tokens", "output_tokens"),
        together=_together,
        tier="service_tier",
        words={"service_tier": ("standard",), "speed": ("standard",), "inference_geo": ("global", "not_available")},
        calls=("server_tool_use.web_search_requests", "server_tool_use.code_execution_requests"),
        parts=_parts,
    ),
    has_status=True,
    plain=_plain,
    calls=_calls,
    undated="a response of the Messages API states no time",
)


def recognise(obj: JsonObject) -> bool:
    """Tells whether an object is a response, not a message of a conversation or an output's item."""
    return obj.get("type") == "message" and ("usage" in obj or "stop_reason" in obj)


def is_event(obj: JsonObject) -> bool:
    """Tells whether an object is an event of a stream."""
    kind = obj.get("type")
    return isinstance(kind, str) and kind in EVENTS


@dataclass(slots=True)
class _Stream:
    """A message as its events have told it so far; `counted` once one of them told the usage of its end."""

    line: int
    raw: bytes
    message: JsonObject
    counted: bool = False

    @property
    def is_finished(self) -> bool:
        """Tells whether the message said why it stopped, and what it used."""
        return self.counted and self.message.get("stop_reason") is not None

    def take(self, event: JsonObject) -> None:
        """Takes an event; counts are cumulative, so the last ones hold, and zeros after them say nothing."""
        if event["type"] == "message_delta":
            delta, usage = event.get("delta"), event.get("usage")
            reason = delta.get("stop_reason") if isinstance(delta, dict) else None
            if reason is not None:
                self.message["stop_reason"] = reason
            if usage is not None:
                self.counted = True
                self.message["usage"] = _later(self.message.get("usage"), usage)
        elif event["type"] == "content_block_start":
            block = event.get("content_block")
            if isinstance(block, dict) and block.get("type") == "server_tool_use":
                self.message["content"].append({"type": "server_tool_use", "name": block.get("name")})


def _later(usage: object, later: object) -> object:
    if not isinstance(usage, dict) or not isinstance(later, dict):
        return later
    return usage | {name: value for name, value in later.items() if value or not usage.get(name)}


def _started(line: int, raw: bytes, event: JsonObject) -> _Stream:
    message = event.get("message")
    return _Stream(line, raw, {**(message if isinstance(message, dict) else {}), "content": []})


class MessageStreams:
    """Takes events one by one and yields an item for each stream that ends. They name no message, so one is open."""

    def __init__(self) -> None:
        self._open: _Stream | None = None
        self.date: object = None
        """The time of the streams, where the capture has one."""

    @property
    def open_streams(self) -> int:
        """The number of streams that have begun and not ended."""
        return int(self._open is not None)

    def feed(self, line: int, raw: bytes, event: JsonObject) -> Iterator[Item]:
        """Yields the item that an event completes: mostly none."""
        if event["type"] == "message_start":
            yield from self.finish()
            self._open = _started(line, mark(raw), event)
            if self.date is not None:
                self._open.message.setdefault(READER.time_key, self.date)
            return
        if self._open is None:
            self._open = _started(line, mark(raw), {})  # its beginning was not captured
        self._open.take(event)
        if event["type"] == "message_delta" and event.get("usage") is not None:
            self._open.line, self._open.raw = line, raw
        if event["type"] == "message_stop":
            yield from self.finish()

    def finish(self) -> Iterator[Item]:
        """Ends the stream that is open; one that didn't say why it stopped is refused."""
        stream, self._open = self._open, None
        if stream is not None and stream.is_finished:
            yield Item(stream.line, stream.raw, READER.parse(stream.message))
        elif stream is not None:
            yield Item(stream.line, stream.raw, endless(READER.salvage(stream.message)))


def joined(events: Iterable[JsonObject]) -> JsonObject:
    """Returns the message that a stream's events make; RecordError where they have no end, or are of several."""
    found = [event for event in events if is_event(event)]
    stream = _started(0, b"", found[0])
    for event in found:
        stream.take(event)
    if not stream.is_finished or sum(event["type"] == "message_start" for event in found) != 1:
        raise no_end()
    return stream.message


FORMAT = Format("anthropic", recognise, READER.parse, reader=READER)
