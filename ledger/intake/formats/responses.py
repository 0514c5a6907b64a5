"""Objects of the Responses API, by the gateway or the SDK's `model_dump_json()`."""

from __future__ import annotations

from ledger.intake.fields.record import JsonObject
from ledger.intake.fields.usage import UsageReader
from ledger.intake.formats.format import Format
from ledger.intake.formats.payloads import PayloadReader

READER = PayloadReader(
    objects=("response",),
    time_key="created_at",
    usage=UsageReader("input_tokens", "output_tokens"),
    has_status=True,
)


def recognise(obj: JsonObject) -> bool:
    """Tells whether an object without "object" is one: by usage, or by status and time."""
    usage = obj.get("usage")
    if isinstance(usage, dict) and "input_tokens" in usage and "choices" not in obj:
        return True
    return "created_at" in obj and ("status" in obj or "output" in obj)


FORMAT = Format("responses", recognise, READER.parse, objects=READER.objects, reader=READER)
