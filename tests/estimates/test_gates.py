"""Limits on a change: past, at and below each; on the total and on each workload; in USD, credits and percent."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from typing import Any

import pytest

from ledger.budgets.forecast import Forecast
from ledger.budgets.named import NamedBudget
from ledger.budgets.status import BudgetStatus
from ledger.errors import LedgerError
from ledger.estimates.changes.causes import Side
from ledger.estimates.changes.compare import compare
from ledger.estimates.changes.gates import Limits, all_passed, gate_message, run_gates
from ledger.estimates.workloads.document import GateResult, Level, Total
from ledger.estimates.workloads.inputs import NO_REQUESTS
from ledger.reports.completeness import NotBooked, Silence
from ledger.reports.completeness_words import silence_words
from ledger.values.amounts import parse_amount, parse_increase
from ledger.values.budget import Budget
from pricing.money import NANO
from tests.helpers.changes import CODE, LITE, MINI, VOLCENGINE, side, workload

# 2,250,000 tokens at 32 credits per 1M are 72 credits, which are 1 USD.
USD_TOKENS = 2_250


def costing(name: str, dollars: Fraction | int, **facts: Any) -> Any:
    """A workload of so many USD a month, in requests of 9 tokens each."""
    requests = Fraction(dollars) * USD_TOKENS * 1_000 / 9
    assert requests.denominator == 1
    return workload(name, 9, requests=int(requests), **facts)


def increase(limit: str, before: Side | None, after: Side, *, level: Level = "fail") -> GateResult:
    gates = run_gates(compare(before, after), Limits(increases=[(parse_increase(limit, "--fail-increase"), level)]))
    assert len(gates) == 1
    return gates[0]


def over(limit: str, after: Side, before: Side | None = None) -> GateResult:
    gates = run_gates(compare(before, after), Limits(overs=[(parse_amount(limit, "--fail-over"), "fail")]))
    assert len(gates) == 1
    return gates[0]


def test_the_arithmetic_of_this_test() -> None:
    assert costing("a", 100).usd_per_month == "100"


@pytest.mark.parametrize(
    ("limit", "before", "after", "value", "passed"),
    [
        ("10%", 100, 110, "10%", True),
        ("10%", 100, Fraction(110_004, 1_000), "10.004%", False),
        ("10%", 100, 111, "11%", False),
        ("10%", 100, 90, "-10%", True),
        ("0%", 100, 100, "0%", True),
        ("0%", 100, Fraction(100_004, 1_000), "0.004%", False),
        ("33%", 300, 400, "33.3%", False),
        ("50usd", 100, 150, "50usd", True),
        ("50usd", 100, Fraction(150_004, 1_000), "50.004usd", False),
        ("50usd", 100, 50, "-50usd", True),
        ("3600credits", 100, 150, "3600credits", True),
        ("3599credits", 100, 150, "3600credits", False),
        # Both: past the one alone is no failure.
        ("10%,5usd", 100, 111, "11%,11usd", False),
        ("10%,5usd", 10, 12, "20%,2usd", True),
        ("10%,5usd", 1_000, 1_010, "1%,10usd", True),
        ("10%,5usd", 10, 15, "50%,5usd", True),
        # From nothing, any increase is past any percentage.
        ("1000%", 0, 1, None, False),
        ("1000%", 0, 0, None, True),
        ("10%,5usd", 0, 5, "5usd", True),
        ("10%,5usd", 0, 6, "6usd", False),
        ("5usd", 0, 6, "6usd", False),
    ],
)
def test_increases(limit: str, before: Fraction, after: Fraction, value: str | None, passed: bool) -> None:
    found = increase(limit, side(costing("a", before)), side(costing("a", after)))
    assert (found.name, found.limit, found.value) == ("increase", limit, value)
    assert (found.level, found.passed) == ("fail", passed)


def test_without_a_baseline_everything_is_an_increase() -> None:
    assert not increase("10%", None, side(costing("a", 1))).passed
    assert increase("10%,5usd", None, side(costing("a", 5))).passed


def test_an_increase_is_of_the_total() -> None:
    before, after = side(costing("a", 50), costing("b", 50)), side(costing("a", 70), costing("c", 30))
    assert increase("0%", before, after).passed


@pytest.mark.parametrize(
    ("limit", "value", "passed"),
    [
        ("100usd", "100usd", True),
        ("99.999999999usd", "100usd", False),
        ("7200credits", "7200credits", True),
        ("7199credits", "7200credits", False),
    ],
)
def test_over_is_more_than_the_limit(limit: str, value: str, passed: bool) -> None:
    found = over(limit, side(costing("a", 40), costing("b", 60)), side(costing("a", 1)))
    assert (found.name, found.limit, found.value, found.level, found.passed) == ("over", limit, value, "fail", passed)


def test_credits_are_those_of_the_total() -> None:
    """Of three workloads of 1 ÷ 3 of 10**-9 credits the total is one, and the sum of what is printed is none."""
    total = Total(amount="1.000000001", currency="CRD", usd="1", usd_low="1", usd_high="1")
    assert over("1credits", side(costing("a", 1), total=total)).value == "1.000000001credits"


def test_a_limit_is_in_the_currency_of_the_prices_or_in_usd() -> None:
    both = side(costing("a", 40), workload("b", 1_000, card=VOLCENGINE))
    for limit in ("5credits", "5cny"):
        with pytest.raises(LedgerError, match="can't be compared with prices in"):
            over(limit, both)
    with pytest.raises(LedgerError, match="the limit 5eur can't be compared with prices in credits: give it in usd"):
        over("5eur", side(costing("a", 40)))
    with pytest.raises(LedgerError, match="can't be compared with prices in cny"):
        increase("5credits", side(workload("a", 1_000, card=VOLCENGINE)), side(costing("a", 40)))
    assert over("1cny", side(workload("b", 1_000, requests=312, card=VOLCENGINE))).value == "0.9984cny"
    assert over("50usd", both).passed


def per_workload(before: Side | None, after: Side, limit: str) -> list[GateResult]:
    asked = Limits(increases=[(parse_increase(limit, "x"), "fail")], per_workload=True)
    return run_gates(compare(before, after), asked)


def test_per_workload_holds_limits_against_each_and_not_the_total() -> None:
    before = side(costing("a", 100), costing("b", 100), costing("gone", 100))
    after = side(costing("a", 109), costing("b", 120), costing("fresh", 3))
    assert [(gate.name, gate.value, gate.passed) for gate in per_workload(before, after, "10%,5usd")] == [
        ("a: increase", "9%,9usd", True),
        ("b: increase", "20%,20usd", False),
        ("fresh: increase", "3usd", True),
    ]
    asked = Limits(overs=[(parse_amount("8640credits", "x"), "fail")], per_workload=True)
    assert [gate.passed for gate in run_gates(compare(before, after), asked)] == [True, True, True]
    assert [gate.passed for gate in per_workload(None, after, "10%")] == [False, False, False]


def test_a_workload_without_a_price_fails_by_its_own_limit() -> None:
    unpriced = workload("a", 256_001)
    gates = per_workload(side(costing("a", 1)), side(unpriced, costing("b", 1)), "500%")
    assert [(gate.name, gate.passed) for gate in gates] == [("b: increase", False), ("a: price", False)]
    own = GateResult(name="max_input_tokens", limit="256000", value="256001", passed=False)
    told = workload("a", 256_001, gates=[own])
    assert [gate.name for gate in run_gates(compare(None, side(told)), Limits())] == ["a: max_input_tokens"]
    # It has a price again: there is nothing to compare it with.
    back = per_workload(side(unpriced), side(costing("a", 1)), "10%,1credits")
    assert [(gate.value, gate.level, gate.passed) for gate in back] == [(None, "warn", False)]


def test_the_workloads_own_limits_are_gates_too() -> None:
    held = GateResult(name="max_usd_per_month", limit="5usd", value="4usd", passed=True)
    broken = GateResult(name="max_usd_per_request", limit="1usd", value="2usd", passed=False)
    gates = run_gates(compare(None, side(costing("a", 4, gates=[held, broken]))), Limits())
    assert [(gate.name, gate.limit, gate.value, gate.passed) for gate in gates] == [
        ("a: max_usd_per_month", "5usd", "4usd", True),
        ("a: max_usd_per_request", "1usd", "2usd", False),
    ]
    assert not all_passed(gates)


def test_only_level_fail_fails() -> None:
    before, after = side(costing("a", 1)), side(costing("a", 2))
    assert not all_passed([increase("10%", before, after)])
    warned = increase("10%", before, after, level="warn")
    assert (warned.level, warned.passed) == ("warn", False)
    assert all_passed([warned])


def test_several_limits_are_held_each() -> None:
    limits = Limits(
        increases=[(parse_increase("10%", "x"), "warn"), (parse_increase("50%", "x"), "fail")],
        overs=[(parse_amount("5usd", "x"), "fail")],
    )
    gates = run_gates(compare(side(costing("a", 10)), side(costing("a", 12))), limits)
    assert [(gate.name, gate.limit, gate.level, gate.passed) for gate in gates] == [
        ("increase", "10%", "warn", False),
        ("increase", "50%", "fail", True),
        ("over", "5usd", "fail", False),
    ]


# --- budgets --------------------------------------------------------------------------------------------------------


def used(amount: str, *, spent: int = 50, expected: int | None = 75, **scope: Any) -> NamedBudget:
    """A budget of March with 10 days to go: 75 + change × 10 ÷ 30."""
    limit = parse_amount(amount, "amount")
    # A workload of so many USD is 72 times as many credits.
    unit = NANO if limit.currency == "USD" else 72 * NANO
    told = Forecast("too early") if expected is None else Forecast("run rate", 60 * unit, expected * unit, 90 * unit)
    start, end, at = (datetime(2026, month, day, tzinfo=UTC) for month, day in ((3, 1), (4, 1), (3, 22)))
    budget = Budget(name="q1", amount=limit, **scope)
    return NamedBudget(
        BudgetStatus(budget, "2026-03", start, end, at, limit.nano, spent * unit, forecast=told), file=None
    )


def budget(given: NamedBudget, before: Side | None, after: Side, **limits: Any) -> GateResult:
    return run_gates(compare(before, after), Limits(budgets=[(given, "fail")], **limits))[0]


@pytest.mark.parametrize(("amount", "passed"), [("80usd", True), ("79.999999999usd", False)])
def test_a_budget_holds_its_forecast_with_the_change(amount: str, passed: bool) -> None:
    found = budget(used(amount), side(costing("a", 100)), side(costing("a", 115)))
    assert (found.name, found.limit, found.value) == ("budget q1", amount, "80usd")  # 75 + 15 × 10 ÷ 30
    assert (found.level, found.passed) == ("fail", passed)


def test_the_part_of_the_change_is_rounded_once_half_even() -> None:
    found = budget(used("75.333333333usd"), side(costing("a", 100)), side(costing("a", 101)))  # 75 + 1 ÷ 3
    assert (found.value, found.passed) == ("75.333333333usd", True)


def test_the_amount_of_the_period_counts_not_the_usual_one() -> None:
    usual = used("100usd")
    own = replace(usual, use=replace(usual.use, amount_nano=79 * NANO))
    found = budget(own, side(costing("a", 100)), side(costing("a", 115)))
    assert (found.limit, found.value, found.passed) == ("79usd", "80usd", False)


def test_what_is_spent_stays_so_whatever_the_change_saves() -> None:
    saving = (side(costing("a", 300)), side(costing("a", 3)))  # 99 less in 10 days
    assert budget(used("1usd"), *saving).value == "50usd"
    assert "-$25.00 of it by the change" in budget(used("1usd"), *saving).message
    assert budget(used("100usd"), side(costing("a", 100)), side(costing("a", 40))).value == "55usd"


def test_where_it_is_too_early_for_a_forecast_it_goes_by_what_is_spent() -> None:
    found = budget(used("55usd", expected=None), side(costing("a", 100)), side(costing("a", 115)))
    assert (found.value, found.passed) == ("55usd", True)
    assert found.message == (
        "this month ends at $55.00, limit $55; too early for a forecast, so that it goes by what is spent; "
        "+$5.00 of it by the change"
    )


@pytest.mark.parametrize(
    ("scope", "change"),
    [
        ({}, 6 + 9 - 3),
        ({"projects": ["search"]}, 6),
        ({"projects": ["search", "unassigned"]}, 6 - 3),
        ({"models": [LITE]}, 9),
        ({"models": [MINI]}, 0),
        ({"projects": ["search"], "models": [LITE]}, 0),
    ],
)
@pytest.mark.parametrize("unit", ["usd", "credits"])
def test_a_budget_takes_the_change_of_what_it_is_of(unit: str, scope: dict[str, Any], change: int) -> None:
    lite = {"model": LITE, "project": "chat"}
    before = side(costing("a", 6, project="search"), costing("b", 3))
    # lite's input is 6 credits per 1M tokens: 16 / 3 of the tokens cost as much as those of code.
    after = side(costing("a", 12, project="search"), costing("c", 48, **lite))
    found = budget(used(f"100000{unit}", **scope), before, after)
    assert found.value == f"{(75 * 30 + change * 10) * (1 if unit == 'usd' else 72) // 30}{unit}"


def test_a_credits_budget_is_compared_in_credits_alone() -> None:
    before, after = side(costing("a", 100)), side(costing("a", 115))
    assert [budget(used(f"{72 * 80 - less}credits"), before, after).passed for less in (0, 1)] == [True, False]
    other = side(workload("b", 1_000, card=VOLCENGINE))
    with pytest.raises(LedgerError, match="the limit 9000credits can't be compared with prices in cny: give it in usd"):
        budget(used("9000credits"), before, other)
    assert budget(used("9000credits", models=[CODE], projects=["search"]), before, after).value == "5400credits"
    mixed = used("9000credits")
    mixed = replace(mixed, use=replace(mixed.use, other=("1.6 CNY",)))
    with pytest.raises(LedgerError, match=r"budget 'q1' is in credits and holds 1\.6 CNY"):
        budget(mixed, before, after)
    # What is over is over, whatever else is in it.
    assert not budget(replace(mixed, use=replace(mixed.use, amount_nano=1)), before, after).passed


def test_workloads_have_no_tags_so_that_what_becomes_dearer_counts_and_what_becomes_cheaper_does_not() -> None:
    tagged = used("80usd", tags=(("env", "ci"),))
    less, more = side(costing("a", 100)), side(costing("a", 115))
    found = [budget(tagged, *sides) for sides in ((less, more), (more, less))]
    assert [gate.value for gate in found] == ["80usd", "75usd"]
    words = "; workloads have no tags: each that becomes dearer counts, and none that becomes cheaper"
    assert all(gate.message.endswith(words) for gate in found)
    moved = budget(tagged, side(costing("a", 100), costing("b", 50)), side(costing("a", 115), costing("c", 15)))
    assert moved.value == "85usd"  # 75 + (15 + 15) × 10 ÷ 30


def test_a_budgets_gate_says_whose_it_is_and_what_it_lacks() -> None:
    same = side(costing("a", 1))
    unknown = costing("a", 16)
    unknown.output_basis = "none"
    assert budget(used("80usd"), same, side(unknown, costing("b", 3, project="ads"))).message == (
        "this month ends at $81.00, limit $80; +$6.00 of it by the change (in part input only)"
    )
    of_ads = used("80usd", projects=("ads",))
    assert budget(of_ads, same, side(unknown, costing("b", 3, project="ads"))).message.endswith("by the change")
    assert budget(used("80usd"), same, same).message == "this month ends at $75.00, limit $80"
    weekly = replace(used("80usd", period="week"), file="tollbook.toml")
    weekly = replace(weekly, use=replace(weekly.use, not_booked=NotBooked(lines=1)))
    assert budget(weekly, same, same).message == (
        "this week ends at $75.00 (at least), limit $80; a budget of tollbook.toml, as the ledger has none of that name"
    )


@pytest.mark.parametrize(
    ("amount", "fail_stale", "outcome"),
    [
        ("75usd", False, ("warn", False)),
        ("75usd", True, ("fail", False)),
        ("74usd", False, ("fail", False)),
        ("74usd", True, ("fail", False)),
    ],
)
def test_a_silent_source_makes_a_budget_warn_and_fail_where_asked(
    amount: str, fail_stale: bool, outcome: tuple[str, bool]
) -> None:
    same = side(costing("a", 1))
    silent = [
        Silence("batch", None, timedelta(hours=24), declared=True),
        Silence("evolink", datetime(2026, 3, 20, 10, tzinfo=UTC), timedelta(hours=26), declared=False),
    ]
    stale = replace(used(amount), silent=silent)
    found = budget(stale, same, same, fail_stale=fail_stale)
    assert (found.level, found.passed) == outcome
    assert found.message.endswith("; ".join(["", *map(silence_words, silent)]))
    (warned,) = run_gates(compare(same, same), Limits(budgets=[(stale, "warn")], fail_stale=fail_stale))
    assert (warned.level, warned.passed) == ("warn", False)
    assert budget(used("75usd"), same, same, fail_stale=fail_stale).passed


# --- messages -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("limit", "before", "after", "message"),
    [
        ("10%,1usd", Fraction(2_250, 100), Fraction(2_502, 100), "+$2.52 (+11.2 %) a month, limit 10 % and $1"),
        ("10%", 100, 110, "+$10.00 (+10 %) a month, limit 10 %"),
        # A figure that would look like its limit has as many places as tell its side of it.
        ("10%", 100, Fraction(110_004, 1_000), "+$10.00 (+10.004 %) a month, limit 10 %"),
        ("50usd", 100, Fraction(150_004, 1_000), "+$50.004 (+50 %) a month, limit $50"),
        ("3599.50credits", 100, 150, "+3,600 credits (+50 %) a month, limit 3,599.50 credits"),
        ("5usd", 100, 90, "-$10.00 (-10 %) a month, limit $5"),
        ("10%,5usd", 0, 6, "+$6.00 a month, limit 10 % and $5"),
        (
            "10%",
            0,
            6,
            "+$6.00 a month, limit 10 %; there was nothing before: a limit such as 10%,5usd lets small new ones pass",
        ),
    ],
)
def test_an_increase_in_words(limit: str, before: Fraction, after: Fraction, message: str) -> None:
    gate = increase(limit, side(costing("a", before)), side(costing("a", after)))
    assert gate_message(gate) == f"increase: {message}"


def test_a_gate_says_what_its_figure_lacks() -> None:
    unknown = costing("a", 2)
    unknown.output_basis, unknown.prompts[0].uncounted = "none", ["1 file"]
    after = side(unknown, total=Total(**COSTS, caveats=unknown.caveats))
    assert over("1usd", after).message == "$2.00 a month (input only, at least), limit $1"
    assert increase("10%", side(costing("a", 1)), after).message.startswith("+$1.00 (+100 %) a month (input only, at ")


COSTS: Any = {"amount": "144", "currency": "CRD", "usd": "2", "usd_low": "2", "usd_high": "2"}


def test_words_of_other_gates() -> None:
    assert over("0.50usd", side(costing("a", 1))).message == "$1.00 a month, limit $0.50"
    unpriced = GateResult(name="max_usd_per_month", limit="5usd", value=None, passed=False, message="it has no price")
    assert gate_message(unpriced) == "max_usd_per_month: it has no price"
    of_an_older_version = GateResult(name="over", limit="5usd", value="6usd", passed=False)
    assert gate_message(of_an_older_version) == "over: 6usd, limit 5usd"


# --- what isn't counted, and counting otherwise ---------------------------------------------------------------------


def test_nothing_uncounted_passes_a_strict_gate() -> None:
    plain, with_file = costing("a", 1), costing("b", 1)
    with_file.prompts[0].uncounted = ["1 file", "2 images"]
    (gate,) = run_gates(compare(None, side(plain)), Limits(uncounted=True))
    assert (gate.name, gate.passed, gate.message) == ("uncounted", True, "everything is counted")
    (gate,) = run_gates(compare(None, side(plain, with_file)), Limits(uncounted=True))
    assert (gate.passed, gate.message) == (False, "not counted: b, a.txt: 1 file and 2 images")
    # A document of an older version doesn't say what it left out.
    assert not run_gates(compare(None, side(plain, counting=1)), Limits(uncounted=True))[0].passed


@pytest.mark.parametrize("limit", ["0%", "0usd", "0credits", "0%,0usd"])
def test_another_way_of_counting_is_no_increase(limit: str) -> None:
    before, after = workload("a", 1_000), workload("a", 1_200)
    assert not increase(limit, side(before), side(after)).passed
    counted_otherwise = side(after, encoding="cl100k_base")
    assert increase(limit, side(before), counted_otherwise).passed
    (by_workload,) = per_workload(side(before), counted_otherwise, limit)
    assert by_workload.passed
    # A text beyond the range that it had is another text, and what costs more otherwise is an increase still.
    assert not increase(limit, side(before), side(workload("a", 1_201), encoding="cl100k_base")).passed
    assert not increase(limit, side(before), side(workload("b", 1_200), encoding="cl100k_base")).passed
    assert not increase(limit, side(before), side(workload("a", 1_200, output=1), encoding="cl100k_base")).passed
    assert not increase(limit, side(before), side(workload("a", 1_200, requests=1_001), encoding="cl100k_base")).passed


def test_another_calibration_explains_what_tiktokens_own_count_does_not() -> None:
    def counted(tokens: int, own: int, **facts: Any) -> Any:
        one = workload("a", tokens, **facts)
        one.prompts[0].uncorrected_tokens = own
        return one

    before = side(counted(1_000, 1_000), calibration={CODE: {"factor": "1"}})
    calibrated: Any = {"calibration": {CODE: {"factor": "3"}}}
    assert increase("0%,0usd", before, side(counted(3_000, 1_000), **calibrated)).passed
    longer = increase("9.9%", before, side(counted(3_300, 1_100), **calibrated))
    assert (longer.passed, longer.value) == (False, "10%")
    more = increase("50%", before, side(counted(3_000, 1_000, requests=2_000), **calibrated))
    assert (more.passed, more.value) == (False, "100%")


def test_a_budget_takes_no_change_by_counting() -> None:
    before = side(workload("a", 1_000, requests=225_000))  # 100 USD
    otherwise: Any = {"encoding": "cl100k_base"}
    for unit, of_usd in (("usd", 1), ("credits", 72)):
        given = used(f"100000{unit}")
        same, more = workload("a", 1_150, requests=225_000), workload("a", 1_150, requests=258_750)
        assert budget(given, before, side(same)).value == f"{80 * of_usd}{unit}"
        assert budget(given, before, side(same, **otherwise)).value == f"{75 * of_usd}{unit}"
        # More requests are a change, as they would have been counted before.
        assert budget(given, before, side(more, **otherwise)).value == f"{80 * of_usd}{unit}"


def test_a_baseline_that_cannot_be_estimated_has_nothing_to_compare() -> None:
    found = compare(None, side(costing("a", 50)), "broken on main")
    limits = Limits(
        increases=[(parse_increase("1%,1usd", "x"), "fail")],
        overs=[(parse_amount("40usd", "x"), "fail")],
        budgets=[(used("75usd"), "fail")],
    )
    assert [(gate.name, gate.value, gate.passed) for gate in run_gates(found, limits)] == [
        ("increase", None, False),
        ("over", "50usd", False),
        ("budget q1", "75usd", False),
    ]
    # What can't be judged warns; what fails by the branch alone, fails.
    for per_workload in (False, True):
        gates = run_gates(found, replace(limits, per_workload=per_workload))
        assert [gate.level for gate in gates] == ["warn", "fail", "warn"]
    past = run_gates(found, Limits(budgets=[(used("74usd"), "fail")]))
    assert [(gate.level, gate.passed) for gate in past] == [("fail", False)]


def test_a_month_of_unknown_requests_is_within_no_limit() -> None:
    unknown = workload("a", 1_000, requests=0, warnings=[NO_REQUESTS])
    gate = over("1usd", side(costing("b", 1), unknown))
    assert (gate.value, gate.passed) == (None, False)
    assert "no requests_per_month" in gate.message
    assert over("1usd", side(costing("b", 2), unknown)).value == "2usd"
    assert over("1usd", side(costing("b", 1), workload("a", 1_000, requests=0))).passed


def test_an_older_versions_baseline_lacks_tools_and_images_alone() -> None:
    """Its missing tools and images have no gate; every other change has."""

    def with_tools(tokens: int, tools: int, **facts: Any) -> Any:
        one = workload("a", tokens + tools, **facts)
        one.prompts[0].schema_tokens = tools
        return one

    older = side(workload("a", 1_000, cached=500), counting=1)
    assert increase("0%,0usd", older, side(with_tools(1_000, 400, cached=700))).passed
    for changed in (
        with_tools(1_001, 400, cached=700),
        with_tools(1_000, 400, cached=500),
        with_tools(1_000, 400, cached=700, output=1),
        workload("b", 1_000),
    ):
        assert not increase("0%,0usd", older, side(changed)).passed
