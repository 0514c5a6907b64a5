"""The figures of a month's page, before any words: money is nano USD, percents are tenths, times are UTC."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from fractions import Fraction
from typing import Literal, TypeAlias

LeverKind: TypeAlias = Literal["price_step", "uncached_prefix", "cache_storage"]
OddKind: TypeAlias = Literal["day", "new_project", "unassigned"]


@dataclass(frozen=True, slots=True)
class Ranked:
    """A project or model among the dearest; `previous_nano` None where there is no month before."""

    name: str
    usd_nano: int
    previous_nano: int | None
    requests: int
    tokens: int
    """Input and output tokens."""


@dataclass(frozen=True, slots=True)
class Lever:
    """A way to spend less: `saving_nano` is what it would have saved in the month, nothing else changed.

    `requests` are those it is about. Of price steps `bound` is the inclusive end of the cheaper one, of caches `share`
    is the part read from cache, and what it could be is `possible_share`.
    """

    kind: LeverKind
    project: str
    model: str | None
    owner: str | None
    saving_nano: int
    requests: int
    bound: int | None = None
    share: Fraction | None = None
    possible_share: Fraction | None = None


@dataclass(frozen=True, slots=True)
class Oddity:
    """A day far outside its range, a project that is new, or spend that has no project.

    Of a day, `name` is the project that moved it most, "" where none did, and `low_nano` to `high_nano` what was to be
    expected.
    """

    kind: OddKind
    name: str
    usd_nano: int
    day: date | None = None
    low_nano: int | None = None
    high_nano: int | None = None


@dataclass(frozen=True, slots=True)
class MonthPart:
    """Late usage, corrections or adjustments posted in the month, by the month that they belong to."""

    kind: Literal["late", "correction", "adjustment"]
    occurred_month: str
    requests: int
    usd_nano: int


@dataclass(frozen=True, slots=True)
class CacheEconomics:
    """The cache in a month: tokens read from it among all input, what that saved, what storage cost."""

    input_tokens: int
    cached_input_tokens: int
    saved_nano: int
    storage_nano: int


@dataclass(frozen=True, slots=True)
class Crossing:
    """A threshold that a budget had reached by the end of a month, in a period with a day in it.

    `at` is the end of the quarter-hour that reached it, of a day's last one the day's last microsecond; it is before
    the month where the period began before.
    """

    budget: str
    period: str
    percent: int
    at: datetime


@dataclass(frozen=True, slots=True)
class WalletLine:
    """A wallet at the end of the month, or now: its balance, and the days it lasts at each rate (None: nothing used).

    `expiring_nano` is what expires unused before the end of the next month; amounts are nano of its currency.
    """

    provider: str
    currency: str
    balance_nano: int
    lasts_days: tuple[tuple[int, Fraction | None], ...]
    expiring_nano: int
    expires_first: date | None


@dataclass(frozen=True, slots=True)
class Days:
    """The days of the month: what each cost by when it happened, and what each day to come is expected to.

    `low_nano` to `high_nano` is the range of the whole month at its end; None where there is no forecast.
    """

    actual: tuple[tuple[date, int], ...]
    expected: tuple[tuple[date, int], ...] = ()
    method: str | None = None
    low_nano: int | None = None
    forecast_nano: int | None = None
    high_nano: int | None = None
