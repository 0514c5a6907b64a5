"""Forecasts of series that are worked out by hand, and laws that hold for any."""

from __future__ import annotations

from datetime import date, timedelta

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.bench_forecast import KINDS, cases, run_rate_end, tollbook_end
from ledger.budgets.forecast import FEWEST_DAYS, MOST_DAYS, WEEKDAYS_FROM, Forecast, expected_days, forecast

# A Sunday, the last day of a month: the period is March.
TODAY, END = date(2026, 3, 15), date(2026, 4, 1)
WEEK = (10, 10, 10, 10, 10, 2, 4)


def told(*amounts: int, spent: int = 0, today: date = TODAY, passed: float = 0, end: date = END) -> Forecast:
    """The forecast of March after these days up to the one before today."""
    history = [(today - timedelta(days=len(amounts) - number), amount) for number, amount in enumerate(amounts)]
    return forecast(history, spent=spent, today=today, passed=passed, first=date(2026, 3, 1), end=end)


def weeks(count: int, *, today: date = TODAY) -> list[int]:
    """Days up to the one before today, each as WEEK has its weekday."""
    return [WEEK[(today - timedelta(days=age)).weekday()] * 10**9 for age in range(count * 7, 0, -1)]


def noisy(count: int, *, level: int = 10**9, noise: float = 0.25) -> list[int]:
    """Days that differ by chance alone, the same each time."""
    return [round(level * each) for each in np.exp(np.random.default_rng(count).normal(0, noise, count))]


def end_of(found: Forecast) -> int:
    assert found.expected is not None
    return found.expected


def width(found: Forecast) -> float:
    """The range, as a part of what is expected."""
    assert found.low is not None
    assert found.high is not None
    return (found.high - found.low) / end_of(found)


@pytest.mark.parametrize("history", [(), (5,), (5, 7), (0, 0, 0, 0, 0, 7, 9), (0,) * 30])
def test_it_is_too_early_before_three_whole_days_of_usage(history: tuple[int, ...]) -> None:
    assert told(*history, spent=12) == Forecast("too early")
    assert told(*history, 3, 4, 5, spent=12).method != "too early"


def test_under_two_weeks_it_is_the_run_rate() -> None:
    # 17 days to come at 6 a day; a day without usage is one too.
    found = told(*[6, 12, 0] * 4, spent=72)
    assert (found.method, found.expected) == ("run rate", 72 + 17 * 6)
    assert told(*[6] * 13, spent=72).method == "run rate"
    assert told(*[6] * 14, spent=72).method == "weekdays"


def test_from_two_weeks_on_each_day_to_come_is_as_its_weekday() -> None:
    for count in (2, 3, 5, 8, 20):
        found = told(*weeks(count), spent=10**9)
        to_come = [WEEK[(TODAY + timedelta(days=number)).weekday()] * 10**9 for number in range(17)]
        assert found.method == "weekdays"
        assert found.expected == 10**9 + sum(to_come)
        # It has always come out so, once weekdays were told: no range is needed.
        if count >= 5:
            assert (found.low, found.high) == (found.expected, found.expected)
        assert found.by_day[0] == (TODAY, 10**9 + to_come[0])
        assert found.by_day[-1] == (date(2026, 3, 31), found.expected)


def test_usage_on_one_weekday_alone_is_expected_on_that_one() -> None:
    found = told(*[0, 0, 0, 700, 0, 0, 0] * 6, 0, spent=40)  # Tuesdays, the last one five days ago
    assert found.expected == 40 + 3 * 700
    days = [day for (day, cost), (_day, before) in zip(found.by_day[1:], found.by_day, strict=False) if cost > before]
    assert days == [TODAY + timedelta(days=age) for age in (2, 9, 16)]


def test_the_rest_of_today_counts_and_what_is_over_of_it_does_not() -> None:
    month = told(*[8] * 28, spent=100, passed=0.75)
    assert month.expected == 100 + 2 + 16 * 8
    last = told(*[8] * 28, spent=100, today=date(2026, 3, 31), passed=0.5)
    assert (last.expected, last.by_day) == (104, ((date(2026, 3, 31), 104),))
    over = told(*[8] * 28, spent=100, today=END, passed=0.5)
    assert (over.low, over.expected, over.high, over.by_day) == (100, 100, 100, ())


def test_a_period_to_come_costs_its_own_days() -> None:
    found = told(*[8] * 28, today=date(2026, 2, 20), passed=0.5)
    assert found.expected == 31 * 8


def test_weekdays_that_differ_by_chance_count_nearly_alike() -> None:
    days = noisy(MOST_DAYS)
    means = np.array(days).reshape(-1, 7).mean(axis=0)
    by_day = [cost for _day, cost in told(*days).by_day]
    expected = np.diff([0, *by_day])[:7]
    assert np.ptp(expected) < np.ptp(means) / 2


def test_after_a_step_the_days_before_it_count_no_more() -> None:
    assert told(*[10] * 42, *[40] * 14).expected == 17 * 40
    assert told(*[40] * 42, *[10] * 14).expected == 17 * 10
    # It is told from three days of it on, among days that differ.
    assert end_of(told(*noisy(40), *[3 * 10**9] * 2)) < 17 * 2.5 * 10**9
    assert 17 * 2.5 * 10**9 < end_of(told(*noisy(40), *[3 * 10**9] * 3)) < 17 * 3.1 * 10**9


def test_a_silent_week_is_no_end_of_usage() -> None:
    assert 17 < end_of(told(*[10] * 49, *[0] * 7)) < 17 * 10 / 2


def test_growth_goes_on_slower_every_week() -> None:
    growing = [round(10**6 * 1.1 ** (day / 7)) for day in range(MOST_DAYS)]
    level = sum(growing[-7:]) / 7
    assert level * 17 * 1.1 < end_of(told(*growing)) < level * 17 * 1.1**2
    # Five weeks' growth is the most that is added: a year isn't told from eight weeks.
    assert end_of(told(*growing, end=date(2027, 3, 15))) < level * 365 * 1.1**5.5
    # Two weeks tell of it, if less.
    assert 17 * sum(growing[-14:]) / 14 < end_of(told(*growing[-14:])) < end_of(told(*growing))


@pytest.mark.parametrize("age", [1, 2, 3, 7, 20, 50])
def test_one_odd_day_is_no_level_no_step_and_no_growth(age: int) -> None:
    days = noisy(MOST_DAYS)
    odd = [*days]
    odd[-age] *= 50
    assert end_of(told(*odd)) == pytest.approx(end_of(told(*days)), rel=0.15)
    assert width(told(*odd)) < width(told(*days)) + 0.5


def test_the_day_it_runs_out_is_the_first_whose_cost_passes_the_amount() -> None:
    found = told(*[8] * 28, spent=100)
    assert found.runs_out(107) == TODAY
    assert found.runs_out(108) == TODAY + timedelta(days=1)
    assert found.runs_out(100 + 17 * 8) is None


def test_the_range_is_wider_where_days_differ_where_few_are_known_and_far_ahead() -> None:
    calm, wild = noisy(MOST_DAYS, noise=0.1), noisy(MOST_DAYS, noise=0.6)
    assert width(told(*[1000] * 56)) == 0
    assert 0 < width(told(*calm)) < width(told(*wild)) < width(told(*wild[:5]))
    assert width(told(*calm[-14:])) > width(told(*calm))
    quarter, year = (width(told(*calm, end=TODAY + timedelta(days=days))) for days in (MOST_DAYS, 4 * MOST_DAYS))
    assert year == pytest.approx(2 * quarter, rel=0.25)


def test_the_range_of_usage_in_rare_bursts_stays_within_its_bounds() -> None:
    bursts = [10**6 if day % 19 else 10**10 for day in range(MOST_DAYS)]
    found = told(*bursts, spent=10**9)
    assert found.low is not None
    assert found.high is not None
    assert 10**9 <= found.low < end_of(found) < found.high <= 10**9 + 3.5 * (end_of(found) - 10**9)


@pytest.mark.parametrize("kind", range(4), ids=[kind.__name__ for kind in KINDS[:4]])
@pytest.mark.parametrize("known", [MOST_DAYS, 14, 5])
def test_the_benchmarks_series_come_out_no_worse_than_the_run_rate_and_within_the_range(kind: int, known: int) -> None:
    found = [(case, *tollbook_end(case)) for number in range(900, 915) for case in cases(number, kind, known)]
    error, rate = (
        sum(case.error(end) for case, end in ends)
        for ends in (
            [(case, end) for case, _low, end, _high in found],
            [(each[0], run_rate_end(each[0])) for each in found],
        )
    )
    covered = sum(low <= case.end <= high for case, low, _end, high in found) / len(found)
    assert error < rate * (0.9 if known == MOST_DAYS else 1.05)
    assert 0.65 < covered < 0.98


AMOUNTS = st.lists(st.integers(0, 10**13), max_size=80)
PASSED = st.floats(0, 1)


@given(AMOUNTS, st.integers(-(10**13), 10**15), st.integers(0, 400), PASSED)
def test_the_end_is_never_below_what_is_spent(amounts: list[int], spent: int, days: int, passed: float) -> None:
    found = told(*amounts, spent=spent, passed=passed, end=TODAY + timedelta(days=days))
    used = next((len(amounts) - place for place, amount in enumerate(amounts) if amount), 0)
    if all(amount == 0 for amount in amounts[-MOST_DAYS:]) or used < FEWEST_DAYS:
        assert found == Forecast("too early")
        return
    if used < MOST_DAYS:
        assert found.method == ("run rate" if used < WEEKDAYS_FROM else "weekdays")
    if found.expected is None:
        return
    assert found.low is not None
    assert found.high is not None
    assert spent <= found.low <= found.expected <= found.high
    costs = [cost for _day, cost in found.by_day]
    assert costs == sorted(costs)
    assert len(costs) == days


@given(st.lists(st.integers(1, 10**9), min_size=3, max_size=70), st.integers(0, 10**10), PASSED)
def test_ten_times_the_series_is_ten_times_the_forecast(amounts: list[int], spent: int, passed: float) -> None:
    once, scaled = (
        told(*(amount * times for amount in amounts), spent=spent * times, passed=passed) for times in (1000, 10_000)
    )
    for one, ten in zip((once.low, once.expected, once.high), (scaled.low, scaled.expected, scaled.high), strict=True):
        assert one is not None
        assert ten is not None
        assert ten == pytest.approx(10 * one, rel=1e-6, abs=20)


def test_the_order_of_the_history_and_days_without_usage_in_it_change_nothing() -> None:
    days = [*noisy(30), 0, 0, *noisy(9)]
    history = [(TODAY - timedelta(days=len(days) - number), amount) for number, amount in enumerate(days)]
    sparse = [each for each in reversed(history) if each[1]]
    found = forecast(sparse, spent=7, today=TODAY, passed=0.5, first=date(2026, 3, 1), end=END)
    assert found == told(*days, spent=7, passed=0.5)


def days_of(*amounts: int) -> list[tuple[date, int]]:
    """The days before TODAY with these amounts, the last one the day before it."""
    return [(TODAY - timedelta(days=len(amounts) - number), amount) for number, amount in enumerate(amounts)]


def test_a_day_is_expected_as_its_weekday_from_the_days_before_it() -> None:
    found = expected_days(days_of(*weeks(12)), TODAY - timedelta(days=7), TODAY)
    assert {day: each.expected for day, each in found.items()} == {
        TODAY - timedelta(days=age): WEEK[(TODAY - timedelta(days=age)).weekday()] * 10**9 for age in range(7, 0, -1)
    }
    assert all(each.low == pytest.approx(each.high, rel=1e-3) for each in found.values())


def test_a_days_range_knows_neither_the_day_itself_nor_later_ones() -> None:
    amounts = noisy(90)
    day = TODAY - timedelta(days=10)
    before = expected_days(days_of(*amounts), day, TODAY)
    odd = expected_days(days_of(*amounts[:-10], *(amount * 9 for amount in amounts[-10:])), day, TODAY)
    assert odd[day] == before[day]
    assert odd[day].high < 9 * amounts[-10]
    assert len(before) == 10


def test_days_are_left_out_until_three_weeks_are_known() -> None:
    found = expected_days(days_of(*noisy(30)), TODAY - timedelta(days=30), TODAY)
    assert min(found) == TODAY - timedelta(days=30 - 21)
    assert len(found) == 9
    assert expected_days([], TODAY - timedelta(days=30), TODAY) == {}
    assert expected_days(days_of(*[0] * 90), TODAY - timedelta(days=30), TODAY) == {}


def test_about_nineteen_of_twenty_days_lie_in_their_range() -> None:
    inside = []
    for seed in range(12):
        amounts = noisy(100 + seed)
        found = expected_days(days_of(*amounts), TODAY - timedelta(days=50), TODAY)
        inside += [found[day].low <= amount <= found[day].high for day, amount in days_of(*amounts) if day in found]
    assert 0.92 < sum(inside) / len(inside) < 0.98


@pytest.mark.parametrize("age", [2, 9, 25, 60])
def test_one_odd_day_before_hardly_widens_a_days_range(age: int) -> None:
    amounts, yesterday = noisy(90), TODAY - timedelta(days=1)
    odd = [*amounts]
    odd[-age] *= 50
    plain, beside = (expected_days(days_of(*each), yesterday, TODAY)[yesterday] for each in (amounts, odd))
    assert beside.expected == pytest.approx(plain.expected, rel=0.3)
    assert beside.high == pytest.approx(plain.high, rel=0.3)


@settings(max_examples=20)
@given(st.lists(st.integers(0, 10**9), min_size=30, max_size=90))
def test_ten_times_the_days_are_ten_times_their_ranges(amounts: list[int]) -> None:
    once, scaled = (
        expected_days(days_of(*(amount * times for amount in amounts)), TODAY - timedelta(days=3), TODAY)
        for times in (1000, 10_000)
    )
    assert once.keys() == scaled.keys()
    for day, each in once.items():
        assert 0 <= each.low <= each.expected <= each.high
        assert tuple(scaled[day]) == pytest.approx([10 * cost for cost in each], rel=1e-6, abs=20)
