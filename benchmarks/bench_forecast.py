"""The errors of budgets' forecasts: against the plain run rate, and against statsforecast where that is installed.

`python -m benchmarks.bench_forecast [SERIES]`: 200 seeded series of each kind, of eight weeks and then a month of 30
days, each asked for the month's end on six of its days; and where the ledger is younger. Then the months of the
examples, by project. The error is that of the expected end, as a part of the true one; a range covers where the true
end lies in it. statsforecast is no dependency: its figures are left out without it.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from datetime import date, timedelta
from pathlib import Path
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
YOUNG = (28, 14, 5)
EXAMPLES = Path(__file__).parents[1] / "examples"


class Case(NamedTuple):
    """A series asked on a day: the days before, how many of them are of the month, and those to come of it."""

    past: Floats
    over: int
    to_come: Floats

    @property
    def spent(self) -> float:
        return float(self.past[-self.over :].sum())

    @property
    def end(self) -> float:
        return self.spent + float(self.to_come.sum())

    def error(self, expected: float) -> float:
        return abs(expected / self.end - 1)


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


def wandering(rng: np.random.Generator) -> Floats:
    """A level that goes up or down by about 5 % from day to day, with weaker weekends."""
    return steady(rng) * rhythm(rng, 0.4, 1) * np.exp(np.cumsum(rng.normal(0, 0.05, DAYS)))


def pause(rng: np.random.Generator) -> Floats:
    """Nine days with a fifth of the usage, some time in the last five weeks or in the month; weaker weekends."""
    start, day = MOST_DAYS + rng.integers(-35, 15), np.arange(DAYS)
    return steady(rng) * rhythm(rng, 0.4, 1) * np.where((day >= start) & (day < start + 9), 0.2, 1)


KINDS: tuple[Callable[[np.random.Generator], Floats], ...] = (steady, weekly, growth, launch, wandering, pause)


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
        yield Case(series[today - known : today], min(over, known), series[today:])


def cases_of_examples(folder: Path) -> list[Case]:
    """The months of the examples in a folder with a month before them, of each project and of all, on the same days."""
    with tempfile.TemporaryDirectory() as place:
        tollbook = [sys.executable, "-m", "tollbook", "--db", f"{place}/tollbook.db"]
        files = sorted(str(path) for path in folder.iterdir())
        subprocess.run([*tollbook, "ingest", *files], check=False, capture_output=True)
        report = [*tollbook, "report", "--by", "project", "--by", "day", "--json"]
        rows = json.loads(subprocess.run(report, check=True, capture_output=True).stdout)["rows"]
    costs: dict[str, dict[date, float]] = defaultdict(lambda: defaultdict(float))
    for row in rows:
        for name in (row["project"], "total"):
            costs[name][date.fromisoformat(row["day"])] += float(row["usd"])
    begin = min(map(min, costs.values()))
    found = []
    for each in costs.values():
        for first, end in ((date(2026, 3, 1), date(2026, 4, 1)), (date(2026, 4, 1), date(2026, 5, 1))):
            series = np.array([each[begin + timedelta(days=day)] for day in range((end - begin).days)])
            if series[(first - begin).days :].any():
                days = ((first - begin).days + over for over in ASKED)
                found += [
                    Case(series[max(today - MOST_DAYS, 0) : today], over, series[today:])
                    for today, over in zip(days, ASKED, strict=True)
                ]
    return found


def tollbook_end(case: Case) -> tuple[float, float, float]:
    """Low, expected and high by `forecast`."""
    today = FIRST + timedelta(days=len(case.past))
    history = [(FIRST + timedelta(days=day), round(amount * USD)) for day, amount in enumerate(case.past)]
    end = today + timedelta(days=len(case.to_come))
    found = forecast(history, spent=round(case.spent * USD), today=today, passed=0, first=FIRST, end=end)
    spent = round(case.spent * USD)
    low, expected, high = (spent if cost is None else cost for cost in (found.low, found.expected, found.high))
    return low / USD, expected / USD, high / USD


def run_rate_end(case: Case) -> float:
    """Returns the month's mean cost of a day so far, for every day to come."""
    return case.spent * (1 + len(case.to_come) / case.over)


def errors_of_models(found: Sequence[Case]) -> dict[str, float]:
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
        SeasonalWindowAverage(season_length=WEEK, window_size=4, alias="4 weeks by weekday"),
        WindowAverage(window_size=28, alias="28 days"),
    ]
    told = StatsForecast(models=models, freq=1).forecast(df=table, h=MONTH - ASKED[0]).set_index("unique_id")
    errors: dict[str, list[float]] = defaultdict(list)
    for number, case in enumerate(found):
        ahead = told.loc[number].iloc[: len(case.to_come)]
        for model in models:
            errors[repr(model)].append(case.error(case.spent + float(ahead[repr(model)].sum())))
    return {name: float(np.mean(each)) for name, each in errors.items()}


def measured(found: Sequence[Case], *, beside: bool = False) -> dict[str, str]:
    """The mean errors of cases and how the ranges do, beside statsforecast's models where that is asked for."""
    told = [(case, *tollbook_end(case)) for case in found]
    error = float(np.mean([case.error(expected) for case, _low, expected, _high in told]))
    rate = float(np.mean([case.error(run_rate_end(case)) for case in found]))
    covered = np.mean([low <= case.end <= high for case, low, _expected, high in told])
    width = np.median([(high - low) / 2 / case.end for case, low, _expected, high in told])
    models = errors_of_models(found) if beside else {}
    return {
        "forecast": f"{error:.1%}",
        "run rate": f"{rate:.1%}",
        "beside the run rate": f"{error / rate - 1:+.0%}",
        **{name: f"{each:.1%}" for name, each in models.items()},
        **({"beside the best model": f"{error / min(models.values()) - 1:+.0%}"} if models else {}),
        "range covers": f"{covered:.0%}",
        "range, in the middle": f"±{width:.0%}",
    }


def show(title: str, columns: dict[str, dict[str, str]]) -> None:
    """Prints a column for each kind."""
    print(f"\n{title:22}", *(f"{name:>10}" for name in columns), sep="")
    for name in next(iter(columns.values())):
        print(f"{name:22}", *(f"{column[name]:>10}" for column in columns.values()), sep="", flush=True)


def main() -> None:
    series = int(sys.argv[1]) if len(sys.argv) > 1 else 200
    for known in (MOST_DAYS, *YOUNG):
        columns = {}
        for place, kind in enumerate(KINDS):
            found = [case for number in range(series) for case in cases(number, place, known)]
            columns[kind.__name__] = measured(found, beside=known == MOST_DAYS)
        show(f"{counted(known, 'day')} known", columns)
    columns = {name: measured(cases_of_examples(EXAMPLES / name)) for name in ("usage", "demo")}
    show("the examples", columns)


if __name__ == "__main__":
    main()
