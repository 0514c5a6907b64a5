"""Request bodies, bare or within what others keep them in: envelopes, and lines of a batch's input."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from ledger.errors import LedgerError
from ledger.estimates.prompts.keys import is_word
from pricing.errors import described, is_name

EXPECTED = "a Responses body has input or instructions, a chat body messages"

_BODY_KEYS = ("input", "instructions", "messages")
_ROLES = ("system", "developer", "user", "assistant", "tool", "function")
_SAID = frozenset({"content", "tool_calls", "function_call"})
_BATCH_KEYS = frozenset({"custom_id", "method", "url"})
# Keys of envelopes, of batches' lines and of logs, which tell of a request and add nothing to it.
_OF_ENVELOPE = _BATCH_KEYS.union(
    {
        "request", "response", "project", "tags", "occurred_at", "headers", "metadata", "error", "usage", "metrics",
        "scores", "timestamp", "created_at", "createdAt", "properties", "expected_response", "expected_facts",
    }
)  # fmt: skip
_PRICED_URL = re.compile(r"(.*/)?(chat/completions|responses)/?(\?.*)?", re.DOTALL)


def unwrapped(name: str, value: object) -> object:
    """Takes a body out of `request` of an envelope or out of a batch's line, which must be of an API that is priced.

    A list of messages is the body that has them. LedgerError naming another API's URL. What is none of these is
    returned as it is.
    """
    if is_conversation(value):
        return {"messages": value}
    if not isinstance(value, dict) or given_keys(value):
        return value
    if not is_of_batch(value):
        return unwrapped(name, value["request"]) if "request" in value else value
    url = value.get("url")
    if isinstance(url, str) and _PRICED_URL.fullmatch(url) is None:
        raise LedgerError(
            f"{name}: its url {_shown_url(url)} is of another API: requests to /v1/responses and /v1/chat/completions "
            "are estimated; leave the line out"
        )
    return value["body"] if isinstance(value.get("body"), dict) else value["params"]


def _shown_url(url: str) -> str:
    """The path of an API as it is; else its kind and length, for it may be anything."""
    return repr(url) if not url or is_name(url.strip("/")) else described(url)


def beside_body(value: object) -> dict[str, Any]:
    """Finds what stands beside a body in its envelopes and may be sent too; a single word, such as an id, isn't."""
    found: dict[str, Any] = {}
    while isinstance(value, dict) and not given_keys(value):
        holders = ("body", "params") if is_of_batch(value) else ("request",)
        holder = next((key for key in holders if isinstance(value.get(key), (dict, list))), None)
        others = value.keys() - _OF_ENVELOPE - {holder}
        found |= {key: content for key, content in value.items() if key in others and not is_word(content)}
        value = value[holder] if holder else None
    return found


def is_of_batch(value: Mapping[str, Any]) -> bool:
    """Tells whether this is a line of a batch's input: a body with the URL that it goes to, or an id.

    Anthropic's have `params` with their id.
    """
    if isinstance(value.get("body"), dict) and value.keys() & _BATCH_KEYS:
        return True
    return "custom_id" in value and is_body(value.get("params"))


def is_conversation(value: object) -> bool:
    """Tells whether this is a list of chat messages, as a body has it, and nothing else."""
    return isinstance(value, list) and bool(value) and all(map(_is_message, value))


def given_keys(body: Mapping[str, Any]) -> list[str]:
    """Finds the keys that hold what is sent."""
    return [key for key in _BODY_KEYS if body.get(key) is not None]


def is_body(value: object) -> bool:
    """Tells whether this is a body; a row whose `input` is an object is none."""
    return isinstance(value, dict) and bool(given_keys(value)) and not isinstance(value.get("input"), dict)


def notes_of(value: object, body: object) -> Iterator[str]:
    """Yields what is to be said about a body that comes out of a value of an eval set or a batch."""
    if isinstance(value, dict) and body is not value and is_of_batch(value):
        yield "is of a batch and priced as any other request: batches may have prices of their own"
    if not isinstance(body, dict):
        return
    sent = [body["messages"]] if body.get("messages") is not None else [body.get("instructions"), body.get("input")]
    if _is_of_assistant(sent[-1]):
        yield "its last message is the assistant's and counts as input: leave it out where it is the answer asked for"


def _is_message(entry: object) -> bool:
    return isinstance(entry, dict) and entry.get("role") in _ROLES and bool(entry.keys() & _SAID)


def _is_of_assistant(messages: object) -> bool:
    last = messages[-1] if isinstance(messages, list) and messages else None
    return isinstance(last, dict) and (last.get("role") == "assistant" or last.get("type") == "ai")
