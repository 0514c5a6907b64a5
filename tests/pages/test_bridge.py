"""Why spend moved: the laws of the parts over months made of their factors, and examples as arithmetic."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from datetime import UTC, datetime
from random import Random
from typing import get_args

from hypothesis import given, settings
from hypothesis import strategies as st

from ledger.budgets.coverage import summed
from ledger.pages.figures import Bridge, Cause
from ledger.reports.plan import ADJUSTMENT, CORRECTION
from ledger.reports.spend import SelectedSpend, SpendRow
from ledger.values.spend import Convertible
from pricing.money import NANO, round_usd
from pricing.rate_card import PromptTier, RateEntry
from tests.helpers.months import LITE, PRO, Model, Month, Price, amounts, between, causes, charged, entry, explained

MARCH = datetime(2026, 3, 1, tzinfo=UTC)
PROJECTS = ("ide", "search")
CAUSES: tuple[Cause, ...] = get_args(Cause)

LENGTHS = st.integers(1, 400).map(lambda hundreds: hundreds * 100)
RATES = st.tuples(st.integers(0, 400_000), st.integers(0, 80_000), st.integers(0, 900_000))
PRICES = st.builds(Price, st.tuples(RATES, RATES), st.integers(0, 500))


MODEL = st.builds(
    Model, st.just(0), LENGTHS, LENGTHS, st.integers(1, 9), st.integers(1, 9), st.tuples(*[st.integers(0, 10)] * 2),
    st.sampled_from([0, 0, 1_000, 7_654_321]),
)  # fmt: skip


@st.composite
def months(draw: st.DrawFn, least: int = 1) -> Month:
    """Every factor of every cell, whether or not anything uses it; each project has at least so many tens of requests."""
    uses = {}
    for project in PROJECTS:
        share = draw(st.integers(0, 10))
        uses[project, PRO] = replace(draw(MODEL), share=share)
        uses[project, LITE] = replace(draw(MODEL), share=10 - share)
    requests = {project: draw(st.integers(least, 30)) for project in PROJECTS}
    prices = {model: draw(PRICES) for model in (PRO, LITE)}
    corrections = {project: draw(st.integers(-(10**9), 10**9)) for project in PROJECTS}
    return Month(requests, uses, prices, draw(st.integers(1, 100)), corrections)


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


@given(months(0), months(0))
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
@given(months(), months(), st.sets(st.sampled_from(CAUSES)))
def test_a_part_is_0_where_its_factor_did_not_change(before: Month, other: Month, by: set[Cause]) -> None:
    found = causes(between(before, changed(before, other, by)))
    assert set(found) <= by


@given(months(), months(), st.sampled_from(CAUSES))
def test_the_change_of_one_factor_alone_is_all_its_own(before: Month, other: Month, cause: Cause) -> None:
    after = changed(before, other, [cause])
    change = usd_nano(after) - usd_nano(before)
    assert causes(between(before, after)) == ({cause: change} if change else {})


@given(months(), months())
def test_months_swapped_negate_the_total(before: Month, after: Month) -> None:
    there, back = between(before, after), between(after, before)
    assert sum(nano for _cause, nano in there.by_cause) == -sum(nano for _cause, nano in back.by_cause)
    assert (there.before_nano, there.after_nano) == (back.after_nano, back.before_nano)
    # What isn't usage has no order, and only its rounding.
    assert abs(part(there, "corrections") + part(back, "corrections")) <= 1


@given(months(), months(), st.randoms(use_true_random=False))
def test_the_order_of_rows_does_not_matter(before: Month, after: Month, random: Random) -> None:
    spends = before.spend, after.spend
    whole = between(before, after)
    for spend in spends:
        random.shuffle(spend.rows)
    assert explained(*spends) == whole


def only(month: Month, project: str) -> Month:
    uses = {key: model for key, model in month.models.items() if key[0] == project}
    return replace(month, models=uses, corrections={project: month.corrections[project]})


@given(months(), months())
def test_the_parts_of_all_projects_are_those_of_each_together(before: Month, after: Month) -> None:
    whole = between(before, after)
    each = [between(only(before, project), only(after, project)) for project in PROJECTS]
    for cause in CAUSES:
        # Each of the three is rounded on its own, twice.
        assert abs(part(whole, cause) - sum(part(one, cause) for one in each)) <= 3


# --- months as ledgers have them: other bounds, rounded lines, several prices, currencies and conversions -----------

ENTRIES: dict[int, RateEntry] = {
    1: entry(PRO, Price()),
    2: replace(entry(PRO, Price(((30_001, 6_401, 150_007), (48_000, 6_400, 240_000)))), effective_from=MARCH),
    3: entry(PRO, Price(), bounds=(64_000, 128_000)),
    4: replace(entry(PRO, Price()), provider="volcengine", currency="CNY"),
    5: replace(entry(LITE, Price(((1, 0, 7), (2, 1, 9)), storage=0)), currency="USD"),
    6: replace(entry(LITE, Price()), tiers=(PromptTier(32_000, 1_234, None, 5_678),), cache_storage_pico=None),
}
PER_USD: dict[str, list[int | None]] = {
    "CRD": [72 * NANO, 68 * NANO, 71_234_567_891],
    "CNY": [7_200_000_000, 7_123_456_789],
    "USD": [None],
}


@st.composite
def rows(draw: st.DrawFn) -> SpendRow:
    number = draw(st.sampled_from(sorted(ENTRIES)))
    priced = ENTRIES[number]
    per_usd = draw(st.sampled_from(PER_USD[priced.currency]))
    of = draw(st.sampled_from(PROJECTS)), priced.model
    if draw(st.integers(0, 5)) == 0:
        nano = draw(st.integers(-(10**9), 10**9))
        return SpendRow((*of, draw(st.sampled_from([CORRECTION, ADJUSTMENT]))), priced.currency, per_usd, None, "none",
                        amounts(0, nano), None)  # fmt: skip
    if draw(st.integers(0, 5)) == 0:
        nano = draw(st.integers(0, 10**9))
        return SpendRow((*of, None), priced.currency, per_usd, number, "none", amounts(nano, nano), None)
    tier = draw(st.sampled_from(priced.tiers))
    inputs, outputs, requests = (draw(st.integers(0, most)) for most in (10**6, 10**5, 100))
    cached = draw(st.integers(0, inputs)) if tier.cached_input_pico is not None else 0
    rates = tier.input_pico, tier.cached_input_pico or 0, tier.output_pico
    # As lines rounded up to 10 nano each.
    input_nano, cached_nano, output_nano = (
        -(-count * rate // 10_000) * 10 for count, rate in zip((inputs - cached, cached, outputs), rates, strict=True)
    )
    sums = charged(requests + 1, inputs, cached, outputs, (input_nano, cached_nano, output_nano))
    return SpendRow((*of, None), priced.currency, per_usd, number, tier.label, sums, None)


SPENDS = st.lists(rows(), max_size=8).map(lambda found: SelectedSpend(found, ENTRIES, "days"))


def spent(spend: SelectedSpend) -> int:
    return round_usd(summed(spend.rows).usd)


@settings(max_examples=200)
@given(SPENDS, SPENDS)
def test_parts_add_up_whatever_the_rows_are(before: SelectedSpend, after: SelectedSpend) -> None:
    bridge = explained(before, after)
    assert (bridge.before_nano, bridge.after_nano) == (spent(before), spent(after))
    assert sum(nano for _cause, nano in bridge.by_cause) == spent(after) - spent(before)
    assert sum(movement.change_nano for movement in bridge.by_project) == spent(after) - spent(before)
    for spend in (before, after):
        spend.rows.reverse()
    assert explained(before, after) == bridge


@given(SPENDS)
def test_a_month_beside_itself_has_no_part(spend: SelectedSpend) -> None:
    bridge = explained(spend, spend)
    assert causes(bridge) == {}
    assert {movement.change_nano for movement in bridge.by_project} <= {0}
    # Neither does a project.
    other = spend.rows[0]._replace(dimensions=("another", PRO, None)) if spend.rows else None
    if other is not None:
        bridge = explained(spend, replace(spend, rows=[*spend.rows, other]))
        assert {movement.project for movement in bridge.by_project if movement.change_nano} <= {"another"}
