"""What a format module states about itself, and what reading yields."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from ledger.records import Parsed, Rejected

JsonObject = dict[str, Any]

MAX_ITEM_BYTES = 32 * 2**20
"""The longest line, array element, document or event, in bytes, inclusive; longer ones are refused unread."""


@dataclass(frozen=True, slots=True)
class Format:
    """One input format: how its objects are known, and what one of them says.

    `objects` are the values of the key "object" that decide at once; `recognise` is asked where none does. `parts` is
    for formats of which one object holds many items, each with the bytes that tell it from the others; it is given
    what `memory` makes for a source, to know one object by those before it.
    """

    name: str
    recognise: Callable[[JsonObject], bool]
    parse: Callable[[JsonObject], Iterable[Parsed]]
    objects: tuple[str, ...] = ()
    parts: Callable[[JsonObject, Any], Iterable[tuple[bytes, Parsed]]] | None = None
    memory: Callable[[], Any] = lambda: None


@dataclass(slots=True)
class Item:
    """One thing read: `line` is 1 for a file's first line; `raw` are the bytes that tell it from other items.

    `raw` is the line without its end; an array element, span or event canonically encoded; for something too long
    its sha256 and length as text; None for what concerns a file as a whole.
    """

    line: int
    raw: bytes | None
    parsed: Parsed


def rejection(line: int, raw: bytes | None, reason: str, message: str) -> Item:
    """An item that can't be recorded and of which no field could be read."""
    return Item(line, raw, Rejected(reason, message))
