"""Kinds of objects, and what they state before their usage is read."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from typing import Any, NamedTuple

from ledger.intake.fields.record import JsonObject
from ledger.intake.fields.strict_json import decode
from ledger.intake.fields.usage import shown_name, unknown_usage
from ledger.intake.fields.usage_names import is_usage_name, is_web_search
from pricing.errors import RecordError, shown_word
from pricing.record_fields import COUNTS

LIST = "list"
CACHE_HIT = "cache_hit"
# Calls of tools, beside the usage as in it.
TOOL_USAGE = "tool_usage"
_FIELDS = ", ".join(("request_id", "occurred_at", "requested_model", *COUNTS))
AS_RECORDS = f"to book what another tool wrote, make `records` lines of it with {_FIELDS}"
# Calls that the client runs, or that are billed by their tokens alone (OpenAI API reference, pricing of tools).
_CALLS = ("_call", "web_search", "web_fetch", "server_tool_use")
_UNBILLED_CALLS = frozenset(
    {
        "apply_patch_call",
        "computer_call",
        "custom_tool_call",
        "function_call",
        "local_shell_call",
        "mcp_call",
        "shell_call",
        "tool_call",
        "tool_search_call",
    }
)
# Limits and settings of a request count nothing that was used.
_NO_COUNT = re.compile(r"max|limit|request\.|settings|price|cost")
_NUMBER_OR_OBJECT = re.compile(r"\s*[0-9{]")
_TRUE = (True, "true", "True", "TRUE", "HIT", "hit", 1)


def named_kind(obj: JsonObject, known: Collection[str] = ()) -> str | None:
    """Returns the text under "object", else "type", that is none of the known; else None."""
    for key in ("object", "type"):
        kind = obj.get(key)
        if isinstance(kind, str) and kind and kind not in known:
            return kind
    return None


def unknown_object(kind: str) -> RecordError:
    """Returns the refusal of an object that names itself as something no format lists."""
    message = (
        f"{shown_word(kind)} isn't a request of a known format, so its counts may mean something else: {AS_RECORDS}"
    )
    return RecordError("unknown_object", message)


def unpriced_batch() -> RecordError:
    """Returns the refusal of what a batch job used, where its requests aren't told apart."""
    message = (
        "batch: of this line of a batch job it can't be read which requests used what: ingest the job's output file "
        f"where its lines have a response.body, else make `records` lines of it with service_tier 'batch', {_FIELDS}"
    )
    return RecordError("unpriced_service", message)


def is_cached_answer(obj: JsonObject) -> bool:
    """Tells whether a proxy answered from its own cache (`cache_hit`): nothing was bought."""
    hidden = obj.get("_hidden_params")
    return is_true(obj.get(CACHE_HIT)) or (isinstance(hidden, dict) and is_true(hidden.get(CACHE_HIT)))


def is_true(value: object) -> bool:
    """Tells whether a flag is set, as JSON or as text."""
    return isinstance(value, bool | str | int) and value in _TRUE


def stated_usage(obj: JsonObject) -> object:
    """Returns the usage, with that in `x_groq`, in choices and, of calls, in `tool_usage`.

    Where they say different things it can't be known which are the request's: what comes back is refused then.
    """
    own = obj.get("usage")
    if own is not None and not isinstance(own, dict):
        return own
    owners = objects_in([obj.get("x_groq"), *objects_in(obj.get("choices"))])
    stated = [owner["usage"] for owner in owners if isinstance(owner.get("usage"), dict)]
    if not stated and TOOL_USAGE not in obj:
        return own
    whole: JsonObject = {}
    for usage in [own or {}, *filter(holds_counts, stated)]:
        if any(whole[key] != value for key, value in usage.items() if whole.get(key)):
            return {"choices": [own, *stated]}
        whole |= {key: value for key, value in usage.items() if not whole.get(key)}
    tools = obj.get(TOOL_USAGE)
    if own is None and not whole:
        return None
    return {TOOL_USAGE: tools} | whole if isinstance(tools, dict) else whole


def check_other_usage(obj: JsonObject) -> None:
    """Refuses counts beside `usage` under another name, such as `bot_usage`."""
    for key, value in obj.items():
        if key != TOOL_USAGE and is_usage_name(key) and holds_counts(value):
            raise unknown_usage(shown_name("", key), value)


def holds_counts(value: object) -> bool:
    """Tells whether a number above 0 is anywhere inside."""
    return any(
        isinstance(inner, int | float) and not isinstance(inner, bool) and inner > 0 for inner in values_inside(value)
    )


def values_inside(value: object) -> Iterator[object]:
    """Yields the value and all that it holds, at whatever depth."""
    waiting = [value]
    while waiting:
        inner = waiting.pop()
        yield inner
        if isinstance(inner, dict | list):
            waiting += inner.values() if isinstance(inner, dict) else inner


def objects_in(value: object) -> list[JsonObject]:
    """Returns the objects among a list's elements; none of anything else."""
    return [inner for inner in value if isinstance(inner, dict)] if isinstance(value, list) else []


def carries_usage(obj: object) -> bool:
    """Tells whether a usage with counts or a count of tokens is in it, at whatever depth."""
    return any(
        counts_tokens({key: value}) or ((key == "usage" or is_usage_name(key)) and holds_counts(value))
        for inner in values_inside(obj)
        if isinstance(inner, dict)
        for key, value in inner.items()
    )


def counts_tokens(attributes: Mapping[str, Any]) -> bool:
    """Tells whether a value is or holds a count of tokens above 0, as a number or as text."""
    for key, value in attributes.items():
        decoded = _decoded(value)
        if isinstance(value, str) and isinstance(decoded, dict) and carries_usage(decoded):
            return True
        named = ("token" in key.lower() or "usage" in key.lower()) and not _NO_COUNT.search(key.lower())
        if named and holds_counts(decoded):
            return True
    return False


def _decoded(value: object) -> object:
    """Decodes a text that is a number or an object; else returns the value."""
    if not isinstance(value, str) or not _NUMBER_OR_OBJECT.match(value):
        return value
    try:
        return decode(value.encode())
    except (RecordError, UnicodeEncodeError):
        return value


class Calls(NamedTuple):
    """Calls of tools that are billed apart from tokens, and the web searches among them."""

    billed: int
    searches: int


def count_billed_calls(output: object) -> Calls:
    """Counts the calls in an output that the gateway runs, such as `web_search_call`."""
    billed = searches = 0
    for item in objects_in(output):
        kind, action = item.get("type"), item.get("action")
        if isinstance(kind, str) and kind.endswith(_CALLS) and kind not in _UNBILLED_CALLS:
            billed += 1
            # Opening a page and finding in it are calls of the same name.
            searches += is_web_search(kind) and (not isinstance(action, dict) or action.get("type") == "search")
    return Calls(billed, searches)
