"""Why spend moved: the laws of the parts, over months made of their factors and over any rows."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from random import Random
from typing import get_args

from hypothesis import given, settings
from hypothesis import strategies as st

from ledger.budgets.coverage import summed
from ledger.reports.bridge.values import Bridge, Cause
from ledger.reports.plan import ADJUSTMENT, CORRECTION, Sums
from ledger.reports.spend import SelectedSpend, SpendRow
from ledger.values.spend import Convertible
from pricing.money import NANO, round_usd
from tests.helpers.months import ENTRIES, LITE, PRO, Model, Month, Price, amounts, between, causes, charged, explained

PROJECTS = ("ide", "search")
CAUSES: tuple[Cause, ...] = get_args(Cause)


def model(random: Random, share: int) -> Model:
    return Model(
        share, random.randint(1, 400) * 100, random.randint(1, 400) * 100, random.randint(1, 9), random.randint(1, 9),
        (random.randint(0, 10), random.randint(0, 10)), random.choice([0, 0, 1_000, 7_654_321]),
    )  # fmt: skip


def price(random: Random) -> Price:
    steps = [tuple(random.choice([0, random.randint(1, most)]) for most in (400_000, 80_000, 900_000)) for _ in "12"]
    return Price(tuple(steps), random.randint(1, 500))  # type: ignore[arg-type]


def month(random: Random, *, least: int = 1) -> Month:
    """Every factor of every cell, whether or not anything uses it; projects have at least so many tens of requests."""
    uses: dict[tuple[str, str], Model] = {}
    for project in PROJECTS:
        share = random.choice([0, 10, random.randint(0, 10)])
        uses |= {(project, PRO): model(random, share), (project, LITE): model(random, 10 - share)}
    return Month(
        {project: random.randint(least, 3 + 27 * least) for project in PROJECTS}, uses,
        {name: price(random) for name in (PRO, LITE)}, random.randint(1, 100),
        {project: random.choice([0, random.randint(-(10**9), 10**9)]) for project in PROJECTS},
    )  # fmt: skip


# From seeds: strategies for a hundred figures each would take minutes.
SEEDS = st.integers(0, 2**63)
MONTHS = SEEDS.map(lambda seed: month(Random(seed)))
SPARSE = SEEDS.map(lambda seed: month(Random(seed), least=0))


FACTORS: dict[Cause, tuple[str, ...]] = {
    "requests": ("requests",),
    "prompt_length": ("input_tokens", "output_tokens"),
    "tier_mix": ("first_tier_input", "first_tier_output"),
    "cache": ("cached", "token_hours"),
    "models": ("share",),
    "price": ("prices",),
    "exchange_rate": ("per_usd",),
    "corrections": ("corrections",),
}


def changed(month: Month, other: Month, by: Collection[Cause]) -> Month:
    """The month with these factors of another."""
    names = {name for cause in by for name in FACTORS[cause]}
    models = {
        key: replace(model, **{name: getattr(other.models[key], name) for name in names if hasattr(model, name)})
        for key, model in month.models.items()
    }
    return replace(month, models=models, **{name: getattr(other, name) for name in names if hasattr(month, name)})


def usd_nano(month: Month) -> int:
    nano = Convertible()
    for row in month.spend.rows:
        nano[row.per_usd_nano] += row.sums.amount_nano
    return round_usd(nano.usd)


def part(bridge: Bridge, cause: Cause) -> int:
    return dict(bridge.by_cause)[cause]


# --- laws -----------------------------------------------------------------------------------------------------------


@given(SPARSE, SPARSE)
def test_parts_and_movements_add_up_to_the_change_of_the_printed_totals(before: Month, after: Month) -> None:
    bridge = between(before, after)
    assert (bridge.before_nano, bridge.after_nano) == (usd_nano(before), usd_nano(after))
    change = usd_nano(after) - usd_nano(before)
    assert tuple(cause for cause, _nano in bridge.by_cause) == CAUSES
    assert sum(nano for _cause, nano in bridge.by_cause) == change
    assert sum(movement.before_nano for movement in bridge.by_project) == bridge.before_nano
    assert sum(movement.after_nano for movement in bridge.by_project) == bridge.after_nano
    assert sum(movement.change_nano for movement in bridge.by_project) == change


@settings(max_examples=200)
@given(MONTHS, MONTHS, st.sets(st.sampled_from(CAUSES)))
def test_a_part_is_0_where_its_factor_did_not_change(before: Month, other: Month, by: set[Cause]) -> None:
    found = causes(between(before, changed(before, other, by)))
    assert set(found) <= by


@given(MONTHS, MONTHS, st.sampled_from(CAUSES))
def test_the_change_of_one_factor_alone_is_all_its_own(before: Month, other: Month, cause: Cause) -> None:
    after = changed(before, other, [cause])
    change = usd_nano(after) - usd_nano(before)
    assert causes(between(before, after)) == ({cause: change} if change else {})


@given(MONTHS, MONTHS)
def test_months_swapped_negate_the_total(before: Month, after: Month) -> None:
    there, back = between(before, after), between(after, before)
    assert sum(nano for _cause, nano in there.by_cause) == -sum(nano for _cause, nano in back.by_cause)
    assert (there.before_nano, there.after_nano) == (back.after_nano, back.before_nano)
    # What isn't usage has no order, and only its rounding.
    assert abs(part(there, "corrections") + part(back, "corrections")) <= 1


@given(MONTHS, MONTHS, st.randoms(use_true_random=False))
def test_the_order_of_rows_does_not_matter(before: Month, after: Month, random: Random) -> None:
    shuffled = before.spend, after.spend
    for each in shuffled:
        random.shuffle(each.rows)
    assert explained(*shuffled) == between(before, after)


def only(month: Month, project: str) -> Month:
    uses = {key: model for key, model in month.models.items() if key[0] == project}
    return replace(month, models=uses, corrections={project: month.corrections[project]})


@given(MONTHS, MONTHS)
def test_the_parts_of_all_projects_are_those_of_each_together(before: Month, after: Month) -> None:
    whole = between(before, after)
    each = [between(only(before, project), only(after, project)) for project in PROJECTS]
    for cause in CAUSES:
        # Each of the three is rounded on its own, twice.
        assert abs(part(whole, cause) - sum(part(one, cause) for one in each)) <= 3


# --- months as ledgers have them: other bounds, rounded lines, several prices, currencies and conversions -----------

PER_USD: dict[str, list[int | None]] = {
    "CRD": [72 * NANO, 68 * NANO, 71_234_567_891],
    "CNY": [7_200_000_000, 7_123_456_789],
    "USD": [None],
}


def row(random: Random) -> SpendRow:
    number = random.choice(sorted(ENTRIES))
    priced = ENTRIES[number]
    of, per_usd = (random.choice(PROJECTS), priced.model), random.choice(PER_USD[priced.currency])
    kind = random.choice(["usage", "usage", "usage", "storage", CORRECTION, ADJUSTMENT])
    if kind in (CORRECTION, ADJUSTMENT):
        sums = amounts(0, random.randint(-(10**9), 10**9))
        return SpendRow((*of, kind), priced.currency, per_usd, None, "none", sums, None)
    if kind == "storage":
        nano = random.randint(0, 10**9)
        return SpendRow((*of, None), priced.currency, per_usd, number, "none", amounts(nano, nano), None)
    tier = random.choice(priced.tiers)
    inputs, outputs = (random.choice([0, random.randint(1, most)]) for most in (10**6, 10**5))
    cached = 0 if tier.cached_input_pico is None else random.randint(0, inputs)
    written_5m = 0 if tier.cache_write_5m_pico is None else random.randint(0, inputs - cached)
    written_1h = 0 if tier.cache_write_1h_pico is None else random.randint(0, inputs - cached - written_5m)
    calls = 0 if priced.call_pico is None else random.choice([0, random.randint(1, 99)])
    metered = (
        (inputs - cached - written_5m - written_1h, tier.input_pico),
        (cached, tier.cached_input_pico),
        (outputs, tier.output_pico),
        (written_5m, tier.cache_write_5m_pico),
        (written_1h, tier.cache_write_1h_pico),
        (calls, priced.call_pico),
    )
    # As lines rounded up to 10 nano each.
    input_nano, cached_nano, output_nano, *others = (-(-count * (rate or 0) // 10_000) * 10 for count, rate in metered)
    sums = charged(random.randint(1, 100), inputs, cached, outputs, (input_nano, cached_nano, output_nano))
    sums = sums._replace(
        amount_nano=sums.amount_nano + sum(others), cache_write_5m_tokens=written_5m,
        cache_write_1h_tokens=written_1h, calls=calls,
    )  # fmt: skip
    return SpendRow((*of, None), priced.currency, per_usd, number, tier.label, sums, None)


def spend(random: Random) -> SelectedSpend:
    return SelectedSpend([row(random) for _ in range(random.randint(0, 12))], ENTRIES, "days")


SPENDS = SEEDS.map(lambda seed: spend(Random(seed)))


def spent(month: SelectedSpend) -> int:
    return summed(month.rows).usd_nano


@settings(max_examples=200)
@given(SPENDS, SPENDS)
def test_parts_add_up_whatever_the_rows_are(before: SelectedSpend, after: SelectedSpend) -> None:
    bridge = explained(before, after)
    assert (bridge.before_nano, bridge.after_nano) == (spent(before), spent(after))
    assert sum(nano for _cause, nano in bridge.by_cause) == spent(after) - spent(before)
    assert sum(movement.change_nano for movement in bridge.by_project) == spent(after) - spent(before)
    for each in (before, after):
        each.rows.reverse()
    assert explained(before, after) == bridge


@settings(max_examples=300)
@given(SPENDS)
def test_a_month_beside_itself_has_no_part_but_of_what_is_new(same: SelectedSpend) -> None:
    bridge = explained(same, same)
    assert causes(bridge) == {}
    assert not any(movement.change_nano for movement in bridge.by_project)
    sums = charged(1, 1_000, 0, 0, (32_000_000, 0, 0))
    new = SpendRow(("another", PRO, None), "CRD", 72 * NANO, 1, "32000", sums, None)
    bridge = explained(same, replace(same, rows=[*same.rows, new]))
    assert list(causes(bridge)) == ["requests"]
    assert {movement.project for movement in bridge.by_project if movement.change_nano} == {"another"}


@settings(max_examples=300)
@given(SPENDS, st.integers(2, 9))
def test_rounded_lines_and_average_prices_are_no_part_where_all_is_multiplied(same: SelectedSpend, times: int) -> None:
    usage = replace(same, rows=[row for row in same.rows if row.dimensions[-1] is None and row.tier != "none"])
    more = [row._replace(sums=Sums(*(times * figure for figure in row.sums))) for row in usage.rows]
    assert set(causes(explained(usage, replace(usage, rows=more)))) <= {"requests"}


@settings(max_examples=300)
@given(SPENDS, SPENDS, st.sampled_from([{1, 5}, {3, 6}, {4, 6}]))
def test_where_both_months_have_the_same_one_price_no_part_is_prices(
    before: SelectedSpend, after: SelectedSpend, prices: set[int]
) -> None:
    priced = [
        replace(month, rows=[row for row in month.rows if row.rate_entry_id in prices]) for month in (before, after)
    ]
    assert "price" not in causes(explained(*priced))
