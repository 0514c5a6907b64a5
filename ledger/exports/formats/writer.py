"""One file of an export, in any of its formats: streamed, and with its rows, guarded cells and sha256 kept count of."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice, repeat
from typing import IO, Literal, NamedTuple, TypeAlias

from ledger.errors import LedgerError
from ledger.exports.formats.columns import Cell, Column, Kind, PartedRow, Row, SharedCells, whole_rows
from ledger.values.safe_csv import CsvWriter, begins_formula, decimal_comma, guard, quoted, without_controls
from ledger.values.safe_text import json_text, safe_json

SCHEMA = 1
ROWS_AT_ONCE = 2_000
# Lines of CSV with the cells that rows share, of some hundred bytes each.
LINES_KEPT = 10_000

Format: TypeAlias = Literal["csv", "json", "xlsx", "parquet"]


@dataclass(frozen=True, slots=True)
class FileOptions:
    """Options of a file. `raw` leaves out the apostrophes before text that begins as a formula would.

    `excel` is for an Excel with decimal commas: see `CsvWriter`. Both are for CSV.
    """

    format: Format = "csv"
    raw: bool = False
    excel: bool = False

    def __post_init__(self) -> None:
        if self.raw and self.format != "csv":
            raise LedgerError(f"--raw is for CSV: {self.format} is never altered; leave it out")


class ExportFile:
    """Writes an export's rows to a binary stream."""

    def __init__(self, out: IO[bytes], options: FileOptions | None = None) -> None:
        self.options = options or FileOptions()
        self.rows = 0
        self.guarded_cells = 0
        self.rounded_cells = 0
        self._out = out
        self._digest = hashlib.sha256()

    @property
    def sha256(self) -> str:
        """Of all that was written so far."""
        return self._digest.hexdigest()

    def write(
        self,
        name: str,
        columns: Sequence[Column],
        rows: Iterable[Row],
        *,
        title: str,
        total: Callable[[], Mapping[str, object]],
    ) -> None:
        """Write header and rows as they come; memory doesn't grow with their number.

        JSON and a workbook have the title, JSON at its end the `total`, which is asked for then; a workbook's sheet has
        the name. `rounded_cells` counts the numbers of a workbook that Excel will round.
        """
        self.write_parted(name, columns, zip(repeat(_NOTHING_SHARED), rows), title=title, total=total)

    def write_parted(
        self,
        name: str,
        columns: Sequence[Column],
        rows: Iterable[PartedRow],
        *,
        title: str,
        total: Callable[[], Mapping[str, object]],
    ) -> None:
        """Write rows as `write` does; the cells that rows share are made text once."""
        if self.options.format == "csv":
            self._write_csv(columns, iter(rows))
            return
        counted = self._counting(whole_rows(columns, rows))
        if self.options.format == "json":
            self._write_json(columns, counted, title, total)
        elif self.options.format == "xlsx":
            from ledger.exports.formats.workbook import write_workbook  # an extra

            self.rounded_cells += write_workbook(self._put, name, columns, counted, title=title)
        else:
            from ledger.exports.formats.parquet import write_parquet  # an extra

            write_parquet(self._put, columns, counted)

    def _counting(self, rows: Iterable[Row]) -> Iterator[Row]:
        for row in rows:
            self.rows += 1
            yield row

    def _put(self, data: bytes) -> None:
        self._digest.update(data)
        self._out.write(data)

    def _write_csv(self, columns: Sequence[Column], rows: Iterator[PartedRow]) -> None:
        writer = CsvWriter(excel=self.options.excel)
        self._put(writer.encode([[guard(column.name) for column in columns]]))
        lines = _CsvLines(columns, self.options)
        while chunk := list(islice(rows, ROWS_AT_ONCE)):
            self._put(lines.encode(chunk))
            self.rows += len(chunk)
        self.guarded_cells += lines.guarded

    def _write_json(
        self, columns: Sequence[Column], rows: Iterator[Row], title: str, total: Callable[[], Mapping[str, object]]
    ) -> None:
        """One document, a line of text a row."""
        names = [column.name for column in columns]
        facts = _places(columns, "facts")
        self._put(f'{{"schema":{SCHEMA},"title":{json_text(title)},"rows":['.encode())
        separator = "\n"
        while chunk := list(islice(rows, ROWS_AT_ONCE)):
            texts = [json_text(dict(zip(names, _with_objects(row, facts), strict=True))) for row in chunk]
            self._put((separator + ",\n".join(texts)).encode())
            separator = ",\n"
        self._put(f'\n],"total":{json_text(total())}}}\n'.encode())


def _places(columns: Sequence[Column], kind: str) -> list[int]:
    return [place for place, column in enumerate(columns) if column.kind == kind]


# A cell that is as it is in any CSV, such as an id: no formula begins so, and nothing in it needs quotes.
_PLAIN = re.compile(r"[A-Za-z0-9][\w.:/#-]*", re.ASCII).fullmatch
_NOTHING_SHARED = SharedCells(())


class _Line(NamedTuple):
    """A line of CSV with the cells that rows share, and %s for each other one."""

    text: str
    guarded: int


class _CsvLines:
    """Encodes rows by columns, text guarded; `guarded` counts the cells that got an apostrophe."""

    def __init__(self, columns: Sequence[Column], options: FileOptions) -> None:
        self.guarded = 0
        self._columns = columns
        self._own = [column.kind for column in columns if not column.shared]
        self._options = options
        self._line = lru_cache(maxsize=LINES_KEPT)(self._make_line)

    def encode(self, rows: Sequence[PartedRow]) -> bytes:
        """Returns the rows as bytes, each ended by CRLF."""
        shared, own = zip(*rows, strict=True)
        lines = [self._line(each) for each in shared]
        self.guarded += sum([line.guarded for line in lines])
        columns = map(self._cells, self._own, zip(*own, strict=True))
        ready = zip(lines, zip(*columns, strict=True), strict=True)
        return "".join([line.text % cells for line, cells in ready]).encode()

    def _make_line(self, shared: SharedCells) -> _Line:
        cells = iter(shared.cells)
        given = [(column.kind, next(cells)) if column.shared else None for column in self._columns]
        texts = ["%s" if each is None else self._cell(*each).replace("%", "%%") for each in given]
        text = (";" if self._options.excel else ",").join(texts)
        return _Line(f"{text}\r\n", sum(each is not None and self._is_guarded(*each) for each in given))

    def _cells(self, kind: Kind, values: Sequence[Cell]) -> Sequence[Cell]:
        """Returns the values as text, or as what is the same as text."""
        if kind in ("count", "serial", "time") or (kind in ("decimal", "cents") and not self._options.excel):
            return ["" if value is None else value for value in values]
        distinct = set(values)
        if kind in ("text", "word") and None not in distinct and all(map(_PLAIN, distinct)):  # type: ignore[arg-type]
            return values
        if kind == "text":
            guarded = {value for value in distinct if self._is_guarded(kind, value)}
            self.guarded += sum(value in guarded for value in values) if guarded else 0
        # Most columns have few values: each is made fit once.
        made = {value: self._cell(kind, value) for value in distinct}
        return [made[value] for value in values]

    def _is_guarded(self, kind: Kind, value: Cell) -> bool:
        return kind == "text" and not self._options.raw and begins_formula(str(value or ""))

    def _cell(self, kind: Kind, value: Cell) -> str:
        if kind == "flag":
            return "true" if value else "false"
        text = "" if value is None else str(value)
        if kind == "text":
            text = without_controls(text) if self._options.raw else guard(text)
        elif kind == "facts":
            text = safe_json(text)
        elif kind in ("decimal", "cents") and self._options.excel:
            text = decimal_comma(text)
        return quoted(text, excel=self._options.excel)


def _with_objects(row: Row, facts: Sequence[int]) -> list[object]:
    cells: list[object] = list(row)
    for place in facts:
        if cells[place] is not None:
            cells[place] = _object(str(cells[place]))
    return cells


@lru_cache(maxsize=10_000)
def _object(text: str) -> object:
    return json.loads(text)
