"""The way of a cell's cost from one month to another: cause by cause its figures become those of the month after.

docs/decisions/0023 has the formulas.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from fractions import Fraction
from itertools import pairwise
from operator import add
from typing import TypeAlias

from ledger.pages.cells import CACHED, INPUT, OUTPUT, CellUsage, Exact, Units, ratio

# The value at the start and after each of requests, prompt_length, tier_mix, cache, models, price and exchange_rate.
Way: TypeAlias = list[Exact]
WAY_LENGTH = 8


def project_way(before: Mapping[str, CellUsage], after: Mapping[str, CellUsage]) -> list[Units]:
    """Sums the ways of a project's models, each value rounded; a project of one month alone is all requests."""
    if not before or not after:
        start, end = (sum(sum(cell.units.values()) for cell in month.values()) for month in (before, after))
        return [start, *[end] * (WAY_LENGTH - 1)]
    requests = [sum(cell.requests for cell in month.values()) for month in (before, after)]
    exchange = _average_exchange(before.values())
    sums = [0] * WAY_LENGTH
    for model in {**before, **after}:
        cell = _Cell(before.get(model, CellUsage()), after.get(model, CellUsage()), exchange)
        way = map(add, cell.token_way(*requests), cell.storage_way())
        sums = [*map(add, sums, map(round, [*way, sum(cell.after.units.values())]))]
    return sums


def _average_exchange(cells: Iterable[CellUsage]) -> dict[str, Exact]:
    whole = CellUsage()
    for cell in cells:
        whole.amount_pico.update(cell.amount_pico)
        whole.units.update(cell.units)
        whole.most_units_per_pico.update(cell.most_units_per_pico)
    return whole.exchange


class _Cell:
    """Both months of a cell, in units at the earlier one's exchange rates.

    A currency that is new to the cell is converted as elsewhere in the project before, else at its own rate.
    """

    def __init__(self, before: CellUsage, after: CellUsage, elsewhere: Mapping[str, Exact]) -> None:
        self.before, self.after = before, after
        self.exchange = {**after.exchange, **elsewhere, **before.exchange}
        self.rates_before, self.rates_after = before.rates(self.exchange), after.rates(self.exchange)

    def storage_way(self) -> Way:
        """Returns the values of cache storage: its token-hours belong to the cache, whatever the requests."""
        start, end = (self._worth(cell.storage_pico) for cell in (self.before, self.after))
        hours = self.before.token_hours
        at_old_rate = ratio(self.after.token_hours * start, hours) if hours else end
        return [start] * 4 + [at_old_rate] * 2 + [end]

    def token_way(self, requests_before: int, requests_after: int) -> Way:
        """Returns the values of tokens, for the requests of the whole project in both months."""
        start, end = self._spent(self.before), self._spent(self.after)
        at_old_rates = self._at_old_rates(INPUT, CACHED, OUTPUT)
        rounding = end - sum(count * self.rates_after[key] for key, count in self.after.tokens.items())
        if not requests_before:
            return [start] + [at_old_rates + rounding] * 5 + [end]
        if not self.before.requests or not self.after.requests:
            return [start] + [ratio(start * requests_after, requests_before)] * 4 + [at_old_rates + rounding, end]
        values = self._with_rounding(self._shapes(), start, rounding, is_repriced=at_old_rates + rounding != end)
        share = Fraction(requests_after * self.before.requests, requests_before * self.after.requests)
        return [start, *(share * value for value in values), values[-1], end]

    def _shapes(self) -> list[Exact]:
        """Values the later requests at earlier rates: shaped as before, then of their own length, tiers and cache.

        Of what the month before had no tokens, theirs are taken throughout.
        """
        before, after = self.before, self.after
        input_before, output_before = (self._at_card(*meters) for meters in ((INPUT, CACHED), (OUTPUT,)))
        as_before = ratio((input_before + output_before) * after.requests, before.requests)
        input_tiered = sum(sum(of_tier) * self._input_rate(tier) for tier, of_tier in after.input_by_tier.items())
        output_tiered = self._at_old_rates(OUTPUT)
        of_input = _scaled(input_before, before.count(INPUT, CACHED), after.count(INPUT, CACHED), input_tiered)
        of_output = _scaled(output_before, before.count(OUTPUT), after.count(OUTPUT), output_tiered)
        return [
            as_before,
            of_input + of_output,
            input_tiered + output_tiered,
            self._at_old_rates(INPUT, CACHED) + output_tiered,
        ]

    def _with_rounding(
        self, values: list[Exact], start: Exact, rounding_after: Exact, *, is_repriced: bool
    ) -> list[Exact]:
        """Adds what rounding of lines comes to: that of the month after from the first value on that changes.

        Where prices change, their rounding comes with them.
        """
        rounding_before = ratio(start * self.after.requests, self.before.requests) - values[0]
        changed = (place for place, (one, next_one) in enumerate(pairwise(values), 1) if one != next_one)
        turn = len(values) if is_repriced else next(changed, 1)
        return [value + (rounding_before if place < turn else rounding_after) for place, value in enumerate(values)]

    def _spent(self, cell: CellUsage) -> Exact:
        """Returns what the tokens of a month cost."""
        return self._worth(cell.amount_pico) - self._worth(cell.storage_pico)

    def _worth(self, pico: Mapping[str, int]) -> Exact:
        return sum(amount * self.exchange[currency] for currency, amount in pico.items())

    def _at_card(self, *meters: str) -> Exact:
        """Returns the earlier tokens at their rates."""
        return sum(
            count * self.rates_before[tier, meter]
            for (tier, meter), count in self.before.tokens.items()
            if meter in meters
        )

    def _at_old_rates(self, *meters: str) -> Exact:
        """Returns the later tokens at earlier rates."""
        return sum(
            count * self._rate(tier, meter) for (tier, meter), count in self.after.tokens.items() if meter in meters
        )

    def _rate(self, tier: str, meter: str) -> Exact:
        """Returns the earlier rate, on average, else of the card; where that had none, the later one.

        Cached tokens that neither month has are taken for others.
        """
        key = (tier, meter)
        if key in self.rates_before:
            return self.rates_before[key]
        card = self.before.latest_rate(tier, meter)
        if card is not None:
            return card.pico * self.exchange[card.currency]
        if key in self.rates_after:
            return self.rates_after[key]
        return self._rate(tier, CACHED if meter == INPUT else INPUT)

    def _input_rate(self, tier: str) -> Exact:
        """Returns the earlier cost of an input token of a tier by the part cached then, of the tier or else of all."""
        shares = self.before.input_by_tier
        uncached, cached = shares.get(tier) or (self.before.count(INPUT), self.before.count(CACHED))
        if not uncached + cached:
            uncached, cached = self.after.input_by_tier[tier]
        worth: Exact = 0
        if uncached:
            worth += uncached * self._rate(tier, INPUT)
        if cached:
            worth += cached * self._rate(tier, CACHED)
        return ratio(worth, uncached + cached)


def _scaled(worth: Exact, count: int, new_count: int, unknown: Exact) -> Exact:
    """Returns what as many tokens of the same kind cost; `unknown` where there were none."""
    return ratio(worth * new_count, count) if count else unknown
