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

from typing import Literal, NamedTuple, TypeAlias

Kind: TypeAlias = Literal["text", "word", "time", "count", "serial", "decimal", "cents", "flag", "facts"]
Cell: TypeAlias = str | int | bool | None
Row: TypeAlias = tuple[Cell, ...]


class Column(NamedTuple):
    """One column of an export."""

    name: str
    kind: Kind
