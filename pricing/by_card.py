"""The way in: one request, or columns of them, priced by a rate card or by the name of one that ships."""

from __future__ import annotations

from functools import lru_cache, partial
from typing import TYPE_CHECKING

from pricing.batch import BatchCharges, count_columns, price_columns, refusal
from pricing.charge import Charge, price_entry
from pricing.columns import check_lengths, model_column, service_column, time_column
from pricing.rate_card import RateCard
from pricing.rate_table import DateTable, RateTable

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Sequence

    from pricing.columns import Column, ModelNames
    from pricing.money import Int64Array
    from pricing.usage import TokenUsage


def price_usage(
    usage: TokenUsage, *, card: RateCard | str, model: str, at: dt.datetime, service_tier: str | None = None
) -> Charge:
    """Prices one request at the prices of `model` (an id or alias) in effect at `at`; "evolink" is the shipped card.

    `service_tier` is the one it was served at, such as "batch"; UnpricedUsage where the card gives it no price.
    """
    if isinstance(card, str):
        card = card_of(card)
    return price_entry(card.entry_at(model, at, service_tier), usage, card, at)


def price_batch(
    *,
    card: RateCard | str,
    model: ModelNames,
    at: Column,
    input_tokens: Column,
    cached_input_tokens: Column | None = None,
    output_tokens: Column | None = None,
    service_tier: ModelNames | None = None,
    cache_write_5m_tokens: Column | None = None,
    cache_write_1h_tokens: Column | None = None,
    calls: Column | None = None,
) -> BatchCharges:
    """Prices columns as `price_usage` does, to the same figures; a bad row is named in `errors`, never raised.

    `service_tier` is one for all rows, or a column with None where a row states none.
    """
    card = card_of(card)
    counts = count_columns(
        input_tokens,
        cached_input_tokens=cached_input_tokens,
        output_tokens=output_tokens,
        cache_write_5m_tokens=cache_write_5m_tokens,
        cache_write_1h_tokens=cache_write_1h_tokens,
        calls=calls,
    )
    times = time_column(at)
    names, codes = model_column(model, len(times.values))
    tiers, tier_codes = service_column(service_tier, len(codes))
    check_lengths(model=codes, at=times.values, input_tokens=counts["input_tokens"].values, service_tier=tier_codes)
    tables = _tables if len(names) <= MOST_KEPT_NAMES else _tables.__wrapped__
    dates, rates = tables(card, _as_key(names), _as_key(tiers))

    def entry_index(rows: slice) -> Int64Array:
        return dates.entries_at(codes[rows], times.values[rows], tier_codes[rows])

    charges = price_columns(rates, entry_index, counts)
    for row in (charges.entry_index < 0).nonzero()[0].tolist():
        name = names[codes[row]] if codes[row] >= 0 else None
        tier = tiers[tier_codes[row]]
        charges.errors[row] = refusal(counts, row, partial(card.entry_at, name, times.original(row), tier))
    return charges


# Tables for more names are made each time: they would be kept for long, and take little of what so many rows take.
MOST_KEPT_NAMES = 64


def _as_key(names: Sequence[object]) -> tuple[object, ...]:
    """Returns names that can be looked up; what is neither text nor none, which no card knows, becomes an empty one."""
    return tuple([name if name is None or isinstance(name, str) else () for name in names])


@lru_cache(maxsize=64)
def _tables(
    card: RateCard, names: tuple[object, ...], service_tiers: tuple[object, ...]
) -> tuple[DateTable, RateTable]:
    """Returns both tables of a card for these names and service tiers: they take longer to make than a row to price."""
    dates = DateTable.of(card, names, service_tiers)
    return dates, RateTable.of(dates.entries)


def card_of(card: RateCard | str) -> RateCard:
    """Returns the card itself, or the shipped one of that name; UnknownCard where none ships by it."""
    if not isinstance(card, str):
        return card
    from pricing.catalog import shipped_card

    return shipped_card(card)
