"""Usage records in columns, and what they cost: the form in which many of them go into the book.

What many records have alike is there once, and each has its place: as a code.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from functools import reduce
from itertools import chain
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from ledger.book.rows import AMOUNTS, OPTIONAL_AMOUNTS, TOKENS, ChargeRow, Facts
from ledger.values.columns import Columns, columns_of, numbered, plain, rows_of
from ledger.values.halves import HALF_BITS, LOWER_HALF

if TYPE_CHECKING:
    from pricing.money import Int64Array

T = TypeVar("T", bound=Hashable)


class Label(NamedTuple):
    """The facts that many records have alike, in the words of Facts."""

    kind: Any
    source: str
    provider: str
    requested_model: str | None
    reported_model: str | None
    project: str
    status: str
    service_tier: str | None


# The rows of `Records.numbers`: codes of label and tags, and what each record has of its own.
NUMBERS = ("label", "tags", "occurred_at", *Facts._fields[TOKENS])
_ROW_OF = {name: row for row, name in enumerate(NUMBERS)}
# What few records have, each with what the others have in its place.
OPTIONAL: dict[str, int | None] = {
    name: 0 if name in ("generation", "assumed") else None
    for name in Facts._fields
    if name not in (*Label._fields, *NUMBERS, "request_id")
}


@dataclass(slots=True)
class Records:
    """Usage records in columns: `numbers` has a row for each of NUMBERS, `optional` a column where any has one."""

    labels: list[Label]
    tags: list[str]
    request_ids: list[str]
    numbers: Int64Array
    optional: dict[str, list[int | None]] = field(default_factory=dict)

    @classmethod
    def of(cls, rows: Sequence[Facts]) -> Records:
        """Returns rows as columns."""
        import numpy as np

        if not rows:
            return cls([], [], [], np.zeros((len(NUMBERS), 0), dtype=np.int64))
        columns = dict(zip(Facts._fields, columns_of(rows), strict=True))
        labels, label = coded(zip(*(columns[name] for name in Label._fields), strict=True))
        tags, tag = coded(columns["tags"])
        own = [columns[name] for name in NUMBERS[2:]]
        optional = {
            name: list(columns[name])
            for name, absent in OPTIONAL.items()
            if any(value != absent for value in columns[name])
        }
        numbers = np.array([label, tag, *own], dtype=np.int64)
        return cls([Label(*label) for label in labels], tags, list(columns["request_id"]), numbers, optional)

    def __len__(self) -> int:
        return len(self.request_ids)

    def number(self, name: str) -> Int64Array:
        """Returns the column of one of NUMBERS."""
        column: Int64Array = self.numbers[_ROW_OF[name]]
        return column

    def values(self, name: str) -> list[Any]:
        """Returns a column of Facts as a list."""
        if name in Label._fields or name == "tags":
            return plain(self._column(name))  # type: ignore[return-value]
        if name == "request_id":
            return self.request_ids
        if name in OPTIONAL:
            return self.optional.get(name) or [OPTIONAL[name]] * len(self)
        return self.number(name).tolist()  # type: ignore[no-any-return]

    def columns(self) -> Columns:
        """Returns the columns of Facts: numbers that each record has as arrays, what many have alike as Spread.

        Those of one record are lists.
        """
        if len(self) == 1:  # as of a call that is booked by itself
            return columns_of([self.facts(0)])
        return [self._column(name) for name in Facts._fields]

    def _column(self, name: str) -> Any:  # noqa: ANN401 - of any type
        if name in Label._fields:
            return Spread([getattr(label, name) for label in self.labels], self.number("label"))
        if name == "tags":
            return Spread(self.tags, self.number("tags"))
        return self.number(name) if name in _ROW_OF else self.values(name)

    def rows(self) -> list[Facts]:
        """Returns the records one by one."""
        return list(map(Facts._make, rows_of(self.columns())))

    def facts(self, place: int) -> Facts:
        """Returns one record."""
        label, tags, *own = self.numbers[:, place].tolist()
        few = OPTIONAL | {name: column[place] for name, column in self.optional.items()}
        stated = self.labels[label]._asdict() | few | dict(zip(NUMBERS[2:], own, strict=True))
        return Facts(**stated, request_id=self.request_ids[place], tags=self.tags[tags])

    @property
    def identities(self) -> list[tuple[str, str, str]]:
        """The identity of each: (request_id, source, kind)."""
        return list(zip(self.request_ids, self.values("source"), self.values("kind"), strict=True))

    def change(self, name: str, place: int, value: int | None) -> None:
        """Changes what few records have."""
        self.optional.setdefault(name, [OPTIONAL[name]] * len(self))[place] = value

    def take(self, places: Sequence[int]) -> Records:
        """Returns the records at these places, in their order."""
        ids = [self.request_ids[place] for place in places]
        optional = {name: [column[place] for place in places] for name, column in self.optional.items()}
        return replace(self, request_ids=ids, numbers=self.numbers[:, _index(places)], optional=optional)


def joined(parts: Sequence[Records]) -> Records:
    """Returns the records of all parts, one after the other."""
    import numpy as np

    numbers = np.hstack([part.numbers for part in parts])
    start = 0
    labels: list[Label] = []
    tags: list[str] = []
    for part in parts:
        numbers[NUMBERS.index("label"), start : start + len(part)] += len(labels)
        numbers[NUMBERS.index("tags"), start : start + len(part)] += len(tags)
        start += len(part)
        labels += part.labels
        tags += part.tags
    optional = {name: list(chain(*(part.values(name) for part in parts))) for part in parts for name in part.optional}
    return Records(labels, tags, list(chain(*(part.request_ids for part in parts))), numbers, optional)


class Terms(NamedTuple):
    """The terms that many requests are priced by alike: the columns of a charge before its amounts."""

    currency: str
    billed_model: str
    model_differs: int
    rate_entry_id: int
    conversion_id: int | None
    tier: str


PRICED = (*Terms._fields, *ChargeRow._fields[AMOUNTS.start :])
"""The columns of a charge that a price fills."""


@dataclass(slots=True)
class Rated:
    """Usage records priced: `term` is each one's place in `terms`; `nano` has a row for each column of AMOUNTS.

    `optional` has the amounts of meters that few requests have, where any has them.
    """

    records: Records
    terms: list[Terms]
    term: Int64Array
    nano: Int64Array
    optional: dict[str, list[int | None]]

    @classmethod
    def unpriced(cls, records: Records) -> Rated:
        """Returns records whose prices are still to be set."""
        import numpy as np

        nano = np.zeros((AMOUNTS.stop - AMOUNTS.start, len(records)), dtype=np.int64)
        return cls(records, [], np.full(len(records), -1, dtype=np.int64), nano, {})

    def set_terms(self, places: Int64Array, terms: Sequence[Terms], term: Int64Array) -> None:
        """Sets the terms of the records at these places."""
        self.term[places] = term + len(self.terms)
        self.terms += terms

    def set_optional(self, name: str, places: Int64Array, nano: Sequence[int | None]) -> None:
        """Sets the amounts of a meter that few requests have."""
        column = self.optional.setdefault(name, [None] * len(self))
        for place, amount in zip(places.tolist(), nano, strict=True):
            column[place] = amount

    def __len__(self) -> int:
        return len(self.records)

    def amount(self, name: str) -> Int64Array:
        """Returns the column of one of the amounts that every charge has."""
        column: Int64Array = self.nano[ChargeRow._fields[AMOUNTS].index(name)]
        return column

    @property
    def amount_nano(self) -> Int64Array:
        """The whole amount of each."""
        return self.amount("amount_nano")

    def of_terms(self, name: str) -> Spread:
        """Returns a column of Terms."""
        return Spread([getattr(terms, name) for terms in self.terms], self.term)

    def columns(self) -> Columns:
        """Returns the columns PRICED: amounts that each has as arrays, terms as Spread."""
        nothing = [None] * len(self)
        if len(self) == 1:
            few = (self.optional.get(name, nothing)[0] for name in ChargeRow._fields[OPTIONAL_AMOUNTS])
            return columns_of([(*self.terms[self.term.item()], *self.nano[:, 0].tolist(), *few)])
        optional = (self.optional.get(name) or nothing for name in ChargeRow._fields[OPTIONAL_AMOUNTS])
        return [*map(self.of_terms, Terms._fields), *self.nano, *optional]

    def prices(self) -> list[tuple[Any, ...]]:
        """Returns each one's price, in the order of PRICED."""
        return list(rows_of(self.columns()))

    def take(self, places: Sequence[int]) -> Rated:
        """Returns the records at these places alone."""
        index = _index(places)
        optional = {name: [column[place] for place in places] for name, column in self.optional.items()}
        return Rated(self.records.take(places), self.terms, self.term[index], self.nano[:, index], optional)


def coded(items: Iterable[T]) -> tuple[list[T], list[int]]:
    """Returns the distinct items in order of first appearance, and the place of each item among them."""
    items = list(items)
    places = {item: place for place, item in enumerate(dict.fromkeys(items))}
    return list(places), list(map(places.__getitem__, items))


def recoded(*codes: Int64Array) -> tuple[list[int], Int64Array]:
    """Numbers distinct combinations of codes, each from 0; returns where each comes first, and each row's number."""
    import numpy as np

    if len(codes[0]) == 1:  # as of a call that is booked by itself
        return [0], np.zeros(1, dtype=np.int64)

    def paired(one: Int64Array, other: Int64Array) -> Int64Array:
        return numbered(one * (int(other.max(initial=0)) + 1) + other)[1]  # numbered, so that products stay small

    found, code = numbered(reduce(paired, codes))
    first = np.empty(len(found), dtype=np.int64)
    first[code[::-1]] = np.arange(len(code))[::-1]  # of those of a code the one that is written last is the first
    return first.tolist(), code


def sum_by_code(amounts: Int64Array, codes: Int64Array) -> list[tuple[int, int]]:
    """Returns the sum of the amounts of each code, which may pass 64 bits, and their number."""
    import numpy as np

    if len(amounts) == 1 and not codes[0]:  # as of a call that is booked by itself
        return [(int(amounts[0]), 1)]
    counts = np.bincount(codes)
    upper, lower = np.zeros((2, len(counts)), dtype=np.int64)
    np.add.at(upper, codes, amounts >> HALF_BITS)
    np.add.at(lower, codes, amounts & LOWER_HALF)
    sums = ((one << HALF_BITS) + other for one, other in zip(upper.tolist(), lower.tolist(), strict=True))
    return list(zip(sums, counts.tolist(), strict=True))


def spread(values: Sequence[Any], codes: Int64Array) -> list[Any]:
    """Returns the value of each code."""
    if len(set(values)) == 1:
        return [values[0]] * len(codes)
    return list(map(values.__getitem__, codes.tolist()))


class Spread(Sequence[Any]):
    """The value of each code, looked up where it is asked for."""

    def __init__(self, values: Sequence[Any], codes: Int64Array) -> None:
        self._values = values
        self._codes = codes

    def __len__(self) -> int:
        return len(self._codes)

    def __getitem__(self, place: Any) -> Any:  # noqa: ANN401 - as a sequence's
        return self._values[self._codes[place]]

    def tolist(self) -> list[Any]:
        """Returns all values, as an array does."""
        return spread(self._values, self._codes)


def _index(places: Sequence[int]) -> Int64Array:
    import numpy as np

    return np.array(places, dtype=np.int64)
