"""All figures of one month's page, as its readers found them in one snapshot."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from zoneinfo import ZoneInfo

from ledger.budgets.status import BudgetStatus
from ledger.pages.figures.values import (
    CacheEconomics,
    Crossing,
    Days,
    Lever,
    MonthPart,
    Oddity,
    Ranked,
    WalletLine,
)
from ledger.reports.bridge.values import Bridge
from ledger.reports.completeness import Completeness
from ledger.reports.conversion_notes import ConversionNote
from ledger.values.calendar import shift_month
from pricing.money import Conversion

# Raised whenever the page of a closed month would come out differently.
PAGE_VERSION = 1


@dataclass(frozen=True, slots=True)
class Totals:
    """The cost of a month or of a part of it, and its requests and tokens, input and output."""

    usd_nano: int = 0
    requests: int = 0
    tokens: int = 0


@dataclass(frozen=True, slots=True)
class Close:
    """The close that holds of a month; `forced_reason` is why it was closed in spite of objections."""

    at: datetime
    number: int
    forced_reason: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class MonthFigures:
    """The figures of a month, or of one project's part of it.

    `at` is the end of a closed month, of an open one the time that the page is of. `previous` is as much of the month
    before as is over of this one: up to `previous_until`, or None where that is all of it; None without usage then.
    `rows` is what was asked for, and `rows_skipped` true where levers that need rows were not looked for;
    `without_rows` says without which usage they were. `notes` are for who asked, not on the page.
    """

    month: str
    zone: ZoneInfo
    at: datetime
    total: Totals
    completeness: Completeness
    close: Close | None = None
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
    conversion_notes: tuple[ConversionNote, ...] = ()
    rate_entries: tuple[str, ...] = ()
    unbooked_calls: int = 0
    rows: bool = False
    rows_skipped: bool = False
    without_rows: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def previous_month(self) -> str:
        return shift_month(self.month, -1)

    @property
    def is_closed(self) -> bool:
        return self.close is not None

    @property
    def is_over(self) -> bool:
        return f"{self.at.astimezone(self.zone):%Y-%m}" > self.month

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
