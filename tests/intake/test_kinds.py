"""An object is what it says it is: what no format lists is refused by name, a list is an array in a coat."""

from __future__ import annotations

import json
from typing import Any

import pytest

from ledger.errors import LedgerError
from ledger.intake.calls import usage_record
from ledger.intake.fields.record import Ignored, UsageRecord
from ledger.library import Ledger
from ledger.store.opening import open_ledger
from tests.helpers.sources import (
    chat,
    counts,
    lines,
    only_record,
    only_rejection,
    parse_line,
    parse_object,
    read,
    record,
    response,
    told,
)
from tests.intake.test_sse import chunk, final, sse

OTHERS = [
    "batch", "thread.run", "eval.run", "fine_tuning.job", "page", "bucket", "organization.usage.completions.result",
    "thread.message", "realtime.response", "response.compaction", "embedding", "video", "image_generation",
    "Chat.Completion", "x", "chat.completion.chunked",
]  # fmt: skip
TYPES = ["messages", "assistant", "GENERATION", "token_count", "event_msg", "ai", "result"]


@pytest.mark.parametrize("kind", OTHERS)
@pytest.mark.parametrize("make", [response, chat])
def test_an_object_that_names_itself_as_something_else_is_refused_by_name(make: Any, kind: str) -> None:
    obj = make(object=kind)
    for input_format in ("auto", "responses", "chat"):
        found = only_rejection(parse_object(obj, input_format))
        assert (found.reason, repr(kind) in found.message) == ("unknown_object", True)
    assert "request_id, occurred_at, requested_model, input_tokens" in found.message
    assert only_rejection(parse_object({"request": {}, "response": obj})).reason == "unknown_object"
    (item,) = read(lines([obj]))
    assert only_rejection([item.parsed]).reason == "unknown_object"
    assert [word for _, word in told(read(lines([obj, response("r2")])))] == ["unknown_object", "r2"]
    assert [word for _, word in told(read(json.dumps([obj, response("r2")])))] == ["unknown_object", "r2"]
    assert told(read(json.dumps(obj, indent=2)))[0][1] == "unknown_object"


@pytest.mark.parametrize("kind", TYPES)
def test_a_type_that_no_format_lists_is_refused_too(kind: str) -> None:
    usage = {"input_tokens": 40, "cache_read_input_tokens": 6_000, "output_tokens": 50}
    message = {"id": "msg_1", "type": kind, "role": "assistant", "model": "doubao-seed-2.0-lite", "usage": usage}
    for obj in (message, {"request": {}, "response": message, "occurred_at": "2026-03-04T05:06:07Z"}):
        found = only_rejection(parse_object(obj))
        assert (found.reason, repr(kind) in found.message) == ("unknown_object", True)
    # Also where the rest is a whole response.
    assert only_rejection(parse_object(response(type=kind))).reason == "unknown_object"
    assert only_rejection(parse_object(chat(type=kind, object=...))).reason == "unknown_object"


@pytest.mark.parametrize("nothing", [None, "", ...])
def test_without_a_name_the_shape_decides(nothing: object) -> None:
    assert only_record(parse_object(response(object=nothing, type=nothing))).request_id == "resp_1"
    assert only_record(parse_object(chat(object=nothing, type=nothing))).request_id == "chatcmpl-1"
    both = chat(object=nothing) | {"usage": {"input_tokens": 0, "prompt_tokens": 40, "completion_tokens": 9}}
    assert counts(only_record(parse_object(both)))[0] == 40


def test_a_list_object_is_an_array_in_a_coat() -> None:
    coat = {"object": "list", "data": [response("a"), chat("b"), record("c"), 5], "has_more": False, "first_id": "a"}
    words = ["a", "b", "c", "not_an_object"]
    for text in (json.dumps(coat), json.dumps(coat, indent=1), lines([coat]), json.dumps([coat])):
        assert [word for _, word in told(read(text))] == words
    plain = read(json.dumps(coat["data"]))
    assert {item.raw for item in plain} == {item.raw for item in read(lines([coat]))}
    assert read(lines([{"object": "list", "data": []}])) == []
    within = {"object": "list", "data": [coat, {"object": "batch"}]}
    assert [word for _, word in told(read(lines([within])))] == [*words, "unknown_object"]


def test_a_list_with_counts_of_its_own_is_no_list_of_requests() -> None:
    embeddings: dict[str, Any] = {"object": "list", "data": [{"object": "embedding", "embedding": [0.1]}], "model": "e"}
    embeddings["usage"] = {"prompt_tokens": 8, "total_tokens": 8}
    (item,) = read(json.dumps(embeddings))
    found = only_rejection([item.parsed])
    assert (found.reason, "'list'" in found.message) == ("unknown_object", True)


# --- batches, agents, proxies ---------------------------------------------------------------------------------------

BATCH_LINES: list[dict[str, Any]] = [
    {"id": "b1", "custom_id": "c1", "response": {"status_code": 200, "body": chat()}, "error": None},
    {"id": "b2", "custom_id": "c2", "response": {"status_code": 200, "request_id": "q", "body": response()}},
    {"custom_id": "c3", "request": {"model": "m"}, "response": {"body": response(service_tier="default")}},
    {"custom_id": "c4", "response": {"status_code": 500, "body": chat()}, "error": {"code": "late"}},
    {"custom_id": "c5", "response": {"body": response(service_tier="auto")}},
]


@pytest.mark.parametrize("line", BATCH_LINES, ids=lambda line: line["custom_id"])
def test_lines_of_a_batch_jobs_output_were_served_as_batch(line: dict[str, Any]) -> None:
    for input_format in ("auto", "envelope"):
        found = only_record(parse_object(line, input_format))
        body = line["response"]["body"]
        assert (found.service_tier, found.request_id, found.usage is not None) == ("batch", body["id"], True)


def test_what_stands_beside_the_body_of_a_batch_line_is_no_other_request() -> None:
    answer = {"status_code": 200, "body": chat(), "service_tier": "flex"}
    assert only_record(parse_object({"custom_id": "c", "response": answer})).service_tier == "flex"
    counted = answer | {"usage": {"prompt_tokens": 999}}
    found = only_rejection(parse_object({"custom_id": "c", "response": counted}))
    assert (found.reason, "beside the body" in found.message) == ("unknown_usage", True)


def test_another_service_tier_that_a_batch_line_states_holds() -> None:
    line = {"custom_id": "c", "response": {"body": response(service_tier="flex")}}
    assert only_record(parse_object(line)).service_tier == "flex"


@pytest.mark.parametrize(
    "line",
    [
        {"custom_id": "c", "response": None, "error": {"code": "expired"}},
        {"custom_id": "c", "error": {"code": "expired"}},
        {"custom_id": "c", "response": {"status_code": 400, "body": {"error": {"message": "no"}}}},
        {"custom_id": "c", "response": {"status_code": 200, "body": {"error": {"message": "no"}, "usage": {}}}},
        {"custom_id": "c", "response": {"status_code": 429}},
    ],
    ids=str,
)
def test_requests_of_a_batch_job_that_failed_are_none(line: dict[str, Any]) -> None:
    assert parse_object(line) == [Ignored()]


@pytest.mark.parametrize("body", [{}, {"id": "r", "object": "response"}, None, chat(id=None)], ids=str)
def test_a_batch_line_without_a_whole_response_is_refused(body: object) -> None:
    found = only_rejection(parse_object({"custom_id": "c", "response": {"status_code": 200, "body": body}}))
    assert found.reason in ("missing_id", "missing_time", "missing_usage")


def test_a_batch_result_that_tells_no_requests_apart_is_refused() -> None:
    line = {"custom_id": "c", "result": {"type": "succeeded", "message": {"usage": {"input_tokens": 5}}}}
    found = only_rejection(parse_object(line))
    assert (found.reason, found.message.startswith("batch")) == ("unpriced_service", True)
    assert "make `records` lines of it with service_tier 'batch', request_id, occurred_at" in found.message


@pytest.mark.parametrize(
    "line",
    [
        {"request": {}, "response": response("r")},
        {"response": response("r")},
        {"response": chat("r"), "error": None},
        {"response": response("r") | {"status_code": 200}},
        {"response": response("r") | {"status_code": 500}, "error": {"code": "late"}},
    ],
    ids=str,
)
def test_an_envelope_may_have_a_custom_id(line: dict[str, Any]) -> None:
    for input_format in ("auto", "envelope"):
        found = only_record(parse_object({"custom_id": "x", **line}, input_format))
        tier = line["response"].get("service_tier")
        assert (found.request_id, found.service_tier, found.usage is not None) == ("r", tier, True)


@pytest.mark.parametrize("flag", [True, "true", "True", "HIT", 1])
def test_an_answer_of_a_proxys_cache_is_never_booked(flag: object) -> None:
    for obj in (
        response(cache_hit=flag),
        chat(cache_hit=flag),
        chat(_hidden_params={"cache_hit": flag}),
        {"request": {}, "response": response(), "cache_hit": flag},
        {"response": chat(cache_hit=flag)},
    ):
        assert parse_object(obj) == [Ignored("cache_hit")]
    assert parse_line(json.dumps(response(cache_hit=flag)).encode()) == [Ignored("cache_hit")]
    assert [item.parsed for item in read(sse(chunk(cache_hit=flag), chunk(finish="stop"), final()))] == [
        Ignored("cache_hit")
    ]


@pytest.mark.parametrize("flag", [False, None, "false", "", 0, "MISS", {}, [True]])
def test_anything_else_was_bought(flag: object) -> None:
    for obj in (response(cache_hit=flag), {"response": chat(), "cache_hit": flag}, chat(_hidden_params=flag)):
        assert only_record(parse_object(obj)).usage is not None


# --- the service tier that was asked for ----------------------------------------------------------------------------


def test_the_tier_asked_for_counts_where_the_response_names_none() -> None:
    for answered in (None, "", ...):
        for body in (response(service_tier=answered), chat(service_tier=answered)):
            asked = {"request": {"service_tier": "flex"}, "response": body}
            assert only_record(parse_object(asked)).service_tier == "flex"
            for tier in ("auto", "default", "", None):
                record = only_record(parse_object(asked | {"request": {"service_tier": tier}}))
                assert record.service_tier == (tier or None)
    # The response's word goes: the gateway may serve a request at another tier than it asked for.
    served = {"request": {"service_tier": "flex"}, "response": response(service_tier="default")}
    assert only_record(parse_object(served)).service_tier == "default"
    within = response(service_tier=..., usage=response()["usage"] | {"service_tier": "default"})
    assert (
        only_record(parse_object({"request": {"service_tier": "flex"}, "response": within})).service_tier == "default"
    )
    failed = response(status="failed", usage=None, service_tier=None)
    assert only_record(parse_object({"request": {"service_tier": "flex"}, "response": failed})).usage is None


# --- in a running application ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("obj", "reason"),
    [
        (response(object="batch"), "unknown_object"),
        ({"usage_info": {"prompt_tokens": 5}, "generations": []}, "unrecognised_format"),
        (response(type="messages", object=...), "unknown_object"),
        (response(usage={"input_tokens": 5, "output_tokens": 5, "x_tokens": 5}), "unknown_usage"),
        (response(usage={"input_tokens": 0, "output_tokens": 0}), "missing_usage"),
        (response(output=[{"type": "web_search_call"}]), "unpriced_tool_fees"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_an_application_is_told_and_the_quarantine_keeps_it(db_url: str, obj: dict[str, Any], reason: str) -> None:
    book = Ledger(db_url)
    done = book.record(obj, requested_model="doubao-seed-2.0-lite")
    assert (done.status, done.reason) == ("rejected", reason)
    book.close()
    if reason != "unpriced_tool_fees":
        with pytest.raises(LedgerError):
            usage_record(obj)
    with open_ledger(db_url).reading() as connection:
        assert connection.exec_driver_sql("SELECT reason FROM quarantine").scalars().all() == [reason]


def test_an_application_is_told_of_a_proxys_cache(db_url: str) -> None:
    book = Ledger(db_url)
    done = book.record(chat(cache_hit=True))
    assert (done.status, done.reason) == ("ignored", "cache_hit")
    assert book.record(chat(), requested_model="doubao-seed-2.0-lite").status == "accepted"
    book.close()
    with pytest.raises(LedgerError, match="own cache"):
        usage_record(chat(cache_hit=True))
    assert isinstance(only_record(parse_object(usage_record(chat()))), UsageRecord)
