"""OTLP JSON: an ExportTraceServiceRequest of spans with `gen_ai.*`, each one request.

A request occurs when it starts: the span's startTimeUnixNano is its time, cut to microseconds. Attributes of span and
resource come where a request's metadata would, those of the span first. `spans` says which spans are requests.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ledger.intake.fields.kinds import counts_tokens, values_inside
from ledger.intake.fields.record import Ignored, JsonObject, Parsed, Rejected, UsageRecord
from ledger.intake.fields.refusals import guarded, salvaged, salvaged_counts
from ledger.intake.fields.strict_json import encode
from ledger.intake.fields.usage import Reported, UsageReader, leaves, one_tier
from ledger.intake.fields.values import read_metadata
from ledger.intake.formats.format import Format
from ledger.intake.formats.spans import (
    RESPONSE_ID,
    USAGE,
    USAGE_TOO,
    Spans,
    TraceSpan,
    attributes_of,
    list_in,
    listed_objects,
    plain_value,
    whole_number,
)
from ledger.values.instants import iso_text
from pricing.errors import RecordError, described
from pricing.record_values import read_id, read_text, read_tier
from pricing.times import read_time

_READER = UsageReader("input_tokens", "output_tokens", USAGE)
_TRACES, _LOGS, _METRICS = "resourceSpans", "resourceLogs", "resourceMetrics"


def recognise(obj: JsonObject) -> bool:
    """Tells whether an OTLP exporter sent it; nothing is booked of logs and metrics."""
    return any(signal in obj for signal in (_TRACES, _LOGS, _METRICS))


def parts(obj: JsonObject, known: Spans) -> Iterator[tuple[bytes, Parsed]]:
    """Yields each span, canonically encoded, and what it says; never raises."""
    found: list[TraceSpan | tuple[bytes, Rejected]] = []
    fault: RecordError | None = None
    try:
        for resource, span in _spans_in(obj):
            found.append(_span(resource, span))  # those before a fault are kept
    except RecordError as error:
        fault = error
    known.add([span for span in found if isinstance(span, TraceSpan)])
    for span in found:
        yield _read(span, known) if isinstance(span, TraceSpan) else span
    for signal in (_LOGS, _METRICS):
        if _counts_anything(obj.get(signal)):
            yield b"", Ignored("otel_logs" if signal == _LOGS else "otel_metrics")
    if fault is not None:
        yield encode(obj), Rejected(fault.reason, str(fault))


def _spans_in(obj: JsonObject) -> Iterator[tuple[Mapping[str, Any], object]]:
    if not recognise(obj):
        message = "the object has no resourceSpans: each line is an ExportTraceServiceRequest; check --input-format"
        raise RecordError("invalid_otel", message)
    for group in listed_objects(obj, _TRACES):
        resource = group.get("resource")
        attributes = attributes_of(resource) if isinstance(resource, dict) else {}
        for scope in listed_objects(group, "scopeSpans", "instrumentationLibrarySpans"):
            for span in list_in(scope, "spans"):
                yield attributes, span


def _span(resource: Mapping[str, Any], span: object) -> TraceSpan | tuple[bytes, Rejected]:
    if not isinstance(span, dict):
        message = f"span {described(span)} isn't an object: each span is one; correct the export"
        return encode(span), Rejected("not_an_object", message)
    try:
        return TraceSpan(resource, span, attributes_of(span))
    except RecordError as error:
        return encode(span), Rejected(error.reason, str(error))


def _read(span: TraceSpan, known: Spans) -> tuple[bytes, Parsed]:
    ignored = known.why_ignored(span)
    if ignored is not None:
        return b"", Ignored(ignored)
    reader = _SpanReader(span)
    parsed = guarded(lambda _: reader.read(), span.span, lambda _: reader.salvage())
    return encode(span.span), parsed


def _counts_anything(signal: object) -> bool:
    """Tells whether logs or metrics hold an attribute or a metric that counts tokens."""
    for value in values_inside(signal):
        if isinstance(value, dict):
            key, held, name = value.get("key"), value.get("value"), value.get("name")
            found = {key: plain_value(held)} if isinstance(key, str) and isinstance(held, dict) else {name: 1}
            if counts_tokens({key: count for key, count in found.items() if isinstance(key, str)}):
                return True
    return False


class _SpanReader:
    """Reads one span that is a request."""

    def __init__(self, span: TraceSpan) -> None:
        self._span, self._attributes = span.span, span.attributes
        self._metadata = read_metadata(
            {key: value for key, value in {**span.resource, **span.attributes}.items() if not key.startswith("gen_ai.")}
        )
        self._service_name = span.resource.get("service.name")

    def read(self) -> UsageRecord:
        """The request, or a RecordError or PricingError."""
        request_id = read_id(self._attributes.get(RESPONSE_ID), RESPONSE_ID)
        occurred_at_us = self._time()
        usage = self._usage()
        service_tier = one_tier(self._service_tier(), usage.service_tier) or self._service_tier(asked=True)
        return UsageRecord(
            request_id,
            occurred_at_us,
            requested_model=self._text("gen_ai.request.model"),
            reported_model=self._text("gen_ai.response.model"),
            status=self._status(),
            service_tier=read_tier(service_tier, "service_tier"),
            usage=usage.tokens,
            request_metadata=self._metadata,
            service_name=read_text(self._service_name, "service.name"),
            tool_calls=usage.tool_calls,
            searches=usage.searches,
        )

    def salvage(self) -> dict[str, Any]:
        """The fields of a refused span that can be kept."""
        fields = salvaged(
            {
                "request_id": lambda: read_id(self._attributes.get(RESPONSE_ID), RESPONSE_ID),
                "occurred_at": lambda: iso_text(self._time()),
                "requested_model": lambda: self._text("gen_ai.request.model"),
                "reported_model": lambda: self._text("gen_ai.response.model"),
                "project": lambda: read_text(self._metadata.get("project"), "project"),
                "status": self._status,
                "service_tier": lambda: read_tier(self._service_tier(), "service_tier"),
            }
        )
        return fields | salvaged_counts(lambda: self._usage().tokens)

    def _text(self, name: str) -> str | None:
        return read_text(self._attributes.get(name), name)

    def _status(self) -> str:
        status = self._span.get("status")
        code = status.get("code") if isinstance(status, dict) else None
        return "failed" if code in (2, "STATUS_CODE_ERROR") else "completed"

    def _time(self) -> int:
        """Reads microseconds; an unset time is 0 in OTLP, and missing here."""
        name = "startTimeUnixNano"
        nanoseconds = whole_number(self._span.get(name))
        if nanoseconds is None or nanoseconds == 0:
            return read_time(None, name)
        if not isinstance(nanoseconds, int) or isinstance(nanoseconds, bool):
            message = (
                f"{name} {described(nanoseconds)} isn't a time: give whole nanoseconds since 1970; correct the export"
            )
            raise RecordError("invalid_time", message)
        return read_time(nanoseconds // 10**9, name) + nanoseconds % 10**9 // 1_000

    def _service_tier(self, *, asked: bool = False) -> str | None:
        """Returns the response's tier under whichever name, or that the request asked for."""
        values = (
            read_text(value, key)
            for key, value in self._attributes.items()
            if key.endswith("service_tier") and not key.startswith(USAGE) and (".request." in key) is asked
        )
        return next((value for value in values if value is not None), None)

    def _usage(self) -> Reported:
        """Reads gen_ai.usage, and attributes that count more of the same request."""
        counts = [
            (path, whole_number(value))
            for key, held in self._attributes.items()
            for prefix in (USAGE, *USAGE_TOO)
            if key.startswith(prefix)
            for path, value in leaves({key.removeprefix(prefix): held})
        ]
        return _READER.read_leaves(counts, self._status())


FORMAT = Format("otel", recognise, parts=parts, memory=Spans)
