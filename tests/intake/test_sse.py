"""Captured event streams: one record a stream, from its terminal event alone."""

from __future__ import annotations

import json
from typing import Any

import pytest
from openai.types.chat import ChatCompletionChunk
from openai.types.responses import ResponseCompletedEvent

from ledger.intake.containers import events as events_module
from ledger.intake.fields.record import UsageRecord
from ledger.intake.formats import captures, chat_streams
from tests.helpers.sources import (
    AT,
    SECOND,
    chat,
    counts,
    lines,
    only_record,
    only_rejection,
    parse_object,
    read,
    response,
    told,
    usage,
)


def sse(*events: Any, end: str = "\n") -> str:
    """Events as the gateway sends them: the type on its own line where there is one, data, a blank line."""
    text = ""
    for event in events:
        if isinstance(event, dict) and "type" in event:
            text += f"event: {event['type']}{end}"
        text += f"data: {event if isinstance(event, str) else json.dumps(event)}{end}{end}"
    return text


def started(request_id: str = "resp_1", **changes: Any) -> dict[str, Any]:
    body = response(request_id, **{"status": "in_progress", "usage": None} | changes)
    return {"type": "response.created", "sequence_number": 0, "response": body}


def delta(text: str = "hi") -> dict[str, Any]:
    return {"type": "response.output_text.delta", "item_id": "msg_1", "delta": text, "sequence_number": 1}


def ended(request_id: str = "resp_1", kind: str = "completed", **changes: Any) -> dict[str, Any]:
    body = response(request_id, **{"status": kind} | changes)
    return {"type": f"response.{kind}", "sequence_number": 9, "response": body}


def chunk(
    request_id: str = "chatcmpl-1", text: str | None = "hi", finish: str | None = None, **changes: Any
) -> dict[str, Any]:
    choice = {"index": 0, "delta": {} if text is None else {"content": text}, "finish_reason": finish}
    obj = {
        "id": request_id,
        "object": "chat.completion.chunk",
        "created": AT,
        "model": "doubao-seed-2.0-lite",
        "choices": [choice],
    }
    return {key: found for key, found in (obj | changes).items() if found is not ...}


def chat_usage(completion: int = 9) -> dict[str, Any]:
    return {"prompt_tokens": 40, "completion_tokens": completion, "total_tokens": 40 + completion}


def final(request_id: str = "chatcmpl-1", completion: int = 9, **changes: Any) -> dict[str, Any]:
    return chunk(request_id, **{"choices": [], "usage": chat_usage(completion)} | changes)


# --- Responses ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("input_format", ["auto", "sse"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_a_stream_is_the_response_of_its_terminal_event(input_format: str, end: str) -> None:
    going_on = started() | {"type": "response.in_progress"}
    (item,) = read(sse(started(), going_on, delta(), delta(), ended(), end=end), input_format)
    assert only_record([item.parsed]) == only_record(parse_object(response()))
    assert item.line == 14
    assert json.loads(item.raw or b"") == ended()


@pytest.mark.parametrize("kind", ["completed", "incomplete", "failed", "cancelled"])
def test_each_terminal_event_ends_a_stream(kind: str) -> None:
    (item,) = read(sse(started(), delta(), ended(kind=kind)))
    assert only_record([item.parsed]).status == kind


def test_a_failed_stream_without_usage_counts_nothing() -> None:
    (item,) = read(sse(started(), ended(kind="failed", usage=None, error={"message": "secret"})))
    found = only_record([item.parsed])
    assert (found.status, found.usage) == ("failed", None)


def test_a_stream_without_an_end_is_refused_with_what_is_known() -> None:
    (item,) = read(sse(started(metadata={"project": "search"}, instructions="the prompt"), delta("secret")))
    found = only_rejection([item.parsed])
    assert found.reason == "no_terminal_event"
    assert found.fields == {
        "request_id": "resp_1",
        "occurred_at": "2026-02-19T07:37:54Z",
        "reported_model": "doubao-seed-2-0-code-preview-260215",
        "project": "search",
        "service_tier": "default",
    }
    assert item.line == 2
    assert b"prompt" not in (item.raw or b"")


def test_streams_may_follow_one_another_and_be_interleaved() -> None:
    text = sse(
        started("a"), started("b"), delta(), ended("b"), delta(), started("c"), ended("a"), started("d"), ended("e")
    )
    assert [word for _, word in told(read(text))] == ["b", "a", "e", "no_terminal_event", "no_terminal_event"]
    refused = [only_rejection([item.parsed]).fields["request_id"] for item in read(text)[3:]]
    assert refused == ["c", "d"]


def test_usage_before_the_end_is_never_read() -> None:
    first = started(usage=usage(input_tokens=1_000, total_tokens=1_000 + 230))
    (item,) = read(sse(first, ended()))
    assert counts(only_record([item.parsed])) == (88, 0, 230, 211)
    (item,) = read(sse(first, ended(usage=None)))
    assert only_rejection([item.parsed]).reason == "missing_usage"


def test_a_terminal_event_may_leave_out_what_the_first_one_said() -> None:
    (item,) = read(sse(started(), ended(created_at=..., model=..., status=...)))
    assert only_record([item.parsed]) == only_record(parse_object(response()))
    (item,) = read(sse(started(), ended(status="in_progress")))
    assert only_record([item.parsed]).status == "completed"


def test_a_capture_that_begins_or_ends_within_a_stream() -> None:
    assert told(read(sse(delta(), ended()))) == [(5, "resp_1")]
    assert told(read(sse(delta(), delta()))) == [(2, "no_terminal_event")]
    assert told(read(sse({"type": "error", "code": "x", "message": "m", "sequence_number": 1}))) == [
        (2, "no_terminal_event")
    ]
    assert told(read(sse({"type": "response.completed"}))) == [(2, "missing_id")]


def test_an_error_event_leaves_its_stream_without_an_end() -> None:
    text = sse(started(), {"type": "error", "code": "x", "message": "m", "sequence_number": 1})
    assert told(read(text)) == [(2, "no_terminal_event")]


def test_what_the_sdk_dumps_of_an_event_is_read() -> None:
    details = {"cached_tokens": 0, "cache_write_tokens": 0}
    counted = usage(input_tokens_details=details, output_tokens_details={"reasoning_tokens": 211})
    body = response(parallel_tool_calls=True, tool_choice="auto", tools=[], error=None, usage=counted)
    event = ResponseCompletedEvent.model_validate(
        {"type": "response.completed", "sequence_number": 3, "response": body}, strict=False
    )
    raw = event.model_dump_json()
    assert told(read(raw + "\n")) == [(1, "resp_1")]
    assert told(read(f"data: {raw}\n\n")) == [(1, "resp_1")]


# --- chat -----------------------------------------------------------------------------------------------------------


def test_a_chat_stream_is_its_last_chunk() -> None:
    stream = [chunk(usage=None), chunk(text=None, finish="stop", usage=None), final(), "[DONE]"]
    (item,) = read(sse(*stream))
    found = only_record([item.parsed])
    assert counts(found) == (40, 0, 9, 0)
    assert (found.request_id, found.reported_model, found.occurred_at_us) == (
        "chatcmpl-1",
        "doubao-seed-2.0-lite",
        AT * SECOND,
    )
    assert item.line == 5
    assert told(read(sse(*stream[:-1]))) == [(5, "chatcmpl-1")]


def test_what_the_sdk_dumps_of_chunks_is_read() -> None:
    stream = [chunk(), chunk(text=None, finish="stop"), final()]
    dumped = [ChatCompletionChunk.model_validate(event).model_dump_json() for event in stream]
    assert told(read("\n".join(dumped))) == [(3, "chatcmpl-1")]
    assert told(read(sse(*dumped, "[DONE]"))) == [(5, "chatcmpl-1")]


@pytest.mark.parametrize(
    "stream",
    [
        # usage that grows in each chunk, the last with the finish
        [chunk(usage=chat_usage(1)), chunk(usage=chat_usage(5)), chunk(text=None, finish="stop", usage=chat_usage(9))],
        # the same and a final chunk without choices
        [chunk(usage=chat_usage(1)), chunk(finish="stop", usage=chat_usage(9)), final(), "[DONE]"],
        # the last text has it, then a finish without
        [chunk(usage=chat_usage(1)), chunk(usage=chat_usage(9)), chunk(text=None, finish="stop"), "[DONE]"],
        # no finish reason at all
        [chunk(), final(), "[DONE]"],
        [chunk(), final()],
        [final()],
        # usage with nothing written yet, before the text
        [final(completion=0), chunk(), chunk(finish="stop"), final(), "[DONE]"],
        # two answers to one prompt
        [
            chunk(),
            chunk(finish="stop"),
            chunk(choices=[{"index": 1, "delta": {"content": "x"}, "finish_reason": None}]),
            chunk(choices=[{"index": 1, "delta": {}, "finish_reason": "stop"}]),
            final(),
        ],
        # a chunk with something else after the usage
        [chunk(finish="stop"), final(), chunk(choices=[{"index": 0, "delta": {"audio": {}}}]), "[DONE]"],
        # filter results before all else
        [chunk("", choices=[], prompt_filter_results=[]), chunk(), chunk(finish="stop"), final(), "[DONE]"],
    ],
    ids=range(10),
)
def test_cumulative_usage_is_never_summed(stream: list[Any]) -> None:
    (item,) = read(sse(*stream))
    assert counts(only_record([item.parsed])) == (40, 0, 9, 0)


@pytest.mark.parametrize(
    ("stream", "reason"),
    [
        ([chunk(), chunk()], "no_terminal_event"),
        ([chunk(usage=chat_usage(1)), chunk(usage=chat_usage(5))], "no_terminal_event"),
        ([final(completion=0)], "no_terminal_event"),
        ([final(completion=0), chunk()], "no_terminal_event"),
        ([chunk(), chunk(finish="stop"), "[DONE]"], "missing_usage"),
        ([chunk(), chunk(finish="stop")], "missing_usage"),
        ([chunk(), "[DONE]"], "missing_usage"),
        ([chunk(usage=chat_usage(5)), chunk(), chunk(finish="stop"), "[DONE]"], "missing_usage"),
        ([chunk(id=...), "[DONE]"], "missing_id"),
        ([chunk(""), final("")], "missing_id"),
        ([{"error": {"message": "quota"}}], "no_terminal_event"),
    ],
    ids=range(11),
)
def test_chat_streams_without_final_usage_are_refused(stream: list[Any], reason: str) -> None:
    assert [word for _, word in told(read(sse(*stream), "sse"))] == [reason]


def test_a_refused_chat_stream_keeps_what_is_known() -> None:
    (item,) = read(sse(chunk(), chunk()))
    assert only_rejection([item.parsed]).fields == {
        "request_id": "chatcmpl-1",
        "occurred_at": "2026-02-19T07:37:54Z",
        "reported_model": "doubao-seed-2.0-lite",
    }


def test_chat_streams_may_be_interleaved() -> None:
    text = sse(
        chunk("a"),
        chunk("b"),
        chunk("a", finish="stop", usage=chat_usage(3)),
        "[DONE]",
        chunk("b", finish="stop"),
        final("b"),
        "[DONE]",
        chunk("c"),
    )
    items = read(text)
    assert [word for _, word in told(items)] == ["a", "b", "no_terminal_event"]
    assert counts(only_record([items[0].parsed])) == (40, 0, 3, 0)


def test_a_stream_captured_twice_says_the_same_twice() -> None:
    stream = [chunk(), chunk(finish="stop"), final(), "[DONE]"]
    assert [word for _, word in told(read(sse(*stream, *stream)))] == ["chatcmpl-1"] * 2
    twice = [started(), ended()] * 2
    assert [word for _, word in told(read(sse(*twice)))] == ["resp_1"] * 2


# --- the text of streams --------------------------------------------------------------------------------------------


def test_comments_fields_and_heartbeats_are_passed_over() -> None:
    text = ": keep-alive\n\nid: 7\nretry: 3000\n" + sse(started())
    text += 'data: ping\n\ndata: {"type": "ping"}\n\ndata\nevent: ping\ndata:\n\n' + sse(ended())
    assert [word for _, word in told(read(text))] == ["resp_1"]


def test_headers_before_a_stream_are_passed_over() -> None:
    text = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n" + sse(started(), ended())
    assert [word for _, word in told(read(text))] == ["resp_1"]


def test_captures_that_lost_their_blank_lines_are_read() -> None:
    text = "\n".join(
        f"data: {json.dumps(event)}" for event in (started("a"), delta(), ended("a"), started("b"), ended("b"))
    )
    assert told(read(text)) == [(3, "a"), (5, "b")]


def test_data_may_span_lines() -> None:
    data = "".join(f"data: {line}\n" for line in json.dumps(ended(), indent=1).split("\n"))
    assert told(read(f"event: response.completed\n{data}\n")) == [(2, "resp_1")]
    plain = ended() | {"note": [{}]}
    spread = json.dumps(plain, indent=0).replace("\n", "\ndata:")
    assert "data:{}\n" in spread
    assert told(read(f"data:{spread}\n\n")) == [(1, "resp_1")]


def test_data_over_many_lines_that_never_ends_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(events_module, "MAX_ITEM_BYTES", 200)
    text = 'data: {"a": [\n' + "data: {},\n" * 100 + "\n" + sse(ended())
    found = [word for _, word in told(read(text))]
    assert found[-1] == "resp_1"
    assert set(found[:-1]) == {"invalid_json"}
    assert len(found) < 20


def test_a_whole_response_as_data_is_read() -> None:
    assert told(read(sse(response("a"), chat("b")))) == [(1, "a"), (3, "b")]


def test_broken_data_is_refused_alone() -> None:
    text = sse(
        started("a"), '{"type": "response.comp', ended("a"), '{"a":1,"a":2}', '{"a":"\0"}', started("b"), ended("b")
    )
    assert [word for _, word in told(read(text))] == ["invalid_json", "a", "duplicate_key", "nul_byte", "b"]
    lost = f'data: {{"type": "resp\ndata: {json.dumps(ended("a"))}\n'
    assert told(read(lost)) == [(1, "invalid_json"), (2, "a")]


def test_a_cut_off_event_is_told_by_its_stream() -> None:
    text = sse(started("a"), delta(), ended("a"))
    assert told(read(text[:-30])) == [(2, "no_terminal_event")]
    assert told(read(sse(ended("a"))[:-30])) == [(2, "truncated_json")]
    two = sse(started("a"), started("b"), ended("a"))[:-30]
    assert [word for _, word in told(read(two))] == ["truncated_json", "no_terminal_event", "no_terminal_event"]
    assert told(read(text.rstrip("\n"))) == [(8, "a")]


def test_events_as_json_lines_are_read_in_any_format_that_allows_them() -> None:
    text = lines([started("a"), delta(), response("b"), ended("a"), started("c")])
    assert told(read(text)) == [(3, "b"), (4, "a"), (5, "no_terminal_event")]
    assert told(read(text, "sse")) == [(3, "b"), (4, "a"), (5, "no_terminal_event")]
    array = json.dumps([started("a"), ended("a"), started("c")])
    assert [word for _, word in told(read(array))] == ["a", "no_terminal_event"]


def test_a_text_without_events_is_of_no_format() -> None:
    assert told(read("nothing: here\n", "sse")) == [(1, "unrecognised_format")]
    assert told(read("data: ping\n\n", "auto")) == [(1, "unrecognised_format")]


def test_no_more_streams_are_held_open_than_the_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(captures, "MAX_OPEN", 3)
    text = sse(*(started(str(n)) for n in range(5)), ended("4"))
    items = read(text)
    assert [word for _, word in told(items)] == ["no_terminal_event"] * 2 + ["4"] + ["no_terminal_event"] * 2
    chats = sse(*(chunk(str(n)) for n in range(5)))
    assert [word for _, word in told(read(chats))] == ["no_terminal_event"] * 5
    late = sse(*(final(str(n)) for n in range(5)))
    assert [word for _, word in told(read(late))] == ["0", "1", "2", "3", "4"]


def test_closed_chat_streams_are_remembered_only_so_long(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chat_streams, "_MAX_CLOSED", 2)
    streams = [event for n in range(5) for event in (chunk(str(n), finish="stop"), final(str(n)))]
    assert [word for _, word in told(read(sse(*streams)))] == ["0", "1", "2", "3", "4"]


@pytest.mark.parametrize(
    "event",
    [
        {"object": "chat.completion.chunk"},
        chunk(choices={}),
        chunk(choices=[5, None, {"delta": 5}]),
        chunk(usage=5),
        chunk(id=5),
        {"type": "response.completed", "response": {"id": []}},
        {"type": "response.created", "response": {"id": []}},
        {"type": "response.created", "response": []},
        {"type": "response."},
    ],
    ids=str,
)
def test_odd_events_raise_nothing(event: dict[str, Any]) -> None:
    for found in parse_object(event, "sse"):
        assert not isinstance(found, UsageRecord)
    read(sse(event, event, ended()))
