"""The fields of a `records` line: a usage record as read of them, and written as them again."""

from __future__ import annotations

from typing import Any

from ledger.intake.fields.record import JsonObject, Pending, UsageRecord
from ledger.intake.fields.values import read_figure, read_usd_figure, usd_of
from ledger.values.instants import iso_text
from pricing.money import format_nano
from pricing.record_fields import COUNTS, FEW_HAVE, FIELDS, STORAGE_FIELDS, read_record
from pricing.record_values import PENDING_STATUSES

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
    facts = read_record(obj)
    if facts["status"] in PENDING_STATUSES:
        return Pending(facts["status"])
    record = UsageRecord(**facts)
    figure = obj.get("provider_amount")
    usd = usd_of(figure)
    if usd is None:
        record.provider_amount_nano, record.lost_amount = read_figure(figure, "provider_amount")
    else:
        record.provider_amount_usd, record.lost_amount = read_usd_figure(usd, "provider_amount")
    return record
