"""CSV with the header of a format that has one -> one item a row."""

from __future__ import annotations

import csv
from collections import Counter, deque
from collections.abc import Iterable, Iterator
from functools import partial
from typing import NamedTuple

from ledger.intake.containers.lines import LineChunk
from ledger.intake.fields.record import MAX_ITEM_BYTES, Item, JsonObject, refused
from ledger.intake.fields.refusals import unless_refused
from ledger.intake.formats import records
from ledger.intake.formats.format import Table
from ledger.intake.formats.registry import AUTO, FORMATS
from ledger.values.csv_rows import is_separator_line
from ledger.values.layout import DELIMITERS
from pricing.errors import RecordError
from pricing.record_values import show

MAX_ROW_LINES = 20
"""Lines a row may have, inclusive: an unclosed quote must not swallow the rows after."""


class Dialect(NamedTuple):
    """The format of a table's header, and what parts its cells."""

    table: Table
    delimiter: str


def find_dialect(header: bytes, input_format: str) -> Dialect | None:
    """Returns the first dialect in which a line is a format's header; None where it is none."""
    tables = [found.table for name, found in FORMATS.items() if found.table and input_format in (AUTO, name)]
    for delimiter in DELIMITERS:
        names = {name.strip() for name in unless_refused(partial(_cells, delimiter=delimiter), header) or []}
        for table in tables:
            if table.is_header(names):
                return Dialect(table, delimiter)
    return None


def _named(input_format: str) -> Dialect:
    """Returns the dialect of a format that is named, whose check then says what its header lacks."""
    table = FORMATS[input_format].table if input_format != AUTO else None
    return Dialect(table or records.TABLE, ",")


def rows(pieces: Iterable[LineChunk | Item], input_format: str) -> Iterator[Item]:
    """An item for each row; one alone where the header can't be used."""
    header: list[str] | None = None
    dialect: Dialect | None = None
    for found in _joined(pieces):
        if isinstance(found, Item):
            yield found
            continue
        line, raw = found
        if header is None and is_separator_line(raw):
            continue
        try:
            if dialect is None:
                dialect = find_dialect(raw, input_format) or _named(input_format)
            if header is None:
                header = _read_header(raw, dialect)
            else:
                obj = _read_row(header, _cells(raw, dialect.delimiter), dialect)
                yield Item(line, raw, dialect.table.parse(obj))
        except RecordError as error:
            yield refused(line, raw, error)
            if header is None:
                return


def _joined(pieces: Iterable[LineChunk | Item]) -> Iterator[tuple[int, bytes] | Item]:
    """Yields rows as (line, bytes): lines are joined while a quote is open, up to a limit."""
    waiting = deque[tuple[int, bytes]]()
    held: list[tuple[int, bytes]] = []
    for piece in pieces:
        if isinstance(piece, Item):
            # A row that a line is missing from is not put together without it.
            yield from held
            held.clear()
            yield piece
            continue
        waiting.extend(enumerate(piece.lines, piece.first_line))
        yield from _take_rows(waiting, held)
    while held:
        yield held[0]
        waiting.extend(held[1:])
        held.clear()
        yield from _take_rows(waiting, held)


def _take_rows(waiting: deque[tuple[int, bytes]], held: list[tuple[int, bytes]]) -> Iterator[tuple[int, bytes]]:
    while waiting:
        line, text = waiting.popleft()
        if not held and not text:
            continue
        held.append((line, text))
        if sum(part.count(b'"') for _, part in held) % 2 == 0:
            yield held[0][0], b"\n".join(part for _, part in held)
            held.clear()
        elif len(held) == MAX_ROW_LINES:
            yield held[0]
            waiting.extendleft(reversed(held[1:]))
            held.clear()


def _cells(raw: bytes, delimiter: str) -> list[str]:
    if b"\0" in raw:
        raise RecordError("nul_byte", "the row holds a NUL byte: no database keeps it; the file is damaged")
    try:
        text = raw.decode()
    except UnicodeDecodeError as fault:
        raise RecordError("not_utf8", f"byte {fault.start + 1} of the row is not UTF-8; convert the file") from None
    csv.field_size_limit(MAX_ITEM_BYTES)
    try:
        return next(csv.reader([text], strict=True, skipinitialspace=True, delimiter=delimiter), [])
    except csv.Error as error:
        raise RecordError("invalid_csv", f"the row can't be read ({error}): check its quotes") from None


def _read_header(raw: bytes, dialect: Dialect) -> list[str]:
    """Returns the columns; refuses what the format doesn't know, a name given twice, a needed one missing."""
    names = [name.strip() for name in _cells(raw, dialect.delimiter)]
    twice = sorted(name for name, count in Counter(names).items() if name and count > 1)
    if twice:
        listed = ", ".join(show(name) for name in twice[:3])
        raise RecordError(
            "duplicate_column", f"the header names {listed} twice: which cell counts can't be known; keep one"
        )
    dialect.table.check_header(names)
    return names


def _read_row(header: list[str], cells: list[str], dialect: Dialect) -> JsonObject:
    if len(cells) != len(header):
        what = "comma" if dialect.delimiter == "," else f"{dialect.delimiter!r}"
        message = f"the row has {len(cells)} cells and the header {len(header)}: quote what holds a {what}"
        raise RecordError("ragged_row", message)
    return dialect.table.read_row(
        {name: cell for name, cell in zip(header, cells, strict=True) if cell and not cell.isspace()}
    )
