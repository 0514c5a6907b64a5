"""The errors of budgets' forecasts: against the plain run rate, and against statsforecast where that is installed.

`python -m benchmarks.bench_forecast [SERIES]`: 200 seeded series of each kind, of eight weeks and then a month of 30
days, each asked for the month's end on six of its days; and where the ledger is younger. The error is that of the
expected end, as a part of the true one; a range covers where the true end lies in it. statsforecast is no dependency:
its figures are left out without it.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from datetime import date, timedelta
from typing import Any, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

from ledger.budgets.forecast import MOST_DAYS, forecast
from ledger.values.words import counted

Floats: TypeAlias = npt.NDArray[np.float64]

FIRST = date(2026, 3, 2)  # a Monday, so that series differ in the weekday that the month begins on
MONTH = 30
DAYS = MOST_DAYS + MONTH
ASKED = (3, 7, 12, 17, 22, 26)  # days of the month that are over
WEEK = 7
USD = 10**9
YOUNG = (14, 5)


class Case(NamedTuple):
    """A series asked on a day: the days before, those of the month so far, and what is to come of it."""

    past: Floats
    spent: float
    to_come: Floats

    @property
    def end(self) -> float:
        return self.spent + float(self.to_come.sum())


def steady(rng: np.random.Generator) -> Floats:
    """The same every day."""
    return np.full(DAYS, np.exp(rng.normal(3, 1)))


def weekly(rng: np.random.Generator) -> Floats:
    """Weekends with a tenth to half of a weekday's usage."""
    return steady(rng) * rhythm(rng, 0.1, 0.5)


def growth(rng: np.random.Generator) -> Floats:
    """5 to 25 % more every week, with weaker weekends."""
    return steady(rng) * rhythm(rng, 0.4, 1) * (1 + rng.uniform(0.05, 0.25)) ** (np.arange(DAYS) / WEEK)


def launch(rng: np.random.Generator) -> Floats:
    """Two to five times as much within a week, from a day on that lies in the month or up to 25 days before it."""
    start, factor, ramp = MOST_DAYS + rng.integers(-25, 10), rng.uniform(2, 5), rng.integers(1, 8)
    return steady(rng) * rhythm(rng, 0.4, 1) * (1 + (factor - 1) * np.clip((np.arange(DAYS) - start) / ramp, 0, 1))


KINDS: tuple[Callable[[np.random.Generator], Floats], ...] = (steady, weekly, growth, launch)


def rhythm(rng: np.random.Generator, low: float, high: float) -> Floats:
    """A factor for each day: weekends have a part of what other days have."""
    week = np.ones(WEEK)
    week[5:] = rng.uniform(low, high)
    return np.resize(np.roll(week, rng.integers(WEEK)), DAYS)


def cases(number: int, kind: int, known: int = MOST_DAYS) -> Iterator[Case]:
    """A series of a kind with its daily noise, on each day that it is asked; the ledger begins `known` days before."""
    rng = np.random.default_rng([number, kind])
    level = KINDS[kind](rng)
    noise = rng.uniform(0.1, 0.4)
    series = level * np.exp(rng.normal(0, noise, DAYS) - noise**2 / 2)
    for over in ASKED:
        today = MOST_DAYS + over
        past = series[today - known : today]
        yield Case(past, float(past[-min(over, known) :].sum()), series[today:])


def tollbook_end(case: Case) -> tuple[float, float, float]:
    """Low, expected and high by `forecast`."""
    today = FIRST + timedelta(days=len(case.past))
    history = [(FIRST + timedelta(days=day), round(amount * USD)) for day, amount in enumerate(case.past)]
    end = today + timedelta(days=len(case.to_come))
    found = forecast(history, spent=round(case.spent * USD), today=today, passed=0, first=FIRST, end=end)
    assert found.low is not None
    assert found.expected is not None
    assert found.high is not None
    return found.low / USD, found.expected / USD, found.high / USD


def run_rate_end(case: Case, over: int) -> float:
    """Returns the month's mean cost of a day so far, for every day to come."""
    return case.spent * (1 + len(case.to_come) / over)


def errors_of_models(found: list[Case]) -> dict[str, float]:
    """The mean errors of statsforecast's models; none where it isn't installed."""
    try:
        import pandas as pd
        from statsforecast import StatsForecast
        from statsforecast.models import AutoETS, AutoTheta, SeasonalWindowAverage, WindowAverage
    except ImportError:
        return {}
    table = pd.concat([
        pd.DataFrame({"unique_id": number, "ds": np.arange(len(case.past)), "y": case.past})
        for number, case in enumerate(found)
    ])  # fmt: skip
    models: list[Any] = [
        AutoETS(season_length=WEEK),
        AutoTheta(season_length=WEEK),
        SeasonalWindowAverage(season_length=WEEK, window_size=4),
        WindowAverage(window_size=28),
    ]
    told = StatsForecast(models=models, freq=1).forecast(df=table, h=MONTH - ASKED[0]).set_index("unique_id")
    names = [name for name in told.columns if name != "ds"]
    sums: dict[str, list[float]] = {name: [] for name in names}
    for number, case in enumerate(found):
        ahead = told.loc[number].iloc[: len(case.to_come)]
        for name in names:
            sums[name].append(abs(case.spent + float(ahead[name].sum()) - case.end) / case.end)
    return {name: float(np.mean(each)) for name, each in sums.items()}


def measure(kind: int, series: int, known: int) -> None:
    """Prints the errors of all series of a kind."""
    found = [case for number in range(series) for case in cases(number, kind, known)]
    ours, rates, covered, widths = [], [], [], []
    for place, case in enumerate(found):
        low, expected, high = tollbook_end(case)
        ours.append(abs(expected - case.end) / case.end)
        rates.append(abs(run_rate_end(case, min(ASKED[place % len(ASKED)], known)) - case.end) / case.end)
        covered.append(low <= case.end <= high)
        widths.append((high - low) / case.end)
    error, rate = np.mean(ours), np.mean(rates)
    print(
        f"{KINDS[kind].__name__:7} {counted(known, 'day'):>8}:  error {error:5.1%}, run rate {rate:5.1%},"
        f" {error / rate - 1:+5.0%};  range covers {np.mean(covered):4.0%}, ±{np.median(widths) / 2:.0%} in the middle"
    )
    if known == MOST_DAYS:
        models = errors_of_models(found)
        print("        ", ", ".join(f"{name} {error:.1%}" for name, error in models.items()) or "no statsforecast here")


def main() -> None:
    series = int(sys.argv[1]) if len(sys.argv) > 1 else 200
    for known in (MOST_DAYS, *YOUNG):
        for kind in range(len(KINDS)):
            measure(kind, series, known)


if __name__ == "__main__":
    main()
