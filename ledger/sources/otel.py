"""OTLP JSON: an ExportTraceServiceRequest with spans that carry `gen_ai.*` attributes, each span one request.

A request occurs when it starts: the span's startTimeUnixNano is its time, cut to microseconds. Attribute names of the
semantic conventions old (prompt_tokens, completion_tokens) and new are read. Attributes of span and resource come where
a request's metadata would, those of the span first.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from ledger.records import Ignored, Parsed, RecordError, Rejected, UsageRecord
from ledger.sources.base import Format, JsonObject
from ledger.sources.refusals import guarded, salvaged, salvaged_counts
from ledger.sources.strict_json import encode
from ledger.sources.times import iso_text, read_time
from ledger.sources.usage import check_priced_tier, refuse_unpriced
from ledger.sources.values import read_count, read_id, read_metadata, read_text, show
from pricing.usage import TokenUsage, check_total

OPERATIONS = frozenset({"chat", "text_completion", "generate_content"})

_USAGE = "gen_ai.usage."
# The first name is the current one; where several are there, they must say the same.
_INPUT = ("input_tokens", "prompt_tokens")
_OUTPUT = ("output_tokens", "completion_tokens")
_CACHED = (
    "cache_read.input_tokens",
    "cache_read_input_tokens",
    "cached_input_tokens",
    "cache_read_tokens",
    "cached_tokens",
    "input_tokens.cached",
    "details.cached_tokens",
    "prompt_tokens_details.cached_tokens",
    "input_tokens_details.cached_tokens",
)
_REASONING = (
    "reasoning.output_tokens",
    "reasoning_tokens",
    "reasoning_output_tokens",
    "output_tokens.reasoning",
    "details.reasoning_tokens",
    "completion_tokens_details.reasoning_tokens",
    "output_tokens_details.reasoning_tokens",
)
_SERVICE_TIERS = (
    "openai.response.service_tier",
    "gen_ai.openai.response.service_tier",
    "gen_ai.response.service_tier",
)
_SIGNALS = ("resourceSpans", "resourceLogs", "resourceMetrics")
_WHOLE_NUMBER = re.compile(r"-?[0-9]{1,40}")


def recognise(obj: JsonObject) -> bool:
    """Whether an object is what an OTLP exporter sends; logs and metrics hold no spans, so nothing is read of them."""
    return any(signal in obj for signal in _SIGNALS)


def parse(obj: JsonObject) -> Iterator[Parsed]:
    """What each span says; never raises."""
    for _, parsed in parts(obj):
        yield parsed


def parts(obj: JsonObject) -> Iterator[tuple[bytes, Parsed]]:
    """Each span, canonically encoded, and what it says; never raises."""
    try:
        for resource, span in _spans(obj):
            parsed = _parse_span(resource, span)
            yield b"" if isinstance(parsed, Ignored) else encode(span), parsed
    except RecordError as error:
        yield encode(obj), Rejected(error.reason, str(error))


def _spans(obj: JsonObject) -> Iterator[tuple[Mapping[str, Any], object]]:
    if not recognise(obj):
        message = "the object has no resourceSpans: each line is an ExportTraceServiceRequest; check --input-format"
        raise RecordError("invalid_otel", message)
    for group in _objects(obj, "resourceSpans"):
        resource = group.get("resource")
        attributes = _attributes(resource) if isinstance(resource, dict) else {}
        for scope in _objects(group, "scopeSpans", "instrumentationLibrarySpans"):
            for span in _list(scope, "spans"):
                yield attributes, span


def _parse_span(resource: Mapping[str, Any], span: object) -> Parsed:
    if not isinstance(span, dict):
        return Rejected("not_an_object", f"span {show(span)} is no object: each span is one; correct the export")
    try:
        attributes = _attributes(span)
    except RecordError as error:
        return Rejected(error.reason, str(error))
    if attributes.get("gen_ai.operation.name") not in OPERATIONS:
        return Ignored()
    reader = _SpanReader(resource, span, attributes)
    return guarded(lambda _: reader.read(), attributes, lambda _: reader.salvage())[0]


class _SpanReader:
    """Reads one span of an operation that is a request."""

    def __init__(self, resource: Mapping[str, Any], span: JsonObject, attributes: Mapping[str, Any]) -> None:
        self._span = span
        self._attributes = attributes
        self._metadata = read_metadata(
            {key: value for key, value in {**resource, **attributes}.items() if not key.startswith("gen_ai.")}
        )
        self._service_name = resource.get("service.name")

    def read(self) -> UsageRecord:
        request_id = read_id(self._attributes.get("gen_ai.response.id"), "gen_ai.response.id")
        occurred_at_us = self._time()
        usage = self._usage()
        service_tier = self._service_tier()
        check_priced_tier(service_tier, usage)
        counts = usage or TokenUsage(0)
        return UsageRecord(
            request_id,
            occurred_at_us,
            requested_model=self._text("gen_ai.request.model"),
            reported_model=self._text("gen_ai.response.model"),
            status=self._status(),
            service_tier=service_tier,
            input_tokens=counts.input_tokens,
            cached_input_tokens=counts.cached_input_tokens,
            output_tokens=counts.output_tokens,
            reasoning_tokens=counts.reasoning_tokens,
            has_usage=usage is not None,
            request_metadata=self._metadata,
            service_name=read_text(self._service_name, "service.name"),
        )

    def salvage(self) -> dict[str, Any]:
        fields = salvaged(
            {
                "request_id": lambda: read_id(self._attributes.get("gen_ai.response.id"), "gen_ai.response.id"),
                "occurred_at": lambda: iso_text(self._time()),
                "requested_model": lambda: self._text("gen_ai.request.model"),
                "reported_model": lambda: self._text("gen_ai.response.model"),
                "project": lambda: read_text(self._metadata.get("project"), "project"),
                "status": self._status,
                "service_tier": self._service_tier,
            }
        )
        return fields | salvaged_counts(self._usage)

    def _text(self, name: str) -> str | None:
        return read_text(self._attributes.get(name), name)

    def _status(self) -> str:
        status = self._span.get("status")
        code = status.get("code") if isinstance(status, dict) else None
        return "failed" if code in (2, "STATUS_CODE_ERROR") else "completed"

    def _time(self) -> int:
        """Microseconds; an unset time is 0 in OTLP, and missing here."""
        name = "startTimeUnixNano"
        nanoseconds = _whole(self._span.get(name))
        if nanoseconds is None or nanoseconds == 0:
            return read_time(None, name)
        if not isinstance(nanoseconds, int) or isinstance(nanoseconds, bool):
            message = f"{name} {show(nanoseconds)} is no time: give whole nanoseconds since 1970; correct the export"
            raise RecordError("invalid_time", message)
        return read_time(nanoseconds // 10**9, name) + nanoseconds % 10**9 // 1_000

    def _service_tier(self) -> str | None:
        values = (read_text(self._attributes.get(name), name) for name in _SERVICE_TIERS)
        return next((value for value in values if value is not None), None)

    def _usage(self) -> TokenUsage | None:
        counts = {key: value for key, value in self._attributes.items() if key.startswith(_USAGE)}
        refuse_unpriced(counts, "")
        failed = self._status() == "failed"
        input_tokens, output_tokens = self._count(_INPUT), self._count(_OUTPUT)
        if failed and input_tokens is None and output_tokens is None:
            return None
        for name, count in (("input_tokens", input_tokens), ("output_tokens", output_tokens)):
            if count is None and not failed:
                raise RecordError("missing_usage", f"{_USAGE}{name} is missing: a completed request reports it; add it")
        usage = TokenUsage(
            input_tokens or 0, self._count(_CACHED) or 0, output_tokens or 0, self._count(_REASONING) or 0
        )
        total = self._count(("total_tokens",))
        check_total(total, usage)
        return usage

    def _count(self, names: tuple[str, ...]) -> int | None:
        """The count under whichever name it has; None where it has none."""
        found: tuple[str, int] | None = None
        for name in names:
            value = self._attributes.get(_USAGE + name)
            if value is None:
                continue
            count = read_count(value, _USAGE + name)
            if found is not None and count != found[1]:
                message = f"{_USAGE}{found[0]} {found[1]} and {_USAGE}{name} {count} are one count: correct the export"
                raise RecordError("count_mismatch", message)
            found = (name, count)
        return None if found is None else found[1]


def _objects(obj: Mapping[str, Any], *names: str) -> Iterator[JsonObject]:
    for name in names:
        for found in _list(obj, name):
            if not isinstance(found, dict):
                raise RecordError(
                    "invalid_otel", f"{name} holds {show(found)}: it is a list of objects; correct the export"
                )
            yield found


def _list(obj: Mapping[str, Any], name: str) -> list[Any]:
    found = obj.get(name)
    if found is None:
        return []
    if not isinstance(found, list):
        raise RecordError("invalid_otel", f"{name} {show(found)} is no list: OTLP JSON has one; correct the export")
    return found


def _attributes(owner: Mapping[str, Any]) -> dict[str, Any]:
    """Attributes by key, integers as such; lists and maps are left out, an attribute given twice is refused."""
    attributes: dict[str, Any] = {}
    for entry in _objects(owner, "attributes"):
        key, value = entry.get("key"), entry.get("value")
        if not isinstance(key, str) or not isinstance(value, dict):
            continue
        plain = _plain(value)
        if attributes.setdefault(key, plain) != plain:
            message = f"the attribute {show(key)} stands twice in one span: which value counts can't be known; keep one"
            raise RecordError("duplicate_key", message)
    return attributes


def _plain(value: Mapping[str, Any]) -> object:
    for kind in ("stringValue", "boolValue", "doubleValue"):
        if kind in value:
            return None if isinstance(value[kind], dict | list) else value[kind]
    return _whole(value.get("intValue"))


def _whole(value: object) -> object:
    """64-bit integers are strings in OTLP JSON; numbers are taken as well."""
    return int(value) if isinstance(value, str) and _WHOLE_NUMBER.fullmatch(value) else value


FORMAT = Format("otel", recognise, parse, parts=parts)
