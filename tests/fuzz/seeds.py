"""Payloads before any damage, with counts at the edges of tiers and a secret in each place for content."""

from __future__ import annotations

import copy
import csv
import io
import json
import random
from collections.abc import Callable
from typing import Any

from tests.fuzz.mutations import MARK, SECRETS
from tests.helpers.sources import AT, chat, record, response
from tests.intake.test_anthropic import MESSAGE, message
from tests.intake.test_bedrock import METADATA, converse
from tests.intake.test_gemini import generated
from tests.intake.test_litellm import row as spend_row
from tests.intake.test_otel import attributes, export, span
from tests.intake.test_sse import chunk, delta, ended, started

SAID = f"{MARK} said this"
EDGES = (0, 1, 88, 31_999, 32_000, 32_001, 127_999, 128_000, 128_001, 255_999, 256_000)
MODELS = ("pro", "code", "lite", "mini")
CSV_COLUMNS = (
    "request_id", "occurred_at", "requested_model", "input_tokens", "cached_input_tokens", "output_tokens",
    "reasoning_tokens", "kind", "tokens", "start", "end", "status", "service_tier", "provider_amount", "tags",
    "tag.team",
)  # fmt: skip


def _counts(chance: random.Random) -> tuple[int, int, int, int]:
    """Input, cached, output, reasoning: never zeros alone."""
    whole = chance.choice(EDGES)
    out = chance.choice([1, 230, 127_999, 128_000])
    return whole, chance.choice([0, whole, whole // 2]), out, chance.choice([0, out, out // 3])


def _usage(chance: random.Random, inward: str, outward: str) -> dict[str, Any]:
    tokens, cached, out, reasoning = _counts(chance)
    return {
        inward: tokens,
        outward: out,
        "total_tokens": tokens + out,
        f"{inward}_details": {"cached_tokens": cached},
        f"{outward}_details": {"reasoning_tokens": reasoning},
    }


def _reported(chance: random.Random) -> str:
    return f"doubao-seed-2-0-{chance.choice(MODELS)}-260215"


def _asked(chance: random.Random) -> str:
    return f"doubao-seed-2.0-{chance.choice(MODELS)}"


def responses(chance: random.Random, name: str) -> dict[str, Any]:
    return response(
        name,
        model=_reported(chance),
        created_at=AT + chance.randrange(10**7),
        usage=_usage(chance, "input_tokens", "output_tokens"),
        output=[{"type": "message", "content": [{"text": SAID}]}],
        instructions=SAID,
        metadata={"team": "a", "secret": SAID},
        text={"format": {"type": "text"}},
    )


def chats(chance: random.Random, name: str) -> dict[str, Any]:
    choice = {"index": 0, "message": {"role": "assistant", "content": SAID}, "finish_reason": "stop"}
    return chat(
        name, model=_asked(chance), usage=_usage(chance, "prompt_tokens", "completion_tokens"), choices=[choice]
    )


def envelopes(chance: random.Random, name: str) -> dict[str, Any]:
    make = chance.choice([responses, chats])
    request = {"model": _asked(chance), "input": SAID, "messages": [{"content": SAID}], "metadata": {"env": "b"}}
    times = {"occurred_at": "2026-02-19T07:37:54Z"} if chance.random() < 0.5 else {}
    return {"request": request, "response": make(chance, name), "project": "p", "tags": {"k": "v"}} | times


def records(chance: random.Random, name: str) -> dict[str, Any]:
    if chance.random() < 0.2:
        storage = {"tokens": chance.choice(EDGES), "start": "2026-03-01T10:59:59Z", "end": "2026-03-01T12:00:01+00:00"}
        return {"kind": "cache_storage", "request_id": name, "requested_model": _asked(chance)} | storage
    tokens, cached, out, reasoning = _counts(chance)
    counts = {"cached_input_tokens": cached, "output_tokens": out, "reasoning_tokens": reasoning}
    return record(
        name, requested_model=_asked(chance), input_tokens=tokens, **counts, tags={"team": "a"}, status="completed",
        provider_amount="0.5",
    )  # fmt: skip


def litellm(chance: random.Random, name: str) -> dict[str, Any]:
    tokens, cached, out, reasoning = _counts(chance)
    stated = {
        "prompt_tokens_details": {"cached_tokens": cached},
        "completion_tokens_details": {"reasoning_tokens": reasoning},
    }
    counts = {"prompt_tokens": tokens, "completion_tokens": out, "total_tokens": tokens + out}
    contents = {"messages": SAID, "response": SAID, "proxy_server_request": {"body": SAID}, "api_key": SAID}
    return copy.deepcopy(
        spend_row(
            {"additional_usage_values": stated}, request_id=name, model=f"openai/{_asked(chance)}", model_group=None,
            **counts, **contents,
        )
    )  # fmt: skip


def otel(chance: random.Random, name: str) -> dict[str, Any]:
    tokens, cached, out, _reasoning = _counts(chance)
    usage: dict[str, Any] = {"input_tokens": tokens, "output_tokens": out, "cache_read.input_tokens": cached}
    named = {f"gen_ai.usage.{key}": value for key, value in usage.items()}
    asked = {"gen_ai.response.id": name, "gen_ai.request.model": _asked(chance), "gen_ai.prompt": SAID}
    return export(span(named | asked, events=[{"attributes": attributes({"content": SAID})}]))


def messages(chance: random.Random, name: str) -> dict[str, Any]:
    tokens, cached, out, reasoning = _counts(chance)
    counted = {"input_tokens": tokens - cached, "cache_read_input_tokens": cached, "output_tokens": out}
    return message(
        id=name, model=_reported(chance), occurred_at=AT, content=[{"type": "text", "text": SAID}],
        usage=copy.deepcopy(MESSAGE["usage"]) | counted | {"output_tokens_details": {"thinking_tokens": reasoning}},
    )  # fmt: skip


def gemini(chance: random.Random, name: str) -> dict[str, Any]:
    tokens, cached, out, reasoning = _counts(chance)
    read_by_tools = chance.choice([0, (tokens - cached) // 2])
    usage = {
        "promptTokenCount": tokens - read_by_tools, "toolUsePromptTokenCount": read_by_tools,
        "cachedContentTokenCount": cached, "candidatesTokenCount": out - reasoning, "thoughtsTokenCount": reasoning,
        "totalTokenCount": tokens + out, "trafficType": "ON_DEMAND",
    }  # fmt: skip
    answer = {"content": {"parts": [{"text": SAID}]}, "finishReason": "STOP", "index": 0}
    return generated(responseId=name, modelVersion=_reported(chance), candidates=[answer], usageMetadata=usage)


def bedrock(chance: random.Random, name: str) -> dict[str, Any]:
    tokens, cached, out, _reasoning = _counts(chance)
    usage = {"inputTokens": tokens - cached, "cacheReadInputTokens": cached, "outputTokens": out}
    said = {"message": {"role": "assistant", "content": [{"text": SAID}]}}
    made = converse(modelId=_asked(chance), output=said, usage=usage | {"totalTokens": tokens + out})
    return made | {"ResponseMetadata": METADATA | {"RequestId": name}}


def responses_stream(chance: random.Random, name: str) -> list[Any]:
    whole = responses(chance, name)
    return [started(name), delta(SAID), ended(**whole | {"request_id": name, "kind": "completed"})]


def chat_stream(chance: random.Random, name: str) -> list[Any]:
    model, usage = _asked(chance), _usage(chance, "prompt_tokens", "completion_tokens")
    return [
        chunk(name, SAID, model=model),
        chunk(name, None, "stop", model=model),
        chunk(name, model=model, choices=[], usage=usage),
        "[DONE]",
    ]


OBJECTS: dict[str, Callable[[random.Random, str], dict[str, Any]]] = {
    "responses": responses, "chat": chats, "envelope": envelopes, "records": records, "litellm": litellm, "otel": otel,
    "anthropic": messages, "gemini": gemini, "bedrock": bedrock,
}  # fmt: skip


def hide_in_span(chance: random.Random, exported: dict[str, Any]) -> None:
    """Puts a secret where a span's attribute counts tokens, or its name belongs."""
    [found] = exported["resourceSpans"][0]["scopeSpans"][0]["spans"]
    secret = chance.choice([each for each in SECRETS if isinstance(each, str)])
    counted = [each for each in found["attributes"] if each["key"].startswith("gen_ai.usage.")]
    entry = chance.choice(counted)
    if chance.random() < 0.7:
        entry["value"] = {"stringValue": secret}
    else:
        entry["key"] = f"gen_ai.usage.{secret}"


def csv_row(obj: dict[str, Any]) -> list[str]:
    """The record's cells, in the order of CSV_COLUMNS."""
    cells = [obj.get(name, "") for name in CSV_COLUMNS]
    return [json.dumps(cell) if isinstance(cell, dict) else str(cell) for cell in cells]


def csv_text(cells: list[str] | tuple[str, ...]) -> str:
    written = io.StringIO()
    csv.writer(written, lineterminator="").writerow(cells)
    return written.getvalue()
