"""Rate entries laid out as arrays, so that each lookup of the rating rule becomes an index.

The arrays are filled by asking the scalar rule once for each span between two dates and each band between two
bounds of input and of output, so there is no second rule here. The last row of each is that of "none": index -1 finds
it.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import chain, product
from typing import TYPE_CHECKING, NamedTuple

from pricing.columns import LAST_US
from pricing.money import INT64_MAX, NANO_HALF_EVEN, Settlement
from pricing.rate_card import RateCard
from pricing.rate_entry import TIER_METERS, PromptTier, RateEntry
from pricing.usage import epoch_us

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from pricing.money import Int64Array


@dataclass(frozen=True, slots=True)
class DateTable:
    """The entry that holds for a name and service tier at a time, -1 for none.

    `entry_of[row_of_name[code], code of the service tier, span]`.
    """

    entries: tuple[RateEntry, ...]
    starts_us: Int64Array
    row_of_name: Int64Array
    service_tiers: int
    entry_of: Int64Array

    @classmethod
    def of(cls, card: RateCard, names: Sequence[object], service_tiers: Sequence[object] = (None,)) -> DateTable:
        """Returns the table of a card for these names and service tiers."""
        resolved = [card.rates_of(name) for name in names]
        models = list({rates.id: rates for rates in resolved if rates is not None}.values())
        entries = tuple(each for rates in models for entry in rates.entries for each in entry.variants)
        index_of = {id(entry): index for index, entry in enumerate(entries)}
        starts = sorted({day for rates in models for entry in rates.entries for day in entry.cuts})
        row_of_id = {rates.id: row for row, rates in enumerate(models)}
        row_of_name = [-1 if rates is None else row_of_id[rates.id] for rates in resolved]
        served = ([rates.entry_at(start, tier) for start in starts] for rates in models for tier in service_tiers)
        entry_of = [[-1, *(index_of.get(id(entry), -1) for entry in row), -1] for row in served]
        return cls(
            entries=entries,
            starts_us=_int64([*(epoch_us(start) for start in starts), LAST_US + 1]),
            row_of_name=_int64([*row_of_name, -1]),
            service_tiers=len(service_tiers),
            entry_of=_int64(chain(*entry_of, [-1] * (len(starts) + 2) * len(service_tiers))),
        )

    def entries_at(self, codes: Int64Array, at_us: Int64Array, tier_codes: Int64Array) -> Int64Array:
        """Returns a row's index in `entries`, or -1: the span is the number of dates begun; past year 9999 is none."""
        span = self.starts_us.searchsorted(at_us, side="right")
        row = self.row_of_name.take(codes)
        if self.service_tiers > 1:
            row = row * self.service_tiers + tier_codes
        return self.entry_of.take(row * (len(self.starts_us) + 1) + span)


class MeterRates(NamedTuple):
    """A meter's rate by slot, 0 without one, and the most tokens that it prices."""

    pico: Int64Array
    limit: Int64Array


@dataclass(frozen=True, slots=True)
class RateTable:
    """Rates and token limits by slot, a slot being one tier of one entry.

    `slot_of[entry, band of input, band of output]`, -1 for none.
    """

    entries: tuple[RateEntry, ...]
    bounds: Int64Array
    output_bounds: Int64Array
    slot_of: Int64Array
    tier_index: Int64Array
    meters: dict[str, MeterRates]
    settlements: tuple[Settlement, ...]
    settlement_of: Int64Array

    @classmethod
    def of(cls, entries: tuple[RateEntry, ...]) -> RateTable:
        """Returns the table of these entries."""
        slots = [(entry, index, tier) for entry in entries for index, tier in enumerate(entry.tiers)]
        limits = {entry.max_input_tokens for entry in entries} | {tier.up_to for _, _, tier in slots}
        bounds = sorted(bound for bound in limits if bound is not None)
        output_bounds = sorted({bound for entry in entries for bound in entry.output_bounds})
        settlements = [entry.settlement or NANO_HALF_EVEN for entry, _, _ in slots]
        distinct = tuple(dict.fromkeys(settlements))
        return cls(
            entries=entries,
            bounds=_int64(bounds),
            output_bounds=_int64(output_bounds),
            slot_of=_int64(_slots_by_band(entries, bounds, output_bounds)),
            tier_index=_int64([*(index for _, index, _ in slots), -1]),
            meters={
                meter: _meter_rates([(entry, tier) for entry, _, tier in slots], meter)
                for meter in (*TIER_METERS, "call")
            },
            settlements=distinct or (NANO_HALF_EVEN,),
            settlement_of=_rates(distinct.index(settlement) for settlement in settlements),
        )

    def slots(self, entry_index: Int64Array, input_tokens: Int64Array, output_tokens: Int64Array) -> Int64Array:
        """Returns a row's slot, or -1: a band is the number of bounds below the whole input, and below the output."""
        cell = entry_index * (len(self.bounds) + 1) + self.bounds.searchsorted(input_tokens, side="left")
        if len(self.output_bounds):
            cell = cell * (len(self.output_bounds) + 1) + self.output_bounds.searchsorted(output_tokens, side="left")
        return self.slot_of.take(cell)

    def settle(self, slots: Int64Array, amount_pico: Int64Array, tokens: Int64Array) -> Int64Array:
        """Returns nano by row, each by the settlement of its entry."""
        if len(self.settlements) == 1:
            return self.settlements[0].settle_columns(amount_pico, tokens)
        settlement_of = self.settlement_of.take(slots)
        amount_nano = amount_pico.copy()
        for index, settlement in enumerate(self.settlements):
            rows = settlement_of == index
            amount_nano[rows] = settlement.settle_columns(amount_pico[rows], tokens[rows])
        return amount_nano


def _slots_by_band(entries: Sequence[RateEntry], bounds: Sequence[int], output_bounds: Sequence[int]) -> Iterable[int]:
    """Yields, by entry and bands of input and output, the slot of the tier that the scalar rule picks, or -1."""
    largest = ([*each, each[-1] + 1 if each else INT64_MAX] for each in (bounds, output_bounds))
    largest_of_bands = list(product(*largest))
    first_slot = 0
    for entry in entries:
        for input_tokens, output_tokens in largest_of_bands:
            tier = entry.tier_for(input_tokens, output_tokens)
            yield -1 if tier is None else first_slot + entry.tiers.index(tier)
        first_slot += len(entry.tiers)
    yield from [-1] * len(largest_of_bands)


def _meter_rates(slots: Sequence[tuple[RateEntry, PromptTier]], meter: str) -> MeterRates:
    rates = [entry.call_pico if meter == "call" else tier.rate_pico(meter) for entry, tier in slots]
    limits = [most_tokens(rate_pico) for rate_pico in rates]
    if meter == "output":
        limits = [
            most if entry.max_output_tokens is None else min(most, entry.max_output_tokens)
            for (entry, _tier), most in zip(slots, limits, strict=True)
        ]
    return MeterRates(_rates(rate_pico or 0 for rate_pico in rates), _rates(limits))


def most_tokens(rate_pico: int | None) -> int:
    """Returns the most tokens whose product with the rate fits 64 bits; none where there is no rate."""
    if rate_pico is None:
        return 0
    return INT64_MAX // rate_pico if rate_pico else INT64_MAX


def _int64(values: Iterable[int]) -> Int64Array:
    import numpy as np

    return np.array(list(values), np.int64)


def _rates(values: Iterable[int]) -> Int64Array:
    """Returns values by slot, with 0 for the slot of none."""
    return _int64([*values, 0])
