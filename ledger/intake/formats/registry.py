"""The input formats by name, and recognition of a decoded object. A new format is a module, and its line here."""

from __future__ import annotations

from typing import Any, Final

from ledger.intake.fields.kinds import AS_RECORDS, LIST, holds_counts, named_kind, unknown_object
from ledger.intake.fields.record import JsonObject, RecordError
from ledger.intake.formats import chat, envelope, otel, records, responses, sse
from ledger.intake.formats.format import Format

# In the order they are asked: an event holds a response like an envelope, which may have the ledger's own time.
FORMATS: Final[dict[str, Format]] = {
    found.name: found
    for found in (otel.FORMAT, sse.FORMAT, envelope.FORMAT, responses.FORMAT, chat.FORMAT, records.FORMAT)
}
AUTO: Final = "auto"
INPUT_FORMATS: Final = (AUTO, *sorted(FORMATS))

_BY_OBJECT = {name: found.name for found in FORMATS.values() for name in found.objects}


def recognise(obj: JsonObject) -> str | None:
    """The name of the format an object is in, by its key "object" or else by other keys; None where it is in none.

    An object that names itself as something else is of no format that goes by such names, whatever keys it has.
    """
    kind = obj.get("object")
    if isinstance(kind, str) and kind in _BY_OBJECT:
        return _BY_OBJECT[kind]
    named = named_kind(obj) is not None
    asked = (found for found in FORMATS.values() if not (named and found.objects and found is not sse.FORMAT))
    return next((found.name for found in asked if found.recognise(obj)), None)


def is_known(obj: JsonObject) -> bool:
    """Tells whether something can be read of an object: it is in a format, or a list of objects."""
    return recognise(obj) is not None or list_elements(obj) is not None


def list_elements(obj: JsonObject) -> list[Any] | None:
    """The elements of a list object, which is an array in a coat; None of anything else, or of one with own counts."""
    elements = obj.get("data")
    is_list = obj.get("object") == LIST and isinstance(elements, list) and not holds_counts(obj.get("usage"))
    return elements if is_list else None


def unrecognised(obj: JsonObject | None) -> RecordError:
    """The refusal of what is in no format: it names what the object says it is, where it says anything."""
    kind = None if obj is None else named_kind(obj)
    if kind is not None:
        return unknown_object(kind)
    known = ", ".join(sorted(FORMATS))
    message = f"this is in none of the formats {known}: check the file, or name its --input-format; {AS_RECORDS}"
    return RecordError("unrecognised_format", message)
