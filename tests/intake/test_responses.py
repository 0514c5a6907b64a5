"""Responses and Chat Completions objects, and envelopes of either: what real clients write goes in unchanged."""

from __future__ import annotations

import json
from typing import Any

import pytest
from openai.types.chat import ChatCompletion
from openai.types.responses import Response

from ledger.intake.fields.record import Pending, Rejected, UsageRecord
from ledger.intake.formats.registry import FORMATS, recognise
from pricing.usage import TokenUsage
from tests.helpers.sources import (
    API_REFERENCE,
    AT,
    SECOND,
    chat,
    counts,
    only_record,
    only_rejection,
    parse_line,
    parse_object,
    record,
    response,
    usage,
    word,
)


def rejected(obj: dict[str, Any], input_format: str = "auto") -> Rejected:
    return only_rejection(parse_object(obj, input_format))


def accepted(obj: dict[str, Any], input_format: str = "auto") -> UsageRecord:
    return only_record(parse_object(obj, input_format))


# --- as clients write them ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("input_format", ["auto", "responses"])
@pytest.mark.parametrize("indent", [None, 2])
def test_the_api_references_own_response_goes_in_as_it_stands(input_format: str, indent: int | None) -> None:
    raw = json.dumps(API_REFERENCE, indent=indent).encode()
    assert only_record(parse_line(raw, input_format)) == UsageRecord(
        "resp_02177148667427813c33c36521378d02b2c8389204fa8c3e2f63e",
        AT * SECOND,
        reported_model="doubao-seed-2-0-code-preview-260215",
        service_tier="default",
        usage=TokenUsage(88, 0, 230, 211),
        caching_expires_at=1_771_745_874,
    )


def sdk_response(**changes: Any) -> Response:
    fields: dict[str, Any] = {"parallel_tool_calls": True, "tool_choice": "auto", "tools": [], "error": None}
    return Response.model_validate(response(**fields, **changes), strict=False)


def test_what_the_sdk_dumps_of_a_response_is_the_same_record() -> None:
    plain = only_record(parse_line(json.dumps(API_REFERENCE).encode()))
    dumped = sdk_response(
        id=API_REFERENCE["id"],
        usage={
            "input_tokens": 88,
            "input_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 0},
            "output_tokens": 230,
            "output_tokens_details": {"reasoning_tokens": 211},
            "total_tokens": 318,
        },
    ).model_dump_json()
    assert '"created_at":1771486674.0' in dumped
    assert '"metadata":null' in dumped
    assert only_record(parse_line(dumped.encode())) == plain


def test_what_the_sdk_dumps_of_a_chat_completion_goes_in() -> None:
    raw = ChatCompletion.model_validate(chat()).model_dump_json().encode()
    assert b'"audio_tokens":null' in raw
    found = only_record(parse_line(raw))
    assert found == accepted(chat())
    assert counts(found) == (40, 30, 9, 4)
    assert found.occurred_at_us == AT * SECOND
    assert (found.reported_model, found.requested_model) == ("doubao-seed-2.0-lite", None)
    assert found.status == "completed"


@pytest.mark.parametrize("nothing", [None, ...], ids=["null", "absent"])
def test_null_and_absent_details_are_zero(nothing: object) -> None:
    found = accepted(
        response(
            usage=usage(input_tokens_details=nothing, output_tokens_details=nothing, total_tokens=nothing),
            metadata=nothing,
            error=nothing,
            service_tier=nothing,
            caching=nothing,
            expire_at=nothing,
            model=nothing,
        )
    )
    assert counts(found) == (88, 0, 230, 0)
    assert (found.service_tier, found.reported_model, found.caching_expires_at) == (None, None, None)
    inner = {"input_tokens_details": {"cached_tokens": nothing}, "output_tokens_details": {}}
    inner["input_tokens_details"] = {} if nothing is ... else {"cached_tokens": None}
    assert counts(accepted(response(usage=usage(**inner)))) == (88, 0, 230, 0)


def test_text_completions_are_chat_objects_too() -> None:
    assert word(accepted(chat(object="text_completion"))) == "chatcmpl-1"


# --- status ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", ["completed", "incomplete", "failed", "cancelled"])
def test_each_final_status_is_billed_on_its_usage(status: str) -> None:
    found = accepted(response(status=status))
    assert found.status == status
    assert found.usage is not None
    assert counts(found) == (88, 0, 230, 211)


@pytest.mark.parametrize("none", [None, ..., {}, {"input_tokens": None, "output_tokens": None, "total_tokens": 0}])
def test_without_usage_only_what_did_not_complete_is_recorded(none: object) -> None:
    for status in ("failed", "cancelled"):
        found = accepted(response(status=status, usage=none, service_tier="flex"))
        assert found.usage is None
    for other in ("completed", "incomplete", None):
        assert rejected(response(status=other, usage=none)).reason == "missing_usage"
    assert rejected(chat(usage=none)).reason == "missing_usage"


def test_a_failed_request_is_billed_on_the_part_it_reports() -> None:
    assert counts(accepted(response(status="failed", usage={"input_tokens": 5}))) == (5, 0, 0, 0)
    assert rejected(response(usage={"input_tokens": 5})).message.startswith("usage.output_tokens is missing")
    assert rejected(response(usage={"output_tokens": 5})).message.startswith("usage.input_tokens is missing")


@pytest.mark.parametrize("status", ["in_progress", "queued"])
def test_unfinished_requests_are_pending_whatever_else_they_lack(status: str) -> None:
    assert parse_object({"object": "response", "status": status}) == [Pending(status)]
    assert parse_object({"request": {}, "response": {"object": "response", "status": status}}) == [Pending(status)]
    assert parse_object(record(status=status)) == [Pending(status)]


@pytest.mark.parametrize("status", ["done", "", 1, True, [], {}, "Completed"])
def test_an_unknown_status_is_refused(status: object) -> None:
    found = rejected(response(status=status))
    assert found.reason == "unknown_status"
    assert "status" not in found.fields


def test_a_missing_status_with_usage_is_completed() -> None:
    assert accepted(response(status=...)).status == "completed"


# --- counts ---------------------------------------------------------------------------------------------------------

WRONG_COUNTS = [
    ("88", "not_an_integer", "(a text of 2 characters)"),
    (88.0, "not_an_integer", "88.0"),
    (88.5, "not_an_integer", "88.5"),
    (True, "not_an_integer", "true"),
    ([88], "not_an_integer", "(a list)"),
    ({"n": "secret"}, "not_an_integer", "(an object)"),
    (-1, "negative_count", "-1"),
    (2**63, "count_out_of_range", str(2**63)),
    (10**400, "count_out_of_range", "bits"),
]


@pytest.mark.parametrize(("value", "reason", "shown"), WRONG_COUNTS)
@pytest.mark.parametrize(
    ("make", "path"),
    [
        (lambda v: response(usage=usage(input_tokens=v)), "usage.input_tokens"),
        (lambda v: response(usage=usage(output_tokens=v)), "usage.output_tokens"),
        (lambda v: response(usage=usage(total_tokens=v)), "usage.total_tokens"),
        (
            lambda v: response(usage=usage(input_tokens_details={"cached_tokens": v})),
            "usage.input_tokens_details.cached_tokens",
        ),
        (
            lambda v: response(usage=usage(output_tokens_details={"reasoning_tokens": v})),
            "usage.output_tokens_details.reasoning_tokens",
        ),
        (lambda v: chat(usage={"prompt_tokens": v, "completion_tokens": 1}), "usage.prompt_tokens"),
        (lambda v: chat(usage={"prompt_tokens": 1, "completion_tokens": v}), "usage.completion_tokens"),
        (lambda v: record(cached_input_tokens=v), "cached_input_tokens"),
        (lambda v: record(reasoning_tokens=v), "reasoning_tokens"),
    ],
)
def test_counts_are_json_integers(make: Any, path: str, value: object, reason: str, shown: str) -> None:
    found = rejected(make(value))
    if isinstance(value, dict) and path.startswith("usage."):
        # An object may hold a count under a longer name; this one holds none that is known.
        path, reason, shown = f"{path}.n", "unknown_usage", "(a text of 6 characters)"
    assert found.reason == reason
    assert found.message.startswith(f"{path} ")
    assert shown in found.message
    assert "secret" not in found.message
    assert "input_tokens" not in found.fields


def test_1e3_in_a_line_is_no_integer() -> None:
    raw = json.dumps(response()).replace("88", "1e3").encode()
    assert word(*parse_line(raw)) == "not_an_integer"


def test_the_largest_count_is_taken() -> None:
    most = 2**63 - 1
    assert counts(accepted(record(input_tokens=most, cached_input_tokens=most, output_tokens=0)))[:2] == (most, most)


@pytest.mark.parametrize(
    ("changes", "reason", "both"),
    [
        ({"input_tokens_details": {"cached_tokens": 89}}, "cached_exceeds_input", ("89", "88")),
        ({"output_tokens_details": {"reasoning_tokens": 231}}, "reasoning_exceeds_output", ("231", "230")),
        ({"total_tokens": 317}, "total_mismatch", ("317", "88")),
        ({"total_tokens": 0}, "total_mismatch", ("0", "88")),
    ],
)
def test_contradictions_are_refused_naming_both_numbers(
    changes: dict[str, Any], reason: str, both: tuple[str, str]
) -> None:
    found = rejected(response(usage=usage(**changes)))
    assert found.reason == reason
    assert all(number in found.message for number in both)


@pytest.mark.parametrize("value", [5, "text", [1], True])
def test_usage_of_another_shape_is_refused(value: object) -> None:
    assert rejected(response(usage=value)).reason == "invalid_usage"
    assert rejected(response(usage=usage(input_tokens_details=value))).reason == "invalid_usage"
    assert rejected(response(usage=usage(output_tokens_details=value))).reason == "invalid_usage"


# --- what no card prices --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("tier", [5, True, [], {}, "a prompt"])
def test_what_is_no_word_is_no_service_tier(tier: object) -> None:
    for obj in (response(service_tier=tier), chat(service_tier=tier), record(service_tier=tier)):
        found = rejected(obj)
        assert found.reason in ("not_text", "unknown_service_tier")
        assert "a prompt" not in found.message


@pytest.mark.parametrize("tier", ["auto", "default", "flex", "Default", None, ""])
def test_service_tiers_are_kept_and_blank_is_none(tier: str | None) -> None:
    for obj in (response(service_tier=tier), chat(service_tier=tier), record(service_tier=tier)):
        assert accepted(obj).service_tier == (tier or None)


AUDIO = [
    {"input_tokens_details": {"audio_tokens": 5}},
    {"output_tokens_details": {"audio_tokens": 5}},
    {"input_tokens_details": {"cached_tokens_details": {"audio_tokens": 5}}},
    {"input_audio_tokens": 5},
    {"input_token_details": {"audio_tokens": 5}},
]
CACHE_WRITES = [
    {"cache_creation_input_tokens": 5},
    {"cache_write_tokens": 5},
    {"cache_write_input_tokens": 5},
    {"cache_creation": {"ephemeral_5m_input_tokens": 5, "ephemeral_1h_input_tokens": 0}},
    {"input_tokens_details": {"cache_creation_tokens": 5}},
    {"input_tokens_details": {"cache_write_tokens": 5}},
    {"input_tokens_details": {"cache_write_tokens_details": {"ttl_12h_tokens": 5}}},
]


@pytest.mark.parametrize(
    ("extra", "reason"),
    [(extra, "audio_tokens") for extra in AUDIO] + [(extra, "cache_write_tokens") for extra in CACHE_WRITES],
    ids=str,
)
def test_tokens_that_no_card_prices_are_refused_under_each_name(extra: dict[str, Any], reason: str) -> None:
    found = rejected(response(usage=usage(**extra)))
    assert found.reason == reason
    assert "5" in found.message
    assert "input_tokens" not in found.fields
    nothing = json.loads(json.dumps(extra).replace("5", "0").replace("_0m_", "_5m_"))
    assert counts(accepted(response(usage=usage(**nothing)))) == (88, 0, 230, 0)
    null = json.loads(json.dumps(extra).replace(" 5", " null"))
    assert counts(accepted(response(usage=usage(**null)))) == (88, 0, 230, 0)


@pytest.mark.parametrize(
    ("details", "reason"),
    [
        ({"prompt_tokens_details": {"audio_tokens": 5}}, "audio_tokens"),
        ({"completion_tokens_details": {"audio_tokens": 5}}, "audio_tokens"),
        ({"prompt_tokens_details": {"cache_write_tokens": 5}}, "cache_write_tokens"),
        ({"prompt_tokens_details": {"audio_tokens": "5"}}, "unknown_usage"),
        ({"prompt_tokens_details": {"audio_tokens": True}}, "unknown_usage"),
        ({"prompt_tokens_details": {"audio_tokens": -5}}, "negative_count"),
    ],
    ids=str,
)
def test_chat_details_are_looked_through_too(details: dict[str, Any], reason: str) -> None:
    assert rejected(chat(usage={"prompt_tokens": 40, "completion_tokens": 9} | details)).reason == reason


def test_costs_and_other_figures_beside_the_counts_are_passed_over() -> None:
    extra = {"cost": 0.01, "cache_write_cost": 0.2, "cost_details": {"cache_write": 0.1}}
    found = accepted(response(usage=usage(**extra)))
    assert (counts(found), found.provider_amount_nano) == ((88, 0, 230, 0), 10_000_000)


# --- id, time, texts ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("missing", [..., None, "", "  "])
def test_an_id_is_needed(missing: Any) -> None:
    for obj in (response(id=missing), chat(id=missing), record(request_id=missing)):
        found = rejected(obj)
        assert found.reason == "missing_id"
        assert "request_id" not in found.fields
        assert {"input_tokens", "output_tokens", "occurred_at"} <= found.fields.keys()


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"id": 5}, "not_text"),
        ({"id": "x" * 513}, "too_long"),
        ({"id": "a\0b"}, "nul_byte"),
        ({"id": "a\ud800"}, "lone_surrogate"),
        ({"model": "m" * 201}, "too_long"),
        ({"model": "a\0b"}, "nul_byte"),
        ({"model": ["m"]}, "not_text"),
        ({"model": False}, "not_text"),
        ({"created_at": ...}, "missing_time"),
        ({"created_at": None}, "missing_time"),
        ({"created_at": "2026-02-19T07:37:54"}, "no_time_zone"),
        ({"created_at": -1}, "time_out_of_range"),
        ({"created_at": True}, "invalid_time"),
    ],
    ids=str,
)
def test_texts_and_times_are_refused_by_name(changes: dict[str, Any], reason: str) -> None:
    assert rejected(response(**changes)).reason == reason


def test_the_longest_texts_are_taken_and_fractions_of_a_second_kept() -> None:
    found = accepted(response(id="é" * 512, model="m" * 200, created_at=1771486674.25))
    assert len(found.request_id) == 512
    assert found.occurred_at_us == AT * SECOND + 250_000


def test_messages_show_forty_characters_of_a_name_at_most_and_no_control_characters() -> None:
    message = rejected(record() | {"\x1b[31m\u202e" + "s" * 500: 1}).message
    assert "\x1b" not in message
    assert "\u202e" not in message
    assert r"\x1b[31m\u202e" in message
    assert "s" * 40 not in message


def test_metadata_is_kept_as_text_and_never_refused() -> None:
    metadata = {
        "project": "search",
        "n": 5,
        "x": 1.5,
        "yes": True,
        "none": None,
        "list": [1],
        "object": {"a": 1},
        "long": "x" * 9_999,
        "nul": "\0",
    }
    found = accepted(response(metadata=metadata))
    assert found.response_metadata == {
        "project": "search",
        "n": "5",
        "x": "1.5",
        "yes": "true",
        "long": "x" * 9_999,
        "nul": "\0",
    }
    assert found.project is None
    others: list[Any] = [[], "text", 5, {}, None]
    for odd in others:
        assert accepted(response(metadata=odd)).response_metadata == {}


@pytest.mark.parametrize("caching", [{"type": "disabled"}, {"type": None}, {}, None, "enabled", ["enabled"], True])
def test_only_enabled_caching_states_the_end_of_its_storage(caching: object) -> None:
    assert accepted(response()).caching_expires_at == 1_771_745_874
    assert accepted(response(caching=caching)).caching_expires_at is None


# --- what is kept of a refused object -------------------------------------------------------------------------------


def test_a_rejection_keeps_fields_and_nothing_of_the_payload() -> None:
    obj = response(
        created_at=..., metadata={"project": "search", "secret": "s"}, instructions="the prompt", error={"message": "e"}
    )
    found = rejected(obj)
    assert found.reason == "missing_time"
    assert found.fields == {
        "request_id": "resp_1",
        "reported_model": "doubao-seed-2-0-code-preview-260215",
        "project": "search",
        "status": "completed",
        "service_tier": "default",
        "input_tokens": 88,
        "cached_input_tokens": 0,
        "output_tokens": 230,
        "reasoning_tokens": 211,
    }


# --- envelopes ------------------------------------------------------------------------------------------------------


def test_an_envelope_adds_what_was_asked_and_who_pays() -> None:
    found = accepted(
        {
            "request": {"model": "doubao-seed-2.0-pro", "metadata": {"team": "a", "n": 1}, "input": "the prompt"},
            "response": response(metadata={"team": "b"}),
            "project": "search",
            "tags": {"env": "prod", "shard": 7, "on": True, "none": None},
            "occurred_at": "2026-03-01T08:00:00.5+08:00",
            "took": 1.5,
        }
    )
    assert (found.requested_model, found.reported_model) == (
        "doubao-seed-2.0-pro",
        "doubao-seed-2-0-code-preview-260215",
    )
    assert found.project == "search"
    assert found.tags == {"env": "prod", "shard": "7", "on": "true"}
    assert (found.response_metadata, found.request_metadata) == ({"team": "b"}, {"team": "a", "n": "1"})
    assert found.occurred_at_us == 1_772_323_200 * SECOND + 500_000
    assert counts(found) == (88, 0, 230, 211)


def test_a_response_alone_carries_the_rest() -> None:
    assert accepted({"response": response()}) == accepted(response())
    assert accepted({"response": chat(), "request": None, "tags": None, "occurred_at": None}) == accepted(chat())
    bare_chat = chat(object=...)
    assert accepted({"response": bare_chat}) == accepted(chat())


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"response": None, "error": {"code": 500}}, "missing_id"),
        ({"response": {"id": "a", "created_at": 5, "error": {}}}, "missing_usage"),
        ({"response": "text"}, "not_an_object"),
        ({"request": [1]}, "not_an_object"),
        ({"tags": ["a"]}, "invalid_tags"),
        ({"tags": {"a": {"b": 1}}}, "invalid_tags"),
        ({"tags": {"a": [1]}}, "invalid_tags"),
        ({"tags": {"": "x"}}, "invalid_tags"),
        ({"tags": {"k" * 65: "x"}}, "too_long"),
        ({"tags": {"k": "x" * 513}}, "too_long"),
        ({"tags": {"k": "a\0"}}, "nul_byte"),
        ({"tags": {"\0": "a"}}, "nul_byte"),
        ({"tags": {str(n): "x" for n in range(65)}}, "invalid_tags"),
        ({"project": "p" * 201}, "too_long"),
        ({"project": 5}, "not_text"),
        ({"occurred_at": "2026-03-01"}, "no_time_zone"),
        ({"occurred_at": {}}, "invalid_time"),
        ({"request": {"model": "m" * 201}}, "too_long"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_envelopes_are_refused_by_name(changes: dict[str, Any], reason: str) -> None:
    found = rejected({"request": {"model": "pro"}, "response": response(), "project": "p"} | changes)
    assert found.reason == reason


def test_the_most_tags_are_taken() -> None:
    tags = {f"{n:064}": "x" * 512 for n in range(64)}
    assert accepted({"response": response(), "tags": tags}).tags == tags


def test_a_refused_envelope_keeps_the_fields_of_both_halves() -> None:
    envelope = {
        "request": {"model": "pro", "metadata": {"project": "asked"}},
        "response": response(id=""),
        "tags": {"env": "prod"},
        "occurred_at": 1,
    }
    fields = rejected(envelope).fields
    assert fields["requested_model"] == "pro"
    assert fields["project"] == "asked"
    assert fields["tags"] == {"env": "prod"}
    assert fields["occurred_at"] == "1970-01-01T00:00:01Z"
    answered = envelope | {"response": response(id="", metadata={"project": "answered"})}
    assert rejected(answered).fields["project"] == "answered"
    assert rejected(answered | {"project": "own"}).fields["project"] == "own"


def test_values_that_are_no_json_are_shown_by_their_kind() -> None:
    assert "(a tuple)" in rejected(response(status=(1,))).message
    assert "(a bytes)" in rejected(response(usage=usage(input_tokens=b"x"))).message


# --- recognition ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("obj", "name"),
    [
        (response(), "responses"),
        (response(object=...), "responses"),
        (response(object=..., usage=...), "responses"),
        (chat(), "chat"),
        (chat(object=...), "chat"),
        (chat(object=..., usage=...), "chat"),
        ({"request": {}, "response": {}}, "envelope"),
        ({"request": {}, "response": None, "error": {}}, "envelope"),
        ({"request": {}, "response": {}, "occurred_at": 5}, "envelope"),
        (record(), "records"),
        ({"occurred_at": 5, "input_tokens": 1}, "records"),
        ({"kind": "cache_storage"}, "records"),
        ({"resourceSpans": []}, "otel"),
        ({"resourceLogs": []}, "otel"),
        ({"object": "chat.completion.chunk"}, "sse"),
        ({"type": "response.created", "response": {}}, "sse"),
        ({"type": "error", "sequence_number": 3}, "sse"),
        ({}, None),
        ({"object": {}}, None),
        ({"object": "list", "data": []}, None),
        ({"type": 5}, None),
    ],
    ids=str,
)
def test_objects_are_recognised_by_their_content(obj: dict[str, Any], name: str | None) -> None:
    assert recognise(obj) == name


def test_each_format_is_registered_under_its_name() -> None:
    vendors = {"anthropic", "gemini", "bedrock"}
    assert set(FORMATS) == {"responses", "chat", "sse", "envelope", "records", "otel", "litellm"} | vendors
    assert all(found.name == name for name, found in FORMATS.items())


def test_a_wrong_format_is_told() -> None:
    found = rejected(response(), "chat")
    assert found.reason == "unknown_object"
    assert "looks like responses" in found.message
    with pytest.raises(ValueError, match="unknown"):
        parse_object({}, "nonsense")
