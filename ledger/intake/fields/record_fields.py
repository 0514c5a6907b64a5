"""The fields of a `records` line: read strictly, and written again."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, Final

from ledger.book.rows import OPTIONAL_COUNTS, Facts
from ledger.intake.fields.record import MAX_SOURCE, PENDING_STATUSES, JsonObject, Pending, RecordError, UsageRecord
from ledger.intake.fields.times import read_time, show_time
from ledger.intake.fields.values import (
    read_amount,
    read_count,
    read_figure,
    read_id,
    read_kind,
    read_status,
    read_tags,
    read_text,
    read_tier,
    read_usd_figure,
    show,
    usd_of,
)
from ledger.values.instants import iso_text
from pricing.errors import described
from pricing.money import format_nano
from pricing.usage import TokenUsage

COUNTS: Final = ("input_tokens", "cached_input_tokens", "output_tokens", "reasoning_tokens")
# Those that few requests have: absent is 0, and 0 isn't written.
FEW_HAVE: Final = Facts._fields[OPTIONAL_COUNTS]
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
# Read and written in the same words.
_PLAIN = ("provider", "source", "requested_model", "reported_model", "project", "tags")
# Counts and storage, of which a record has either, are written last.
_WRITTEN = sorted(FIELDS, key=lambda name: name in (*COUNTS, *STORAGE_FIELDS))


def to_fields(record: UsageRecord) -> dict[str, Any]:
    """Returns the record as such an object, which read again gives an equal record.

    What no field of the ledger holds is left out: metadata, the service name, the end of a response's cache storage.
    """
    amount_nano, end_us = record.provider_amount_nano, record.storage_end_us
    fields: dict[str, Any] = {name: getattr(record, name, None) for name in _WRITTEN}
    fields |= {
        "occurred_at": iso_text(record.occurred_at_us),
        "tags": dict(record.tags) or None,
        "provider_amount": None if amount_nano is None else format_nano(amount_nano),
        "tool_calls": record.other_calls or None,
    }
    if record.provider_amount_usd is not None:
        fields["provider_amount"] = f"{record.provider_amount_usd}usd"
    if record.kind == "cache_storage":
        fields |= {"tokens": record.storage_tokens, "start": fields["occurred_at"]}
        fields["end"] = None if end_us is None else iso_text(end_us)
    else:
        fields |= {name: getattr(record.usage, name, None) for name in COUNTS}
        fields |= {name: getattr(record.usage, name, None) or None for name in FEW_HAVE}
        fields["calls"] = record.priced_calls or None
    return {name: value for name, value in fields.items() if value is not None}


def read_fields(obj: JsonObject) -> UsageRecord | Pending:
    """The one record an object states, or a `RecordError` or `PricingError`."""
    if not obj.keys() <= READERS.keys():
        names = ", ".join([show(name) for name in obj if name not in READERS][:3])
        message = f"{names} isn't a field of a usage record: the fields are {', '.join(FIELDS)}"
        raise RecordError("unknown_field", message)
    kind = _read(obj, "kind")
    status = _read(obj, "status")
    if status in PENDING_STATUSES:
        return Pending(status)
    record = UsageRecord(_read(obj, "request_id"), 0, status=status)
    if kind == "cache_storage":
        _read_storage(obj, record)
    else:
        _read_request(obj, record)
    for name in _PLAIN:
        setattr(record, name, _read(obj, name))
    figure = obj.get("provider_amount")
    usd = usd_of(figure)
    if usd is None:
        record.provider_amount_nano, record.lost_amount = read_figure(figure, "provider_amount")
    else:
        record.provider_amount_usd, record.lost_amount = read_usd_figure(usd, "provider_amount")
    return record


def _read(obj: JsonObject, name: str) -> Any:  # noqa: ANN401 - of the field's own type
    return READERS[name](obj.get(name), name)


def _read_request(obj: JsonObject, record: UsageRecord) -> None:
    for name in STORAGE_FIELDS:
        if obj.get(name) is not None:
            message = f"{name} {described(obj[name])} belongs to kind cache_storage: leave it out, or give that kind"
            raise RecordError("unexpected_field", message)
    record.occurred_at_us = _read(obj, "occurred_at")
    record.usage = read_counts(obj, record.status)
    record.service_tier = _read(obj, "service_tier")
    record.tool_calls = _read(obj, "tool_calls")


def read_counts(obj: JsonObject, status: str) -> TokenUsage | None:
    """The counts; None where a request that didn't complete states none."""
    complete = status in ("completed", "incomplete")
    if not complete and all(obj.get(name) is None for name in (*COUNTS, *FEW_HAVE)):
        return None
    for name in ("input_tokens", "output_tokens"):
        if complete and obj.get(name) is None:
            raise RecordError("missing_usage", f"{name} is missing: a {status} request has it, be it 0; add it")
    return TokenUsage(**{name: _read(obj, name) for name in (*COUNTS, *FEW_HAVE)})


def _read_storage(obj: JsonObject, record: UsageRecord) -> None:
    for name in (*COUNTS, *FEW_HAVE, "tool_calls"):
        if _read(obj, name):
            message = f"{name} {described(obj[name])} belongs to kind request: cache storage has tokens; leave it out"
            raise RecordError("unexpected_field", message)
    if obj.get("tokens") is None:
        message = "tokens is missing: cache storage is priced by tokens, start and end; add it"
        raise RecordError("missing_usage", message)
    record.kind = "cache_storage"
    record.storage_tokens = _read(obj, "tokens")
    record.occurred_at_us = _read_start(obj)
    record.storage_end_us = _read(obj, "end")
    if record.storage_end_us <= record.occurred_at_us:
        times = f"end {show_time(obj['end'])} is not after start {show_time(obj['start'])}"
        message = f"{times}: storage is [start, end); correct it"
        raise RecordError("end_not_after_start", message)
    record.service_tier = _read(obj, "service_tier")


def _read_start(obj: JsonObject) -> int:
    start_us: int = _read(obj, "start")
    occurred_at = obj.get("occurred_at")
    if occurred_at is not None and _read(obj, "occurred_at") != start_us:
        message = (
            f"occurred_at {show_time(occurred_at)} is not start {show_time(obj['start'])}: "
            "cache storage occurs when it starts; leave occurred_at out"
        )
        raise RecordError("occurred_at_differs", message)
    return start_us
