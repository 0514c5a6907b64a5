"""Fields of rows by their names: `inputs.question` is one within another, `a.b` may also be a name of its own."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from difflib import SequenceMatcher
from typing import Any

from ledger.errors import LedgerError
from ledger.estimates.prompts.envelopes import is_body
from ledger.estimates.prompts.files import json_of

_MOST_NAMES = 12
_LONGEST_NAME = 60
_DEEPEST = 3
MISSING = object()
"""The result of `field_of` where there is no such field, not even a null."""
_JSON = re.compile(r"\s*[\[{]")


def field_of(row: object, column: str) -> Any:  # noqa: ANN401 - any JSON
    """Finds a field by its whole name, else by the longest name that begins it; MISSING where there is none.

    A text that is JSON, such as a cell of a CSV file, is looked into as what it says.
    """
    if isinstance(row, str):
        row = json_in(row)
    if not isinstance(row, dict):
        return MISSING
    if column in row:
        return row[column]
    dots = [place for place, letter in enumerate(column) if letter == "."]
    inner = [field_of(row[column[:dot]], column[dot + 1 :]) for dot in reversed(dots) if column[:dot] in row]
    found = [value for value in inner if value is not MISSING]
    return next((value for value in found if value is not None), None if found else MISSING)


def json_in(text: str) -> Any:  # noqa: ANN401 - any JSON
    """Reads a text that is a JSON object or list; None where it is none."""
    if _JSON.match(text) is None:
        return None
    try:
        return json_of(text.encode(), "")
    except (LedgerError, UnicodeEncodeError):
        return None


def field_names(row: Mapping[str, Any], *, prefix: str = "", deepest: int = _DEEPEST) -> Iterator[str]:
    """Yields the names of fields; in place of an object those within it, unless it is a whole request body."""
    for key, value in row.items():
        if isinstance(value, dict) and value and deepest > 1 and not is_body(value):
            yield from field_names(value, prefix=f"{prefix}{key}.", deepest=deepest - 1)
        else:
            yield prefix + key


def listed_names(names: Iterable[str], asked: str | None = None) -> str:
    """Lists the first names and how many more there are; those most like `asked` first."""
    found = [name for name in names if name]
    if asked is not None:
        found.sort(key=lambda name: -SequenceMatcher(None, asked.lower(), name.lower()).ratio())
    listed = ", ".join(_short(name) for name in found[:_MOST_NAMES]) or "none"
    return listed if len(found) <= _MOST_NAMES else f"{listed} and {len(found) - _MOST_NAMES:,} more"


def _short(name: str) -> str:
    name = " ".join(name.split())
    return name if len(name) <= _LONGEST_NAME else f"{name[:_LONGEST_NAME]}…"
