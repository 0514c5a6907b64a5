"""The `usage` object of either API -> counts that hold together and that a card can price."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ledger.records import RecordError
from ledger.sources.values import read_count, show
from pricing.usage import TokenUsage, check_service_tier, check_total, check_unpriced_tokens

# Statuses whose usage must be reported; the others are billed on what they report.
_COMPLETE = ("completed", "incomplete")


@dataclass(frozen=True, slots=True)
class UsageNames:
    """What one API calls the counts; the details are objects inside `usage`."""

    input: str
    output: str
    input_details: str
    output_details: str


_KNOWN_DETAILS = frozenset({"cached_tokens", "reasoning_tokens", "text_tokens", "image_tokens"})


class UsageReader:
    """Reads the `usage` of one API."""

    __slots__ = ("_cached_path", "_input_path", "_known", "_names", "_output_path", "_reasoning_path")

    def __init__(self, names: UsageNames) -> None:
        self._names = names
        self._known = frozenset({names.input, names.output, names.input_details, names.output_details, "total_tokens"})
        self._input_path = f"usage.{names.input}"
        self._output_path = f"usage.{names.output}"
        self._cached_path = f"usage.{names.input_details}.cached_tokens"
        self._reasoning_path = f"usage.{names.output_details}.reasoning_tokens"

    def read(self, usage: object, status: str) -> TokenUsage | None:
        """The counts; None where a request that didn't complete reports none. Null or absent details are 0."""
        if usage is None:
            self._refuse_without(status)
            return None
        if not isinstance(usage, dict):
            raise _no_object("usage", usage)
        if not usage.keys() <= self._known:
            refuse_unpriced(usage, "usage.", self._known)
        names = self._names
        input_tokens, output_tokens = usage.get(names.input), usage.get(names.output)
        if input_tokens is None or output_tokens is None:
            if not any(usage.values()):
                self._refuse_without(status)
                return None
            if status in _COMPLETE:
                raise self._missing(f"{self._input_path if input_tokens is None else self._output_path} is missing")
        tokens = TokenUsage(
            read_count(input_tokens, self._input_path),
            _detail(usage.get(names.input_details), "cached_tokens", self._cached_path),
            read_count(output_tokens, self._output_path),
            _detail(usage.get(names.output_details), "reasoning_tokens", self._reasoning_path),
        )
        total = usage.get("total_tokens")
        if total is not None:
            check_total(read_count(total, "usage.total_tokens"), tokens)
        return tokens

    def _refuse_without(self, status: str) -> None:
        if status in _COMPLETE:
            raise self._missing("usage is missing")

    def _missing(self, what: str) -> RecordError:
        message = f"{what}: a completed request reports {self._names.input} and {self._names.output}; add them"
        return RecordError("missing_usage", message)


def refuse_unpriced(counts: Mapping[str, Any], path: str, known: frozenset[str] = frozenset()) -> None:
    """Refuse audio and cache-write tokens above 0, whatever a gateway calls them.

    Seen: audio_tokens, input_audio_tokens, cache_creation_input_tokens, cache_write_tokens, cache_creation_tokens,
    cache_write_input_tokens, gen_ai.usage.cache_creation.input_tokens, cache_creation.ephemeral_5m_input_tokens.
    """
    waiting = [(key, key, value) for key, value in counts.items() if value and key not in known]
    while waiting:
        name, key, value = waiting.pop()
        if isinstance(value, dict):
            waiting += [(f"{name}.{inner}", inner, count) for inner, count in value.items() if count]
        elif "token" in key.lower() and (kind := _unpriced_kind(name.lower())):
            check_unpriced_tokens(**{kind: read_count(value, f"{path}{name}")})


def check_priced_tier(service_tier: str | None, usage: TokenUsage | None) -> None:
    """Refuse a service tier that no card prices; a request without usage has nothing to price."""
    if usage is not None:
        check_service_tier(service_tier)


def _unpriced_kind(name: str) -> str | None:
    if "audio" in name:
        return "audio_tokens"
    if "cache" in name and ("write" in name or "creat" in name):
        return "cache_write_tokens"
    return None


def _detail(details: object, name: str, path: str) -> int:
    if not details:
        return 0
    if not isinstance(details, dict):
        raise _no_object(path.removesuffix(f".{name}"), details)
    if not details.keys() <= _KNOWN_DETAILS:
        refuse_unpriced(details, path.removesuffix(name), _KNOWN_DETAILS)
    return read_count(details.get(name), path)


def _no_object(name: str, value: object) -> RecordError:
    return RecordError("invalid_usage", f"{name} {show(value)} is no object: it holds counts; correct the record")
