"""Damage by a seeded chance: to JSON objects, their text, and bytes. Never raises.

Texts with MARK stand for prompts and keys. They are put where no field of a record is kept from.
"""

from __future__ import annotations

import copy
import json
import random
import re
from collections.abc import Callable
from typing import Any

from tests.intake.test_laws import places

MARK = "Zq7Kx"
SECRETS: list[Any] = [
    f"sk-proj-{MARK}9b2Wm4{MARK}", f"{MARK} tell nobody of {MARK} 中文 \x1b[31m", f"12 {MARK}", f"{MARK} " * 200,
    [f"{MARK} x"], {MARK: 5}, {f"{MARK} y": {"z": MARK}}, {"cached_tokens": MARK}, {"text": MARK}, [{"content": MARK}],
    f"2026-{MARK}", f"-{MARK}",
]  # fmt: skip
# Text that JSON may hold, or that some write for JSON: put in as it is.
RAW = re.compile(r'"@raw:(.*?)@"')
LITERALS = (
    "1e400", "-1e400", "NaN", "Infinity", "-0", "0.0", "-0.0", "1E2", "88.0", "1e-400", "01", "+1", ".5", "0x10",
    "1_000",
    "9223372036854775807", "9223372036854775808", "-9223372036854775809", "1" * 400, "1" * 5_000, "0." + "3" * 60,
    "true", "tru", "'a'", "[" * 40 + "]" * 40, "[" * 600 + "]" * 600, '{"a":' * 600 + "1" + "}" * 600, "undefined", "",
    '"\\ud800"', '"\\u0000"', '"\\ud83d\\ude00"', '"a\\u2028b"',
)  # fmt: skip
ODD: list[Any] = [
    None, True, False, 0, -1, 1, 2, 88, 0.5, 1e300, -(2**70), 2**63, 10**30, "", " ", "x", "5", "88", "\0", "\ud800",
    "\ufeff5",
    "\u2028", "a\u200bb", "\u202egpj", "\x1b[2J", "=1+1", "é" * 600, "a\r\nb", [], {}, [{}], [1], {"a": None}, {"": 1},
    *(f"@raw:{text}@" for text in LITERALS),
]  # fmt: skip
TIMES: list[Any] = [
    0, -1, 1, 1e-9, 253402300800, 253402300799, 253402214400, 1771486674000, 1771486674.9999999, "2026-02-30T00:00:00Z",
    "2026-02-19", "2026-02-19T07:37:54", "2026-02-19T07:37:54+25:00", "0000-01-01T00:00:00Z", "99999-01-01T00:00:00Z",
    "1969-12-31T23:59:59Z", "2026-01-31T23:59:59Z", "9999-12-31T23:59:59-12:00", "2026-W08-4T10:00:00Z", "1771486674",
]  # fmt: skip
MODELS: list[Any] = [
    *(f"doubao-seed-2.0-{name}" for name in ("pro", "code", "lite", "mini", "max", "")), "gpt-4o",
    "doubao-seed-2-0-pro-9",
    "doubao-seed-2-0-mini-", "DOUBAO-SEED-2.0-PRO", " doubao-seed-2.0-pro",
]  # fmt: skip
NAMES = (
    "input_tokens", "output_tokens", "prompt_tokens", "completion_tokens", "total_tokens", "cached_tokens", "usage",
    "reasoning_tokens", "audio_tokens", "cache_creation_input_tokens", "video_tokens", "zz_tokens", "bot_usage", "id",
    "created_at", "created", "model", "status", "service_tier", "object", "type", "request_id", "occurred_at", "zz",
    "input_tokens_details", "output_tokens_details", "web_search_requests", "response", "request", "metadata",
    "custom_id", "stop_reason", "usageMetadata", "promptTokenCount", "thoughtsTokenCount", "inputTokens", "stream",
    "cacheWriteInputTokens", "createTime", "responseId", "modelId",
)  # fmt: skip
# Whatever stands at or below these may be kept: no secret is put there.
KEPT = {
    "id", "request_id", "model", "requested_model", "reported_model", "project", "source", "provider", "tags",
    "team", "env", "feature", "user", "model_group", "metadata", "request_tags", "team_id", "end_user",
    "spend_logs_metadata", "custom_llm_provider", "choices", "error", "gen_ai.response.id", "gen_ai.request.model",
    "gen_ai.response.model", "service.name", "user_api_key_alias", "user_api_key_team_alias", "resource",
    "user_api_key_user_id", "user_api_key_project_alias", "attributes", "call_type",
    "responseId", "modelVersion", "modelId", "RequestId",
}  # fmt: skip


class Again(str):
    """A key that a dict can hold beside the same one."""

    __slots__ = ()
    __hash__ = object.__hash__

    def __eq__(self, other: object) -> bool:
        return self is other


Mutation = Callable[[random.Random, dict[str, Any]], None]


def _owner(obj: dict[str, Any], path: tuple[Any, ...]) -> Any:
    for key in path[:-1]:
        obj = obj[key]
    return obj


def _is_kept(path: tuple[Any, ...]) -> bool:
    return any(key in KEPT for key in path)


def _has_secret(value: Any) -> bool:
    return MARK in json.dumps(value)


def _odd_for(chance: random.Random, path: tuple[Any, ...], value: Any) -> Any:
    """Values that may stand at a place instead: mostly such as suit it."""
    key = str(path[-1])
    pool = chance.choice([ODD, ODD, SECRETS])
    if type(value) is int and chance.random() < 0.6:
        pool = [value + 1, value - 1, -value, float(value), str(value), [value], value * 10**6, {"n": value},
        value + 32_000,
                f"@raw:{value}.0@", f"@raw:{value}e0@", f"@raw: {value}@", bool(value), value + 2**64]  # fmt: skip
    elif key in (
        "created",
        "created_at",
        "occurred_at",
        "start",
        "end",
        "startTime",
        "startTimeUnixNano",
        "createTime",
        "date",
    ):
        pool = chance.choice([TIMES, SECRETS])
    elif "model" in key:
        pool = MODELS
    elif key == "status" and chance.random() < 0.7:
        pool = ["completed", "incomplete", "failed", "cancelled", "queued", "in_progress", "done", "success", "failure"]
    elif key.endswith("service_tier") and chance.random() < 0.7:
        pool = ["auto", "default", "flex", "priority", "Default", "batch"]
    if _is_kept(path) and pool is SECRETS:
        pool = ODD
    return copy.deepcopy(chance.choice(pool))


def mutate(chance: random.Random, obj: dict[str, Any]) -> None:
    """Changes one or a few things of an object in place; mostly of its counts."""
    for _ in range(chance.choice([1, 1, 1, 2, 3])):
        found = [path for path in places(obj) if not isinstance(path[-1], Again)]
        counted = [path for path in found if any("usage" in str(key) or "token" in str(key) for key in path)]
        pool = counted if counted and chance.random() < 0.5 else [path for path in found if len(path) < 4] or found
        if not pool:
            return
        path = chance.choice(pool)
        _change(chance, _owner(obj, path), path)


def _change(chance: random.Random, owner: Any, path: tuple[Any, ...]) -> None:
    key, value = path[-1], owner[path[-1]]
    action = chance.choice(["odd", "odd", "odd", "drop", "rename", "add", "again", "swap", "nest", "null"])
    if isinstance(owner, list) or action == "odd":
        owner[key] = _odd_for(chance, path, value)
    elif action == "drop":
        del owner[key]
    elif action == "rename" and not _has_secret(value):
        owner[chance.choice((*NAMES, f"{key}s", str(key).upper(), f"{key} "))] = owner.pop(key)
    elif action == "add":
        name = chance.choice(NAMES)
        if not (_is_kept((*path[:-1], name)) and name in owner and _has_secret(owner[name])):
            owner[name] = _odd_for(chance, (*path[:-1], name), chance.choice([1, 88, None]))
    elif action == "again":
        owner[Again(key)] = chance.choice([copy.deepcopy(value), _odd_for(chance, path, value)])
    elif action == "swap":
        other = chance.choice(list(owner))
        if not _has_secret([value, owner[other]]):
            owner[key], owner[other] = owner[other], value
    elif action == "nest":
        owner[key] = {str(key): value} if chance.random() < 0.5 else [value]
    else:
        owner[key] = None


def harmless(chance: random.Random, obj: dict[str, Any]) -> None:
    """Adds what must change nothing: keys that no format reads, and counts of nothing in a usage."""
    for path in [path for path in places(obj) if path[-1] in ("usage", "additional_usage_values", "usageMetadata")]:
        usage = _owner(obj, path)[path[-1]]
        if isinstance(usage, dict) and chance.random() < 0.5:
            usage[chance.choice(["audio_tokens", "zz_tokens", "cache_creation_input_tokens"])] = chance.choice(
                [0, None, {}, ""]
            )
    obj["zz"] = chance.choice([*SECRETS, 0.5, -(2**70), "\x1b[2J", {"a": {"b": [1, {}]}}, "a\u2028b"])
    items = list(obj.items())
    chance.shuffle(items)
    obj.clear()
    obj.update(items)


def text_of(chance: random.Random, obj: Any) -> str:
    """The object as JSON, in one of the ways that programs write it; raw texts as they are."""
    separators = chance.choice([(",", ":"), (", ", ": "), (" , ", " : "), (",\t", ":")])
    made = json.dumps(obj, separators=separators, ensure_ascii=chance.random() < 0.7)
    return RAW.sub(lambda found: json.loads(f'"{found[1]}"') if "\\" in found[1] else found[1], made)


BYTES = (
    b"\xff", b"\0", b"\xc3", b"\xed\xa0\x80", b'"', b"\\", b"{", b"}", b"[", b"]", b",", b"\r", b"\xef\xbb\xbf", b" ",
    "\u2028".encode(), "\u202e".encode(), "\u200b".encode(), b"\x1b[2J", b"//", b"e400", b"-", b"0", b"9" * 30,
)  # fmt: skip


def damage(chance: random.Random, data: bytes) -> bytes:
    """Cuts, inserts or flips bytes; never a line end."""
    for _ in range(chance.choice([1, 1, 2, 4])):
        at = chance.randrange(len(data) + 1)
        action = chance.randrange(5)
        if action == 0:
            data = data[:at]
        elif action == 1:
            data = data[:at] + chance.choice(BYTES) + data[at:]
        elif action == 2:
            data = data[:at] + bytes([chance.choice([9, *range(32, 256)])]) + data[at + 1 :]
        elif action == 3:
            data = data[:at] + data[at + chance.randint(1, 30) :]
        else:
            data = data[:at] + data[at : at + chance.randint(1, 300)] + data[at:]
    return data
