"""Usage records with their first charges, read back in columns as they are stored."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from functools import cached_property
from operator import itemgetter
from typing import TYPE_CHECKING, Any, NamedTuple

from sqlalchemy import Connection, func, select

from ledger.book.charges import PlainRow, plain_rows
from ledger.book.records import Spread, coded, recoded, spread, sum_by_code
from ledger.book.rollups import Alike
from ledger.book.rows import ChargeRow, Facts
from ledger.book.seals import TEXTS, StoredUsage, amounts_by_currency
from ledger.store.tables import booked_usage, record_keys, streams
from ledger.store.tables.keys import RecordKey
from ledger.values.columns import Columns, columns_of, plain
from pricing.charge import METERS

if TYPE_CHECKING:
    from pricing.money import Int64Array

METER_NANO = tuple(f"{meter}_nano" for meter in METERS)
_NAMES = tuple(booked_usage.c.keys())
# Columns that most rows have a value in come first, the tags being the last of them.
_MOST_HAVE = _NAMES.index("tags") + 1


class Stream(NamedTuple):
    """A row of `streams` after its id."""

    source: str
    kind: str


class Named:
    """Keys and streams that stored usage names, all of them by id."""

    def __init__(self, connection: Connection) -> None:
        rows = plain_rows(connection, select(record_keys))
        self.keys = {number: RecordKey(*values) for number, _digest, *values in rows}
        self.sealed = {row[0]: (row[1], self.keys[row[0]].conversion_id) for row in rows}
        self.streams = {number: Stream(*stream) for number, *stream in plain_rows(connection, select(streams))}


@dataclass(frozen=True)
class BookedPage:
    """Usage by id, each with its first charge: columns of `booked_usage` by name, those without any value empty.

    Numbers that each row has are arrays.
    """

    columns: Mapping[str, Any]
    named: Named

    def __len__(self) -> int:
        return len(self.columns["id"])

    def between(self, first: int, last: int) -> StoredUsage:
        """Returns the rows of ids between two, as they are sealed."""
        own = self._places(first, last)
        columns = {name: column[own] for name, column in self.columns.items() if len(column) or name == "id"}
        return StoredUsage(columns, self.named.sealed, self.named.streams)

    def without(self, ids: AbstractSet[int]) -> BookedPage:
        """Returns the page without rows of these ids."""
        kept = [place for place, number in enumerate(plain(self.columns["id"])) if number not in ids]
        columns = [[column[place] for place in kept] if column else () for column in map(plain, self.columns.values())]
        return _page(columns, self.named)

    def charged(self) -> BookedPage:
        """Returns the records whose first charge is in their row, nearly always all, and whose key and stream are."""
        keys, streams, amounts = (plain(self.values(name)) for name in ("key_id", "stream_id", "input_nano"))
        known = self.named.keys, self.named.streams
        if None not in amounts and known[0].keys() >= set(keys) and known[1].keys() >= set(streams):
            return self
        kept = [
            place
            for place, (key, stream, amount) in enumerate(zip(keys, streams, amounts, strict=True))
            if amount is not None and key in known[0] and stream in known[1]
        ]
        columns = {name: plain(column) for name, column in self.columns.items()}
        return _page([[column[place] for place in kept] if column else () for column in columns.values()], self.named)

    def values(self, name: str) -> Any:  # noqa: ANN401 - a sequence, or an array
        """Returns a column, None where a row has nothing."""
        column = self.columns[name]
        return column if len(column) else [None] * len(self)

    def number(self, name: str) -> Int64Array:
        """Returns a column of numbers, 0 where a row has none."""
        import numpy as np

        column = self.columns[name]
        if isinstance(column, np.ndarray):
            return column
        if not column:
            return np.zeros(len(self), dtype=np.int64)
        return np.array([number or 0 for number in column], dtype=np.int64)

    def amounts(self, first: int, last: int) -> Counter[str]:
        """Sums nano of the charges of ids between two by currency."""
        own, (labels, code) = self._places(first, last), self.labels
        sums = zip(labels, sum_by_code(self.amount_nano[own], code[own]), strict=False)  # of the codes that are there
        return amounts_by_currency((key.currency or "", amount) for (key, _stream), (amount, count) in sums if count)

    def _places(self, first: int, last: int) -> slice:
        ids = self.number("id")
        return slice(int(ids.searchsorted(first)), int(ids.searchsorted(last, side="right")))

    @cached_property
    def amount_nano(self) -> Int64Array:
        """The whole amount of each first charge."""
        import numpy as np

        total: Int64Array = np.sum([self.number(name) for name in METER_NANO], axis=0)
        return total

    @cached_property
    def labels(self) -> tuple[list[tuple[RecordKey, Stream]], Int64Array]:
        """Pairs of a key and a stream that records name, each once, and the place of each record's."""
        first, code = recoded(self.number("key_id"), self.number("stream_id"))
        named, keys, streams = self.named, self.number("key_id")[first], self.number("stream_id")[first]
        pairs = zip(keys.tolist(), streams.tolist(), strict=True)
        return [(named.keys[key], named.streams[stream]) for key, stream in pairs], code

    def charges(self) -> tuple[Columns, Columns, Alike]:
        """Returns the columns of ChargeRow and of Facts, and which charges are alike."""
        import numpy as np

        labels, code = self.labels
        tags, tag_of = coded(self.values("tags"))
        tag = np.array(tag_of, dtype=np.int64)
        own: dict[str, Any] = {
            **{name: Spread([getattr(key, name) for key, _ in labels], code) for name in RecordKey._fields},
            "source": Spread([stream.source for _, stream in labels], code),
            "kind": spread([stream.kind for _, stream in labels], code),
            "tags": Spread([text or "{}" for text in tags], tag),
            "usage_record_id": self.columns["id"],
            "charge_class": ["charge"] * len(self),
            "corrects_id": [None] * len(self),
            "assumed": self.number("assumed").tolist(),
            "cache_storage_nano": self.number("cache_storage_nano"),
            "amount_nano": self.amount_nano,
        }
        charges, facts = (
            [own[name] if name in own else self.values(name) for name in row._fields] for row in (ChargeRow, Facts)
        )
        return charges, facts, Alike(*recoded(code, tag))

    def facts(self, place: int) -> Facts:
        """Returns one record's facts."""
        _charges, facts, _alike = BookedPage(
            {name: column[place : place + 1] for name, column in self.columns.items()}, self.named
        ).charges()
        return Facts._make(plain(column)[0] for column in facts)


def read_booked(
    connection: Connection, named: Named, first: int, last: int, archived: Sequence[PlainRow] = ()
) -> BookedPage:
    """Reads the usage of ids between two, and adds rows of it that were `archived`.

    Columns that few rows have a value in are read only where any has.
    """
    columns, within = list(booked_usage.c), booked_usage.c.id.between(first, last)
    few = connection.execute(select(func.count(func.coalesce(*columns[_MOST_HAVE:]))).where(within)).scalar_one()
    used = columns if few or archived else columns[:_MOST_HAVE]
    rows = plain_rows(connection, select(*used).where(within).order_by(booked_usage.c.id))
    return page_of(sorted([*rows, *archived], key=itemgetter(0)) if archived else rows, named)


def page_of(rows: Sequence[PlainRow], named: Named) -> BookedPage:
    """Makes a page of rows of `booked_usage`, by id."""
    return _page(columns_of(rows), named)


def _page(columns: Columns, named: Named) -> BookedPage:
    """Makes a page of columns of `booked_usage`, in their order; the last ones may be left out."""
    import numpy as np

    found: dict[str, Any] = dict.fromkeys(_NAMES, ())
    for name, column in zip(_NAMES, columns, strict=False):
        absent = column.count(None) if booked_usage.c[name].nullable else 0
        if absent < len(column):
            found[name] = column if absent or name in TEXTS else np.array(column, dtype=np.int64)
    return BookedPage(found, named)
