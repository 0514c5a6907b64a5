"""OTLP JSON spans: only requests, one record each, under the conventions' old and new names."""

from __future__ import annotations

from typing import Any

import pytest

from ledger.intake.fields.record import Ignored, Rejected, UsageRecord
from pricing.usage import TokenUsage
from tests.helpers.sources import AT, SECOND, counts, lines, only_record, only_rejection, parse_object, read, told

START = f"{AT}123456789"
BASE = {
    "gen_ai.operation.name": "chat",
    "gen_ai.response.id": "resp_1",
    "gen_ai.request.model": "doubao-seed-2.0-pro",
    "gen_ai.response.model": "doubao-seed-2-0-code-preview-260215",
    "gen_ai.usage.input_tokens": 88,
    "gen_ai.usage.output_tokens": 230,
}


def value(plain: object) -> dict[str, Any]:
    """An attribute value as OTLP JSON writes it: 64-bit integers as strings."""
    if isinstance(plain, bool):
        return {"boolValue": plain}
    if isinstance(plain, int):
        return {"intValue": str(plain)}
    return {"doubleValue": plain} if isinstance(plain, float) else {"stringValue": plain}


def attributes(plain: dict[str, Any]) -> list[dict[str, Any]]:
    return [{"key": key, "value": value(found)} for key, found in plain.items() if found is not ...]


def span(changes: dict[str, Any] | None = None, **others: Any) -> dict[str, Any]:
    return {
        "traceId": "5b8efff798038103d269b633813fc60c",
        "name": "chat doubao",
        "startTimeUnixNano": START,
        "endTimeUnixNano": f"{AT + 9}000000000",
        "attributes": attributes(BASE | (changes or {})),
        "status": {},
    } | others


def export(*spans: object, resource: dict[str, Any] | None = None, scopes: str = "scopeSpans") -> dict[str, Any]:
    return {
        "resourceSpans": [{"resource": {"attributes": attributes(resource or {})}, scopes: [{"spans": list(spans)}]}]
    }


def accepted(changes: dict[str, Any] | None = None, **others: Any) -> UsageRecord:
    return only_record(parse_object(export(span(changes, **others))))


def rejected(changes: dict[str, Any] | None = None, **others: Any) -> Rejected:
    return only_rejection(parse_object(export(span(changes, **others))))


def test_a_span_is_one_request_that_occurs_when_it_starts() -> None:
    resource = {"service.name": "search-api", "team": "core", "env": "prod"}
    found = only_record(
        parse_object(export(span({"env": "test", "retries": 2, "project": "search"}), resource=resource))
    )
    assert found == UsageRecord(
        "resp_1",
        AT * SECOND + 123_456,
        requested_model="doubao-seed-2.0-pro",
        reported_model="doubao-seed-2-0-code-preview-260215",
        usage=TokenUsage(88, 0, 230),
        service_name="search-api",
        request_metadata={
            "service.name": "search-api",
            "team": "core",
            "env": "test",
            "retries": "2",
            "project": "search",
        },
    )


def test_an_export_holds_many_spans() -> None:
    both = export(span(), span({"gen_ai.response.id": "resp_2"}))
    both["resourceSpans"] += export(span({"gen_ai.response.id": "resp_3"}))["resourceSpans"]
    items = read(lines([both, {"resourceLogs": []}, {"resourceSpans": None}]))
    assert told(items) == [(1, "resp_1"), (1, "resp_2"), (1, "resp_3")]
    assert len({item.raw for item in items}) == 3
    old = export(span(), scopes="instrumentationLibrarySpans")
    assert parse_object(old) == parse_object(export(span()))


@pytest.mark.parametrize("operation", ["chat", "text_completion", "generate_content"])
def test_requests_are_read(operation: str) -> None:
    assert accepted({"gen_ai.operation.name": operation}).request_id == "resp_1"


@pytest.mark.parametrize("operation", ["embeddings", "execute_tool", "invoke_agent", "create_agent", ..., 5])
def test_other_operations_are_ignored_whatever_they_say(operation: object) -> None:
    broken = {"gen_ai.operation.name": operation, "gen_ai.usage.input_tokens": -5, "gen_ai.response.id": ...}
    reason = "no_response_id" if operation is ... else "other_operation"
    assert parse_object(export(span(broken))) == [Ignored(reason)]
    assert parse_object(export(span(broken | {"gen_ai.usage.output_tokens": 0}))) == [Ignored()]
    assert parse_object(export({"name": "GET /"})) == [Ignored()]


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        (
            {
                "gen_ai.usage.input_tokens": ...,
                "gen_ai.usage.output_tokens": ...,
                "gen_ai.usage.prompt_tokens": 88,
                "gen_ai.usage.completion_tokens": 230,
            },
            (88, 0, 230, 0),
        ),
        ({"gen_ai.usage.cache_read.input_tokens": 40}, (88, 40, 230, 0)),
        ({"gen_ai.usage.cache_read_input_tokens": 40, "gen_ai.usage.total_tokens": 318}, (88, 40, 230, 0)),
        ({"gen_ai.usage.cache_read_input_tokens": 40, "llm.usage.total_tokens": 318}, (88, 40, 230, 0)),
        ({"gen_ai.usage.cache_read_input_tokens": 40, "gen_ai.usage.total_tokens": 358}, (128, 40, 230, 0)),
        ({"gen_ai.usage.input_tokens.cached": 40}, (88, 40, 230, 0)),
        ({"gen_ai.usage.cached_input_tokens": 40}, (88, 40, 230, 0)),
        ({"gen_ai.usage.reasoning.output_tokens": 7}, (88, 0, 230, 7)),
        ({"gen_ai.usage.reasoning_tokens": 7}, (88, 0, 230, 7)),
        ({"gen_ai.usage.output_tokens.reasoning": 7, "gen_ai.usage.total_tokens": 318}, (88, 0, 230, 7)),
        ({"gen_ai.usage.prompt_tokens": 88}, (88, 0, 230, 0)),
    ],
    ids=str,
)
def test_old_and_new_names_are_read(changes: dict[str, Any], expected: tuple[int, int, int, int]) -> None:
    assert counts(accepted(changes)) == expected


def test_integers_may_be_numbers_too() -> None:
    plain = span()
    for entry in plain["attributes"]:
        if "intValue" in entry["value"]:
            entry["value"]["intValue"] = int(entry["value"]["intValue"])
    plain["startTimeUnixNano"] = int(START)
    assert parse_object(export(plain)) == parse_object(export(span()))


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"gen_ai.response.id": ...}, "missing_id"),
        ({"gen_ai.response.id": "x" * 513}, "too_long"),
        ({"gen_ai.usage.input_tokens": ...}, "missing_usage"),
        ({"gen_ai.usage.output_tokens": ...}, "missing_usage"),
        ({"gen_ai.usage.input_tokens": "many"}, "not_an_integer"),
        ({"gen_ai.usage.input_tokens": 88.0}, "not_an_integer"),
        ({"gen_ai.usage.input_tokens": True}, "not_an_integer"),
        ({"gen_ai.usage.input_tokens": -1}, "negative_count"),
        ({"gen_ai.usage.input_tokens": 2**63}, "count_out_of_range"),
        ({"gen_ai.usage.prompt_tokens": 89}, "count_mismatch"),
        ({"gen_ai.usage.total_tokens": 317}, "total_mismatch"),
        ({"gen_ai.usage.cache_read_input_tokens": 40}, "ambiguous_cached_tokens"),
        ({"gen_ai.usage.cache_read.input_tokens": 89}, "cached_exceeds_input"),
        ({"gen_ai.usage.reasoning.output_tokens": 231}, "reasoning_exceeds_output"),
        ({"gen_ai.usage.cache_creation.input_tokens": 5}, "cache_write_tokens"),
        ({"gen_ai.usage.cache_write.input_tokens": 5}, "cache_write_tokens"),
        ({"gen_ai.usage.cache_creation_input_tokens": 5}, "cache_write_tokens"),
        ({"gen_ai.usage.input_audio_tokens": 5}, "audio_tokens"),
        ({"gen_ai.usage.audio.input_tokens": 5}, "audio_tokens"),
        ({"openai.response.service_tier": "flex", "gen_ai.usage.service_tier": "batch"}, "count_mismatch"),
        ({"gen_ai.request.model": "m" * 201}, "too_long"),
    ],
    ids=lambda found: str(found)[:60],
)
def test_spans_are_refused_by_name(changes: dict[str, Any], reason: str) -> None:
    assert rejected(changes).reason == reason


@pytest.mark.parametrize(
    ("start", "reason"),
    [
        (None, "missing_time"),
        ("", "invalid_time"),
        (0, "missing_time"),
        ("0", "missing_time"),
        ("-5", "time_out_of_range"),
        (10**30, "time_out_of_range"),
        ("1.5e18", "invalid_time"),
        (1.5e18, "invalid_time"),
        (True, "invalid_time"),
        ([], "invalid_time"),
    ],
    ids=str,
)
def test_a_start_time_is_needed(start: object, reason: str) -> None:
    assert rejected(startTimeUnixNano=start).reason == reason


@pytest.mark.parametrize("code", [2, "STATUS_CODE_ERROR"])
def test_a_span_in_error_failed(code: object) -> None:
    status = {"code": code, "message": "secret"}
    assert accepted(status=status).status == "failed"
    nothing = {"gen_ai.usage.input_tokens": ..., "gen_ai.usage.output_tokens": ...}
    found = accepted(nothing, status=status)
    assert found.usage is None
    assert counts(accepted({"gen_ai.usage.output_tokens": ...}, status=status)) == (88, 0, 0, 0)


@pytest.mark.parametrize("status", [None, {}, {"code": 0}, {"code": 1}, {"code": "STATUS_CODE_OK"}, 2, {"code": [2]}])
def test_other_spans_completed(status: object) -> None:
    assert accepted(status=status).status == "completed"


def test_a_refused_span_keeps_its_fields_and_no_content() -> None:
    found = rejected(
        {"gen_ai.response.id": ..., "gen_ai.input.messages": "the prompt", "project": "search", "team": "core"}
    )
    assert found.fields == {
        "occurred_at": "2026-02-19T07:37:54.123456Z",
        "requested_model": "doubao-seed-2.0-pro",
        "reported_model": "doubao-seed-2-0-code-preview-260215",
        "project": "search",
        "status": "completed",
        "input_tokens": 88,
        "cached_input_tokens": 0,
        "output_tokens": 230,
        "reasoning_tokens": 0,
    }


def test_content_attributes_are_no_metadata() -> None:
    assert accepted({"gen_ai.input.messages": "the prompt", "gen_ai.prompt.0.content": "p"}).request_metadata == {}


def test_an_attribute_given_twice_is_refused() -> None:
    twice = span()
    twice["attributes"] += attributes({"gen_ai.response.id": "resp_2"})
    assert only_rejection(parse_object(export(twice))).reason == "duplicate_key"
    same = span()
    same["attributes"] += attributes({"gen_ai.response.id": "resp_1"})
    assert only_record(parse_object(export(same))).request_id == "resp_1"


@pytest.mark.parametrize(
    ("obj", "expected"),
    [
        ({"resourceSpans": 5}, ["invalid_otel"]),
        ({"resourceSpans": [5]}, ["invalid_otel"]),
        ({"resourceSpans": [{"scopeSpans": {}}]}, ["invalid_otel"]),
        ({"resourceSpans": [{"scopeSpans": [None]}]}, ["invalid_otel"]),
        ({"resourceSpans": [{"scopeSpans": [{"spans": [5, None]}]}]}, ["not_an_object", "not_an_object"]),
        ({"resourceSpans": [{"resource": {"attributes": 5}}]}, ["invalid_otel"]),
        (export({"attributes": 5}), ["invalid_otel"]),
        (export(span(), {"attributes": [5]}), ["resp_1", "invalid_otel"]),
        (
            export({"attributes": [{"key": 5}, {}, {"key": "a"}, {"key": "b", "value": {"stringValue": {}}}]}),
            ["ignored"],
        ),
        (export({"attributes": [{"key": "gen_ai.operation.name", "value": {"stringValue": []}}]}), ["ignored"]),
    ],
    ids=lambda found: str(found)[:50],
)
def test_other_shapes_are_refused_by_name(obj: dict[str, Any], expected: list[str]) -> None:
    assert [found for _, found in told(read(lines([obj])))] == expected


def test_an_object_that_is_no_export_is_refused_under_this_format() -> None:
    assert only_rejection(parse_object({"id": "a", "object": "response"}, "otel")).reason == "invalid_otel"
