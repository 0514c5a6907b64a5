"""Rows of eval sets as request bodies: the columns that are sent, joined in their order.

A column holds text, a list of texts or of chat messages, a number, or a whole request body, which stands alone. Texts
side by side are one message of the user's.
"""

from __future__ import annotations

import json
import re
from codecs import BOM_UTF8
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import PurePath
from typing import Any, NamedTuple, TypeGuard

from ledger.errors import LedgerError
from ledger.estimates.prompts.envelopes import is_body, unwrapped
from ledger.estimates.prompts.fields import MISSING, field_names, field_of, json_in, listed_names
from ledger.values.csv_rows import csv_rows
from ledger.values.layout import DELIMITERS, Layout
from ledger.values.words import counted
from pricing.errors import shown

_LANGCHAINS_TYPES = ("human", "ai", "system", "developer", "tool", "function", "chat")
# Lists and objects as pandas writes them into CSV files.
_PYTHONS = re.compile(r"\s*[\[{]\s*\{?\s*'|\s*\[?\s*[A-Z]\w*\(\w+=")
_BROKEN = re.compile(r'\s*(?:\{|\[\s*\{)\s*"\w+"\s*:|\s*\[\s*"')
_PYTHONS_MESSAGES = re.compile(r"\s*\[\s*\{\s*'(?:role|content|type|from|value)'\s*:")
# What promptfoo replaces by the text of the file.
_FILE = re.compile(r"\s*file://\S+\s*")
_IMAGE = re.compile(r"\s*data:image/[\w.+-]+;base64,[\w+/=\s]*")
_AS_JSON = "write it as JSON, or the rows as JSON Lines"
_IN_UTF8 = "convert it to UTF-8"


class RowBody(NamedTuple):
    """A row's request, and what is to be said about it."""

    name: str
    body: Mapping[str, Any]
    warnings: tuple[str, ...] = ()


def table_columns(raw: bytes, path: str) -> list[str]:
    """Reads the names of a CSV file's columns."""
    _, header = next(_cells(raw, path), (0, []))
    return [name.strip() for name in header]


def table_rows(raw: bytes, path: str, columns: Sequence[str]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yields a CSV file's rows, each named by the line it begins on; LedgerError where it hasn't a column.

    A row may lack its last cells, which are empty then; more cells than the header has are refused.
    """
    rows = _cells(raw, path)
    header = [name.strip() for name in next(rows, (0, []))[1]]
    for column in columns:
        named = [name for name in header if name and f"{column}.".startswith(f"{name}.")]
        if not named:
            names = listed_names(header, column) + _other_separator(header)
            raise LedgerError(f"{path}: has no column {shown(column)}: its columns are {names}")
        twice = next((name for name in named if named.count(name) > 1), None)
        if twice:
            raise LedgerError(f"{path}: has two columns {shown(twice)}: which one is sent can't be known; rename one")
    for line, cells in rows:
        if any(cell.strip() for cell in cells[len(header) :]):
            raise LedgerError(
                f"{path}:{line}: has {counted(len(cells), 'cell')} below {counted(len(header), 'column')}: "
                f"quote cells that hold a separator{_other_separator(header)}"
            )
        yield f"{path}:{line}", dict(zip(header, cells, strict=False))


def bodies_of(rows: Iterable[tuple[str, object]], columns: Sequence[str], path: str) -> list[RowBody]:
    """Reads the request of each row, without its empty columns; rows where all are empty are left out; both are told.

    LedgerError naming a row that has one of several columns not at all, or the file where all its rows are left out.
    """
    found: list[RowBody] = []
    left_out: list[tuple[str, dict[str, Any]]] = []
    without: dict[str, list[tuple[str, Any]]] = {}
    for name, row in rows:
        if not isinstance(row, dict):
            raise LedgerError(f"{name}: isn't an object, whose fields --column names")
        values = [(column, field_of(row, column)) for column in columns]
        filled = [(column, value) for column, value in values if not _is_empty(value)]
        missing = next((column for column, value in values if value is MISSING), None)
        if not filled:
            left_out.append((name, row))
            continue
        if missing is not None:
            raise _lacking(name, row, missing)
        for column, value in values:
            if _is_empty(value):
                without.setdefault(column, []).append((name, value))
        found.append(_body_of(name, filled))
    if not found and left_out:
        raise _lacking(*left_out[0], columns[0])
    if not found:
        raise LedgerError(f"{path}: holds no row: --column takes a column of each")
    notes = [_note_of_empty(column, rows_without, path) for column, rows_without in without.items()]
    if left_out:
        count, names = counted(len(left_out), "row"), " and ".join(map(shown, columns))
        first = _named_from(path, left_out[0][0])
        notes.append(f"{count} of the file without {names} left out, the first is {first}")
    found[0] = found[0]._replace(warnings=(*found[0].warnings, *notes))
    return found


def _cells(raw: bytes, path: str) -> Iterator[tuple[int, list[str]]]:
    return csv_rows(path, [raw.removeprefix(BOM_UTF8)], Layout(), other_encoding=_IN_UTF8)


def _lacking(name: str, row: Mapping[str, Any], column: str) -> LedgerError:
    value = field_of(row, column)
    if value is not MISSING:
        what = "null" if value is None else "empty"
        return LedgerError(f"{name}: its {shown(column)} is {what}: fill it in, or leave the row out")
    return LedgerError(f"{name}: has no {shown(column)}: it has {listed_names(field_names(row), column)}")


def _note_of_empty(column: str, rows: Sequence[tuple[str, Any]], path: str) -> str:
    """Says how many rows are sent without a column that is empty there."""
    nulls = sum(value is None for _, value in rows)
    what = "empty" if not nulls else "null" if nulls == len(rows) else "empty or null"
    first = _named_from(path, rows[0][0])
    return (
        f"{counted(len(rows), 'row')} of the file sent without {shown(column)}, which is {what}, the first is {first}"
    )


def _named_from(path: str, name: str) -> str:
    """Returns the name of a row from its file's on, without the folder."""
    return PurePath(path).name + name.removeprefix(path)


def _other_separator(header: Sequence[str]) -> str:
    """Returns the remedy where names of columns hold what may part them; empty where none does."""
    held = next((mark for mark in DELIMITERS if any(mark in name for name in header)), None)
    return f"; where {shown(held)} parts them, a first line sep={held} says so" if held else ""


def _is_empty(value: object) -> bool:
    return value is None or value is MISSING or value in ([], {}) or (isinstance(value, str) and not value.strip())


def _body_of(name: str, values: Sequence[tuple[str, Any]]) -> RowBody:
    """Joins the values of a row into one chat body, or takes the body that one of them is."""
    messages: list[Any] = []
    texts: list[str] = []
    warnings: list[str] = []
    for column, given in values:
        value = _meant(name, column, given)
        if isinstance(value, dict) and is_body(unwrapped(name, value)):
            if len(values) > 1:
                raise LedgerError(f"{name}: its {shown(column)} is a whole request body: give that --column alone")
            return RowBody(name, value)
        if _are_messages(value):
            messages += [*_of_user(texts), *value]
            texts = []
            continue
        texts += _texts_of(name, column, value)
        warnings += _notes_of_text(column, value)
    return RowBody(name, {"messages": [*messages, *_of_user(texts)]}, tuple(warnings))


def _meant(name: str, column: str, value: object) -> object:
    """Reads the body or the list of texts or objects that a text is as JSON; returns other values as they are."""
    if not isinstance(value, str):
        return value
    if _PYTHONS_MESSAGES.match(value):
        raise LedgerError(f"{name}: its {shown(column)} is a list as Python prints it: {_AS_JSON}")
    inner = json_in(value)
    if not isinstance(inner, list):
        return inner if is_body(unwrapped(name, inner)) else value
    is_list = any(isinstance(entry, dict) for entry in inner) or all(isinstance(entry, str) for entry in inner)
    return inner if inner and is_list else value


def _are_messages(value: object) -> TypeGuard[list[Any]]:
    return isinstance(value, list) and bool(value) and all(map(_is_message, value))


def _is_message(entry: object) -> bool:
    """Tells whether this has a role, or as LangChain has it a type and content."""
    if not isinstance(entry, dict):
        return False
    return "role" in entry or ("content" in entry and entry.get("type") in _LANGCHAINS_TYPES)


def _of_user(texts: Sequence[str]) -> list[dict[str, Any]]:
    """Makes one message of texts; none of none."""
    return [{"role": "user", "content": [_part_of(text) for text in texts]}] if texts else []


def _part_of(text: str) -> dict[str, str]:
    kind = "image_url" if _IMAGE.fullmatch(text) else "file" if _FILE.fullmatch(text) else "text"
    return {"type": kind, kind: text}


def _texts_of(name: str, column: str, value: object) -> list[str]:
    values = value if isinstance(value, list) else [value]
    if isinstance(value, dict):
        fields = listed_names(field_names(value, prefix=f"{column}."))
        raise LedgerError(f"{name}: its {shown(column)} is an object: --column takes a field of it: {fields}")
    if any(isinstance(entry, (dict, list)) or entry is None for entry in values):
        held = next((listed_names(field_names(entry)) for entry in values if isinstance(entry, dict)), None)
        hint = f"; write what is sent of its objects as text: they have {held}" if held else ""
        raise LedgerError(
            f"{name}: its {shown(column)} is a list of neither texts nor messages, which have role and content{hint}"
        )
    return [entry if isinstance(entry, str) else json.dumps(entry) for entry in values]


def _notes_of_text(column: str, value: object) -> Iterator[str]:
    if not isinstance(value, str):
        return
    inner = json_in(value)
    if inner is None and _PYTHONS.match(value):
        yield f"its {shown(column)} may be as Python prints it and counts as written: {_AS_JSON} if so"
    elif inner is None and _BROKEN.match(value):
        yield f"its {shown(column)} may be JSON that is cut off or broken, and counts as written: mend it if so"
    if isinstance(inner, dict) and inner:
        fields = listed_names(field_names(inner, prefix=f"{column}."))
        yield f"its {shown(column)} is JSON and counts as written: --column takes a field of it: {fields}"
