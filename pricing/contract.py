"""A price agreed upon for some models over a period: a factor on the list's rates, or rates of its own."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from pricing.rate_entry import STANDARD_NAMES, STANDARD_SERVICE

if TYPE_CHECKING:
    from pricing.rate_entry import PromptTier, RateEntry


@dataclass(frozen=True, slots=True)
class Contract:
    """One term of a contract, from `effective_from` (inclusive) to `effective_to` (exclusive, None without end).

    It is for `models` (empty: all of the card) and `service_tiers` (empty: all). Either `factor` multiplies the
    rates of `meters`, or `tiers` are rates of its own, row by row those of the list. `file` and `path` name its place.
    """

    name: str
    effective_from: dt.datetime
    effective_to: dt.datetime | None
    models: tuple[str, ...]
    service_tiers: tuple[str, ...]
    factor: str | None
    meters: tuple[str, ...]
    tiers: tuple[PromptTier, ...]
    source_url: str | None = field(default=None, compare=False)
    checked_on: dt.date | None = field(default=None, compare=False)
    file: str = field(default="", compare=False)
    path: str = field(default="", compare=False)

    def covers(self, entry: RateEntry, end: dt.datetime | None) -> bool:
        """Tells whether it is for the model, the service tier and some of the days of a list entry, to `end`."""
        names = STANDARD_NAMES if entry.service == STANDARD_SERVICE else frozenset(entry.service_names)
        return (
            (not self.models or entry.model in self.models)
            and (not self.service_tiers or not names.isdisjoint(self.service_tiers))
            and (end is None or self.effective_from < end)
            and (self.effective_to is None or entry.effective_from < self.effective_to)
        )

    def overlaps(self, other: Contract) -> bool:
        """Tells whether both hold at some time."""
        return (other.effective_to is None or self.effective_from < other.effective_to) and (
            self.effective_to is None or other.effective_from < self.effective_to
        )
