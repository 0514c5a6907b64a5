"""The way of a cell's cost from one month to another: cause by cause its figures become those of the month after.

docs/decisions/0023 has the formulas.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from math import lcm
from operator import add
from typing import TypeAlias

from ledger.reports.bridge.cells import (
    CACHED,
    INPUT,
    INPUTS,
    METERS,
    OTHERS,
    CellUsage,
    Exact,
    Money,
    Tokens,
    Units,
    ratio,
)

# The value at the start and after each of requests, prompt_length, tier_mix, cache, models, price and exchange_rate.
Way: TypeAlias = list[Units]
WAY_LENGTH = 8
NOTHING = CellUsage()


def project_way(before: Mapping[str, CellUsage], after: Mapping[str, CellUsage]) -> Way:
    """Sums the ways of a project's models; a project of one month alone is all requests."""
    if not before or not after:
        start, end = (sum(cell.units for cell in month.values()) for month in (before, after))
        return [start, *[end] * (WAY_LENGTH - 1)]
    requests = [sum(cell.requests for cell in month.values()) for month in (before, after)]
    exchange = _average_exchange(before)
    sums = [0] * WAY_LENGTH
    for model in {**before, **after}:
        cell = _Cell(before.get(model, NOTHING), after.get(model, NOTHING), exchange)
        sums = [*map(add, sums, cell.way(*requests))]
    return sums


def _average_exchange(cells: Mapping[str, CellUsage]) -> dict[str, Exact]:
    sums: dict[str, Money] = {}
    for cell in cells.values():
        for currency, money in cell.money.items():
            sums.setdefault(currency, Money()).add(money)
    return {currency: money.exchange for currency, money in sums.items()}


class _Cell:
    """Both months of a cell at the earlier one's exchange rates.

    A currency that is new to the cell is converted as elsewhere in the project before, else at its own rate.
    """

    def __init__(self, before: CellUsage, after: CellUsage, elsewhere: Mapping[str, Exact]) -> None:
        self.before, self.after = before, after
        self.exchange = {**after.exchange, **elsewhere, **before.exchange}
        self.tiers_before, self.tiers_after = before.valued(self.exchange), after.valued(self.exchange)

    def way(self, requests_before: int, requests_after: int) -> Way:
        """Returns the values, for the requests of the whole project in both months, each rounded to a unit."""
        tokens = self._token_way(requests_before, requests_after)
        return [*map(round, map(add, tokens, self._storage_way())), self.after.units]

    def _storage_way(self) -> list[Exact]:
        """Returns the values of cache storage: its token-hours belong to the cache, whatever the requests."""
        start, end = (
            sum(money.storage_pico * self.exchange[currency] for currency, money in cell.money.items())
            for cell in (self.before, self.after)
        )
        hours, card = self.before.token_hours, self.before.latest
        at_old_rate = end
        if hours:
            at_old_rate = ratio(self.after.token_hours * start, hours)
        elif card is not None and card.storage_pico is not None:
            at_old_rate = self.after.token_hours * (card.storage_pico or 1) * self.exchange[card.currency]
        return [start] * 4 + [at_old_rate] * 2 + [end]

    def _token_way(self, requests_before: int, requests_after: int) -> list[Exact]:
        start, end = (
            sum(money.tokens_pico * self.exchange[currency] for currency, money in cell.money.items())
            for cell in (self.before, self.after)
        )
        at_old_rates = sum(self._at_old_rates(tier, *METERS) for tier in self.tiers_after)
        rounding = end - sum(sum(tokens.worth) for tokens in self.tiers_after.values())
        here, later = self.before.requests, self.after.requests
        if not requests_before:
            return [start] + [at_old_rates + rounding] * 5 + [end]
        if not here or not later:
            return [start] + [ratio(start * requests_after, requests_before)] * 4 + [at_old_rates + rounding, end]
        shapes, whole = self._shapes(at_old_rates)
        rounding_before = ratio(start * later * whole, here) - shapes[0]
        # Rounding of lines is the later month's from the first value on that changes; with prices, if they change.
        changes = (place for place, (one, following) in enumerate(pairwise(shapes), 1) if one != following)
        turn = len(shapes) if at_old_rates + rounding != end else next(changes, 1)
        values = [shape + (rounding_before if at < turn else rounding * whole) for at, shape in enumerate(shapes)]
        in_old_mix = (ratio(value * requests_after * here, requests_before * later * whole) for value in values)
        return [start, *in_old_mix, ratio(values[-1], whole), end]

    def _shapes(self, at_old_rates: Exact) -> tuple[list[Exact], int]:
        """Values the later requests at earlier rates: as they were before, then of their own length, tiers and cache.

        All are multiplied by the number returned last, which keeps them whole. Of input, output or calls that the month
        before had none of, the later month's are taken.
        """
        before, after = _total(self.tiers_before), _total(self.tiers_after)
        requests, others = self.before.requests, [before.counts[meter] or 1 for meter in OTHERS]
        inputs_by_tier = {tier: tokens.inputs for tier, tokens in self.tiers_before.items() if tokens.inputs}
        whole = lcm(requests, before.inputs or 1, *others, *inputs_by_tier.values())
        input_tiered: Exact = 0
        others_tiered: list[Exact] = [0] * len(OTHERS)
        for tier, tokens in self.tiers_after.items():
            others_tiered = [
                tiered + whole * self._at_old_rates(tier, meter)
                for meter, tiered in zip(OTHERS, others_tiered, strict=True)
            ]
            if tier in inputs_by_tier:
                input_tiered += self.tiers_before[tier].input_worth * tokens.inputs * (whole // inputs_by_tier[tier])
            elif before.inputs:
                worth = sum(
                    before.counts[meter] * self._old_rate(tier, meter) for meter in INPUTS if before.counts[meter]
                )
                input_tiered += worth * tokens.inputs * (whole // before.inputs)
            else:
                input_tiered += whole * self._at_old_rates(tier, *INPUTS)
        longer_input = before.input_worth * after.inputs * (whole // before.inputs) if before.inputs else input_tiered
        longer_others = sum(
            before.worth[meter] * after.counts[meter] * (whole // before.counts[meter])
            if before.counts[meter]
            else tiered
            for meter, tiered in zip(OTHERS, others_tiered, strict=True)
        )
        as_before = sum(before.worth) * self.after.requests * (whole // requests)
        tiered = input_tiered + sum(others_tiered)
        return [as_before, longer_input + longer_others, tiered, whole * at_old_rates], whole

    def _at_old_rates(self, tier: str, *meters: int) -> Exact:
        """Returns the later tokens of a tier at earlier rates."""
        counts = self.tiers_after[tier].counts
        return sum(counts[meter] * self._old_rate(tier, meter) for meter in meters if counts[meter])

    def _old_rate(self, tier: str, meter: int) -> Exact:
        """Returns the earlier rate, on average, else on the card used last; the later one where that had none.

        Cached and written tokens that have no rate in either month cost what others of their tier do.
        """
        known = self.tiers_before.get(tier)
        if known is not None and known.counts[meter]:
            return ratio(known.worth[meter], known.counts[meter])
        card = self.before.latest
        rate_pico = None if card is None or tier not in card.tiers else card.tiers[tier][meter]
        if card is not None and rate_pico is not None:
            return rate_pico * self.exchange[card.currency]
        later = self.tiers_after[tier]
        if later.counts[meter]:
            return ratio(later.worth[meter], later.counts[meter])
        return self._old_rate(tier, CACHED if meter == INPUT else INPUT)


def _total(tiers: Mapping[str, Tokens]) -> Tokens:
    total = Tokens([0] * len(METERS), [0] * len(METERS))
    for tokens in tiers.values():
        total.add(tokens)
    return total
