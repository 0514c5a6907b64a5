"""The input formats by name, and recognition of objects. A new one is a line here."""

from __future__ import annotations

from typing import Any, Final

from ledger.intake.fields.kinds import AS_RECORDS, LIST, holds_counts, named_kind, unknown_object
from ledger.intake.fields.record import JsonObject
from ledger.intake.formats import anthropic, bedrock, chat, envelope, gemini, litellm, otel, records, responses, sse
from ledger.intake.formats.format import Format
from pricing.errors import RecordError

# In the order they are asked: an event and a spend log's row hold a response like an envelope, which may have the
# ledger's own time, as may a vendor's response.
FORMATS: Final[dict[str, Format]] = {
    found.name: found
    for found in (
        otel.FORMAT,
        sse.FORMAT,
        litellm.FORMAT,
        envelope.FORMAT,
        anthropic.FORMAT,
        gemini.FORMAT,
        bedrock.FORMAT,
        responses.FORMAT,
        chat.FORMAT,
        records.FORMAT,
    )
}
AUTO: Final = "auto"
INPUT_FORMATS: Final = (AUTO, *sorted(FORMATS))

_BY_OBJECT = {name: found.name for found in FORMATS.values() for name in found.objects}


def recognise(obj: JsonObject) -> str | None:
    """Returns an object's format, by its key "object" or else by other keys; else None.

    An object that names itself as something else is of no format that goes by such names, whatever keys it has.
    """
    kind = obj.get("object")
    if isinstance(kind, str) and kind in _BY_OBJECT:
        return _BY_OBJECT[kind]
    named = named_kind(obj) is not None
    asked = (found for found in FORMATS.values() if not (named and found.objects and found is not sse.FORMAT))
    return next((found.name for found in asked if found.recognise(obj)), None)


def is_known(obj: JsonObject) -> bool:
    """Tells whether an object is in a format, or a list of objects."""
    return recognise(obj) is not None or list_elements(obj) is not None


def list_elements(obj: JsonObject) -> list[Any] | None:
    """Returns the elements of a list object without counts of its own; else None."""
    elements = obj.get("data")
    is_list = obj.get("object") == LIST and isinstance(elements, list) and not holds_counts(obj.get("usage"))
    return elements if is_list else None


def unrecognised(obj: JsonObject | None) -> RecordError:
    """Returns the refusal of what is in no format, with what the object says it is."""
    kind = None if obj is None else named_kind(obj)
    if kind is not None:
        return unknown_object(kind)
    known = ", ".join(sorted(FORMATS))
    message = f"this is in none of the formats {known}: check the file, or name its --input-format; {AS_RECORDS}"
    return RecordError("unrecognised_format", message)
