"""Gemini's generateContent: responses whole and in chunks, by REST and as the SDK dumps them."""

from __future__ import annotations

import json
from typing import Any

import pytest

from ledger.intake.formats import captures
from ledger.values.instants import iso_text
from tests.helpers.sources import counts, lines, only_record, only_rejection, parse_object, read, told
from tests.intake.test_sse import sse

AT = "2026-03-04T05:06:07Z"
USAGE: dict[str, Any] = {
    "promptTokenCount": 100,
    "cachedContentTokenCount": 60,
    "candidatesTokenCount": 10,
    "thoughtsTokenCount": 20,
    "totalTokenCount": 130,
    "promptTokensDetails": [{"modality": "TEXT", "tokenCount": 100}],
    "cacheTokensDetails": [{"modality": "TEXT", "tokenCount": 60}],
    "candidatesTokensDetails": [{"modality": "TEXT", "tokenCount": 10}],
    "trafficType": "ON_DEMAND",
}
ANSWER: dict[str, Any] = {"content": {"parts": [{"text": "hi"}], "role": "model"}, "finishReason": "STOP", "index": 0}
RESPONSE: dict[str, Any] = {
    "candidates": [ANSWER],
    "usageMetadata": USAGE,
    "modelVersion": "gemini-x-001",
    "createTime": "2026-03-04T05:06:07Z",
    "responseId": "gen-1",
}
# What the Python SDK's `model_dump_json()` writes of the same.
DUMPED: dict[str, Any] = {
    "sdk_http_response": {
        "headers": {"content-type": "application/json", "date": "Wed, 04 Mar 2026 05:06:07 GMT"},
        "body": None,
    },
    "candidates": [
        {
            "content": {"parts": [{"text": "hi"}], "role": "model"},
            "finish_reason": "STOP",
            "index": 0,
            "grounding_metadata": None,
        }
    ],
    "create_time": None,
    "model_version": "gemini-x-001",
    "prompt_feedback": None,
    "response_id": "gen-1",
    "usage_metadata": {
        "cache_tokens_details": [{"modality": "TEXT", "token_count": 60}],
        "cached_content_token_count": 60,
        "candidates_token_count": 10,
        "candidates_tokens_details": None,
        "prompt_token_count": 100,
        "prompt_tokens_details": [{"modality": "TEXT", "token_count": 100}],
        "thoughts_token_count": 20,
        "tool_use_prompt_token_count": None,
        "tool_use_prompt_tokens_details": None,
        "total_token_count": 130,
        "traffic_type": None,
    },
    "automatic_function_calling_history": [],
    "parsed": None,
}


def generated(**changes: Any) -> dict[str, Any]:
    whole = RESPONSE | {"usageMetadata": dict(USAGE)} | changes
    return {key: value for key, value in whole.items() if value is not ...}


def used(**changes: Any) -> dict[str, Any]:
    usage = {key: value for key, value in (USAGE | changes).items() if value is not ...}
    return generated(usageMetadata=usage)


def test_a_response_by_rest_and_as_the_sdk_dumps_it() -> None:
    found = only_record(parse_object(generated()))
    assert (found.request_id, found.reported_model, iso_text(found.occurred_at_us)) == ("gen-1", "gemini-x-001", AT)
    assert counts(found) == (100, 60, 10 + 20, 20)
    assert only_record(parse_object(DUMPED)) == found


def test_what_tools_gave_the_model_to_read_is_input() -> None:
    found = only_record(parse_object(used(toolUsePromptTokenCount=50, totalTokenCount=180)))
    assert counts(found) == (100 + 50, 60, 30, 20)


def test_a_count_of_zero_is_left_out() -> None:
    thought = used(candidatesTokenCount=..., candidatesTokensDetails=..., totalTokenCount=120)
    assert counts(only_record(parse_object(thought))) == (100, 60, 20, 20)
    blocked = {"promptFeedback": {"blockReason": "SAFETY"}, "candidates": ...}
    stopped = generated(**blocked, usageMetadata={"promptTokenCount": 100, "totalTokenCount": 100})
    assert counts(only_record(parse_object(stopped))) == (100, 0, 0, 0)
    unsure = used(candidatesTokenCount=..., candidatesTokensDetails=..., totalTokenCount=...)
    assert only_rejection(parse_object(unsure)).reason == "missing_usage"


@pytest.mark.parametrize(
    ("changes", "reason", "said"),
    [
        ({"totalTokenCount": 110}, "total_mismatch", "110"),  # thinking inside of the candidates
        ({"totalTokenCount": 190}, "total_mismatch", "190"),
        (
            {"cachedContentTokenCount": 101, "cacheTokensDetails": ...},
            "count_mismatch",
            "cachedContentTokenCount 101 exceeds promptTokenCount 100",
        ),
        ({"promptTokensDetails": [{"modality": "AUDIO", "tokenCount": 9}]}, "audio_tokens", "audio_tokens 9"),
        ({"candidatesTokensDetails": [{"modality": "AUDIO", "tokenCount": 9}]}, "audio_tokens", "audio_tokens 9"),
        (
            {"promptTokensDetails": [{"modality": "IMAGE", "tokenCount": 9}]},
            "unknown_usage",
            "usageMetadata.promptTokensDetails.IMAGE 9",
        ),
        ({"promptTokensDetails": [{"modality": "VIDEO", "tokenCount": 9}]}, "unknown_usage", "VIDEO 9"),
        ({"candidatesTokensDetails": [{"modality": "IMAGE", "tokenCount": 9}]}, "unknown_usage", "IMAGE 9"),
        ({"promptTokensDetails": [{"modality": "the secret text", "tokenCount": 9}]}, "unknown_usage", "(a name of"),
        (
            {"promptTokensDetails": [{"modality": "TEXT", "tokenCount": 101}]},
            "count_mismatch",
            "101 tokens of text in promptTokensDetails",
        ),
        (
            {"promptTokensDetails": [{"modality": "TEXT", "tokenCount": "9"}]},
            "not_an_integer",
            "promptTokensDetails.TEXT",
        ),
        ({"promptTokensDetails": ["secret"]}, "unknown_usage", "usageMetadata.promptTokensDetails (a text"),
        ({"promptTokensDetails": 5}, "unknown_usage", "usageMetadata.promptTokensDetails 5"),
        ({"serviceTier": "two words"}, "unknown_service_tier", "(a text of 9 characters)"),
        ({"trafficType": "PROVISIONED_THROUGHPUT"}, "unknown_usage", "usageMetadata.trafficType"),
        ({"responseTokenCount": 5}, "unknown_usage", "usageMetadata.responseTokenCount 5"),
        ({"prompt_token_count": 99}, "count_mismatch", "both 100 and 99"),
    ],
)
def test_what_no_card_prices_and_what_contradicts_is_refused(changes: dict[str, Any], reason: str, said: str) -> None:
    found = only_rejection(parse_object(used(**changes)))
    assert (found.reason, said in found.message, "secret" in found.message) == (reason, True, False), found.message


def test_what_stands_beside_a_response_counts_too() -> None:
    for whole in (generated(service_tier="flex"), DUMPED | {"service_tier": "flex"}):
        assert only_record(parse_object(whole)).service_tier == "flex"
        assert only_record(parse_object({"request": {}, "response": whole})).service_tier == "flex"
    assert only_rejection(parse_object(generated(service_tier=88))).reason == "not_text"
    found = only_record(parse_object(generated(metadata={"project": "search"})))
    assert found.response_metadata == {"project": "search"}


def test_a_service_tier_is_kept_for_its_price() -> None:
    assert only_record(parse_object(used(serviceTier="flex"))).service_tier == "flex"
    assert only_record(parse_object(used(serviceTier="standard"))).service_tier == "default"


@pytest.mark.parametrize(
    ("grounding", "calls"),
    [
        ({"webSearchQueries": ["a", "b", "", "a"]}, 2),
        ({"searchEntryPoint": {"renderedContent": "x"}}, 1),
        ({"webSearchQueries": []}, 0),
        ({}, 0),
        (None, 0),
    ],
)
def test_searches_that_are_billed_are_counted(grounding: object, calls: int) -> None:
    whole = generated(candidates=[ANSWER | {"groundingMetadata": grounding}])
    assert only_record(parse_object(whole)).tool_calls == calls
    (item,) = read(lines([whole]))
    assert only_record([item.parsed]).tool_calls == calls


def test_lines_of_batch_jobs_were_served_as_batch() -> None:
    vertex = {"request": {"contents": []}, "status": "", "response": generated(), "processed_time": AT}
    for line in (vertex, {"key": "a", "response": generated()}):
        assert only_record(parse_object(line)).service_tier == "batch"
    assert only_record(parse_object({"key": "a", "request": {}, "response": generated()})).service_tier is None


# --- streams --------------------------------------------------------------------------------------------------------


def part(request_id: str = "gen-1", out: int = 4, finish: str | None = None, **changes: Any) -> dict[str, Any]:
    """A chunk: its usage is of all of the answer so far."""
    usage = {
        "promptTokenCount": 100,
        "candidatesTokenCount": out,
        "thoughtsTokenCount": 20,
        "totalTokenCount": 120 + out,
    }
    answer = {key: value for key, value in (ANSWER | {"finishReason": finish}).items() if value is not None}
    return generated(responseId=request_id, candidates=[answer], usageMetadata=usage) | changes


WHOLE = [part(out=1), part(out=4), part(out=10, finish="STOP")]


@pytest.mark.parametrize("input_format", ["auto", "gemini"])
@pytest.mark.parametrize("write", [json.dumps, lambda parts: json.dumps(parts, indent=2), lines])
def test_chunks_are_one_request_with_the_last_usage(write: Any, input_format: str) -> None:
    (item,) = read(write(WHOLE), input_format)
    assert counts(only_record([item.parsed])) == (100, 0, 30, 20)


@pytest.mark.parametrize("input_format", ["auto", "sse"])
def test_events_are_one_request_and_headers_give_the_time(input_format: str) -> None:
    bare = [{key: value for key, value in each.items() if key != "createTime"} for each in WHOLE]
    (item,) = read("date: Wed, 04 Mar 2026 05:06:07 GMT\n\n" + sse(*bare), input_format)
    found = only_record([item.parsed])
    assert (counts(found), iso_text(found.occurred_at_us)) == ((100, 0, 30, 20), AT)
    assert told(read(sse(*bare), input_format)) == [(5, "missing_time")]


def test_a_stream_in_an_envelope() -> None:
    whole = {"request": {"model": "gemini-x"}, "response": WHOLE, "occurred_at": "2026-05-01T00:00:00Z"}
    found = only_record(parse_object(whole))
    assert (counts(found), found.requested_model) == ((100, 0, 30, 20), "gemini-x")
    assert iso_text(found.occurred_at_us) == "2026-05-01T00:00:00Z"
    assert only_rejection(parse_object(whole | {"response": WHOLE[:2]})).reason == "no_terminal_event"
    assert only_rejection(parse_object(whole | {"response": [{"x": 1}]})).reason == "not_an_object"


def test_a_chunk_by_itself_is_no_request() -> None:
    found = only_rejection(parse_object(WHOLE[0]))
    assert (found.reason, found.fields["request_id"]) == ("no_terminal_event", "gen-1")
    assert "input_tokens" not in found.fields
    assert only_rejection(parse_object({"request": {}, "response": WHOLE[0]})).reason == "no_terminal_event"


def test_responses_follow_one_another_and_streams_are_interleaved() -> None:
    one, two = ([part(name, 1), part(name, 9, "STOP")] for name in "ab")
    whole = [part(name, 5, "STOP") for name in "cde"]
    mixed = [one[0], two[0], whole[0], one[1], whole[1], two[1], whole[2]]
    found = [only_record([item.parsed]) for item in read(lines(mixed))]
    assert [(each.request_id, counts(each)[2]) for each in found] == [
        ("c", 25),
        ("a", 29),
        ("d", 25),
        ("b", 29),
        ("e", 25),
    ]


def test_where_each_chunk_says_stop_the_last_one_holds() -> None:
    every = [part("a", out, "STOP") for out in (1, 4, 10)]
    found = [only_record([item.parsed]) for item in read(lines([*every, part("b", 3, "STOP")]))]
    assert [(each.request_id, counts(each)[2]) for each in found] == [("a", 30), ("b", 23)]
    # What counts less than before is no later chunk: the ledger will call it a conflict.
    less = [only_record([item.parsed]) for item in read(lines([part("a", 9, "STOP"), part("a", 2, "STOP")]))]
    assert [counts(each)[2] for each in less] == [29, 22]


def test_each_candidate_has_to_end() -> None:
    second = ANSWER | {"index": 1, "finishReason": None}
    both = part(candidates=[ANSWER, second])
    assert told(read(lines([both]))) == [(1, "no_terminal_event")]
    ended = part(out=12, candidates=[second | {"finishReason": "STOP"}])
    (item,) = read(lines([both, ended]))
    assert counts(only_record([item.parsed]))[2] == 32


def test_usage_that_more_text_comes_after_is_not_the_last() -> None:
    text = generated(usageMetadata=..., candidates=[ANSWER])
    assert told(read(lines([part(), text]))) == [(1, "missing_usage")]
    # A chunk without text says how it ended.
    ended = generated(usageMetadata=..., candidates=[{"finishReason": "STOP"}])
    (item,) = read(lines([part(), ended]))
    assert counts(only_record([item.parsed]))[2] == 24


def test_responses_without_an_id_are_refused_one_by_one() -> None:
    bare = [generated(responseId=...), generated(responseId=...)]
    assert told(read(lines(bare))) == [(1, "missing_id"), (2, "missing_id")]


def test_few_streams_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(captures, "MAX_OPEN", 2)
    found = told(read(lines([part(name) for name in "abcd"])))
    assert found == [
        (1, "no_terminal_event"),
        (2, "no_terminal_event"),
        (3, "no_terminal_event"),
        (4, "no_terminal_event"),
    ]


def test_nothing_of_an_answer_is_kept_of_a_stream_that_is_cut() -> None:
    secret = generated(candidates=[{"content": {"parts": [{"text": "secret"}]}}], usageMetadata=...)
    (item,) = read(lines([secret]))
    assert b"secret" not in (item.raw or b"")
    assert "secret" not in json.dumps(only_rejection([item.parsed]).fields)
