"""Laws of FOCUS exports: both grains are one thing, columns add up to the report, spent lots cost what was paid."""

from __future__ import annotations

import csv
import io
from collections import defaultdict
from collections.abc import Iterable
from decimal import Decimal
from fractions import Fraction
from random import Random
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from ledger.config import FocusSection
from ledger.exports.focus.export import FocusOptions, export_focus
from ledger.exports.focus.items.costs import RunningShare, WalletShare
from ledger.exports.formats.writer import ExportFile
from ledger.reports.report import ReportOptions, run_report
from ledger.values.calendar import shift_month
from ledger.wallet.drawdown import Lot, Wallet
from ledger.wallet.lot_costs import month_costs
from ledger.wallet.month import used_up
from pricing.money import NANO, round_usd
from tests.conftest import Cli
from tests.helpers.book import NOON, Book
from tests.helpers.focus import Row, export, rows_of, total
from tests.helpers.wallets import close, draw, top_up, use
from tests.reports.test_plan import random_charges, with_corrections

pytestmark = pytest.mark.long

MONTHS = ("2026-02", "2026-03", "2026-04", "2026-05", "2026-06")
SAME = (
    "ChargePeriodStart", "SubAccountId", "SkuPriceId", "ChargeClass", "PricingCurrency", "x_ConversionRate",
    "x_RateEntry", "ListUnitPrice", "PricingUnit", "PricingCurrencyListUnitPrice", "ChargeCategory",
)  # fmt: skip


def exported(book: Book, month: str, grain: Any) -> tuple[list[Row], Any]:
    out = io.BytesIO()
    options = FocusOptions(grain=grain)
    done = export_focus(book.database, month, ExportFile(out), options, focus=FocusSection(), now=NOON)
    return list(csv.DictReader(io.StringIO(out.getvalue().decode(), newline=""))), done.totals


def summed(found: Iterable[Row], *names: str) -> dict[tuple[str, ...], list[Decimal]]:
    """Quantities and credits by all that a row of a day is by; what adds up to nothing is left out."""
    sums: dict[tuple[str, ...], list[Decimal]] = defaultdict(lambda: [Decimal()] * 3)
    for row in found:
        key = tuple(row[name] for name in (*SAME, *names))
        of = (row["ConsumedQuantity"] or "0", row["PricingQuantity"], row["PricingCurrencyEffectiveCost"])
        sums[key] = [one + Decimal(other) for one, other in zip(sums[key], of, strict=True)]
    return {key: values for key, values in sums.items() if any(values)}


@pytest.mark.parametrize("timezone", ["UTC", "Asia/Kathmandu"])
@pytest.mark.parametrize("tags", [(), ("team",)], ids=str)
def test_a_row_of_a_day_is_what_its_charges_add_up_to(empty_db_url: str, timezone: str, tags: tuple[str, ...]) -> None:
    book = Book(empty_db_url, timezone=timezone, rollup_tags=tags)
    book.add(*with_corrections(random_charges(3, 300), 4)).post()
    classes = set()
    for month in MONTHS:
        by_day, of_days = exported(book, month, "day")
        by_charge, of_charges = exported(book, month, "charge")
        assert by_day or month < "2026-03"
        assert summed(by_day) == summed(by_charge)
        assert len(by_day) == len(summed(by_day, "Tags"))  # no two rows of the same
        assert {**of_days, "rows": 0} == {**of_charges, "rows": 0}
        report = run_report(book.database, ReportOptions(month=month, dimensions=["currency"]), now=NOON)
        usd_nano = dict(zip([column.name for column in report.columns], report.total, strict=True))["usd"]
        for found in (by_day, by_charge):
            for name in ("BilledCost", "EffectiveCost", "ListCost", "ContractedCost"):
                assert total(found, name) * NANO == usd_nano
        classes |= {row["ChargeClass"] for row in by_charge}
    assert classes == {"", "Correction"}


# --- wallets, in memory ---------------------------------------------------------------------------------------------

DAYS = [f"2026-{month:02}-{day:02}" for month in (3, 4, 5) for day in range(1, 29)]
a_day = st.sampled_from(DAYS)
a_lot = st.tuples(a_day, st.integers(1, 10**12), st.integers(0, 10**12), st.integers(0, 40))
Parts = dict[str, list[int]]


@given(st.lists(a_lot, max_size=5), st.dictionaries(a_day, st.lists(st.integers(-(10**11), 10**12)), max_size=8))
@example([("2026-03-01", 3, NANO, 99)], {day: [1] for day in DAYS[:3]})
@example([("2026-03-01", 3, NANO, 99)], {"2026-03-01": [1], "2026-04-01": [1], "2026-05-01": [1]})
def test_what_rows_share_adds_up_to_what_was_paid(lots: list[tuple[str, int, int, int]], rows_of_day: Parts) -> None:
    """Over the months, rows of usage and of lots add up to what the credits that are gone were paid for."""
    made = [
        Lot(number, day, credits, DAYS[min(DAYS.index(day) + lasting, len(DAYS) - 1)] if lasting < 30 else None,
            granted=paid == 0, paid_nano=paid)
        for number, (day, credits, paid, lasting) in enumerate(lots, 1)
    ]  # fmt: skip
    usage = {day: sum(amounts) for day, amounts in rows_of_day.items()}
    entries: list[Any] = []
    moved = Counted()
    for month in ("2026-03", "2026-04", "2026-05"):
        wallet = Wallet(made, entries)
        new = wallet.draw_down(usage, {}, f"{month}-01", f"{month}-31")
        costs = month_costs(month, {lot.id: lot for lot in made}, entries, new)
        by_lot = {lot.id: lot for lot in made}
        one_way, other_way = (WalletShare(costs, used_up(by_lot, entries)) for _again in range(2))
        for day in (day for day in DAYS if day.startswith(month)):
            amounts = [amount * 1_000 for amount in rows_of_day.get(day, [])]
            of_day = sum(one_way.usage(day, amount) for amount in amounts)
            assert of_day == sum(other_way.usage(day, amount) for amount in reversed(amounts))
            moved.nano += of_day
        moved.nano += sum(one_way.rest([*costs.repaid, *costs.drawn, *costs.expired]))
        entries += new
        gone = used_up(by_lot, entries)
        assert moved.nano == round_usd(gone)
    if not wallet.remaining:
        assert gone == Fraction(sum(lot.paid_nano for lot in made if lot.day <= DAYS[-1]), NANO)


class Counted:
    nano = 0


@given(st.fractions(), st.fractions(max_denominator=10**6), st.lists(st.integers(-(10**18), 10**18)))
@example(Fraction(), Fraction(1, 3), [10**12] * 3)
def test_a_running_share_moves_by_the_rounded_total(start: Fraction, rate: Fraction, amounts: list[int]) -> None:
    share = RunningShare(start, rate)
    moved = sum(share.add(amount) for amount in amounts)
    assert moved == round_usd(start + rate * Fraction(sum(amounts), 10**12)) - round_usd(start)


# --- wallets, through the ledger ------------------------------------------------------------------------------------


YEAR = ("2026-03", "2026-04", "2026-05", "2026-06")


def act(cli: Cli, rng: Random, month: str) -> None:
    """A month of top-ups, usage, late usage, draws and corrections, in whole credits."""

    def day() -> str:
        return f"{month}-{rng.randrange(1, 29):02}"

    for number in range(rng.randrange(1, 4)):
        on = day()
        expires = ["--expires", max(on, f"{shift_month(month, rng.randrange(3))}-15")] if rng.random() < 0.6 else []
        paid = None if rng.random() < 0.3 else f"{rng.randrange(1, 300)}.{rng.randrange(10)}usd"
        top_up(cli, rng.randrange(1, 60), on, *expires, paid=paid, reference=f"{month} {number}").ok()
    for number in range(6):
        project = rng.choice(["search", "chat"])
        late = shift_month(month, -1) + "-03" if number == 5 else day()
        credits = rng.randrange(1, 12)
        use(cli, (late, credits), project=project, request_id=f"{month} {number}")
    if rng.random() < 0.7:
        draw(cli, rng.randrange(1, 9), day(), reference=f"{month} d").ok()
    cli("void", "--id", f"{month} {rng.randrange(6)}").ok()
    if month != YEAR[0]:
        cli("reassign", "--project", "search", "--to", "chat", "--id", f"{shift_month(month, -1)} {rng.randrange(6)}")


def by_wallet_day(found: Iterable[Row], month: str) -> dict[str, Decimal]:
    """EffectiveCost by the day that it counts on: usage of earlier months counts on the first."""
    sums: dict[str, Decimal] = defaultdict(Decimal)
    for row in found:
        sums[max(row["ChargePeriodStart"][:10], f"{month}-01")] += Decimal(row["EffectiveCost"])
    return {day: usd for day, usd in sums.items() if usd}


@pytest.mark.parametrize("seed", range(3))
def test_a_year_of_credits_costs_what_was_paid_for_them(db_cli: Cli, seed: int) -> None:
    rng = Random(seed)
    effective = billed = Decimal()
    in_credits = Decimal()
    kept: dict[str, list[str]] = {}
    for month in YEAR:
        act(db_cli, rng, month)
        close(db_cli, month)
        both = kept[month] = [export(db_cli, month), export(db_cli, month, "--grain", "charge")]
        by_day, by_charge = map(rows_of, both)
        for name in ("BilledCost", "EffectiveCost", "ListCost", "PricingCurrencyEffectiveCost"):
            assert total(by_day, name) == total(by_charge, name)
        assert by_wallet_day(by_day, month) == by_wallet_day(by_charge, month)
        assert {row["BilledCost"] for row in by_day if row["ChargeCategory"] == "Usage"} <= {"0.0"}
        charged = [row for row in by_day if row["x_ChargeKind"] == "usage"]
        report = db_cli("report", "--month", month, "--json").ok().json["total"]
        assert total(charged, "ListCost") == Decimal(report["usd"])
        effective += total(by_day, "EffectiveCost")
        billed += total(by_day, "BilledCost")
        in_credits += total(by_day, "PricingCurrencyEffectiveCost")
    left = db_cli("wallet", "balance", "--at", "2026-06-30", "--json").ok().json
    worth = sum(
        (
            Fraction(lot["remaining"]) * Fraction(lot["paid_usd"] or 0) / Fraction(lot["credits"])
            for lot in left["rows"]
            if Fraction(lot["remaining"]) and lot["lot"] is not None
        ),
        Fraction(),
    )
    assert effective * NANO == round_usd(Fraction(billed) - worth)
    # In credits: all that was bought or granted, less what is left, and what is owed for still.
    bought = sum(Decimal(lot["credits"] or 0) for lot in left["rows"])
    assert in_credits == bought - Decimal(left["balance"]) + Decimal(left["overdrawn"])
    assert {month: [export(db_cli, month), export(db_cli, month, "--grain", "charge")] for month in YEAR} == kept
    db_cli("verify").ok()
