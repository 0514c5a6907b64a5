"""Parts that Responses and Chat Completions objects share: id, time, model, usage."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ledger.intake.fields.kinds import (
    check_other_usage,
    count_billed_calls,
    is_cached_answer,
    named_kind,
    stated_usage,
    unknown_object,
)
from ledger.intake.fields.record import PENDING_STATUSES, Ignored, JsonObject, Parsed, Pending, UsageRecord
from ledger.intake.fields.refusals import guarded, salvaged, salvaged_counts
from ledger.intake.fields.times import read_time
from ledger.intake.fields.usage import UsageReader, one_tier
from ledger.intake.fields.values import NO_TAGS, read_figure, read_id, read_metadata, read_status, read_text, read_tier
from ledger.values.instants import iso_text


@dataclass(frozen=True, slots=True)
class PayloadReader:
    """Reads the objects of one API, which call themselves one of `objects`.

    `has_status` is false where every object is a completed request.
    """

    objects: tuple[str, ...]
    time_key: str
    usage: UsageReader
    has_status: bool

    def parse(self, obj: JsonObject) -> Parsed:
        """The one request an object states; never raises."""
        return guarded(self.read, obj, self.salvage)

    def read(self, obj: JsonObject) -> UsageRecord | Pending | Ignored:
        """The one request an object states, or a `RecordError` or `PricingError`."""
        kind = named_kind(obj, self.objects)
        if kind is not None:
            raise unknown_object(kind)
        if is_cached_answer(obj):
            return Ignored("cache_hit")
        status = self._status(obj)
        if status in PENDING_STATUSES:
            return Pending(status)
        request_id = read_id(obj.get("id"), "id")
        occurred_at_us = read_time(obj.get(self.time_key), self.time_key)
        check_other_usage(obj)
        usage = self.usage.read(stated_usage(obj), status)
        service_tier = one_tier(obj.get("service_tier"), usage.service_tier)
        metadata, caching, output = obj.get("metadata"), obj.get("caching"), obj.get("output")
        cost_nano, lost = read_figure(usage.cost, "usage.cost")
        return UsageRecord(
            request_id,
            occurred_at_us,
            reported_model=read_text(obj.get("model"), "model"),
            status=status,
            service_tier=read_tier(service_tier, "service_tier"),
            usage=usage.tokens,
            response_metadata=read_metadata(metadata) if metadata else NO_TAGS,
            provider_amount_nano=cost_nano,
            lost_amount=lost,
            tool_calls=max(usage.tool_calls, count_billed_calls(output)) if output else usage.tool_calls,
            caching_expires_at=obj.get("expire_at") if _is_enabled(caching) else None,
        )

    def salvage(self, obj: JsonObject) -> dict[str, Any]:
        """Returns the fields of a refused object that can be kept; counts only if all are right."""
        fields = salvaged(
            {
                "request_id": lambda: read_id(obj.get("id"), "id"),
                "occurred_at": lambda: iso_text(read_time(obj.get(self.time_key), self.time_key)),
                "reported_model": lambda: read_text(obj.get("model"), "model"),
                "project": lambda: read_text(read_metadata(obj.get("metadata")).get("project"), "project"),
                "status": lambda: self._status(obj),
                "service_tier": lambda: read_tier(obj.get("service_tier"), "service_tier"),
            }
        )
        if fields.get("status") in PENDING_STATUSES:
            del fields["status"]
        status = fields.get("status", "completed")
        return fields | salvaged_counts(lambda: self.usage.read(stated_usage(obj), status).tokens)

    def _status(self, obj: JsonObject) -> str:
        return read_status(obj.get("status"), "status") if self.has_status else "completed"


def _is_enabled(caching: object) -> bool:
    return isinstance(caching, dict) and caching.get("type") == "enabled"
