"""The month's sums as booked and as they would be: both made of the roll-ups, with the requests that differ moved."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from operator import add, sub
from typing import NamedTuple

from ledger.book.prices.pins import PinnedIds
from ledger.book.rollups import SIGNS
from ledger.book.rows import ChargeRow, Facts, all_counts
from ledger.reports.plan import CORRECTION, PART, Sums
from ledger.reports.spend import SelectedSpend, SpendRow
from ledger.whatif.changes import USD, Changes
from ledger.whatif.repricer import Price, booked_price
from pricing.rate_entry import RateEntry

# The dimensions that the roll-ups are read by.
DIMENSIONS = ("project", "model", PART, "provider")


class Key(NamedTuple):
    """The key that sums are by. `booked_per_usd_nano` is the conversion that is pinned, `mark` is of what differs.

    Requests that differ have a mark, so that a bridge compares them with themselves and not with averages.
    """

    project: str
    model: str
    part: str | None
    provider: str
    currency: str
    per_usd_nano: int | None
    rate_entry_id: int | None
    tier: str
    booked_per_usd_nano: int | None
    mark: str = ""


@dataclass(slots=True)
class Side:
    """Sums by key."""

    sums: dict[Key, Sums] = field(default_factory=dict)

    def add(self, key: Key, sums: Sums) -> None:
        known = self.sums.get(key)
        self.sums[key] = sums if known is None else Sums(*map(add, known, sums))

    def take(self, key: Key, sums: Sums) -> None:
        """Takes away what is part of the key's sums."""
        self.sums[key] = Sums(*map(sub, self.sums.get(key, NOTHING), sums))

    def items(self) -> Iterable[tuple[Key, Sums]]:
        """Yields what there is, by key."""
        return ((key, sums) for key, sums in self.sums.items() if any(sums))


NOTHING = Sums(*[0] * len(Sums._fields))


class Sides:
    """The month as booked, and as it would be."""

    def __init__(self, spend: SelectedSpend, pins: PinnedIds) -> None:
        self.before, self.after = Side(), Side()
        self._pins = pins
        for row in spend.rows:
            key = _key_of(row)
            self.before.add(key, row.sums)
            self.after.add(key, row.sums)

    def call_usage(self, charge: ChargeRow, facts: Facts) -> None:
        """Moves what the roll-ups have among the corrections of closed months to the usage."""
        price = booked_price(charge)
        key, sums = self._key(charge, price), _sums(SIGNS[charge.charge_class], facts, price)
        for side in (self.before, self.after):
            side.take(key._replace(part=CORRECTION), sums)
            side.add(key, sums)

    def move(self, charge: ChargeRow, facts: Facts, price: Price, usage: Facts) -> bool:
        """Moves a live charge from what is booked to what it would be; returns whether anything differs."""
        booked = booked_price(charge)
        if price == booked and all_counts(usage) == all_counts(facts):
            return False
        key, sums = self._key(charge, booked), _sums(1, facts, booked)
        other, new = self._key(charge, price), _sums(1, usage, price)
        return self.replace(key, sums, other, new)

    def replace(self, key: Key, sums: Sums, other: Key, new: Sums) -> bool:
        """Puts other sums in the place of some of a key's; returns whether anything differs."""
        if (key, sums) == (other, new):
            return False
        moved = key.model != other.model
        self.before.take(key, sums)
        self.after.take(key, sums)
        self.before.add(key._replace(mark=f"as {other.model}" if moved else "otherwise"), sums)
        self.after.add(other._replace(mark=f"was {key.model}" if moved else "otherwise"), new)
        return True

    @property
    def requests_changed(self) -> int:
        """Counts the requests that were moved."""
        return sum(sums.requests for key, sums in self.before.items() if key.mark)

    def convert(self, changes: Changes) -> None:
        """Converts what the usage would be by another conversion, where one is asked for."""
        if changes.per_usd_nano is None:
            return
        converted = Side()
        for key, sums in self.after.sums.items():
            is_asked = key.part is None and key.provider in changes.providers and key.currency != USD
            converted.add(key._replace(per_usd_nano=changes.per_usd_nano) if is_asked else key, sums)
        self.after = converted

    def _key(self, charge: ChargeRow, price: Price) -> Key:
        """Returns the key of a charge that is usage, at a price."""
        return Key(
            charge.project,
            price.billed_model,
            None,
            charge.provider,
            charge.currency,
            self._pins.per_usd_nano(price.conversion_id),
            price.rate_entry_id,
            price.tier,
            self._pins.per_usd_nano(charge.conversion_id),
        )


def for_bridge(side: Side, entries: Mapping[int, RateEntry]) -> SelectedSpend:
    """Returns the sums as a bridge takes them: what has another mark or pinned conversion is a cell of its own."""
    rows = [
        SpendRow(
            (f"{key.project}\0{key.booked_per_usd_nano}", f"{key.model}\0{key.mark}", key.part),
            key.currency,
            key.per_usd_nano,
            key.rate_entry_id,
            key.tier,
            sums,
            None,
        )
        for key, sums in side.items()
    ]
    return SelectedSpend(rows, dict(entries), "days")


def _key_of(row: SpendRow) -> Key:
    project, model, part, provider = row.dimensions
    return Key(
        str(project), str(model), part, str(provider), row.currency, row.per_usd_nano, row.rate_entry_id, row.tier,
        row.per_usd_nano,
    )  # fmt: skip


def _sums(sign: int, facts: Facts, price: Price) -> Sums:
    """Returns usage at a price as the roll-ups count it; counts of a reversal are negative by `sign`."""
    whole, cached, output, reasoning, written_5m, written_1h, calls = (sign * count for count in all_counts(facts))
    return Sums(
        sign * (facts.kind == "request"),
        whole,
        cached,
        output,
        reasoning,
        price.input_nano,
        price.cached_input_nano,
        price.output_nano,
        price.cache_storage_nano,
        price.amount_nano,
        written_5m,
        written_1h,
        calls,
    )
