"""Cache storage by columns: the figures of `pricing.charge.price_storage`."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from pricing.batch import refusal_by
from pricing.charge import price_storage
from pricing.columns import check_lengths
from pricing.rate_table import DateTable, RateTable, most_tokens
from pricing.usage import US_PER_HOUR, instant

if TYPE_CHECKING:
    from pricing.columns import ModelColumn
    from pricing.errors import PricingError
    from pricing.money import Int64Array
    from pricing.rate_card import RateCard
    from pricing.rate_entry import RateEntry


class StorageCharges(NamedTuple):
    """Charges of storage by row, which has no tier; a refused row has index -1 and amount 0."""

    entries: tuple[RateEntry, ...]
    entry_index: Int64Array
    tier_index: Int64Array
    amount_nano: Int64Array
    errors: dict[int, PricingError]

    @property
    def cache_storage_nano(self) -> Int64Array:
        """The amounts of the one meter that there is."""
        return self.amount_nano


def price_storage_batch(
    *, card: RateCard, model: ModelColumn, start: Int64Array, end: Int64Array, tokens: Int64Array
) -> StorageCharges:
    """Prices tokens stored over [start, end), in microseconds UTC; a bad row is named in `errors`, never raised.

    That the times are of the years 1 to 9999 is the caller's to see to.
    """
    import numpy as np

    names, codes = model
    check_lengths(model=codes, start=start, end=end, tokens=tokens)
    zeros = np.zeros_like(tokens)
    dates = DateTable.of(card, names)
    index = dates.entries_at(codes, start, zeros)
    rates = [entry.cache_storage_pico for entry in dates.entries]
    rate = np.array([*(pico or 0 for pico in rates), 0], np.int64).take(index)
    most = np.array([*map(most_tokens, rates), 0], np.int64).take(index)
    hours = -(-end // US_PER_HOUR) - start // US_PER_HOUR
    most = np.where(rate > 0, most // np.maximum(hours, 1), most)
    refused = (index < 0) | (end <= start) | (tokens < 0) | (tokens > most)
    table = RateTable.of(dates.entries)
    amount_nano = table.settle(table.slots(index, zeros, zeros), tokens * rate * hours, tokens)
    index[refused], amount_nano[refused] = -1, 0

    def price(row: int) -> object:
        begins, ends = instant(int(start[row])), instant(int(end[row]))
        return price_storage(card.entry_at(names[codes[row]], begins), int(tokens[row]), begins, ends)

    errors = {row: refusal_by(partial(price, row), row) for row in np.flatnonzero(refused).tolist()}
    return StorageCharges(dates.entries, index, zeros - 1, amount_nano, errors)
