"""Ordinary Responses lines straight to columns, many times faster than the general way.

Only lines of which nothing is unusual go this way; every other one is left to the general reader, which accepts or
refuses it by name. A line that goes this way comes out with the facts that the general way gives it.
"""

from __future__ import annotations

import re
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Annotated, Any, Literal, NamedTuple

import msgspec
from msgspec import UNSET, Meta, Raw, Struct, UnsetType

from ledger.book.records import Label, Records, coded
from ledger.intake.containers.lines import LineChunk
from ledger.intake.fields.record import UsageRecord
from ledger.intake.fields.refusals import unless_refused
from ledger.intake.fields.strict_json import decode_object, has_same_keys
from ledger.intake.fields.values import read_metadata
from ledger.intake.labels import Resolver
from pricing.errors import RecordError
from pricing.record_fields import MAX_OCCURRED_US
from pricing.record_values import MAX_NAME, MAX_REQUEST_ID, check_text

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from pricing.money import Int64Array

Count = Annotated[int, Meta(ge=0, le=2**63 - 1)]
LAST_SECOND = MAX_OCCURRED_US // 1_000_000


class _InputDetails(Struct, forbid_unknown_fields=True, gc=False):
    cached_tokens: Count | UnsetType = UNSET


class _OutputDetails(Struct, forbid_unknown_fields=True, gc=False):
    reasoning_tokens: Count | UnsetType = UNSET


class _Usage(Struct, forbid_unknown_fields=True, gc=False):
    input_tokens: Count
    output_tokens: Count
    total_tokens: Annotated[int, Meta(ge=1, le=2**63 - 1)]
    input_tokens_details: _InputDetails
    output_tokens_details: _OutputDetails


class _Deciding(Struct, gc=False):
    id: Annotated[str, Meta(min_length=1, max_length=MAX_REQUEST_ID)]
    object: Literal["response"]
    created_at: Annotated[int, Meta(ge=1, le=LAST_SECOND)] | Annotated[float, Meta(ge=1, le=LAST_SECOND)]
    model: Annotated[str, Meta(min_length=1, max_length=MAX_NAME)]
    status: Literal["completed", "incomplete"]
    usage: _Usage
    service_tier: Literal["auto", "default"] | UnsetType | None = UNSET
    metadata: Raw | UnsetType = UNSET
    output: Raw | UnsetType = UNSET
    type: UnsetType | None = UNSET


# The other keys of a response, of OpenAI's API reference and Ark's: kept as the text they are, so that a line encoded
# again has the length that it had.
OTHER_KEYS = (
    "background", "billing", "caching", "completed_at", "conversation", "error", "expire_at", "incomplete_details",
    "instructions", "max_output_tokens", "max_tool_calls", "output_text", "parallel_tool_calls",
    "previous_response_id", "prompt", "prompt_cache_key", "prompt_cache_retention", "reasoning", "safety_identifier",
    "store", "temperature", "text", "thinking", "tool_choice", "tools", "top_logprobs", "top_p", "truncation", "user",
)  # fmt: skip
_Response: Any = msgspec.defstruct(
    "_Response",
    [(key, Raw | UnsetType, UNSET) for key in OTHER_KEYS],
    bases=(_Deciding,),
    forbid_unknown_fields=True,
    gc=False,
)

_decoder = msgspec.json.Decoder(_Response)
_encode_lines = msgspec.json.Encoder().encode_lines
# What is decoded of so much text stays in the processor's cache.
_PIECE_BYTES = 2**19
# Where an item of the output may be a call that is billed apart: its type ends so, except a function's; or is escaped.
_BILLED_CALL = re.compile(rb'(?<!"function)_call"|web_search"|web_fetch"|server_tool_use"|\\u00[4-7]')
_SIGNS_OF_CALLS = (b'_call"', b"web_", b"server_tool", b"\\u00")
# Four bytes of each sign, which are looked for in long texts first.
_FOUR_BYTES = [int.from_bytes(four, sys.byteorder) for four in (b'all"', b"web_", b"ver_", b"\\u00")]
_LONG_TEXT = 2**14
_MEMORY = 10_000
# What responses that are labelled alike have alike: model, metadata, service tier, status.
_Kind = tuple[str, bytes, str | None, str]
_NO_LABEL = Label("request", "", "", None, None, "", "", None)


def unknown_keys(lines: Iterable[bytes]) -> Counter[str]:
    """Counts the keys of responses that no ordinary one has: they send a line the general way."""
    found = filter(None, (unless_refused(decode_object, line) for line in lines if b'"response"' in line))
    responses = (obj for obj in found if obj.get("object") == "response")
    return Counter(key for obj in responses for key in obj.keys() - _Response.__struct_fields__)


class Ordinary(NamedTuple):
    """Records of ordinary lines with their numbers, and the other lines with theirs."""

    records: Records
    lines: list[int]
    others: list[tuple[int, bytes]]


class OrdinaryLines:
    """Reads chunks of lines for one run; remembers the labels of each metadata object."""

    def __init__(self, resolver: Resolver) -> None:
        self._resolver = resolver
        self._labels = lru_cache(_MEMORY)(self._resolve_labels)

    def read(self, chunk: LineChunk) -> Ordinary | None:
        """Reads lines; None if hardly one of the first is ordinary."""
        import numpy as np

        columns = _Columns()
        others: list[int] = []
        first = chunk.first_line
        for text in _pieces(chunk.text):
            ends = np.flatnonzero(np.frombuffer(text, np.uint8) == ord("\n"))
            numbers = range(first, first + len(ends) + (not text.endswith(b"\n")))
            responses = _decode(text, len(numbers)) if _has_objects_alone(text, ends[: len(numbers) - 1]) else None
            if responses is not None:
                columns.add(responses, numbers)
            else:
                alone = {number: _decode(chunk.lines[number - chunk.first_line], 1) for number in numbers}
                ordinary = {number: found[0] for number, found in alone.items() if found}
                if first == chunk.first_line and len(ordinary) * 10 < len(numbers):
                    return None
                columns.add(list(ordinary.values()), list(ordinary))
                others += [number for number in numbers if number not in ordinary]
            first = numbers.stop
        records, kept, odd = self._records(columns)
        others = sorted([*others, *odd]) if odd else others
        lines = ((number, chunk.lines[number - chunk.first_line]) for number in others)
        return Ordinary(records, kept, [(number, line) for number, line in lines if line])

    def _records(self, columns: _Columns) -> tuple[Records, list[int], list[int]]:
        """Returns records with their numbers, and the numbers of those that the general way must look at."""
        import numpy as np

        labelled = [self._labels(*kind) for kind in columns.kinds]
        labels, label = coded(found[0] if found else _NO_LABEL for found in labelled)
        tags, tag = coded(found[1] if found else "" for found in labelled)
        kind, at, whole, cached, output, reasoning, total = columns.numbers()
        refused = np.array([found is None for found in labelled], dtype=bool)
        odd = (
            refused[kind] | (cached > whole) | (reasoning > output) | (whole + output != total) | columns.odd_texts(at)
        )
        label_of, tag_of = np.array(label, dtype=np.int64), np.array(tag, dtype=np.int64)
        occurred_us = at.astype(np.int64, copy=False) * 1_000_000
        numbers = np.array([label_of[kind], tag_of[kind], occurred_us, whole, cached, output, reasoning])
        records = Records(labels, tags, columns.ids, numbers)
        lines = columns.lines
        if not odd.any():
            return records, lines, []
        kept, left = (np.flatnonzero(chosen).tolist() for chosen in (~odd, odd))
        return records.take(kept), [lines[place] for place in kept], [lines[place] for place in left]

    def _resolve_labels(self, model: str, metadata: bytes, tier: str | None, status: str) -> tuple[Label, str] | None:
        """Returns the label and the tags; None where the general way says what is wrong."""
        if model.isspace():
            return None
        provider, source = self._resolver.default_provider, self._resolver.default_source
        try:
            check_text(model, "model", MAX_NAME)
            values: Any = decode_object(metadata) if metadata not in (b"", b"null") else None
            record = UsageRecord("", 0, reported_model=model, response_metadata=read_metadata(values))
            project, tags = self._resolver.labels(record, source)
        except RecordError:
            return None
        served = tier or self._resolver.options.service_tier
        return Label("request", source, provider, None, model, project, status, served), tags


class _Columns:
    """Columns of the ordinary lines read so far."""

    def __init__(self) -> None:
        self.lines: list[int] = []
        self.ids: list[str] = []
        self.kinds: dict[_Kind, int] = {}
        """The place of each in order of first appearance."""
        self._kind: list[int] = []
        self._at: list[float] = []
        self._counts: list[list[int]] = [[] for _ in range(5)]

    def add(self, responses: Sequence[Any], lines: Sequence[int]) -> None:
        self.lines += lines
        self.ids += [each.id for each in responses]
        self._at += [each.created_at for each in responses]
        for each in responses:
            kind = (each.model, bytes(each.metadata or b""), each.service_tier or None, each.status)
            self._kind.append(self.kinds.setdefault(kind, len(self.kinds)))
        usages = [each.usage for each in responses]
        whole, cached, output, reasoning, total = self._counts
        whole += [usage.input_tokens for usage in usages]
        cached += [usage.input_tokens_details.cached_tokens or 0 for usage in usages]
        output += [usage.output_tokens for usage in usages]
        reasoning += [usage.output_tokens_details.reasoning_tokens or 0 for usage in usages]
        total += [usage.total_tokens for usage in usages]

    def numbers(self) -> Iterator[npt.NDArray[Any]]:
        """Yields places in `kinds`, seconds, input, cached, output, reasoning and total tokens."""
        import numpy as np

        yield np.array(self._kind, dtype=np.int64)
        yield np.array(self._at)
        for column in self._counts:
            yield np.array(column, dtype=np.int64)

    def odd_texts(self, at: npt.NDArray[Any]) -> npt.NDArray[np.bool_]:
        """Tells of each whether its id is blank or no text, or its time has parts of a second."""
        import numpy as np

        odd: npt.NDArray[np.bool_] = at % 1 != 0
        if "\0" in "".join(self.ids) or any(map(str.isspace, self.ids)):
            odd |= np.array(["\0" in one or one.isspace() for one in self.ids])
        return odd


def _pieces(text: bytes) -> Iterator[bytes]:
    """Yields text in pieces of whole lines."""
    start = 0
    while start < len(text):
        end = text.rfind(b"\n", start, start + _PIECE_BYTES) + 1 or text.find(b"\n", start) + 1 or len(text)
        yield text[start:end]
        start = end


def _has_objects_alone(text: bytes, ends: Int64Array) -> bool:
    """Tells whether the ends of all lines but the last stand between braces.

    What is decoded may go on over a line's end, and two objects may share a line. No object has a line's end between
    braces like these, so where all are such ones and there are as many objects as lines, each line has one.
    """
    import numpy as np

    data = np.frombuffer(text, np.uint8)
    before = ends - 1
    before -= data[before] == ord("\r")
    return bool((data[before] == ord("}")).all() and (data[ends + 1] == ord("{")).all())


def _decode(text: bytes, count: int) -> list[Any] | None:
    """Returns the responses of so many lines; None where one isn't ordinary, or may have a key twice."""
    try:
        if not text.isascii():
            text.decode()  # msgspec passes over text that it doesn't keep without looking at its encoding
        responses = _decoder.decode_lines(text)
        again = _encode_lines(responses)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None
    if len(responses) != count:
        return None
    # A key that came twice is dropped, which makes the text shorter; only a float's other spelling may make it longer.
    is_same = len(again) == len(text) + (not text.endswith(b"\n"))
    is_sure = is_same and not any(type(each.created_at) is float for each in responses)
    if not is_sure and not has_same_keys(text.replace(b"\n", b""), again):
        return None
    if _may_have_calls(text):
        outputs = (bytes(each.output) for each in responses if each.output is not UNSET)
        if any(map(_BILLED_CALL.search, outputs)):
            return None
    return responses


def _may_have_calls(text: bytes) -> bool:
    """Tells whether a sign of calls is in the text; four bytes are compared far faster than each sign is searched."""
    import numpy as np

    if len(text) > _LONG_TEXT:
        fours = [np.frombuffer(text, np.uint32, (len(text) - start) // 4, start) for start in range(4)]
        if not any((four == sign).any() for sign in _FOUR_BYTES for four in fours):
            return False
    return any(sign in text for sign in _SIGNS_OF_CALLS)
