"""Both sides of a reconciliation by key, in columns of numbers: a million requests fit into a few hundred megabytes."""

from __future__ import annotations

from array import array
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from fractions import Fraction
from functools import partial
from itertools import repeat
from sys import intern
from typing import Final, NamedTuple

from pricing.money import NANO, round_usd, usd_fraction

DAY_LENGTH: Final = len("2026-03-01")


class Tally:
    """Whole numbers by place, 0 where nothing was added: 1, 4 or 8 bytes each, as the largest so far wants, or more."""

    __slots__ = ("_values", "_wider")

    def __init__(self) -> None:
        self._values: array[int] | list[int] = array("b")
        self._wider: list[Callable[[Iterable[int]], array[int] | list[int]]]
        self._wider = [list, partial(array, "q"), partial(array, "i")]

    def add(self, place: int, number: int) -> None:
        """Adds to the number at a place."""
        missing = place + 1 - len(self._values)
        if missing > 0:
            self._values.extend(repeat(0, missing))
        total = self._values[place] + number
        while True:
            try:
                self._values[place] = total
            except OverflowError:
                self._values = self._wider.pop()(self._values)
            else:
                return

    def __getitem__(self, place: int) -> int:
        return self._values[place] if place < len(self._values) else 0


class Sides:
    """Both sides of each key, amounts in nano: the ledger's and the provider's.

    Provider amounts are in the currency of the comparison, ledger amounts by the conversion they are pinned to (None
    for amounts in USD). `counts` are tokens on the provider's side less those on the ledger's, by field. `days` are the
    provider's, as proleptic ordinals, 0 where it names none.
    """

    def __init__(self, count_names: list[str]) -> None:
        self.places: dict[str, int] = {}
        self.provider_rows = Tally()
        self.provider_nano = Tally()
        self.ledger_requests = Tally()
        self.ledger_nano: defaultdict[int | None, Tally] = defaultdict(Tally)
        self.counts = {name: Tally() for name in count_names}
        self.models: list[str | None] = []
        self.days = array("i")

    def place(self, key: str, model: str | None) -> int:
        """Returns the key's place, made where it is new; the last model that it is named with is its model."""
        place = self.places.get(key)
        if place is None:
            place = self.places[key] = len(self.places)
            self.models.append(None)
            self.days.append(0)
        if model is not None:
            self.models[place] = intern(model)  # few names, of a million keys
        return place

    def rename(self, names: Mapping[str, str]) -> None:
        """Gives keys other names, except those that another key has."""
        for key, name in names.items():
            if name not in self.places:
                self.places[name] = self.places.pop(key)

    def add_ledger(self, place: int, conversion_id: int | None, amount_nano: int, requests: int) -> None:
        """Adds a charge's amount; a reversal comes with a negative amount and -1 request."""
        self.ledger_requests.add(place, requests)
        self.ledger_nano[conversion_id].add(place, amount_nano)

    def parts(self, place: int) -> Iterator[tuple[int | None, int]]:
        """Yields the ledger's nano of a key by conversion id, those that are 0 left out."""
        for conversion_id, tally in self.ledger_nano.items():
            amount_nano = tally[place]
            if amount_nano:
                yield conversion_id, amount_nano


class Measure:
    """Ledger amounts in the currency of the comparison: their own, or USD at the conversions they are pinned to."""

    def __init__(self, currency: str, per_usd_nano: dict[int | None, int | None]) -> None:
        self.currency = currency
        self.in_usd = currency == "USD"
        self._per_usd_nano = per_usd_nano

    def per_usd_nano(self, conversion_id: int | None) -> int | None:
        return self._per_usd_nano[conversion_id]

    def exact(self, parts: Iterable[tuple[int | None, int]]) -> Fraction:
        """Adds up nano of (conversion id, nano) parts, unrounded."""
        if self.in_usd:
            return usd_fraction((amount, self._per_usd_nano[number]) for number, amount in parts) * NANO
        return Fraction(sum(amount for _number, amount in parts))

    def rounded(self, parts: Iterable[tuple[int | None, int]]) -> int:
        """Adds up the same in whole nano: USD is rounded half to even once."""
        if self.in_usd:
            return round_usd(self.exact(parts) / NANO)
        return sum(amount for _number, amount in parts)


class Grain(NamedTuple):
    """The key that two sides are compared by: the request, else day and model, or one of them, or none."""

    by_request: bool
    by_day: bool
    by_model: bool

    @property
    def is_total(self) -> bool:
        """True where nothing tells rows apart."""
        return not any(self)

    def key(self, day: str | None, model: str | None) -> str:
        """The key of usage that isn't compared by request: "2026-03-01 doubao-seed-2.0-pro", or a part of it."""
        return " ".join(str(part) for part, is_in in ((day, self.by_day), (model, self.by_model)) if is_in) or "total"

    def parts(self, key: str) -> tuple[str, str]:
        """The day and the model of such a key, empty where it has none."""
        day = key[:DAY_LENGTH] if self.by_day else ""
        return day, key.removeprefix(day).lstrip() if self.by_model else ""
