"""Requests served at another service tier, such as batch: priced, booked, reported, exported and corrected as such."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Cli
from tests.helpers.focus import rows_of
from tests.helpers.sources import chat, lines, record

MARCH = 1_773_000_000  # 2026-03-08
CARD = """\
provider = "ark"
currency = "CNY"
per_tokens = 1_000_000
[[conversion]]
per_usd = "7"
effective_from = 2026-02-01
[[model]]
id = "seed"
[[model.price]]
effective_from = 2026-02-01
tiers = [
  { up_to = 1_000, input = "4", cached_input = "1", output = "20" },
  { input = "8", cached_input = "2", output = "40" },
]
"""
BATCH = """\
[[model.price.service]]
names = ["batch"]
factor = "0.5"
meters = ["input", "output"]
"""


USED = {"input_tokens": 1_000, "output_tokens": 100, "input_tokens_details": {"cached_tokens": 400}}


def body(number: str, **changes: Any) -> dict[str, Any]:
    return {"id": number, "object": "response", "model": "seed", "created_at": MARCH, "usage": USED} | changes


def batch_line(number: str) -> dict[str, Any]:
    return {"id": f"b-{number}", "custom_id": number, "response": {"status_code": 200, "body": body(number)}}


@pytest.fixture
def ark(db_cli: Cli, tmp_path: Path) -> Cli:
    (tmp_path / "ark.toml").write_text(CARD + BATCH)
    db_cli("rates", "add", "ark.toml").ok()
    return db_cli


def ingest(ark: Cli, objects: list[dict[str, Any]], *options: str) -> Any:
    return ark("ingest", "-", "--provider", "ark", *options, "--json", stdin=lines(objects))


def by_tier(ark: Cli, *options: str) -> dict[str | None, tuple[int, str]]:
    found = ark("report", "--by", "service_tier", "--by", "currency", "--json", *options).ok().json
    return {row["service_tier"]: (row["requests"], row["usd"]) for row in found["rows"]}


# 600 x 4 + 400 x 1 + 100 x 20 = 4,800 millionths of a yuan as standard, 1,200 + 400 + 1,000 = 2,600 as batch.
STANDARD_USD, BATCH_USD = "0.000685714", "0.000371429"


def test_lines_of_a_batch_job_cost_what_batch_does(ark: Cli) -> None:
    failed = {"id": "b-x", "custom_id": "x", "response": None, "error": {"code": "expired"}}
    counts = ingest(ark, [batch_line("1"), body("2"), failed, body("3", service_tier="default")]).ok().json
    assert (counts["accepted"], counts["rejected"]) == (3, 0)
    assert by_tier(ark) == {"default": (2, "0.001371429"), "batch": (1, BATCH_USD)}
    ark("verify").ok()


def test_each_way_to_state_it(ark: Cli) -> None:
    stated = [
        body("1", service_tier="batch"),
        {"request": {"service_tier": "batch"}, "response": body("2")},
        body("3", usage=USED | {"service_tier": "batch"}),
        record("4", provider="ark", requested_model="seed", service_tier="batch", occurred_at="2026-03-08T20:00:00Z",
               input_tokens=1_000, cached_input_tokens=400, output_tokens=100, reasoning_tokens=0),
        chat("5", model="seed", created=MARCH, service_tier="batch",
             usage={"prompt_tokens": 1_000, "completion_tokens": 100, "prompt_tokens_details": {"cached_tokens": 400}}),
    ]  # fmt: skip
    ingest(ark, stated).ok()
    others = [body("6"), body("7", service_tier="auto"), body("8", service_tier="default")]
    ingest(ark, others, "--service-tier", "batch").ok()
    assert by_tier(ark) == {"batch": (6, "0.002228571"), "default": (2, "0.001371429")}


def test_a_tier_without_a_price_waits_for_it(ark: Cli, tmp_path: Path) -> None:
    held = ingest(ark, [body("1", service_tier="flex"), body("2")])
    assert (held.exit_code, held.json["accepted"], held.json["rejections"][0]["reason"]) == (
        3,
        1,
        "unpriced_service_tier",
    )
    assert ark("report", "--json").ok().json["not_booked"]["lines"] == 1
    (tmp_path / "flex.toml").write_text(CARD + BATCH + BATCH.replace("batch", "flex").replace("0.5", "0.75"))
    refused = ark("rates", "add", "flex.toml")
    assert (refused.exit_code, "is known with other figures" in refused.stderr) == (2, True)
    ark("rates", "add", "flex.toml", "--replace", "--reason", "flex is sold too").ok()
    ark("quarantine", "retry").ok()
    assert by_tier(ark) == {"default": (1, STANDARD_USD), "flex": (1, "0.000528571")}  # 1,800 + 400 + 1,500
    assert ark("reprice", "--since", "2026-03-01", "--dry-run", "--json").ok().json["rows"] == []
    ark("verify").ok()


def test_failed_requests_without_tokens_need_no_price(ark: Cli) -> None:
    ingest(ark, [body("1", status="failed", service_tier="flex", usage=None)]).ok()
    assert by_tier(ark) == {"default": (1, "0")}


@pytest.mark.parametrize(
    ("first", "second", "outcome"),
    [
        ({}, {"service_tier": "batch"}, "conflict"),
        ({"service_tier": "default"}, {"service_tier": "batch"}, "conflict"),
        ({"service_tier": "batch"}, {"service_tier": "default"}, "conflict"),
        ({"service_tier": "batch"}, {}, "duplicate"),
        ({"service_tier": "batch"}, {"service_tier": "auto"}, "duplicate"),
        ({"service_tier": "default"}, {}, "duplicate"),
        ({}, {"service_tier": "default"}, "duplicate"),
    ],
    ids=str,
)
def test_a_request_that_comes_again_at_another_tier_is_a_conflict(
    ark: Cli, first: dict[str, str], second: dict[str, str], outcome: str
) -> None:
    ingest(ark, [body("1", **first)]).ok()
    again = ingest(ark, [body("1", **second)]).json
    assert again[outcome] == 1
    assert sum(requests for requests, _usd in by_tier(ark).values()) == 1


def test_corrections_keep_the_tier(ark: Cli, tmp_path: Path) -> None:
    ingest(ark, [batch_line("1"), body("2")], "--project", "search").ok()
    ark("reassign", "--project", "search", "--to", "care", "--reason", "r").ok()
    assert by_tier(ark, "--project", "care") == {"batch": (1, BATCH_USD), "default": (1, STANDARD_USD)}
    (tmp_path / "dear.toml").write_text(CARD + BATCH.replace("0.5", "0.75"))
    ark("rates", "add", "dear.toml", "--replace", "--reason", "r").ok()
    ark("reprice", "--since", "2026-03-01").ok()
    assert by_tier(ark) == {"default": (1, STANDARD_USD), "batch": (1, "0.000528571")}
    ark("void", "--id", "1", "--reason", "r").ok()
    assert by_tier(ark) == {"default": (1, STANDARD_USD)}
    ark("verify").ok()


def test_exports_name_the_tier_where_it_is_another_than_the_standard_one(ark: Cli) -> None:
    ingest(ark, [batch_line("1"), body("2")]).ok()
    rows = rows_of(ark("export", "focus", "--month", "2026-03").ok().stdout)
    prices = {(row["x_Meter"], row["SkuPriceId"]): row for row in rows if row["x_ChargeKind"] == "usage"}
    standard, batch = (prices["output", f"ark/seed/output/1000{tier}"] for tier in ("", "/batch"))
    assert '"x_ServiceTier":"batch"' in batch["SkuPriceDetails"]
    assert "x_ServiceTier" not in standard["SkuPriceDetails"]
    assert batch["ChargeDescription"] == "Output Tokens of seed, prompt tier 1000, served as batch"
    assert [row["PricingCurrencyListUnitPrice"] for row in (standard, batch)] == ["20.0", "10.0"]
    charges = rows_of(ark("export", "charges", "--month", "2026-03").ok().stdout)
    entries = {row["rate_entry"].partition("#")[0] for row in charges}
    assert entries == {"ark/seed/2026-02-01", "ark/seed/2026-02-01/batch"}


def test_price_and_list_know_the_tier(ark: Cli) -> None:
    request = ("price", "--provider", "ark", "--model", "seed", "--input-tokens", 1_000, "--output-tokens", 100)
    found = ark(*request, "--service-tier", "batch", "--json").ok().json
    assert (found["service_tier"], found["amount"]) == ("batch", "0.003")
    table = ark(*request, "--service-tier", "batch").ok().stdout
    assert "seed at ark served as batch, tier up to 1,000 tokens" in table
    refused = ark(*request, "--service-tier", "flex")
    assert (refused.exit_code, "'flex' has no price on ark/seed/2026-02-01" in refused.stderr) == (2, True)
    listed = ark("rates", "list", "--provider", "ark", "--json").ok().json["rows"]
    assert [(row["service_tier"], row["tier"], row["input"], row["cached_input"]) for row in listed] == [
        ("default", "1000", "4", "1"), ("default", "unbounded", "8", "2"),
        ("batch", "1000", "2", "1"), ("batch", "unbounded", "4", "2"),
    ]  # fmt: skip


def test_estimates_are_at_the_tier_asked_for(ark: Cli, tmp_path: Path) -> None:
    (tmp_path / "p.txt").write_text("a" + " a" * 999)
    asked = ("estimate", "p.txt", "--provider", "ark", "--model", "seed", "--output-tokens", 100)
    assert ark(*asked, "--json").ok().json["total"]["amount"] == "0.006"  # 1,000 x 4 + 100 x 20
    assert ark(*asked, "--service-tier", "batch", "--json").ok().json["total"]["amount"] == "0.003"
    refused = ark(*asked, "--service-tier", "flex")
    assert (refused.exit_code, "'flex' has no price on ark/seed" in refused.stderr) == (2, True)
