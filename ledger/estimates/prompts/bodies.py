"""One request body's content: texts, messages, tools and schemas, and the parts that aren't counted.

Messages, instructions, function calls and what the functions returned are text. Tools and output formats are text too,
by a template of the model's own. What else adds to the input, such as images, files and stored prompts, is a part.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ledger.errors import LedgerError
from ledger.estimates.prompts.parts import IMAGE, KEY, Part
from pricing.money import INT64_MAX

_TEXT_PARTS = frozenset({"text", "input_text", "output_text", "summary_text", "refusal"})
_PARTS = {
    "image": IMAGE,
    "image_url": IMAGE,
    "input_image": IMAGE,
    "audio": "audio part",
    "input_audio": "audio part",
    "document": "document",
    "file": "file",
    "input_file": "file",
    "video": "video",
    "video_url": "video",
    "input_video": "video",
}
# Parts and items that hold text, and the keys of it; what isn't text there is counted as its JSON.
_TEXTS_OF_ITEM = {
    "message": ("content",),
    "function_call": ("name", "arguments"),
    "function_call_output": ("output",),
    "custom_tool_call": ("name", "input"),
    "custom_tool_call_output": ("output",),
}
_TEXTS_OF_PART = {"tool_use": ("name", "input"), "tool_result": ("content",)}
_SCHEMA_KEYS = ("tools", "functions", "response_format")
# A tool of these kinds is its schema alone; another runs at the provider, which adds what it finds.
_OWN_TOOLS = frozenset({"function", "custom"})
_LIMIT_KEYS = ("max_tokens", "max_completion_tokens", "max_output_tokens")
# Keys that name more input, and how a warning calls it.
_NAMED_INPUT = {
    "previous_response_id": "the conversation of previous_response_id",
    "conversation": "the conversation that is named",
    "prompt": "the stored prompt",
    "web_search_options": "what web_search_options finds",
}
# Keys of the two APIs and of gateways that add nothing to the input, and those of eval sets for the answers.
_WITHOUT_INPUT = frozenset(
    [
        "model",
        "models",
        "stream",
        "stream_options",
        "background",
        "store",
        "include",
        "metadata",
        "user",
        "safety_identifier",
        "service_tier",
        "temperature",
        "top_p",
        "top_k",
        "min_p",
        "n",
        "stop",
        "seed",
        "logit_bias",
        "logprobs",
        "top_logprobs",
        "presence_penalty",
        "frequency_penalty",
        "repetition_penalty",
        "parallel_tool_calls",
        "tool_choice",
        "function_call",
        "reasoning",
        "reasoning_effort",
        "thinking",
        "verbosity",
        "truncation",
        "caching",
        "prompt_cache_key",
        "prompt_cache_retention",
        "expire_at",
        "modalities",
        "text",
        "extra_headers",
        "timeout",
        "max_tool_calls",
        "text_verbosity",
        "provider",
        "id",
        "name",
        "tags",
        "custom_id",
        "created_at",
        "ideal",
        "expected",
        "expected_output",
        "expectedOutput",
        "output",
        "answer",
        "target",
        "reference",
        "scores",
    ]
)
_CHAT_KEYS, _RESPONSES_KEYS = ("messages", "system"), ("input", "instructions", "messages")


@dataclass(slots=True)
class BodyReader:
    """Content of one body, as it is read."""

    name: str
    texts: list[str] = field(default_factory=list)
    schemas: list[str] = field(default_factory=list)
    messages: int = 0
    parts: list[Part] = field(default_factory=list)

    def read_responses(self, body: Mapping[str, Any]) -> None:
        """Reads `instructions`, then `input`: a text or a list of items."""
        instructions, items = body.get("instructions"), body.get("input")
        if instructions is not None:
            self._add_text(instructions, "instructions")
            self.messages += 1
        if isinstance(items, str):
            self.texts.append(items)
            self.messages += 1
        elif items is not None:
            for index, item in enumerate(self._list(items, "input", "must be text or a list of items, one at least")):
                self._read_item(self._object(item, f"input[{index}]"), f"input[{index}]")

    def read_chat(self, body: Mapping[str, Any]) -> None:
        """Reads `messages`: content, and name and function calls where there are any; and `system` before them."""
        if body.get("system") is not None:
            self.messages += 1
            self._add_content(body["system"], "system")
        for index, entry in enumerate(
            self._list(body["messages"], "messages", "must be a list of messages, one at least")
        ):
            where = f"messages[{index}]"
            message = self._object(entry, where)
            self.messages += 1
            self._add_content(message.get("content"), f"{where}.content")
            for key in ("name", "refusal"):
                if message.get(key) is not None:
                    self._add_text(message[key], f"{where}.{key}")
            calls = message.get("tool_calls") or [call for call in [message.get("function_call")] if call]
            if "content" not in message and not calls:
                raise self._refused(where, "must have content or tool_calls")
            for call in calls and self._list(calls, f"{where}.tool_calls", "must be a list"):
                self._add_call(self._object(call, f"{where}.tool_calls"), f"{where}.tool_calls")
            for key, noun in (("audio", "audio part"), ("reasoning_content", "reasoning text")):
                if message.get(key):
                    self.parts.append(Part.of(noun, message[key]))

    def read_others(self, body: Mapping[str, Any]) -> None:
        """Reads tools and output formats, and notes every other key that may add to the input."""
        text = body.get("text")
        formats = [text["format"]] if isinstance(text, dict) and "format" in text else []
        for value in [*(body.get(key) for key in _SCHEMA_KEYS), *formats]:
            if value and not _is_plain_format(value):
                self.schemas += map(_json_of, value if isinstance(value, list) else [value])
        tools = body.get("tools")
        for tool in tools if isinstance(tools, list) else []:
            kind = _kind_of(tool, "function") if isinstance(tool, dict) else "function"
            if kind not in _OWN_TOOLS:
                self.parts.append(Part.of(f"what the tool {kind} adds", tool))
        known = _WITHOUT_INPUT.union(_SCHEMA_KEYS, _LIMIT_KEYS, _CHAT_KEYS if "messages" in body else _RESPONSES_KEYS)
        for key, value in body.items():
            if key in _NAMED_INPUT and value:
                self.parts.append(Part.of(_NAMED_INPUT[key], value))
            elif key not in known and value and isinstance(value, (str, list, dict)):
                self.parts.append(Part.of(f"{KEY}{key[:40]}", value))

    def output_limit(self, body: Mapping[str, Any]) -> int | None:
        """Returns the most output tokens that the body lets a response have, all its choices together."""
        limits = [body[key] for key in _LIMIT_KEYS if body.get(key) is not None]
        for limit in limits:
            if type(limit) is not int or not 1 <= limit <= INT64_MAX:
                raise self._refused("its limit of output tokens", "must be a whole number from 1 on")
        choices = body.get("n")
        choices = choices if type(choices) is int and 1 <= choices <= 1_000 else 1
        return min(min(limits) * choices, INT64_MAX) if limits else None

    def _read_item(self, item: Mapping[str, Any], where: str) -> None:
        kind = _kind_of(item, "message")
        if kind in _TEXTS_OF_ITEM:
            self.messages += 1
            for key in _TEXTS_OF_ITEM[kind]:
                if key not in item:
                    raise self._refused(where, f"must have {key}")
                self._add_content(item[key], f"{where}.{key}")
        elif kind in _PARTS or kind in _TEXT_PARTS:
            self.messages += 1
            self._add_part(item, where)
        else:
            self.parts.append(Part.of(f"{kind} item", item))

    def _add_content(self, content: object, where: str) -> None:
        """Adds a text, or those of its parts that are texts."""
        if content is None:
            return
        if isinstance(content, str):
            self.texts.append(content)
            return
        if not isinstance(content, list):
            raise self._refused(where, "must be text or a list of parts")
        for index, entry in enumerate(content):
            self._add_part(self._object(entry, f"{where}[{index}]"), f"{where}[{index}]")

    def _add_part(self, part: Mapping[str, Any], where: str) -> None:
        kind = _kind_of(part, "text")
        if kind in _TEXT_PARTS:
            key = "refusal" if kind == "refusal" else "text"
            self._add_text(part.get(key), f"{where}.{key}")
        elif kind in _TEXTS_OF_PART:
            for key in _TEXTS_OF_PART[kind]:
                value = part.get(key)
                self._add_content(_json_of(value) if isinstance(value, dict) else value, f"{where}.{key}")
        else:
            self.parts.append(Part.of(_PARTS.get(kind) or f"{kind} part", part))

    def _add_call(self, call: Mapping[str, Any], where: str) -> None:
        """Adds name and arguments of a call, bare or below its type."""
        called = self._object(call.get(_kind_of(call, "function"), call), where)
        for key in ("name", "arguments", "input"):
            if called.get(key) is not None:
                self._add_text(called[key], f"{where}.{key}")

    def _add_text(self, text: object, where: str) -> None:
        if not isinstance(text, str):
            raise self._refused(where, "must be text")
        self.texts.append(text)

    def _list(self, value: object, where: str, rule: str) -> Sequence[Any]:
        if not isinstance(value, list) or not value:
            raise self._refused(where, rule)
        return value

    def _object(self, value: object, where: str) -> Mapping[str, Any]:
        if not isinstance(value, dict):
            raise self._refused(where, "must be an object")
        return value

    def _refused(self, where: str, rule: str) -> LedgerError:
        return LedgerError(f"{self.name}: {where} {rule}, as the API takes it")


def _json_of(value: object) -> str:
    """The JSON as chat templates write it: blanks behind commas and colons, letters as they are."""
    return json.dumps(value, ensure_ascii=False, default=str)


def _is_plain_format(value: object) -> bool:
    """Tells whether a format asks for plain text, the default."""
    return isinstance(value, dict) and value.get("type") == "text"


def _kind_of(entry: Mapping[str, Any], default: str) -> str:
    kind = entry.get("type", default)
    return kind[:40] if isinstance(kind, str) and kind else "unknown"
