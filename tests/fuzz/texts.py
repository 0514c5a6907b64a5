"""The rows that a text may become: a line of JSON, a row of a table, a captured stream."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from tests.fuzz.oracle import Row
from tests.fuzz.readings import READERS, read_events, read_records, walk


class _Object(dict[str, Any]):
    """A decoded object that remembers the keys it had twice."""

    twice: frozenset[str] = frozenset()


def _pairs(pairs: list[tuple[str, Any]]) -> _Object:
    made = _Object(pairs)
    keys = [key for key, _value in pairs]
    made.twice = frozenset(key for key in made if keys.count(key) > 1)
    return made


def _no_constant(name: str) -> Any:
    raise ValueError(name)


def _whole_number(digits: str) -> float:
    return int(digits) if len(digits) <= 4_300 else float(digits)


def decoded(text: bytes) -> object:
    """The value of a JSON text; None where it is none."""
    try:
        return json.loads(
            text.decode("utf-8-sig"), object_pairs_hook=_pairs, parse_constant=_no_constant, parse_int=_whole_number
        )
    except (ValueError, RecursionError):
        return None


# A line read the fast way may have other keys twice: they decide nothing.
_DECIDING = {"id", "object", "created_at", "model", "status", "usage", "service_tier", "metadata", "output"}


def has_doubt(obj: object, name: str) -> bool:
    """Tells whether a key that counts is there twice."""
    objects = [each for each in walk(obj) if isinstance(each, _Object)]
    if name not in ("responses", "auto"):
        return any(each.twice for each in objects)
    in_usage = walk(obj.get("usage")) if isinstance(obj, dict) else iter(())
    twice = [each.twice for each in in_usage if isinstance(each, _Object)]
    return any(twice) or (isinstance(obj, _Object) and bool(obj.twice & _DECIDING))


def rows_of(text: bytes, name: str) -> set[Row]:
    """The rows that a JSON text may become in a format, in any format for `auto`."""
    obj = decoded(text)
    if not isinstance(obj, dict) or has_doubt(obj, name):
        return set()
    readers = READERS.values() if name == "auto" else [READERS[name]]
    return {made for read in readers for made in read(obj)}


def rows_of_cells(cells: Mapping[str, str]) -> set[Row]:
    """The rows that a row of a records CSV may become."""
    obj: dict[str, Any] = {}
    for name, cell in cells.items():
        text = cell.strip()
        number = re.fullmatch(r"-?[0-9]{1,4000}", text) and ("tokens" in name or name == "tool_calls")
        obj |= {name: int(text) if number else text} if text and not name.startswith("tag") else {}
    return set(read_records(obj))


def rows_of_events(text: bytes) -> set[Row]:
    """The rows that a captured stream may become."""
    lines = [line.strip(b"\r") for line in text.split(b"\n")]
    events = [decoded(line.partition(b":")[2]) for line in lines if line.startswith(b"data")]
    return set(read_events([event for event in events if isinstance(event, dict)]))
