"""Responses of Gemini's generateContent, whole or as the chunks of a stream, by REST or as the SDK dumps them.

Cached tokens are inside `promptTokenCount`; thinking is outside of `candidatesTokenCount`. What tools gave the model to
read (`toolUsePromptTokenCount`) is outside of the prompt: total_token_count "is the sum of prompt_token_count,
candidates_token_count, tool_use_prompt_token_count, and thoughts_token_count", and prompt_token_count "also includes
the number of tokens in the cached content" (Google Cloud, UsageMetadata). A chunk repeats the usage so far, so the last
one holds.
"""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from ledger.intake.fields.http_dates import from_http
from ledger.intake.fields.kinds import CACHE_HIT, Calls, holds_counts, objects_in
from ledger.intake.fields.record import Item, JsonObject
from ledger.intake.fields.usage import count_mismatch, leaves
from ledger.intake.fields.usage_names import is_usage_name
from ledger.intake.fields.vendor_usage import Counts, VendorUsage, tokens_of
from ledger.intake.formats import captures
from ledger.intake.formats.format import Format
from ledger.intake.formats.payloads import PayloadReader
from pricing.errors import RecordError
from pricing.usage import TokenUsage, check_total, check_unpriced_tokens

# Each whole with the list of its parts by what they are: of these only text is priced by a card's rates.
_DETAILS = {
    "promptTokenCount": "promptTokensDetails",
    "cachedContentTokenCount": "cacheTokensDetails",
    "candidatesTokenCount": "candidatesTokensDetails",
    "toolUsePromptTokenCount": "toolUsePromptTokensDetails",
}
_COUNTS = frozenset(
    {"thoughtsTokenCount", "totalTokenCount", *_DETAILS}
    | {f"{name}.{kind}" for name in _DETAILS.values() for kind in ("TEXT", "AUDIO")}
)
_USAGE, _GROUNDING = "usageMetadata", "groundingMetadata"
_WHOLE = "; a response is whole once each of its candidates has a finishReason"
_HUMP = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_LOW = re.compile(r"_([a-z])")


def _get(obj: JsonObject, name: str) -> Any:  # noqa: ANN401 - any JSON
    """Returns a value by REST's name, else by the one that the Python SDK dumps, such as `response_id`."""
    value = obj.get(name)
    return obj.get(_HUMP.sub("_", name).lower()) if value is None else value


def _rest_name(name: str) -> str:
    """Returns REST's name for one of the SDK's: `promptTokenCount` for `prompt_token_count`."""
    return _LOW.sub(lambda found: found[1].upper(), name)


def _together(counts: Counts) -> TokenUsage:
    check_unpriced_tokens(audio_tokens=sum(counts[f"{name}.AUDIO"] for name in _DETAILS.values()))
    for whole, parts in _DETAILS.items():
        text = counts[f"{parts}.TEXT"]
        if text > counts[whole]:
            raise count_mismatch(f"{text} tokens of text in {parts} exceed {whole} {counts[whole]}")
    prompt, cached, thoughts = (
        counts[name] for name in ("promptTokenCount", "cachedContentTokenCount", "thoughtsTokenCount")
    )
    if cached > prompt:
        raise count_mismatch(f"cachedContentTokenCount {cached} exceeds promptTokenCount {prompt}, which it is part of")
    if "totalTokenCount" not in counts and "candidatesTokenCount" not in counts:
        # A count of 0 is left out, which the total shows.
        raise RecordError("missing_usage", f"{_USAGE} has neither candidatesTokenCount nor totalTokenCount: add them")
    tokens = tokens_of(
        uncached=prompt - cached + counts["toolUsePromptTokenCount"],
        cached=cached,
        output=counts["candidatesTokenCount"] + thoughts,
        reasoning=thoughts,
    )
    if "totalTokenCount" in counts:
        check_total(counts["totalTokenCount"], tokens)
    return tokens


def _parts(usage: Mapping[str, Any]) -> Iterator[tuple[str, object]]:
    """Yields the counts, those of a list by what they count: `promptTokensDetails.TEXT`."""
    for name, value in usage.items():
        if isinstance(value, list) and _rest_name(name) in _DETAILS.values():
            for part in value:
                if isinstance(part, dict):
                    yield f"{name}.{part.get('modality')}", _get(part, "tokenCount")
                else:
                    yield name, part
        else:
            yield from leaves({name: value})


def _plain(obj: JsonObject) -> JsonObject:
    """Returns a response with its id, time, model and usage where other APIs have them."""
    used = _USAGE if obj.get(_USAGE) is not None else "usage_metadata"
    sent = _get(obj, "sdkHttpResponse")
    headers = sent.get("headers") if isinstance(sent, dict) else None
    sent_at = from_http(headers.get("date")) if isinstance(headers, dict) else None
    return {key: value for key, value in obj.items() if key != used} | {
        "id": _get(obj, "responseId"),
        "model": _get(obj, "modelVersion"),
        "usage": obj.get(used),
        "occurred_at": next(filter(None, (obj.get("occurred_at"), _get(obj, "createTime"), sent_at)), None),
    }


def _check(obj: JsonObject) -> None:
    """Refuses a chunk of a response whose other chunks didn't come."""
    if not all(_get(candidate, "finishReason") for candidate in objects_in(obj.get("candidates"))):
        raise captures.no_end(_WHOLE)


def _calls(obj: JsonObject) -> Calls:
    """Counts the searches that grounded an answer: its queries, or one where it states none."""
    queries: set[str] = set()
    grounded = 0
    for candidate in objects_in(obj.get("candidates")):
        grounding = _get(candidate, _GROUNDING)
        if isinstance(grounding, dict) and any(grounding.values()):
            grounded += 1
            asked = _get(grounding, "webSearchQueries")
            queries.update(query for query in asked or () if isinstance(query, str) and query)
    return Calls(len(queries) or grounded, 0)  # some models bill a request, others a query: no one price is for both


READER = PayloadReader(
    objects=(),
    time_key="occurred_at",
    usage=VendorUsage(
        "usageMetadata.",
        _COUNTS,
        needed=("promptTokenCount",),
        together=_together,
        words={"serviceTier": ("standard", "unspecified"), "trafficType": ("ON_DEMAND", "TRAFFIC_TYPE_UNSPECIFIED")},
        tier="serviceTier",
        name_of=_rest_name,
        parts=_parts,
    ),
    has_status=False,
    plain=_plain,
    check=_check,
    calls=_calls,
    id_name="responseId",
    undated="createTime is missing",
)


def recognise(obj: JsonObject) -> bool:
    """Tells whether an object is a response or a chunk of one."""
    if isinstance(_get(obj, _USAGE), dict):
        return True
    return isinstance(obj.get("candidates"), list) and any(_get(obj, name) for name in ("responseId", "modelVersion"))


# --- streams --------------------------------------------------------------------------------------------------------

_FACTS = frozenset(
    {
        "responseId",
        "modelVersion",
        "createTime",
        "sdkHttpResponse",
        "occurredAt",
        "object",
        "type",
        "serviceTier",
        "metadata",
    }
)
_HITS = (CACHE_HIT, "_hidden_params")


@dataclass(slots=True)
class _Stream:
    """A response whose other chunks may still come: its facts so far, and which of its candidates have ended."""

    line: int
    raw: bytes
    facts: JsonObject = field(default_factory=dict)
    ended: dict[str, bool] = field(default_factory=dict)
    total: int = 0

    @property
    def is_finished(self) -> bool:
        """Tells whether each candidate said why it ended."""
        return all(self.ended.values())

    def take(self, line: int, raw: bytes, chunk: JsonObject) -> None:
        """Takes a chunk. Its usage is of all chunks so far: the last that counts holds, unless text comes after it."""
        counts = holds_counts(_get(chunk, _USAGE))
        candidates = objects_in(chunk.get("candidates"))
        if counts:
            self.line, self.raw, self.total = line, raw, _total(chunk)
        if counts or any(candidate.get("content") for candidate in candidates):
            self.facts = {name: value for name, value in self.facts.items() if _rest_name(name) != _USAGE}
        for name, value in chunk.items():
            if value and (_rest_name(name) in _FACTS or is_usage_name(name) or name in _HITS):
                self.facts.setdefault(name, value)
        for candidate in candidates:
            place = str(candidate.get("index") or 0)
            self.ended[place] = bool(_get(candidate, "finishReason")) or self.ended.get(place, False)
            if _get(candidate, _GROUNDING):
                grounded = {_GROUNDING: _get(candidate, _GROUNDING), "finishReason": "STOP"}
                self.facts.setdefault("candidates", []).append(grounded)

    def item(self) -> Item:
        """Returns the request, or the refusal of one that didn't end."""
        if self.is_finished:
            return Item(self.line, self.raw, READER.parse(self.facts))
        return Item(self.line, self.raw, captures.endless(READER.salvage(self.facts), _WHOLE))


def _total(obj: JsonObject) -> int:
    usage = _get(obj, _USAGE)
    total = _get(usage, "totalTokenCount") if isinstance(usage, dict) else None
    return total if isinstance(total, int) else 0


class ChunkStreams:
    """Takes responses and chunks one by one and yields an item for each response that is whole.

    Every object has the form of a whole response, and in some streams each chunk says STOP. So one that has ended is
    kept until something else comes, in case it goes on; one that counts less is another response of that id.
    """

    def __init__(self) -> None:
        self._open: OrderedDict[str, _Stream] = OrderedDict()
        self._last = ""
        self.date: object = None
        """The time of the streams, where the capture has one."""

    @property
    def open_streams(self) -> int:
        """The number of streams that have begun and not ended."""
        return len(self._open)

    def feed(self, line: int, raw: bytes, chunk: JsonObject) -> Iterator[Item]:
        """Yields the items that are whole now: mostly the one before."""
        found = _get(chunk, "responseId")
        name = found if isinstance(found, str) else ""
        before = self._open.get(self._last)
        is_another = name != self._last or not name or (before is not None and _total(chunk) < before.total)
        if before is not None and before.is_finished and is_another:
            yield self._open.pop(self._last).item()
        self._last = name
        stream = self._open.get(name)
        if stream is None:
            stream = self._open[name] = _Stream(line, captures.mark(raw))
            if self.date is not None:
                stream.facts["occurred_at"] = self.date
        stream.take(line, raw, chunk)
        if len(self._open) > captures.MAX_OPEN:
            yield self._open.popitem(last=False)[1].item()

    def finish(self) -> Iterator[Item]:
        """Ends the capture; what didn't end is refused."""
        while self._open:
            yield self._open.popitem(last=False)[1].item()


def joined(chunks: Iterable[JsonObject]) -> JsonObject:
    """Returns the response that a stream's chunks make; RecordError where it has no end."""
    stream = _Stream(0, b"")
    for chunk in chunks:
        stream.take(0, b"", chunk)
    if not stream.is_finished:
        raise captures.no_end(_WHOLE)
    return stream.facts


FORMAT = Format("gemini", recognise, READER.parse, is_part=recognise, reader=READER)
