"""One chunk of a chat or text completion's stream, read."""

from __future__ import annotations

from typing import Any

from ledger.intake.fields.kinds import holds_counts, named_kind, objects_in
from ledger.intake.fields.record import JsonObject
from ledger.intake.formats import chat

CHUNK = "chat.completion.chunk"


def is_chunk(obj: JsonObject) -> bool:
    """Tells whether an object is a chunk: it says so, has a delta, or text to go on.

    One without choices that says nothing else, such as a filter's first, is a chunk too.
    """
    if obj.get("object") == CHUNK:
        return True
    choices = obj.get("choices")
    if not isinstance(choices, list) or named_kind(obj, chat.READER.objects) is not None:
        return False
    stated = objects_in(choices)
    # Text whose reason to end is null is text of which more is to come.
    if any(
        isinstance(choice.get("delta"), dict) or ("text" in choice and choice.get("finish_reason", "") is None)
        for choice in stated
    ):
        return True
    says_nothing = obj.get("id") == "" and not holds_counts(obj.get("usage"))
    return says_nothing and not any("message" in choice or "text" in choice for choice in stated)


def has_output(usage: object) -> bool:
    """Tells whether a usage counts anything that was written."""
    return isinstance(usage, dict) and bool(usage.get("completion_tokens") or usage.get("output_tokens"))


def writes_on(choices: Any) -> bool:  # noqa: ANN401 - any JSON
    """Tells whether any choice of a chunk says more than why it ended."""
    if not isinstance(choices, list):
        return bool(choices)
    return any(
        any((choice.get("text"), _says_something(choice.get("delta")), _says_something(choice.get("message"))))
        if isinstance(choice, dict)
        else bool(choice)
        for choice in choices
    )


def _says_something(delta: object) -> bool:
    """Tells whether a delta, or a whole message, holds more than whose it is."""
    return any(value for key, value in delta.items() if key != "role") if isinstance(delta, dict) else bool(delta)


def begins(choices: object) -> bool:
    """Tells whether a chunk is a stream's first: it gives the role."""
    deltas = [choice.get("delta") for choice in objects_in(choices)]
    return any(isinstance(delta, dict) and delta.get("role") for delta in deltas)


def finishes(chunk: JsonObject) -> bool:
    """Tells whether a choice says why it ended, or a stream without any that it has."""
    choices = chunk.get("choices")
    if not isinstance(choices, list):
        return chunk.get("is_end") is True
    return any(choice.get("finish_reason") for choice in objects_in(choices))
