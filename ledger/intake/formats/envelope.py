"""Envelopes: {"request": …, "response": …, "project": …, "tags": …, "occurred_at": …}.

The response may be of any API, or the list of the events of a stream of Anthropic's or Gemini's. Of the request only
the model, metadata and service tier it asked for are read; `project`, `tags` and `occurred_at` come before what the
response says. Other keys are passed over, except the word of a proxy that it answered from its own cache. Lines of the
Batch API look alike: `custom_id` and `response.body`.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from ledger.intake.fields.kinds import (
    check_other_usage,
    holds_counts,
    is_cached_answer,
    named_kind,
    objects_in,
    unknown_object,
    unpriced_batch,
)
from ledger.intake.fields.record import Ignored, JsonObject, Parsed, RecordError, UsageRecord
from ledger.intake.fields.refusals import guarded, salvaged
from ledger.intake.fields.times import read_time
from ledger.intake.fields.usage import unknown_usage
from ledger.intake.fields.values import read_metadata, read_tags, read_text
from ledger.intake.formats import anthropic, bedrock, chat, gemini, responses
from ledger.intake.formats.format import Format
from ledger.intake.formats.payloads import PayloadReader
from ledger.values.instants import iso_text
from pricing.usage import check_service_tier

_VENDORS = (
    (anthropic.recognise, anthropic.READER),
    (gemini.recognise, gemini.READER),
    (bedrock.recognise, bedrock.READER),
)
_STREAMS = ((anthropic.is_event, anthropic.joined), (gemini.recognise, gemini.joined))


def recognise(obj: JsonObject) -> bool:
    """Tells whether an object holds a response, or a request to one."""
    response = obj.get("response")
    if (isinstance(response, dict) and response) or is_batch_line(obj):
        return True
    return "request" in obj and ("response" in obj or "error" in obj)


def is_batch_line(obj: JsonObject) -> bool:
    """Tells whether a line is of a batch job's output or errors."""
    response = obj.get("response")
    answered = "response" in obj or "result" in obj or "error" in obj
    return (
        "custom_id" in obj
        and answered
        and ("request" not in obj or (isinstance(response, dict) and "body" in response))
    )


def parse(obj: JsonObject) -> Parsed:
    """The one request an envelope states; never raises."""
    return guarded(_read, obj, _salvage)


def _read(obj: JsonObject) -> Parsed:
    if is_batch_line(obj):
        raise unpriced_batch()
    kind = named_kind(obj)
    if kind is not None:
        raise unknown_object(kind)
    if is_cached_answer(obj):
        return Ignored("cache_hit")
    request, response = _part(obj, "request"), _response(obj)
    project = read_text(obj.get("project"), "project")
    tags = read_tags(obj.get("tags"), "tags")
    reader = reader_of(response)
    if reader is gemini.READER and ("processed_time" in obj or ("key" in obj and "request" not in obj)):
        raise unpriced_batch()  # as Vertex and the Gemini API write lines of a batch job
    requested_model = _model(request, reader)
    dated = {}
    if obj.get("occurred_at") is not None:
        dated = {reader.time_key: iso_text(read_time(obj["occurred_at"], "occurred_at"))}
    found = reader.read(response | dated)
    if not isinstance(found, UsageRecord):
        return found
    check_other_usage(obj)
    usage = obj.get("usage")
    if holds_counts(usage) and usage != response.get("usage"):
        raise unknown_usage("usage beside the response", usage)
    if found.usage is not None and not found.service_tier:
        for asked in (request, obj):
            check_service_tier(asked.get("service_tier") or None)
    return replace(
        found,
        requested_model=requested_model,
        project=project,
        tags=tags,
        request_metadata=read_metadata(request.get("metadata")),
    )


def reader_of(response: JsonObject) -> PayloadReader:
    """Returns the reader of a response's API; without a sign, that of the Responses API."""
    for recognises, reader in _VENDORS:
        if recognises(response):
            return reader
    kind = response.get("object")
    if isinstance(kind, str) and kind in chat.FORMAT.objects:
        return chat.READER
    if kind not in responses.FORMAT.objects and chat.recognise(response):
        return chat.READER
    return responses.READER


def _model(request: JsonObject, reader: PayloadReader) -> str | None:
    name = reader.model_key if request.get(reader.model_key) else "model"
    return read_text(request.get(name), f"request.{name}")


def _response(obj: JsonObject) -> JsonObject:
    """Returns the response; one that the events of a stream make. RecordError where it is neither or has no end."""
    events = objects_in(obj.get("response"))
    for is_event, joined in _STREAMS:
        if any(map(is_event, events)):
            return joined(events)
    return _part(obj, "response")


def _part(obj: JsonObject, name: str) -> JsonObject:
    part = obj.get(name)
    if part is None:
        return {}
    if not isinstance(part, dict):
        # Not the value: it may be the prompt or the answer itself.
        raise RecordError("not_an_object", f"{name} isn't an object: give the {name} as JSON; correct the record")
    return part


def _salvage(obj: JsonObject) -> dict[str, Any]:
    request = obj["request"] if isinstance(obj.get("request"), dict) else {}
    response: JsonObject = salvaged({"response": lambda: _response(obj)}).get("response", {})
    reader = reader_of(response)
    fields = reader.salvage(response)
    metadata = read_metadata(request.get("metadata"))
    asked = salvaged({"project": lambda: read_text(metadata.get("project"), "project")})
    own = salvaged(
        {
            "occurred_at": lambda: iso_text(read_time(obj.get("occurred_at"), "occurred_at")),
            "requested_model": lambda: _model(request, reader),
            "project": lambda: read_text(obj.get("project"), "project"),
            "tags": lambda: read_tags(obj.get("tags"), "tags"),
        }
    )
    return asked | fields | own


FORMAT = Format("envelope", recognise, parse)
