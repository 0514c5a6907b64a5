"""CSV with a header of the ledger's own fields -> one item a row."""

from __future__ import annotations

import csv
import re
from collections import Counter, deque
from collections.abc import Iterable, Iterator
from decimal import Decimal
from typing import Any

from ledger.intake.containers.lines import LineChunk
from ledger.intake.fields.record import Item, RecordError, refused
from ledger.intake.fields.record_fields import FIELDS, READERS
from ledger.intake.fields.refusals import unless_refused
from ledger.intake.fields.strict_json import decode_object
from ledger.intake.fields.times import read_time
from ledger.intake.fields.values import read_count, show
from ledger.intake.formats.records import parse

TAG_COLUMN = "tag."
MAX_ROW_LINES = 20
"""Lines a row may have, inclusive: an unclosed quote must not swallow the rows after."""

_NUMBERS, _TIMES = ({name for name, read in READERS.items() if read is wanted} for wanted in (read_count, read_time))
_WHOLE = re.compile(r"-?[0-9]{1,4000}")
_DECIMAL = re.compile(r"-?[0-9]{1,40}(?:\.[0-9]{1,40})?")


def is_header(line: bytes) -> bool:
    """Tells whether a line names the ledger's fields: its id, or two others."""
    names = [name.strip() for name in unless_refused(_cells, line) or []]
    return "request_id" in names or len(set(names) & set(FIELDS)) >= 2


def rows(pieces: Iterable[LineChunk | Item]) -> Iterator[Item]:
    """An item for each row; one alone where the header can't be used."""
    header: list[str] | None = None
    for found in _joined(pieces):
        if isinstance(found, Item):
            yield found
            continue
        line, raw = found
        try:
            if header is None:
                header = _read_header(raw)
            else:
                yield Item(line, raw, parse(_record(header, _cells(raw))))
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


def _cells(raw: bytes) -> list[str]:
    if b"\0" in raw:
        raise RecordError("nul_byte", "the row holds a NUL byte: no database keeps it; the file is damaged")
    try:
        text = raw.decode()
    except UnicodeDecodeError as fault:
        raise RecordError("not_utf8", f"byte {fault.start + 1} of the row is not UTF-8; convert the file") from None
    try:
        return next(csv.reader([text], strict=True, skipinitialspace=True), [])
    except csv.Error as error:
        raise RecordError("invalid_csv", f"the row can't be read ({error}): check its quotes") from None


def _read_header(raw: bytes) -> list[str]:
    """Returns the columns; refuses one unknown or given twice, and a needed one missing."""
    names = [name.strip() for name in _cells(raw)]
    unknown = [name for name in names if name not in FIELDS and not (name.startswith(TAG_COLUMN) and name[4:])]
    if unknown:
        listed = ", ".join(show(name) for name in unknown[:3])
        raise RecordError("unknown_field", f"the header names {listed}: columns are {', '.join(FIELDS)} and tag.KEY")
    twice = sorted(name for name, count in Counter(names).items() if count > 1)
    if twice:
        listed = ", ".join(show(name) for name in twice[:3])
        raise RecordError(
            "duplicate_column", f"the header names {listed} twice: which cell counts can't be known; keep one"
        )
    if "tokens" not in names:
        needed = ["request_id", "occurred_at", "input_tokens", "output_tokens"]
    else:
        needed = ["request_id"] if "input_tokens" in names else ["request_id", "start", "end"]
    missing = [name for name in needed if name not in names]
    if missing:
        raise RecordError("missing_column", f"the header lacks {', '.join(missing)}: add the columns")
    return names


def _record(header: list[str], cells: list[str]) -> dict[str, Any]:
    if len(cells) != len(header):
        message = f"the row has {len(cells)} cells and the header {len(header)}: quote what holds a comma"
        raise RecordError("ragged_row", message)
    record: dict[str, Any] = {}
    tags: dict[str, Any] = {}
    for name, cell in zip(header, cells, strict=True):
        if not cell or cell.isspace():
            continue
        if name.startswith(TAG_COLUMN):
            tags[name.removeprefix(TAG_COLUMN)] = cell
        else:
            record[name] = _value(name, cell)
    twice = record.get("tags", {}).keys() & tags.keys()
    if twice:
        raise RecordError("duplicate_key", f"the tag {show(min(twice))} is in tags and in its own column: keep one")
    if tags:
        record["tags"] = record.get("tags", {}) | tags
    return record


def _value(name: str, cell: str) -> object:
    """Returns plain digits as numbers; other text stays text, for the field's own rule."""
    text = cell.strip()
    if name in _NUMBERS:
        return int(text) if _WHOLE.fullmatch(text) else text
    if name in _TIMES:
        return Decimal(text) if _DECIMAL.fullmatch(text) else text
    if name == "tags":
        return decode_object(text.encode())
    return text if name in ("kind", "status", "service_tier", "provider_amount") else cell
