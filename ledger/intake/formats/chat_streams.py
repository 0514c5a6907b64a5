"""Captured streams of chat or text chunks, also interleaved: one request each.

A stream ends at `[DONE]`, where it begins again, or at the capture's end; if its choices said why they ended, or its
last chunk is usage alone. Chunks may repeat usage as it grows, or say zeros; the last counts hold, nothing is summed.
Chunks of one stream have one id; where each has its own, they are put together at the end.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from ledger.intake.fields.kinds import holds_counts, is_cached_answer, named_kind, objects_in, stated_usage
from ledger.intake.fields.record import Item, JsonObject, Parsed, Rejected
from ledger.intake.fields.usage_names import is_usage_name
from ledger.intake.formats import captures, chat
from ledger.intake.formats.captures import endless, mark
from ledger.intake.formats.chunks import begins, finishes, has_output, is_chunk, writes_on

_MAX_CLOSED = 1_000
_FACTS = ("id", "created", "model", "service_tier", "metadata")
_ASK = "a stream says its usage where the request asks for it: stream_options {'include_usage': true}"


@dataclass(slots=True)
class _Stream:
    """A stream whose end hasn't come: its beginning, its facts so far, and its last usage.

    `ids` are those that its chunks have. `opens` says that its first chunk gave a role; `choices` are those seen,
    `open_choices` those that have not ended. `finished` once a choice says why it ended; `ended` while the last chunk
    is usage that can't be a stream's first. `zeros` is a usage that counts nothing, for want of one that does.
    """

    line: int
    raw: bytes
    first: int
    ids: tuple[str, ...]
    last: int = 0
    chunks: int = 0
    facts: JsonObject = field(default_factory=dict)
    usage: object = None
    zeros: object = None
    usage_at: tuple[int, bytes] | None = None
    opens: bool = False
    wrote: bool = False
    begun: bool = False
    finished: bool = False
    ended: bool = False
    choices: set[str] = field(default_factory=set)
    open_choices: set[str] = field(default_factory=set)

    def take(self, number: int, line: int, raw: bytes, chunk: JsonObject) -> None:
        """Takes a chunk. Usage is not the final one where text comes after it without usage."""
        choices = chunk.get("choices")
        usage, writes, ends = stated_usage(chunk), writes_on(choices), finishes(chunk)
        counts = usage is not None and (not isinstance(usage, dict) or holds_counts(usage))
        self._take_facts(chunk)
        of_all = self._take_choices(choices)
        if counts and of_all:
            self.usage, self.usage_at = usage, (line, raw)
        elif writes:
            self.usage = None
        if usage is not None and not counts:
            self.zeros = usage
        # Usage alone may also come first, with nothing yet written: by itself it ends no stream that goes on.
        self.ended = counts and not choices and (self.begun or has_output(usage))
        self.opens = self.opens or (not self.chunks and begins(choices))
        self.wrote = self.wrote or writes
        self.begun = self.begun or bool(choices)
        self.finished = ends or (self.finished and not writes)
        self.last, self.chunks = number, self.chunks + 1

    @property
    def is_complete(self) -> bool:
        """Tells whether each choice said why it ended, and counts were stated."""
        return self.finished and not self.open_choices and self.usage is not None

    def _take_choices(self, choices: object) -> bool:
        """Notes the choices begun and ended; tells whether a usage beside is the request's.

        Where there are several choices, one beside a part of them may count that part alone.
        """
        stated = objects_in(choices)
        numbers = {str(choice.get("index", 0)) for choice in stated}
        self.choices |= numbers
        self.open_choices |= numbers
        self.open_choices -= {str(choice.get("index", 0)) for choice in stated if choice.get("finish_reason")}
        return not stated or self.choices <= numbers

    def _take_facts(self, chunk: JsonObject) -> None:
        # Counts beside the usage are the reader's to refuse.
        others = [key for key in chunk if is_usage_name(key)] if len(chunk) > len(_FACTS) else []
        for key in (*_FACTS, *others):
            # Gateways write a blank id or model, and 0 for a time, where they don't say it.
            if chunk.get(key) not in (None, "", 0) and not (key == "id" and "id" in self.facts):
                self.facts[key] = chunk[key]
        if is_cached_answer(chunk):
            self.facts["cache_hit"] = True

    def absorb(self, other: _Stream) -> None:
        """Goes on with the chunks of another, which came after all of these."""
        if other.usage is not None:
            self.usage, self.usage_at = other.usage, other.usage_at
        elif other.wrote:
            self.usage = None
        self.zeros = other.zeros or self.zeros
        self.facts = other.facts | self.facts
        self.ended, self.last, self.chunks = other.ended, other.last, self.chunks + other.chunks
        self.finished = other.finished or (self.finished and not other.wrote)
        self.wrote = self.wrote or other.wrote
        self.open_choices = (self.open_choices - other.choices) | other.open_choices
        self.choices = self.choices | other.choices
        self.ids += other.ids

    def goes_on_with(self, other: _Stream, *, scattered: bool) -> bool:
        """Tells whether a later stream is the rest of this one under another id.

        That is so of usage alone, after a stream that ended without; of what has no role after a first chunk that gave
        one; and where each chunk has an id of its own. A stream that was cut off goes on with nothing.
        """
        models = {stream.facts["model"] for stream in (self, other) if isinstance(stream.facts.get("model"), str)}
        if len(models) > 1 or other.first < self.last:
            return False
        if self.finished or self.ended:
            return self.usage is None and other.ended and not other.begun
        return scattered or (self.chunks == 1 and self.opens and not other.opens)


class ChatStreams:
    """Takes chunks one by one and yields an item for each stream that ends."""

    def __init__(self) -> None:
        self._open: OrderedDict[str, _Stream] = OrderedDict()
        self._closed: OrderedDict[str, None] = OrderedDict()
        self._number = 0
        self._ends_to_come = 0
        """Streams that another's `[DONE]` closed, whose own is still to come."""

    @property
    def open_streams(self) -> int:
        """The number of streams that have begun and not ended."""
        return len(self._open)

    def is_chunk(self, obj: JsonObject) -> bool:
        """Tells whether an object is a chunk by itself, or goes on with an open stream."""
        if is_chunk(obj):
            return True
        stream_id = obj.get("id")
        known = isinstance(stream_id, str) and stream_id in self._open
        return known and named_kind(obj, chat.READER.objects) is None and isinstance(obj.get("choices"), list)

    def feed(self, line: int, raw: bytes, chunk: JsonObject) -> Iterator[Item]:
        """Yields the items that a chunk completes: mostly none."""
        choices, found = chunk.get("choices"), chunk.get("id")
        chunk_id = found if isinstance(found, str) else ""
        if not chunk_id and len(self._open) == 1:
            (chunk_id,) = self._open
        if not chunk_id and not (writes_on(choices) or finishes(chunk) or holds_counts(stated_usage(chunk))):
            return
        self._number += 1
        stream = self._open.get(chunk_id)
        if stream is not None and stream.is_complete and begins(choices) and not holds_counts(stated_usage(chunk)):
            yield self._close(self._open.pop(chunk_id))  # the same stream, captured again
            stream = None
        if stream is None:
            if chunk_id in self._closed and not begins(choices):
                return
            stream = self._open[chunk_id] = _Stream(line, mark(raw), self._number, (chunk_id,))
        stream.take(self._number, line, raw, chunk)
        if len(self._open) > captures.MAX_OPEN:
            yield self._end(self._open.popitem(last=False)[1])

    def done(self) -> Iterator[Item]:
        """Ends, at `[DONE]`, the streams that miss nothing, else the one that is open.

        Among several that miss something it can't be known whose end it is.
        """
        streams = _joined(list(self._open.values()))
        ended = [stream for stream in streams if stream.is_complete]
        if ended:
            self._ends_to_come += len(ended) - 1
        elif self._ends_to_come:
            self._ends_to_come -= 1
        elif len(streams) == 1:
            ended = streams
        for stream in ended:
            for stream_id in stream.ids:
                del self._open[stream_id]
            stream.finished = True
            yield self._close(stream)
        if not self._open and not self._ends_to_come:
            self._closed.clear()

    def finish(self) -> Iterator[Item]:
        """Ends the capture: finished streams end here, all other open ones are refused."""
        streams = _joined(list(self._open.values()))
        self._open.clear()
        yield from map(self._end, streams)

    def _end(self, stream: _Stream) -> Item:
        if stream.finished or stream.ended:
            return self._close(stream)
        return Item(stream.line, stream.raw, endless(chat.READER.salvage(stream.facts), f"; {_ASK}"))

    def _close(self, stream: _Stream) -> Item:
        self._closed.update(dict.fromkeys(stream.ids))
        while len(self._closed) > _MAX_CLOSED:
            self._closed.popitem(last=False)
        usage = stream.zeros if stream.usage is None else stream.usage
        parsed = chat.READER.parse(stream.facts | {"usage": usage})
        return Item(*(stream.usage_at or (stream.line, stream.raw)), _advised(parsed))


def _joined(streams: list[_Stream]) -> list[_Stream]:
    """Returns copies of open streams, those joined that are one whose chunks changed id."""
    ends = any(stream.finished or stream.ended for stream in streams[-2:])
    scattered = ends and len(streams) > 2 and all(stream.chunks == 1 for stream in streams)
    joined: list[_Stream] = []
    for stream in streams:
        if joined and joined[-1].goes_on_with(stream, scattered=scattered):
            joined[-1].absorb(stream)
        else:
            joined.append(replace(stream))
    return joined


def _advised(parsed: Parsed) -> Parsed:
    """A refusal for want of usage, with how to ask for it."""
    if not isinstance(parsed, Rejected) or parsed.reason != "missing_usage":
        return parsed
    return Rejected(parsed.reason, f"{parsed.message}; {_ASK}", parsed.fields)
