"""The ledger's own records: {"request_id": …, "occurred_at": …, "input_tokens": …, …}.

Keys are those of a usage record and no others; null is the same as absent. `kind` is `request` unless given; a
`cache_storage` record has `tokens`, `start` and `end` instead of counts and `occurred_at`. A line of a spool that has
`refused` is what an application couldn't read: held back for the reason given there.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from decimal import Decimal
from functools import partial
from typing import Any

from ledger.intake.fields.record import JsonObject, Parsed, Rejected
from ledger.intake.fields.records_line import read_fields
from ledger.intake.fields.refusals import guarded, salvaged, salvaged_counts
from ledger.intake.fields.strict_json import decode_object
from ledger.intake.formats.format import Format, Table
from ledger.values.instants import iso_text
from pricing.errors import RecordError, described
from pricing.money import format_nano
from pricing.record_fields import COUNTS, FEW_HAVE, FIELDS, READERS, read_counts
from pricing.record_values import read_count, show
from pricing.times import read_time

TAG_COLUMN = "tag."
REFUSED = "refused"

_NUMBERS, _TIMES = ({name for name, read in READERS.items() if read is wanted} for wanted in (read_count, read_time))
_SLUG = re.compile(r"[a-z_]{1,40}")
_WHOLE = re.compile(r"-?[0-9]{1,4000}")
_DECIMAL = re.compile(r"-?[0-9]{1,40}(?:\.[0-9]{1,40})?")
_KEPT_APART = (*COUNTS, *FEW_HAVE, "tool_calls")
_WRITTEN_AS = {"occurred_at": iso_text, "start": iso_text, "end": iso_text, "provider_amount": format_nano}


def recognise(obj: JsonObject) -> bool:
    """Tells whether an object has the ledger's own id or time."""
    named = "request_id" in obj or "occurred_at" in obj or obj.get("kind") == "cache_storage"
    return named or _refusal(obj) is not None


def parse(obj: JsonObject) -> Parsed:
    """The one record an object states; never raises."""
    refusal = _refusal(obj)
    if refusal is not None:
        fields = {name: value for name, value in obj.items() if name != REFUSED}
        return Rejected(*refusal, _salvage(fields))
    return guarded(read_fields, obj, _salvage)


def _refusal(obj: JsonObject) -> tuple[str, str] | None:
    """Returns reason and message of what an application refused; None for everything else."""
    match obj.get(REFUSED):
        case {"reason": str(reason), "message": str(message), "digest": str()} if _SLUG.fullmatch(reason):
            return reason, message
    return None


def _salvage(obj: JsonObject) -> dict[str, Any]:
    stated = {name: read for name, read in READERS.items() if name not in _KEPT_APART and obj.get(name) is not None}
    fields = salvaged({name: partial(read, obj[name], name) for name, read in stated.items()})
    fields |= {name: write(fields[name]) for name, write in _WRITTEN_AS.items() if name in fields}
    return fields | salvaged_counts(lambda: read_counts(obj, fields.get("status", "completed")))


# --- as CSV: columns are the fields and tag.KEY ---------------------------------------------------------------------


def _is_header(names: Collection[str]) -> bool:
    """Tells whether columns are the ledger's fields: its id, or two others."""
    return "request_id" in names or len(set(names) & set(FIELDS)) >= 2


def _check_header(names: Sequence[str]) -> None:
    unknown = [name for name in names if name not in FIELDS and not (name.startswith(TAG_COLUMN) and name[4:])]
    if unknown:
        listed = ", ".join(show(name) for name in unknown[:3])
        raise RecordError("unknown_field", f"the header names {listed}: columns are {', '.join(FIELDS)} and tag.KEY")
    if "tokens" not in names:
        needed = ["request_id", "occurred_at", "input_tokens", "output_tokens"]
    else:
        needed = ["request_id"] if "input_tokens" in names else ["request_id", "start", "end"]
    missing = [name for name in needed if name not in names]
    if missing:
        raise RecordError("missing_column", f"the header lacks {', '.join(missing)}: add the columns")


def _read_row(cells: Mapping[str, str]) -> JsonObject:
    tags = {name.removeprefix(TAG_COLUMN): cell for name, cell in cells.items() if name.startswith(TAG_COLUMN)}
    record = {name: _value(name, cell) for name, cell in cells.items() if not name.startswith(TAG_COLUMN)}
    twice = record.get("tags", {}).keys() & tags.keys()
    if twice:
        raise RecordError("duplicate_key", f"the tag {show(min(twice))} is in tags and in its own column: keep one")
    if tags:
        record["tags"] = record.get("tags", {}) | tags
    return record


def _value(name: str, cell: str) -> Any:  # noqa: ANN401 - what JSON would hold
    """Returns plain digits as numbers; other text stays text, for the field's own rule."""
    text = cell.strip()
    if name in _NUMBERS:
        return int(text) if _WHOLE.fullmatch(text) else text
    if name in _TIMES:
        return Decimal(text) if _DECIMAL.fullmatch(text) else text
    if name == "tags":
        return decode_object(text.encode())
    if name == "provider_amount" and "," in text:
        message = (
            f"provider_amount {described(text)} has a comma: it may part thousands or decimals; write it like 1234.5"
        )
        raise RecordError("invalid_amount", message)
    return text if name in ("kind", "status", "service_tier", "provider_amount") else cell


TABLE = Table(_is_header, _check_header, _read_row, parse)
FORMAT = Format("records", recognise, parse, table=TABLE)
