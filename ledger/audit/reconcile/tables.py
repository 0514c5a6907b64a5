"""Tables of bills: a CSV file in its own dialect -> a header and rows of texts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from ledger.errors import LedgerError
from ledger.intake.containers.source import Source
from ledger.values.csv_rows import csv_rows
from ledger.values.layout import Layout


class Number(str):
    """A true number of a file, with a point whatever `--decimal` says of texts; its currency may be beside it."""

    __slots__ = ()


class Iso(str):
    """A true day or time of a workbook as ISO 8601, whatever `--date-format` says of texts."""

    __slots__ = ()


class Table(NamedTuple):
    """A header with the line it is on, and the rows below it, each with the line it begins on; blank rows left out.

    `columns` are those of a bill's own format by the field that each holds.
    """

    header_line: int
    header: list[str]
    rows: Iterator[tuple[int, list[str]]]
    columns: Mapping[str, str] = {}


def read_csv(source: Source, blocks: Iterator[bytes], layout: Layout) -> Table:
    """Reads a CSV file's table; LedgerError names the file, the line and what to give."""
    return with_header(source.name, csv_rows(source.name, _undamaged(source, blocks), layout))


def with_header(name: str, rows: Iterator[tuple[int, list[str]]]) -> Table:
    """Makes a table of rows, the first of which is its header; LedgerError where there is none."""
    found = next(rows, None)
    if found is None:
        raise LedgerError(f"{name} is empty: a header with the names of the columns is needed")
    line, names = found
    return Table(line, [name.strip() for name in names], rows)


def _undamaged(source: Source, blocks: Iterator[bytes]) -> Iterator[bytes]:
    yield from blocks
    if source.fault is not None:
        raise LedgerError(f"{source.name}: the compressed data is damaged or ends early: fetch the file again")
