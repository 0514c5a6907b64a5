"""Meanings of the names inside a `usage`: the one table for all formats.

A name is a dotted path such as `prompt_tokens_details.cached_tokens`, also of a span's attribute after `gen_ai.usage.`.
Clients write one count under many names that differ in the order of their words, in the object they stand in and in
filler, so a path is known by its set of words: `input_token_details.cache_read`, `cache_read.input_tokens` and
`inputCacheReadTokens` are all {input, cache, read}. A name in no list means nothing here, and is refused where it has
a value: what isn't known may be priced.
"""

from __future__ import annotations

import re
from functools import lru_cache
from itertools import product
from typing import Final, Literal, TypeAlias

Count: TypeAlias = Literal[
    "input", "output", "total", "cached", "cached_maybe_outside", "uncached", "reasoning",
    "input_text", "input_image", "output_text", "accepted_prediction", "rejected_prediction", "cached_text",
    "cached_image",
]  # fmt: skip
Meaning: TypeAlias = (
    Count
    | Literal[
        "audio_tokens", "cache_write_tokens", "service_tier", "cost", "tool_calls", "wording", "harmless", "unknown"
    ]
)

_INPUT_SIDE = ("input", "prompt")
_OUTPUT_SIDE = ("output", "completion")
_CACHE_READ = ("cached", "cache read", "cache hit")

# Meaning -> the sets of words that have it; "" is a side that isn't named.
_WORDS: Final[dict[Count, list[tuple[str, ...]]]] = {
    "input": [_INPUT_SIDE],
    "output": [_OUTPUT_SIDE],
    "total": [("total",)],
    # Gateways say how much of the input came from cache in a details object, beside the total, or by hit and miss.
    "cached": [("", *_INPUT_SIDE, "prompt input"), _CACHE_READ],
    "uncached": [("", *_INPUT_SIDE), ("cache miss", "uncached", "no cache")],
    "reasoning": [("", *_OUTPUT_SIDE), ("reasoning",)],
    # Parts of a whole that is priced as text: they are compared with it, and priced in it.
    "input_text": [_INPUT_SIDE, ("text",)],
    "input_image": [_INPUT_SIDE, ("image",)],
    "output_text": [_OUTPUT_SIDE, ("text",)],
    "cached_text": [("", *_INPUT_SIDE), _CACHE_READ, ("text",)],
    "cached_image": [("", *_INPUT_SIDE), _CACHE_READ, ("image",)],
    # Predicted tokens are output, those rejected too (OpenAI API reference, completion_tokens_details).
    "accepted_prediction": [("", *_OUTPUT_SIDE), ("accepted prediction",)],
    "rejected_prediction": [("", *_OUTPUT_SIDE), ("rejected prediction",)],
}
COUNT_MEANINGS: Final = frozenset((*_WORDS, "cached_maybe_outside"))
_BY_WORDS: Final[dict[frozenset[str], Count]] = {
    frozenset(" ".join(words).split()): meaning for meaning, parts in _WORDS.items() for words in product(*parts)
}
# Anthropic's name, and Bedrock's: their APIs report cached tokens outside of the input, gateways that borrow the name
# inside of it. OpenTelemetry's `cache_read.input_tokens` is inside by its convention.
_MAYBE_OUTSIDE: Final = ["cache", "read", "input"]

_TOKENS = frozenset({"token", "tokens"})
# An object of parts: a number under its own name is none of them.
_DETAILS = frozenset({"details", "detail"})
_FILLER = _TOKENS | _DETAILS | {"content", "per", "turn"}
# Filler only where tokens are counted: `num_cached_tokens` is a count of tokens, `input_count` one of something else.
_COUNTED = frozenset({"count", "num"})
_CACHE_WRITE = frozenset({"write", "writes", "written", "creation", "created"})
_MONEY = frozenset({"cost", "costs", "usd", "price", "discount", "currency"})
_TIME = frozenset({"time", "timing", "latency", "duration", "ttft", "tbt", "ttlt", "ms"})
_SPEED = re.compile(r"(?:per_sec|per_second|tokens?/s)$")
# Where a gateway got its counts from, in words.
_WORDING = frozenset({"usage_source", "usage_semantic"})
_TOOLS = frozenset({"tool", "tools", "search", "searches", "queries", "fetch", "plugins", "plugin"})
# What is sold by its length.
_BILLED_BY_TIME = frozenset({"audio", "video", "image", "session", "container", "gpu", "speech"})

_HUMP = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_WORD = re.compile(r"[a-z0-9]+")


def is_web_search(name: str) -> bool:
    """Tells whether a tool, or a count of its calls, searches the web: `web_search_call`, `num_search_queries`."""
    return "search" in name and "file" not in name


@lru_cache(maxsize=4_096)
def meaning_of(path: str) -> Meaning:
    """The meaning of a dotted name; `unknown` where it is in no list."""
    name = _HUMP.sub("_", path).lower()
    words = _WORD.findall(name)
    held = frozenset(words)
    if words and words[-1] in _DETAILS:
        return "unknown"
    if "." not in name and words[:3] == _MAYBE_OUTSIDE and held & _TOKENS:
        return "cached_maybe_outside" if held <= {*_MAYBE_OUTSIDE, *_FILLER, *_COUNTED} else "unknown"
    known = _BY_WORDS.get(held - _FILLER - (_COUNTED if held & _TOKENS else frozenset()))
    return known if known is not None else _other_meaning(name, words, held)


def _other_meaning(name: str, words: list[str], held: frozenset[str]) -> Meaning:
    """The meaning of names that are no counts a card prices."""
    if name == "cost":
        return "cost"
    if name in _WORDING:
        return "wording"
    if words[-2:] == ["service", "tier"]:
        return "service_tier"
    if held & _TOOLS:
        return "unknown" if held & _TOKENS else "tool_calls"
    if _costs_nothing(name, words, held):
        return "harmless"
    if "audio" in held:
        return "audio_tokens"
    return "cache_write_tokens" if "cache" in held and held & _CACHE_WRITE else "unknown"


def _costs_nothing(name: str, words: list[str], held: frozenset[str]) -> bool:
    """Tells whether it is money, which is never priced, or a duration or speed."""
    if words and (words[-1] in _MONEY or (words[0] == "cost" and not held & _TOKENS)):
        return True
    is_latency = held >= {"time", "first"} or words[:1] == ["timing"]
    is_time = bool(held & _TIME) and not held & _BILLED_BY_TIME and (is_latency or not held & _TOKENS)
    return is_time or _SPEED.search(name) is not None


@lru_cache(maxsize=4_096)
def is_usage_name(key: object) -> bool:
    """Tells whether a key beside `usage` names another usage, such as `bot_usage`."""
    if not isinstance(key, str) or key == "usage":
        return False  # an application's own mapping may have other keys
    return key.startswith("usage") or key.endswith(("usage", "Usage"))
