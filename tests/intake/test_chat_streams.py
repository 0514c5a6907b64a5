"""Streams of chunks as gateways and proxies really write them: one request each, from the end, or one refusal."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.helpers.sources import AT, chat, counts, lines, only_record, only_rejection, parse_object, read, told
from tests.intake.test_sse import chat_usage, chunk, final, sse

ZEROS = {"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0}
FIRST = {"index": 0, "delta": {"role": "assistant", "content": ""}, "finish_reason": None}
EMPTY = {"index": 0, "delta": {}}


def first(request_id: str = "chatcmpl-1", **changes: Any) -> dict[str, Any]:
    return chunk(request_id, **{"choices": [FIRST]} | changes)


def stop(request_id: str = "chatcmpl-1", **changes: Any) -> dict[str, Any]:
    return chunk(request_id, text=None, finish="stop", **changes)


def text_chunk(text: str = "x", finish: str | None = None, **changes: Any) -> dict[str, Any]:
    choice = {"index": 0, "text": text, "finish_reason": finish, "logprobs": None}
    return chunk("cmpl-1", **{"object": "text_completion", "choices": [choice]} | changes)


def without(key: str, *chunks: dict[str, Any]) -> list[dict[str, Any]]:
    return [{name: value for name, value in found.items() if name != key} for found in chunks]


WHOLE = chat_usage()
FILTER = {"choices": [], "created": 0, "id": "", "model": "", "object": "", "prompt_filter_results": [{"x": 1}]}
STREAMS: dict[str, list[Any]] = {
    "no object": without("object", first(), chunk(), stop(usage=WHOLE)),
    "blank object": [first(object=""), chunk(object=""), stop(object="", usage=WHOLE)],
    "the object of a whole answer": [first(object="chat.completion"), stop(object="chat.completion", usage=WHOLE)],
    "a filter's empty first": [FILTER, first(), chunk(), stop(), final()],
    "a filter's empty first, then usage on the finish": [FILTER, first(), chunk(), stop(usage=WHOLE)],
    "groq": [first(x_groq={"id": "r"}), chunk(), stop(x_groq={"id": "r", "usage": WHOLE | {"total_time": 0.5}})],
    "usage in the choice": [first(), chunk(choices=[EMPTY | {"finish_reason": "stop", "usage": WHOLE}])],
    "usage in each of two choices": [
        first(), chunk(choices=[EMPTY | {"index": n, "finish_reason": "stop", "usage": WHOLE} for n in (0, 1)])
    ],
    "an empty delta at the end": [first(), chunk(), stop(), chunk(choices=[EMPTY], usage=WHOLE)],
    "an empty delta with nulls": [
        first(), stop(), chunk(choices=[EMPTY | {"delta": {"content": None, "role": None}}], usage=WHOLE)
    ],
    "zeros after the counts": [first(), chunk(), stop(usage=WHOLE), chunk(choices=[], usage=ZEROS)],
    "zeros until the end": [first(usage=ZEROS), chunk(usage=ZEROS), stop(usage=ZEROS), final()],
    "zeros after all": [first(), stop(), final(), chunk(choices=[], usage=ZEROS)],
    "ids that change with each chunk": [first("a"), chunk("b"), chunk("c"), stop("d"), final("e")],
    "ids that change, a role in each": [first("a"), first("b"), chunk("c"), stop("d", usage=WHOLE)],
    "another id from the second chunk on": [first("a"), chunk("b"), chunk("b"), stop("b", usage=WHOLE)],
    "another id for the usage": [first("a"), chunk("a"), stop("a"), final("u")],
    "no id for the usage": [first("a"), chunk("a"), stop("a"), final("")],
    "a time in the last chunk alone": [first(created=0), chunk(created=0), stop(created=0), final()],
    "text": [text_chunk(usage=None), text_chunk(), text_chunk(finish="stop", usage=WHOLE)],
    "text whose usage grows": [text_chunk(usage=chat_usage(1)), text_chunk("y", usage=chat_usage(5)),
                               text_chunk(finish="length", usage=WHOLE)],
    "text and usage apart": [text_chunk(), text_chunk(finish="stop"), text_chunk(choices=[], usage=WHOLE)],
    "text, no object": without("object", text_chunk(), text_chunk(), text_chunk(finish="stop", usage=WHOLE)),
    "counts that grow after the end": [first(), stop(), final(completion=5), final()],
    "counts on the finish and again": [first(), stop(usage=chat_usage(5)), final(), final()],
    "the longer names": [first(), stop(), chunk(choices=[], usage={"input_tokens": 40, "output_tokens": 9})],
}  # fmt: skip


@pytest.mark.parametrize("end", [["[DONE]"], []], ids=["done", "cut"])
@pytest.mark.parametrize("name", STREAMS)
def test_a_stream_is_one_request(name: str, end: list[str]) -> None:
    items = read(sse(*STREAMS[name], *end))
    (item,) = items
    found = only_record([item.parsed])
    assert counts(found) == (40, 0, 9, 0)
    assert found.occurred_at_us == AT * 10**6


@pytest.mark.parametrize("name", STREAMS)
def test_chunks_as_json_lines_are_the_same_request(name: str) -> None:
    in_events = [only_record([item.parsed]) for item in read(sse(*STREAMS[name], "[DONE]"))]
    assert [only_record([item.parsed]) for item in read(lines(STREAMS[name]))] == in_events
    assert [only_record([item.parsed]) for item in read(json.dumps(STREAMS[name]))] == in_events


@given(st.lists(st.sampled_from(sorted(STREAMS)), min_size=2, max_size=4, unique=True))
def test_streams_one_after_the_other_are_as_many_requests(names: list[str]) -> None:
    events: list[Any] = []
    for place, name in enumerate(names):
        renamed = [event | {"id": event.get("id") and f"{place}-{event['id']}"} for event in STREAMS[name]]
        events += [*renamed, "[DONE]"]
    found = [only_record([item.parsed]) for item in read(sse(*events))]
    assert [counts(each) for each in found] == [(40, 0, 9, 0)] * len(names)
    assert [each.request_id.partition("-")[0] for each in found] == [str(place) for place in range(len(names))]


REFUSED: dict[str, tuple[list[Any], str]] = {
    "counts before the text that finishes": (
        [first(usage=chat_usage(0)), chunk(text="the whole answer", finish="stop")],
        "missing_usage",
    ),
    "counts before the rest of the text": (
        [first(), chunk(usage=chat_usage(1)), chunk(text="more", finish="stop")],
        "missing_usage",
    ),
    "ids that change, counts before the text": (
        [first("a"), chunk("b", usage=chat_usage(1)), chunk("c"), stop("d")],
        "missing_usage",
    ),
    "another count in x_groq": (
        [
            first(),
            stop(
                usage=WHOLE,
                x_groq={"usage": WHOLE | {"prompt_tokens_details": {"cached_tokens": 30}} | {"total_tokens": 5}},
            ),
        ],
        "unknown_usage",
    ),
    "no usage": ([first(), chunk(), stop()], "missing_usage"),
    "zeros alone": ([first(usage=ZEROS), chunk(usage=ZEROS), stop(usage=ZEROS)], "missing_usage"),
    "zeros and zeros": ([first(), stop(usage=ZEROS), chunk(choices=[], usage=ZEROS)], "missing_usage"),
    "no usage, ids that change": ([first("a"), chunk("b"), stop("c")], "missing_usage"),
    "no id at all": ([first(""), chunk(""), stop("", usage=WHOLE)], "missing_id"),
    "no time at all": ([first(created=0), stop(created=0, usage=WHOLE)], "missing_time"),
    "choices that say different counts": (
        [first(), chunk(choices=[EMPTY | {"finish_reason": "stop", "usage": chat_usage(n)} for n in (1, 2)])],
        "unknown_usage",
    ),
    "text without usage": ([text_chunk(), text_chunk(finish="stop")], "missing_usage"),
}


@pytest.mark.parametrize("end", [["[DONE]"], []], ids=["done", "cut"])
@pytest.mark.parametrize("name", REFUSED)
def test_a_stream_leaves_one_refusal_at_most(name: str, end: list[str]) -> None:
    events, reason = REFUSED[name]
    (item,) = read(sse(*events, *end))
    found = only_rejection([item.parsed])
    assert found.reason == reason
    if reason == "missing_usage":
        assert "include_usage" in found.message


def test_a_stream_that_was_cut_says_what_to_ask_for() -> None:
    (item,) = read(sse(first(), chunk()))
    found = only_rejection([item.parsed])
    assert (found.reason, "include_usage" in found.message) == ("no_terminal_event", True)


def test_a_stream_that_was_cut_never_takes_the_counts_of_the_next() -> None:
    whole = [first("b"), chunk("b"), stop("b", usage=WHOLE)]
    for cut in ([first("a")], [first("a"), chunk("a")], [chunk("a"), chunk("a")]):
        for end in ([], ["[DONE]"]):
            items = read(sse(*cut, *whole, *end))
            assert sorted(word for _, word in told(items)) == ["b", "no_terminal_event"]
    tail = [chunk("b"), chunk("b"), stop("b", usage=WHOLE)]
    assert sorted(word for _, word in told(read(sse(first("a"), chunk("a"), *tail)))) == ["b", "no_terminal_event"]
    other = [chunk("b", model="other"), stop("b", model="other", usage=WHOLE)]
    assert sorted(word for _, word in told(read(sse(first("a"), *other)))) == ["b", "no_terminal_event"]


def test_interleaved_streams_are_never_put_together() -> None:
    events = [first("a"), first("b"), chunk("a"), chunk("b"), stop("b", usage=chat_usage(2)), stop("a", usage=WHOLE)]
    found = [only_record([item.parsed]) for item in read(sse(*events))]
    assert sorted((each.request_id, counts(each)[2]) for each in found) == [("a", 9), ("b", 2)]


def test_a_whole_text_completion_is_no_chunk() -> None:
    whole = text_chunk(finish="stop", usage=WHOLE)
    assert told(read(lines([whole, whole | {"id": "cmpl-2"}]))) == [(1, "cmpl-1"), (2, "cmpl-2")]
    assert told(read(sse(whole, "[DONE]"))) == [(1, "cmpl-1")]


def test_a_chunk_that_names_itself_as_something_else_is_none() -> None:
    events = [first(object="x.chunk"), stop(object="x.chunk", usage=WHOLE)]
    words = [word for _, word in told(read(sse(*events, "[DONE]")))]
    assert words[-1] == "unknown_object"
    assert set(words) <= {"ignored", "unknown_object"}


def test_events_of_other_apis_that_carry_usage_are_told() -> None:
    start = {"type": "message-start", "delta": {"id": "m"}, "usage": {"input_tokens": 25, "output_tokens": 1}}
    end = {"type": "message-end", "delta": {"usage": {"tokens": {"output_tokens": 15}}}}
    assert told(read(sse(start, {"type": "ping"}, end))) == [
        (2, "ignored"),
        (8, "ignored"),
        (1, "unknown_object"),
    ]
    mixed = sse(first(), stop(usage=WHOLE), "[DONE]", start, end)
    assert sorted(word for _, word in told(read(mixed))) == ["chatcmpl-1", "ignored", "ignored"]


# --- several choices, parts that count for themselves ---------------------------------------------------------------


def choice(index: int, content: str | None = "x", finish: str | None = None) -> dict[str, Any]:
    return {"index": index, "delta": {} if content is None else {"content": content}, "finish_reason": finish}


def of(index: int, completion: int, content: str | None = "x", finish: str | None = None) -> dict[str, Any]:
    """A chunk of one choice with the usage of that choice so far, as continuous_usage_stats writes it."""
    return chunk(choices=[choice(index, content, finish)], usage=chat_usage(completion))


def test_what_each_of_several_choices_counts_is_not_the_requests() -> None:
    whole = [of(0, 1), of(1, 1), of(0, 4, finish="stop"), of(1, 2, ""), of(1, 5, finish="stop"), final(completion=9)]
    for events in (sse(*whole, "[DONE]"), lines(whole)):
        (item,) = read(events)
        assert counts(only_record([item.parsed])) == (40, 0, 9, 0)
    for end in ([], ["[DONE]"]):
        (item,) = read(sse(*whole[:-1], *end))
        assert only_rejection([item.parsed]).reason == "missing_usage"


def test_a_stream_cut_before_its_end_never_takes_counts_so_far() -> None:
    for events in ([first(), of(0, 2), of(0, 3, "")], [of(0, 1), of(0, 2, None)], [first(usage=chat_usage(1))]):
        (item,) = read(sse(*events))
        assert only_rejection([item.parsed]).reason == "no_terminal_event"


def test_counts_beside_the_usage_of_a_chunk_are_refused_by_name() -> None:
    for key in ("bot_usage", "usage_breakdown", "copilot_usage"):
        other: dict[str, Any] = {key: {"model_usage": [{"prompt_tokens": 5}]}}
        for events in ([first(), stop(), final(**other)], [first(**other), stop(), final()], [first(), stop(**other)]):
            (item,) = read(sse(*events, "[DONE]"))
            found = only_rejection([item.parsed])
            assert (found.reason, key in found.message) == ("unknown_usage", True)


MESSAGE = {"index": 0, "message": {"role": "assistant", "content": "x"}, "finish_reason": None}
WHOLE_AGAIN: dict[str, list[Any]] = {
    "each event the whole answer so far": [
        chunk(object="chat.completion", choices=[MESSAGE | {"delta": {"content": "x"}}], usage=chat_usage(1)),
        chunk(object="chat.completion", choices=[MESSAGE], usage=chat_usage(2)),
        chunk(object="chat.completion", choices=[MESSAGE | {"finish_reason": "stop"}], usage=WHOLE),
    ],
    "without choices": [
        chunk(object="chat.completion", choices=..., is_end=n == 9, usage=chat_usage(n)) for n in (1, 2, 9)
    ],
    "the whole answer at the end": [
        first(), chunk(), chunk(object="chat.completion", choices=[MESSAGE | {"finish_reason": "stop"}], usage=WHOLE)
    ],
    "a role with the usage": [first(), chunk(), stop(), chunk(choices=[FIRST], usage=WHOLE)],
    "a filter's results between": [
        first(), chunk(),
        {"id": "", "object": "", "created": 0, "model": "", "usage": None,
         "choices": [{"index": 0, "finish_reason": None, "content_filter_results": {}, "content_filter_offsets": {}}]},
        stop(), final(),
    ],
    "a filter's results after the end": [
        first(), stop(), final(),
        {"id": "", "object": "", "created": 0, "model": "", "choices": [{"index": 0, "content_filter_results": {}}]},
    ],
}  # fmt: skip


@pytest.mark.parametrize("end", [["[DONE]"], []], ids=["done", "cut"])
@pytest.mark.parametrize("name", WHOLE_AGAIN)
def test_an_answer_told_again_and_again_is_one_request(name: str, end: list[str]) -> None:
    (item,) = read(sse(*WHOLE_AGAIN[name], *end))
    assert counts(only_record([item.parsed])) == (40, 0, 9, 0)


@pytest.mark.parametrize("name", sorted(set(WHOLE_AGAIN) - {"without choices", "each event the whole answer so far"}))
def test_lines_of_it_are_one_request_too(name: str) -> None:
    (item,) = read(lines(WHOLE_AGAIN[name]))
    assert counts(only_record([item.parsed])) == (40, 0, 9, 0)


def test_signs_of_life_and_errors_among_lines_are_no_requests() -> None:
    alive = [{"type": "keepalive", "sequence_number": 3}, {"type": "ping", "cost": "0.1"}, {"type": "heartbeat"}]
    assert told(read(lines([*alive, first(), *alive, stop(usage=WHOLE)]))) == [(8, "chatcmpl-1")]
    assert read(lines(alive)) == []
    failed = lines([first(), {"error": {"message": "overloaded"}}])
    assert [word for _, word in told(read(failed))] == ["no_terminal_event"]
    assert [word for _, word in told(read(lines([{"error": {"message": "overloaded"}}])))] == ["unrecognised_format"]


def test_counts_of_other_servers_in_a_stream_are_told() -> None:
    native = {"content": "x", "stop": True, "tokens_predicted": 200, "tokens_evaluated": 1_000}
    words = [word for _, word in told(read(sse(first(), stop(usage=WHOLE), "[DONE]", native)))]
    assert words == ["chatcmpl-1", "ignored"]


def test_counts_of_all_places_are_one_usage() -> None:
    cached = WHOLE | {"prompt_tokens_details": {"cached_tokens": 30}}
    (item,) = read(sse(first(), stop(usage=WHOLE, x_groq={"usage": cached}), "[DONE]"))
    assert counts(only_record([item.parsed])) == (40, 30, 9, 0)
    whole = chat(choices=[{"message": {}, "usage": chat_usage(1)}, {"message": {}, "usage": chat_usage(2)}])
    assert only_rejection(parse_object(whole)).reason == "unknown_usage"


def test_a_stream_captured_twice_is_twice_the_same_also_without_its_end() -> None:
    once = [first(), chunk(), stop(usage=WHOLE)]
    for end in ([], ["[DONE]"]):
        assert [word for _, word in told(read(sse(*once, *end, *once, *end)))] == ["chatcmpl-1"] * 2


def test_streams_put_together_are_booked_once_beside_one_that_goes_on() -> None:
    changing = [first("a"), chunk("b"), stop("b", usage=WHOLE)]
    for other in ([first("c"), chunk("c")], [first("c"), chunk("c"), stop("c")]):
        going_on = [*other, *changing, "[DONE]", stop("c", usage=chat_usage(3)), "[DONE]"]
        found = [only_record([item.parsed]) for item in read(sse(*going_on))]
        assert [(each.request_id, counts(each)[2]) for each in found] == [("a", 9), ("c", 3)]
    left = [first("c"), chunk("c"), first("a"), chunk("b"), "[DONE]", chunk("b"), stop("b", usage=WHOLE)]
    assert sorted(word for _, word in told(read(sse(*left)))) == ["a", "no_terminal_event"]


@given(st.randoms(use_true_random=False), st.integers(2, 4), st.booleans())
def test_streams_interleaved_in_any_way_are_each_booked_once(chance: Any, number: int, with_done: bool) -> None:
    events: list[list[Any]] = []
    for n in range(number):
        name, usage = f"s{n}", chat_usage(n + 1)
        ends = [
            [stop(name, usage=usage)],
            [stop(name), final(name, n + 1)],
            [stop(name, usage=usage), final(name, n + 1)],
        ]
        events.append([first(name), *[chunk(name)] * chance.randint(0, 3), *chance.choice(ends)])
        if with_done:
            events[-1].append("[DONE]")
    mixed: list[Any] = []
    while any(events):
        mixed.append(chance.choice([each for each in events if each]).pop(0))
    found = [only_record([item.parsed]) for item in read(sse(*mixed))]
    assert sorted((each.request_id, counts(each)[2]) for each in found) == [(f"s{n}", n + 1) for n in range(number)]
