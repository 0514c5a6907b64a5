"""The cost of a period at its end, told from the days before: docs/decisions/0022 has the method's why.

A day to come costs its weekday's share of the level. The level was steady, grew, or stepped up or down on some day:
each of these shapes counts as much as it explains the days so far. The range holds the end four times out of five: it
is as wide as the method would have erred, had it been asked on earlier days.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, Literal, NamedTuple, TypeAlias
from zoneinfo import ZoneInfo

from ledger.values.calendar import day_start

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Floats: TypeAlias = npt.NDArray[np.float64]

Method: TypeAlias = Literal["too early", "run rate", "weekdays"]

# Whole days: fewer tell nothing, from two weeks on weekdays do, and what is longer ago than eight weeks doesn't.
FEWEST_DAYS = 3
WEEKDAYS_FROM = 14
MOST_DAYS = 56
# From two weeks on, one day and one more in each four weeks may be odd: they count up to so many times the dearest of
# the others.
ODD_EVERY = 28
MOST_ABOVE = 2.0
# Before any day is seen, growth (at any of these rates a week) and a step (on any day) have this chance each. Of a
# week's growth the next one has so much.
CHANGED = 0.1
RATES = (-0.15, -0.1, -0.05, 0.05, 0.1, 0.15, 0.2, 0.25)
GROWTH_KEPT = 0.8
# The range: so many of the earlier errors lie in it, and so many standard deviations of what the shapes tell. Where
# less than five weeks are known, usage may grow unseen, by up to so much a week.
IN_RANGE = 0.8
DEVIATIONS = 1.28
GROWTH_SEEN_FROM = 35
UNSEEN_GROWTH = 0.3
# The range of a single day: so many times the median miss of up to four weeks, of which at least one is known.
FEWEST_MISSES, MOST_MISSES = 7, 28
MISSES = 3.2


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


class ExpectedDay(NamedTuple):
    """The cost of a day as the days before tell it, in nano; about 19 of 20 days lie from `low` to `high`."""

    low: int
    expected: int
    high: int


def forecast(
    history: Sequence[tuple[date, int]], *, spent: int, today: date, passed: float, first: date, end: date
) -> Forecast:
    """Returns the forecast of the period from `first` to before `end`.

    `history` are days and what they cost, `spent` what the period did so far, `passed` the part of today that is over.
    Days of the history without an amount cost nothing; of it today, and what is over eight weeks ago, is left out.
    """
    import numpy as np

    past = _past(dict(history), today)
    if len(past) < FEWEST_DAYS:
        return Forecast("too early")
    days = (end - today).days
    ahead, doubt = _ahead(past, days)
    ahead[:1] *= 1 - passed
    ahead[: max((first - today).days, 0)] = 0
    rest = float(ahead.sum())
    below, above = _margins(past, days, doubt)
    costs = (spent + round(float(cost)) for cost in np.cumsum(ahead))
    by_day = tuple((today + timedelta(days=number), cost) for number, cost in enumerate(costs))
    return Forecast(
        "weekdays" if len(past) >= WEEKDAYS_FROM else "run rate",
        spent + round(rest * (1 - below)),
        by_day[-1][1] if by_day else spent,
        spent + round(rest * (1 + above)),
        by_day,
    )


def forecast_at(
    history: Sequence[tuple[date, int]], *, spent: int, at: datetime, start: datetime, end: datetime, zone: ZoneInfo
) -> Forecast:
    """Returns the forecast, at a time, of the period of whole days [start, end) in a zone."""
    today, first, after = (moment.astimezone(zone).date() for moment in (at, start, end))
    midnight, next_midnight = (day_start(today + timedelta(days=more), zone) for more in (0, 1))
    passed = (at - midnight) / (next_midnight - midnight)
    return forecast(history, spent=spent, today=today, passed=passed, first=first, end=after)


def expected_days(history: Sequence[tuple[date, int]], first: date, end: date) -> dict[date, ExpectedDay]:
    """Returns what each day from `first` to before `end` was expected to cost, told from the eight weeks before it.

    `history` goes back at least twelve weeks before `first`, or to the first day with usage, and up to the last day
    asked for. A day is left out where less than three weeks before it are known. The range goes by the median of what
    was missed on the four weeks before, so that a few odd days don't widen it; it has no width where nothing was.
    """
    import numpy as np

    amounts = dict(history)
    misses: list[float] = []
    found = {}
    for number in range(-MOST_MISSES, (end - first).days):
        day = first + timedelta(days=number)
        past = _past(amounts, day)
        if len(past) < WEEKDAYS_FROM:
            continue
        expected = float(_ahead(past, 1)[0][0])
        # As square roots, costs that are twice and half as high as expected are about as far away.
        root = expected**0.5
        if number >= 0 and len(misses) >= FEWEST_MISSES:
            far = MISSES * float(np.median(misses[-MOST_MISSES:]))
            low, high = max(root - far, 0.0) ** 2, (root + far) ** 2
            found[day] = ExpectedDay(round(low), round(expected), round(high))
        misses.append(abs(max(amounts.get(day, 0), 0) ** 0.5 - root))
    return found


def _past(amounts: Mapping[date, int], today: date) -> Floats:
    """Returns the cost of each whole day before today, from the first that cost something."""
    import numpy as np

    days = [max(amounts.get(today - timedelta(days=age), 0), 0) for age in range(MOST_DAYS, 0, -1)]
    used = next((place for place, amount in enumerate(days) if amount), MOST_DAYS)
    return np.array(days[used:], dtype=np.float64)


def _without_odd_days(past: Floats) -> Floats:
    """Returns the days, those that may be odd at no more than they may be above the others."""
    import numpy as np

    return np.asarray(np.minimum(past, MOST_ABOVE * np.sort(past)[-2 - len(past) // ODD_EVERY]))


def _ahead(past: Floats, days: int) -> tuple[Floats, float]:
    """Returns the expected cost of each day to come, and how far the shapes differ in the sum, as a part of it."""
    import numpy as np

    count = len(past)
    if count < WEEKDAYS_FROM:
        return np.full(days, past.mean()), 0.0
    seen = _without_odd_days(past)
    if not seen.any():
        return np.zeros(days), 0.0
    shapes, chances = _shapes(seen, days)
    # How likely the days so far are under each shape; three count as two, since days close together err alike. What is
    # added keeps a shape that fits exactly from counting alone.
    errors = ((np.sqrt(seen) - np.sqrt(shapes[:, :count])) ** 2).mean(axis=1) / seen.mean() + 1e-9
    likely = np.log(chances) - count / 3 * np.log(errors)
    weights = np.exp(likely - likely.max())
    weights /= weights.sum()
    ahead = weights @ shapes[:, count:]
    sums = shapes[:, count:].sum(axis=1)
    expected = float(ahead.sum())
    return ahead, float(np.sqrt(weights @ (sums - expected) ** 2)) / expected if expected > 0 else 0.0


def _shapes(seen: Floats, days: int) -> tuple[Floats, Floats]:
    """Returns the costs by each shape, of all days seen and to come, and its chance: steady, growing, stepped.

    Each costs in sum what was seen.
    """
    import numpy as np

    count = len(seen)
    place = np.arange(count + days)
    # Each day's; none is quite nothing, as levels are divided by them.
    shares = np.maximum(_shares(seen), 1e-9)[(place - count) % 7]
    weeks = (place - count + 1) / 7
    growing = np.exp(np.outer(RATES, np.where(weeks > 0, (1 - GROWTH_KEPT**weeks) / (1 - GROWTH_KEPT), weeks)))
    used = np.cumsum(seen > 0)
    steps = np.flatnonzero((used >= FEWEST_DAYS) & (used[-1] - used >= FEWEST_DAYS))
    sums, weights = np.cumsum(seen), np.cumsum(shares[:count])
    before = sums[steps] / weights[steps]
    after = (sums[-1] - sums[steps]) / (weights[-1] - weights[steps])
    stepped = np.where(place <= steps[:, np.newaxis], before[:, np.newaxis], after[:, np.newaxis])
    shapes = np.vstack([np.ones((1, count + days)), growing, stepped]) * shares
    shapes *= (seen.sum() / shapes[:, :count].sum(axis=1))[:, np.newaxis]
    kinds = (1, len(RATES), len(steps))
    chances = np.repeat([1 - 2 * CHANGED, CHANGED / len(RATES), CHANGED / max(len(steps), 1)], kinds)
    return shapes, chances


def _shares(seen: Floats) -> Floats:
    """Returns the share of each weekday in a week's mean, by whole weeks; nearer to 1 the more that may be chance.

    The first is the weekday of the day after those seen.
    """
    import numpy as np

    weeks = seen[len(seen) % 7 :].reshape(-1, 7)
    weeks = weeks[weeks.any(axis=1)]
    if len(weeks) < 2:
        return np.ones(7)
    parts = weeks / weeks.mean(axis=1, keepdims=True)
    shares = parts.mean(axis=0)
    chance, spread = parts.var(axis=0, ddof=1).mean() / len(weeks), shares.var(ddof=1)
    return np.asarray(1 + (shares - 1) * (max(1 - chance / spread, 0.0) if spread > 0 else 0.0))


def _margins(past: Floats, days: int, doubt: float) -> tuple[float, float]:
    """Computes the range below and above, as parts of what is to come.

    It holds four of five errors on earlier days, each told from its own past, and what the shapes differ in now.
    """
    import numpy as np

    count = len(past)
    if count >= WEEKDAYS_FROM:
        past = _without_odd_days(past)
    start = count * 5 // 8
    errors: list[float] = []
    for origin in range(start, count - max(min(days, 7, count - start), 1) + 1):
        span = min(days, count - origin)
        expected, actual = float(_ahead(past[:origin], span)[0].sum()), float(past[origin : origin + span].sum())
        # As a part of the mean of both: at most 2, however much more came than was expected.
        if expected + actual > 0:
            errors.append(2 * abs(actual - expected) / (actual + expected))
    # Further ahead than the eight weeks known, errors grow as those of a level that wanders.
    wider = max(days / MOST_DAYS, 1.0) ** 0.5
    error = wider * float(np.hypot(np.quantile(errors or [0.0], IN_RANGE), DEVIATIONS * doubt))
    weeks = min((count + days) / 14, 1 / (1 - GROWTH_KEPT))
    unseen = UNSEEN_GROWTH * weeks * max(1 - count / GROWTH_SEEN_FROM, 0.0)
    return min(error, 1.0), float(np.hypot(error, unseen))
