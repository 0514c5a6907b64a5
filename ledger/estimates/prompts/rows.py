"""Rows of eval sets as request bodies: the columns that are sent, joined in their order.

A column holds text, a list of texts or of chat messages, a number, or a whole request body, which stands alone. Texts
side by side are one message of the user's.
"""

from __future__ import annotations

import json
from codecs import BOM_UTF8
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import PurePath
from typing import Any, NamedTuple, TypeGuard

from ledger.errors import LedgerError
from ledger.estimates.prompts.envelopes import is_body, unwrapped
from ledger.estimates.prompts.fields import field_of, json_in, listed_names, names_of
from ledger.values.csv_rows import csv_rows
from ledger.values.layout import Layout
from ledger.values.words import counted
from pricing.errors import shown

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
            raise LedgerError(f"{path}: has no column {shown(column)}: its columns are {listed_names(header, column)}")
        twice = next((name for name in named if named.count(name) > 1), None)
        if twice:
            raise LedgerError(f"{path}: has two columns {shown(twice)}: which one is sent can't be known; rename one")
    for line, cells in rows:
        if any(cell.strip() for cell in cells[len(header) :]):
            raise LedgerError(
                f"{path}:{line}: has {counted(len(cells), 'cell')} below {counted(len(header), 'column')}: "
                "quote cells that hold a separator"
            )
        yield f"{path}:{line}", dict(zip(header, cells, strict=False))


def bodies_of(rows: Iterable[tuple[str, object]], columns: Sequence[str], path: str) -> list[RowBody]:
    """Reads the request of each row; rows where all the columns are empty are left out, and told.

    LedgerError naming a row in which one of several is empty, or the file where all its rows are left out.
    """
    found: list[RowBody] = []
    left_out: list[tuple[str, dict[str, Any]]] = []
    for name, row in rows:
        if not isinstance(row, dict):
            raise LedgerError(f"{name}: isn't an object, whose fields --column names")
        values = [field_of(row, column) for column in columns]
        empty = [column for column, value in zip(columns, values, strict=True) if _is_empty(value)]
        if len(empty) == len(columns):
            left_out.append((name, row))
        elif empty:
            raise _lacking(name, row, empty[0])
        else:
            found.append(_body_of(name, list(zip(columns, values, strict=True))))
    if not found and left_out:
        raise _lacking(*left_out[0], columns[0])
    if not found:
        raise LedgerError(f"{path}: holds no row: --column takes a column of each")
    if left_out:
        first = PurePath(path).name + left_out[0][0].removeprefix(path)
        count, names = counted(len(left_out), "row"), " and ".join(map(shown, columns))
        said = f"{count} of the file without {names} left out, the first is {first}"
        found[0] = found[0]._replace(warnings=(*found[0].warnings, said))
    return found


def _cells(raw: bytes, path: str) -> Iterator[tuple[int, list[str]]]:
    return csv_rows(path, [raw.removeprefix(BOM_UTF8)], Layout(), other_encoding=_IN_UTF8)


def _lacking(name: str, row: Mapping[str, Any], column: str) -> LedgerError:
    if field_of(row, column) is not None:
        return LedgerError(f"{name}: its {shown(column)} is empty: fill it in, or leave the row out")
    return LedgerError(f"{name}: has no {shown(column)}: it has {listed_names(names_of(row), column)}")


def _is_empty(value: object) -> bool:
    return value is None or value in ([], {}) or (isinstance(value, str) and not value.strip())


def _body_of(name: str, values: Sequence[tuple[str, Any]]) -> RowBody:
    """Joins the values of a row into one chat body, or takes the body that one of them is."""
    messages: list[Any] = []
    texts: list[str] = []
    warnings: list[str] = []
    for column, given in values:
        value = _meant(name, given)
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


def _meant(name: str, value: object) -> object:
    """Reads the body or the messages that a text is as JSON; returns other values as they are."""
    inner = json_in(value) if isinstance(value, str) else None
    return inner if _are_messages(inner) or is_body(unwrapped(name, inner)) else value


def _are_messages(value: object) -> TypeGuard[list[Any]]:
    return (
        isinstance(value, list)
        and bool(value)
        and all(isinstance(entry, dict) and ("role" in entry or "content" in entry) for entry in value)
    )


def _of_user(texts: Sequence[str]) -> list[dict[str, Any]]:
    """Makes one message of texts; none of none."""
    return [{"role": "user", "content": [{"type": "text", "text": text} for text in texts]}] if texts else []


def _texts_of(name: str, column: str, value: object) -> list[str]:
    values = value if isinstance(value, list) else [value]
    if isinstance(value, dict):
        fields = listed_names(names_of(value, prefix=f"{column}."))
        raise LedgerError(f"{name}: its {shown(column)} is an object: --column takes a field of it: {fields}")
    if any(isinstance(entry, (dict, list)) or entry is None for entry in values):
        raise LedgerError(
            f"{name}: its {shown(column)} is a list of neither texts nor messages, which have role and content"
        )
    return [entry if isinstance(entry, str) else json.dumps(entry) for entry in values]


def _notes_of_text(column: str, value: object) -> Iterator[str]:
    inner = json_in(value) if isinstance(value, str) else None
    if isinstance(inner, dict) and inner:
        fields = listed_names(names_of(inner, prefix=f"{column}."))
        yield f"its {shown(column)} is JSON and counts as written: --column takes a field of it: {fields}"
