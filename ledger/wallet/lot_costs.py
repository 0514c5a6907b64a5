"""The cost of each day's usage by the lots that it drew: of a month's entries, with what was owed before it. Pure.

Usage beyond the balance is of no lot until one repays it. Where that happens within its month it counts as drawn from
that lot on its own day; where a later month repays it, its cost is the later month's (`repaid`). So over all months
each lot's used, repaid, drawn and expired credits are its credits, at one price, and cost what was paid for it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from typing import NamedTuple

from ledger.wallet.drawdown import Entry, Lot
from pricing.money import NANO


class Part(NamedTuple):
    """Credits of a lot (None: of no lot, which cost nothing) that went on a day; below 0 where they came back."""

    day: str
    lot: int | None
    amount_nano: int


@dataclass(slots=True)
class MonthCosts:
    """A month's draw-down by lot. `used` has posted usage by day: the parts of a day add up to it exactly.

    `repaid` is usage of earlier months that was beyond the balance then; `drawn` what was paid elsewhere.
    """

    month: str
    lots: Mapping[int, Lot]
    used: dict[str, Counter[int | None]] = field(default_factory=dict)
    repaid: list[Part] = field(default_factory=list)
    drawn: list[Part] = field(default_factory=list)
    expired: list[Part] = field(default_factory=list)

    @property
    def topped_up(self) -> list[Lot]:
        """The lots of the month's top-ups, oldest first."""
        lots = [lot for lot in self.lots.values() if lot.day.startswith(self.month)]
        return sorted(lots, key=lambda lot: (lot.day, lot.id))

    def usd(self, parts: Iterable[Part]) -> Fraction:
        """Adds up what the parts cost in USD, exactly."""
        return sum((self._usd(part.lot, part.amount_nano) for part in parts), Fraction())

    def usd_of_day(self, day: str) -> Fraction:
        """Adds up what a day's usage cost in USD, exactly."""
        return sum((self._usd(lot, nano) for lot, nano in self.used.get(day, Counter()).items()), Fraction())

    def usd_per_credit(self, day: str) -> Fraction:
        """Returns USD for each credit of a day's usage: times the amounts of its rows, it adds up to `usd_of_day`.

        Where a day's rows add up to 0 they cost nothing together, and each is counted at the rate of the last day
        before it that has one, else of the first one after it, else 0.
        """
        with_rate = sorted(each for each, parts in self.used.items() if sum(parts.values()))
        before = [each for each in with_rate if each <= day]
        found = before[-1] if before else with_rate[0] if with_rate else None
        return Fraction() if found is None else self.usd_of_day(found) * NANO / sum(self.used[found].values())

    def _usd(self, lot: int | None, amount_nano: int) -> Fraction:
        return Fraction() if lot is None else self.lots[lot].usd_per_credit * amount_nano / NANO


def month_costs(month: str, lots: Mapping[int, Lot], before: Iterable[Entry], entries: Iterable[Entry]) -> MonthCosts:
    """Works out a month's costs from its entries; `before` are all of earlier months."""
    owed = _Owed()
    for entry in before:
        owed.apply(entry)
    costs = MonthCosts(month, lots)
    for entry in entries:
        _add(costs, entry, owed.apply(entry))
    return costs


class _Owed:
    """The debts, oldest first: the day and account it went to, and nano."""

    def __init__(self) -> None:
        self._debts: list[tuple[str, str, int]] = []

    def apply(self, entry: Entry) -> list[tuple[str, str, int]]:
        """Applies an entry; the debts, or parts of them, that it repays."""
        if entry.source == "overdrawn":
            self._debts.append((entry.day, entry.target, entry.amount_nano))
        if entry.target != "overdrawn":
            return []
        # A lot repays the oldest debt; usage that is taken back was the latest.
        place = 0 if entry.source == "balance" else -1
        settled, rest = [], entry.amount_nano
        while rest and self._debts:
            day, account, owed = self._debts.pop(place)
            part = min(rest, owed)
            settled.append((day, account, part))
            if part < owed:
                self._debts.insert(0 if place == 0 else len(self._debts), (day, account, owed - part))
            rest -= part
        return settled


def _add(costs: MonthCosts, entry: Entry, settled: Iterable[tuple[str, str, int]]) -> None:
    day, source, target, lot, nano = entry
    if target == "used":
        costs.used.setdefault(day, Counter())[lot] += nano
    elif source == "used":
        costs.used.setdefault(day, Counter())[lot] -= nano
    elif target == "adjustment" and source == "balance":
        costs.drawn.append(Part(day, lot, nano))
    elif target == "expired":
        costs.expired.append(Part(day, lot, nano))
    elif target == "overdrawn":
        for owed_on, account, part in settled:
            _repay(costs, Part(day, lot, part), owed_on, account)


def _repay(costs: MonthCosts, part: Part, owed_on: str, account: str) -> None:
    if account != "used":
        costs.drawn.append(part)
    elif owed_on.startswith(costs.month):
        costs.used[owed_on][None] -= part.amount_nano
        costs.used[owed_on][part.lot] += part.amount_nano
    else:
        costs.repaid.append(part)
