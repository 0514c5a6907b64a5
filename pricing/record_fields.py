"""The fields of a usage record as a `records` line states them, read strictly, in the order of their refusals."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, Final

from pricing.errors import RecordError, described
from pricing.record_values import (
    MAX_SOURCE,
    PENDING_STATUSES,
    read_amount,
    read_count,
    read_id,
    read_kind,
    read_status,
    read_tags,
    read_text,
    read_tier,
    show,
)
from pricing.times import read_time, show_time
from pricing.usage import TokenUsage

COUNTS: Final = ("input_tokens", "cached_input_tokens", "output_tokens", "reasoning_tokens")
# Those that few requests have: absent is 0, and 0 isn't written.
FEW_HAVE: Final = ("cache_write_5m_tokens", "cache_write_1h_tokens", "calls")
STORAGE_FIELDS: Final = ("tokens", "start", "end")
# Each field with its reader, which takes the value and the field's name.
READERS: Final[dict[str, Callable[[Any, str], Any]]] = {
    "provider": read_text,
    "source": partial(read_text, limit=MAX_SOURCE),
    "kind": read_kind,
    "request_id": read_id,
    "occurred_at": read_time,
    "requested_model": read_text,
    "reported_model": read_text,
    "project": read_text,
    "status": read_status,
    "service_tier": read_tier,
    **dict.fromkeys(COUNTS, read_count),
    "tags": read_tags,
    "tokens": read_count,
    "start": read_time,
    "end": read_time,
    "provider_amount": read_amount,
    "tool_calls": read_count,
    **dict.fromkeys(FEW_HAVE, read_count),
}
FIELDS: Final = tuple(READERS)
# Read in the same words, after all else.
_PLAIN: Final = ("provider", "source", "requested_model", "reported_model", "project", "tags")
# A day short of year 10000, so that every zone can say which day it is.
MAX_OCCURRED_US: Final = 253_402_214_400_000_000


def read_record(obj: dict[str, Any]) -> dict[str, Any]:
    """Returns the one record an object states, by the names of intake's UsageRecord; its status alone while pending.

    RecordError or PricingError where it states none.
    """
    if not obj.keys() <= READERS.keys():
        names = ", ".join([show(name) for name in obj if name not in READERS][:3])
        message = f"{names} isn't a field of a usage record: the fields are {', '.join(FIELDS)}"
        raise RecordError("unknown_field", message)
    kind = _read(obj, "kind")
    facts = {"status": _read(obj, "status")}
    if facts["status"] in PENDING_STATUSES:
        return facts
    facts["request_id"] = _read(obj, "request_id")
    if kind == "cache_storage":
        _read_storage(obj, facts)
    else:
        _read_request(obj, facts)
    for name in _PLAIN:
        facts[name] = _read(obj, name)
    return facts


def check_stream(source: str, occurred_at_us: int) -> None:
    """Refuses a source that is too long to keep, such as a provider's name, and a day that not every zone can name."""
    if len(source) > MAX_SOURCE:
        message = f"source has {len(source)} characters, at most {MAX_SOURCE} are kept: give --source"
        raise RecordError("too_long", message)
    if occurred_at_us > MAX_OCCURRED_US:
        raise RecordError("time_out_of_range", "the time is after 9999-12-31T00:00:00Z: correct the record")


def _read(obj: dict[str, Any], name: str) -> Any:  # noqa: ANN401 - of the field's own type
    return READERS[name](obj.get(name), name)


def _read_request(obj: dict[str, Any], facts: dict[str, Any]) -> None:
    for name in STORAGE_FIELDS:
        if obj.get(name) is not None:
            message = f"{name} {described(obj[name])} belongs to kind cache_storage: leave it out, or give that kind"
            raise RecordError("unexpected_field", message)
    facts["occurred_at_us"] = _read(obj, "occurred_at")
    facts["usage"] = read_counts(obj, facts["status"])
    facts["service_tier"] = _read(obj, "service_tier")
    facts["tool_calls"] = _read(obj, "tool_calls")


def read_counts(obj: dict[str, Any], status: str) -> TokenUsage | None:
    """The counts; None where a request that didn't complete states none."""
    complete = status in ("completed", "incomplete")
    if not complete and all(obj.get(name) is None for name in (*COUNTS, *FEW_HAVE)):
        return None
    for name in ("input_tokens", "output_tokens"):
        if complete and obj.get(name) is None:
            raise RecordError("missing_usage", f"{name} is missing: a {status} request has it, be it 0; add it")
    return TokenUsage(**{name: _read(obj, name) for name in (*COUNTS, *FEW_HAVE)})


def _read_storage(obj: dict[str, Any], facts: dict[str, Any]) -> None:
    for name in (*COUNTS, *FEW_HAVE, "tool_calls"):
        if _read(obj, name):
            message = f"{name} {described(obj[name])} belongs to kind request: cache storage has tokens; leave it out"
            raise RecordError("unexpected_field", message)
    if obj.get("tokens") is None:
        message = "tokens is missing: cache storage is priced by tokens, start and end; add it"
        raise RecordError("missing_usage", message)
    facts["kind"] = "cache_storage"
    facts["storage_tokens"] = _read(obj, "tokens")
    facts["occurred_at_us"] = _read_start(obj)
    facts["storage_end_us"] = _read(obj, "end")
    if facts["storage_end_us"] <= facts["occurred_at_us"]:
        times = f"end {show_time(obj['end'])} is not after start {show_time(obj['start'])}"
        message = f"{times}: storage is [start, end); correct it"
        raise RecordError("end_not_after_start", message)
    facts["service_tier"] = _read(obj, "service_tier")


def _read_start(obj: dict[str, Any]) -> int:
    start_us: int = _read(obj, "start")
    occurred_at = obj.get("occurred_at")
    if occurred_at is not None and _read(obj, "occurred_at") != start_us:
        message = (
            f"occurred_at {show_time(occurred_at)} is not start {show_time(obj['start'])}: "
            "cache storage occurs when it starts; leave occurred_at out"
        )
        raise RecordError("occurred_at_differs", message)
    return start_us
