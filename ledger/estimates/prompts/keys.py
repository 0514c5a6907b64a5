"""Keys of a request body that add nothing to the input; every other key that holds something is named as uncounted.

Numbers and booleans are settings whatever they are called, so that only keys of texts, lists and objects stand here.
"""

from __future__ import annotations

CHAT_LIMITS = ("max_tokens", "max_completion_tokens")
RESPONSES_LIMITS = ("max_output_tokens",)
# Settings of the two APIs and of gateways, and what eval sets have for the answers.
_SETTINGS = frozenset(
    {
        "model", "models", "store", "metadata", "safety_identifier", "stop", "stop_sequences", "logit_bias",
        "modalities", "include", "prompt_cache_key", "expire_at", "extra_headers", "provider", "fallbacks", "betas",
        "transforms", "context_management", "id", "name", "tags", "custom_id", "request_id", "session_id",
        "created_at", "ideal", "expected", "expected_output", "expectedOutput", "output", "answer", "target",
        "reference", "scores",
    }
)  # fmt: skip
# Settings that are a word, some of them also words or an object: a longer text may be part of a prompt.
_WORDS = frozenset(
    {
        "service_tier", "tool_choice", "function_call", "reasoning_effort", "verbosity", "text_verbosity",
        "truncation", "caching", "prompt_cache_retention", "format", "user", "keep_alive", "route", "anthropic_version",
    }
)  # fmt: skip
# Settings that are an object: a text or a list may be part of a prompt.
_OBJECTS = frozenset({"text", "reasoning", "thinking", "stream_options", "usage", "options"})

# Keys of a message, an item, a part or a call.
WITHOUT_INPUT = frozenset(
    {
        "type", "id", "role", "status", "index", "phase", "uuid", "call_id", "tool_call_id", "toolCallId",
        "tool_use_id", "cache_control", "metadata", "created_at", "createdAt", "timestamp", "model", "finish_reason",
        "stop_reason", "usage", "usage_metadata", "response_metadata", "logprobs", "providerOptions",
        "provider_options", "conversation_id", "session_id", "user_id",
    }
)  # fmt: skip
# Keys of a part that is an image, which count with it.
OF_IMAGE = WITHOUT_INPUT.union(
    {
        "image", "image_url", "input_image", "url", "source", "source_type", "data", "base64", "file_id", "detail",
        "resize", "filename", "media_type", "mediaType", "mime_type", "mimeType",
    }
)  # fmt: skip


def is_setting(key: str, value: object) -> bool:
    """Tells whether a body's key is known to add nothing to the input, with a value of the kind that it has there."""
    if key in _OBJECTS:
        return isinstance(value, dict)
    if key in _WORDS:
        words = value if isinstance(value, list) else [value]
        return isinstance(value, dict) or all(map(is_word, words))
    return key in _SETTINGS


def is_word(value: object) -> bool:
    """Tells whether a value is one word, such as an id or a setting; Chinese has no blanks to tell words by."""
    return isinstance(value, str) and value.isascii() and len(value.split()) <= 1
