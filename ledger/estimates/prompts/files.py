"""Files that an estimate reads, as text or JSON; refusals name the file."""

from __future__ import annotations

import sys
from codecs import BOM_UTF8
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from ledger.errors import LedgerError

if TYPE_CHECKING:
    from pricing.estimating.calibration import Calibration

STANDARD_INPUT = "-"
# Lines that are decoded at a time: few enough to stay in the processor's cache.
_LINES_AT_ONCE = 200
_UTF16_MARKS = (b"\xff\xfe", b"\xfe\xff")


def read_text(path: str) -> str:
    """Reads UTF-8 text without its byte order mark, `-` from standard input; keeps line ends."""
    return text_of(read_bytes(path), path)


def read_json(path: str) -> Any:  # noqa: ANN401 - any JSON
    """Reads the one JSON value of a file, `-` from standard input; refuses a key given twice."""
    return json_of(read_bytes(path), path)


def read_calibration(path: str) -> Calibration:
    """Reads the calibration that `tollbook calibrate` wrote."""
    from pricing.estimating.calibration import Calibration

    return Calibration.from_document(read_json(path), path)


def read_bytes(path: str) -> bytes:
    """Reads a file's bytes, standard input's for `-`."""
    with _opened(path) as file:
        return file.read()


def read_lines(path: str) -> Iterator[bytes]:
    """Yields a file's lines as they are asked for, standard input's for `-`."""
    with _opened(path) as file:
        yield from file


def named_lines(lines: Iterable[bytes], path: str) -> Iterator[tuple[str, bytes]]:
    """Yields the lines that aren't blank, without their ends, named by file and number."""
    for number, line in enumerate(lines, start=1):
        if line.strip():
            yield f"{path}:{number}", line.removesuffix(b"\n")


@contextmanager
def _opened(path: str) -> Iterator[IO[bytes]]:
    try:
        if path != STANDARD_INPUT:
            with Path(path).open("rb") as file:
                yield file
            return
        if sys.stdin is None or sys.stdin.closed:
            raise LedgerError("standard input is closed: give a file, or send the text to standard input")
        yield sys.stdin.buffer
    except (OSError, ValueError) as error:  # ValueError: a NUL in the path
        raise LedgerError(f"{_name(path)}: can't be read: {getattr(error, 'strerror', None) or error}") from error


def text_of(raw: bytes, path: str) -> str:
    """Decodes bytes as text; LedgerError where they are none, such as an image's."""
    _refuse_utf16(raw, path)
    if b"\0" in raw:
        raise LedgerError(f"{_name(path)}: is binary, it holds a NUL byte: give a text file in UTF-8")
    try:
        return raw.removeprefix(BOM_UTF8).decode()
    except UnicodeDecodeError as error:
        raise LedgerError(
            f"{_name(path)}: byte {error.start + 1} is not UTF-8: give a text file, converted to UTF-8"
        ) from None


def json_of(raw: bytes, name: str) -> Any:  # noqa: ANN401 - any JSON
    """Decodes bytes as one JSON value; LedgerError naming the file, or its line."""
    from ledger.intake.fields.strict_json import decode
    from pricing.errors import RecordError  # text needs no JSON

    _refuse_utf16(raw, name)
    try:
        return decode(raw)
    except RecordError as error:
        raise LedgerError(f"{_name(name)}: {error}") from None


def json_lines(lines: Iterable[bytes], path: str) -> Iterator[tuple[str, Any]]:
    """Decodes the lines that aren't blank, each named; LedgerError naming a wrong one."""
    from ledger.intake.fields.strict_json import decode_lines

    named = named_lines(lines, path)
    while chunk := list(islice(named, _LINES_AT_ONCE)):
        values = decode_lines([line for _, line in chunk])
        for number, (name, line) in enumerate(chunk):
            yield name, json_of(line, name) if values is None else values[number]


def _refuse_utf16(raw: bytes, name: str) -> None:
    if raw.startswith(_UTF16_MARKS):
        raise LedgerError(f"{_name(name)}: is UTF-16: convert it to UTF-8")


def _name(path: str) -> str:
    return "standard input" if path == STANDARD_INPUT else path
