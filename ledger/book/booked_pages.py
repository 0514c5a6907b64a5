"""Usage records with their first charges, read back in columns as they are stored."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from functools import cache, cached_property
from operator import itemgetter
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec
from sqlalchemy import Connection, select

from ledger.book.charges import PlainRow, plain_rows
from ledger.book.records import Spread, coded, recoded, spread, sum_by_code
from ledger.book.rollups import Alike
from ledger.book.rows import ChargeRow, Facts
from ledger.book.seals import TEXTS, StoredUsage, amounts_by_currency
from ledger.store.driver import run
from ledger.store.tables import booked_usage, record_keys, streams
from ledger.store.tables.keys import RecordKey
from ledger.values.columns import Columns, columns_of, numbered, plain
from pricing.charge import METERS

if TYPE_CHECKING:
    from pricing.money import Int64Array

METER_NANO = tuple(f"{meter}_nano" for meter in METERS)
_NAMES = tuple(booked_usage.c.keys())
# Columns that most rows have a value in come first, the tags being the last of them.
_MOST_HAVE, _FEW_HAVE = _NAMES[: _NAMES.index("tags") + 1], _NAMES[_NAMES.index("tags") + 1 :]
_COUNT_FEW = f"count(coalesce({', '.join(_FEW_HAVE)}))"


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

    def rows(self) -> list[PlainRow]:
        """Returns the rows of `booked_usage`, as they are stored."""
        return list(zip(*(plain(self.values(name)) for name in _NAMES), strict=True))

    def without(self, ids: AbstractSet[int]) -> BookedPage:
        """Returns the page without rows of these ids."""
        return page_of([row for row in self.rows() if row[0] not in ids], self.named)

    def charged(self) -> BookedPage:
        """Returns the records whose first charge is in their row, nearly always all, and whose key and stream are."""
        import numpy as np

        pairs, code = self._pairs
        is_known = np.array([key in self.named.keys and stream in self.named.streams for key, stream in pairs], bool)
        if is_known.all() and isinstance(self.columns["input_nano"], np.ndarray):
            return self
        rows = enumerate(zip(is_known[code].tolist(), plain(self.values("input_nano")), strict=True))
        kept = [place for place, (known, amount) in rows if known and amount is not None]
        columns = {name: plain(column) for name, column in self.columns.items()}
        return BookedPage(
            {name: [column[place] for place in kept] if column else () for name, column in columns.items()}, self.named
        )

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
        pairs, code = self._pairs
        return [(self.named.keys[key], self.named.streams[stream]) for key, stream in pairs], code

    @cached_property
    def _pairs(self) -> tuple[list[tuple[int, int]], Int64Array]:
        """Pairs of ids of a key and a stream, whether these are there or not, and the place of each record's."""
        ids = self.number("key_id"), self.number("stream_id")
        first, code = recoded(*(numbered(column)[1] for column in ids))  # whatever somebody has set them to
        return list(zip(*(column[first].tolist() for column in ids), strict=True)), code

    def charges(self, *, tags: bool = True) -> tuple[Columns, Columns, Alike]:
        """Returns the columns of ChargeRow and of Facts, and which charges are alike; as if none had `tags` without."""
        import numpy as np

        labels, code = self.labels
        texts, tag_of = coded(self.values("tags")) if tags else ([None], [0] * len(self))
        tag = np.array(tag_of, dtype=np.int64)
        own: dict[str, Any] = {
            **{name: Spread([getattr(key, name) for key, _ in labels], code) for name in RecordKey._fields},
            "source": Spread([stream.source for _, stream in labels], code),
            "kind": spread([stream.kind for _, stream in labels], code),
            "tags": Spread([text or "{}" for text in texts], tag),
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
    *arrays, few = run(connection, _arrays(connection.dialect.name, _MOST_HAVE, _COUNT_FEW), (first, last)).fetchone()
    if few:
        arrays += run(connection, _arrays(connection.dialect.name, _FEW_HAVE), (first, last)).fetchone()
    found: dict[str, Any] = dict.fromkeys(_NAMES, ())
    page = BookedPage(found | dict(zip(_NAMES, map(_column, arrays), strict=False)), named)
    return page_of(sorted([*page.rows(), *archived], key=itemgetter(0)), named) if archived else page


def page_of(rows: Sequence[PlainRow], named: Named) -> BookedPage:
    """Makes a page of rows of `booked_usage`, by id."""
    import numpy as np

    found: dict[str, Any] = dict.fromkeys(_NAMES, ())
    for name, column in zip(_NAMES, columns_of(rows), strict=False):
        absent = column.count(None) if booked_usage.c[name].nullable else 0
        if absent < len(column):
            found[name] = column if absent or name in TEXTS else np.array(column, dtype=np.int64)
    return BookedPage(found, named)


@cache
def _arrays(dialect: str, names: Sequence[str], *more: str) -> str:
    """Writes a query for columns of the usage of ids between two, each as one JSON array in order of id.

    That takes half the time of rows, and of integers alone a quarter.
    """
    array = "json_group_array({0}) AS {0}" if dialect == "sqlite" else "json_agg({0})::text AS {0}"
    # SQLite finds a range of ids in their order, and would copy rows that a subquery orders.
    usage = f"{booked_usage.name} WHERE id BETWEEN ? AND ?"
    source = usage if dialect == "sqlite" else f"(SELECT * FROM {usage} ORDER BY id) AS page"
    return f"SELECT {', '.join([*map(array.format, names), *more])} FROM {source}"


def _column(array: str | None) -> Any:  # noqa: ANN401 - a list, or an array
    """Returns a column of a JSON array: nothing of one without any value, integers that each row has as an array."""
    import numpy as np

    if not array or array[1:2] in ("", "]"):
        return ()
    if array[1] != '"' and "null" not in array:
        return np.fromstring(array[1:-1], dtype=np.int64, sep=",")
    column = msgspec.json.decode(array)
    return column if any(value is not None for value in column) else ()
