"""Tokens written to the cache, by lifetime, and calls: priced, booked, corrected, closed, exported and replayed."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from alembic import command

from pricing.charge import METERS
from tests.cli.test_whatif import ask, assert_replayed, causes
from tests.conftest import Cli
from tests.helpers.focus import rows_of, total
from tests.helpers.ledgers import CODE, responses, rows, tamper, value
from tests.helpers.sources import lines, record
from tests.store.test_migrations import alembic, schema

MARCH = "2026-03"
# USD per 1M tokens: written for 5 minutes at 1.25 times the input rate, for an hour at twice; a search costs a cent.
CARD = """\
provider = "anthropic"
currency = "USD"
per_tokens = 1_000_000
[[model]]
id = "claude"
[[model.price]]
effective_from = 2026-02-01
per_call = "0.01"
tiers = [
  { up_to = 1_000, input = "4", cached_input = "0.4", output = "20", cache_write_5m = "5", cache_write_1h = "8" },
  { input = "8", cached_input = "0.8", output = "40", cache_write_5m = "10", cache_write_1h = "16" },
]
[[model]]
id = "plain"
[[model.price]]
effective_from = 2026-02-01
tiers = [{ input = "4", output = "20" }]
"""
DEARER = CARD.replace('per_call = "0.01"', 'per_call = "0.02"').replace('cache_write_5m = "5"', 'cache_write_5m = "6"')
MILLION = Decimal(1_000_000)


def used(number: str, day: int = 10, model: str = "claude", **counts: Any) -> dict[str, Any]:
    stated = {"input_tokens": 0, "output_tokens": 0} | counts
    return record(
        number, provider="anthropic", source="anthropic", occurred_at=f"{MARCH}-{day:02}T12:00:00Z",
        requested_model=model, project=f"project-{day}", **stated,
    )  # fmt: skip


WRITTEN: dict[str, Any] = {"cache_write_5m_tokens": 200, "cache_write_1h_tokens": 100}
WHOLE: dict[str, Any] = {"input_tokens": 1_000, "cached_input_tokens": 300, "output_tokens": 50, "calls": 3, **WRITTEN}
# What is neither cached nor written is 1,000 - 300 - 200 - 100 = 400.
WHOLE_USD = (400 * 4 + 300 * Decimal("0.4") + 50 * 20 + 200 * 5 + 100 * 8) / MILLION + 3 * Decimal("0.01")


@pytest.fixture
def claude(db_cli: Cli, tmp_path: Path) -> Cli:
    (tmp_path / "claude.toml").write_text(CARD)
    db_cli("rates", "add", "claude.toml").ok()
    return db_cli


def usd(cli: Cli, *options: str) -> Decimal:
    return Decimal(cli("report", "--json", *options).ok().json["total"]["usd"])


EDGES: list[tuple[dict[str, Any], Decimal]] = [
    (WHOLE, WHOLE_USD),
    ({"input_tokens": 1_000, "cache_write_5m_tokens": 1_000}, 1_000 * 5 / MILLION),
    ({"input_tokens": 1_001, "cache_write_5m_tokens": 1_001}, 1_001 * 10 / MILLION),
    ({"input_tokens": 1_000, "cache_write_1h_tokens": 999}, (999 * 8 + 1 * 4) / MILLION),
    ({"input_tokens": 1_001, "cached_input_tokens": 1, "cache_write_1h_tokens": 1_000},
     (1_000 * 16 + Decimal("0.8")) / MILLION),
    ({"input_tokens": 1, "cache_write_5m_tokens": 0, "cache_write_1h_tokens": 0, "calls": 0}, 4 / MILLION),
    ({"calls": 1}, Decimal("0.01")),
    ({"output_tokens": 7, "calls": 1_000_000}, 7 * 20 / MILLION + 10_000),
]  # fmt: skip


@pytest.mark.parametrize(("counts", "expected"), EDGES, ids=lambda each: json.dumps(each, default=str)[:80])
def test_each_count_at_its_rate(claude: Cli, counts: dict[str, Any], expected: Decimal) -> None:
    claude("ingest", "-", stdin=lines([used("a", **counts)])).ok()
    assert usd(claude) == expected
    amounts = [Decimal(row["amount"]) for row in claude("export", "charges", "--json").ok().json["rows"]]
    assert sum(amounts) == expected
    claude("verify").ok()


@pytest.mark.parametrize(
    ("changes", "reason", "said"),
    [
        ({"input_tokens": 10, "cached_input_tokens": 8, "cache_write_5m_tokens": 3}, "cache_write_exceeds_input", "8"),
        ({"input_tokens": 10, "cache_write_1h_tokens": -1}, "negative_count", "cache_write_1h_tokens"),
        ({"calls": 2**63}, "count_out_of_range", "calls"),
        ({"input_tokens": 10, "model": "plain", "cache_write_5m_tokens": 3}, "missing_rate", "cache_write_5m"),
        ({"input_tokens": 10, "model": "plain", "calls": 1}, "unpriced_tool_fees", "1 here"),
    ],
)
def test_what_has_no_price_or_cant_be_is_refused(claude: Cli, changes: Any, reason: str, said: str) -> None:
    outcome = claude("ingest", "-", "--json", stdin=lines([used("a", **changes)]))
    assert (outcome.exit_code, outcome.json["rejections"][0]["reason"]) == (3, reason)
    assert said in outcome.json["rejections"][0]["message"]


def fill(cli: Cli) -> None:
    """Seven requests of four days, one of them voided, one corrected."""
    made = [
        used("a", **WHOLE),
        used("b", 11, input_tokens=2_000, cache_write_1h_tokens=1_500, output_tokens=10),
        used("c", 12, calls=2),
        used("d", 12, input_tokens=500, output_tokens=10),
        used("e", 13, input_tokens=700, cache_write_5m_tokens=700, calls=1),
        used("f", 13, model="plain", input_tokens=300, output_tokens=10),
        used("g", 13, input_tokens=900, cached_input_tokens=100, cache_write_5m_tokens=333, output_tokens=1),
    ]
    cli("ingest", "-", stdin=lines(made)).ok()
    cli("void", "--id", "e", "--reason", "a test").ok()
    cli("reassign", "--project", "project-11", "--to", "search").ok()


def test_a_month_from_ingest_to_close_and_exports(claude: Cli, tmp_path: Path) -> None:
    fill(claude)
    expected = (
        WHOLE_USD
        + (500 * 8 + 1_500 * 16 + 10 * 40) / MILLION
        + 2 * Decimal("0.01")
        + (500 * 4 + 10 * 20) / MILLION
        + (300 * 4 + 10 * 20) / MILLION
        + (467 * 4 + 100 * Decimal("0.4") + 333 * 5 + 20) / MILLION
    )
    assert usd(claude) == expected
    claude("verify").ok()
    assert_replayed(claude, MARCH)
    (tmp_path / "dearer.toml").write_text(DEARER)
    what_if = ask(claude, "--rates", "dearer.toml", month=MARCH)
    dearer = 5 * Decimal("0.01") + (200 + 333) * 1 / MILLION
    assert Decimal(what_if["total"]["after_usd"]) == expected + dearer
    assert causes(what_if) == {"price": f"{dearer.normalize()}"}
    claude("rates", "add", "dearer.toml", "--replace", "--reason", "a test").ok()
    claude("reprice", "--since", "2026-03-01", "--reason", "a test").ok()
    assert usd(claude) == expected + dearer
    claude("verify").ok()
    batch = claude("batches", "--json").ok().json["batches"][0]["batch"]
    claude("reprice", "--undo", batch, "--reason", "a test").ok()
    assert usd(claude) == expected
    claude("verify").ok()
    assert_replayed(claude, MARCH)
    claude("close", MARCH, "--force", "--reason", "a test").ok()
    claude("verify").ok()
    charges = claude("export", "charges", "--month", MARCH, "--json").ok().json["rows"]
    assert sum(Decimal(row["usd"]) for row in charges) == expected
    assert {row["meter"] for row in charges} == set(METERS) - {"cache_storage"}
    for row in charges:
        units = 1 if row["meter"] == "call" else 1_000_000
        assert Decimal(row["amount"]) == row["tokens"] * Decimal(row["rate"]) / units
    for grain in ("day", "charge"):
        focus = rows_of(claude("export", "focus", "--month", MARCH, "--grain", grain).ok().stdout)
        for cost in ("BilledCost", "ListCost", "ContractedCost", "EffectiveCost"):
            assert total(focus, cost) == expected
        usage = [row for row in focus if row["x_ChargeKind"] == "usage"]
        assert {(row["SkuMeter"], row["ConsumedUnit"], row["PricingUnit"]) for row in usage} == {
            ("Input Tokens", "Tokens", "1000000 Tokens"),
            ("Cached Input Tokens", "Tokens", "1000000 Tokens"),
            ("Output Tokens", "Tokens", "1000000 Tokens"),
            ("Cache Write Tokens (5m)", "Tokens", "1000000 Tokens"),
            ("Cache Write Tokens (1h)", "Tokens", "1000000 Tokens"),
            ("Calls", "Calls", "Calls"),
        }
        for row in usage:
            assert Decimal(row["PricingQuantity"]) * Decimal(row["ListUnitPrice"]) == Decimal(row["ListCost"])
        written = next(row for row in usage if row["x_Meter"] == "cache_write_1h")
        assert json.loads(written["SkuPriceDetails"])["x_CacheAction"] == "Write"
    chargeback = claude("export", "chargeback", "--month", MARCH, "--json").ok().json["rows"]
    assert sum(Decimal(row["usd"]) for row in chargeback) == round(expected, 2)


def test_the_same_again_is_a_duplicate_and_other_counts_a_conflict(claude: Cli) -> None:
    claude("ingest", "-", stdin=lines([used("a", **WHOLE)])).ok()
    again = claude("ingest", "-", "--json", stdin=lines([used("a", **WHOLE)])).ok().json
    assert (again["duplicate"], again["accepted"]) == (1, 0)
    for name in ("cache_write_5m_tokens", "cache_write_1h_tokens", "calls"):
        other = claude("ingest", "-", "--json", stdin=lines([used("a", **WHOLE | {name: 7})])).json
        assert other["conflict"] == 1
    claude("quarantine", "accept", "3", "--reason", "a test").ok()
    assert usd(claude) == WHOLE_USD + 4 * Decimal("0.01")
    claude("verify").ok()


def test_other_ways_to_sum_count_the_same(claude: Cli) -> None:
    """Roll-ups by quarter-hour, and the charges themselves."""
    fill(claude)
    expected = usd(claude)
    assert usd(claude, "--timezone", "Asia/Kathmandu") == expected
    assert usd(claude, "--since", "2026-03-01T00:00:01Z") == expected


def test_contracts_cover_calls_and_list_prices_count_written_tokens(claude: Cli, tmp_path: Path) -> None:
    (tmp_path / "acme.toml").write_text(
        'provider = "anthropic"\ncurrency = "USD"\n[[contract]]\nname = "acme"\neffective_from = 2026-03-01\n'
        'factor = "0.5"\nmeters = ["input", "output", "cache_write_5m", "cache_write_1h", "call"]\n'
    )
    claude("rates", "add", "acme.toml").ok()
    claude("ingest", "-", stdin=lines([used("a", **WHOLE)])).ok()
    cached = 300 * Decimal("0.4") / MILLION
    found = claude("report", "--list-prices", "--json").ok().json["total"]
    assert Decimal(found["usd"]) == (WHOLE_USD - cached) / 2 + cached
    assert Decimal(found["list_usd"]) == WHOLE_USD
    focus = rows_of(claude("export", "focus", "--month", MARCH).ok().stdout)
    assert (total(focus, "ListCost"), total(focus, "ContractedCost")) == (WHOLE_USD, Decimal(found["usd"]))
    claude("verify").ok()


def test_anthropics_own_usage_is_priced_whole(claude: Cli) -> None:
    """Read, written and searched: 40 + 300 + 200 + 100 tokens in, 3 searches."""
    counts = {
        "input_tokens": 40,
        "cache_read_input_tokens": 300,
        "cache_creation_input_tokens": 300,
        "cache_creation": {"ephemeral_5m_input_tokens": 200, "ephemeral_1h_input_tokens": 100},
        "output_tokens": 50,
        "server_tool_use": {"web_search_requests": 3},
    }
    message = {"id": "msg_1", "type": "message", "role": "assistant", "model": "claude", "stop_reason": "end_turn"}
    line = {"request": {}, "response": message | {"usage": counts}, "occurred_at": f"{MARCH}-10T12:00:00Z"}
    claude("ingest", "-", "--provider", "anthropic", stdin=lines([line])).ok()
    expected = (40 * 4 + 300 * Decimal("0.4") + 200 * 5 + 100 * 8 + 50 * 20) / MILLION + 3 * Decimal("0.01")
    assert usd(claude) == expected
    assert claude("report", "--json").ok().json["total"]["input_tokens"] == 640
    claude("verify").ok()


def test_calls_of_tools_are_priced_where_the_card_prices_calls(claude: Cli) -> None:
    made = [used("a", input_tokens=10, calls=2), used("b", model="plain", input_tokens=10, calls=2)]
    outcome = claude("ingest", "-", "--json", stdin=lines(made))
    assert (outcome.exit_code, outcome.json["accepted"]) == (3, 1)
    assert outcome.json["rejections"][0]["reason"] == "unpriced_tool_fees"
    assert claude("report", "--json").ok().json["not_booked"]["priced_lines"] == 0
    assert usd(claude) == 40 / MILLION + 2 * Decimal("0.01")
    claude("ingest", "-", "--tool-fees", "unbooked", stdin=lines(made)).ok()
    assert usd(claude) == 80 / MILLION + 2 * Decimal("0.01")
    assert claude("report", "--json").ok().json["unbooked_tool_calls"] == 2
    claude("verify").ok()


@pytest.mark.parametrize(
    ("usage", "content", "booked"),
    [
        ({"web_search_requests": 2}, [], 2),
        ({"web_search_requests": 1, "code_execution_requests": 1}, [], None),
        ({"web_search_requests": 2}, ["web_search", "bash_code_execution"], None),
        ({}, ["web_search", "web_search"], 2),
        ({"web_search_requests": 1}, ["web_search", "web_search", "web_search"], 1),  # of which the usage bills one
        ({"web_fetch_requests": 3}, ["web_fetch"], 0),
    ],
    ids=str,
)
def test_web_searches_alone_are_the_calls_that_a_card_prices(
    claude: Cli, usage: dict[str, int], content: list[str], booked: int | None
) -> None:
    blocks = [{"type": "server_tool_use", "name": name} for name in content]
    counts = {"input_tokens": 40, "output_tokens": 50, "server_tool_use": usage}
    message = {"id": "m", "type": "message", "role": "assistant", "model": "claude", "stop_reason": "end_turn",
               "content": blocks, "usage": counts}  # fmt: skip
    made = lines([{"request": {}, "response": message, "occurred_at": f"{MARCH}-10T12:00:00Z"}])
    outcome = claude("ingest", "-", "--provider", "anthropic", "--json", stdin=made)
    if booked is None:
        assert outcome.json["rejections"][0]["reason"] == "unpriced_tool_fees"
        claude("ingest", "-", "--provider", "anthropic", "--tool-fees", "unbooked", stdin=made).ok()
    assert usd(claude) == (40 * 4 + 50 * 20) / MILLION + (booked or 0) * Decimal("0.01")
    claude("verify").ok()


def test_what_waited_for_a_price_a_call_is_booked_once_there_is_one(claude: Cli, tmp_path: Path) -> None:
    (tmp_path / "claude.toml").write_text(
        CARD.replace('tiers = [{ input = "4"', 'per_call = "1"\ntiers = [{ input = "4"')
    )
    claude("ingest", "-", stdin=lines([used("b", model="plain", input_tokens=10, calls=2)]))
    claude("rates", "add", "claude.toml", "--replace", "--reason", "a test").ok()
    claude("quarantine", "retry").ok()
    assert usd(claude) == 40 / MILLION + 2


def test_calls_recorded_without_fees_are_no_conflict_once_the_card_prices_them(claude: Cli, tmp_path: Path) -> None:
    made = lines([used("b", model="plain", input_tokens=10, calls=2)])
    claude("ingest", "-", "--tool-fees", "unbooked", stdin=made).ok()
    (tmp_path / "claude.toml").write_text(
        CARD.replace('tiers = [{ input = "4"', 'per_call = "1"\ntiers = [{ input = "4"')
    )
    claude("rates", "add", "claude.toml", "--replace", "--reason", "a test").ok()
    assert claude("ingest", "-", "--json", stdin=made).ok().json["duplicate"] == 1


def test_more_calls_than_a_day_of_a_roll_up_holds_are_refused(claude: Cli, tmp_path: Path) -> None:
    (tmp_path / "free.toml").write_text(CARD.replace('"0.01"', '"0"'))
    claude("rates", "add", "free.toml", "--replace", "--reason", "a test").ok()
    made = [used("a", calls=2**62), used("b", calls=2**62 - 1), used("c", calls=1), used("d", calls=1)]
    outcome = claude("ingest", "-", "--json", stdin=lines(made))
    assert (outcome.json["accepted"], outcome.json["rejected"]) == (2, 2)
    assert "calls of project" in outcome.json["rejections"][0]["message"]
    claude("verify").ok()


def test_the_database_refuses_amounts_that_dont_add_up(claude: Cli, db_url: str) -> None:
    claude("ingest", "-", stdin=lines([used("a", **WHOLE)])).ok()
    claude("reassign", "--id", "a", "--project", "project-10", "--to", "search").ok()
    for table, change in (
        ("charges", "call_nano = call_nano + 1"),
        ("charges", "cache_write_5m_nano = NULL"),
        ("usage_records", "cache_write_1h_tokens = 501"),
        ("usage_records", "calls = -1"),
    ):
        with pytest.raises(Exception, match=r"(?i)check constraint"):
            tamper(db_url, f"UPDATE {table} SET {change}")


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE usage_records SET cache_write_5m_tokens = 201, cached_input_tokens = 299",
        "UPDATE usage_records SET calls = 4",
        "UPDATE rollup_days SET cache_write_1h_tokens = 99",
        "UPDATE rollup_quarters SET quarters = quarters * 2",
        "UPDATE charges SET call_nano = call_nano - 1, cache_write_5m_nano = cache_write_5m_nano + 1",
    ],
)
def test_verify_sees_what_was_changed(claude: Cli, db_url: str, change: str) -> None:
    claude("ingest", "-", stdin=lines([used("a", **WHOLE)])).ok()
    claude("verify").ok()
    tamper(db_url, change)
    assert claude("verify").exit_code == 1


def test_a_held_ledger_is_upgraded_and_stays_as_it_was_sealed(db_cli: Cli, db_url: str, tmp_path: Path) -> None:
    db_cli("ingest", "-", stdin=responses(range(20))).ok()
    db_cli("void", "--id", "resp_000001").ok()
    db_cli("close", "2026-02", "--force", "--reason", "a test").ok()
    shown = db_cli("export", "charges", "--json").ok().stdout
    made = schema(db_url)
    command.downgrade(alembic(db_url), "0009")
    before = {table: rows(db_url, f"SELECT * FROM {table} ORDER BY 1, 2") for table in ("usage_records", "charges")}
    assert "run 'tollbook db upgrade'" in db_cli("verify").stderr
    db_cli("db", "upgrade").ok()
    assert schema(db_url) == made
    db_cli("db", "check").ok()
    db_cli("verify").ok()
    for table, held in before.items():
        assert rows(db_url, f"SELECT * FROM {table} ORDER BY 1, 2") == [(*row, None, None, None) for row in held]
    assert db_cli("export", "charges", "--json").ok().stdout == shown
    (tmp_path / "claude.toml").write_text(CARD)
    db_cli("rates", "add", "claude.toml").ok()
    fill(db_cli)
    db_cli("ingest", "-", stdin=responses(range(20, 30))).ok()
    db_cli("reassign", "--project", "project-0", "--to", "search").ok()
    db_cli("verify").ok()
    assert value(db_url, "SELECT sum(calls) FROM usage_records") == 6
    with pytest.raises(Exception, match=r"(?i)check constraint"):
        tamper(db_url, f"UPDATE charges SET amount_nano = amount_nano + 1 WHERE billed_model = '{CODE}'")


@pytest.mark.parametrize("option", ["--strict", "--dry-run"])
def test_strict_runs_and_trials_price_calls_too(claude: Cli, option: str) -> None:
    made = lines([used("a", input_tokens=10, calls=2)])
    found = claude("ingest", "-", option, "--json", stdin=made).ok().json
    assert Decimal(found["usd"]) == 40 / MILLION + 2 * Decimal("0.01")
    assert usd(claude) == (0 if option == "--dry-run" else Decimal(found["usd"]))
    refused = claude("ingest", "-", option, "--json", stdin=lines([used("b", model="plain", calls=2)]))
    assert refused.json["rejections"][0]["reason"] == "unpriced_tool_fees"
