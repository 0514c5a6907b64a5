"""Parts that the responses of all APIs share: id, time, model, usage."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

from ledger.intake.fields.kinds import (
    Calls,
    check_other_usage,
    count_billed_calls,
    is_cached_answer,
    named_kind,
    stated_usage,
    unknown_object,
)
from ledger.intake.fields.record import Ignored, JsonObject, Parsed, Pending, UsageRecord
from ledger.intake.fields.refusals import guarded, salvaged, salvaged_counts
from ledger.intake.fields.usage import Reported, one_tier
from ledger.intake.fields.values import read_figure, read_metadata
from ledger.values.instants import iso_text
from pricing.errors import RecordError
from pricing.record_values import NO_TAGS, PENDING_STATUSES, read_id, read_status, read_text, read_tier
from pricing.times import read_time

_SAY_WHEN = (
    "give its time as occurred_at, such as 2026-02-19T07:37:54Z, beside it in an envelope (request, response, "
    "occurred_at), in it, or to record()"
)


class ReadsUsage(Protocol):
    """The usage of one API -> counts; RecordError or PricingError names what has no price."""

    def read(self, usage: object, status: str) -> Reported: ...


def _as_it_is(obj: JsonObject) -> JsonObject:
    return obj


def _passes(_obj: JsonObject) -> None:
    pass


def _calls_in_output(obj: JsonObject) -> Calls:
    return count_billed_calls(obj.get("output"))


def _calls_of(usage: Reported, shown: Calls) -> Calls:
    """Joins the calls that a usage states and those that an answer shows; which searches are billed the usage says."""
    searches = usage.searches if usage.tool_calls else shown.searches
    return Calls(searches + max(usage.tool_calls - usage.searches, shown.billed - shown.searches), searches)


@dataclass(frozen=True, slots=True)
class PayloadReader:
    """Reads the objects of one API, which call themselves one of `objects`.

    `has_status` is false where every object is a completed request. `plain` gives an object the keys that are read here
    (`id`, `model`, `usage` and so on), where its API has others, and `check` refuses one that isn't whole or isn't sold
    at the card's rates. `calls` counts calls of tools beside the usage. `model_key` is the model's in a request.
    `id_name` is what the API calls the id, and `undated` says of a response without a time why it has none.
    """

    objects: tuple[str, ...]
    time_key: str
    usage: ReadsUsage
    has_status: bool
    plain: Callable[[JsonObject], JsonObject] = _as_it_is
    check: Callable[[JsonObject], None] = _passes
    calls: Callable[[JsonObject], Calls] = _calls_in_output
    model_key: str = "model"
    id_name: str = "id"
    undated: str = ""

    def parse(self, obj: JsonObject) -> Parsed:
        """The one request an object states; never raises."""
        return guarded(self.read, obj, self.salvage)

    def read(self, obj: JsonObject) -> UsageRecord | Pending | Ignored:
        """The one request an object states, or a `RecordError` or `PricingError`."""
        obj = self.plain(obj)
        kind = named_kind(obj, self.objects)
        if kind is not None:
            raise unknown_object(kind)
        if is_cached_answer(obj):
            return Ignored("cache_hit")
        self.check(obj)
        status = self._status(obj)
        if status in PENDING_STATUSES:
            return Pending(status)
        request_id = read_id(obj.get("id"), self.id_name)
        occurred_at_us = self._time(obj)
        check_other_usage(obj)
        usage = self.usage.read(stated_usage(obj), status)
        service_tier = one_tier(obj.get("service_tier"), usage.service_tier)
        metadata, caching = obj.get("metadata"), obj.get("caching")
        cost_nano, lost = read_figure(usage.cost, "usage.cost")
        calls = _calls_of(usage, self.calls(obj))
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
            tool_calls=calls.billed,
            searches=calls.searches,
            caching_expires_at=obj.get("expire_at") if _is_enabled(caching) else None,
        )

    def salvage(self, obj: JsonObject) -> dict[str, Any]:
        """Returns the fields of a refused object that can be kept; counts only if all are right."""
        obj = self.plain(obj)
        fields = salvaged(
            {
                "request_id": lambda: read_id(obj.get("id"), self.id_name),
                "occurred_at": lambda: iso_text(self._time(obj)),
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

    def _time(self, obj: JsonObject) -> int:
        value = obj.get(self.time_key)
        if self.undated and value in (None, "", 0):
            raise RecordError("missing_time", f"{self.undated}: {_SAY_WHEN}")
        return read_time(value, self.time_key)

    def _status(self, obj: JsonObject) -> str:
        return read_status(obj.get("status"), "status") if self.has_status else "completed"


def _is_enabled(caching: object) -> bool:
    return isinstance(caching, dict) and caching.get("type") == "enabled"
