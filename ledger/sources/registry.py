"""The input formats by name, and recognition of a decoded object. A new format is a module, and its line here."""

from __future__ import annotations

from typing import Final

from ledger.sources import chat, envelope, otel, records, responses, sse
from ledger.sources.base import Format, JsonObject

# In the order they are asked: an event holds a response like an envelope, which may have the ledger's own time.
FORMATS: Final[dict[str, Format]] = {
    found.name: found
    for found in (otel.FORMAT, sse.FORMAT, envelope.FORMAT, responses.FORMAT, chat.FORMAT, records.FORMAT)
}
AUTO: Final = "auto"

_BY_OBJECT = {name: found.name for found in FORMATS.values() for name in found.objects}


def recognise(obj: JsonObject) -> str | None:
    """The name of the format an object is in, by its key "object" or else by other keys; None where it is in none."""
    kind = obj.get("object")
    if isinstance(kind, str) and kind in _BY_OBJECT:
        return _BY_OBJECT[kind]
    return next((found.name for found in FORMATS.values() if found.recognise(obj)), None)
