"""The rules that formats of other vendors have in common: what is in their totals, who sold it, and what is refused."""

from __future__ import annotations

import importlib
import json
import re
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from ledger import Ledger, usage_record
from ledger.errors import LedgerError
from ledger.intake.fields.record import UsageRecord
from ledger.values.instants import iso_text
from tests.conftest import Cli
from tests.helpers.ledgers import charges
from tests.helpers.sources import counts, lines, only_record, only_rejection, parse_object, read, told
from tests.intake.test_anthropic import message
from tests.intake.test_bedrock import converse
from tests.intake.test_gemini import generated

AT = "2026-03-04T05:06:07Z"
DOCS = Path(__file__).parents[2] / "docs" / "formats.md"
SECRET = "sk-proj-Zq7Kx9b2Wm4"
MAKERS: dict[str, Callable[..., dict[str, Any]]] = {
    "anthropic": message, "gemini": generated, "bedrock": converse,
}  # fmt: skip
USAGE = {"anthropic": "usage", "gemini": "usageMetadata", "bedrock": "usage"}
# 100 tokens in, 60 of them from the cache; 30 out, 20 of them thinking where that is told.
SENTENCES = {
    "anthropic": (
        "Cached tokens are outside of `input_tokens`; thinking is inside `output_tokens`.",
        {
            "input_tokens": 40, "cache_read_input_tokens": 60, "output_tokens": 30,
            "output_tokens_details": {"thinking_tokens": 20},
        },
        (100, 60, 30, 20),
    ),
    "gemini": (
        "Cached tokens are inside `promptTokenCount`; thinking is outside of `candidatesTokenCount`.",
        {
            "promptTokenCount": 100, "cachedContentTokenCount": 60, "candidatesTokenCount": 10,
            "thoughtsTokenCount": 20, "totalTokenCount": 130,
        },
        (100, 60, 30, 20),
    ),
    "bedrock": (
        "Cached tokens are outside of `inputTokens`; thinking is inside `outputTokens`.",
        {"inputTokens": 40, "cacheReadInputTokens": 60, "outputTokens": 30, "totalTokens": 130},
        (100, 60, 30, 0),
    ),
}  # fmt: skip
CARD = """
provider = "anthropic"
currency = "USD"
per_tokens = 1_000_000

[[model]]
id = "claude-x-1"
aliases = ["claude-x-1-*", "anthropic.claude-x-1*"]

[[model.price]]
effective_from = 2026-01-01
tiers = [{ input = "3", cached_input = "0.3", output = "15" }]
"""


def envelope(response: object, **changes: Any) -> dict[str, Any]:
    return {"request": {}, "response": response, "occurred_at": AT} | changes


def one_line(text: str) -> str:
    return re.sub(r"\s+", " ", text)


@pytest.mark.parametrize("name", SENTENCES)
def test_what_is_inside_of_the_totals_is_said_and_so(name: str) -> None:
    sentence, usage, expected = SENTENCES[name]
    assert sentence in one_line(importlib.import_module(f"ledger.intake.formats.{name}").__doc__ or "")
    [row] = [line for line in DOCS.read_text().splitlines() if line.startswith(f"| `{name}` |")]
    assert sentence in row
    found = only_record(parse_object(envelope(MAKERS[name](**{USAGE[name]: usage}))))
    assert counts(found) == expected


# --- ways in --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", MAKERS)
def test_a_response_is_recognised_by_itself_in_an_envelope_and_under_its_name(name: str) -> None:
    whole = MAKERS[name](occurred_at=AT)
    alone = only_record(parse_object(whole))
    assert (alone.occurred_at_us, alone.status) == (1_772_600_767_000_000, "completed")
    for input_format in ("auto", name):
        assert only_record(parse_object(whole, input_format)) == alone
        for text in (json.dumps(whole), json.dumps(whole, indent=2), json.dumps([whole]), lines([whole])):
            (item,) = read(text, input_format)
            assert item.parsed == alone
    assert only_record(parse_object(envelope(MAKERS[name]()))) == alone
    assert only_rejection(parse_object({"type": "x"}, name)).reason == "unknown_object"


@pytest.mark.parametrize("name", MAKERS)
def test_the_envelopes_words_come_first(name: str) -> None:
    asked = {"modelId" if name == "bedrock" else "model": "claude-x-1", "messages": SECRET}
    whole = envelope(MAKERS[name](), request=asked, project="search", tags={"team": "a"})
    found = only_record(parse_object(whole))
    assert (found.requested_model, found.project, found.tags) == ("claude-x-1", "search", {"team": "a"})
    assert iso_text(found.occurred_at_us) == AT


@pytest.mark.parametrize("name", MAKERS)
def test_a_response_without_a_time_says_what_to_do(name: str) -> None:
    bare = MAKERS[name](createTime=..., ResponseMetadata={"RequestId": "r1"})
    found = only_rejection(parse_object(bare))
    assert (found.reason, "occurred_at" in found.message) == ("missing_time", True)
    assert only_rejection(parse_object(bare | {"occurred_at": "yesterday"})).reason == "invalid_time"
    assert only_rejection(parse_object(bare | {"occurred_at": "2026-03-04T05:06:07"})).reason == "no_time_zone"
    assert only_record(parse_object(bare | {"occurred_at": AT})).status == "completed"


@pytest.mark.parametrize("name", MAKERS)
def test_an_answer_of_a_proxys_cache_is_no_request(name: str) -> None:
    assert told(read(lines([MAKERS[name](cache_hit=True, occurred_at=AT)]))) == [(1, "ignored")]
    assert told(read(lines([MAKERS[name](_hidden_params={"cache_hit": True}, occurred_at=AT)]))) == [(1, "ignored")]


@pytest.mark.parametrize("name", MAKERS)
def test_counts_beside_the_usage_and_other_kinds_are_refused(name: str) -> None:
    for changes, reason in (
        ({"bot_usage": {"model_usage": 5}}, "unknown_usage"),
        ({"object": "batch"}, "unknown_object"),
    ):
        found = only_rejection(parse_object(MAKERS[name](occurred_at=AT, **changes), name))
        assert found.reason == reason


# --- tables of wrong counts -----------------------------------------------------------------------------------------

NAMES = {
    "anthropic": ("input_tokens", "output_tokens", "cache_read_input_tokens", "cache_creation_input_tokens"),
    "gemini": ("promptTokenCount", "candidatesTokenCount", "thoughtsTokenCount", "cachedContentTokenCount",
               "toolUsePromptTokenCount", "totalTokenCount"),
    "bedrock": ("inputTokens", "outputTokens", "totalTokens", "cacheReadInputTokens", "cacheWriteInputTokens"),
}  # fmt: skip
WRONG = [
    (-1, "negative_count"), (1.0, "not_an_integer"), ("5", "not_an_integer"), (SECRET, "not_an_integer"),
    ([5], "not_an_integer"), (True, "not_an_integer"), (2**63, "count_out_of_range"), (10**400, "count_out_of_range"),
]  # fmt: skip


def rejected(name: str, changes: dict[str, Any]) -> Any:
    whole = MAKERS[name]()
    # Gemini's counts by what they are would contradict a changed whole first.
    plain = {key: value for key, value in whole[USAGE[name]].items() if not isinstance(value, list)}
    whole[USAGE[name]] = {key: value for key, value in (plain | changes).items() if value is not ...}
    found = only_rejection(parse_object(envelope(whole)))
    assert SECRET not in found.message + json.dumps(found.fields)
    return found


@pytest.mark.parametrize(("value", "reason"), WRONG, ids=lambda value: str(value)[:12])
@pytest.mark.parametrize(("name", "count"), [(name, count) for name, counts in NAMES.items() for count in counts])
def test_what_is_no_count_is_refused_by_name(name: str, count: str, value: object, reason: str) -> None:
    found = rejected(name, {count: value})
    assert found.reason == reason
    assert found.message.startswith(f"{USAGE[name]}.{count} ")
    assert "input_tokens" not in found.fields


@pytest.mark.parametrize("value", [5, -5, 0.5, "x", SECRET, True, [1], {"a": 1}, {SECRET: 5}], ids=str)
@pytest.mark.parametrize("key", ["", "zz_tokens", "videoTokenCount", "audio_tokens", SECRET])
@pytest.mark.parametrize("name", MAKERS)
def test_a_name_that_is_in_no_list_is_refused(name: str, key: str, value: object) -> None:
    assert rejected(name, {key: value}).reason == "unknown_usage"


@pytest.mark.parametrize("value", [0, None, False, "", {}, []], ids=str)
@pytest.mark.parametrize("name", MAKERS)
def test_nothing_under_another_name_says_nothing(name: str, value: object) -> None:
    whole = MAKERS[name]()
    plain = only_record(parse_object(envelope(whole)))
    whole[USAGE[name]]["zz_tokens"] = value
    assert only_record(parse_object(envelope(whole))) == plain


@pytest.mark.parametrize("usage", [None, ..., {}, 5, "x", [1]], ids=str)
@pytest.mark.parametrize("name", MAKERS)
def test_what_is_no_usage_is_refused(name: str, usage: object) -> None:
    found = only_rejection(parse_object(envelope(MAKERS[name](**{USAGE[name]: usage})), "envelope"))
    assert found.reason == ("missing_usage" if usage in (None, ..., {}) else "invalid_usage")


@pytest.mark.parametrize("name", MAKERS)
def test_zeros_alone_are_no_usage(name: str) -> None:
    assert rejected(name, dict.fromkeys(NAMES[name], 0) | {"output_tokens_details": ...}).reason == "missing_usage"


@pytest.mark.parametrize(("name", "count"), [(name, count) for name, counts in NAMES.items() for count in counts[:2]])
def test_a_count_that_is_missing_is_refused(name: str, count: str) -> None:
    expected = "total_mismatch" if count == "candidatesTokenCount" else "missing_usage"
    assert rejected(name, {count: ...}).reason == expected


# --- who sold it, and at which price --------------------------------------------------------------------------------


def with_card(cli: Cli) -> None:
    Path("card.toml").write_text(CARD)
    cli("rates", "add", "card.toml").ok()


def test_the_provider_is_the_runs_and_its_card_is_ones_own(db_cli: Cli) -> None:
    with_card(db_cli)
    asked = {"model": "claude-x-1"}
    usages = {name: usage for name, (_sentence, usage, _counts) in SENTENCES.items()}
    made = [
        envelope(MAKERS[name](**{USAGE[name]: usages[name]}), request=asked | {"modelId": "anthropic.claude-x-1-v1:0"})
        for name in MAKERS
    ]
    Path("usage.jsonl").write_text(lines(made))
    # Without a provider it is the ledger's own, whose card has no such model.
    outcome = db_cli("ingest", "usage.jsonl", "--json")
    assert (outcome.exit_code, {each["reason"] for each in outcome.json["rejections"]}) == (3, {"unknown_model"})
    done = db_cli("ingest", "usage.jsonl", "--provider", "anthropic", "--json").ok().json
    # 40 x 3 + 60 x 0.3 + 30 x 15 = 588 millionths of a dollar each.
    assert (done["accepted"], done["amounts"]) == (3, {"USD": "0.001764"})
    assert {row["billed_model"] for row in charges(db_cli)} == {"claude-x-1"}
    assert db_cli("ingest", "usage.jsonl", "--provider", "anthropic", "--json").ok().json["duplicate"] == 3
    db_cli("verify").ok()


class Dumped:
    """The part that the SDKs' objects have in common."""

    def __init__(self, payload: dict[str, Any]) -> None:
        self._payload = payload

    def model_dump(self, *, mode: str) -> dict[str, Any]:
        assert mode == "json"
        return self._payload


def test_an_application_books_responses_with_their_time(db_cli: Cli, db_url: str) -> None:
    with_card(db_cli)
    book = Ledger(db_url, provider="anthropic")
    moment = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)
    undated = book.record(message())
    assert (undated.status, undated.reason, "record()" in str(undated.message)) == ("rejected", "missing_time", True)
    first = book.record(message(), occurred_at=moment)
    # (40 + 60) in, 60 of them cached, 30 out.
    assert (first.status, first.amount, first.currency) == ("accepted", "0.000588", "USD")
    assert book.record(Dumped(message()), occurred_at="2026-03-04T05:06:07Z").status == "duplicate"
    assert book.record(converse(), requested_model="claude-x-1").amount == "0.000588"
    told = book.record_many([generated(responseId="g9", modelVersion="claude-x-1")], occurred_at=moment)
    assert told[0].status == "accepted"
    assert book.record(converse(), requested_model="claude-x-1").status == "duplicate"
    assert book.record(converse()).reason == "unknown_model"
    book.close()
    assert {row["occurred_at"] for row in charges(db_cli) if row["request_id"] == "g9"} == {AT}
    db_cli("verify").ok()


def test_a_spools_line_has_the_time_too() -> None:
    line = usage_record(message(), occurred_at=datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC))
    assert line["occurred_at"] == AT
    assert isinstance(only_record(parse_object(line)), UsageRecord)
    for wrong in ("yesterday", datetime(2026, 3, 4), 5.5j):  # noqa: DTZ001 - a time without a zone is refused
        with pytest.raises(LedgerError):
            usage_record(message(), occurred_at=wrong)  # type: ignore[arg-type]
