"""What stands in a usage is priced, known to cost nothing, or refused by name, whichever way it comes in."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.book.rows import TOKENS, Facts
from ledger.config import Config
from ledger.intake.calls import _parse
from ledger.intake.containers.lines import LineChunk
from ledger.intake.fields.record import Parsed, Rejected, UsageRecord
from ledger.intake.fields.usage_names import COUNT_MEANINGS, meaning_of
from ledger.intake.labels import Resolver, RunOptions
from ledger.intake.portions.fast_lines import OrdinaryLines, _InputDetails, _OutputDetails, _Usage
from tests.helpers.sources import chat, counts, only_record, only_rejection, parse_line, parse_object, response
from tests.intake.test_otel import BASE, export, span

IN, OUT, CACHED, REASONING = 10_000, 100, 9_000, 40
RESPONSES = {"input_tokens": IN, "output_tokens": OUT}
CHAT = {"prompt_tokens": IN, "completion_tokens": OUT}


def nested(path: str, value: object) -> dict[str, Any]:
    """The object in which the value stands at a path of names between dots."""
    first, _, rest = path.partition(".")
    return {first: nested(rest, value) if rest else value}


def flat(usage: dict[str, Any], parent: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in usage.items():
        if isinstance(value, dict):
            yield from flat(value, f"{parent}{key}.")
        else:
            yield parent + key, value


def of_response(usage: dict[str, Any]) -> Parsed:
    (parsed,) = parse_object(response(usage=usage))
    return parsed


def of_chat(usage: dict[str, Any]) -> Parsed:
    (parsed,) = parse_object(chat(usage=usage))
    return parsed


def of_span(usage: dict[str, Any]) -> Parsed:
    attributes = {key: value for key, value in BASE.items() if not key.startswith("gen_ai.usage.")}
    named = {f"gen_ai.usage.{path}": value for path, value in flat(usage)}
    bare = span() | {"attributes": span(named | dict.fromkeys(set(BASE) - set(attributes), ...))["attributes"]}
    stated = {f"gen_ai.usage.{path}" for path, _value in flat(usage)}
    bare["attributes"] = [
        entry
        for entry in span(named)["attributes"]
        if not entry["key"].startswith("gen_ai.usage.") or entry["key"] in stated
    ]
    (parsed,) = parse_object(export(bare))
    return parsed


def of_application(usage: dict[str, Any]) -> Parsed:
    return _parse(response(usage=usage), None)[0]


WAYS = {"response": of_response, "chat": of_chat, "span": of_span, "application": of_application}


# --- the names of the same count ------------------------------------------------------------------------------------

CACHED_NAMES = [
    "prompt_tokens_details.cached_tokens", "input_tokens_details.cached_tokens", "cached_tokens",
    "prompt_cache_hit_tokens", "num_cached_tokens", "prompt_tokens_details.cache_read_tokens",
    "input_tokens_details.cache_read_tokens", "input_token_details.cache_read", "input_cached_tokens",
    "input_cache_read_tokens", "details.cache_read_tokens", "details.input_cached_tokens", "prompt_cached_tokens",
    "cached_input_tokens", "cache_read_tokens", "cached_prompt_tokens", "cachedInputTokens",
    "promptCacheHitTokens", "cache_read.input_tokens", "details.cached_tokens", "cached_token_count",
    "prompt_tokens_details.cache_read_input_tokens", "cachedContentTokenCount",
    "input_tokens_details.cachedTokens",
]  # fmt: skip
REASONING_NAMES = [
    "completion_tokens_details.reasoning_tokens", "output_tokens_details.reasoning_tokens", "reasoning_tokens",
    "output_token_details.reasoning", "reasoning_output_tokens", "reasoning.output_tokens",
    "details.reasoning_tokens", "reasoningTokens",
]  # fmt: skip


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("base", [RESPONSES, CHAT], ids=["responses", "chat"])
@pytest.mark.parametrize("path", CACHED_NAMES)
def test_cached_input_is_priced_under_each_of_its_names(path: str, base: dict[str, Any], way: str) -> None:
    for more in ({}, {"total_tokens": IN + OUT}):
        found = only_record([WAYS[way](base | more | nested(path, CACHED))])
        assert counts(found) == (IN, CACHED, OUT, 0)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("path", REASONING_NAMES)
def test_reasoning_is_known_under_each_of_its_names(path: str, way: str) -> None:
    assert counts(only_record([WAYS[way](RESPONSES | nested(path, REASONING))])) == (IN, 0, OUT, REASONING)


@pytest.mark.parametrize("way", WAYS)
def test_several_names_of_one_count_must_agree(way: str) -> None:
    read = WAYS[way]
    both = RESPONSES | {"cached_tokens": CACHED} | nested("input_tokens_details.cached_tokens", CACHED)
    assert counts(only_record([read(both)])) == (IN, CACHED, OUT, 0)
    differ = only_rejection([read(both | {"cached_tokens": CACHED - 1})])
    assert differ.reason == "count_mismatch"
    for shown in ("cached_tokens 8999", "input_tokens_details.cached_tokens 9000", "are one count"):
        assert shown in differ.message
    # Gateways with fixed fields write 0 where the count stands under another name.
    assert counts(only_record([read(both | {"cached_tokens": 0})])) == (IN, CACHED, OUT, 0)
    assert counts(only_record([read(CHAT | {"input_tokens": 0, "output_tokens": 0})])) == (IN, 0, OUT, 0)
    for name in ("prompt_tokens", "completion_tokens"):
        assert only_rejection([read(RESPONSES | {name: 7})]).reason == "count_mismatch"


@pytest.mark.parametrize("way", WAYS)
def test_hit_and_miss_are_the_whole_input(way: str) -> None:
    read = WAYS[way]
    told = CHAT | {"prompt_cache_hit_tokens": CACHED, "prompt_cache_miss_tokens": IN - CACHED}
    assert counts(only_record([read(told)])) == (IN, CACHED, OUT, 0)
    assert only_rejection([read(told | {"prompt_cache_miss_tokens": IN})]).reason == "count_mismatch"
    assert only_rejection([read(CHAT | {"prompt_cache_miss_tokens": 1_000})]).reason == "count_mismatch"
    assert counts(only_record([read(CHAT | {"prompt_cache_miss_tokens": IN})])) == (IN, 0, OUT, 0)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("name", ["cache_read_input_tokens", "cacheReadInputTokenCount", "cache-read-input-tokens"])
def test_what_anthropic_calls_cached_is_inside_or_outside_the_input_or_refused(name: str, way: str) -> None:
    read, cached = WAYS[way], {name: CACHED}
    inside = [
        CHAT | cached,
        RESPONSES | cached | {"total_tokens": IN + OUT},
        RESPONSES | cached | nested("input_tokens_details.cached_tokens", CACHED),
    ]
    for usage in inside:
        assert counts(only_record([read(usage)])) == (IN, CACHED, OUT, 0)
    outside = RESPONSES | cached | {"total_tokens": IN + CACHED + OUT}
    assert counts(only_record([read(outside)])) == (IN + CACHED, CACHED, OUT, 0)
    found = only_rejection([read(RESPONSES | cached)])
    assert found.reason == "ambiguous_cached_tokens"
    assert f"{CACHED}" in found.message
    assert f"{IN}" in found.message
    assert (
        only_rejection([read(RESPONSES | cached | {"total_tokens": IN + OUT + 1})]).reason == "ambiguous_cached_tokens"
    )
    assert counts(only_record([read(RESPONSES | {name: 0})])) == (IN, 0, OUT, 0)


# --- what costs nothing, what isn't priced --------------------------------------------------------------------------

HARMLESS = [
    ("input_tokens_details.input_tokens_per_turn", [IN - 1, 1]), ("output_tokens_per_turn", [OUT]),
    ("output_tokens_details.tool_output_tokens_per_turn", [0]), ("usage_semantic", "openai"),
    ("usage_source", "upstream"), ("timing_token_generation", 900.2),
    ("time_to_first_token", 0.3), ("completion_tokens_per_sec", 88.5),
    ("inputTokenDetails.noCacheTokens", IN),
    ("prompt_tokens_details.text_tokens", IN), ("input_tokens_details.image_tokens", 500),
    ("completion_tokens_details.text_tokens", OUT), ("completion_tokens_details.accepted_prediction_tokens", 5),
    ("completion_tokens_details.rejected_prediction_tokens", 5), ("queue_time", 0.01), ("total_time", 1.5),
    ("completion_time", 2), ("latency_checkpoint.engine_ttft_ms", 12), ("tokens_per_second", 88.5),
    ("response_token/s", 12.5), ("cost_details.upstream_inference_cost", 0.002), ("total_cost", "0.01"),
    ("cost", 0.01), ("currency", "USD"), ("input_tokens_details.cached_tokens_details.text_tokens", 0),
    ("service_tier", "default"), ("service_tier", "auto"), ("is_byok", False), ("audio_tokens", None),
    ("server_tool_use.web_search_requests", 0), ("note", ""),
]  # fmt: skip
REFUSED = [
    ("real_time_token_count", 5, "unknown_usage"), ("realTimeTokenCount", 5, "unknown_usage"),
    ("video_duration", 5, "unknown_usage"), ("session_duration", 5, "unknown_usage"),
    ("cost_tokens", 5, "unknown_usage"),
    ("tool_usage.web_search.cost", 0.01, "unknown_usage"), ("num_sources_used", 7, "unknown_usage"),
    ("cache_read_input_audio_tokens", 5, "unknown_usage"),
    ("input_tokens_per_turn", [IN, 1], "count_mismatch"), ("tool_output_tokens_per_turn", [5], "unknown_usage"),
    ("usage_semantic", "anthropic", "unknown_usage"), ("usage_source", 5, "unknown_usage"),
    ("audio_tokens", 5, "audio_tokens"), ("input_tokens_details.audio_tokens", 5, "audio_tokens"),
    ("prompt_audio_seconds", 2.5, "unknown_usage"), ("cache_write_tokens", 5, "cache_write_tokens"),
    ("cache_creation_input_tokens", 5, "cache_write_tokens"),
    ("cache_creation.ephemeral_5m_input_tokens", 5, "cache_write_tokens"),
    ("completion_tokens_details.image_tokens", 5, "unknown_usage"),
    ("output_tokens_details.video_tokens", 5, "unknown_usage"),
    ("input_tokens_details.video_tokens", 5, "unknown_usage"), ("provisioned_tokens", 5, "unknown_usage"),
    ("prompt_tokens_details.provisioned_tokens", 5, "unknown_usage"), ("thinking_tokens", 5, "unknown_usage"),
    ("tool_use_prompt_tokens", 5, "unknown_usage"), ("citation_tokens", 5, "unknown_usage"),
    ("input_tokens_details", 5, "invalid_usage"), ("real_time_tokens", 5, "unknown_usage"),
    ("image_count", 1, "unknown_usage"), ("input_count", 3, "unknown_usage"), ("is_byok", True, "unknown_usage"),
    ("speed", "fast", "unknown_usage"), ("iterations", [{"input_tokens": 5}], "unknown_usage"),
    ("search_context_size", "low", "unknown_usage"),
    ("server_tool_use.web_search_requests", -1, "unknown_usage"), ("tool_usage.web_search", 1.5, "unknown_usage"),
    ("input_tokens_details.text_tokens", IN + 1, "count_mismatch"),
    ("output_tokens_details.text_tokens", OUT + 1, "count_mismatch"),
]  # fmt: skip


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(("path", "value"), HARMLESS, ids=str)
def test_what_costs_nothing_is_passed_over(path: str, value: object, way: str) -> None:
    if way == "span" and value is None:
        value = 0
    found = only_record([WAYS[way](RESPONSES | nested(path, value))])
    assert counts(found) == (IN, 0, OUT, 0)
    assert found.tool_calls == 0


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(("path", "value", "reason"), REFUSED, ids=str)
def test_what_no_card_prices_is_refused_by_name(path: str, value: object, reason: str, way: str) -> None:
    if way == "span" and (reason == "invalid_usage" or isinstance(value, list)):
        return  # an attribute holds no list, and no object is missed in one
    found = only_rejection([WAYS[way](RESPONSES | nested(path, value))])
    assert found.reason == reason
    assert path.rpartition(".")[2] in found.message or reason.startswith(("unpriced", "audio", "cache"))
    assert "input_tokens" not in found.fields


def test_a_text_in_a_usage_is_not_shown() -> None:
    found = only_rejection([of_response(RESPONSES | {"note": "the prompt", "x\x1b[m": 5})])
    assert found.reason == "unknown_usage"
    assert "the prompt" not in found.message
    assert "\x1b" not in only_rejection([of_response(RESPONSES | {"x\x1b[m": 5})]).message


@pytest.mark.parametrize(
    "key", ["bot_usage", "usage_metadata", "usageMetadata", "token_usage", "model_usage", "toolUsage"]
)
def test_counts_beside_the_usage_are_refused_by_name(key: str) -> None:
    counted: list[Any] = [{"model_usage": [{"prompt_tokens": 5}]}, {"n": 1}, [1]]
    nothing: list[Any] = [None, {}, [], {"n": 0}, ""]
    for obj in (response(), chat()):
        for held in counted:
            found = only_rejection(parse_object(obj | {key: held}))
            assert (found.reason, key in found.message) == ("unknown_usage", True)
        for held in nothing:
            assert counts(only_record(parse_object(obj | {key: held}))) == counts(only_record(parse_object(obj)))


# --- zeros ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(
    "zeros", [{}, {"total_tokens": 0}, nested("input_tokens_details.cached_tokens", 0), {"cost": 0.5}], ids=str
)
def test_zeros_alone_are_no_usage(zeros: dict[str, Any], way: str) -> None:
    for names in (("input_tokens", "output_tokens"), ("prompt_tokens", "completion_tokens")):
        found = only_rejection([WAYS[way](dict.fromkeys(names, 0) | zeros)])
        assert found.reason == "missing_usage"
        assert "zeros alone" in found.message


def test_a_request_that_failed_may_say_zeros() -> None:
    zeros = {"input_tokens": 0, "output_tokens": 0, "total_tokens": 0}
    found = only_record(parse_object(response(status="failed", usage=zeros)))
    assert found.usage is None
    assert counts(only_record([of_response({"input_tokens": 0, "output_tokens": 5})])) == (0, 0, 5, 0)
    assert counts(only_record([of_response({"input_tokens": 5, "output_tokens": 0})])) == (5, 0, 0, 0)


# --- laws -----------------------------------------------------------------------------------------------------------

WORDS = [
    "cached", "cache", "read", "write", "hit", "miss", "creation", "input", "prompt", "output", "completion",
    "reasoning", "thinking", "audio", "video", "image", "text", "tokens", "token", "count", "details", "total",
    "num", "accepted", "rejected", "prediction", "provisioned", "citation", "search", "batch", "tool", "time",
    "content", "system", "user", "x",
]  # fmt: skip
NAMES = st.builds(
    lambda parts, joint: joint.join(parts),
    st.lists(st.sampled_from(WORDS), min_size=1, max_size=4),
    st.sampled_from(["_", "_", ".", "-"]),
)
CONTAINERS = st.sampled_from(
    ["", "", "input_tokens_details.", "prompt_tokens_details.", "completion_tokens_details.", "details.", "x."]
)
ODD = 7  # no count that a usage states otherwise
PARTS = {"text", "image", "prediction"}


@given(base=st.sampled_from([RESPONSES, CHAT]), container=CONTAINERS, name=NAMES, way=st.sampled_from(sorted(WAYS)))
def test_no_accepted_record_ignores_a_count(base: dict[str, Any], container: str, name: str, way: str) -> None:
    path = container + name
    parsed = WAYS[way](base | {"total_tokens": IN + OUT} | nested(path, ODD))
    assert isinstance(parsed, UsageRecord | Rejected)
    if isinstance(parsed, Rejected):
        return
    words = set(path.replace(".", "_").replace("-", "_").split("_"))
    if counts(parsed) == (IN, ODD, OUT, 0):
        assert words & {"cached", "cache"}
        assert not words & {"write", "creation", "miss", "output", "completion", "audio", "video"}
    elif counts(parsed) == (IN, 0, OUT, ODD):
        assert "reasoning" in words
        assert not words & {"input", "prompt", "cached", "cache", "audio", "video"}
    elif parsed.tool_calls:
        assert (parsed.tool_calls, counts(parsed)) == (ODD, (IN, 0, OUT, 0))
        assert words & {"tool", "search"}
        assert not words & {"token", "tokens"}
    else:
        # Passed over: a part of a whole that is priced as text, or a time; never anything else that counts tokens.
        assert counts(parsed) == (IN, 0, OUT, 0)
        assert words & PARTS or ("time" in words and not words & {"token", "tokens"})
        assert not words & {"audio", "video", "search", "tool"}
        assert "time" in words or not words & {"write", "creation", "provisioned", "citation", "batch"}


@given(name=st.text(min_size=1, max_size=12), value=st.integers(1, 10**6), way=st.sampled_from(["response", "chat"]))
def test_any_other_name_with_a_value_is_refused(name: str, value: int, way: str) -> None:
    if meaning_of(name) == "unknown":
        assert only_rejection([WAYS[way](RESPONSES | {name: value})]).reason in {"unknown_usage", "lone_surrogate"}


def test_the_short_way_knows_names_of_the_table_alone() -> None:
    names = [
        *_Usage.__struct_fields__,
        *(f"input_tokens_details.{name}" for name in _InputDetails.__struct_fields__),
        *(f"output_tokens_details.{name}" for name in _OutputDetails.__struct_fields__),
    ]
    meanings = {name: meaning_of(name) for name in names}
    assert {name for name, meaning in meanings.items() if meaning not in COUNT_MEANINGS} == {
        "input_tokens_details",
        "output_tokens_details",
    }
    assert meanings["input_tokens_details.cached_tokens"] == "cached"
    assert meanings["output_tokens_details.reasoning_tokens"] == "reasoning"


@given(container=CONTAINERS, name=NAMES)
def test_the_short_way_leaves_other_names_to_the_general_one(container: str, name: str) -> None:
    usage: dict[str, Any] = {
        "input_tokens": IN,
        "input_tokens_details": {"cached_tokens": 0},
        "output_tokens": OUT,
        "output_tokens_details": {"reasoning_tokens": 0},
        "total_tokens": IN + OUT,
    }
    for key, value in nested(container + name, ODD).items():
        usage[key] = usage[key] | value if isinstance(usage.get(key), dict) and isinstance(value, dict) else value
    line = json.dumps(response(usage=usage)).encode()
    found = OrdinaryLines(Resolver(RunOptions(tool_fees="unbooked"), Config())).read(LineChunk(1, line))
    if found is not None and found.lines:
        general = only_record(parse_line(line))
        assert [found.records.number(name).tolist() for name in Facts._fields[TOKENS]] == [[n] for n in counts(general)]
