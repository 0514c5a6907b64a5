"""Objects of the Chat Completions API and of text completions: completed requests."""

from __future__ import annotations

from ledger.intake.fields.record import JsonObject
from ledger.intake.fields.usage import UsageReader
from ledger.intake.formats.format import Format
from ledger.intake.formats.payloads import PayloadReader

READER = PayloadReader(
    objects=("chat.completion", "text_completion"),
    time_key="created",
    usage=UsageReader("prompt_tokens", "completion_tokens"),
    has_status=False,
)


def recognise(obj: JsonObject) -> bool:
    """Tells whether an object without "object" is one: by usage, or by choices and time."""
    usage = obj.get("usage")
    if isinstance(usage, dict) and "prompt_tokens" in usage:
        return True
    return "choices" in obj and "created" in obj


FORMAT = Format("chat", recognise, READER.parse, objects=READER.objects, reader=READER)
