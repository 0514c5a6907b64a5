"""One request body's text and messages, and the names of what isn't counted.

Only text counts: messages, instructions, function calls and what the functions returned. What else a body holds, such
as images, files and tools, is named in one warning.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ledger.errors import LedgerError

_TEXT_PARTS = frozenset({"text", "input_text", "output_text", "summary_text", "refusal"})
_PARTS = {
    "image": "image",
    "image_url": "image",
    "input_image": "image",
    "audio": "audio part",
    "input_audio": "audio part",
    "file": "file",
    "input_file": "file",
    "video": "video",
    "video_url": "video",
    "input_video": "video",
}
# Keys of a body that add to its input without being text of it, and how a warning calls them.
_UNCOUNTED_KEYS = {
    "tools": "tools",
    "functions": "functions",
    "response_format": "response_format",
    "previous_response_id": "the conversation of previous_response_id",
    "conversation": "the conversation that is named",
    "prompt": "the stored prompt",
}
# Items of the Responses API that hold text, and the keys of it.
_TEXTS_OF_ITEM = {
    "message": ("content",),
    "function_call": ("name", "arguments"),
    "function_call_output": ("output",),
    "custom_tool_call": ("name", "input"),
    "custom_tool_call_output": ("output",),
}


@dataclass(slots=True)
class BodyReader:
    """Content of one body: texts, messages, and what isn't counted."""

    name: str
    texts: list[str] = field(default_factory=list)
    messages: int = 0
    uncounted_keys: list[str] = field(default_factory=list)
    uncounted_parts: Counter[str] = field(default_factory=Counter)

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
        """Reads `messages`: content, and name and function calls where there are any."""
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
                self.uncounted_parts[noun] += bool(message.get(key))

    def name_keys(self, body: Mapping[str, Any]) -> None:
        """Notes the keys of the body that add to its input and aren't counted."""
        for key, noun in _UNCOUNTED_KEYS.items():
            if body.get(key) and not _is_plain_format(body[key]):
                self.uncounted_keys.append(noun)
        text = body.get("text")
        output_format = text.get("format") if isinstance(text, dict) else None
        if output_format and not _is_plain_format(output_format):
            self.uncounted_keys.append("text.format")

    def warnings(self) -> tuple[str, ...]:
        """One warning that names all that isn't counted; none where everything is."""
        named = self.uncounted_keys + [
            f"{count} {noun}{'' if count == 1 else 's'}"
            for noun, count in sorted(self.uncounted_parts.items())
            if count
        ]
        if not named:
            return ()
        return (f"not counted: {_listed(named)}; add their tokens as extra input tokens",)

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
            self.uncounted_parts[f"{kind} item"] += 1

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
        else:
            self.uncounted_parts[_PARTS.get(kind) or f"{kind} part"] += 1

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


def _is_plain_format(value: object) -> bool:
    """Tells whether a format asks for plain text, the default."""
    return isinstance(value, dict) and value.get("type") == "text"


def _kind_of(entry: Mapping[str, Any], default: str) -> str:
    kind = entry.get("type", default)
    return kind[:40] if isinstance(kind, str) and kind else "unknown"


def _listed(names: Sequence[str]) -> str:
    """The names as a sentence has them: "tools, a and b"."""
    return " and ".join(filter(None, (", ".join(names[:-1]), names[-1])))
