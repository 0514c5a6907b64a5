"""Which spans are requests: those that name no operation too; whatever else carries token counts is told by reason."""

from __future__ import annotations

from typing import Any

import pytest

from ledger.intake.fields.record import IGNORED, Ignored, UsageRecord
from tests.conftest import ROOT
from tests.helpers.sources import counts, lines, only_record, only_rejection, parse_object, read, word
from tests.intake.test_otel import attributes, export, span

NO_NAME = {"gen_ai.operation.name": ...}
NO_USAGE = {"gen_ai.usage.input_tokens": ..., "gen_ai.usage.output_tokens": ...}


def related(span_id: str, parent: str | None, changes: dict[str, Any] | None = None) -> dict[str, Any]:
    return span(changes, spanId=span_id, **({} if parent is None else {"parentSpanId": parent}))


def what(*spans: dict[str, Any]) -> list[str]:
    """The id of each span that is a request, the reason of each that isn't read."""
    found = parse_object(export(*spans))
    return [each.request_id if isinstance(each, UsageRecord) else each.reason for each in found]  # type: ignore[union-attr]


# As instrumentations write them: without the operation's name, some with another word for it.
UNNAMED: list[dict[str, Any]] = [
    {},
    {"gen_ai.system": "openai", "llm.request.type": "chat"},
    {"llm.request.type": "completion"},
    {"openinference.span.kind": "LLM"},
    {"ai.operationId": "ai.generateText.doGenerate", "ai.usage.promptTokens": 88},
    {"gen_ai.operation.name": ""},
]


@pytest.mark.parametrize("changes", UNNAMED, ids=str)
def test_a_span_with_counts_and_an_id_is_a_request_without_a_name(changes: dict[str, Any]) -> None:
    found = only_record(parse_object(export(span(NO_NAME | changes))))
    assert (found.request_id, counts(found)) == ("resp_1", (88, 0, 230, 0))


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        (NO_NAME | {"gen_ai.response.id": ...}, "no_response_id"),
        (NO_NAME | {"gen_ai.response.id": ""}, "no_response_id"),
        ({"gen_ai.operation.name": "embeddings"}, "other_operation"),
        ({"gen_ai.operation.name": "invoke_agent"}, "other_operation"),
        (NO_NAME | {"llm.request.type": "embedding"}, "other_operation"),
        (NO_NAME | {"openinference.span.kind": "CHAIN"}, "other_operation"),
        (NO_NAME | {"traceloop.span.kind": "workflow"}, "other_operation"),
        (NO_NAME | NO_USAGE | {"llm.token_count.prompt": 88}, "other_attributes"),
        (NO_NAME | NO_USAGE | {"ai.usage.promptTokens": 88}, "other_attributes"),
        (NO_NAME | NO_USAGE | {"langfuse.usage.total": 5.5}, "other_attributes"),
        ({"gen_ai.cache_hit": True}, "cache_hit"),
        (NO_NAME | {"llm.response.cache_hit": "true"}, "cache_hit"),
    ],
    ids=lambda value: str(value)[:70],
)
def test_other_spans_that_count_tokens_are_told_by_reason(changes: dict[str, Any], reason: str) -> None:
    assert parse_object(export(span(changes))) == [Ignored(reason)]
    assert reason in IGNORED


@pytest.mark.parametrize(
    "changes",
    [
        NO_NAME | NO_USAGE,
        NO_NAME | NO_USAGE | {"gen_ai.request.max_tokens": 5, "llm.request.max_tokens": 5, "ai.settings.maxTokens": 5},
        NO_NAME | NO_USAGE | {"llm.token_count.prompt": 0, "gen_ai.usage.cost": 0.5, "usage": "many", "token": True},
        {"gen_ai.operation.name": "execute_tool"} | NO_USAGE,
    ],
    ids=lambda value: str(value)[:70],
)
def test_what_counts_nothing_is_no_matter(changes: dict[str, Any]) -> None:
    assert parse_object(export(span(changes))) == [Ignored()]


def test_parents_that_repeat_the_counts_of_their_children_stay_out() -> None:
    child = related("c", "b", NO_NAME)
    for parent in (related("a", None, NO_NAME | {"gen_ai.response.id": "resp_0"}), related("a", None, NO_NAME)):
        between = {"spanId": "b", "parentSpanId": "a", "name": "step"}
        for order in ((parent, between, child), (child, between, parent)):
            assert sorted(what(*order)) == ["", "repeated_span", "resp_1"]
    # Wherever its parent is, and round in circles.
    assert what(related("c", "elsewhere", NO_NAME)) == ["resp_1"]
    assert what(related("c", "c", NO_NAME | {"gen_ai.response.id": "x"})) in (["x"], ["repeated_span"])
    assert what(related("a", "b", NO_NAME), related("b", "a", NO_NAME)) == ["repeated_span"] * 2


def test_parents_and_children_may_come_in_exports_of_their_own() -> None:
    child, parent = related("c", "b", NO_NAME), related("a", None, NO_NAME | {"gen_ai.response.id": "resp_0"})
    between = {"spanId": "b", "parentSpanId": "a", "name": "step"}

    def words(*spans: dict[str, Any]) -> list[str]:
        return [word(item.parsed) for item in read(lines(export(each) for each in spans))]

    assert words(between, child, parent) == ["ignored", "resp_1", "ignored"]
    assert words(child | {"parentSpanId": "a"}, parent) == ["resp_1", "ignored"]
    # The other way round the parent is read before anything is known of its child, which then stays out.
    assert words(parent, child | {"parentSpanId": "a"}) == ["resp_0", "ignored"]
    assert words(related("x", None), related("y", None, NO_NAME), parent) == ["resp_1", "ignored", "resp_0"]
    assert words(parent, parent) == ["resp_0", "resp_0"]


def test_what_a_named_span_tells_is_not_read_again_without_a_name() -> None:
    named = related("a", None)
    below = related("b", "a", NO_NAME | {"gen_ai.response.id": "other"})
    same = related("c", None, NO_NAME)
    apart = related("d", None, NO_NAME | {"gen_ai.response.id": "resp_2"})
    assert what(named, below, same, apart) == ["resp_1", "repeated_span", "repeated_span", "resp_2"]
    assert what(related("a", None), related("b", "a", {"gen_ai.response.id": "resp_2"})) == ["resp_1", "resp_2"]


def test_logs_and_metrics_that_count_tokens_are_told() -> None:
    metric = {"name": "gen_ai.client.token.usage", "histogram": {"dataPoints": [{"sum": 5}]}}
    record = {"body": {"stringValue": "x"}, "attributes": attributes({"gen_ai.usage.input_tokens": 5})}
    metrics = {"resourceMetrics": [{"scopeMetrics": [{"metrics": [metric]}]}]}
    logs = {"resourceLogs": [{"scopeLogs": [{"logRecords": [record]}]}]}
    assert parse_object(metrics) == [Ignored("otel_metrics")]
    assert parse_object(logs) == [Ignored("otel_logs")]
    quiet = {"resourceMetrics": [{"scopeMetrics": [{"metrics": [metric | {"name": "http.duration"}]}]}]}
    assert parse_object(quiet) == parse_object({"resourceLogs": [{"scopeLogs": []}]}) == []
    assert [item.parsed for item in read(lines([metrics | export(span())]))][1:] == [Ignored("otel_metrics")]


@pytest.mark.parametrize(
    "name", ["gen_ai.openai.request.service_tier", "openai.request.service_tier", "gen_ai.request.service_tier"]
)
def test_the_tier_asked_for_counts_where_the_response_names_none(name: str) -> None:
    assert only_record(parse_object(export(span({name: "flex"})))).service_tier == "flex"
    assert only_record(parse_object(export(span({name: "auto"})))).service_tier == "auto"
    served = {name: "flex", "openai.response.service_tier": "default"}
    assert only_record(parse_object(export(span(served)))).service_tier == "default"
    assert only_record(parse_object(export(span({"x.service_tier": "batch"})))).service_tier == "batch"


def test_a_cost_that_an_instrumentation_worked_out_is_no_gateways_figure() -> None:
    assert only_record(parse_object(export(span({"gen_ai.usage.cost": 0.5})))).provider_amount_nano is None


def test_the_page_on_formats_lists_every_reason() -> None:
    page = (ROOT / "docs" / "formats.md").read_text(encoding="utf-8")
    assert [reason for reason in IGNORED if f"`{reason}`" not in page] == []


# --- counts in other places, and as text ----------------------------------------------------------------------------

TOTALS = {"gen_ai.usage.input_tokens": 88, "gen_ai.usage.output_tokens": 230}


@pytest.mark.parametrize(
    "more",
    [
        {"ai.usage.cachedInputTokens": 40},
        {"ai.usage.inputTokenDetails.cacheReadTokens": 40, "ai.usage.inputTokenDetails.noCacheTokens": 48},
        {"ai.usage.promptTokens": 88, "ai.usage.completionTokens": 230, "ai.usage.cachedInputTokens": 40},
        {"llm.token_count.prompt": 88, "llm.token_count.prompt_details.cache_read": 40, "llm.token_count.total": 318},
        {"llm.usage.total_tokens": 318, "gen_ai.usage.cache_read_input_tokens": 40},
        {"gen_ai.usage.cache_read.input_tokens": "40"},
        {"gen_ai.usage.input_tokens": "88", "gen_ai.usage.output_tokens": "230", "gen_ai.usage.cached_tokens": "40"},
    ],
    ids=str,
)
def test_counts_beside_those_in_gen_ai_usage_are_read_too(more: dict[str, Any]) -> None:
    assert counts(only_record(parse_object(export(span(more))))) == (88, 40, 230, 0)
    assert counts(only_record(parse_object(export(span(NO_NAME | more))))) == (88, 40, 230, 0)


@pytest.mark.parametrize(
    ("more", "reason"),
    [
        ({"ai.usage.promptTokens": 89}, "count_mismatch"),
        ({"llm.token_count.completion_details.audio": 5}, "audio_tokens"),
        ({"ai.usage.inputTokenDetails.cacheWriteTokens": 5}, "cache_write_tokens"),
        ({"llm.token_count.x": 5}, "unknown_usage"),
    ],
    ids=str,
)
def test_counts_beside_those_in_gen_ai_usage_are_refused_by_name_too(more: dict[str, Any], reason: str) -> None:
    assert only_rejection(parse_object(export(span(more)))).reason == reason


def kvlist(**values: int) -> dict[str, Any]:
    return {"kvlistValue": {"values": [{"key": key, "value": {"intValue": str(n)}} for key, n in values.items()]}}


def with_map(key: str, held: dict[str, Any], changes: dict[str, Any] | None = None) -> dict[str, Any]:
    made = span(changes)
    made["attributes"] = [*made["attributes"], {"key": key, "value": held}]
    return made


def test_counts_in_a_map_are_read_or_told() -> None:
    held = with_map("gen_ai.usage.input_token_details", kvlist(cache_read=40))
    assert counts(only_record(parse_object(export(held)))) == (88, 40, 230, 0)
    unknown = with_map("gen_ai.usage.details", kvlist(video_tokens=5))
    assert only_rejection(parse_object(export(unknown))).reason == "unknown_usage"
    listed = with_map("gen_ai.usage.parts", {"arrayValue": {"values": [{"intValue": "5"}]}})
    assert only_rejection(parse_object(export(listed))).reason == "unknown_usage"
    elsewhere = with_map("mlflow.chat.tokenUsage", kvlist(input_tokens=5), NO_NAME | NO_USAGE)
    assert parse_object(export(elsewhere)) == [Ignored("other_attributes")]


@pytest.mark.parametrize(
    "more",
    [
        {"langfuse.observation.usage_details": '{"prompt_tokens": 1000}'},
        {"mlflow.chat.tokenUsage": '{"input_tokens": 1000, "output_tokens": 5}'},
        {"llm.token_count.prompt": "1000"},
        {"braintrust.metrics": '{"prompt_tokens": 1000, "completion_tokens": 20}'},
        {"x.total_tokens": " 5"},
    ],
    ids=str,
)
def test_counts_as_text_are_told_where_they_are_not_read(more: dict[str, Any]) -> None:
    assert parse_object(export(span(NO_NAME | NO_USAGE | more))) == [Ignored("other_attributes")]
    record = {"attributes": attributes(more)}
    assert parse_object({"resourceLogs": [{"scopeLogs": [{"logRecords": [record]}]}]}) == [Ignored("otel_logs")]


def test_text_that_counts_nothing_is_no_matter() -> None:
    nothing = {
        "x.usage": '{"prompt_tokens": 0}',
        "y.tokens": "many",
        "z.tokens": "{5",
        "max_tokens": "5",
        "a.usage": "0",
    }
    assert parse_object(export(span(NO_NAME | NO_USAGE | nothing))) == [Ignored()]
