"""Payloads for the tests of sources, and what reading them yields."""

from __future__ import annotations

import io
import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from ledger.intake.containers.reading import SourceReader
from ledger.intake.containers.source import Source
from ledger.intake.fields.record import Item, JsonObject, Parsed, Rejected, UsageRecord
from ledger.intake.formats.registry import AUTO
from pricing.usage import TokenUsage

# The response object that the gateway's API reference prints, word for word.
API_REFERENCE: dict[str, Any] = {
    "id": "resp_02177148667427813c33c36521378d02b2c8389204fa8c3e2f63e",
    "object": "response",
    "created_at": 1771486674,
    "model": "doubao-seed-2-0-code-preview-260215",
    "status": "completed",
    "output": [
        {
            "id": "rs_0217****404a",
            "type": "reasoning",
            "summary": [{"text": "<string>", "type": "summary_text"}],
            "status": "completed",
        }
    ],
    "service_tier": "default",
    "usage": {
        "input_tokens": 88,
        "input_tokens_details": {"cached_tokens": 0},
        "output_tokens": 230,
        "output_tokens_details": {"reasoning_tokens": 211},
        "total_tokens": 318,
    },
    "max_output_tokens": 32768,
    "caching": {"type": "enabled"},
    "store": True,
    "expire_at": 1771745874,
    "error": {},
}
SECOND = 1_000_000
AT = 1_771_486_674


def response(request_id: str = "resp_1", **changes: Any) -> dict[str, Any]:
    """A Responses object; a change to `...` leaves the key out."""
    return _changed(API_REFERENCE | {"id": request_id}, changes)


def chat(request_id: str = "chatcmpl-1", **changes: Any) -> dict[str, Any]:
    obj = {
        "id": request_id,
        "object": "chat.completion",
        "created": AT,
        "model": "doubao-seed-2.0-lite",
        "choices": [{"index": 0, "message": {"role": "assistant", "content": "hi"}, "finish_reason": "stop"}],
        "usage": {
            "prompt_tokens": 40,
            "completion_tokens": 9,
            "total_tokens": 40 + 9,
            "prompt_tokens_details": {"cached_tokens": 30},
            "completion_tokens_details": {"reasoning_tokens": 4},
        },
    }
    return _changed(obj, changes)


def record(request_id: str = "r1", **changes: Any) -> dict[str, Any]:
    obj = {"request_id": request_id, "occurred_at": "2026-02-19T07:37:54Z", "input_tokens": 10, "output_tokens": 2}
    return _changed(obj, changes)


def usage(**changes: Any) -> dict[str, Any]:
    """The `usage` of a Responses object."""
    return _changed({"input_tokens": 88, "output_tokens": 230, "total_tokens": 88 + 230}, changes)


def _changed(obj: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in (dict(obj) | dict(changes)).items() if value is not ...}


class Slow(io.BytesIO):
    """A stream that gives few bytes at a time."""

    def __init__(self, data: bytes, size: int) -> None:
        super().__init__(data)
        self._at_once = size

    def read1(self, _size: int | None = -1, /) -> bytes:
        return super().read1(self._at_once)


def source(data: bytes, name: str = "usage") -> Source:
    return Source(name, io.BytesIO(data))


def read(data: bytes | str, input_format: str = "auto") -> list[Item]:
    return list(read_source(source(data.encode() if isinstance(data, str) else data), input_format))


def lines(objects: Iterable[object]) -> str:
    return "".join(json.dumps(obj) + "\n" for obj in objects)


def told(items: Iterable[Item]) -> list[tuple[int, str]]:
    """(line, id | reason | pending | ignored) of each item."""
    return [(item.line, word(item.parsed)) for item in items]


def word(parsed: Parsed) -> str:
    if isinstance(parsed, UsageRecord):
        return parsed.request_id
    return parsed.reason if isinstance(parsed, Rejected) else type(parsed).__name__.lower()


def only_record(found: Iterable[Parsed]) -> UsageRecord:
    (parsed,) = found
    assert isinstance(parsed, UsageRecord), parsed
    return parsed


def only_rejection(found: Iterable[Parsed]) -> Rejected:
    (parsed,) = found
    assert isinstance(parsed, Rejected), parsed
    return parsed


def counts(found: UsageRecord) -> tuple[int, int, int, int]:
    tokens = found.usage or TokenUsage(0)
    return (tokens.input_tokens, tokens.cached_input_tokens, tokens.output_tokens, tokens.reasoning_tokens)


def read_source(source: Source, input_format: str = AUTO) -> Iterator[Item]:
    """Everything a source says, in order; streams without an end come last. Raises OSError alone."""
    reader = SourceReader(source, input_format)
    for piece in reader.pieces():
        if isinstance(piece, Item):
            yield piece
        else:
            yield from reader.items(piece)


def parse_line(raw: bytes, input_format: str = AUTO, cut: bool = False) -> list[Parsed]:
    """Parses one line by itself; never raises, whatever the bytes."""
    reader = SourceReader(source(b""), input_format)
    return [item.parsed for item in [*reader.line(1, raw, cut=cut), *finish(reader)]]


def parse_object(obj: JsonObject, input_format: str = AUTO) -> list[Parsed]:
    """Parses one decoded object by itself; never raises for JSON values."""
    reader = SourceReader(source(b""), input_format)
    return [item.parsed for item in [*reader.value(1, b"", obj), *finish(reader)]]


def finish(reader: SourceReader) -> list[Item]:
    """The items that the end of an empty source brings: of the streams that are still open."""
    return [piece for piece in reader.pieces() if isinstance(piece, Item)]
