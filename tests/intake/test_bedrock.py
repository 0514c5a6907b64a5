"""Bedrock's Converse and ConverseStream, as boto3 returns them: the model comes from the request."""

from __future__ import annotations

from typing import Any

import pytest

from ledger.values.instants import iso_text
from tests.helpers.sources import counts, lines, only_record, only_rejection, parse_object, read, told

AT = "2026-03-04T05:06:07Z"
MODEL = "anthropic.claude-x-1-v1:0"
USAGE: dict[str, Any] = {
    "inputTokens": 40,
    "outputTokens": 30,
    "totalTokens": 130,
    "cacheReadInputTokens": 60,
    "cacheWriteInputTokens": 0,
}
METADATA: dict[str, Any] = {
    "RequestId": "7c5e-1",
    "HTTPStatusCode": 200,
    "HTTPHeaders": {"date": "Wed, 04 Mar 2026 05:06:07 GMT", "x-amzn-requestid": "7c5e-1"},
    "RetryAttempts": 0,
}
RESPONSE: dict[str, Any] = {
    "ResponseMetadata": METADATA,
    "output": {"message": {"role": "assistant", "content": [{"text": "hi"}]}},
    "stopReason": "end_turn",
    "usage": USAGE,
    "metrics": {"latencyMs": 551},
}
EVENTS: list[dict[str, Any]] = [
    {"messageStart": {"role": "assistant"}},
    {"contentBlockDelta": {"delta": {"text": "hi"}, "contentBlockIndex": 0}},
    {"contentBlockStop": {"contentBlockIndex": 0}},
    {"messageStop": {"stopReason": "end_turn"}},
    {"metadata": {"usage": USAGE, "metrics": {"latencyMs": 551}}},
]


def converse(**changes: Any) -> dict[str, Any]:
    whole = RESPONSE | {"usage": dict(USAGE)} | changes
    return {key: value for key, value in whole.items() if value is not ...}


def used(**changes: Any) -> dict[str, Any]:
    return converse(usage={key: value for key, value in (USAGE | changes).items() if value is not ...})


def asked(response: dict[str, Any], **changes: Any) -> dict[str, Any]:
    return {"request": {"modelId": MODEL, "messages": []}, "response": response} | changes


def test_a_response_has_the_sdks_id_and_time_and_the_requests_model() -> None:
    found = only_record(parse_object(asked(converse())))
    assert (found.request_id, iso_text(found.occurred_at_us), found.requested_model) == ("7c5e-1", AT, MODEL)
    assert counts(found) == (40 + 60, 60, 30, 0)
    assert found.reported_model is None
    assert only_record(parse_object(converse(modelId=MODEL))).reported_model == MODEL


def test_a_prompt_routers_choice_is_the_model() -> None:
    arn = "arn:aws:bedrock:us-east-1::foundation-model/anthropic.claude-x-1"
    found = only_record(parse_object(converse(trace={"promptRouter": {"invokedModelId": arn}})))
    assert found.reported_model == "anthropic.claude-x-1"


@pytest.mark.parametrize(
    ("changes", "reason", "said"),
    [
        ({"totalTokens": 70}, "total_mismatch", "70"),  # as if cached tokens were inside of the input
        ({"totalTokens": 131}, "total_mismatch", "131"),
        ({"cacheWriteInputTokens": 7, "totalTokens": 137}, "cache_write_tokens", "how long they stay"),
        (
            {"cacheWriteInputTokens": 7, "cacheDetails": [{"ttl": "5m", "inputTokens": 7}], "totalTokens": 130},
            "total_mismatch",
            "137",
        ),
        (
            {"cacheWriteInputTokens": 7, "cacheDetails": [{"ttl": "1h", "inputTokens": 3}]},
            "count_mismatch",
            "0 for 5 minutes and 3 for an hour are not the 7",
        ),
        ({"cacheDetails": [{"ttl": "1d", "inputTokens": 3}]}, "unknown_usage", "usage.cacheDetails.1d 3"),
        ({"cacheDetails": ["secret"]}, "unknown_usage", "usage.cacheDetails (a text"),
        ({"cacheReadInputTokenCount": 61}, "count_mismatch", "both 60 and 61"),
        ({"reasoningTokens": 5}, "unknown_usage", "usage.reasoningTokens 5"),
        ({"service_tier": "default"}, "unknown_usage", "usage.service_tier"),
    ],
)
def test_what_no_card_prices_and_what_contradicts_is_refused(changes: dict[str, Any], reason: str, said: str) -> None:
    for whole in (asked(used(**changes)), asked(streamed(usage=used(**changes)["usage"]))):
        found = only_rejection(parse_object(whole))
        assert (found.reason, said in found.message) == (reason, True), found.message


@pytest.mark.parametrize(
    ("details", "written"),
    [
        ({"cacheDetails": [{"ttl": "1h", "inputTokens": 3}, {"ttl": "5m", "inputTokens": 4}]}, (4, 3)),
        ({"cacheDetails": [{"ttl": "1h", "inputTokens": 7}]}, (0, 7)),
    ],
)
def test_tokens_written_to_the_cache_are_beside_the_input(details: dict[str, Any], written: tuple[int, int]) -> None:
    changes = {"cacheWriteInputTokens": 7, "totalTokens": 137} | details
    for whole in (asked(used(**changes)), asked(streamed(usage=used(**changes)["usage"]))):
        tokens = only_record(parse_object(whole)).usage
        assert tokens is not None
        assert (tokens.input_tokens, tokens.cached_input_tokens, tokens.output_tokens) == (40 + 60 + 7, 60, 30)
        assert (tokens.cache_write_5m_tokens, tokens.cache_write_1h_tokens) == written


def test_cached_tokens_may_be_said_twice() -> None:
    # As the service answered, by an issue of Portkey's gateway (1210).
    said = {
        "cacheReadInputTokenCount": 10_536, "cacheReadInputTokens": 10_536, "cacheWriteInputTokenCount": 0,
        "cacheWriteInputTokens": 0, "inputTokens": 368, "outputTokens": 19, "totalTokens": 10_923,
    }  # fmt: skip
    assert counts(only_record(parse_object(converse(usage=said)))) == (368 + 10_536, 10_536, 19, 0)


def test_a_total_may_be_left_out() -> None:
    assert counts(only_record(parse_object(used(totalTokens=...)))) == (100, 60, 30, 0)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"serviceTier": {"type": "two words"}}, "unknown_service_tier"),
        ({"performanceConfig": {"latency": "optimized"}}, "unknown_usage"),
        ({"ResponseMetadata": {}, "occurred_at": AT}, "missing_id"),
        ({"ResponseMetadata": "x", "occurred_at": AT}, "missing_id"),
        ({"ResponseMetadata": METADATA | {"HTTPHeaders": {"date": "secret"}}}, "invalid_time"),
        ({"ResponseMetadata": METADATA | {"HTTPHeaders": {"date": {"secret": 1}}}}, "invalid_time"),
    ],
)
def test_how_it_was_served_and_what_is_missing(changes: dict[str, Any], reason: str) -> None:
    found = only_rejection(parse_object(asked(converse(**changes))))
    assert (found.reason, "secret" in found.message) == (reason, False)


def test_the_standard_service_is_the_cards() -> None:
    whole = converse(serviceTier={"type": "default"}, performanceConfig={"latency": "standard"})
    assert only_record(parse_object(whole)).service_tier == "default"
    assert only_record(parse_object(converse(serviceTier={"type": "flex"}))).service_tier == "flex"


def test_tools_and_guardrails_are_billed_apart() -> None:
    tool = {"toolUse": {"toolUseId": "t", "name": "nova_grounding", "type": "server_tool_use"}}
    own = {"toolUse": {"toolUseId": "t", "name": "look_up"}}
    output = {"message": {"role": "assistant", "content": [tool, own]}}
    guard = {"guardrail": {"inputAssessment": {"g": {"invocationMetrics": {"usage": {"topicPolicyUnits": 1}}}}}}
    assert only_record(parse_object(converse(output=output))).tool_calls == 1
    assert only_record(parse_object(converse(output=output, trace=guard))).tool_calls == 2
    events = [{"contentBlockStart": {"start": tool, "contentBlockIndex": 0}}, *EVENTS]
    assert only_record(parse_object(streamed(events))).tool_calls == 1


# --- streams --------------------------------------------------------------------------------------------------------


def streamed(events: list[dict[str, Any]] | None = None, **changes: Any) -> dict[str, Any]:
    *others, last = EVENTS if events is None else events
    ended = {name: value | changes for name, value in last.items()}
    return {"ResponseMetadata": METADATA, "stream": [*others, ended]}


def test_a_stream_is_the_response_of_its_metadata_event() -> None:
    whole = only_record(parse_object(asked(converse())))
    assert only_record(parse_object(asked(streamed()))) == whole
    (item,) = read(lines([streamed()]))
    assert only_record([item.parsed]).request_id == "7c5e-1"


def test_how_a_stream_was_served_is_in_its_metadata_event() -> None:
    assert only_record(parse_object(streamed(serviceTier={"type": "flex"}))).service_tier == "flex"
    assert only_rejection(parse_object(streamed(performanceConfig={"latency": "optimized"}))).reason == "unknown_usage"


@pytest.mark.parametrize("events", [[], EVENTS[:-1], [{"metadata": 5}], ["x"]])
def test_a_stream_without_its_end_is_refused(events: list[Any]) -> None:
    cut = {"ResponseMetadata": METADATA, "stream": events}
    for whole in (cut, asked(cut)):
        assert only_rejection(parse_object(whole)).reason == "no_terminal_event"


def test_events_alone_are_no_response() -> None:
    assert told(read(lines(EVENTS))) == [(1, "unrecognised_format")]
