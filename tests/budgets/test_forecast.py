"""Forecasts of series that are worked out by hand, and laws that hold for any."""

from __future__ import annotations

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.budgets.forecast import FEWEST_DAYS, MOST_DAYS, WEEKDAYS_FROM, Forecast, forecast

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


def test_after_a_step_the_weeks_before_it_count_no_more() -> None:
    assert told(*[10] * 42, *[40] * 14).expected == 17 * 40
    # A week without usage is silence: it counts, but not alone.
    silent = told(*[10] * 49, *[0] * 7).expected
    assert silent is not None
    assert 0 < silent < 17 * 10


def test_steady_growth_goes_on_for_a_while() -> None:
    growing = [round(1000 * 1.1 ** (day / 7)) for day in range(MOST_DAYS)]
    level, found = sum(growing[-7:]) / 7, told(*growing).expected
    assert found is not None
    assert level * 17 * 1.1 < found < level * 17 * 1.1**3
    # A year isn't told from eight weeks of growth: after six weeks it stays as it is.
    year = forecast(
        [(TODAY - timedelta(days=MOST_DAYS - day), amount) for day, amount in enumerate(growing)],
        spent=0, today=TODAY, passed=0, first=date(2026, 1, 1), end=date(2027, 1, 1),
    )  # fmt: skip
    assert year.expected is not None
    assert year.expected < level * 292 * 1.1**6


def test_the_day_it_runs_out_is_the_first_whose_cost_passes_the_amount() -> None:
    found = told(*[8] * 28, spent=100)
    assert found.runs_out(107) == TODAY
    assert found.runs_out(108) == TODAY + timedelta(days=1)
    assert found.runs_out(100 + 17 * 8) is None


def test_the_range_is_wider_where_days_differ_and_where_few_are_known() -> None:
    def width(*amounts: int) -> float:
        found = told(*amounts)
        assert found.low is not None
        assert found.high is not None
        assert found.expected is not None
        return (found.high - found.low) / found.expected

    calm, wild = [1000, 1100, 900, 1050] * 14, [1000, 1900, 100, 1500] * 14
    assert width(*[1000] * 56) < width(*calm) < width(*wild)
    assert width(*calm[:4]) > width(*calm)


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
