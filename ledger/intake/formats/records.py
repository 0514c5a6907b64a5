"""The ledger's own fields, one record an object: {"request_id": ..., "occurred_at": ..., "input_tokens": ..., ...}.

Keys are those of a usage record and no others; null is the same as absent. `kind` is `request` unless given; a
`cache_storage` record has `tokens`, `start` and `end` instead of counts and `occurred_at`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ledger.intake.fields.record import MAX_SOURCE, JsonObject, Parsed
from ledger.intake.fields.record_fields import amount_text, read_counts, read_fields, read_kind
from ledger.intake.fields.refusals import guarded, salvaged, salvaged_counts
from ledger.intake.fields.times import read_time
from ledger.intake.fields.values import read_amount, read_count, read_id, read_status, read_tags, read_text
from ledger.intake.formats.format import Format
from ledger.values.instants import iso_text


def recognise(obj: JsonObject) -> bool:
    """Tells whether an object has the ledger's own id or time."""
    return "request_id" in obj or "occurred_at" in obj or obj.get("kind") == "cache_storage"


def parse(obj: JsonObject) -> Parsed:
    """The one record an object states; never raises."""
    return guarded(read_fields, obj, _salvage)


def _salvage(obj: JsonObject) -> dict[str, Any]:
    def time(name: str) -> Callable[[], object]:
        return lambda: iso_text(read_time(obj.get(name), name))

    def text(name: str) -> Callable[[], object]:
        return lambda: read_text(obj.get(name), name)

    readers: dict[str, Callable[[], object]] = {
        "provider": text("provider"),
        "source": lambda: read_text(obj.get("source"), "source", MAX_SOURCE),
        "kind": lambda: read_kind(obj) if obj.get("kind") is not None else None,
        "request_id": lambda: read_id(obj.get("request_id"), "request_id"),
        "occurred_at": time("occurred_at"),
        "requested_model": text("requested_model"),
        "reported_model": text("reported_model"),
        "project": text("project"),
        "status": lambda: read_status(obj["status"]) if obj.get("status") is not None else None,
        "service_tier": text("service_tier"),
        "tags": lambda: read_tags(obj.get("tags"), "tags"),
        "tokens": lambda: read_count(obj["tokens"], "tokens") if obj.get("tokens") is not None else None,
        "start": time("start"),
        "end": time("end"),
        "provider_amount": lambda: amount_text(read_amount(obj.get("provider_amount"), "provider_amount")),
    }
    fields = salvaged(readers)
    return fields | salvaged_counts(lambda: read_counts(obj, fields.get("status", "completed")))


FORMAT = Format("records", recognise, parse)
