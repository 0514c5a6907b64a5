"""The figures of a month priced otherwise, beside those that are booked."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from ledger.reports.bridge.values import Cause
from ledger.reports.completeness import NotBooked
from ledger.values.spend import Spend
from ledger.whatif.changes import Asked
from pricing.errors import PricingError

Dimension: TypeAlias = Literal["project", "model", "tier"]


@dataclass(frozen=True, slots=True)
class Moved:
    """The money of a project, model or tier as booked, and as it would be; records are requests."""

    by: Dimension
    name: str
    before: Spend = field(default_factory=Spend)
    after: Spend = field(default_factory=Spend)

    @property
    def is_nothing(self) -> bool:
        """True where all of it was taken back on both sides."""
        sides = (self.before, self.after)
        return not any(side.records or any(side.parts.values()) for side in sides)

    @property
    def change_nano(self) -> int:
        """Nano-USD, of the two sums as they are shown."""
        return self.after.usd_nano - self.before.usd_nano


@dataclass(slots=True)
class Unpriced:
    """The charges that can't be priced as asked, which stay as booked; `message` says why the first can't."""

    charges: int = 0
    spend: Spend = field(default_factory=Spend)
    message: str = ""

    def add(self, currency: str, per_usd_nano: int | None, amount_nano: int, error: PricingError) -> None:
        """Counts a charge in."""
        self.charges += 1
        self.message = self.message or str(error)
        self.spend.add(currency, per_usd_nano, amount_nano, 1)


@dataclass(frozen=True, slots=True)
class WhatIf:
    """A month as booked and priced otherwise.

    `read` counts the charges that were priced one by one, none where sums did, and `changed` those of them that differ;
    `requests_changed` are requests however they were priced. `rows` are by project, model
    and tier; what causes the change adds up to it. Corrections of closed months and adjustments are the same on both
    sides, nano-USD.
    """

    title: str
    month: str
    asked: Asked
    read: int
    changed: int
    requests_changed: int
    rows: tuple[Moved, ...]
    by_cause: tuple[tuple[Cause, int], ...]
    before: Spend
    after: Spend
    unpriced: Unpriced
    corrections_usd_nano: int
    adjustments_usd_nano: int
    not_booked: NotBooked
    notes: tuple[str, ...] = ()

    @property
    def change_nano(self) -> int:
        """Nano-USD, of the two totals as they are shown."""
        return self.after.usd_nano - self.before.usd_nano
