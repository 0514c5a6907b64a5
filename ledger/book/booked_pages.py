"""Usage records with their first charges, read back in columns as they are stored."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple

from sqlalchemy import Connection, func, select

from ledger.book.charges import plain_rows
from ledger.book.records import Spread, coded, recoded, spread, sum_by_code
from ledger.book.rollups import Alike
from ledger.book.rows import ChargeRow, Facts
from ledger.book.seals import StoredUsage, amounts_by_currency
from ledger.store.tables import booked_usage, record_keys, streams
from ledger.store.tables.keys import RecordKey
from ledger.values.columns import Columns, columns_of
from pricing.charge import METERS

if TYPE_CHECKING:
    from pricing.money import Int64Array

METER_NANO = tuple(f"{meter}_nano" for meter in METERS)


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
    """Usage by id, each with its first charge: columns of `booked_usage` by name, those without any value empty."""

    columns: Mapping[str, Sequence[Any]]
    named: Named

    def __len__(self) -> int:
        return len(self.columns["id"])

    def between(self, first: int, last: int) -> StoredUsage:
        """Returns the rows of ids between two, as they are sealed."""
        ids = self.columns["id"]
        own = slice(bisect_left(ids, first), bisect_right(ids, last))
        columns = {name: column[own] for name, column in self.columns.items() if column or name == "id"}
        return StoredUsage(columns, self.named.sealed, self.named.streams)

    def charged(self) -> BookedPage:
        """Returns the records whose first charge is in their row, nearly always all, and whose key and stream are."""
        keys, streams, amounts = (self.values(name) for name in ("key_id", "stream_id", "input_nano"))
        known = self.named.keys, self.named.streams
        if None not in amounts and known[0].keys() >= set(keys) and known[1].keys() >= set(streams):
            return self
        kept = [
            place
            for place, (key, stream, amount) in enumerate(zip(keys, streams, amounts, strict=True))
            if amount is not None and key in known[0] and stream in known[1]
        ]
        taken = {name: [column[place] for place in kept] if column else () for name, column in self.columns.items()}
        return BookedPage(taken, self.named)

    def values(self, name: str) -> Sequence[Any]:
        """Returns a column, None where a row has nothing."""
        return self.columns[name] or [None] * len(self)

    def number(self, name: str) -> Int64Array:
        """Returns a column of numbers, 0 where a row has none."""
        import numpy as np

        column = self.columns[name]
        if not column:
            return np.zeros(len(self), dtype=np.int64)
        return np.array([number or 0 for number in column] if None in column else column, dtype=np.int64)

    def amounts(self, first: int, last: int) -> Counter[str]:
        """Sums nano of the charges of ids between two by currency."""
        ids, (labels, code) = self.columns["id"], self.labels
        own = slice(bisect_left(ids, first), bisect_right(ids, last))
        sums = zip(labels, sum_by_code(self.amount_nano[own], code[own]), strict=False)  # of the codes that are there
        return amounts_by_currency((key.currency or "", amount) for (key, _stream), (amount, count) in sums if count)

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
        keys, streams = self.columns["key_id"], self.columns["stream_id"]
        return [(self.named.keys[keys[place]], self.named.streams[streams[place]]) for place in first], code

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
        return Facts._make(column[0] for column in facts)


def read_booked(connection: Connection, named: Named, first: int, last: int) -> BookedPage:
    """Reads the usage of ids between two; columns without any value aren't read, which most of the time is half."""
    within = booked_usage.c.id.between(first, last)
    [counts] = connection.execute(select(*(func.count(column) for column in booked_usage.c)).where(within))
    used = [column for column, count in zip(booked_usage.c, counts, strict=True) if count]
    rows = plain_rows(connection, select(*used).where(within).order_by(booked_usage.c.id)) if used else []
    found = zip((column.name for column in used), columns_of(rows), strict=True)
    return BookedPage(dict.fromkeys(booked_usage.c.keys(), ()) | dict(found), named)
