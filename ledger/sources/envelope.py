"""An envelope: {"request": ..., "response": ..., "project": ..., "tags": ..., "occurred_at": ...}.

The response may be of either API. The request gives the requested model and its metadata alone; `project`, `tags` and
`occurred_at` come before what the response says. Other keys are passed over.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from ledger.records import Parsed, RecordError, UsageRecord
from ledger.sources import chat, responses
from ledger.sources.base import Format, JsonObject
from ledger.sources.payloads import PayloadReader
from ledger.sources.refusals import guarded, salvaged
from ledger.sources.times import iso_text, read_time
from ledger.sources.values import read_metadata, read_tags, read_text


def recognise(obj: JsonObject) -> bool:
    """Whether an object holds a response, or a request to one."""
    return isinstance(obj.get("response"), dict) or ("request" in obj and ("response" in obj or "error" in obj))


def parse(obj: JsonObject) -> tuple[Parsed]:
    """The one request an envelope states; never raises."""
    return guarded(_read, obj, _salvage)


def _read(obj: JsonObject) -> Parsed:
    request, response = _part(obj, "request"), _part(obj, "response")
    project = read_text(obj.get("project"), "project")
    tags = read_tags(obj.get("tags"), "tags")
    requested_model = read_text(request.get("model"), "request.model")
    found = reader_of(response).read(_dated(obj, response))
    if not isinstance(found, UsageRecord):
        return found
    return replace(
        found,
        requested_model=requested_model,
        project=project,
        tags=tags,
        request_metadata=read_metadata(request.get("metadata")),
    )


def reader_of(response: JsonObject) -> PayloadReader:
    """The reader of the API that a response is of; one that shows neither is read as a Responses object."""
    kind = response.get("object")
    if isinstance(kind, str) and kind in chat.FORMAT.objects:
        return chat.READER
    if kind not in responses.FORMAT.objects and chat.recognise(response):
        return chat.READER
    return responses.READER


def _part(obj: JsonObject, name: str) -> JsonObject:
    part = obj.get(name)
    if part is None:
        return {}
    if not isinstance(part, dict):
        # Not the value: it may be the prompt or the answer itself.
        message = f"{name} is no object: give the {name} as JSON; correct the record"
        raise RecordError("not_an_object", message)
    return part


def _dated(obj: JsonObject, response: JsonObject) -> JsonObject:
    """The response at the envelope's time, where that has one."""
    occurred_at = obj.get("occurred_at")
    if occurred_at is None:
        return response
    seconds = read_time(occurred_at, "occurred_at")
    return response | {reader_of(response).time_key: iso_text(seconds)}


def _salvage(obj: JsonObject) -> dict[str, Any]:
    request, response = (part if isinstance(part, dict) else {} for part in (obj.get("request"), obj.get("response")))
    fields = reader_of(response).salvage(response)
    metadata = read_metadata(request.get("metadata"))
    asked = salvaged({"project": lambda: read_text(metadata.get("project"), "project")})
    own = salvaged(
        {
            "occurred_at": lambda: _time_text(obj.get("occurred_at")),
            "requested_model": lambda: read_text(request.get("model"), "request.model"),
            "project": lambda: read_text(obj.get("project"), "project"),
            "tags": lambda: read_tags(obj.get("tags"), "tags"),
        }
    )
    return asked | fields | own


def _time_text(occurred_at: object) -> str | None:
    return None if occurred_at is None else iso_text(read_time(occurred_at, "occurred_at"))


FORMAT = Format("envelope", recognise, parse)
