"""Envelopes: {"request": …, "response": …, "project": …, "tags": …, "occurred_at": …}.

The response may be of any API, or the list of the events of a stream of Anthropic's or Gemini's. Of the request only
the model, metadata and service tier it asked for are read; `project`, `tags` and `occurred_at` come before what the
response says. Other keys are passed over, except the word of a proxy that it answered from its own cache. Lines of a
batch job's output are envelopes too, whose response was served as batch; those of requests that failed are no requests
to book. A `custom_id` beside a response itself makes none of it.
"""

from __future__ import annotations

from dataclasses import replace
from http import HTTPStatus
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
from ledger.intake.fields.record import Ignored, JsonObject, Parsed, UsageRecord
from ledger.intake.fields.refusals import guarded, salvaged
from ledger.intake.fields.usage import unknown_usage
from ledger.intake.fields.values import read_metadata
from ledger.intake.formats import anthropic, bedrock, chat, gemini, responses
from ledger.intake.formats.format import Format
from ledger.intake.formats.payloads import PayloadReader
from ledger.values.instants import iso_text
from pricing.errors import RecordError
from pricing.rate_entry import STANDARD_NAMES
from pricing.record_values import read_tags, read_text, read_tier
from pricing.times import read_time

BATCH = "batch"
_OF_GEMINIS_BATCH = {"key", "response", "status", "error"}

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
    """Tells whether a line is of a batch job's output: its answer is in `response.body`, or it has none."""
    if "custom_id" not in obj:
        return False
    response = obj.get("response")
    if isinstance(response, dict):
        if "body" in response:
            return True
        if "usage" in response or (response and "status_code" not in response):
            return False
    return "request" not in obj and not obj.keys().isdisjoint(("response", "result", "error"))


def parse(obj: JsonObject) -> Parsed:
    """The one request an envelope states; never raises."""
    return guarded(_read, obj, _salvage)


def _read(obj: JsonObject) -> Parsed:
    kind = named_kind(obj)
    if kind is not None:
        raise unknown_object(kind)
    if is_cached_answer(obj):
        return Ignored("cache_hit")
    of_batch = is_batch_line(obj)
    response = _batch_answer(obj) if of_batch else _response(obj)
    if response is None:
        return Ignored()
    request = _part(obj, "request")
    project = read_text(obj.get("project"), "project")
    tags = read_tags(obj.get("tags"), "tags")
    reader = reader_of(response)
    # Vertex and the Gemini API write a batch job's output so.
    of_batch |= reader is gemini.READER and (
        "processed_time" in obj or ("key" in obj and obj.keys() <= _OF_GEMINIS_BATCH)
    )
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
    beside = _part(obj, "response") if of_batch and "result" not in obj else {}
    service_tier = found.service_tier or _asked_tier(request, obj, beside)
    if of_batch and service_tier in (None, *STANDARD_NAMES):
        service_tier = BATCH
    return replace(
        found,
        service_tier=service_tier,
        requested_model=requested_model,
        project=project,
        tags=tags,
        request_metadata=read_metadata(request.get("metadata")),
    )


def _batch_answer(obj: JsonObject) -> JsonObject | None:
    """Returns the response in a line of a batch job's output; None where the request failed."""
    if "result" in obj:
        return _anthropic_answer(_part(obj, "result"))
    response = _part(obj, "response")
    body = _part(response, "body")
    beside = response.get("usage")
    if holds_counts(beside) and beside != body.get("usage"):
        raise unknown_usage("usage beside the body", beside)
    code = response.get("status_code")
    failed = obj.get("error") or body.get("error") or (type(code) is int and code >= HTTPStatus.BAD_REQUEST)
    return None if failed and not holds_counts(body.get("usage")) else body


def _anthropic_answer(result: JsonObject) -> JsonObject | None:
    """Returns the message of a line of Anthropic's; None where the request failed, which costs nothing."""
    if result.get("type") in ("errored", "canceled", "expired"):
        return None
    message = _part(result, "message")
    if not anthropic.recognise(message):
        raise unpriced_batch()
    return message


def _asked_tier(*owners: JsonObject) -> str | None:
    """Returns the service tier that the first of them asks for; None where none does."""
    return read_tier(next(filter(None, (owner.get("service_tier") for owner in owners)), None), "service_tier")


def reader_of(response: JsonObject) -> PayloadReader:
    """Returns the reader of a response's API; without a sign, that of the Responses API."""
    kind = response.get("object")
    if isinstance(kind, str) and kind in chat.FORMAT.objects:
        return chat.READER
    for recognises, reader in _VENDORS:
        if kind not in responses.FORMAT.objects and recognises(response):
            return reader
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
    find = _batch_answer if is_batch_line(obj) else _response
    response: JsonObject = salvaged({"response": lambda: find(obj)}).get("response", {})
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
