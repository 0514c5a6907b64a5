"""Why spend moved: examples as arithmetic, at 1 credit for 1 USD where nothing else is said."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from itertools import pairwise
from typing import Any, get_args

import pytest

from ledger.reports.bridge.cells import CellUsage, EntryRates
from ledger.reports.bridge.values import Cause
from ledger.reports.plan import Sums
from ledger.reports.spend import SelectedSpend, SpendRow
from pricing.money import NANO, round_usd
from tests.helpers.months import (
    ENTRIES,
    LITE,
    PRO,
    Model,
    Month,
    Price,
    amounts,
    between,
    causes,
    charged,
    entry,
    explained,
)

CAUSES: tuple[Cause, ...] = get_args(Cause)
FEBRUARY = Model(10, 20_000, 1_000, cached=(5, 5))


def search(requests: int, *uses: tuple[str, Model], **changes: Any) -> Month:
    """A month of the project search, in tens of requests."""
    return Month({"search": requests}, {("search", name): used for name, used in uses}, **{"per_usd": 1, **changes})


def test_the_example_of_the_decision_record() -> None:
    february = search(10, (PRO, FEBRUARY), per_usd=72)
    prices = {PRO: Price(((30_000, 6_400, 160_000), (48_000, 6_400, 240_000))),
              LITE: Price(((6_000, 1_200, 36_000), (9_000, 1_200, 54_000)))}  # fmt: skip
    march = search(
        12, (PRO, Model(8, 24_000, 1_000, 8, 9, (2, 2))), (LITE, Model(2, 10_000, 1_000)), prices=prices, per_usd=68
    )
    credits = [54.40, 65.28, 74.496, 80.064, 104.9472, 86.26176, 83.31264]
    usd = [round_usd(Fraction(str(value)) / 72) for value in credits] + [round_usd(Fraction("83.31264") / 68)]
    parts = [after - before for before, after in pairwise(usd)]
    assert between(february, march).by_cause == tuple(zip(CAUSES, [*parts, 0], strict=True))


def test_a_project_of_one_month_alone_is_all_requests_with_its_storage_and_the_way_back() -> None:
    february = search(10, (PRO, FEBRUARY))
    uses = {**february.models, ("ide", LITE): Model(10, 1_000, 0, token_hours=1_000)}
    new = replace(february, requests={"search": 10, "ide": 1}, models=uses)
    spent = 10 * 1_000 * 32_000 + 1_000 * 170
    assert causes(between(february, new)) == {"requests": spent}
    assert causes(between(new, february)) == {"requests": -spent}
    assert [(one.project, one.change_nano) for one in between(february, new).by_project] == [
        ("ide", spent),
        ("search", 0),
    ]


def test_a_model_that_is_new_to_a_project_is_other_models_at_its_own_figures() -> None:
    """Of a hundred requests of 1,000 tokens, half go to a model that costs 6 in place of 32, with 2,000 tokens."""
    prices = {PRO: Price(), LITE: Price(((6_000, 0, 0), (6_000, 0, 0)))}
    march = search(10, (PRO, Model(5, 1_000, 0)), (LITE, Model(5, 2_000, 0)), prices=prices)
    assert causes(between(search(10, (PRO, Model(10, 1_000, 0))), march)) == {
        "models": 50 * (2_000 * 6_000 - 1_000 * 32_000)
    }


def test_a_model_that_goes_takes_its_share_of_the_new_requests_with_it() -> None:
    """Two hundred requests in place of a hundred, of which half had gone to a model at 6 that nothing goes to now."""
    prices = {PRO: Price(), LITE: Price(((6_000, 0, 0), (6_000, 0, 0)))}
    february = search(10, (PRO, Model(5, 1_000, 0)), (LITE, Model(5, 1_000, 0)), prices=prices)
    found = between(february, search(20, (PRO, Model(10, 1_000, 0)), prices=prices))
    assert causes(found) == {
        "requests": 100 * 1_000 * (32_000 + 6_000) // 2,
        "models": 100 * 1_000 * (32_000 - 6_000),
    }


def test_a_project_taken_back_whole_is_in_neither_month() -> None:
    """Nothing is left of its usage in February, so that in March it is new, its longer prompts and all."""
    rows = search(10, (PRO, FEBRUARY)).spend.rows
    voided = SelectedSpend([row._replace(sums=amounts(0, 0)) for row in rows], {1: ENTRIES[1]}, "days")
    march = search(10, (PRO, Model(10, 1_000, 0, token_hours=1_000))).spend
    assert causes(explained(voided, march)) == {"requests": 100 * 1_000 * 32_000 + 1_000 * 170}


def test_a_price_step_used_for_the_first_time_is_priced_by_the_card_of_before() -> None:
    """Half of the tokens come to the second step, and its price falls from 48 to 40."""
    prices = {PRO: Price(((32_000, 6_400, 160_000), (40_000, 6_400, 240_000)))}
    found = between(search(10, (PRO, Model(10, 1_000, 0))), search(10, (PRO, Model(10, 1_000, 0, 5)), prices=prices))
    assert causes(found) == {"tier_mix": 50_000 * (48_000 - 32_000), "price": 50_000 * (40_000 - 48_000)}


def test_a_cache_used_for_the_first_time_is_priced_by_the_card_of_before() -> None:
    prices = {PRO: Price(((32_000, 3_200, 160_000), (48_000, 6_400, 240_000)))}
    before = search(10, (PRO, Model(10, 1_000, 0)))
    found = between(before, search(10, (PRO, Model(10, 1_000, 0, cached=(5, 0), token_hours=100)), prices=prices))
    assert causes(found) == {"cache": 50_000 * (6_400 - 32_000) + 100 * 170, "price": 50_000 * (3_200 - 6_400)}


def test_a_step_of_before_without_use_has_the_cached_part_of_the_whole_cell() -> None:
    """Half is cached in either month: only the step moves, at 27.2 in place of 19.2."""
    before = search(10, (PRO, Model(10, 1_000, 0, 10, cached=(5, 5))))
    found = between(before, search(10, (PRO, Model(10, 1_000, 0, 5, cached=(5, 5)))))
    assert causes(found) == {"tier_mix": 50_000 * (27_200 - 19_200)}


def test_storage_goes_with_no_request() -> None:
    before = search(10, (PRO, Model(10, 1_000, 0, token_hours=1_000)))
    assert causes(between(before, search(20, (PRO, Model(10, 1_000, 0, token_hours=1_000))))) == {
        "requests": 100 * 1_000 * 32_000
    }
    more = search(10, (PRO, Model(10, 1_000, 0, token_hours=3_000)), prices={PRO: Price(storage=200)})
    assert causes(between(before, more)) == {"cache": 2_000 * 170, "price": 3_000 * 30}


def test_prices_with_other_bounds_have_no_steps_to_tell_apart() -> None:
    """The same requests; those of the second step fall under the first of the new price, which is dearer."""
    sums = [charged(10, 10_000, 0, 0, (10_000 * rate, 0, 0)) for rate in (32_000, 48_000, 50_000)]
    entries = {1: entry(PRO, Price()), 2: entry(PRO, Price(), bounds=(64_000, 128_000))}

    def usage(*found: tuple[int, str, Sums]) -> SelectedSpend:
        rows = [SpendRow(("search", PRO, None), "CRD", NANO, number, tier, each, None) for number, tier, each in found]
        return SelectedSpend(rows, entries, "days")

    before = usage((1, "32000", sums[0]), (1, "128000", sums[1]))
    after = usage((2, "64000", sums[2]), (2, "64000", sums[2]))
    assert causes(explained(before, after)) == {"price": 10_000 * (50_000 - 32_000 + 50_000 - 48_000)}


def test_another_provider_of_the_same_model_is_price_and_its_currency_no_exchange_rate() -> None:
    sums = charged(10, 10_000, 0, 0, (10_000 * 32_000, 0, 0))
    yuan = charged(10, 10_000, 0, 0, (10_000 * 3_200, 0, 0))
    entries = {1: ENTRIES[1], 4: ENTRIES[4]}
    before = SpendRow(("search", PRO, None), "CRD", 80 * NANO, 1, "32000", sums, None)
    after = SpendRow(("search", PRO, None), "CNY", 5 * NANO, 4, "32000", yuan, None)
    found = explained(SelectedSpend([before], entries, "days"), SelectedSpend([after], entries, "days"))
    assert causes(found) == {"price": 10_000 * 3_200 // 5 - 10_000 * 32_000 // 80}


def test_a_model_new_to_a_project_is_converted_as_the_project_was_before() -> None:
    """All moves to the other model as 2 credits for 1 USD become 1: the move is told at 2."""
    same = {PRO: Price(), LITE: Price(((6_000, 0, 0), (6_000, 0, 0)))}
    before, after = (
        search(10, (PRO, Model(10, 1_000, 0)), per_usd=2),
        search(10, (LITE, Model(10, 1_000, 0)), prices=same),
    )
    assert causes(between(before, after)) == {
        "models": 100 * 1_000 * (6_000 - 32_000) // 2,
        "exchange_rate": 100 * 1_000 * 6_000 // 2,
    }


def test_rounding_of_lines_goes_with_the_first_that_changes_and_never_with_an_unchanged_price() -> None:
    """Each of ten requests costs 32, rounded up to 40, then with half of it cached 16, to 20, and 3.2, to 10."""

    def usage(sums: Sums) -> SelectedSpend:
        return SelectedSpend([SpendRow(("search", PRO, None), "CRD", NANO, 1, "32000", sums, None)], ENTRIES, "days")

    before = usage(charged(10, 10_000, 0, 0, (400_000_000, 0, 0)))
    after = usage(charged(10, 10_000, 5_000, 0, (200_000_000, 100_000_000, 0)))
    assert causes(explained(before, after)) == {"cache": -100_000_000}
    # Nothing but the rounding changes: requests of other lengths that are as long on average.
    assert causes(explained(before, usage(charged(10, 10_000, 0, 0, (350_000_000, 0, 0))))) == {
        "prompt_length": -50_000_000
    }


def test_an_empty_month_has_no_parts() -> None:
    nothing = SelectedSpend([], {}, "days")
    found = explained(nothing, nothing)
    assert (found.before_nano, found.after_nano, found.by_project) == (0, 0, ())
    assert found.by_cause == tuple((cause, 0) for cause in CAUSES)


@pytest.mark.parametrize(("service", "contract"), [("batch", ""), ("default", "acme"), ("batch", "acme")])
def test_of_the_prices_of_one_day_the_standard_list_price_is_the_last_used(service: str, contract: str) -> None:
    """Half of the requests are served as batch or under contract; digests of entries have any order."""
    standard = ENTRIES[1]
    [row, *_] = search(10, (PRO, FEBRUARY)).spend.rows
    for rate in range(16_000, 16_008):
        cheaper = replace(entry(PRO, Price(((rate, 0, 0), (rate, 0, 0)))), service=service, contract=contract)
        for used in ([standard, cheaper], [cheaper, standard]):
            cell = CellUsage()
            for each in used:
                cell.add(row, EntryRates.of(each), row.tier, 1)
            assert cell.latest == EntryRates.of(standard)


def test_a_later_price_of_another_service_tier_is_the_last_used() -> None:
    batch = replace(ENTRIES[2], service="batch")
    assert EntryRates.of(batch).age > EntryRates.of(ENTRIES[1]).age
