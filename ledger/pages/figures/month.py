"""All figures of one month's page, as its readers found them in one snapshot."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from zoneinfo import ZoneInfo

from ledger.budgets.status import BudgetStatus
from ledger.pages.figures.values import (
    Bridge,
    CacheEconomics,
    Crossing,
    Days,
    Lever,
    MonthPart,
    Oddity,
    Ranked,
    WalletLine,
)
from ledger.reports.completeness import Completeness
from ledger.values.calendar import shift_month
from pricing.money import Conversion

# Raised whenever the page of a closed month would come out differently.
PAGE_VERSION = 1


@dataclass(frozen=True, slots=True)
class Totals:
    """The cost of a month or a part of it, and the requests and tokens, input and output, that it is of."""

    usd_nano: int = 0
    requests: int = 0
    tokens: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class MonthFigures:
    """The figures of a month, or of one project's part of it.

    `at` is the end of a closed month, of an open one the time that the page is of. `previous` is as much of the month
    before as is over of this one: up to `previous_until`, or None where that is all of it; None without usage then.
    `skipped` says which of the figures were not read, as they need rows; `notes` are for who asked, not on the page.
    """

    month: str
    zone: ZoneInfo
    at: datetime
    total: Totals
    completeness: Completeness
    closed_at: datetime | None = None
    close_number: int | None = None
    forced_reason: str | None = None
    project: str | None = None
    previous: Totals | None = None
    previous_until: datetime | None = None
    budgets: tuple[BudgetStatus, ...] = ()
    wallets: tuple[WalletLine, ...] = ()
    bridge: Bridge | None = None
    levers: tuple[Lever, ...] = ()
    projects: tuple[Ranked, ...] = ()
    models: tuple[Ranked, ...] = ()
    days: Days = field(default_factory=lambda: Days(()))
    oddities: tuple[Oddity, ...] = ()
    parts: tuple[MonthPart, ...] = ()
    cache: CacheEconomics | None = None
    crossings: tuple[Crossing, ...] = ()
    conversions: tuple[Conversion, ...] = ()
    rate_entries: tuple[str, ...] = ()
    unbooked_calls: int = 0
    skipped: str | None = None
    notes: tuple[str, ...] = ()

    @property
    def previous_month(self) -> str:
        return shift_month(self.month, -1)

    @property
    def is_closed(self) -> bool:
        return self.closed_at is not None

    @property
    def whole_budget(self) -> BudgetStatus | None:
        """The budget that the month is compared with: of all that the page is about, by month and in USD."""
        scope = (self.project,) if self.project is not None else ()
        for each in self.budgets:
            budget = each.budget
            covers = budget.projects == scope and not budget.models and not budget.tags
            if covers and budget.period == "month" and budget.amount.currency == "USD":
                return each
        return None
