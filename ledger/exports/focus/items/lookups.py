"""The means to work out items: the month, prices, conversions, projects and the tags that rows are by."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from ledger.book.prices.pinned import charged_at_pico
from ledger.book.project_names import Projects
from ledger.book.rollups import TagSubset
from ledger.exports.focus.items.item import Rate
from ledger.values.calendar import Calendar
from pricing.rate_entry import RateEntry


@dataclass(slots=True)
class Books:
    """A month of a ledger: `tags` picks those of a row's tags that cells are by."""

    month: str
    calendar: Calendar
    entries: Mapping[int, RateEntry]
    usd_rates: Mapping[int | None, int | None]
    projects: Projects
    tags: TagSubset
    _rates: dict[tuple[int, str, str], Rate] = field(default_factory=dict)

    def rate(self, entry_id: int, tier: str, meter: str) -> Rate:
        """Looks up the price of a meter in a tier of a price entry."""
        found = self._rates.get((entry_id, tier, meter))
        if found is None:
            entry = self.entries[entry_id]
            rate_pico, list_pico = (charged_at_pico(each, tier, meter) for each in (entry, entry.listed or entry))
            found = self._rates[entry_id, tier, meter] = Rate(rate_pico, list_pico, entry.key, entry.service)
        return found


def tags_cell(tags: str | None) -> str | None:
    """Returns tags as a cell has them: none is null."""
    return None if tags in {None, "", "{}"} else tags
