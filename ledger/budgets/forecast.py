"""The cost of a period at its end, told from the days before: docs/decisions/0022 has the method's why.

The days to come cost what their weekdays do, at the level of the last four weeks. The range holds the end four times
out of five: it is as wide as the method would have erred, had it been asked on earlier days.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import TYPE_CHECKING, Literal, TypeAlias

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Floats: TypeAlias = npt.NDArray[np.float64]

Method: TypeAlias = Literal["too early", "run rate", "weekdays"]

# Whole days: fewer tell nothing, from two weeks on weekdays do, and what is longer ago than eight weeks doesn't.
FEWEST_DAYS = 3
WEEKDAYS_FROM = 14
MOST_DAYS = 56
# The level: weeks that count for it, each for so much of the next, and none before a step of more than this part.
LEVEL_WEEKS = 4
WEEK_WEIGHT = 0.6
STEP = 0.35
# Growth from week to week, seen from so many weeks on: this much of it goes on, for so long, where it is beyond chance.
GROWTH_FROM = 5
GROWTH_WEIGHT = 0.8
GROWTH_WEEKS = 6.0
MOST_GROWTH = 0.3
CHANCE = 2.5
# The range: wider the more is to come beside the past, up to so many times it; no side under half the other one, and
# the younger a ledger of under two weeks, the more of this at least.
FAR = 1.0
FAREST = 2.0
YOUNG = 0.4


@dataclass(frozen=True, slots=True)
class Forecast:
    """The cost of a period at its end, in nano; without figures where it is too early to tell.

    `by_day` is the expected cost up to the end of each day to come.
    """

    method: Method
    low: int | None = None
    expected: int | None = None
    high: int | None = None
    by_day: tuple[tuple[date, int], ...] = ()

    def runs_out(self, amount: int) -> date | None:
        """Returns the day on which the expected cost passes an amount."""
        return next((day for day, cost in self.by_day if cost > amount), None)


def forecast(
    history: Sequence[tuple[date, int]], *, spent: int, today: date, passed: float, first: date, end: date
) -> Forecast:
    """Returns the forecast of the period from `first` to before `end`.

    `history` are days and what they cost, `spent` what the period did so far, `passed` the part of today that is over.
    Days of the history without an amount cost nothing; of it today, and what is over eight weeks ago, is left out.
    """
    import numpy as np

    past = _past(history, today)
    if len(past) < FEWEST_DAYS:
        return Forecast("too early")
    days = (end - today).days
    ahead = _ahead(past, days)
    ahead[:1] *= 1 - passed
    ahead[: max((first - today).days, 0)] = 0
    rest = float(ahead.sum())
    below, above = _margins(past, days)
    costs = (spent + round(float(cost)) for cost in np.cumsum(ahead))
    by_day = tuple((today + timedelta(days=number), cost) for number, cost in enumerate(costs))
    return Forecast(
        "weekdays" if len(past) >= WEEKDAYS_FROM else "run rate",
        spent + round(rest * (1 - below)),
        by_day[-1][1] if by_day else spent,
        spent + round(rest * (1 + above)),
        by_day,
    )


def _past(history: Sequence[tuple[date, int]], today: date) -> Floats:
    """The cost of each whole day before today, from the first that cost something."""
    import numpy as np

    amounts = {(today - day).days: max(amount, 0) for day, amount in history if amount > 0}
    known = [age for age in amounts if 1 <= age <= MOST_DAYS]
    return np.array([amounts.get(age, 0) for age in range(max(known, default=0), 0, -1)], dtype=np.float64)


def _ahead(past: Floats, days: int) -> Floats:
    """The expected cost of each day to come, the first the one after the past."""
    import numpy as np

    if len(past) < WEEKDAYS_FROM:
        return np.full(days, past.mean())
    # Whole weeks up to the last day: what comes first has the first column's weekday.
    weeks = past[len(past) % 7 :].reshape(-1, 7)
    if not weeks.any():
        return np.zeros(days)
    levels = weeks.mean(axis=1)
    ages = np.arange(_weeks_of_level(levels))
    weights = WEEK_WEIGHT**ages / (WEEK_WEIGHT**ages).sum()
    level = weights @ levels[::-1][: len(ages)]
    weekdays = np.resize(weeks.mean(axis=0) / weeks.mean(), days)
    since_level = np.minimum((np.arange(days) + 4) / 7 + weights @ ages, GROWTH_WEEKS)
    return np.asarray(weekdays * level * np.exp(_growth(levels) * since_level))


def _changes(levels: Floats) -> Floats:
    """From week to week, as a part of the mean of both: between -2 and 2."""
    import numpy as np

    sums = levels[1:] + levels[:-1]
    return np.asarray(2 * np.diff(levels) / np.where(sums > 0, sums, 1))


def _weeks_of_level(levels: Floats) -> int:
    """Counts the last weeks up to a step, which a week without usage isn't: that is silence."""
    weeks = 1
    for change in _changes(levels)[::-1][: LEVEL_WEEKS - 1]:
        if STEP < abs(change) < 2:
            break
        weeks += 1
    return weeks


def _growth(levels: Floats) -> float:
    """The growth a week that goes on: the median change, less the more the changes differ."""
    import numpy as np

    if len(levels) < GROWTH_FROM:
        return 0.0
    changes = _changes(levels)
    middle = float(np.median(changes))
    chance = CHANCE * float(np.median(np.abs(changes - middle))) / len(changes) ** 0.5
    if abs(middle) <= chance:
        return 0.0
    return GROWTH_WEIGHT * float(np.clip(middle * (1 - (chance / middle) ** 2), -MOST_GROWTH, MOST_GROWTH))


def _margins(past: Floats, days: int) -> tuple[float, float]:
    """Computes the range below and above, as parts of what is to come.

    They are the 10th and 90th percentile of the errors of earlier days, each from its own past.
    """
    import numpy as np

    count = len(past)
    errors: list[float] = []
    for origin in range(max(FEWEST_DAYS, count * 5 // 8), count - max(min(days, 7, count // 4), 1) + 1):
        span = min(days, count - origin)
        expected = float(_ahead(past[:origin], span).sum())
        if expected > 0:
            errors.append(float(past[origin : origin + span].sum()) / expected - 1)
    low, high = np.quantile(errors or [0.0], [0.1, 0.9])
    wider = 1 + FAR * min(days / count, FAREST)
    young = YOUNG * max(1 - count / WEEKDAYS_FROM, 0)
    below, above = (max(float(side) * wider, young) for side in (-low, high))
    return min(max(below, above / 2), 1.0), max(above, min(below, 1.0) / 2)
