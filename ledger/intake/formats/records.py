"""The ledger's own records: {"request_id": …, "occurred_at": …, "input_tokens": …, …}.

Keys are those of a usage record and no others; null is the same as absent. `kind` is `request` unless given; a
`cache_storage` record has `tokens`, `start` and `end` instead of counts and `occurred_at`.
"""

from __future__ import annotations

from functools import partial
from typing import Any

from ledger.intake.fields.record import JsonObject, Parsed
from ledger.intake.fields.record_fields import COUNTS, READERS, read_counts, read_fields
from ledger.intake.fields.refusals import guarded, salvaged, salvaged_counts
from ledger.intake.formats.format import Format
from ledger.values.instants import iso_text
from pricing.money import format_nano

_KEPT_APART = (*COUNTS, "tool_calls")
_WRITTEN_AS = {"occurred_at": iso_text, "start": iso_text, "end": iso_text, "provider_amount": format_nano}


def recognise(obj: JsonObject) -> bool:
    """Tells whether an object has the ledger's own id or time."""
    return "request_id" in obj or "occurred_at" in obj or obj.get("kind") == "cache_storage"


def parse(obj: JsonObject) -> Parsed:
    """The one record an object states; never raises."""
    return guarded(read_fields, obj, _salvage)


def _salvage(obj: JsonObject) -> dict[str, Any]:
    stated = {name: read for name, read in READERS.items() if name not in _KEPT_APART and obj.get(name) is not None}
    fields = salvaged({name: partial(read, obj[name], name) for name, read in stated.items()})
    fields |= {name: write(fields[name]) for name, write in _WRITTEN_AS.items() if name in fields}
    return fields | salvaged_counts(lambda: read_counts(obj, fields.get("status", "completed")))


FORMAT = Format("records", recognise, parse)
