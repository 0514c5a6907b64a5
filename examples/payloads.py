"""The shapes in which gateways, SDKs and collectors write down one request."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from examples.workload import BY_PROJECT, CACHE_DAYS, DAY, Request


def dumps(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def response_usage(one: Request) -> dict[str, Any]:
    return {
        "input_tokens": one.input,
        "input_tokens_details": {"cached_tokens": one.cached},
        "output_tokens": one.output,
        "output_tokens_details": {"reasoning_tokens": one.reasoning},
        "total_tokens": one.input + one.output,
    }


def response_output(one: Request) -> list[dict[str, Any]]:
    summary = {"text": "Looks at what was asked.", "type": "summary_text"}
    thought = {"id": f"rs_{one.key[:12]}", "type": "reasoning", "summary": [summary], "status": "completed"}
    text = {"type": "output_text", "text": f"Sample answer {one.key[:6]}.", "annotations": []}
    message = {
        "id": f"msg_{one.key[:12]}",
        "type": "message",
        "role": "assistant",
        "content": [text],
        "status": one.status,
    }
    return [thought, message] if one.reasoning else [message]


def metadata(one: Request) -> dict[str, str]:
    team = BY_PROJECT[one.project].team
    return {"project": one.project, "team": team, "feature": one.feature, "env": "prod", "trace": one.key[:8]}


def response_id(one: Request) -> str:
    return f"resp_02{one.at}{one.key}"


def response(one: Request, *, with_metadata: bool = True) -> dict[str, Any]:
    failed = one.status in ("failed", "in_progress")
    answer: dict[str, Any] = {
        "id": response_id(one),
        "object": "response",
        "created_at": one.at,
        "model": one.reported,
        "status": one.status,
        "output": [] if failed else response_output(one),
        "service_tier": "default",
        "usage": None if failed and not one.input else response_usage(one),
        "max_output_tokens": 32_768,
        "caching": {"type": "enabled" if one.cached else "disabled"},
        "store": True,
        "expire_at": one.at + CACHE_DAYS * DAY,
        "error": {"code": "server_error", "message": "The server had an error."} if one.status == "failed" else {},
    }
    if one.status == "incomplete":
        answer["incomplete_details"] = {"reason": "max_output_tokens"}
    return answer | ({"metadata": metadata(one)} if with_metadata else {})


def response_events(one: Request) -> Iterator[tuple[str, dict[str, Any]]]:
    """The events of one stream, in order; only the last one carries usage."""
    started = response(one) | {"status": "in_progress", "output": [], "usage": None}
    yield "response.created", {"type": "response.created", "response": started, "sequence_number": 0}
    item = response_output(one)[-1]
    for number, piece in enumerate(("Sample ", "answer."), start=1):
        delta = {"item_id": item["id"], "output_index": 0, "content_index": 0, "delta": piece}
        kind = "response.output_text.delta"
        yield kind, {"type": kind, **delta, "sequence_number": number}
    last = f"response.{one.status}"
    yield last, {"type": last, "response": response(one), "sequence_number": 3}


# --- Chat Completions -----------------------------------------------------------------------------------------------


def chat_usage(one: Request) -> dict[str, Any]:
    return {
        "prompt_tokens": one.input,
        "completion_tokens": one.output,
        "total_tokens": one.input + one.output,
        "prompt_tokens_details": {"cached_tokens": one.cached},
        "completion_tokens_details": {"reasoning_tokens": one.reasoning},
    }


def chat_head(one: Request, kind: str) -> dict[str, Any]:
    return {"id": f"chatcmpl-02{one.at}{one.key}", "object": kind, "created": one.at, "model": one.reported}


def chat(one: Request, *, with_metadata: bool = True) -> dict[str, Any]:
    message = {"role": "assistant", "content": f"Sample answer {one.key[:6]}."}
    finish = "length" if one.status == "incomplete" else "stop"
    choice = {"index": 0, "message": message, "finish_reason": finish, "logprobs": None}
    answer = {**chat_head(one, "chat.completion"), "choices": [choice], "usage": chat_usage(one)}
    return answer | {"service_tier": "default"} | ({"metadata": metadata(one)} if with_metadata else {})


def chat_chunks(one: Request, *, cumulative: bool) -> Iterator[dict[str, Any]]:
    """The chunks of one stream; with `cumulative` each repeats the counts so far: only the last one is right."""
    head = chat_head(one, "chat.completion.chunk")
    for number, piece in enumerate(("Sample ", "answer."), start=1):
        so_far = chat_usage(one) | {"completion_tokens": number, "total_tokens": one.input + number}
        so_far["completion_tokens_details"] = {"reasoning_tokens": 0}
        choice = {"index": 0, "delta": {"content": piece}, "finish_reason": None}
        yield {**head, "choices": [choice], "usage": so_far if cumulative else None}
    yield {**head, "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}], "usage": None}
    yield {**head, "choices": [], "usage": chat_usage(one)}


# --- envelopes, records, spans --------------------------------------------------------------------------------------


def envelope(rng: random.Random, one: Request) -> dict[str, Any]:
    """Request and response side by side; the project stands in one of three places."""
    place = rng.choice(("envelope", "request", "response"))
    asked: dict[str, Any] = {"model": one.model}
    if rng.random() < 0.5:
        asked["input"] = "Sample question."
        answer = response(one, with_metadata=place == "response")
    else:
        asked["messages"] = [{"role": "user", "content": "Sample question."}]
        answer = chat(one, with_metadata=place == "response")
    if place == "request":
        asked["metadata"] = metadata(one)
    line: dict[str, Any] = {"request": asked, "response": answer}
    if place == "envelope":
        line |= {"project": one.project, "tags": {"team": BY_PROJECT[one.project].team, "env": "prod"}}
    return line


def iso(second: int) -> str:
    return datetime.fromtimestamp(second, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def record(one: Request) -> dict[str, Any]:
    tags = {"team": BY_PROJECT[one.project].team, "feature": one.feature}
    return {
        "request_id": f"batch-{one.key}",
        "occurred_at": iso(one.at),
        "requested_model": one.model,
        "reported_model": one.reported,
        "project": one.project,
        "status": one.status,
        "service_tier": "default",
        "input_tokens": one.input,
        "cached_input_tokens": one.cached,
        "output_tokens": one.output,
        "reasoning_tokens": one.reasoning,
        "tags": json.dumps(tags),
    }


def storage_record(rng: random.Random, one: Request) -> dict[str, Any]:
    """A cached prefix kept for a while: charged by the UTC clock hours it touches."""
    end = one.at + rng.choice((600, 3_600, 5_400, 6 * 3_600, DAY))
    return {
        "kind": "cache_storage",
        "request_id": f"cache-{one.key}",
        "occurred_at": iso(one.at),
        "requested_model": one.model,
        "project": one.project,
        "status": "completed",
        "tags": {"team": BY_PROJECT[one.project].team},
        "tokens": one.input,
        "start": iso(one.at),
        "end": iso(end),
    }


def attribute(key: str, value: str | int) -> dict[str, Any]:
    """An OTLP attribute: JSON writes 64-bit integers as strings."""
    return {"key": key, "value": {"intValue": str(value)} if isinstance(value, int) else {"stringValue": value}}


def span(one: Request, name: str, attributes: list[dict[str, Any]]) -> dict[str, Any]:
    started = one.at * 1_000_000_000
    return {
        "traceId": one.key[:16] * 2,
        "spanId": one.key[:16],
        "name": name,
        "kind": 3,
        "startTimeUnixNano": str(started),
        "endTimeUnixNano": str(started + 800_000_000),
        "attributes": attributes,
        "status": {},
    }


def chat_span(one: Request) -> dict[str, Any]:
    facts: dict[str, str | int] = {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "openai",
        "gen_ai.request.model": one.model,
        "gen_ai.response.model": one.reported,
        "gen_ai.response.id": f"chatcmpl-02{one.at}{one.key}",
        "gen_ai.usage.input_tokens": one.input,
        "gen_ai.usage.cache_read.input_tokens": one.cached,
        "gen_ai.usage.output_tokens": one.output,
        "gen_ai.usage.reasoning.output_tokens": one.reasoning,
    }
    return span(one, f"chat {one.model}", [attribute(key, value) for key, value in facts.items()])


def tool_span(one: Request) -> dict[str, Any]:
    """A span that is no model call; the ledger doesn't read it."""
    return span(one, "execute_tool lookup", [attribute("gen_ai.operation.name", "execute_tool")])


def otlp_lines(requests: list[Request]) -> Iterator[dict[str, Any]]:
    """What a collector's file exporter writes: one export request a line, spans grouped by service."""
    for start in range(0, len(requests), 10):
        resources = []
        chosen = requests[start : start + 10]
        for project in sorted({one.project for one in chosen}):
            own = [one for one in chosen if one.project == project]
            spans = [chat_span(one) for one in own] + [tool_span(own[0])]
            scope = {"scope": {"name": "openai-instrumentation", "version": "1.0"}, "spans": spans}
            resource = {"attributes": [attribute("service.name", project)]}
            resources.append({"resource": resource, "scopeSpans": [scope]})
        yield {"resourceSpans": resources}
