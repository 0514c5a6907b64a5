"""Rows of LiteLLM's spend log: what its proxy 1.110 writes, as JSON and as a CSV file of the table."""

from __future__ import annotations

import csv
import io
import json
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from ledger.intake.fields.record import Ignored, Rejected, UsageRecord
from ledger.values.instants import iso_text
from tests.conftest import Cli
from tests.helpers.sources import counts, lines, only_record, only_rejection, parse_object, read

METADATA: dict[str, Any] = {
    "additional_usage_values": {
        "completion_tokens_details": {"reasoning_tokens": 200},
        "prompt_tokens_details": {"cached_tokens": 30_000},
        "cache_read_input_tokens": 30_000,
    },
    "user_api_key": "c6523aeb23002f7eabb946eb2853d95d213ce1859c85029b160050703ff6a3d1",
    "user_api_key_alias": "search-key",
    "user_api_key_team_id": "t1",
    "user_api_key_team_alias": "search",
    "user_api_key_user_id": "u1",
    "spend_logs_metadata": {"project": "crawler"},
    "requester_ip_address": "192.0.2.1",
    "batch_models": None,
    "usage_object": None,
}
ROW: dict[str, Any] = {
    "request_id": "chatcmpl-af2a7bdc",
    "call_type": "acompletion",
    "api_key": "c6523aeb23002f7eabb946eb2853d95d213ce1859c85029b160050703ff6a3d1",
    "cache_hit": "False",
    "startTime": "2026-03-14 10:00:00.266",
    "endTime": "2026-03-14 10:00:04.5",
    "completionStartTime": "2026-03-14 10:00:01",
    "model": "openai/doubao-seed-2.0-pro",
    "user": "u1",
    "team_id": "t1",
    "organization_id": "",
    "metadata": METADATA,
    "cache_key": "Cache OFF",
    "spend": 0.0123,
    "total_tokens": 40_500,
    "prompt_tokens": 40_000,
    "completion_tokens": 500,
    "request_tags": ["env:prod", "plain", "User-Agent: curl/8"],
    "end_user": "",
    "api_base": "https://api.evolink.ai/v1",
    "model_group": "doubao-pro",
    "custom_llm_provider": "openai",
    "messages": {"role": "user", "content": "secret"},
    "response": {"id": "chatcmpl-af2a7bdc", "usage": {"prompt_tokens": 1}},
    "proxy_server_request": {"body": "secret"},
    "status": "success",
}


def row(stated: dict[str, Any] | None = None, **changes: Any) -> dict[str, Any]:
    changed = ROW | {"metadata": METADATA | (stated or {})} | changes
    return {name: value for name, value in changed.items() if value is not ...}


def accepted(stated: dict[str, Any] | None = None, **changes: Any) -> UsageRecord:
    return only_record(parse_object(row(stated, **changes)))


def rejected(stated: dict[str, Any] | None = None, **changes: Any) -> Rejected:
    return only_rejection(parse_object(row(stated, **changes)))


def test_a_row_is_recognised_and_read_whole() -> None:
    found = accepted()
    assert (found.request_id, found.requested_model, found.reported_model, found.status) == (
        "chatcmpl-af2a7bdc", "doubao-seed-2.0-pro", None, "completed",
    )  # fmt: skip
    assert iso_text(found.occurred_at_us) == "2026-03-14T10:00:00.266000Z"
    assert counts(found) == (40_000, 30_000, 500, 200)
    assert found.tags == {"team": "search", "key_alias": "search-key", "user": "u1"}
    assert found.response_metadata == {"env": "prod", "User-Agent": "curl/8", "project": "crawler"}
    assert (found.provider_amount_usd, found.provider_amount_nano) == ("0.0123", None)


def test_columns_of_json_are_read_as_text_too() -> None:
    texts = {name: json.dumps(ROW[name]) for name in ("metadata", "request_tags", "messages", "response")}
    assert only_record(parse_object(ROW | texts)) == accepted()


@pytest.mark.parametrize(
    "text",
    ["2026-03-14 10:00:00.266", "2026-03-14T10:00:00.266Z", "2026-03-14 18:00:00.266+08:00"],
)
def test_times_without_a_zone_are_utc(text: str) -> None:
    assert iso_text(accepted(startTime=text).occurred_at_us) == "2026-03-14T10:00:00.266000Z"


@pytest.mark.parametrize(
    ("model", "provider", "asked"),
    [
        ("openai/doubao-seed-2.0-pro", "openai", "doubao-seed-2.0-pro"),
        ("doubao-seed-2.0-pro", "openai", "doubao-seed-2.0-pro"),
        ("volcengine/doubao-seed-2.0-pro", "volcengine", "doubao-seed-2.0-pro"),
        ("vendor/doubao-seed-2.0-pro", "openai", "vendor/doubao-seed-2.0-pro"),
        ("openai/doubao-seed-2.0-pro", None, "doubao-seed-2.0-pro"),
        ("doubao-seed-2.0-pro", None, "doubao-seed-2.0-pro"),
    ],
)
def test_the_prefix_of_the_provider_is_no_part_of_the_model(model: str, provider: str | None, asked: str) -> None:
    assert accepted(model=model, custom_llm_provider=provider).requested_model == asked


@pytest.mark.parametrize("flag", ["True", "true", True])
def test_an_answer_from_the_cache_is_never_booked(flag: object) -> None:
    found = parse_object(row(cache_hit=flag))
    assert found == [Ignored("cache_hit")]


def test_the_cached_part_is_found_wherever_a_release_kept_it() -> None:
    usage = {"prompt_tokens": 40_000, "completion_tokens": 500, "total_tokens": 40_500}
    details = {"prompt_tokens_details": {"cached_tokens": 30_000}}
    for metadata in (
        {"usage_object": usage | details, "additional_usage_values": {}},
        {"usage_object": usage | details},
        {"usage_object": None, "additional_usage_values": details},
        {"usage_object": None, "additional_usage_values": {"cache_read_input_tokens": 30_000}},
    ):
        assert counts(accepted(metadata))[:3] == (40_000, 30_000, 500), metadata
    assert counts(accepted({"additional_usage_values": {}})) == (40_000, 0, 500, 0)
    unknown = rejected({"additional_usage_values": None})
    assert (unknown.reason, "how much was cached isn't known" in unknown.message) == ("missing_usage", True)


def test_the_proxys_name_says_which_model_an_endpoint_is() -> None:
    found = accepted(
        model="volcengine/ep-20260101-abcde", custom_llm_provider="volcengine", model_group="doubao-seed-2.0-pro"
    )
    assert (found.requested_model, found.reported_model) == ("ep-20260101-abcde", "doubao-seed-2.0-pro")
    assert accepted(model="", model_group="doubao-seed-2.0-pro").requested_model == "doubao-seed-2.0-pro"


def test_a_failure_may_be_told_in_the_metadata_alone() -> None:
    zeros = {"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0}
    assert accepted({"status": "failure", "additional_usage_values": {}}, status=..., **zeros).status == "failed"


@pytest.mark.parametrize(
    ("metadata", "changes", "reason"),
    [
        ({"usage_object": {"prompt_tokens": 1}}, {}, "count_mismatch"),
        ({"usage_object": {"prompt_tokens_details": {"cached_tokens": 7}}}, {}, "count_mismatch"),
        ({"usage_object": {"prompt_tokens_details": {"audio_tokens": 7}}}, {}, "audio_tokens"),
        ({"additional_usage_values": {"cache_creation_input_tokens": 7}}, {}, "cache_write_tokens"),
        ({}, {"total_tokens": 1}, "total_mismatch"),
        ({}, {"call_type": "aretrieve_batch"}, "unpriced_service"),
        ({"batch_models": ["doubao-seed-2.0-pro"]}, {}, "unpriced_service"),
        ({}, {"call_type": "aimage_generation"}, "unknown_object"),
        ({}, {"call_type": "aembedding"}, "unknown_object"),
        ({}, {"status": "maybe"}, "unknown_status"),
        ({}, {"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0}, "cached_exceeds_input"),
        ({}, {"prompt_tokens": None}, "missing_usage"),
        ({}, {"request_id": ""}, "missing_id"),
        ({}, {"startTime": None}, "missing_time"),
        ({}, {"metadata": "{"}, "invalid_json"),
        ({}, {"metadata": "[]"}, "not_an_object"),
    ],
)
def test_what_no_card_prices_is_refused_by_name(metadata: dict[str, Any], changes: dict[str, Any], reason: str) -> None:
    assert rejected(metadata, **changes).reason == reason


def test_a_failure_is_recorded_with_the_usage_it_reports() -> None:
    zeros = {"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0, "spend": 0.0}
    nothing = accepted({"additional_usage_values": {}}, status="failure", **zeros)
    assert (nothing.status, nothing.usage) == ("failed", None)
    assert accepted(status="failure").usage is not None


def test_calls_that_used_nothing_are_no_requests() -> None:
    zeros = {"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0, "spend": 0.0}
    found = parse_object(row({"additional_usage_values": {}}, call_type="list_mcp_tools", **zeros))
    assert found == [Ignored()]


def test_nothing_of_a_payload_is_kept_of_a_refused_row() -> None:
    fields = rejected(call_type="aembedding").fields
    assert "secret" not in json.dumps(fields)
    assert fields["request_id"] == "chatcmpl-af2a7bdc"
    assert fields["occurred_at"] == "2026-03-14T10:00:00.266000Z"


# --- as a CSV file of the table, and booked -------------------------------------------------------------------------


def as_csv(*rows: dict[str, Any], delimiter: str = ",") -> str:
    texts = [
        {name: found if isinstance(found, str) else json.dumps(found) for name, found in each.items()} for each in rows
    ]
    out = io.StringIO()
    writer = csv.DictWriter(out, fieldnames=list(texts[0]), delimiter=delimiter)
    writer.writeheader()
    writer.writerows(texts)
    return out.getvalue()


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_a_csv_file_of_the_table_is_read_alike(delimiter: str) -> None:
    (item,) = read(as_csv(row(), delimiter=delimiter).encode())
    assert item.parsed == accepted()


def test_a_csv_file_without_its_counts_is_refused_as_a_whole() -> None:
    short = {name: found for name, found in ROW.items() if name != "total_tokens"}
    (item,) = read(as_csv(short).encode())
    assert only_rejection([item.parsed]).reason == "missing_column"


def test_spend_is_kept_in_the_cards_currency_and_compared(db_cli: Cli) -> None:
    # 10,000 uncached at 48, 30,000 cached at 6.4 and 500 out at 240 credits for 1M: 0.792 credits, 0.011 USD.
    usd = Fraction(10_000 * 48 + 30_000 * 64 // 10 + 500 * 240, 1_000_000) / 72
    same, other = row(spend=float(usd)), row(request_id="chatcmpl-2", spend=0.02)
    cached = row(request_id="chatcmpl-3_cache_hit1", cache_hit="True")
    Path("rows.jsonl").write_text(lines([same, other, cached]), encoding="utf-8")
    booked = db_cli("ingest", "rows.jsonl", "--json").ok().json
    assert (booked["accepted"], booked["ignored"], booked["amounts"]) == (2, {"cache_hit": 1}, {"CRD": "1.584"})
    found = db_cli("reconcile", "--month", "2026-03", "--tolerance", "0usd", "--json")
    assert found.exit_code == 1
    (differing,) = found.json["rows"]
    assert (differing["key"], differing["ledger_amount"], differing["provider_amount"]) == (
        "chatcmpl-2",
        "0.792",
        "1.44",
    )


def test_spend_that_litellm_priced_otherwise_has_its_cause(cli: Cli) -> None:
    # Credits for 1M tokens at 40,000 of input: 48, 6.4 cached, 240 out; at the lowest tier 32, 6.4 and 160.
    rates: dict[str, tuple[int, int | Fraction, int]] = {
        "chatcmpl-agrees": (48, Fraction(64, 10), 240),
        "chatcmpl-cached": (48, 48, 240),
        "chatcmpl-lowest": (32, Fraction(64, 10), 160),
        "chatcmpl-nothing": (0, 0, 0),
    }
    spent = [
        row(request_id=name, spend=float((10_000 * fresh + 30_000 * cached + 500 * out) / Fraction(72_000_000)))
        for name, (fresh, cached, out) in rates.items()
    ]
    Path("rows.jsonl").write_text(lines(spent), encoding="utf-8")
    cli("ingest", "rows.jsonl").ok()
    found = cli("reconcile", "--month", "2026-03", "--all", "--tolerance", "0usd", "--json")
    assert {each["key"]: (each["status"], each["cause"]) for each in found.json["rows"]} == {
        "chatcmpl-agrees": ("matched", ""),
        "chatcmpl-cached": ("differs", "cached_at_input_rate"),
        "chatcmpl-lowest": ("differs", "lowest_tier"),
        "chatcmpl-nothing": ("differs", "not_priced"),
    }


@pytest.mark.parametrize(
    ("spend", "kept"),
    [("1e-999999999", "0"), (1e-300, "0"), (" .5 ", "0.5"), ("5.", "5"), ("+1e-7", "1E-7"), (0, "0"), ("1e400", None)],
)
def test_a_spend_of_any_size_is_read_at_once(cli: Cli, spend: object, kept: str | None) -> None:
    assert accepted(spend=spend).provider_amount_usd == kept
    Path("rows.jsonl").write_text(lines([row(spend=spend)]), encoding="utf-8")
    assert cli("ingest", "rows.jsonl", "--json").ok().json["accepted"] == 1


def test_a_row_held_back_keeps_its_spend_in_usd(cli: Cli) -> None:
    Path("rows.jsonl").write_text(lines([row(model="gpt-4o", model_group="gpt-4o", spend=0.02)]), encoding="utf-8")
    assert cli("ingest", "rows.jsonl").exit_code == 3
    held = cli("quarantine", "show", "1", "--json").ok().json
    assert held["fields"]["provider_amount"] == "0.02usd"
    Path("card.toml").write_text(GPT_CARD, encoding="utf-8")
    cli("rates", "add", "card.toml").ok()
    cli("quarantine", "retry").ok()
    found = cli("reconcile", "--month", "2026-03", "--all", "--json").json["rows"][0]
    assert found["provider_amount"] == "1.44"  # 0.02 USD at 72


GPT_CARD = """
provider = "evolink"
currency = "CRD"
per_tokens = 1_000_000
[[model]]
id = "gpt-4o"
[[model.price]]
effective_from = 2026-02-01
tiers = [{ input = "180", cached_input = "90", output = "720" }]
"""
