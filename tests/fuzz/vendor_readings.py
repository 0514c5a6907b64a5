"""The rows that responses of other vendors may become: each name of a count is one of its list, or there is no row."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from tests.fuzz.oracle import (
    Counts,
    Row,
    has_count,
    is_count,
    is_usage_name,
    leaves,
    model_of,
    row,
    tier_is_priced,
    time_of,
)

HITS = (True, "true", "True", "TRUE", "HIT", "hit", 1)
# As its API calls the tier that every card is about, or as the contract does.
TIERS = ("standard", "default", "auto")


def named_counts(usage: object, names: tuple[str, ...], words: Mapping[str, tuple[str, ...]]) -> dict[str, int] | None:
    """The counts of these names alone; None where there is anything else in the usage."""
    found: dict[str, int] = {}
    for path, value in leaves(usage) if isinstance(usage, dict) else ():
        if value is None or value is False or value in ("", [], {}):
            continue
        if path in names:
            if not is_count(value):
                return None
            found[path] = value  # type: ignore[assignment]  # it is a count
        elif value not in (*words.get(path, ()), 0, 0.0):
            return None
    return found if isinstance(usage, dict) else None


def read_vendor(
    obj: Mapping[str, Any], usage_key: str, kinds: tuple[str, ...], names: Mapping[str, object], counts: Counts | None
) -> Iterator[Row]:
    """A response with id, time, model and counts as its vendor's reader found them."""
    hidden = obj.get("_hidden_params")
    hits = [obj.get("cache_hit"), hidden.get("cache_hit") if isinstance(hidden, dict) else None]
    others = any(key != usage_key and is_usage_name(key) and has_count(value) for key, value in obj.items())
    named = [name for name in (obj.get("object"), obj.get("type")) if isinstance(name, str) and name]
    time = next((each for each in (obj.get("occurred_at"), names["time"]) if each), None)
    if others or any(hit in HITS for hit in hits) or not set(named) <= set(kinds) or counts is None:
        return
    if time_of(time) is None or counts.input + counts.output == 0:
        return
    if counts.cached <= counts.input and counts.reasoning <= counts.output:
        yield from row(names["id"], "completed", counts, model_of(names["model"]))


def read_anthropic(obj: Mapping[str, Any]) -> Iterator[Row]:
    read, thinking = "cache_read_input_tokens", "output_tokens_details.thinking_tokens"
    words = {"service_tier": TIERS, "speed": ("standard",), "inference_geo": ("global",)}
    found = named_counts(obj.get("usage"), ("input_tokens", read, "output_tokens", thinking), words)
    if (
        found is None
        or not {"input_tokens", "output_tokens"} <= found.keys()
        or not tier_is_priced(obj.get("service_tier"))
    ):
        return
    if "stop_reason" in obj and obj["stop_reason"] is None:
        return
    cached = found.get(read, 0)
    counts = Counts(found["input_tokens"] + cached, cached, found["output_tokens"], found.get(thinking, 0))
    names = {"id": obj.get("id"), "time": None, "model": obj.get("model")}
    yield from read_vendor(obj, "usage", ("message",), names, counts)


def read_gemini(obj: Mapping[str, Any]) -> Iterator[Row]:
    whole = ("promptTokenCount", "cachedContentTokenCount", "candidatesTokenCount", "thoughtsTokenCount")
    names = (*whole, "toolUsePromptTokenCount", "totalTokenCount")
    words = {"trafficType": ("ON_DEMAND",), "serviceTier": TIERS, "service_tier": TIERS}
    found = named_counts(obj.get("usageMetadata"), names, words)
    candidates = obj.get("candidates")
    stopped = (
        [each.get("finishReason") for each in candidates or () if isinstance(each, dict)]
        if isinstance(candidates, list)
        else []
    )
    if (
        found is None
        or not all(stopped)
        or "promptTokenCount" not in found
        or not tier_is_priced(obj.get("service_tier"))
    ):
        return
    prompt, cached, answer, thoughts = (found.get(name, 0) for name in whole)
    counts = Counts(prompt + found.get("toolUsePromptTokenCount", 0), cached, answer + thoughts, thoughts)
    if cached <= prompt and found.get("totalTokenCount", counts.input + counts.output) == counts.input + counts.output:
        stated = {"id": obj.get("responseId"), "time": obj.get("createTime"), "model": obj.get("modelVersion")}
        yield from read_vendor(obj, "usageMetadata", (), stated, counts)


def read_bedrock(obj: Mapping[str, Any]) -> Iterator[Row]:
    names = ("inputTokens", "cacheReadInputTokens", "outputTokens", "totalTokens")
    found = named_counts(obj.get("usage"), names, {})
    sent = obj.get("ResponseMetadata")
    headers = sent.get("HTTPHeaders") if isinstance(sent, dict) else None
    if found is None or not {"inputTokens", "outputTokens"} <= found.keys() or not isinstance(sent, dict):
        return
    if obj.get("serviceTier") or obj.get("performanceConfig") or isinstance(obj.get("stream"), list):
        return
    cached = found.get("cacheReadInputTokens", 0)
    counts = Counts(found["inputTokens"] + cached, cached, found["outputTokens"], 0)
    date = headers.get("date") if isinstance(headers, dict) else None
    with contextlib.suppress(ValueError):
        date = datetime.strptime(str(date), "%a, %d %b %Y %H:%M:%S GMT").replace(tzinfo=UTC).isoformat()
    if found.get("totalTokens", counts.input + counts.output) == counts.input + counts.output:
        stated = {"id": sent.get("RequestId"), "time": date, "model": obj.get("modelId")}
        yield from read_vendor(obj, "usage", (), stated, counts)
