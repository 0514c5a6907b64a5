"""The rows that payloads of each format may become: generous where a spelling may be read or refused."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from tests.fuzz.oracle import (
    STORAGE,
    Counts,
    Row,
    has_count,
    is_count,
    is_usage_name,
    leaves,
    model_of,
    nano,
    read_usage,
    row,
    tier_is_priced,
    time_of,
)
from tests.fuzz.vendor_readings import HITS, read_anthropic, read_bedrock, read_gemini

RECORD_FIELDS = {
    "provider", "source", "kind", "request_id", "occurred_at", "requested_model", "reported_model", "project", "status",
    "service_tier", "input_tokens", "cached_input_tokens", "output_tokens", "reasoning_tokens", "tags", "tokens",
    "start", "end", "provider_amount", "tool_calls",
}  # fmt: skip
TERMINAL = ("response.completed", "response.incomplete", "response.failed", "response.cancelled", "response.done")


def read_api(
    obj: Mapping[str, Any], kinds: tuple[str, ...], time: object, *, asked: object = None, has_status: bool = True
) -> Iterator[Row]:
    """A Responses or Chat Completions object."""
    names = [obj.get("object"), obj.get("type")]
    hidden = obj.get("_hidden_params")
    hits = [obj.get("cache_hit"), hidden.get("cache_hit") if isinstance(hidden, dict) else None]
    other_usage = any(is_usage_name(key) and has_count(value) for key, value in obj.items())
    calls = (
        [item.get("type") for item in obj.get("output") or [] if isinstance(item, dict)]
        if isinstance(obj.get("output"), list)
        else []
    )
    billed = any(str(kind).endswith("_call") and kind not in ("function_call", "custom_tool_call") for kind in calls)
    named = any(isinstance(name, str) and name and name not in kinds for name in names)
    usage = obj.get("usage")
    if named or other_usage or billed or any(hit in HITS for hit in hits) or not isinstance(usage, dict | None):
        return
    status = (obj.get("status") or "completed") if has_status else "completed"
    counts = read_usage(list(leaves(usage or {})), str(status))
    if time_of(time) is None or (counts is not None and not tier_is_priced(obj.get("service_tier"))):
        return
    yield from row(obj.get("id"), status, counts, model_of(asked, obj.get("model")))


def read_responses(obj: Mapping[str, Any]) -> Iterator[Row]:
    yield from read_api(obj, ("response",), obj.get("created_at"))


def read_chat(obj: Mapping[str, Any]) -> Iterator[Row]:
    yield from read_api(obj, ("chat.completion", "text_completion"), obj.get("created"), has_status=False)


def read_envelope(obj: Mapping[str, Any]) -> Iterator[Row]:
    parts = [obj.get(name) for name in ("request", "response")]
    request, response = (part if isinstance(part, dict) else {} for part in parts)
    named = any(isinstance(obj.get(name), str) and obj.get(name) for name in ("object", "type"))
    beside = has_count(obj.get("usage")) and obj.get("usage") != response.get("usage")
    other_usage = any(is_usage_name(key) and has_count(value) for key, value in obj.items())
    hit = obj.get("cache_hit") in HITS
    asked_tiers = () if response.get("service_tier") else (request.get("service_tier"), obj.get("service_tier"))
    if named or beside or other_usage or hit or "custom_id" in obj or not tier_is_priced(*asked_tiers):
        return
    for kinds, key, has_status in (
        (("response",), "created_at", True), (("chat.completion", "text_completion"), "created", False),
    ):  # fmt: skip
        time = obj["occurred_at"] if obj.get("occurred_at") is not None else response.get(key)
        yield from read_api(response, kinds, time, asked=request.get("model"), has_status=has_status)


def read_records(obj: Mapping[str, Any]) -> Iterator[Row]:
    if not obj.keys() <= RECORD_FIELDS or obj.get("provider") not in (None, "", "evolink"):
        return
    names = ("input_tokens", "cached_input_tokens", "output_tokens", "reasoning_tokens")
    values = [obj.get(name) for name in names]
    status = obj["status"] if obj.get("status") is not None else "completed"
    model = model_of(obj.get("requested_model"), obj.get("reported_model"))
    if any(value is not None and not is_count(value) for value in (*values, obj.get("tool_calls"))):
        return
    if obj.get("kind") == "cache_storage":
        if not any(values) and not obj.get("tool_calls"):
            yield from storage(obj, model, status)
        return
    extra = any(obj.get(name) is not None for name in ("tokens", "start", "end"))
    complete = status in ("completed", "incomplete")
    if (
        obj.get("kind") not in (None, "request")
        or extra
        or obj.get("tool_calls")
        or time_of(obj.get("occurred_at")) is None
    ):
        return
    if complete and (values[0] is None or values[2] is None):
        return
    counts = Counts(*(value or 0 for value in values))
    used = None if not complete and all(value is None for value in values) else counts
    if used is not None and not tier_is_priced(obj.get("service_tier")):
        return
    if counts.cached <= counts.input and counts.reasoning <= counts.output:
        yield from row(obj.get("request_id"), status, used, model)


def storage(obj: Mapping[str, Any], model: str | None, status: object) -> Iterator[Row]:
    """Tokens x rate x clock hours touched by [start, end)."""
    start, end, tokens = time_of(obj.get("start")), time_of(obj.get("end")), obj.get("tokens")
    if start is None or end is None or end <= start or not is_count(tokens) or model is None:
        return
    assert isinstance(tokens, int)
    hours = -(-int(end.timestamp()) // 3600) - int(start.timestamp()) // 3600
    for made in row(obj.get("request_id"), status, None, model):
        yield made._replace(storage_tokens=tokens, amount_nano=nano(tokens * STORAGE * hours))


def read_litellm(obj: Mapping[str, Any]) -> Iterator[Row]:
    metadata = obj.get("metadata")
    if isinstance(metadata, str):
        try:
            metadata = json.loads(metadata)
        except ValueError:
            return
    metadata = metadata if isinstance(metadata, dict) else {}
    stated = [
        metadata[name] for name in ("usage_object", "additional_usage_values") if isinstance(metadata.get(name), dict)
    ]
    named = list(leaves({name: obj.get(name) for name in ("prompt_tokens", "completion_tokens", "total_tokens")}))
    for part in stated:
        named += leaves(part)
    status = {"success": "completed", "failure": "failed", "": "completed"}.get(
        str(obj.get("status") or metadata.get("status") or ""), ""
    )
    call = obj.get("call_type")
    unpriced = call not in (None, "", "acompletion", "completion") or metadata.get("batch_models")
    if (
        unpriced
        or obj.get("cache_hit") in HITS
        or time_of(obj.get("startTime")) is None
        or (obj.get("prompt_tokens") and not stated)
    ):
        return
    provider, model = obj.get("custom_llm_provider"), obj.get("model")
    if isinstance(model, str):
        model = model.removeprefix(f"{provider or model.partition('/')[0]}/")
    yield from row(obj.get("request_id"), status, read_usage(named, status), model_of(model, obj.get("model_group")))


def read_otel(obj: Mapping[str, Any]) -> Iterator[Row]:
    for span in (
        each for each in walk(obj) if isinstance(each.get("attributes"), list) and "startTimeUnixNano" in each
    ):
        held: dict[str, Any] = {}
        doubled = False
        for entry in span["attributes"]:
            if isinstance(entry, dict) and isinstance(entry.get("key"), str) and isinstance(entry.get("value"), dict):
                value = plain(entry["value"])
                doubled |= held.setdefault(entry["key"], value) != value
        nanoseconds = whole(span.get("startTimeUnixNano"))
        code = span["status"].get("code") if isinstance(span.get("status"), dict) else None
        status = "failed" if code in (2, "STATUS_CODE_ERROR") else "completed"
        usage = [
            (key.removeprefix("gen_ai.usage."), whole(value))
            for key, value in held.items()
            if key.startswith("gen_ai.usage.")
        ]
        tiers = [value for key, value in held.items() if key.endswith("service_tier")]
        counts = read_usage(usage, status)
        named = held.get("gen_ai.operation.name") in (None, "", "chat", "text_completion", "generate_content")
        if doubled or not named or type(nanoseconds) is not int or time_of(nanoseconds // 10**9) is None:
            continue
        if counts is None or tier_is_priced(*tiers):
            model = model_of(held.get("gen_ai.request.model"), held.get("gen_ai.response.model"))
            yield from row(held.get("gen_ai.response.id"), status, counts, model)


def plain(value: Mapping[str, Any]) -> object:
    for kind in ("stringValue", "boolValue", "doubleValue"):
        if kind in value:
            return value[kind]
    return whole(value.get("intValue"))


def whole(value: object) -> object:
    return int(value) if isinstance(value, str) and re.fullmatch(r"-?[0-9]{1,40}", value) else value


def walk(value: object) -> Iterator[dict[str, Any]]:
    if isinstance(value, dict):
        yield value
    for inner in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from walk(inner)


def read_events(events: list[Mapping[str, Any]]) -> Iterator[Row]:
    """The rows that any end of a stream may become: a response whole, or any one usage of the chunks."""
    for event in events:
        response = event.get("response")
        if event.get("type") in TERMINAL and isinstance(response, dict):
            ending = str(event["type"]).removeprefix("response.").replace("done", "completed")
            yield from read_responses({"status": ending} | response)
    facts: list[dict[str, Any]] = [
        {key: event[key] for key in ("id", "created", "model", "usage", "service_tier") if key in event}
        for event in events
    ]
    ids, models = ([fact[key] for fact in facts if isinstance(fact.get(key), str)] for key in ("id", "model"))
    for fact in facts:
        if isinstance(fact.get("usage"), dict):
            for request_id in set(ids):
                for model in {*models}:
                    for time in (each.get("created") for each in facts):
                        yield from read_chat(fact | {"id": request_id, "model": model, "created": time})


READERS = {
    "anthropic": read_anthropic, "gemini": read_gemini, "bedrock": read_bedrock,
    "responses": read_responses, "chat": read_chat, "envelope": read_envelope, "records": read_records,
    "litellm": read_litellm, "otel": read_otel,
}  # fmt: skip
