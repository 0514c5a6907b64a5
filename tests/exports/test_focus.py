"""`export focus`: FOCUS 1.2 rows whose prices, quantities and costs can be worked out by hand, by day or by charge."""

from __future__ import annotations

import json
import re
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from ledger.exports.focus.layout.columns import COLUMNS, LINE_COLUMNS
from tests.conftest import Cli
from tests.helpers.focus import (
    FEBRUARY,
    MARCH,
    adjust,
    cells,
    close,
    fill,
    ingest,
    lines_of,
    request,
    rows,
    storage,
    total,
)
from tests.helpers.ledgers import CODE, LITE, MINI
from tests.helpers.sources import lines

DECIMALS = [column.name for column in (*COLUMNS, *LINE_COLUMNS) if column.kind == "decimal"]
TIMES = [column.name for column in COLUMNS if column.kind == "time"]
# What a row is priced by.
PRICED = ("PricingQuantity", "PricingUnit", "PricingCurrencyListUnitPrice", "PricingCurrencyEffectiveCost")


# --- prices, quantities and costs -----------------------------------------------------------------------------------


def test_a_row_for_each_meter_with_price_quantity_and_cost(db_cli: Cli) -> None:
    ingest(db_cli, request("r1"))
    found = rows(db_cli)
    # Tier 128,000 of code: 48, 6.4 and 240 credits per 1M; 72 credits are 1 USD.
    assert cells(found, "SkuMeter", "ConsumedQuantity", *PRICED) == [
        ("Input Tokens", "30000.0", "0.03", "1000000 Tokens", "48.0", "1.44"),
        ("Cached Input Tokens", "10000.0", "0.01", "1000000 Tokens", "6.4", "0.064"),
        ("Output Tokens", "2000.0", "0.002", "1000000 Tokens", "240.0", "0.48"),
    ]
    assert cells(found, "ListUnitPrice", "ListCost", "ContractedUnitPrice", "ContractedCost") == [
        ("0.666666666666666667", "0.02", "0.666666666666666667", "0.02"),
        ("0.088888888888888889", "0.000888889", "0.088888888888888889", "0.000888889"),
        # 1.984 / 72 is 0.02755555…: the running total rounds to 0.027555556, of which two rows had 0.020888889.
        ("3.333333333333333333", "0.006666667", "3.333333333333333333", "0.006666667"),
    ]
    for row in found:
        assert row["BilledCost"] == row["EffectiveCost"] == row["ListCost"]
    assert cells(found[:1], *(column.name for column in COLUMNS if column.kind in {"word", "time", "text"})) == [
        (
            "evolink", "EvoLink", "USD", "2026-04-01T00:00:00Z", "2026-03-01T00:00:00Z", "Usage", "",
            f"Input Tokens of {CODE}, prompt tier 128000", "Usage-Based", "2026-03-06T00:00:00Z",
            "2026-03-05T00:00:00Z", "", "", "Tokens", "", "EvoLink", "Standard", "CRD", "1000000 Tokens", "EvoLink",
            "ByteDance", "AI and Machine Learning", "EvoLink Generative AI", "Generative AI",
            f"evolink/{CODE}/input", "Input Tokens", f"evolink/{CODE}/input/128000", "search", "search", "usage", "",
            "input", CODE, "", "128000", "evolink", found[0]["x_RateEntry"], "", "",
        )
    ]  # fmt: skip
    assert found[0]["x_RateEntry"].startswith(f"evolink/{CODE}/2026-02-01#")
    assert found[0]["x_ConversionRate"] == "72.0"


def test_price_details_hold_what_applies_to_the_meter(db_cli: Cli) -> None:
    ingest(db_cli, request("r1"), storage("s1", "2026-03-05T10:00:00Z", "2026-03-05T11:00:00Z"))
    of = {"x_ModelId": CODE, "x_PromptTier": "128000"}
    assert [json.loads(row["SkuPriceDetails"]) for row in rows(db_cli)] == [
        of | {"x_TokenDirection": "Input"},
        of | {"x_TokenDirection": "Input", "x_CacheAction": "Read"},
        of | {"x_TokenDirection": "Output"},
        {"x_ModelId": CODE},
    ]


def test_storage_is_priced_by_token_hours(db_cli: Cli) -> None:
    # Two clock hours of 1,000,000 tokens, at 0.17 credits per 1M and hour; no tier.
    ingest(db_cli, storage("s1", "2026-03-05T10:59:59Z", "2026-03-05T11:00:01Z"))
    (row,) = rows(db_cli)
    names = ("ConsumedQuantity", "ConsumedUnit", *PRICED, "ListUnitPrice", "ListCost", "SkuPriceId")
    assert cells([row], *names) == [
        (
            "2000000.0", "Token-Hours", "2000000.0", "Token-Hours", "0.00000017", "0.34", "0.000000002361111111",
            "0.004722222", f"evolink/{CODE}/cache_storage/none",
        )
    ]  # fmt: skip


def test_a_row_for_each_day_project_model_tier_meter_and_conversion(db_cli: Cli) -> None:
    one: dict[str, Any] = {"input_tokens": 1_000, "cached_input_tokens": 0, "output_tokens": 0}
    ingest(
        db_cli,
        request("a", **one), request("b", **one, status="incomplete"), request("c", **one, tags={"team": "x"}),
        request("d", "2026-03-06", **one), request("e", **one, project="chat"),
        request("f", **one, requested_model=LITE),
        request("g", **one | {"input_tokens": 32_001}), request("h", **one | {"output_tokens": 5}),
    )  # fmt: skip
    db_cli("rates", "conversion", "add", "--per-usd", "68", "--from", "2026-03-06T00:00:00Z").ok()
    ingest(db_cli, request("i", "2026-03-06", **one))
    by = ("ChargePeriodStart", "SubAccountId", "x_ModelId", "x_PromptTier", "SkuMeter", "x_ConversionRate")
    found = [tuple(cell.removesuffix("T00:00:00Z") for cell in row) for row in cells(rows(db_cli), *by, *PRICED[:1])]
    assert found == [
        ("2026-03-05", "chat", CODE, "32000", "Input Tokens", "72.0", "0.001"),
        ("2026-03-05", "search", CODE, "32000", "Input Tokens", "72.0", "0.004"),
        ("2026-03-05", "search", CODE, "32000", "Output Tokens", "72.0", "0.000005"),
        ("2026-03-05", "search", CODE, "128000", "Input Tokens", "72.0", "0.032001"),
        ("2026-03-05", "search", LITE, "32000", "Input Tokens", "72.0", "0.001"),
        ("2026-03-06", "search", CODE, "32000", "Input Tokens", "68.0", "0.001"),
        ("2026-03-06", "search", CODE, "32000", "Input Tokens", "72.0", "0.001"),
    ]
    assert len(lines_of(db_cli)) == 10


def test_a_card_in_another_currency_is_priced_in_it(db_cli: Cli) -> None:
    options = ("--provider", "volcengine")
    ingest(db_cli, request("v1", requested_model=MINI, cached_input_tokens=0), options=options)
    names = ("PricingCurrency", *PRICED[2:], "x_ConversionRate", "ListUnitPrice", "ListCost")
    found = rows(db_cli)
    # Mini's second tier: 0.4 and 4 CNY per 1M; 7.2 CNY are 1 USD.
    assert cells(found, *names) == [
        ("CNY", "0.4", "0.016", "7.2", "0.055555555555555556", "0.002222222"),
        ("CNY", "4.0", "0.008", "7.2", "0.555555555555555556", "0.001111111"),
    ]
    assert cells(found[:1], "ProviderName", "InvoiceIssuerName", "BillingAccountId", "BillingAccountName") == [
        ("Volcengine", "Volcengine", "volcengine", "Volcengine")
    ]


CARD = """
provider = "house"
currency = "USD"
per_tokens = 1_000_000
[[model]]
id = "house-1"
[[model.price]]
effective_from = 2026-02-01
tiers = [{ input = "0.3", output = "0.7" }]
[settlement]
quantum = "0.0001"
mode = "ceil"
"""


def test_what_settlement_rounds_is_a_row_of_its_own(db_cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "card.toml").write_text(CARD)
    db_cli("rates", "add", "card.toml").ok()
    one: dict[str, Any] = {
        "requested_model": "house-1",
        "input_tokens": 1_000,
        "cached_input_tokens": 0,
        "output_tokens": 0,
    }
    ingest(db_cli, request("h1", **one), request("h2", **one), options=("--provider", "house"))
    # Each request costs 0.0003, which ceil leaves; another of 1,001 tokens costs 0.0003003, which becomes 0.0004.
    assert cells(rows(db_cli), "x_ChargeKind", *PRICED) == [("usage", "0.002", "1000000 Tokens", "0.3", "0.0006")]
    ingest(db_cli, request("h3", **one | {"input_tokens": 1_001}), options=("--provider", "house"))
    for found in (rows(db_cli), lines_of(db_cli)):
        kinds = [row for row in found if row["x_ChargeKind"] == "rounding"]
        assert cells(kinds, "ChargeCategory", "ConsumedQuantity", "SkuId", "PricingCurrency", *PRICED) == [
            ("Adjustment", "", "", "USD", "0.0000997", "USD", "1.0", "0.0000997")
        ]
        assert total(found, "PricingCurrencyEffectiveCost") == total(found, "BilledCost") == Decimal("0.0010")
    (rounding,) = kinds
    assert rounding["ChargeDescription"] == "Rounding of Input Tokens of house-1, prompt tier unbounded"
    assert (rounding["SubAccountId"], rounding["x_Meter"]) == ("search", "input")


def test_the_usd_columns_add_up_to_the_report(db_cli: Cli) -> None:
    ingest(db_cli, *(request(f"r{day}", f"2026-03-{day:02}", output_tokens=day * 7) for day in range(1, 29)))
    db_cli("rates", "conversion", "add", "--per-usd", "68", "--from", "2026-03-20").ok()
    ingest(db_cli, *(request(f"s{day}", f"2026-03-{day:02}", output_tokens=day * 7) for day in range(1, 29)))
    usd = Decimal(db_cli("report", "--month", MARCH, "--json").ok().json["total"]["usd"])
    for found in (rows(db_cli), lines_of(db_cli)):
        assert {total(found, name) for name in ("BilledCost", "EffectiveCost", "ListCost", "ContractedCost")} == {usd}


@pytest.fixture
def everything(db_cli: Cli) -> Cli:
    return fill(db_cli)


def test_unit_price_times_quantity_is_the_cost_to_the_last_digit(everything: Cli) -> None:
    for found in (rows(everything), lines_of(everything)):
        for row in found:
            quantity = Decimal(row["PricingQuantity"])
            for price in ("PricingCurrencyListUnitPrice", "PricingCurrencyContractedUnitPrice"):
                assert quantity * Decimal(row[price]) == Decimal(row["PricingCurrencyEffectiveCost"])
            assert abs(quantity * Decimal(row["ListUnitPrice"]) - Decimal(row["ListCost"])) < Decimal("1e-9")
            if row["ConsumedQuantity"]:
                tokens = 1 if row["PricingUnit"] == "Token-Hours" else 1_000_000
                assert quantity * tokens == Decimal(row["ConsumedQuantity"])


def test_every_decimal_has_a_point_and_every_time_a_z(everything: Cli) -> None:
    for found in (rows(everything), lines_of(everything)):
        for row in found:
            for name in DECIMALS:
                assert not row.get(name) or re.fullmatch(r"-?\d+\.\d+", row[name]), (name, row[name])
            for name in ("ListUnitPrice", "ContractedUnitPrice"):
                assert len(row[name].partition(".")[2]) == 18
            for name in TIMES:
                assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", row[name])
            assert row["ChargePeriodStart"] < row["ChargePeriodEnd"]


# --- corrections, late usage and adjustments ------------------------------------------------------------------------


def test_corrections_of_a_closed_month_are_rows_of_their_own(db_cli: Cli) -> None:
    ingest(db_cli, request("f1", "2026-02-20"), request("f2", "2026-02-20"))
    close(db_cli, FEBRUARY)
    ingest(db_cli, request("late", "2026-02-20"))
    db_cli("void", "--id", "f1").ok()
    db_cli("reassign", "--project", "search", "--to", "chat", "--id", "f2").ok()
    names = ("SubAccountId", "ChargeClass", "ConsumedQuantity", "PricingCurrencyEffectiveCost", "BillingPeriodStart")
    inputs = [row for row in rows(db_cli) if row["x_Meter"] == "input"]
    assert cells(inputs, *names) == [
        ("chat", "Correction", "30000.0", "1.44", "2026-03-01T00:00:00Z"),
        # The late one is no correction of what was closed: it is new.
        ("search", "", "30000.0", "1.44", "2026-03-01T00:00:00Z"),
        # Of f1 and of f2.
        ("search", "Correction", "-60000.0", "-2.88", "2026-03-01T00:00:00Z"),
    ]
    assert {row["ChargePeriodStart"] for row in inputs} == {"2026-02-20T00:00:00Z"}
    by_line = [row for row in lines_of(db_cli) if row["x_Meter"] == "input"]
    assert cells(by_line, "SubAccountId", "ChargeClass", "ConsumedQuantity", "x_LedgerClass", "x_RequestId") == [
        ("search", "", "30000.0", "charge", "late"),
        ("search", "Correction", "-30000.0", "reversal", "f1"),
        ("search", "Correction", "-30000.0", "reversal", "f2"),
        ("chat", "Correction", "30000.0", "replacement", "f2"),
    ]


def test_corrections_within_an_open_month_take_each_other_back(db_cli: Cli) -> None:
    ingest(db_cli, request("r1"), request("r2"))
    db_cli("void", "--id", "r1").ok()
    db_cli("reassign", "--project", "search", "--to", "chat", "--id", "r2").ok()
    found = rows(db_cli)
    assert cells(found[:1], "SubAccountId", "ChargeClass", "ConsumedQuantity") == [("chat", "", "30000.0")]
    assert {row["SubAccountId"] for row in found} == {"chat"}
    by_line = lines_of(db_cli)
    assert {row["ChargeClass"] for row in by_line} == {""}
    assert len(by_line) == 15


def test_late_usage_that_is_corrected_in_its_own_month_corrects_nothing_closed(db_cli: Cli) -> None:
    ingest(db_cli, request("f1", "2026-02-20"))
    close(db_cli, FEBRUARY)
    ingest(db_cli, request("late", "2026-02-20"), request("later", "2026-02-20"))
    db_cli("reassign", "--project", "search", "--to", "chat", "--id", "late").ok()
    db_cli("void", "--id", "later").ok()
    # f1 stands in February's books: this one does correct what was closed.
    db_cli("reassign", "--project", "search", "--to", "chat", "--id", "f1").ok()
    names = ("SubAccountId", "ChargeClass", "ConsumedQuantity")
    assert cells([row for row in rows(db_cli) if row["x_Meter"] == "input"], *names) == [
        ("chat", "", "30000.0"),
        ("chat", "Correction", "30000.0"),
        ("search", "Correction", "-30000.0"),
    ]
    by_line = [row for row in lines_of(db_cli) if row["x_Meter"] == "input" and row["ChargeClass"]]
    assert cells(by_line, *names) == [("search", "Correction", "-30000.0"), ("chat", "Correction", "30000.0")]


def test_usage_that_turns_out_to_be_of_the_next_month_corrects_nothing_closed(db_cli: Cli) -> None:
    before, after = request("a"), request("a")
    ingest(db_cli, before | {"occurred_at": "2026-03-31T23:59:59Z"})
    db_cli("ingest", "-", stdin=lines([after | {"occurred_at": "2026-04-01T00:00:30Z"}]))
    db_cli("quarantine", "accept", 1, "--reason", "the provider's own time").ok()
    for found in (rows(db_cli, "2026-04"), lines_of(db_cli, "2026-04")):
        assert {row["ChargeClass"] for row in found} == {""}


def test_adjustments_have_a_row_each(db_cli: Cli) -> None:
    ingest(db_cli, request("f1", "2026-02-20"))
    close(db_cli, FEBRUARY)
    adjust(db_cli, "-12.50usd", FEBRUARY)
    adjust(db_cli, "900credits", reference="SC-1", reason="support")
    adjust(db_cli, "-36credits", reference="CN-2")
    names = ("ChargeCategory", "ChargeClass", "ChargePeriodStart", "ChargePeriodEnd", "ListUnitPrice", "BilledCost")
    for found in (rows(db_cli), lines_of(db_cli)):
        assert cells(found, *names) == [
            ("Credit", "Correction", "2026-02-01T00:00:00Z", "2026-03-01T00:00:00Z", "1.000000000000000000", "-12.5"),
            ("Adjustment", "", "2026-03-01T00:00:00Z", "2026-04-01T00:00:00Z", "0.013888888888888889", "12.5"),
            ("Credit", "", "2026-03-01T00:00:00Z", "2026-04-01T00:00:00Z", "0.013888888888888889", "-0.5"),
        ]
        assert cells(found, "PricingCurrency", *PRICED) == [
            ("USD", "-12.5", "USD", "1.0", "-12.5"),
            ("CRD", "900.0", "Credits", "1.0", "900.0"),
            ("CRD", "-36.0", "Credits", "1.0", "-36.0"),
        ]
        assert cells(found, "SubAccountId", "SkuId", "ConsumedQuantity", "ChargeDescription", "x_Reference")[:2] == [
            ("search", "", "", "Credit note: an outage", "CN-1"),
            ("search", "", "", "Surcharge: support", "SC-1"),
        ]
