"""The rating rule by columns: the figures of `pricing.charge`, shown equal to it by tests over the whole domain."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING

from pricing.charge import price_entry
from pricing.columns import CountColumn, check_lengths, count_column
from pricing.errors import PricingError
from pricing.rate_entry import OPTIONAL_METERS
from pricing.rate_table import RateTable
from pricing.record_fields import FEW_HAVE
from pricing.usage import TokenUsage

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from pricing.columns import Column
    from pricing.money import Int64Array
    from pricing.rate_entry import RateEntry

# A block's columns fit the processor's second-level cache.
BLOCK_ROWS = 1 << 13
# The columns that the meters but `input` are priced by, which is the rest.
COUNT_OF = {
    "cached_input": "cached_input_tokens",
    "output": "output_tokens",
    "cache_write_5m": "cache_write_5m_tokens",
    "cache_write_1h": "cache_write_1h_tokens",
    "call": "calls",
}


@dataclass(slots=True)
class BatchCharges:
    """Charges by row; a refused row has amounts 0 and indexes -1. `tier_index` counts the entry's tiers from 0."""

    entries: tuple[RateEntry, ...]
    entry_index: Int64Array
    tier_index: Int64Array
    input_nano: Int64Array
    cached_input_nano: Int64Array
    output_nano: Int64Array
    cache_write_5m_nano: Int64Array
    cache_write_1h_nano: Int64Array
    call_nano: Int64Array
    amount_nano: Int64Array
    errors: dict[int, PricingError] = field(default_factory=dict)


_COLUMNS = len(fields(BatchCharges)) - 2  # all but `entries` and `errors`


def count_columns(input_tokens: Column, **parts: Column | None) -> dict[str, CountColumn]:
    """Returns columns of counts by their names in TokenUsage, less meters that few have where those are None."""
    import numpy as np

    whole = count_column(input_tokens)
    counts = {"input_tokens": whole}
    for name, column in parts.items():
        if column is not None:
            counts[name] = count_column(column)
        elif name not in FEW_HAVE:
            counts[name] = count_column(np.zeros(len(whole.values), np.int64))
    check_lengths(**{name: count.values for name, count in counts.items()})
    return counts


def price_columns(
    table: RateTable, entry_index: Callable[[slice], Int64Array], counts: Mapping[str, CountColumn]
) -> BatchCharges:
    """Prices all rows by the table's entries, in blocks that stay in the processor's cache."""
    import numpy as np

    length = len(counts["input_tokens"].values)
    columns = (np.zeros(length, np.int64) for _column in range(_COLUMNS))
    charges = BatchCharges(table.entries, *columns)  # type: ignore[arg-type]
    for start in range(0, length, BLOCK_ROWS):
        rows = slice(start, start + BLOCK_ROWS)
        block = _price_block(table, entry_index(rows), {name: count.values[rows] for name, count in counts.items()})
        for name, values in block.items():
            getattr(charges, name)[rows] = values
    return charges


def _price_block(table: RateTable, entry_index: Int64Array, counts: Mapping[str, Int64Array]) -> dict[str, Int64Array]:
    """Prices as `price_entry`, row by row; a refused row has indexes -1 and amounts 0.

    Each limit also keeps tokens x rate within 64 bits. What a refused row's product wraps to is thrown away.
    """
    import numpy as np

    input_tokens = rest = counts["input_tokens"]
    slot = table.slots(entry_index, input_tokens, counts["output_tokens"])
    sign = slot | input_tokens  # its sign bit is that of any count or rest; each rest, as the last may have wrapped
    tokens = {meter: counts[name] for meter, name in COUNT_OF.items() if name in counts}
    for meter, count in tokens.items():
        sign |= count
        if meter in OPTIONAL_METERS:
            rest = rest - count
            sign |= rest
    refused = sign < 0
    amounts, amount_nano = {}, np.zeros_like(rest)
    for meter, count in {"input": rest, **tokens}.items():
        rates = table.meters[meter]
        refused |= count > rates.limit.take(slot)
        nano = amounts[f"{meter}_nano"] = table.settle(slot, count * rates.pico.take(slot), count)
        amount_nano += nano
    amounts["amount_nano"] = amount_nano
    indexes = {"entry_index": entry_index, "tier_index": table.tier_index.take(slot)}
    if refused.any():
        for index in indexes.values():
            index[refused] = -1
        for amount in amounts.values():
            amount[refused] = 0
    return indexes | amounts


def refusal(counts: Mapping[str, CountColumn], row: int, entry: Callable[[], RateEntry]) -> PricingError:
    """Returns the error by which the scalar rule refuses a row that the columnar rule refused."""

    def price() -> object:
        usage = TokenUsage(**{name: count.original(row) for name, count in counts.items()})
        return price_entry(entry(), usage)

    return refusal_by(price, row)


def refusal_by(price: Callable[[], object], row: int) -> PricingError:
    """Returns the error that pricing a row alone raises."""
    try:
        price()
    except PricingError as error:
        return error
    message = f"row {row} is refused by the columnar rule and priced by the scalar rule"
    raise AssertionError(message)
