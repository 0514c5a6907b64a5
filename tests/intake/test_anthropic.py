"""Anthropic's Messages API: responses whole and streamed, cache writes and tools by name, no time of its own."""

from __future__ import annotations

import json
from typing import Any

import pytest

from ledger.intake.fields.record import Pending
from ledger.values.instants import iso_text
from tests.helpers.sources import counts, lines, only_record, only_rejection, parse_object, read, told
from tests.intake.test_sse import chunk, final, sse

AT = "2026-03-04T05:06:07Z"
# What the SDK's `model_dump_json()` writes of a response.
MESSAGE: dict[str, Any] = {
    "id": "msg_01",
    "container": None,
    "content": [{"citations": None, "text": "hi", "type": "text"}],
    "model": "claude-x-1-20260301",
    "role": "assistant",
    "stop_details": None,
    "stop_reason": "end_turn",
    "stop_sequence": None,
    "type": "message",
    "usage": {
        "cache_creation": {"ephemeral_1h_input_tokens": 0, "ephemeral_5m_input_tokens": 0},
        "cache_creation_input_tokens": 0,
        "cache_read_input_tokens": 60,
        "inference_geo": "global",
        "input_tokens": 40,
        "iterations": None,
        "output_tokens": 30,
        "output_tokens_details": {"thinking_tokens": 20},
        "server_tool_use": None,
        "service_tier": "standard",
        "speed": "standard",
    },
}


def message(**changes: Any) -> dict[str, Any]:
    return {
        key: value for key, value in (MESSAGE | {"usage": dict(MESSAGE["usage"])} | changes).items() if value is not ...
    }


def used(**changes: Any) -> dict[str, Any]:
    """A response with this changed in its usage, in an envelope with a time."""
    return {"request": {}, "response": message(usage=MESSAGE["usage"] | changes), "occurred_at": AT}


@pytest.mark.parametrize(
    ("changes", "written"),
    [
        ({"cache_creation_input_tokens": None, "cache_creation": {"ephemeral_5m_input_tokens": 7}}, (7, 0)),
        ({"cache_creation_input_tokens": 7, "cache_creation": {"ephemeral_1h_input_tokens": 7}}, (0, 7)),
        (
            {
                "cache_creation_input_tokens": 7,
                "cache_creation": {"ephemeral_5m_input_tokens": 4, "ephemeral_1h_input_tokens": 3},
            },
            (4, 3),
        ),
    ],
)
def test_tokens_written_to_the_cache_are_beside_the_input(changes: dict[str, Any], written: tuple[int, int]) -> None:
    found = only_record(parse_object(used(**changes)))
    assert counts(found) == (40 + 60 + 7, 60, 30, 20)
    assert found.usage is not None
    assert (found.usage.cache_write_5m_tokens, found.usage.cache_write_1h_tokens) == written


def test_written_tokens_of_which_nobody_tells_how_long_they_stay_are_refused() -> None:
    found = only_rejection(parse_object(used(cache_creation_input_tokens=7)))
    assert (found.reason, "how long they stay" in found.message) == ("cache_write_tokens", True)


def test_a_response_as_the_sdk_dumps_it() -> None:
    found = only_record(parse_object(message(occurred_at=AT)))
    assert (found.request_id, found.reported_model, found.service_tier) == ("msg_01", "claude-x-1-20260301", "default")
    assert counts(found) == (40 + 60, 60, 30, 20)


@pytest.mark.parametrize(
    ("changes", "reason", "said"),
    [
        ({"cache_creation": {"ephemeral_5m_input_tokens": 7}}, "count_mismatch", "not the 0 tokens written"),
        (
            {
                "cache_creation_input_tokens": 8,
                "cache_creation": {"ephemeral_5m_input_tokens": 4, "ephemeral_1h_input_tokens": 3},
            },
            "count_mismatch",
            "4 for 5 minutes and 3 for an hour are not the 8",
        ),
        (
            {"cache_creation": {"ephemeral_1d_input_tokens": 7}},
            "unknown_usage",
            "usage.cache_creation.ephemeral_1d_input_tokens 7",
        ),
        ({"output_tokens_details": {"thinking_tokens": 31}}, "reasoning_exceeds_output", "31"),
        ({"output_tokens_details": 5}, "invalid_usage", "usage.output_tokens_details 5"),
        ({"service_tier": "two words"}, "unknown_service_tier", "(a text of 9 characters)"),
        ({"speed": "fast"}, "unknown_usage", "usage.speed"),
        ({"inference_geo": "us"}, "unknown_usage", "usage.inference_geo"),
        ({"server_tool_use": {"computer_requests": 1}}, "unknown_usage", "usage.server_tool_use.computer_requests 1"),
        (
            {"server_tool_use": {"web_search_requests": -1}},
            "negative_count",
            "usage.server_tool_use.web_search_requests",
        ),
        ({"input_tokens": 2**63 - 1}, "count_out_of_range", "input_tokens"),
    ],
)
def test_what_no_card_prices_is_refused_by_name(changes: dict[str, Any], reason: str, said: str) -> None:
    found = only_rejection(parse_object(used(**changes)))
    assert (found.reason, said in found.message) == (reason, True), found.message


def iteration(kind: str = "message", **changes: Any) -> dict[str, Any]:
    return {"type": kind, "input_tokens": 40, "output_tokens": 30, "cache_read_input_tokens": 60} | changes


def test_iterations_are_billed_beside_the_counts_unless_they_are_the_message_itself() -> None:
    assert counts(only_record(parse_object(used(iterations=[iteration()])))) == (100, 60, 30, 20)
    for others in (
        [iteration(), iteration("compaction")],
        [iteration(input_tokens=41)],
        [iteration("advisor_message")],
        [5],
    ):
        assert only_rejection(parse_object(used(iterations=others))).reason == "unknown_usage"


def test_tools_that_the_server_bills_are_counted() -> None:
    block = {"type": "server_tool_use", "name": "web_search", "id": "srvtoolu_1"}
    ran = {"type": "server_tool_use", "name": "bash_code_execution"}
    fetched, own = {"type": "server_tool_use", "name": "web_fetch"}, {"type": "tool_use", "name": "web_search"}
    stated = MESSAGE["usage"] | {"server_tool_use": {"web_search_requests": 2, "web_fetch_requests": 3}}
    for content, usage, calls in (
        ([block, fetched, own], MESSAGE["usage"], 1),
        ([block], stated, 2),
        ([block, ran, ran], stated, 4),
        ([fetched], MESSAGE["usage"], 0),
    ):
        assert only_record(parse_object(message(content=content, usage=usage, occurred_at=AT))).tool_calls == calls


def test_what_is_still_written_is_pending() -> None:
    (parsed,) = parse_object(message(stop_reason=None, occurred_at=AT))
    assert parsed == Pending("in_progress")
    # A log may keep less of a response.
    kept = {key: MESSAGE[key] for key in ("id", "type", "model", "usage")} | {"occurred_at": AT}
    assert counts(only_record(parse_object(kept))) == (100, 60, 30, 20)


def test_a_message_of_something_else_is_refused() -> None:
    turn = {"type": "message", "role": "user", "content": "hi", "id": "m"}
    assert only_rejection(parse_object(turn)).reason == "unknown_object"
    assert only_rejection(parse_object(message(id=..., occurred_at=AT))).reason == "missing_id"


def test_a_service_tier_is_kept_for_its_price() -> None:
    for tier in ("priority", "batch"):
        assert only_record(parse_object(used(service_tier=tier))).service_tier == tier
        events = [start(service_tier=tier), delta(), STOP]
        assert only_record(parse_object(enveloped(events))).service_tier == tier


def test_a_line_of_a_batch_job_was_served_as_batch() -> None:
    line = {"custom_id": "a", "result": {"type": "succeeded", "message": message()}}
    assert only_rejection(parse_object(line)).reason == "missing_time"
    found = only_record(parse_object(line | {"occurred_at": AT}))
    assert (found.request_id, found.service_tier, counts(found)) == ("msg_01", "batch", (100, 60, 30, 20))
    for kind in ("errored", "canceled", "expired"):
        assert told(read(lines([{"custom_id": "a", "result": {"type": kind}}]))) == [(1, "ignored")]
    assert only_rejection(parse_object({"custom_id": "a", "result": {"type": "x"}})).reason == "unpriced_service"


# --- streams --------------------------------------------------------------------------------------------------------


def start(request_id: str = "msg_01", **changes: Any) -> dict[str, Any]:
    first = MESSAGE["usage"] | {"output_tokens": 1, "output_tokens_details": None}
    body = message(id=request_id, content=[], stop_reason=None, usage=first | changes)
    return {"type": "message_start", "message": body}


def block(text: str = "hi", **changes: Any) -> list[dict[str, Any]]:
    return [
        {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""} | changes},
        {"type": "ping"},
        {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": text}},
        {"type": "content_block_stop", "index": 0},
    ]


def delta(reason: str | None = "end_turn", **usage: Any) -> dict[str, Any]:
    counted = {"output_tokens": 30, "output_tokens_details": {"thinking_tokens": 20}} | usage
    return {"type": "message_delta", "delta": {"stop_reason": reason, "stop_sequence": None}, "usage": counted}


STOP = {"type": "message_stop"}


def stream(request_id: str = "msg_01") -> list[dict[str, Any]]:
    return [start(request_id), *block(), delta(), STOP]


def enveloped(events: list[dict[str, Any]]) -> dict[str, Any]:
    return {"request": {}, "response": events, "occurred_at": AT}


@pytest.mark.parametrize("ends", [[STOP], []])
def test_a_stream_in_an_envelope_is_the_response(ends: list[dict[str, Any]]) -> None:
    found = only_record(parse_object(enveloped([*stream()[:-1], *ends])))
    assert found == only_record(parse_object(message(occurred_at=AT)))


@pytest.mark.parametrize(
    "head",
    [
        "HTTP/2 200\r\ndate: Wed, 04 Mar 2026 05:06:07 GMT\r\nrequest-id: r\r\n\r\n",
        "Date: Wed, 04 Mar 2026 05:06:07 GMT\n\n",
    ],
)
@pytest.mark.parametrize("input_format", ["auto", "sse"])
def test_a_capture_with_headers_has_their_time(head: str, input_format: str) -> None:
    text = head + sse(*stream("a")) + sse(*stream("b"))
    found = [only_record([item.parsed]) for item in read(text, input_format)]
    assert [(each.request_id, counts(each), iso_text(each.occurred_at_us)) for each in found] == [
        ("a", (100, 60, 30, 20), AT),
        ("b", (100, 60, 30, 20), AT),
    ]


def test_a_capture_without_headers_has_no_time_and_says_so() -> None:
    (item,) = read(sse(*stream()))
    found = only_rejection([item.parsed])
    assert (found.reason, item.line) == ("missing_time", 17)
    assert found.fields["request_id"] == "msg_01"
    assert told(read(lines(stream()))) == [(6, "missing_time")]


@pytest.mark.parametrize(
    ("events", "expected"),
    [
        # Counts are cumulative: the last of each holds, and zeros after them say nothing.
        ([start(), delta(None, output_tokens=10), delta()], (100, 60, 30, 20)),
        ([start(), delta(input_tokens=0, cache_read_input_tokens=0)], (100, 60, 30, 20)),
        ([start(), delta(input_tokens=45, cache_read_input_tokens=70)], (115, 70, 30, 20)),
        # Gateways know the input at the end only.
        (
            [start(input_tokens=0, cache_read_input_tokens=0), delta(input_tokens=40, cache_read_input_tokens=60)],
            (100, 60, 30, 20),
        ),
    ],
)
def test_the_usage_of_the_end_holds(events: list[dict[str, Any]], expected: tuple[int, ...]) -> None:
    assert counts(only_record(parse_object(enveloped([*events, STOP])))) == expected


@pytest.mark.parametrize(
    ("events", "reason"),
    [
        ([start()], "no_terminal_event"),
        ([start(), *block()], "no_terminal_event"),
        ([start(), delta(None)], "no_terminal_event"),
        ([start(), STOP], "no_terminal_event"),
        ([start(), {"type": "message_delta", "delta": {"stop_reason": "end_turn"}}, STOP], "no_terminal_event"),
        ([start(), {"type": "error", "error": {"type": "overloaded_error"}}], "no_terminal_event"),
        ([delta(), STOP], "missing_id"),
        ([start(), delta() | {"usage": 5}, STOP], "invalid_usage"),
        ([start(), delta(zz_tokens=4), STOP], "unknown_usage"),
    ],
)
def test_a_stream_without_a_whole_end_is_refused(events: list[dict[str, Any]], reason: str) -> None:
    head = "date: Wed, 04 Mar 2026 05:06:07 GMT\n\n"
    (item,) = read(head + sse(*events))
    assert only_rejection([item.parsed]).reason == reason
    if reason != "missing_id":
        assert only_rejection(parse_object(enveloped(events))).reason == reason


def test_streams_follow_one_another_and_others() -> None:
    head = "date: Wed, 04 Mar 2026 05:06:07 GMT\n\n"
    cut = [start("cut"), *block()]
    text = head + sse(*stream("a"), *cut, *stream("b"), chunk("c"), chunk("c", finish="stop"), final("c"), "[DONE]")
    assert sorted(word for _, word in told(read(text))) == ["a", "b", "c", "no_terminal_event"]


def test_tools_of_a_stream_are_counted_and_its_text_is_not_kept() -> None:
    tool = block("the secret", type="server_tool_use", name="web_search")
    events = [start(), *tool, delta(server_tool_use={"web_search_requests": 2}), STOP]
    assert only_record(parse_object(enveloped(events))).tool_calls == 2
    assert only_record(parse_object(enveloped([start(), *tool, delta(), STOP]))).tool_calls == 1
    (item,) = read(sse(*events[:-2]))
    assert b"secret" not in (item.raw or b"")
    assert "secret" not in json.dumps(only_rejection([item.parsed]).fields)
