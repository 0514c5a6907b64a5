"""A prompt or a key that stands where a count belongs: no message shows it, and the ledger doesn't keep it."""

from __future__ import annotations

import csv
import io
import itertools
from collections.abc import Callable, Mapping, Sequence
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest

from ledger import Ledger, usage_record
from ledger.errors import LedgerError
from pricing import TokenUsage
from pricing.errors import InvalidUsage, described, is_name, shown_word
from tests.conftest import Cli
from tests.helpers.sources import chat, lines, record, response
from tests.intake.test_anthropic import message
from tests.intake.test_bedrock import converse
from tests.intake.test_gemini import generated
from tests.intake.test_litellm import as_csv, row
from tests.intake.test_otel import export, span
from tests.intake.test_sse import ended, final, sse, started

# In every secret, and in nothing that may be shown.
MARK = "Zq7Kx"
KEY = f"sk-proj-{MARK}9b2Wm4{MARK}"
PROMPT = f"{MARK} tell nobody of {MARK}, our next product 中文 \x1b[31m {MARK}"
SPELLINGS: list[Any] = [
    KEY, PROMPT, MARK, f"{MARK} 12", f"12 {MARK}", f"{PROMPT * 400}", f"'{MARK}", f"{{\"text\": \"{MARK}\"}}",
    f"2026-{MARK}",
    [PROMPT], [KEY, 5], [[MARK]], [{"role": "user", "content": PROMPT}],
    {"text": PROMPT}, {PROMPT: 5}, {KEY: 5}, {KEY: {KEY: 5}}, {"a": {"b": [PROMPT]}}, {"cached_tokens": KEY},
    {"n": {MARK: PROMPT}},
]  # fmt: skip
TEXTS = [spelling for spelling in SPELLINGS if isinstance(spelling, str)]

OF_RESPONSES = (
    "usage", "usage.input_tokens", "usage.output_tokens", "usage.total_tokens", "usage.input_tokens_details",
    "usage.input_tokens_details.cached_tokens", "usage.output_tokens_details.reasoning_tokens", "usage.audio_tokens",
    "usage.cache_creation_input_tokens", "usage.service_tier", "usage.cost", "usage.web_search_calls", "usage.other",
    "usage.total_tokens_per_turn", "usage.usage_source", "bot_usage", "tool_usage", "service_tier", "status",
    "created_at",
)  # fmt: skip
OF_CHAT = (
    "usage", "usage.prompt_tokens", "usage.completion_tokens", "usage.total_tokens", "usage.prompt_tokens_details",
    "usage.prompt_tokens_details.cached_tokens", "usage.completion_tokens_details.reasoning_tokens", "created",
    "x_groq.usage",
)  # fmt: skip
OF_ENVELOPES = ("usage", "bot_usage", "request.service_tier")
OF_RECORDS = (
    "input_tokens", "cached_input_tokens", "output_tokens", "reasoning_tokens", "tool_calls", "tokens", "start", "end",
    "provider_amount", "occurred_at", "kind", "status", "service_tier",
)  # fmt: skip
OF_LITELLM = (
    "prompt_tokens", "completion_tokens", "total_tokens", "spend", "status", "startTime",
    "metadata.additional_usage_values", "metadata.additional_usage_values.prompt_tokens_details.cached_tokens",
)  # fmt: skip
OF_SPANS = (
    "gen_ai.usage.input_tokens", "gen_ai.usage.output_tokens", "gen_ai.usage.cache_read.input_tokens",
    "gen_ai.usage.other", "llm.usage.total_tokens", f"gen_ai.usage.{KEY}", "gen_ai.response.service_tier",
)  # fmt: skip
OF_MESSAGES = (
    "usage", "usage.input_tokens", "usage.cache_creation.ephemeral_5m_input_tokens", "usage.other", f"usage.{KEY}",
    "usage.output_tokens_details", "usage.server_tool_use", "usage.service_tier", "usage.speed",
    "usage.iterations", "usage.inference_geo", "occurred_at", "bot_usage",
)  # fmt: skip
OF_GEMINI = (
    "usageMetadata", "usageMetadata.promptTokenCount", "usageMetadata.thoughtsTokenCount", "usageMetadata.other",
    "usageMetadata.promptTokensDetails", "usageMetadata.serviceTier", "usageMetadata.trafficType", "createTime",
)  # fmt: skip
OF_CONVERSE = (
    "usage", "usage.inputTokens", "usage.cacheDetails", "usage.other", "ResponseMetadata.HTTPHeaders.date",
    "performanceConfig.latency", "serviceTier.type",
)  # fmt: skip
_numbers = itertools.count(1)


def with_id(name: str) -> dict[str, Any]:
    """A response of Bedrock's with this id."""
    return put(converse(modelId="doubao-seed-2.0-pro"), "ResponseMetadata.RequestId", name)


def put(obj: Mapping[str, Any], place: str, value: object) -> dict[str, Any]:
    """The object with the value at a dotted place, and an id of its own."""
    whole: dict[str, Any] = deepcopy(dict(obj))
    inner, *path = whole, *place.split(".")
    for key in path[:-1]:
        inner = inner.setdefault(key, {})
    inner[path[-1]] = value
    return whole


def number() -> str:
    return f"r{next(_numbers)}"


def objects(make: Callable[[str], Mapping[str, Any]], places: Sequence[str]) -> list[dict[str, Any]]:
    return [put(make(number()), place, value) for place in places for value in SPELLINGS]


def records_csv() -> str:
    names = ["request_id", "occurred_at", *OF_RECORDS]
    rows = [put(record(number()), place, text) for place in OF_RECORDS for text in TEXTS]
    written = io.StringIO()
    table = csv.DictWriter(written, list(dict.fromkeys(names)))
    table.writeheader()
    table.writerows(rows)
    return written.getvalue()


def spans() -> list[dict[str, Any]]:
    texts = [export(span({"gen_ai.response.id": number(), place: text})) for place in OF_SPANS for text in TEXTS]
    whole = [export(span({"gen_ai.response.id": number()}, startTimeUnixNano=value)) for value in SPELLINGS]
    return [*texts, *whole, *({"resourceSpans": [{"scopeSpans": [{"spans": value}]}]} for value in SPELLINGS)]


FILES: dict[str, Callable[[], str]] = {
    "responses": lambda: lines([*objects(response, OF_RESPONSES), *SPELLINGS]),
    "chat": lambda: lines(objects(chat, OF_CHAT)),
    "envelope": lambda: lines([{"request": {}, "response": one} for one in objects(response, OF_RESPONSES)])
    + lines(objects(lambda name: {"request": {}, "response": response(name)}, OF_ENVELOPES)),
    "sse": lambda: "".join(
        sse(started(name), put(ended(name), f"response.{place}", value))
        for place in OF_RESPONSES for value in SPELLINGS for name in [number()]
    ),
    "sse of chat": lambda: "".join(
        sse(put(final(number()), "usage.prompt_tokens", value), "[DONE]") for value in SPELLINGS
    ),
    "anthropic": lambda: lines(objects(lambda name: message(id=name, occurred_at="2026-03-01T00:00:00Z"), OF_MESSAGES)),
    "gemini": lambda: lines(objects(lambda name: generated(responseId=name), OF_GEMINI)),
    "bedrock": lambda: lines(objects(with_id, OF_CONVERSE)),
    "records": lambda: lines(objects(record, OF_RECORDS)),
    "records as CSV": records_csv,
    "litellm": lambda: lines(objects(lambda name: row(request_id=name), OF_LITELLM)),
    "litellm as CSV": lambda: as_csv(
        *(put(row(request_id=number()), place, text) for place in OF_LITELLM[:3] for text in TEXTS)
    ),
    "otel": lambda: lines(spans()),
}  # fmt: skip


@pytest.mark.parametrize("name", FILES)
def test_no_message_and_no_ledger_has_what_stands_where_a_count_belongs(cli: Cli, tmp_path: Path, name: str) -> None:
    content = FILES[name]()
    assert MARK in content
    (tmp_path / "usage").write_text(content, encoding="utf-8")
    told = [
        cli("ingest", "usage", "--input-format", name.partition(" ")[0], "--json"),
        cli("quarantine", "list", "--format", "csv"),
        *(cli("quarantine", "show", entry) for entry in range(1, 9)),
        cli("quarantine", "export", "-o", "-"),
    ]
    assert told[0].exit_code == 3
    assert told[0].json["rejected"] > len(TEXTS)
    for outcome in told:
        assert MARK not in outcome.stdout + outcome.stderr
    for path in tmp_path.glob("tollbook.db*"):
        assert MARK.encode() not in path.read_bytes()


TIERS: dict[str, Callable[[str, object], dict[str, Any]]] = {
    "responses": lambda name, tier: response(name, status="failed", usage=None, service_tier=tier),
    "responses in usage": lambda name, tier: response(
        name, status="failed", service_tier=None, usage={"service_tier": tier}
    ),
    "envelope": lambda name, tier: {"request": {}, "response": TIERS["responses"](name, tier)},
    "records": lambda name, tier: {
        "request_id": name, "occurred_at": "2026-03-01T00:00:00Z", "status": "failed", "service_tier": tier,
        "requested_model": "doubao-seed-2.0-pro",
    },
    "records of storage": lambda name, tier: {
        "kind": "cache_storage", "request_id": name, "start": "2026-03-01T00:00:00Z", "end": "2026-03-01T01:00:00Z",
        "tokens": 5, "requested_model": "doubao-seed-2.0-pro", "service_tier": tier,
    },
    "otel": lambda name, tier: export(
        span({
            "gen_ai.response.id": name, "gen_ai.usage.input_tokens": ..., "gen_ai.usage.output_tokens": ...,
            "gen_ai.response.service_tier": tier,
        }, status={"code": 2}),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", TIERS)
def test_a_service_tier_that_is_no_word_isnt_kept_where_nothing_is_priced_by_it(
    cli: Cli, tmp_path: Path, name: str
) -> None:
    objects = [TIERS[name](number(), tier) for tier in [*TEXTS, "two words"]]
    words = [TIERS[name](number(), tier) for tier in ("flex", "default", "scale.v2")]
    (tmp_path / "usage").write_text(lines([*objects, *words]), encoding="utf-8")
    told = cli("ingest", "usage", "--input-format", name.partition(" ")[0], "--json")
    assert (told.json["rejected"], told.json["accepted"]) == (len(objects), len(words))
    assert MARK not in told.stdout + told.stderr
    for path in tmp_path.glob("tollbook.db*"):
        assert MARK.encode() not in path.read_bytes()


def test_the_library_shows_nothing_of_it_either(tmp_path: Path) -> None:
    with Ledger(f"sqlite:///{tmp_path / 'tollbook.db'}") as book:
        for place, value in itertools.product(OF_RESPONSES, SPELLINGS):
            payload = put(response(number()), place, value)
            assert MARK not in f"{book.record(payload)}"
            try:
                usage_record(payload)
            except LedgerError as error:
                assert MARK not in str(error)  # noqa: PT017 - some of them are read
    for spelling in SPELLINGS:
        with pytest.raises(InvalidUsage) as refused:
            TokenUsage(spelling)
        assert MARK not in str(refused.value)


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("88", "(a text of 2 characters)"), ("8", "(a text of 1 character)"), (88.5, "88.5"), (-1, "-1"),
        (True, "true"), (None, "null"), ([KEY], "(a list)"), ({KEY: 1}, "(an object)"),
        (10**400, "(a number of 1329 bits)"), (b"x", "(a bytes)"),
    ],
)  # fmt: skip
def test_a_message_says_what_stands_there_instead(value: object, words: str) -> None:
    assert described(value) == words


@pytest.mark.parametrize(
    "name",
    ["input_tokens", "prompt_tokens_details.cached_tokens", "cache_creation.ephemeral_5m_input_tokens", "tokens/s",
     "flex",     "inputCacheReadTokens", "response_2025-01-01", "chat.completion.v2", "_cost"],
)  # fmt: skip
def test_plain_words_are_told(name: str) -> None:
    assert is_name(name)
    assert shown_word(name) == f"'{name}'"


@pytest.mark.parametrize(
    "text",
    [KEY, PROMPT, "", "tell nobody", "AKIAIOSFODNN7EXAMPLE", "8f14e45fceea167a5a36dedd4bea2543", "4111111111111111",
     "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.e30", "a" * 31, "a." * 60 + "a", "x\n", "中文"],
)  # fmt: skip
def test_sentences_and_keys_are_no_words(text: str) -> None:
    assert not is_name(text)
    assert text not in shown_word(text) or not text
