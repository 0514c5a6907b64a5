"""Ordinary Responses lines straight to facts, many times faster than the general way.

Only lines of which nothing is unusual go this way; every other one is left to the general reader, which accepts or
refuses it by name. A line that goes this way comes out with the facts that the general way gives it.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache
from typing import Annotated, Any, Literal, NamedTuple

import msgspec
from msgspec import UNSET, Meta, Raw, Struct, UnsetType, field

from ledger.book.rows import Facts
from ledger.intake.fields.record import MAX_NAME, MAX_REQUEST_ID, RecordError, UsageRecord
from ledger.intake.fields.strict_json import decode_object
from ledger.intake.fields.values import read_metadata
from ledger.intake.labels import MAX_OCCURRED_US, Resolver

Count = Annotated[int, Meta(ge=0, le=2**63 - 1)]
LAST_SECOND = MAX_OCCURRED_US // 1_000_000
# Twice as fast as calling the class.
_new_facts = tuple.__new__


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
    id: Annotated[str, Meta(min_length=1, max_length=MAX_REQUEST_ID)]
    object: Literal["response"]
    created_at: Annotated[int, Meta(ge=1, le=LAST_SECOND)] | Annotated[float, Meta(ge=1, le=LAST_SECOND)]
    model: Annotated[str, Meta(min_length=1, max_length=MAX_NAME)]
    status: Literal["completed", "incomplete"]
    usage: Raw
    service_tier: Literal["auto", "default"] | UnsetType | None = UNSET
    metadata: Raw | UnsetType = UNSET
    output: Raw | UnsetType = UNSET
    type: UnsetType | None = UNSET
    cache_hit: UnsetType | None = UNSET
    hidden_params: UnsetType | None = field(default=UNSET, name="_hidden_params")


class _Line(NamedTuple):
    """An ordinary line so far, with the text in which keys may be repeated."""

    place: int
    response: _Response
    usage: _Usage
    cached: int
    reasoning: int
    rest: bytes


_decode_response = msgspec.json.Decoder(_Response).decode
_decode_usage = msgspec.json.Decoder(_Usage).decode
_USAGE_KEYS = 5
# Keys that decide something: a line of this way may have each once only.
_KEYS = (b'"id"', b'"object"', b'"created_at"', b'"model"', b'"status"', b'"usage', b'sage"')
# Where an item of the output may be a call that is billed apart: its type ends so, except a function's; or is escaped.
_BILLED_CALL = re.compile(rb'(?<!"function)_call"|web_search"|web_fetch"|server_tool_use"|\\u00[4-7]')
_SIGNS_OF_CALLS = (b'_call"', b"web_", b"server_tool", b"\\u00")
_OPTIONAL_KEYS = (b'"service_tier"', b'"metadata"', b'"output"')
_MEMORY = 10_000
_SAMPLE = 100


class OrdinaryLines:
    """Reads chunks of lines for one run; remembers the labels of each metadata object."""

    def __init__(self, resolver: Resolver) -> None:
        self._resolver = resolver
        self._labels = lru_cache(_MEMORY)(self._resolve_labels)

    def read(self, lines: Sequence[bytes]) -> list[Facts | None] | None:
        """Returns each line's facts, None for the general way; None if hardly one is ordinary."""
        sample = lines[:_SAMPLE]
        if sum(_decoded(place, line) is not None for place, line in enumerate(sample)) * 10 < len(sample):
            return None
        decoded = [found for place, line in enumerate(lines) if (found := _decoded(place, line)) is not None]
        if not _no_key_twice(decoded):
            decoded = [line for line in decoded if _no_key_twice([line])]
        facts: list[Facts | None] = [None] * len(lines)
        provider, source = self._resolver.default_provider, self._resolver.default_source
        served = self._resolver.options.service_tier
        for place, response, usage, cached, reasoning, _rest in decoded:
            metadata = b"" if response.metadata is UNSET else bytes(response.metadata)
            labels = self._labels(metadata, response.model)
            if labels is not None:
                facts[place] = _new_facts(
                    Facts,
                    (
                        "request", source, response.id, 0, provider, int(response.created_at) * 1_000_000, None,
                        response.model, labels[0], response.status, response.service_tier or served, usage.input_tokens,
                        cached, usage.output_tokens, reasoning, labels[1], None, None, None, 0, None, None, None, None,
                    ),
                )  # fmt: skip
        return facts

    def _resolve_labels(self, metadata: bytes, model: str) -> tuple[str, str] | None:
        """Returns project and tags; None where the general way says what is wrong."""
        if model.isspace():
            return None
        try:
            values: Any = decode_object(metadata) if metadata not in (b"", b"null") else None
            record = UsageRecord("", 0, reported_model=model, response_metadata=read_metadata(values))
            return self._resolver.labels(record, self._resolver.default_source)
        except RecordError:
            return None


def _decoded(place: int, line: bytes) -> _Line | None:
    """Decodes a line, None where anything of it is unusual."""
    try:
        response = _decode_response(line)
        counts = bytes(response.usage)
        usage = _decode_usage(counts)
        if not line.isascii():
            line.decode()  # msgspec passes over text that it doesn't keep without looking at its encoding
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None
    cached, reasoning = usage.input_tokens_details.cached_tokens, usage.output_tokens_details.reasoning_tokens
    keys = _USAGE_KEYS + (cached is not UNSET) + (reasoning is not UNSET)
    cached, reasoning = cached or 0, reasoning or 0
    if (
        not usage.total_tokens
        or counts.count(b":") != keys  # the object holds numbers alone, so each colon is a key's
        or cached > usage.input_tokens
        or reasoning > usage.output_tokens
        or usage.total_tokens != usage.input_tokens + usage.output_tokens
        or response.created_at % 1
        or response.id.isspace()
    ):
        return None
    rest = line
    if response.output is not UNSET:
        output = bytes(response.output)
        if any(sign in output for sign in _SIGNS_OF_CALLS) and _BILLED_CALL.search(output):
            return None
        before, _output, after = line.partition(output)
        rest = before + after
    return _Line(place, response, usage, cached, reasoning, rest)


def _no_key_twice(lines: Sequence[_Line]) -> bool:
    """Tells whether each line has each deciding key once, output apart; may wrongly say no.

    Each line has a key at least as often as its decoded value says, so as many in all as there are values means one
    in each. A key in an escaped spelling isn't counted, so there must be none.
    """
    text = b"\n".join([line.rest for line in lines])
    responses = [line.response for line in lines]
    optional = (
        sum(response.service_tier is not UNSET for response in responses),
        sum(response.metadata is not UNSET for response in responses),
        sum(response.output is not UNSET for response in responses),
    )
    return (
        b"\\u00" not in text
        and all(text.count(key) == len(lines) for key in _KEYS)
        and all(text.count(key) == count for key, count in zip(_OPTIONAL_KEYS, optional, strict=True))
    )
