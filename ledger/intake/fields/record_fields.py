"""A usage record's own fields: the object a `records` line is, read strictly and written again."""

from __future__ import annotations

from typing import Any, Final

from ledger.intake.fields.record import MAX_SOURCE, PENDING_STATUSES, JsonObject, Pending, RecordError, UsageRecord
from ledger.intake.fields.times import read_time
from ledger.intake.fields.usage import check_priced_tier
from ledger.intake.fields.values import read_count, read_figure, read_id, read_status, read_tags, read_text, show
from ledger.values.instants import iso_text
from pricing.money import format_nano
from pricing.usage import TokenUsage

COUNTS: Final = ("input_tokens", "cached_input_tokens", "output_tokens", "reasoning_tokens")
STORAGE_FIELDS: Final = ("tokens", "start", "end")
TEXT_FIELDS: Final = ("requested_model", "reported_model", "project")
FIELDS: Final = (
    "provider",
    "source",
    "kind",
    "request_id",
    "occurred_at",
    *TEXT_FIELDS,
    "status",
    "service_tier",
    *COUNTS,
    "tags",
    *STORAGE_FIELDS,
    "provider_amount",
    "tool_calls",
)
_FIELDS = frozenset(FIELDS)


def to_fields(record: UsageRecord) -> dict[str, Any]:
    """The record as an object of this format, which read again gives an equal record.

    What no field of the ledger holds is left out: metadata, the service name, the end of a response's cache storage.
    """
    storage = record.kind == "cache_storage"
    fields: dict[str, Any] = {
        "provider": record.provider,
        "source": record.source,
        "kind": record.kind,
        "request_id": record.request_id,
        "occurred_at": iso_text(record.occurred_at_us),
        "requested_model": record.requested_model,
        "reported_model": record.reported_model,
        "project": record.project,
        "status": record.status,
        "service_tier": record.service_tier,
        "tags": dict(record.tags) or None,
        "provider_amount": amount_text(record.provider_amount_nano),
        "tool_calls": record.tool_calls or None,
    }
    if storage:
        end_us = record.storage_end_us
        fields |= {
            "tokens": record.storage_tokens,
            "start": fields["occurred_at"],
            "end": None if end_us is None else iso_text(end_us),
        }
    elif record.has_usage:
        fields |= {name: getattr(record, name) for name in COUNTS}
    return {name: value for name, value in fields.items() if value is not None}


def amount_text(amount_nano: int | None) -> str | None:
    """The amount as a plain decimal; None where there is none."""
    return None if amount_nano is None else format_nano(amount_nano)


def read_fields(obj: JsonObject) -> UsageRecord | Pending:
    """The one record an object states, or a `RecordError` or `PricingError`."""
    if not obj.keys() <= _FIELDS:
        raise _unknown_field(obj)
    kind = read_kind(obj)
    status = read_status(obj.get("status"))
    if status in PENDING_STATUSES:
        return Pending(status)
    record = UsageRecord(read_id(obj.get("request_id"), "request_id"), 0, status=status)
    if kind == "cache_storage":
        _read_storage(obj, record)
    else:
        _read_request(obj, record)
    record.provider = read_text(obj.get("provider"), "provider")
    record.source = read_text(obj.get("source"), "source", MAX_SOURCE)
    for name in TEXT_FIELDS:
        setattr(record, name, read_text(obj.get(name), name))
    record.tags = read_tags(obj.get("tags"), "tags")
    record.provider_amount_nano, record.lost_amount = read_figure(obj.get("provider_amount"), "provider_amount")
    return record


def _read_request(obj: JsonObject, record: UsageRecord) -> None:
    for name in STORAGE_FIELDS:
        if obj.get(name) is not None:
            message = f"{name} {show(obj[name])} belongs to kind cache_storage: leave it out, or give that kind"
            raise RecordError("unexpected_field", message)
    record.occurred_at_us = read_time(obj.get("occurred_at"), "occurred_at")
    usage = read_counts(obj, record.status)
    service_tier = obj.get("service_tier")
    check_priced_tier(service_tier, usage)
    record.service_tier = read_text(service_tier, "service_tier")
    record.tool_calls = read_count(obj.get("tool_calls"), "tool_calls")
    record.count(usage)


def read_counts(obj: JsonObject, status: str) -> TokenUsage | None:
    """The four counts; None where a request that didn't complete states none."""
    counts = [obj.get(name) for name in COUNTS]
    complete = status in ("completed", "incomplete")
    if not complete and counts == [None] * 4:
        return None
    for name in ("input_tokens", "output_tokens"):
        if complete and obj.get(name) is None:
            raise RecordError("missing_usage", f"{name} is missing: a {status} request has it, be it 0; add it")
    return TokenUsage(*(read_count(count, name) for count, name in zip(counts, COUNTS, strict=True)))


def _read_storage(obj: JsonObject, record: UsageRecord) -> None:
    for name in (*COUNTS, "tool_calls"):
        if read_count(obj.get(name), name):
            message = f"{name} {show(obj[name])} belongs to kind request: cache storage has tokens; leave it out"
            raise RecordError("unexpected_field", message)
    if obj.get("tokens") is None:
        message = "tokens is missing: cache storage is priced by tokens, start and end; add it"
        raise RecordError("missing_usage", message)
    record.kind = "cache_storage"
    record.storage_tokens = read_count(obj["tokens"], "tokens")
    record.occurred_at_us = _read_start(obj)
    record.storage_end_us = read_time(obj.get("end"), "end")
    if record.storage_end_us <= record.occurred_at_us:
        message = f"end {show(obj['end'])} is not after start {show(obj['start'])}: storage is [start, end); correct it"
        raise RecordError("end_not_after_start", message)
    record.service_tier = read_text(obj.get("service_tier"), "service_tier")


def _read_start(obj: JsonObject) -> int:
    start_us = read_time(obj.get("start"), "start")
    occurred_at = obj.get("occurred_at")
    if occurred_at is not None and read_time(occurred_at, "occurred_at") != start_us:
        message = (
            f"occurred_at {show(occurred_at)} is not start {show(obj['start'])}: "
            "cache storage occurs when it starts; leave occurred_at out"
        )
        raise RecordError("occurred_at_differs", message)
    return start_us


def read_kind(obj: JsonObject) -> str:
    """`request` unless the object says otherwise."""
    kind = obj.get("kind")
    if kind is None:
        return "request"
    if kind not in ("request", "cache_storage"):
        raise RecordError("unknown_kind", f"kind {show(kind)} is unknown: it is request or cache_storage")
    return str(kind)


def _unknown_field(obj: JsonObject) -> RecordError:
    names = ", ".join([show(name) for name in obj if name not in _FIELDS][:3])
    return RecordError("unknown_field", f"{names} isn't a field of a usage record: the fields are {', '.join(FIELDS)}")
