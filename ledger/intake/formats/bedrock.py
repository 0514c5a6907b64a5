"""Responses of Amazon Bedrock's Converse and ConverseStream, as the AWS SDKs return them.

Cached tokens are outside of `inputTokens`; thinking is inside `outputTokens`. All input is inputTokens +
cacheReadInputTokens + cacheWriteInputTokens (Bedrock user guide, Prompt caching: inputTokens "represents only the
non-cached input tokens"), totalTokens is that and outputTokens, and thinking has no count of its own (API reference,
TokenUsage). Id and time are in the SDK's `ResponseMetadata`. No response names its model, so the envelope's request
(`modelId`) or the caller does. A stream's usage is in its `metadata` event, in the list `stream` of the response.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ledger.intake.fields.http_dates import from_http
from ledger.intake.fields.kinds import Calls, holds_counts, objects_in
from ledger.intake.fields.record import JsonObject
from ledger.intake.fields.usage import leaves, unknown_usage
from ledger.intake.fields.vendor_usage import Counts, VendorUsage, cache_writes, tokens_of
from ledger.intake.formats.captures import no_end
from ledger.intake.formats.format import Format
from ledger.intake.formats.payloads import PayloadReader
from pricing.usage import TokenUsage, check_total

_WRITTEN = ("cacheWriteInputTokens", "cacheDetails.5m", "cacheDetails.1h")
# Beside the usage there and in a stream's last event: how the request was served.
_SERVED = ("usage", "serviceTier", "performanceConfig", "trace")


def _together(counts: Counts) -> TokenUsage:
    tokens = tokens_of(
        uncached=counts["inputTokens"],
        cached=counts["cacheReadInputTokens"],
        output=counts["outputTokens"],
        **cache_writes(counts, *_WRITTEN),
    )
    if "totalTokens" in counts:
        check_total(counts["totalTokens"], tokens)
    return tokens


def _parts(usage: Mapping[str, Any]) -> Iterator[tuple[str, object]]:
    """Yields the counts; those of `cacheDetails` by how long the cache lasts."""
    for path, value in leaves(usage):
        if path == "cacheDetails" and isinstance(value, list):
            for part in value:
                yield (f"{path}.{part.get('ttl')}", part.get("inputTokens")) if isinstance(part, dict) else (path, part)
        else:
            yield path, value


def _name(path: str) -> str:
    """Returns the SDK's name of a count: the service says cached ones twice, also as cacheReadInputTokenCount."""
    return path.removesuffix("Count") + "s" if path.endswith("InputTokenCount") else path


def _plain(obj: JsonObject) -> JsonObject:
    """Returns a response with its id, time and model where other APIs have them, and what a stream's end states."""
    if isinstance(obj.get("stream"), list):
        end = _end_of(obj["stream"])
        obj = obj | {name: end.get(name) for name in _SERVED}
    sent, trace = _object(obj, "ResponseMetadata"), _object(obj, "trace")
    routed_to = _object(trace, "promptRouter").get("invokedModelId")
    return obj | {
        "id": sent.get("RequestId"),
        "model": routed_to.rpartition("/")[2] if isinstance(routed_to, str) else obj.get("modelId"),
        "occurred_at": obj.get("occurred_at") or from_http(_object(sent, "HTTPHeaders").get("date")),
        "service_tier": _object(obj, "serviceTier").get("type"),
    }


def _end_of(events: object) -> JsonObject:
    """Returns what a stream's last metadata event says, empty where there is none."""
    return next((_object(event, "metadata") for event in reversed(objects_in(events)) if event.get("metadata")), {})


def _check(obj: JsonObject) -> None:
    """Refuses a stream without its end, and a latency that has a price of its own."""
    if isinstance(obj.get("stream"), list) and not _end_of(obj["stream"]):
        raise no_end()
    latency = _object(obj, "performanceConfig").get("latency")
    if latency not in (None, "standard"):
        raise unknown_usage("performanceConfig.latency", latency)


def _object(obj: JsonObject, name: str) -> JsonObject:
    found = obj.get(name)
    return found if isinstance(found, dict) else {}


def _calls(obj: JsonObject) -> Calls:
    """Counts what Bedrock ran and bills apart: tools of its own, and a guardrail."""
    blocks = objects_in(_object(_object(obj, "output"), "message").get("content"))
    started = [_object(_object(event, "contentBlockStart"), "start") for event in objects_in(obj.get("stream"))]
    used = [_object(block, "toolUse").get("type") for block in (*blocks, *started)]
    tools = used.count("server_tool_use")
    return Calls(tools + int(holds_counts(_object(_object(obj, "trace"), "guardrail"))), 0)


READER = PayloadReader(
    objects=(),
    time_key="occurred_at",
    usage=VendorUsage(
        "usage.",
        frozenset({"inputTokens", "outputTokens", "totalTokens", "cacheReadInputTokens", *_WRITTEN}),
        needed=("inputTokens", "outputTokens"),
        together=_together,
        name_of=_name,
        parts=_parts,
    ),
    has_status=False,
    plain=_plain,
    check=_check,
    calls=_calls,
    model_key="modelId",
    id_name="ResponseMetadata.RequestId",
    undated="ResponseMetadata.HTTPHeaders.date is missing",
)


def recognise(obj: JsonObject) -> bool:
    """Tells whether an object is a response of either, or its usage is named as theirs."""
    usage = obj.get("usage")
    if isinstance(usage, dict) and "inputTokens" in usage and "outputTokens" in usage:
        return True
    return ("stopReason" in obj and "output" in obj) or ("ResponseMetadata" in obj and "stream" in obj)


FORMAT = Format("bedrock", recognise, READER.parse, reader=READER)
