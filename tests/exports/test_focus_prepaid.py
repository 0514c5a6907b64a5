"""FOCUS rows of prepaid months: usage has the cost of the lots that it drew, and a spent lot costs what was paid."""

from __future__ import annotations

import csv
import io
import re
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from ledger.config import FocusSection
from ledger.exports.focus.export import FocusOptions, export_focus
from ledger.exports.focus.layout.columns import COLUMNS, LINE_COLUMNS
from ledger.exports.formats.writer import ExportFile
from ledger.store.opening import open_ledger
from tests.conftest import ROOT, Cli
from tests.helpers.focus import APRIL, FEBRUARY, MARCH, Row, cells, export, lines_of, rows, total
from tests.helpers.ledgers import MINI
from tests.helpers.sources import lines, record
from tests.helpers.wallets import close, draw, top_up, use

MAY = "2026-05"
WALLET_KINDS = ("top_up", "repaid", "drawn", "expired")
# What a row is, its day, and its costs.
SHORT = ("x_ChargeKind", "ChargePeriodStart", "PricingQuantity", "BilledCost", "EffectiveCost")


def short(found: list[Row]) -> list[tuple[str, ...]]:
    """The rows with the day alone of the period's start; quantities are millions of tokens of usage, else credits."""
    return [(kind, start[5:10], *rest) for kind, start, *rest in cells(found, *SHORT)]


def of_wallet(found: list[Row]) -> list[Row]:
    return [row for row in found if row["x_ChargeKind"] in WALLET_KINDS]


@pytest.fixture
def march(db_cli: Cli) -> Cli:
    """10 credits for 1 USD until the 10th, 2 granted until the 5th, 20 for 3 USD; 3, 4 and 6 used and 2 drawn."""
    top_up(db_cli, 10, "2026-03-01", "--expires", "2026-03-10", paid="1usd", reference="A").ok()
    top_up(db_cli, 2, "2026-03-02", "--expires", "2026-03-05", paid=None, reference="G").ok()
    top_up(db_cli, 20, "2026-03-08", paid="3usd", reference="B").ok()
    use(db_cli, ("2026-03-02", 3), ("2026-03-06", 4), ("2026-03-12", 6))
    draw(db_cli, 2, "2026-03-13", reference="D").ok()
    return db_cli


def test_usage_is_billed_at_nothing_and_costs_what_its_lots_cost(march: Cli) -> None:
    for found in (rows(march), lines_of(march)):
        assert short(found) == [
            # 2 credits of the granted lot and 1 of A's, at 0.10 each; a credit is 6,250 tokens of output.
            ("usage", "03-02", "0.01875", "0.0", "0.1"),
            ("usage", "03-06", "0.025", "0.0", "0.4"),
            # A's last 5 expired on the 10th: 6 of B's, at 0.15 each.
            ("usage", "03-12", "0.0375", "0.0", "0.9"),
            ("top_up", "03-01", "10.0", "1.0", "0.0"),
            ("top_up", "03-02", "2.0", "0.0", "0.0"),
            ("top_up", "03-08", "20.0", "3.0", "0.0"),
            ("drawn", "03-13", "2.0", "0.0", "0.3"),
            ("expired", "03-10", "5.0", "0.0", "0.5"),
        ]
        # 12 of B's 20 are left: 4 USD were paid.
        assert total(found, "EffectiveCost") + 12 * Decimal("0.15") == total(found, "BilledCost") == 4


def test_prices_stay_those_of_the_card_and_the_conversion(march: Cli) -> None:
    first = rows(march)[0]
    # 3 credits at 72 to the USD.
    names = ("PricingCurrency", "PricingCurrencyListUnitPrice", "PricingCurrencyEffectiveCost", "ListUnitPrice")
    assert cells([first], *names, "ListCost", "ContractedCost") == [
        ("CRD", "160.0", "3.0", "2.222222222222222222", "0.041666667", "0.041666667")
    ]
    document = march("export", "focus", "--month", MARCH, "--json").ok().json["total"]
    report = march("report", "--month", MARCH, "--json").ok().json["total"]
    assert (document["amounts"], document["usd"]) == ({"CRD": report["credits"]}, report["usd"])
    assert (document["billed_cost"], document["effective_cost"]) == ("4", "2.2")


def test_a_top_up_is_a_purchase_in_usd_for_as_long_as_it_lasts(march: Cli) -> None:
    bought, granted, lasting = (row for row in rows(march) if row["ChargeCategory"] == "Purchase")
    names = (
        "ChargePeriodStart", "ChargePeriodEnd", "ChargeFrequency", "PricingCategory", "PricingCurrency", "PricingUnit",
        "PricingCurrencyListUnitPrice", "PricingCurrencyEffectiveCost", "ListUnitPrice", "ListCost", "ContractedCost",
        "ConsumedQuantity", "SubAccountId", "SkuPriceId", "x_Lot", "x_Reference", "ChargeDescription",
    )  # fmt: skip
    assert cells([bought, granted, lasting], *names) == [
        (
            "2026-03-01T00:00:00Z", "2026-03-11T00:00:00Z", "One-Time", "Standard", "USD", "Credits",
            "0.100000000000000000", "0.0", "0.100000000000000000", "1.0", "1.0", "", "", "evolink/credits/bought", "1",
            "A", "Prepaid credits bought",
        ),
        (
            "2026-03-02T00:00:00Z", "2026-03-06T00:00:00Z", "One-Time", "Standard", "USD", "Credits",
            "0.000000000000000000", "0.0", "0.000000000000000000", "0.0", "0.0", "", "", "evolink/credits/granted",
            "2", "G", "Prepaid credits granted",
        ),
        (
            "2026-03-08T00:00:00Z", "2026-03-09T00:00:00Z", "One-Time", "Standard", "USD", "Credits",
            "0.150000000000000000", "0.0", "0.150000000000000000", "3.0", "3.0", "", "", "evolink/credits/bought", "3",
            "B", "Prepaid credits bought",
        ),
    ]  # fmt: skip


def test_what_becomes_of_lots_otherwise_is_an_adjustment(march: Cli) -> None:
    drawn, expired = of_wallet(rows(march))[3:]
    names = ("ChargeCategory", "ChargeClass", "PricingCurrency", "PricingUnit", "PricingCurrencyEffectiveCost")
    assert cells([drawn, expired], *names, "ListCost", "ListUnitPrice", "x_Lot", "x_Reference") == [
        ("Adjustment", "", "CRD", "Credits", "2.0", "0.0", "", "3", "B"),
        ("Adjustment", "", "CRD", "Credits", "5.0", "0.0", "", "1", "A"),
    ]


def test_rows_of_a_day_share_its_lots_by_their_credits(db_cli: Cli) -> None:
    top_up(db_cli, 2, "2026-03-01", "--expires", "2026-03-05", paid=None).ok()
    top_up(db_cli, 10, "2026-03-01", paid="1usd").ok()
    use(db_cli, ("2026-03-02", 1), project="chat")
    use(db_cli, ("2026-03-02", 2), project="search")
    # 0.10 USD for 3 credits; the running total rounds to 0.033333333 and 0.1.
    for found in (rows(db_cli), lines_of(db_cli)):
        assert cells(found[:2], "SubAccountId", "EffectiveCost") == [
            ("chat", "0.033333333"),
            ("search", "0.066666667"),
        ]


def test_usage_beyond_the_balance_costs_what_repays_it(db_cli: Cli) -> None:
    top_up(db_cli, 10, "2026-03-01", paid="1usd").ok()
    use(db_cli, ("2026-03-02", 15))
    assert short(rows(db_cli)) == [
        ("usage", "03-02", "0.09375", "0.0", "1.0"),
        ("top_up", "03-01", "10.0", "1.0", "0.0"),
    ]
    # Repaid within its month it costs that on its own day: 2 of the 5 credits, at 0.20.
    top_up(db_cli, 2, "2026-03-20", paid="0.4usd").ok()
    assert short(rows(db_cli))[0] == ("usage", "03-02", "0.09375", "0.0", "1.4")
    close(db_cli, MARCH)
    # And what a later month repays, 3 credits at 0.30, is the later month's cost: March is closed.
    top_up(db_cli, 4, "2026-04-10", paid="1.2usd").ok()
    use(db_cli, ("2026-04-11", 1))
    assert short(rows(db_cli, APRIL)) == [
        ("usage", "04-11", "0.00625", "0.0", "0.3"),
        ("top_up", "04-10", "4.0", "1.2", "0.0"),
        ("repaid", "04-10", "3.0", "0.0", "0.9"),
    ]
    both = [*rows(db_cli), *rows(db_cli, APRIL)]
    assert total(both, "EffectiveCost") == total(both, "BilledCost") == Decimal("2.6")
    # In credits it counted when it was used.
    assert total(both, "PricingCurrencyEffectiveCost") == 15 + 1


def test_a_lot_in_thirds_over_three_months_costs_what_was_paid(db_cli: Cli) -> None:
    top_up(db_cli, 3, "2026-03-01", paid="1usd").ok()
    use(db_cli, ("2026-03-02", 1), ("2026-04-02", 1), ("2026-05-02", 1))
    close(db_cli, APRIL)
    found = [rows(db_cli, month)[0]["EffectiveCost"] for month in (MARCH, APRIL, MAY)]
    assert found == ["0.333333333", "0.333333334", "0.333333333"]


def test_usage_of_an_earlier_month_counts_on_the_first_day(db_cli: Cli) -> None:
    use(db_cli, ("2026-02-20", 1))
    close(db_cli, FEBRUARY)
    top_up(db_cli, 2, "2026-03-01", "--expires", "2026-03-01", paid="1usd").ok()
    top_up(db_cli, 10, "2026-03-05", paid="1usd").ok()
    use(db_cli, ("2026-02-21", 2), ("2026-03-06", 1))
    assert short(rows(db_cli))[:2] == [
        ("usage", "02-21", "0.0125", "0.0", "1.0"),
        ("usage", "03-06", "0.00625", "0.0", "0.1"),
    ]


def test_credits_given_back_have_their_lots_cost_too(db_cli: Cli) -> None:
    top_up(db_cli, 10, "2026-03-01", paid="1usd").ok()
    use(db_cli, ("2026-03-02", 4))
    close(db_cli, MARCH)
    db_cli("void", "--id", "2026-03-02-4").ok()
    found = rows(db_cli, APRIL)
    assert short(found) == [("usage", "03-02", "-0.025", "0.0", "-0.4")]
    assert found[0]["ChargeClass"] == "Correction"


def test_what_no_wallet_pays_is_billed_as_it_is_used(march: Cli) -> None:
    use(march, ("2026-03-07", 1), project="cny")
    options = ["--amount", "-12.50usd", "--month", MARCH, "--reason", "r", "--reference", "CN", "--project", "cny"]
    march("adjust", *options).ok()
    march("ingest", "-", "--provider", "volcengine", "--source", "v", stdin=_mini()).ok()
    found = [row for row in rows(march) if row["PricingCurrency"] == "CNY" or row["x_Reference"] == "CN"]
    assert cells(found, "x_Provider", "BilledCost", "EffectiveCost") == [
        ("volcengine", "0.000027778", "0.000027778"),
        ("evolink", "-12.5", "-12.5"),
    ]


def _mini() -> str:
    made = {"occurred_at": "2026-03-07T00:00:00Z", "requested_model": MINI, "input_tokens": 1_000, "output_tokens": 0}
    return lines([record("v", **made)])


# --- which billing holds --------------------------------------------------------------------------------------------


def test_billing_can_be_asked_for(march: Cli) -> None:
    found = rows(march, MARCH, "--billing", "postpaid")
    assert {row["x_ChargeKind"] for row in found} == {"usage"}
    # 13 credits at 72 to the USD.
    assert total(found, "BilledCost") == total(found, "EffectiveCost") == Decimal("0.180555556")
    assert rows(march, MARCH, "--billing", "prepaid") == rows(march)


def test_a_month_stays_as_it_was_closed(db_cli: Cli) -> None:
    use(db_cli, ("2026-02-20", 1), ("2026-03-02", 1))
    close(db_cli, FEBRUARY)
    before = export(db_cli, FEBRUARY)
    top_up(db_cli, 10, "2026-03-01", paid="1usd").ok()
    assert export(db_cli, FEBRUARY) == before
    outcome = db_cli("export", "focus", "--month", FEBRUARY, "--billing", "prepaid")
    assert (outcome.exit_code, "no wallet had begun by the end of 2026-02" in outcome.stderr) == (2, True)
    close(db_cli, MARCH)
    closed = [export(db_cli), export(db_cli, MARCH, "--grain", "charge")]
    top_up(db_cli, 10, "2026-04-01", paid="5usd").ok()
    use(db_cli, ("2026-03-03", 2), ("2026-04-02", 1))
    db_cli("void", "--id", "2026-03-02-1").ok()
    close(db_cli, APRIL)
    assert [export(db_cli), export(db_cli, MARCH, "--grain", "charge")] == closed


def exported(url: str, now: datetime, **options: Any) -> list[Row]:
    """March at a moment, with no command line about it."""
    out = io.BytesIO()
    export_focus(open_ledger(url), MARCH, ExportFile(out), FocusOptions(**options), focus=FocusSection(), now=now)
    return list(csv.DictReader(io.StringIO(out.getvalue().decode(), newline="")))


@pytest.mark.parametrize(
    ("month", "day", "kinds"),
    [
        (2, 20, ["top_up"]),  # before it has begun
        (3, 10, ["top_up"]),
        (3, 11, ["top_up", "expired"]),
        (4, 1, ["top_up", "expired"]),
    ],
)
def test_a_running_month_has_what_has_happened(
    db_cli: Cli, db_url: str, month: int, day: int, kinds: list[str]
) -> None:
    top_up(db_cli, 10, "2026-03-01", "--expires", "2026-03-10", paid="1usd").ok()
    use(db_cli, ("2026-03-08", 4))
    top_up(db_cli, 10, "2026-04-10", paid="1usd").ok()
    found = exported(db_url, datetime(2026, month, day, 12, tzinfo=UTC))
    assert [row["x_ChargeKind"] for row in found] == ["usage", *kinds]
    assert found[0]["EffectiveCost"] == "0.4"


def test_usage_ahead_of_the_clock_counts(march: Cli, db_url: str) -> None:
    assert short(exported(db_url, datetime(2026, 3, 3, tzinfo=UTC)))[2] == ("usage", "03-12", "0.0375", "0.0", "0.9")


def test_the_documentation_has_this_example_and_every_column(march: Cli) -> None:
    text = (ROOT / "docs" / "focus.md").read_text(encoding="utf-8")
    lines_of_it = [line for line in text.splitlines() if re.match(r"\| (usage|top_up|drawn|expired) \|", line)]
    table = [line.strip("| ").split(" | ")[:5] for line in lines_of_it]
    found = rows(march)
    quantity = {"Usage": "PricingCurrencyEffectiveCost"}
    in_credits = [row[quantity.get(row["ChargeCategory"], "PricingQuantity")] for row in found]
    assert table == [
        [kind, day, credits, billed, effective]
        for (kind, day, _quantity, billed, effective), credits in zip(short(found), in_credits, strict=True)
    ]
    assert [column.name for column in (*COLUMNS, *LINE_COLUMNS) if f"`{column.name}`" not in text] == []
