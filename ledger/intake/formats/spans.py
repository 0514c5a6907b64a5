"""The spans of an OTLP export, and which are requests; others with counts have a reason."""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ledger.intake.fields.kinds import CACHE_HIT, counts_tokens, is_true, objects_in
from ledger.intake.fields.record import JsonObject
from pricing.errors import RecordError, described, shown_word

OPERATIONS = frozenset({"chat", "text_completion", "generate_content"})
USAGE = "gen_ai.usage."
# Where instrumentations put counts of the same request beside those in gen_ai.usage, or more of its parts.
USAGE_TOO = ("ai.usage.", "llm.usage.", "llm.token_count.")
RESPONSE_ID = "gen_ai.response.id"

_OPERATION = "gen_ai.operation.name"
MAX_SPANS = 200_000
"""Spans of one source that are remembered, to know who is whose parent."""

# What instrumentations that name no operation call one in its place, and which of them is a request.
_OTHER_NAMES = {
    "llm.request.type": ("chat", "completion"),
    "openinference.span.kind": ("LLM",),
    "traceloop.span.kind": (),
}
_WHOLE_NUMBER = re.compile(r"-?[0-9]{1,40}")


@dataclass(frozen=True, slots=True)
class TraceSpan:
    """One span with its attributes and its resource's, by key."""

    resource: Mapping[str, Any]
    span: JsonObject
    attributes: Mapping[str, Any]

    @property
    def has_usage(self) -> bool:
        """Tells whether gen_ai.usage holds a count above 0."""
        return counts_tokens({key: value for key, value in self.attributes.items() if key.startswith(USAGE)})

    @property
    def is_cached_answer(self) -> bool:
        """Tells whether a proxy answered from its own cache, by a flag, not a count, of that name."""
        named = (value for key, value in self.attributes.items() if key.rpartition(".")[2] == CACHE_HIT)
        return any(is_true(value) for value in named if not isinstance(value, int) or isinstance(value, bool))

    @property
    def is_named_request(self) -> bool:
        """Tells whether the operation it names is a request."""
        operation = self.attributes.get(_OPERATION)
        return isinstance(operation, str) and operation in OPERATIONS

    @property
    def is_unnamed_request(self) -> bool:
        """Tells whether it names no operation and has counts and a response's id."""
        return not self.is_other_operation and self.has_usage and bool(self.attributes.get(RESPONSE_ID))

    @property
    def is_other_operation(self) -> bool:
        """Tells whether it names an operation that is no request."""
        if self.attributes.get(_OPERATION) not in (None, ""):
            return not self.is_named_request
        others = ((self.attributes.get(name), wanted) for name, wanted in _OTHER_NAMES.items())
        return any(isinstance(kind, str) and kind and kind not in wanted for kind, wanted in others)


class Spans:
    """The spans of one source, export after export: their parents, and which repeat one.

    Children end, and are mostly exported, before their parents; what came before is remembered, up to MAX_SPANS.
    """

    def __init__(self) -> None:
        self._parents: OrderedDict[str, str] = OrderedDict()
        self._above: OrderedDict[str, None] = OrderedDict()
        self._named: OrderedDict[str, None] = OrderedDict()
        self._unnamed: OrderedDict[str, None] = OrderedDict()
        self._named_ids: OrderedDict[str, None] = OrderedDict()

    def add(self, spans: Sequence[TraceSpan]) -> None:
        """Takes the spans of one export, before any of them is asked about."""
        for span in spans:
            own, parent = span.span.get("spanId"), span.span.get("parentSpanId")
            if isinstance(own, str) and isinstance(parent, str):
                self._parents[own] = parent
        for span in spans:
            if span.is_named_request or span.is_unnamed_request:
                self._above.update(dict.fromkeys(self._ancestors(span)))
            if span.is_named_request:
                self._named.update(_texts(span.span.get("spanId")))
                self._named_ids.update(_texts(span.attributes.get(RESPONSE_ID)))
        for known in (self._parents, self._above, self._named, self._unnamed, self._named_ids):
            while len(known) > MAX_SPANS:
                known.popitem(last=False)

    def why_ignored(self, span: TraceSpan) -> str | None:
        """Returns why a span isn't read: a slug, empty without counts; None for a request."""
        if span.is_cached_answer:
            return "cache_hit"
        if span.is_named_request:
            return None
        if span.is_unnamed_request:
            if self._is_repeated(span):
                return "repeated_span"
            self._unnamed.update(_texts(span.span.get("spanId")))
            return None
        if not counts_tokens(span.attributes):
            return ""
        if span.is_other_operation:
            return "other_operation"
        return "no_response_id" if span.has_usage else "other_attributes"

    def _is_repeated(self, span: TraceSpan) -> bool:
        """Tells whether a span below, a request above, or a named one of its id has its counts."""
        return (
            span.span.get("spanId") in self._above
            or span.attributes.get(RESPONSE_ID) in self._named_ids
            or any(above in self._named or above in self._unnamed for above in self._ancestors(span))
        )

    def _ancestors(self, span: TraceSpan) -> Iterator[str]:
        seen: set[str] = set()
        above = span.span.get("parentSpanId")
        while isinstance(above, str) and above and above not in seen:
            seen.add(above)
            yield above
            above = self._parents.get(above)


def _texts(value: object) -> dict[str, None]:
    return {value: None} if isinstance(value, str) and value else {}


def listed_objects(obj: Mapping[str, Any], *names: str) -> Iterator[JsonObject]:
    """Yields the objects of the lists of these names; RecordError where one is none."""
    for name in names:
        for found in list_in(obj, name):
            if not isinstance(found, dict):
                message = f"{name} holds {described(found)}: it is a list of objects; correct the export"
                raise RecordError("invalid_otel", message)
            yield found


def list_in(obj: Mapping[str, Any], name: str) -> list[Any]:
    """Returns the list of this name, empty where absent; RecordError where it is none."""
    found = obj.get(name)
    if found is None:
        return []
    if not isinstance(found, list):
        raise RecordError(
            "invalid_otel", f"{name} {described(found)} isn't a list: OTLP JSON has one; correct the export"
        )
    return found


def attributes_of(owner: Mapping[str, Any]) -> dict[str, Any]:
    """Returns attributes by key, integers, maps and lists as such; refuses one given twice."""
    attributes: dict[str, Any] = {}
    for entry in listed_objects(owner, "attributes"):
        key, value = entry.get("key"), entry.get("value")
        if not isinstance(key, str) or not isinstance(value, dict):
            continue
        plain = plain_value(value)
        if attributes.setdefault(key, plain) != plain:
            rule = "is given twice in one span: which value counts can't be known; keep one"
            raise RecordError("duplicate_key", f"the attribute {shown_word(key)} {rule}")
    return attributes


def plain_value(value: Mapping[str, Any]) -> object:
    """Returns an attribute's value as such; None where it has none."""
    for kind in ("stringValue", "boolValue", "doubleValue"):
        if kind in value:
            return None if isinstance(value[kind], dict | list) else value[kind]
    for kind in ("kvlistValue", "arrayValue"):
        if isinstance(value.get(kind), dict):
            return _plain_values(value[kind])
    return whole_number(value.get("intValue"))


def _plain_values(value: Mapping[str, Any]) -> object:
    values = objects_in(list_in(value, "values"))
    if any("key" in entry for entry in values):
        pairs = ((entry.get("key"), entry.get("value")) for entry in values)
        return {key: plain_value(held) for key, held in pairs if isinstance(key, str) and isinstance(held, dict)}
    return [plain_value(entry) for entry in values]


def whole_number(value: object) -> object:
    """Reads an integer: 64-bit ones are strings in OTLP JSON; else returns the value."""
    return int(value) if isinstance(value, str) and _WHOLE_NUMBER.fullmatch(value) else value
