"""The cost of each row in USD: its list price, what is billed, and what of prepaid credits it used up. Exact sums.

USD columns carry differences of running totals, rounded half-even: so each adds up to its own total, rounded once.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from fractions import Fraction
from math import lcm

from ledger.exports.focus.items.item import Costs, Item
from ledger.wallet.lot_costs import MonthCosts, Part
from pricing.money import NANO, PICO, PICO_PER_NANO, RunningUsd, divide_half_even, round_usd


class RunningShare:
    """A running total that starts at `start` USD and grows by `rate` USD a unit of amounts in pico."""

    def __init__(self, start: Fraction, rate: Fraction) -> None:
        self._denominator = lcm(start.denominator, rate.denominator * PICO)
        self._numerator = start.numerator * (self._denominator // start.denominator) * NANO
        self._factor = rate.numerator * (self._denominator // (rate.denominator * PICO)) * NANO
        self._total_nano = divide_half_even(self._numerator, self._denominator)

    def add(self, amount_pico: int) -> int:
        """Adds an amount; the nano-USD by which the rounded total moved."""
        self._numerator += amount_pico * self._factor
        before = self._total_nano
        self._total_nano = divide_half_even(self._numerator, self._denominator)
        return self._total_nano - before


class WalletShare:
    """A month's use of a wallet's lots, row by row, as they were paid for.

    The running total starts with all that earlier months used up (`before`), and goes through the days in order: so
    over the months it adds up to what was paid for the lots that are spent. Each day is a stretch of it of its own,
    so that a day's rows add up alike in any order.
    """

    def __init__(self, costs: MonthCosts, before: Fraction) -> None:
        self._costs = costs
        self._starts: dict[str, Fraction] = {}
        for day in sorted(costs.used):
            self._starts[day] = before
            before += costs.usd_of_day(day)
        self._after_usage = before
        self._days: dict[str, RunningShare] = {}

    def usage(self, day: str, amount_pico: int) -> int:
        """Adds a row of usage: nano-USD of the lots that it drew, by the day that it counts on."""
        share = self._days.get(day)
        if share is None:
            # Days without entries come between those with them.
            start = next((start for each, start in self._starts.items() if each >= day), self._after_usage)
            share = self._days[day] = RunningShare(start, self._costs.usd_per_credit(day))
        return share.add(amount_pico)

    def rest(self, parts: Iterable[Part]) -> list[int]:
        """Returns nano-USD of each part of what became of lots otherwise, all of them, after the month's usage."""
        total, moved = self._after_usage, []
        for part in parts:
            before, total = total, total + self._costs.usd([part])
            moved.append(round_usd(total) - round_usd(before))
        return moved


class Costing:
    """Gives rows their USD in the order in which they come.

    Usage of a wallet, by provider and currency, is prepaid: nothing of it is billed. The rest is billed as it is used.
    """

    def __init__(self, wallets: Mapping[tuple[str, str], WalletShare]) -> None:
        self._wallets = wallets
        self._listed, self._contracted, self._billed = RunningUsd(), RunningUsd(), RunningUsd()

    def of(self, item: Item) -> Costs:
        """Works out the costs of a charge's row, or of a cell's."""
        per_usd_pico = (item.per_usd_nano or NANO) * PICO_PER_NANO
        contracted_nano = self._contracted.add(item.amount_pico, per_usd_pico)
        list_pico = item.amount_pico
        if item.kind == "usage" and item.rate is not None:
            list_pico = item.rate.list_pico * item.quantity
        list_nano = self._listed.add(list_pico, per_usd_pico)
        wallet = self._wallets.get((item.provider, item.currency))
        if wallet is not None:
            return Costs(list_nano, contracted_nano, 0, wallet.usage(item.counts_on, item.amount_pico))
        billed_nano = self._billed.add(item.amount_pico, per_usd_pico)
        return Costs(list_nano, contracted_nano, billed_nano, billed_nano)
