"""The short way for ordinary Responses lines: decoded straight to their facts, many times faster than the general way.

Only lines of which nothing is unusual go this way; every other one is left to `ledger.sources`, which accepts or
refuses it by name. A line that goes this way comes out with the facts that the general way gives it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Literal

import msgspec
from msgspec import UNSET, Meta, Raw, Struct, UnsetType

from ledger.facts import Facts
from ledger.records import MAX_NAME, MAX_REQUEST_ID, RecordError, UsageRecord
from ledger.resolve import Resolver
from ledger.sources.strict_json import decode_object
from ledger.sources.values import read_metadata

Count = Annotated[int, Meta(ge=0, le=2**63 - 1)]
Name = Annotated[str, Meta(min_length=1, max_length=MAX_NAME, pattern=r"\S")]


class _InputDetails(Struct, forbid_unknown_fields=True):
    cached_tokens: Count | UnsetType = UNSET


class _OutputDetails(Struct, forbid_unknown_fields=True):
    reasoning_tokens: Count | UnsetType = UNSET


class _Usage(Struct, forbid_unknown_fields=True):
    input_tokens: Count
    output_tokens: Count
    total_tokens: Count
    input_tokens_details: _InputDetails
    output_tokens_details: _OutputDetails


class _Response(Struct):
    id: Annotated[str, Meta(min_length=1, max_length=MAX_REQUEST_ID, pattern=r"\S")]
    object: Literal["response"]
    created_at: Annotated[int, Meta(ge=0, le=253_402_214_400)] | Annotated[float, Meta(ge=0, le=253_402_214_400)]
    model: Name
    status: Literal["completed", "incomplete"]
    usage: Raw
    service_tier: Literal["auto", "default"] | UnsetType | None = UNSET
    metadata: Raw | UnsetType = UNSET
    output: Raw | UnsetType = UNSET


_decode_response = msgspec.json.Decoder(_Response).decode
_decode_usage = msgspec.json.Decoder(_Usage).decode
# Keys that a line of this way may have once only: those that decide something.
_KEYS = (b'"id"', b'"object"', b'"created_at"', b'"model"', b'"status"', b'"usage"')
_OPTIONAL_KEYS = (b'"service_tier"', b'"metadata"', b'"output"')
_MEMORY = 10_000


class OrdinaryLines:
    """Reads chunks of lines for one run, remembering what labels a metadata object leads to."""

    def __init__(self, resolver: Resolver) -> None:
        self._resolver = resolver
        self._labels: dict[tuple[bytes, str], tuple[str, str] | None] = {}

    def read(self, lines: Sequence[bytes]) -> list[Facts | None] | None:
        """The facts of each line, None where the general way must read it; None as a whole where hardly a line is ordinary."""
        provider = self._resolver.default_provider
        source = self._resolver.default_source
        found: list[Facts | None] = []
        ordinary = 0
        for line in lines:
            facts = self._facts(line, provider, source)
            ordinary += facts is not None
            found.append(facts)
            if len(found) == 100 and ordinary < 10:
                return None
        return found

    def _facts(self, line: bytes, provider: str, source: str) -> Facts | None:
        try:
            response = _decode_response(line)
            usage = _decode_usage(response.usage)
        except (msgspec.MsgspecError, RecursionError):
            return None
        metadata = b"" if response.metadata is UNSET else bytes(response.metadata)
        if _may_repeat_a_key(line, response, usage):
            return None
        labels = self._labels_of(metadata, response.model, source)
        cached = usage.input_tokens_details.cached_tokens or 0
        reasoning = usage.output_tokens_details.reasoning_tokens or 0
        created = int(response.created_at)
        if (
            labels is None
            or created != response.created_at
            or cached > usage.input_tokens
            or reasoning > usage.output_tokens
            or usage.total_tokens != usage.input_tokens + usage.output_tokens
        ):
            return None
        return Facts(
            "request",
            source,
            response.id,
            0,
            provider,
            created * 1_000_000,
            None,
            response.model,
            labels[0],
            response.status,
            response.service_tier or None,
            usage.input_tokens,
            cached,
            usage.output_tokens,
            reasoning,
            labels[1],
            None,
            None,
            None,
            0,
        )

    def _labels_of(self, metadata: bytes, model: str, source: str) -> tuple[str, str] | None:
        """Project and tags; None where the general way must say what is wrong."""
        key = (metadata, model)
        if key not in self._labels:
            if len(self._labels) >= _MEMORY:
                self._labels.clear()
            self._labels[key] = self._resolve_labels(metadata, model, source)
        return self._labels[key]

    def _resolve_labels(self, metadata: bytes, model: str, source: str) -> tuple[str, str] | None:
        try:
            values: Any = decode_object(metadata) if metadata not in (b"", b"null") else None
            record = UsageRecord("", 0, reported_model=model, response_metadata=read_metadata(values))
            return self._resolver.labels(record, source)
        except RecordError:
            return None


def _may_repeat_a_key(line: bytes, response: _Response, usage: _Usage) -> bool:
    """Whether a deciding key might stand twice: seldom wrongly, never wrongly not.

    The usage object holds numbers alone, so its keys are counted by their colons. Around it and the output, every
    deciding key must be there just once in its plain spelling, and none in an escaped one.
    """
    counts = bytes(response.usage)
    details = (usage.input_tokens_details.cached_tokens, usage.output_tokens_details.reasoning_tokens)
    if counts.count(b":") != 5 + sum(value is not UNSET for value in details) or not _is_utf8(line):
        return True
    rest = line
    for part in (counts, *(() if response.output is UNSET else (bytes(response.output),))):
        before, found, after = rest.partition(part)
        rest = before + b" " + after
    if b"\\u00" in rest:
        return True
    if any(rest.count(key) != 1 for key in _KEYS):
        return True
    present = (response.service_tier, response.metadata, response.output)
    return any(rest.count(key) != (value is not UNSET) for key, value in zip(_OPTIONAL_KEYS, present, strict=True))


def _is_utf8(line: bytes) -> bool:
    """Msgspec passes over text that it doesn't keep without looking at its encoding."""
    if line.isascii():
        return True
    try:
        line.decode()
    except UnicodeDecodeError:
        return False
    return True
