"""Rows that are no usage record: found by columns, and told by the reader of one record."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pricing.arrow.columns import ALL_COUNTS, Usage, mask_of
from pricing.arrow.schema import tag_parts
from pricing.columns import LAST_US
from pricing.errors import PricingError, RecordError
from pricing.record_fields import MAX_OCCURRED_US, READERS, STORAGE_FIELDS, check_stream, read_record
from pricing.record_values import (
    MAX_REQUEST_ID,
    MAX_SOURCE,
    MAX_TAG_VALUE,
    MAX_TAGS,
    PENDING_STATUSES,
    check_tag,
    unique_pairs,
)
from pricing.times import read_time

if TYPE_CHECKING:
    from pricing.arrow.columns import Mask
    from pricing.money import Int64Array


# The characters that a text of nothing else is blank by.
_BLANKS = "".join(filter(str.isspace, map(chr, range(0x3001))))


def refusals(usage: Usage, provider: str) -> dict[int, PricingError | RecordError]:
    """Returns by row why it is no record; `provider` is that of rows that name none."""
    errors: dict[int, PricingError | RecordError] = {}
    rows = np.flatnonzero(suspects(usage, provider))
    taken = {name: plain_values(name, column.take(pa.array(rows))) for name, column in usage.arrow.items()}
    for place, row in enumerate(rows.tolist()):
        stated = {name: values[place] for name, values in taken.items() if values[place] is not None}
        try:
            record = read_record(stated | {"tags": unique_pairs(stated.get("tags", []))})
            if record["status"] not in PENDING_STATUSES:
                check_stream(record["source"] or record["provider"] or provider, record["occurred_at_us"])
        except (RecordError, PricingError) as error:
            errors[row] = error
    return errors


def suspects(usage: Usage, provider: str) -> Mask:
    """Returns the rows that may be refused; no others are."""
    found = _misnamed(usage, provider) | _misdated(usage) | _miscounted(usage)
    if "request_id" in usage.arrow:
        found |= _odd_ids(usage.arrow["request_id"])
    else:
        found[:] = True
    if "tags" in usage.arrow:
        found[_odd_tags(usage.arrow["tags"])] = True
    return found


def _misnamed(usage: Usage, provider: str) -> Mask:
    found = np.zeros(usage.length, bool)
    for texts in usage.labels.values():
        found |= texts.rows(texts.refused)
    # The provider's name is that of the source where none is given.
    names = usage.labels["provider"]
    return found | names.rows(np.array([len(name or provider) > MAX_SOURCE for name in names.values], bool))


def _misdated(usage: Usage) -> Mask:
    begins, end = usage.begins, usage.times["end"]
    found: Mask = (begins < 0) | (begins > MAX_OCCURRED_US)
    if usage.is_storage.any():
        found |= usage.is_storage & ((end <= begins) | (end > LAST_US))
        found |= usage.is_storage & ~usage.lacks("occurred_at") & (usage.times["occurred_at"] != begins)
    return found


def _miscounted(usage: Usage) -> Mask:
    """Returns rows with a part larger than its whole, a count below 0 or missing, or one of the other kind."""
    counts, is_storage = usage.counts, usage.is_storage
    rest = counts["input_tokens"]
    sign = counts["output_tokens"] - counts["reasoning_tokens"]
    for name in ("cached_input_tokens", "cache_write_5m_tokens", "cache_write_1h_tokens"):
        rest = rest - counts[name]
        sign |= rest  # each rest, as the last may have wrapped
    any_bit = np.zeros_like(rest)
    for name in ALL_COUNTS:
        any_bit |= counts[name]
    found: Mask = (sign | any_bit | counts["tokens"]) < 0
    complete = usage.labels["status"].among("completed", "incomplete") & ~is_storage
    for name in ("input_tokens", "output_tokens"):
        found |= complete & usage.lacks(name)
    for name in STORAGE_FIELDS:
        if name in usage.arrow:
            found |= ~is_storage & ~usage.lacks(name)
    if is_storage.any():
        found |= is_storage & ((any_bit != 0) | usage.lacks("tokens"))
    return found


def _odd_ids(ids: Any) -> Mask:  # noqa: ANN401 - pyarrow has no types
    """Returns ids that are missing, blank or too long, or hold a NUL."""
    odd = mask_of(pc.greater(pc.binary_length(ids), MAX_REQUEST_ID))
    # An id that begins with a visible ASCII character isn't blank.
    others = np.flatnonzero(mask_of(pc.less(ids, "!")) | mask_of(pc.greater_equal(ids, "\x7f")))
    rest = pc.utf8_ltrim(ids.take(pa.array(others)), characters=_BLANKS)
    odd[others[mask_of(pc.equal(rest, ""))]] = True
    if _holds_nul(ids):
        odd |= mask_of(pc.match_substring(ids, "\0"))
    return odd


def _odd_tags(tags: Any) -> Int64Array:  # noqa: ANN401 - pyarrow has no types
    """Returns rows with too many or too long tags, with a key that is refused or there twice, or with a NUL."""
    offsets, keys, values = tag_parts(tags)
    each = np.diff(offsets)
    row = np.repeat(np.arange(len(each)), each)
    keys = keys.dictionary_encode()
    code = keys.indices.to_numpy()
    refused = np.array([_is_refused(key) for key in keys.dictionary.to_pylist()], bool)
    odd = refused.take(code) | mask_of(pc.fill_null(pc.greater(pc.binary_length(values), MAX_TAG_VALUE), False))
    if _holds_nul(values):
        odd |= mask_of(pc.fill_null(pc.match_substring(values, "\0"), False))
    named = np.sort(row * max(len(refused), 1) + code)
    twice = named[1:][named[1:] == named[:-1]] // max(len(refused), 1)
    return np.concatenate([row[odd], twice, np.flatnonzero(each > MAX_TAGS)])


def _is_refused(key: str) -> bool:
    try:
        check_tag(key, "")
    except RecordError:
        return True
    return False


def _holds_nul(texts: Any) -> bool:  # noqa: ANN401 - pyarrow has no types
    """Tells whether a NUL is among all characters of these texts: to look at each text takes forty times as long."""
    _valid, ends, data = texts.buffers()
    offsets = np.frombuffer(ends, np.int64 if pa.types.is_large_string(texts.type) else np.int32)
    characters = np.frombuffer(data or b"", np.uint8)[offsets[texts.offset] : offsets[texts.offset + len(texts)]]
    return not characters.min(initial=1)


def plain_values(name: str, column: Any) -> list[Any]:  # noqa: ANN401 - pyarrow has no types
    """Returns a column's values as a `records` line states them, tags as pairs."""
    if READERS[name] is not read_time:
        values: list[Any] = column.to_pylist()
        return values
    per_second = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}[column.type.unit]
    return [None if ticks is None else _text_of(ticks, per_second) for ticks in column.view(pa.int64()).to_pylist()]


def _text_of(ticks: int, per_second: int) -> str:
    """Returns ISO text to the microsecond, also beyond the years that a datetime has."""
    seconds, rest = divmod(ticks, per_second)
    us = rest * 10**6 // per_second
    return f"{np.datetime64(seconds, 's')}{f'.{us:06}' if us else ''}Z"
