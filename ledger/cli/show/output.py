"""Output of commands: `--format`, `--json`, `-o`, and how data is written.

Data alone goes to standard output or the file; notes and errors go to standard error.
"""

from __future__ import annotations

import errno
import functools
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any, TypeVar

import click
import msgspec

from ledger.cli.show.sheet import Sheet, json_pieces, to_csv, to_markdown
from ledger.errors import LedgerError, NotShown
from ledger.values.safe_text import visible
from ledger.values.words import counted

# Of a table that goes to a pipe: what pages, logs and mails show without a break.
DEFAULT_WIDTH = 100

# Key of the context's meta, once data goes to standard output.
_HAS_SHOWN = "tollbook.has_shown"

F = TypeVar("F", bound=Callable[..., Any])

SHEET_FORMATS = ("table", "json", "csv", "markdown")
# These need an extra, and a file to go to.
FILE_FORMATS = ("xlsx", "parquet")
_FORMAT_OF_SUFFIX = {
    ".json": "json",
    ".csv": "csv",
    ".md": "markdown",
    ".html": "html",
    ".xml": "junit",
    ".xlsx": "xlsx",
    ".parquet": "parquet",
}
# Files whose readers would refuse what we can write, unless the command has the very format.
_FOREIGN_SUFFIXES = frozenset({".parquet", ".xlsx", ".xls", ".ods", ".html", ".pdf"})


class Output(msgspec.Struct, frozen=True):
    """The place and format of a command's data: `path` None is standard output; `excel` is for CSV."""

    format: str
    path: str | None = None
    excel: bool = False

    def __post_init__(self) -> None:
        """Refuses what can't be written, before anything is done."""
        if self.excel and self.format != "csv":
            raise LedgerError("--excel is for CSV: give --format csv, or leave it out")
        if self.format in FILE_FORMATS:
            from ledger.cli.show.sheet_files import refuse_missing_library

            refuse_missing_library(self.format)
            if self.to_terminal:
                kind = "an Excel" if self.format == "xlsx" else "a Parquet"
                raise LedgerError(f"{kind} file is nothing for a terminal: give -o FILE.{self.format}")

    @property
    def to_terminal(self) -> bool:
        """Tells whether the data goes to a terminal."""
        return self.path is None and sys.stdout.isatty()

    def write(self, sheet: Sheet) -> None:
        """Shows the sheet; names columns that a table has no room for on standard error."""
        if self.format == "table":
            self._write_table(sheet)
            return
        if self.format in FILE_FORMATS:
            from ledger.cli.show.sheet_files import write_sheet_file

            with self.stream() as out:
                rounded = write_sheet_file(out.write, sheet, self.format)
            note_rounded(rounded)
            return
        pieces: Iterable[bytes]
        if self.format == "csv":
            pieces = [to_csv(sheet, excel=self.excel)]
        elif self.format == "json":
            pieces = (piece.encode() for piece in json_pieces(sheet, indent=2 if self.to_terminal else None))
        else:
            pieces = [to_markdown(sheet).encode()]
        with self.stream() as out:
            out.writelines(pieces)

    @contextmanager
    def stream(self) -> Iterator[IO[bytes]]:
        """Yields a binary stream; a file is there whole at the end, or not at all."""
        if self.path is not None:
            from ledger.cli.show.whole_files import replacing  # what it needs takes a while to import

            with replacing(self.path) as file:
                yield file
            return
        click.get_current_context().meta[_HAS_SHOWN] = True
        with _telling_full_output():
            sys.stdout.flush()
            yield sys.stdout.buffer
            sys.stdout.buffer.flush()

    def _write_table(self, sheet: Sheet) -> None:
        from ledger.cli.show.tables import to_table  # rich is for tables alone

        width = None if self.path is not None else terminal_width()
        encoding = "utf-8" if self.path is not None else (getattr(sys.stdout, "encoding", None) or "utf-8")
        texts, left_out = [], []
        for each in filter(None, (sheet.lead, sheet)):
            text, names = to_table(
                each, width=width, colour=self.to_terminal and wants_colour(), ascii_only=not _encodes("─", encoding)
            )
            texts.append(text)
            left_out += names
        with self.stream() as out:
            out.write("\n".join(texts).encode(encoding, "backslashreplace"))
        if left_out:
            note(f"left out to fit {width} columns: {', '.join(left_out)}; --format csv and json have them")


@contextmanager
def _telling_full_output() -> Iterator[None]:
    """Raises NotShown where standard output takes nothing more, such as a file on a full disk."""
    try:
        yield
    except OSError as error:
        if isinstance(error, BrokenPipeError) or error.filename is not None:
            raise
        forget_output()
        raise NotShown(f"standard output: can't be written: {error.strerror or error}") from error


def forget_output() -> None:
    """Keeps the interpreter from complaining at its end about what is still to be written."""
    with suppress(OSError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def has_shown() -> bool:
    """Tells whether a command's data began to go to standard output."""
    return _HAS_SHOWN in click.get_current_context().meta


def note(text: str) -> None:
    """Writes one line to standard error that isn't data."""
    click.echo(f"Note: {visible(text)}", err=True)


def note_rounded(cells: int) -> None:
    """Notes the numbers of a workbook that Excel can't hold, if there are any."""
    if cells:
        note(
            f"{counted(cells, 'number has', 'numbers have')} more than the 15 digits that Excel keeps: "
            "shown with \u2248; CSV, JSON and Parquet have every digit"
        )


def terminal_width() -> int:
    """COLUMNS, else the width of the terminal, else DEFAULT_WIDTH."""
    columns = os.environ.get("COLUMNS", "")
    if columns.isascii() and columns.isdigit() and int(columns) > 0:
        return int(columns)
    try:
        return os.get_terminal_size(sys.stdout.fileno()).columns or DEFAULT_WIDTH
    except (AttributeError, OSError, ValueError):
        return DEFAULT_WIDTH


def wants_colour() -> bool:
    """Tells whether a terminal takes styles: not with NO_COLOR set, not a dumb one."""
    return not os.environ.get("NO_COLOR") and os.environ.get("TERM") not in ("dumb", "unknown")


def _encodes(text: str, encoding: str) -> bool:
    try:
        text.encode(encoding)
    except (UnicodeEncodeError, LookupError):
        return False
    return True


def output_options(
    formats: Sequence[str] = (*SHEET_FORMATS, *FILE_FORMATS), *, to_file: str | None = None, writes: bool = True
) -> Callable[[F], F]:
    """Adds `--format`, `--json`, `--excel` and `-o/--output`; the command gets them as `output`.

    The first format is the default, or of a file `to_file`, unless the file's suffix says another (.csv, .json, .md,
    .xlsx, .parquet). A command whose own `--output` is something else doesn't write its result to a file.
    """
    said = "Write to FILE, whole or not at all; - is standard output."
    of_file = click.option("-o", "--output", "output_path", metavar="FILE", help=said) if writes else _as_it_is
    chosen = f"by the suffix of --output, else {formats[0]}" if writes else formats[0]

    def decorate(function: F) -> F:
        @click.option(
            "--format",
            "format_name",
            type=click.Choice(list(formats)),
            help=f"How to show it. Default: {chosen}" + (f", or {to_file} in a file." if to_file else "."),
        )
        @click.option("--json", "as_json", is_flag=True, help="The same as --format json.")
        @click.option(
            "--excel", is_flag=True, help="CSV for an Excel with decimal commas: semicolons and a byte order mark too."
        )
        @of_file
        @functools.wraps(function)
        def with_output(
            *args: object,
            format_name: str | None,
            as_json: bool,
            excel: bool,
            output_path: str | None = None,
            **kwargs: object,
        ) -> object:
            default = formats[0] if output_path in (None, "-") else to_file or formats[0]
            output = chosen_output(
                formats, format_name, as_json=as_json, path=output_path, default=default, excel=excel
            )
            if output.path is not None:
                refuse_unwritable(output.path)
            return function(*args, output=output, **kwargs)

        return with_output  # type: ignore[return-value]  # click reads the options off it; nothing else calls it

    return decorate


def _as_it_is(function: F) -> F:
    return function


def refuse_unwritable(path: str) -> None:
    """Refuses a file that can't be written there, before anything is done."""
    target = Path(os.path.realpath(path))
    try:
        fault = errno.EISDIR if target.is_dir() else 0 if target.exists() or target.parent.is_dir() else errno.ENOENT
    except OSError as error:
        fault = error.errno or errno.EIO
    if fault:
        raise LedgerError(f"{path}: can't be written: {os.strerror(fault)}")


def chosen_output(
    formats: Sequence[str],
    format_name: str | None,
    *,
    as_json: bool,
    path: str | None,
    default: str | None = None,
    excel: bool = False,
) -> Output:
    """The output that the options ask for; LedgerError for contradictions."""
    if as_json and format_name not in (None, "json"):
        raise LedgerError(f"--json and --format {format_name} contradict each other: give one of them")
    if path == "":
        raise LedgerError("--output is empty: give a file, or - for standard output")
    suffix = Path(path or "").suffix.lower()
    by_suffix = _FORMAT_OF_SUFFIX.get(suffix, "")
    if suffix in _FOREIGN_SUFFIXES and by_suffix not in formats and not as_json and format_name is None:
        raise LedgerError(f"--output {path}: {suffix} can't be written: give --format {' or '.join(formats)}")
    chosen = format_name or (by_suffix if by_suffix in formats else default or formats[0])
    return Output("json" if as_json else chosen, None if path == "-" else path, excel)
