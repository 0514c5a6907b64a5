"""The statement of a format module about itself."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ledger.intake.fields.record import JsonObject, Parsed
from ledger.intake.formats.payloads import PayloadReader


@dataclass(frozen=True, slots=True)
class Table:
    """A format's form as CSV: the columns that tell it, a check of all columns, and a row's cells as an object.

    `read_row` gets the cells that aren't blank; both raise `RecordError`. `parse` is the format's, of one request.
    """

    is_header: Callable[[Collection[str]], bool]
    check_header: Callable[[Sequence[str]], None]
    read_row: Callable[[Mapping[str, str]], JsonObject]
    parse: Callable[[JsonObject], Parsed]


@dataclass(frozen=True, slots=True)
class Format:
    """One input format: how its objects are known, and what one of them says.

    `objects` are the values of the key "object" that decide at once; `recognise` is asked where none does. `parse`
    reads one request and never raises. `parts` is for formats of which one object holds many items, each with the
    bytes that tell it from the others; it is given what `memory` makes for a source, to know one object by those before
    it. A format with neither is of event streams. `is_part` tells of an object that it may be one of several that make
    one request: it is kept until the others have come. `table` is its form as CSV, where it has one. `reader` is of a
    format that is an API's own response.
    """

    name: str
    recognise: Callable[[JsonObject], bool]
    parse: Callable[[JsonObject], Parsed] | None = None
    objects: tuple[str, ...] = ()
    parts: Callable[[JsonObject, Any], Iterable[tuple[bytes, Parsed]]] | None = None
    memory: Callable[[], Any] = lambda: None
    is_part: Callable[[JsonObject], bool] = lambda _obj: False
    table: Table | None = None
    reader: PayloadReader | None = None
