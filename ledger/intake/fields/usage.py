"""A `usage` of either API or a span -> counts that hold together and can be priced."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from ledger.intake.fields.usage_names import COUNT_MEANINGS, Count, is_web_search, meaning_of
from ledger.intake.fields.values import is_nothing
from pricing.errors import RecordError, described, is_name, shown_word
from pricing.money import INT64_MAX
from pricing.record_values import read_count
from pricing.usage import TokenUsage, check_total, check_unpriced_tokens

# Statuses whose usage must be reported; the others are billed on what they report.
_COMPLETE = ("completed", "incomplete")
_DETAILS = re.compile(r"(?:input|prompt|output|completion)_tokens?_details")
_PER_TURN = "_per_turn"
_WHOLES = frozenset({"input", "output", "total", "cached", "reasoning"})


class Reported(NamedTuple):
    """A usage as read: `tokens`, None where it reports none, and facts beside.

    `tool_calls` are calls that are billed apart from tokens, `searches` those that are web searches; `cost` is the
    gateway's own price, as it is written.
    """

    tokens: TokenUsage | None
    service_tier: object = None
    tool_calls: int = 0
    searches: int = 0
    cost: object = None


class Stated(NamedTuple):
    """A count and the dotted name that it has."""

    path: str
    tokens: int


@dataclass(slots=True)
class _Found:
    """The names of one usage read so far; messages name them behind `prefix`."""

    prefix: str
    counts: dict[Count, Stated] = field(default_factory=dict)
    input_is_prompt: bool = False
    service_tiers: list[object] = field(default_factory=list)
    cost: object = None
    calls: dict[str, Counter[str]] = field(default_factory=dict)

    def add_count(self, meaning: Count, stated: Stated) -> None:
        """Adds one name of a count; RecordError where another says otherwise. 0 says nothing."""
        known = self.counts.get(meaning)
        if known is None or not known.tokens:
            self.counts[meaning] = stated
        elif stated.tokens not in (0, known.tokens):
            raise count_mismatch(f"{self.shown(known)} and {self.shown(stated)} are one count")

    def add_calls(self, path: str, value: object) -> None:
        """Adds calls of a tool, by the object that states them."""
        if type(value) is not int or value < 0:
            raise unknown_usage(shown_name(self.prefix, path), value)
        statement = path.partition(".")[0]
        of_tools = self.calls.setdefault(statement, Counter())
        of_tools["all"] += value
        of_tools["searches"] += value if is_web_search(path) else 0

    def count_calls(self) -> tuple[int, int]:
        """Sums the calls, and the web searches among them; `tool_usage_details` repeat those of `tool_usage`."""
        calls: dict[str, tuple[int, int]] = {}
        for statement, counts in self.calls.items():
            name = statement.removesuffix("_details")
            calls[name] = max((counts["all"], counts["searches"]), calls.get(name, (0, 0)))
        return sum(count for count, _searches in calls.values()), sum(searches for _count, searches in calls.values())

    def shown(self, stated: Stated) -> str:
        """A count for a message, such as `usage.cached_tokens 40`."""
        return f"{shown_name(self.prefix, stated.path)} {stated.tokens}"

    def count(self, meaning: Count) -> int:
        stated = self.counts.get(meaning)
        return stated.tokens if stated else 0


@dataclass(frozen=True, slots=True)
class UsageReader:
    """Reads the usage of one API; `input` and `output` are its names of the two counts."""

    input: str
    output: str
    prefix: str = "usage."

    def read(self, usage: object, status: str) -> Reported:
        """Reads a `usage` object; null and zero details say nothing, zeros alone are no usage."""
        if usage is not None and not isinstance(usage, dict):
            raise _no_object("usage", usage)
        return self.read_leaves(leaves(usage or {}), status)

    def read_leaves(self, named: Iterable[tuple[str, object]], status: str) -> Reported:
        """Reads dotted names and values; RecordError or PricingError names what has no price."""
        found = _Found(self.prefix)
        for path, value in named:
            if not is_nothing(value):
                _note(found, path, value)
        tokens = self._tokens(found, status)
        return Reported(tokens, one_tier(*found.service_tiers), *found.count_calls(), found.cost)

    def _tokens(self, found: _Found, status: str) -> TokenUsage | None:
        has_tokens = any(stated.tokens for stated in found.counts.values())
        if status in _COMPLETE:
            if not has_tokens:
                raise self._missing("usage is zeros alone" if found.counts else "usage is missing")
            for meaning, name in (("input", self.input), ("output", self.output)):
                if meaning not in found.counts:
                    raise self._missing(f"{self.prefix}{name} is missing")
        return _tokens(found) if has_tokens else None

    def _missing(self, what: str) -> RecordError:
        message = f"{what}: a completed request reports {self.input} and {self.output}; add them"
        return RecordError("missing_usage", message)


def leaves(usage: Mapping[str, Any]) -> Iterator[tuple[str, object]]:
    """The values of a usage by dotted name."""
    waiting: list[tuple[str, object]] = [(str(key), value) for key, value in reversed(list(usage.items()))]
    while waiting:
        path, value = waiting.pop()
        if type(value) is dict:
            waiting += [(f"{path}.{key}", inner) for key, inner in reversed(value.items())]
        elif path.endswith(_PER_TURN) and type(value) is list and all(type(count) is int for count in value):
            # vLLM tells the counts of each turn of a request beside those of all of it.
            yield path, sum(value)
        elif path.endswith("_details") and value and _DETAILS.fullmatch(path):
            raise _no_object(f"usage.{path}", value)
        else:
            yield path, value


def one_tier(*stated: object) -> object:
    """Returns the service tier that a vendor states, "auto" where it says no more; RecordError where it states two."""
    known = [tier for tier in stated if tier not in (None, "", False)]
    decided = [tier for tier in known if tier != "auto"] or known
    for other in decided[1:]:
        if other != decided[0]:
            raise count_mismatch(f"service_tier {shown_word(decided[0])} and {shown_word(other)} are of one request")
    return decided[0] if decided else None


def unknown_usage(name: str, value: object) -> RecordError:
    """The refusal of a name that may be priced for all that is known."""
    message = (
        f"{name} {described(value)} isn't a count that a card prices, nor known to cost nothing: "
        "usage is priced whole or not at all; book this request by hand as a `records` line"
    )
    return RecordError("unknown_usage", message)


def _note(found: _Found, path: str, value: object) -> None:
    meaning = meaning_of(path)
    if meaning in COUNT_MEANINGS:
        if type(value) is int and 0 <= value <= INT64_MAX:
            count = value
        else:
            count = read_count(value, shown_name(found.prefix, path))
        found.add_count(meaning, Stated(path, count))
        if meaning == "input" and count and "prompt" in path.lower():
            found.input_is_prompt = True
    elif not value:
        return
    elif meaning in ("audio_tokens", "cache_write_tokens") and type(value) is int:
        check_unpriced_tokens(**{meaning: read_count(value, shown_name(found.prefix, path))})
    elif meaning == "service_tier":
        found.service_tiers.append(value)
    elif meaning == "cost":
        found.cost = value
    elif meaning == "tool_calls":
        found.add_calls(path, value)
    elif meaning == "wording" and isinstance(value, str) and value != "anthropic":
        return  # in Anthropic's sense the input leaves cached tokens out
    elif meaning != "harmless" or isinstance(value, list):
        raise unknown_usage(shown_name(found.prefix, path), value)


def _tokens(found: _Found) -> TokenUsage:
    """Returns the four counts; RecordError where names contradict one another."""
    input_tokens, cached = _input_and_cached(found)
    output_tokens = found.count("output")
    tokens = TokenUsage(input_tokens, cached, output_tokens, found.count("reasoning"))
    uncached = found.count("uncached")
    if uncached and cached + uncached != input_tokens:
        missed = found.shown(found.counts["uncached"])
        raise count_mismatch(f"{missed} and {cached} cached tokens are not the {input_tokens} input tokens")
    if not found.counts.keys() <= _WHOLES:
        _check_parts(found, ("input_text", "input_image"), input_tokens)
        _check_parts(found, ("cached_text", "cached_image"), cached)
        _check_parts(found, ("output_text",), output_tokens)
        _check_parts(found, ("accepted_prediction", "rejected_prediction"), output_tokens)
    if "total" in found.counts:
        check_total(found.count("total"), tokens)
    return tokens


def _input_and_cached(found: _Found) -> tuple[int, int]:
    """All input and the cached part of it.

    `cache_read_input_tokens` is a part of the input where that is `prompt_tokens`, where the total is input + output,
    or where another name says the same: 10 in of which 4 cached, 2 out, total 12. With a total of 16 it comes beside
    the input, which is 14 then. Without either nobody can tell.
    """
    input_tokens, cached = found.count("input"), found.count("cached")
    stated = found.counts.get("cached_maybe_outside", Stated("", 0))
    if not stated.tokens:
        return input_tokens, cached
    if cached and cached != stated.tokens:
        raise count_mismatch(f"{found.shown(found.counts['cached'])} and {found.shown(stated)} are one count")
    output_tokens, total = found.count("output"), found.count("total")
    if cached or found.input_is_prompt or total == input_tokens + output_tokens:
        return input_tokens, stated.tokens
    if total == input_tokens + stated.tokens + output_tokens:
        return input_tokens + stated.tokens, stated.tokens
    message = (
        f"{found.shown(stated)} may be part of the {input_tokens} input tokens or come on top of them: "
        "a total_tokens, or the same count in input_tokens_details.cached_tokens, would tell; add one"
    )
    raise RecordError("ambiguous_cached_tokens", message)


def _check_parts(found: _Found, meanings: tuple[Count, ...], whole: int) -> None:
    parts = [found.counts[meaning] for meaning in meanings if meaning in found.counts]
    if sum(part.tokens for part in parts) > whole:
        named = " and ".join(map(found.shown, parts))
        raise count_mismatch(f"{named} exceed the {whole} tokens that they are part of")


def shown_name(prefix: str, path: str) -> str:
    """A dotted name for a message; one that isn't of plain words may be anything, and only its length is told."""
    return prefix + (path if is_name(path) else f"(a name of {len(path)} characters)")


def count_mismatch(what: str) -> RecordError:
    return RecordError("count_mismatch", f"{what}: which holds can't be known; correct the record")


def _no_object(name: str, value: object) -> RecordError:
    return RecordError(
        "invalid_usage", f"{name} {described(value)} isn't an object: it holds counts; correct the record"
    )
