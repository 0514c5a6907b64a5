"""The make-up of an export's rows: columns by name and kind, and the cells that each kind has.

| kind | cell | CSV | JSON | xlsx | Parquet |
|---|---|---|---|---|---|
| text | str that came in as data | guarded text | string | text | string |
| word | str of our own, such as a month | as it is | string | text | string |
| time | str, ISO 8601 in UTC with Z | as it is | string | date and time | timestamp, UTC |
| count | int | digits | number | number, in thousands | 64-bit integer |
| serial | int that names, such as a batch | digits | number | number | 64-bit integer |
| decimal | str, a plain decimal | as it is | string | number | decimal of 18 places |
| cents | str, a decimal of two places | as it is | string | number | decimal of 2 places |
| flag | bool | true, false | true, false | TRUE, FALSE | boolean |
| facts | str, a JSON object | as it is | object | text | string |

None is an empty cell, and null in JSON and Parquet. CSV for Excel has decimal commas. A spreadsheet keeps 15 digits
of a number and shows one that has more with a sign before it; the other formats keep all.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from operator import itemgetter
from typing import Literal, NamedTuple, TypeAlias

Kind: TypeAlias = Literal["text", "word", "time", "count", "serial", "decimal", "cents", "flag", "facts"]
Cell: TypeAlias = str | int | bool | None
Row: TypeAlias = tuple[Cell, ...]


class Column(NamedTuple):
    """One column of an export; of the `shared` ones many rows have the same cells."""

    name: str
    kind: Kind
    shared: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class SharedCells:
    """Cells of the shared columns, in their order: one object for many rows, so that they are made text once."""

    cells: Row


# The cells that other rows have too, and those of the columns that aren't shared, in their order.
PartedRow: TypeAlias = tuple[SharedCells, Row]


def whole_rows(columns: Sequence[Column], rows: Iterable[PartedRow]) -> Iterator[Row]:
    """Returns the rows with their cells in the order of the columns."""
    if not any(column.shared for column in columns):
        return (own for _nothing, own in rows)
    given = sorted(range(len(columns)), key=lambda place: not columns[place].shared)
    in_order = itemgetter(*map(given.index, range(len(columns))))
    return (in_order(shared.cells + own) for shared, own in rows)
