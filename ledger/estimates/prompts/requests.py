"""Prompts from files: plain text, or bodies of Responses and Chat Completions.

A chat-shaped request carries 3 tokens a message and 3 a request on top of its text: figures of OpenAI's cookbook for
tiktoken's chat models, as Doubao's own template isn't public.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any

from ledger.errors import LedgerError
from ledger.estimates.prompts.bodies import BodyReader
from ledger.estimates.prompts.files import STANDARD_INPUT, json_of, read_bytes, text_of
from ledger.estimates.prompts.parts import Part
from pricing.estimating.counting import PromptText

TOKENS_OF_MESSAGE = 3
TOKENS_OF_REQUEST = 3
EXPECTED = "a Responses body has input or instructions, a chat body messages"

_BODY_KEYS = ("input", "instructions", "messages")
_MARKING_KEYS = frozenset({"input", "messages", "request"})


@dataclass(frozen=True, slots=True)
class Prompt:
    """One request to be counted, and its parts that can't be; `model` is the one that its body names.

    `max_output_tokens` is the most that its body lets the response have.
    """

    name: str
    text: PromptText
    warnings: tuple[str, ...] = ()
    model: str | None = None
    parts: tuple[Part, ...] = ()
    max_output_tokens: int | None = None


def read_prompts(path: str) -> list[Prompt]:
    """Reads prompts: .json is one body or a list, .jsonl one a line, all else one text.

    Standard input is a text unless it starts with a JSON object that is a request body.
    """
    raw = read_bytes(path)
    suffix = PurePath(path).suffix.lower()
    if suffix == ".json":
        return _of_document(raw, path)
    if suffix in (".jsonl", ".ndjson"):
        return _of_lines(raw, path)
    bodies = _of_standard_input(raw) if path == STANDARD_INPUT else []
    return bodies or [Prompt(path, PromptText((text_of(raw, path),)))]


def prompt_of_body(name: str, body: object) -> Prompt:
    """Reads one request body, bare or as `request` of an envelope; LedgerError naming it."""
    if isinstance(body, dict) and "request" in body and not _given(body):
        body = body["request"]
    if not isinstance(body, dict) or not _given(body):
        raise LedgerError(f"{name}: isn't a request body: {EXPECTED}")
    if len(_given(body)) > 1 and body.get("messages") is not None:
        raise LedgerError(f"{name}: has {' and '.join(_given(body))}, of two APIs: {EXPECTED}")
    reader = BodyReader(name)
    if body.get("messages") is None:
        reader.read_responses(body)
    else:
        reader.read_chat(body)
    reader.read_others(body)
    overhead = TOKENS_OF_REQUEST + TOKENS_OF_MESSAGE * reader.messages
    model = body.get("model")
    return Prompt(
        name,
        PromptText(tuple(reader.texts), overhead, schemas=tuple(reader.schemas)),
        model=model if isinstance(model, str) and model else None,
        parts=tuple(reader.parts),
        max_output_tokens=reader.output_limit(body),
    )


def _of_document(raw: bytes, path: str) -> list[Prompt]:
    document = json_of(raw, path)
    if not isinstance(document, list):
        return [prompt_of_body(path, document)]
    if not document:
        raise LedgerError(f"{path}: holds no request: {EXPECTED}")
    return [prompt_of_body(f"{path}[{index}]", body) for index, body in enumerate(document)]


def _of_lines(raw: bytes, path: str) -> list[Prompt]:
    prompts = [prompt_of_body(name, json_of(line, name)) for name, line in named_lines(raw, path)]
    if not prompts:
        raise LedgerError(f"{path}: holds no request: give one a line; {EXPECTED}")
    return prompts


def named_lines(raw: bytes, path: str) -> Iterator[tuple[str, bytes]]:
    """Yields the lines that aren't blank, named by file and number."""
    for number, line in enumerate(raw.split(b"\n"), start=1):
        if line.strip():
            yield f"{path}:{number}", line


def _of_standard_input(raw: bytes) -> list[Prompt]:
    """The bodies on standard input, one or one a line; none where it is a text."""
    if not raw.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"{"):
        return []
    if _is_body(raw, STANDARD_INPUT):
        return _of_document(raw, STANDARD_INPUT)
    lines = list(named_lines(raw, STANDARD_INPUT))
    if len(lines) > 1 and _is_body(lines[0][1], STANDARD_INPUT):
        return _of_lines(raw, STANDARD_INPUT)
    return []


def _is_body(raw: bytes, name: str) -> bool:
    try:
        value = json_of(raw, name)
    except LedgerError:
        return False
    return isinstance(value, dict) and bool(value.keys() & _MARKING_KEYS)


def _given(body: Mapping[str, Any]) -> list[str]:
    return [key for key in _BODY_KEYS if body.get(key) is not None]
