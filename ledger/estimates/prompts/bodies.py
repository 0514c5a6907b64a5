"""One request body's content: texts, messages, tools and schemas, and the parts that aren't counted.

Messages, instructions, function calls and what the functions returned are text. Tools and output formats are text too,
by a template of the model's own. What else adds to the input, such as images, files and stored prompts, is a part; so
is each key of the body, its messages and their parts that isn't known to add nothing.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from typing import Any

from ledger.errors import LedgerError
from ledger.estimates.prompts.fields import json_in
from ledger.estimates.prompts.keys import CHAT_LIMITS, OF_IMAGE, RESPONSES_LIMITS, WITHOUT_INPUT, is_setting
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
# Messages, items, parts and calls that hold text, and the keys of it; an object there is counted as its JSON.
_TEXTS_OF_MESSAGE = ("name", "tool_name", "refusal")
_TEXTS_OF_ITEM = {
    "function_call": ("name", "arguments"),
    "function_call_output": ("output",),
    "custom_tool_call": ("name", "input"),
    "custom_tool_call_output": ("output",),
}
_TEXTS_OF_PART = {"tool_use": ("name", "input"), "tool_result": ("content",)}
_TEXTS_OF_CALL = ("name", "arguments", "input", "args")
# Keys that hold parts beside the content, an entry each, and what a part of them is.
_PARTS_BESIDE = {"images": IMAGE, "image_url": IMAGE, "image": IMAGE}
_NAMED_OF_BODY = {
    **_PARTS_BESIDE,
    # Keys that name more input, and how a warning calls it.
    "previous_response_id": "the conversation of previous_response_id",
    "conversation": "the conversation that is named",
    "prompt": "the stored prompt",
}
_PARTS_OF_MESSAGE = {**_PARTS_BESIDE, "audio": "audio part", "reasoning_content": "reasoning text"}
_SCHEMA_KEYS = ("tools", "functions", "response_format")
# A tool of these kinds is its schema alone; another runs at the provider, which adds what it finds.
_OWN_TOOLS = frozenset({"function", "custom"})
_SEARCH, _SWITCH = "web_search_options", "enable_search"
_READ_OF_BODY = frozenset({*_SCHEMA_KEYS, *CHAT_LIMITS, *RESPONSES_LIMITS, _SEARCH, "messages"})
_READ_OF_CHAT, _READ_OF_RESPONSES = _READ_OF_BODY | {"system"}, _READ_OF_BODY | {"input", "instructions"}
_READ_OF_MESSAGE = WITHOUT_INPUT.union(_TEXTS_OF_MESSAGE, ("content", "tool_calls", "function_call"))
_MOST_CHOICES = 1_000


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
                where = f"input[{index}]"
                self._read_item(self._object(item, where), where)

    def read_chat(self, body: Mapping[str, Any]) -> None:
        """Reads `messages`, and `system` before them."""
        if body.get("system") is not None:
            self.messages += 1
            self._add_content(body["system"], "system")
        for index, entry in enumerate(
            self._list(body["messages"], "messages", "must be a list of messages, one at least")
        ):
            where = f"messages[{index}]"
            self._read_message(self._object(entry, where), where)

    def read_others(self, body: Mapping[str, Any]) -> None:
        """Reads tools and output formats, and names every other key that may add to the input."""
        text = body.get("text")
        formats = [body["format"]] if isinstance(body.get("format"), dict) else []  # Ollama's
        if isinstance(text, dict):
            formats.append(text.get("format"))
            self._name_others(text, {"format", "verbosity"}, "the text key ")
        for value in [*(body.get(key) for key in _SCHEMA_KEYS), *formats]:
            self.schemas += map(_json_of, _schemas_in(value))
        for tool in _schemas_in(body.get("tools")):
            kind = _kind_of(tool, "function") if isinstance(tool, dict) else "function"
            if isinstance(tool, str) and tool.isidentifier():
                kind = tool[:40]  # its name alone, whose schema stands elsewhere
            if kind not in _OWN_TOOLS:
                self.parts.append(Part.of(f"what the tool {kind} adds", tool))
        if isinstance(body.get(_SEARCH), dict):  # an empty one searches too
            self.parts.append(Part.of(f"what {_SEARCH} finds", body[_SEARCH]))
        if body.get(_SWITCH) is True:
            self.parts.append(Part.of(f"what {_SWITCH} finds", body[_SWITCH]))
        self.read_beside(body, _READ_OF_CHAT if body.get("messages") is not None else _READ_OF_RESPONSES)

    def read_beside(self, beside: Mapping[str, Any], known: AbstractSet[str] = frozenset()) -> None:
        """Names what stands beside the body and may be sent too, or in it beside the keys that are `known`."""
        others = {key: value for key, value in beside.items() if key not in known and not is_setting(key, value)}
        self._name_others(others, known, KEY, _NAMED_OF_BODY)

    def output_limit(self, body: Mapping[str, Any]) -> int | None:
        """Returns the most output tokens that the body lets one choice have, by the keys of its own API."""
        keys = CHAT_LIMITS if body.get("messages") is not None else RESPONSES_LIMITS
        limits = [body[key] for key in keys if body.get(key) is not None]
        for limit in limits:
            if type(limit) is not int or not 1 <= limit <= INT64_MAX:
                raise self._refused("its limit of output tokens", "must be a whole number from 1 on")
        return min(limits, default=None)

    def choices(self, body: Mapping[str, Any]) -> int:
        """Returns how many answers a chat body asks for, each with an output of its own."""
        choices = body.get("n") if body.get("messages") is not None else None
        if choices is None:
            return 1
        if type(choices) is not int or not 1 <= choices <= _MOST_CHOICES:
            raise self._refused("its n", f"must be a whole number from 1 to {_MOST_CHOICES:,}")
        return choices

    def _read_message(self, message: Mapping[str, Any], where: str) -> None:
        """Reads content, name and calls of a message, and names what else it holds."""
        self.messages += 1
        self._add_content(message.get("content"), f"{where}.content")
        for key in _TEXTS_OF_MESSAGE:
            if message.get(key) is not None:
                self._add_text(message[key], f"{where}.{key}")
        calls, old_call = message.get("tool_calls") or [], message.get("function_call")
        if "content" not in message and not calls and not old_call:
            raise self._refused(where, "must have content or tool_calls")
        said = calls and _ids_of_calls(message.get("content"))
        for entry in calls and self._list(calls, f"{where}.tool_calls", "must be a list"):
            call = self._object(entry, f"{where}.tool_calls")
            if call.get("id") not in said:  # LangChain has Anthropic's calls in both places, and sends them once
                self._add_call(call, f"{where}.tool_calls")
        if old_call:
            self._add_call(self._object(old_call, f"{where}.function_call"), f"{where}.function_call")
        self._name_others(message, _READ_OF_MESSAGE, "the message key ", _PARTS_OF_MESSAGE)

    def _read_item(self, item: Mapping[str, Any], where: str) -> None:
        kind = _kind_of(item, "message")
        if kind == "message":
            self._read_message(item, where)
        elif kind in _TEXTS_OF_ITEM:
            self.messages += 1
            for key in _TEXTS_OF_ITEM[kind]:
                if key not in item:
                    raise self._refused(where, f"must have {key}")
                self._add_value(item[key], f"{where}.{key}")
            self._name_others(item, WITHOUT_INPUT.union(_TEXTS_OF_ITEM[kind]), "the item key ", _PARTS_BESIDE)
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

    def _add_value(self, value: object, where: str) -> None:
        """Adds content that may also be an object, which counts as its JSON."""
        self._add_content(_json_of(value) if isinstance(value, dict) else value, where)

    def _add_part(self, part: Mapping[str, Any], where: str) -> None:
        """Adds the texts of a part, or names it; names what else a part of text or an image holds."""
        kind = _kind_of(part, "text")
        if kind in _TEXT_PARTS:
            keys: Sequence[str] = ("refusal",) if kind == "refusal" else ("text",)
            self._add_text(part.get(keys[0]), f"{where}.{keys[0]}")
        elif kind in _TEXTS_OF_PART:
            keys = _TEXTS_OF_PART[kind]
            for key in keys:
                self._add_value(part.get(key), f"{where}.{key}")
        else:
            self.parts.append(Part.of(_PARTS.get(kind) or f"{kind} part", part))
            if _PARTS.get(kind) == IMAGE:
                self._name_others(part, OF_IMAGE, "the part key ")
            return
        self._name_others(part, WITHOUT_INPUT.union(keys), "the part key ", _PARTS_BESIDE)

    def _add_call(self, call: Mapping[str, Any], where: str) -> None:
        """Adds name and arguments of a call, bare or below its type."""
        kind = _kind_of(call, "function")
        called = self._object(call.get(kind, call), where)
        for key in _TEXTS_OF_CALL:
            value = called.get(key)
            if value is not None:
                self._add_text(_json_of(value) if isinstance(value, dict) else value, f"{where}.{key}")
        known = WITHOUT_INPUT.union(_TEXTS_OF_CALL)
        self._name_others(called, known, "the call key ")
        if called is not call:
            self._name_others(call, WITHOUT_INPUT | {kind}, "the call key ")

    def _name_others(
        self, value: Mapping[str, Any], known: AbstractSet[str], begins: str, nouns: Mapping[str, str] | None = None
    ) -> None:
        """Adds a part for each key that isn't known and holds a text, a list or an object: by its noun, or its name."""
        for key, content in value.items():
            if key in known or not content or not isinstance(content, (str, list, dict)):
                continue
            noun = (nouns or {}).get(key)
            entries = content if noun and isinstance(content, list) else [content]
            self.parts += [Part.of(noun or f"{begins}{key[:40]}", entry) for entry in entries]

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


def _ids_of_calls(content: object) -> list[Any]:
    """Lists the ids of the calls that are parts of the content."""
    parts = [part for part in content if isinstance(part, dict)] if isinstance(content, list) else []
    return [part["id"] for part in parts if part.get("type") == "tool_use" and part.get("id")]


def _json_of(value: object) -> str:
    """Returns the JSON as chat templates write it: blanks behind commas and colons, letters as they are."""
    return json.dumps(value, ensure_ascii=False, default=str)


def _schemas_in(value: object) -> list[Any]:
    """Lists the schemas of a key, which may be written as JSON; none for plain text, the default format."""
    if isinstance(value, str):
        value = json_in(value) or value
    if not value or _is_plain_format(value):
        return []
    return value if isinstance(value, list) else [value]


def _is_plain_format(value: object) -> bool:
    """Tells whether a format asks for plain text, the default."""
    return isinstance(value, dict) and value.get("type") == "text"


def _kind_of(entry: Mapping[str, Any], default: str) -> str:
    kind = entry.get("type", default)
    return kind[:40] if isinstance(kind, str) and kind else "unknown"
