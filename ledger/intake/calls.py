"""Responses that an application hands over, read: to be booked at once, or as lines to ingest later."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec

from ledger.config import load_config
from ledger.errors import LedgerError
from ledger.intake.fields.kinds import carries_usage, named_kind
from ledger.intake.fields.record import IGNORED, Ignored, Item, Parsed, Rejected, UsageRecord
from ledger.intake.fields.records_line import to_fields
from ledger.intake.fields.refusals import sealed
from ledger.intake.formats.registry import FORMATS, recognise, unrecognised
from ledger.intake.labels import Resolver, RunOptions
from pricing.errors import RecordError
from pricing.record_values import read_tags, read_text


@dataclass(frozen=True, slots=True)
class Call:
    """The responses that an application gave in one call, as they were read, and the labels it gave them."""

    items: Sequence[Item]
    options: RunOptions


def read_call(
    responses: Sequence[object],
    *,
    provider: str | None,
    source: str | None,
    requested_model: object,
    project: object,
    tags: object,
    occurred_at: object = None,
) -> Call:
    """Reads responses; whatever can't be read is a `Rejected`. None raises an error."""
    options = RunOptions(provider, source)
    refusal: RecordError | None = None
    try:
        named = read_text(project, "project")
        options = RunOptions(provider, source, named, _texts(tags))
    except RecordError as error:
        refusal = error
    parsed = [_parse_any(response, requested_model, occurred_at) for response in responses]
    items = [Item(line, _digest(raw), _unless_refused(found, refusal)) for line, (found, raw) in enumerate(parsed)]
    return Call(items, options)


def _digest(raw: bytes) -> bytes:
    """Returns what is kept of a response's own bytes while it waits: they may be many."""
    return hashlib.sha256(raw).hexdigest().encode()


def _unless_refused(parsed: Parsed, refusal: RecordError | None) -> Parsed:
    """Returns what was parsed; a record whose project or tags are refused becomes a refusal."""
    if refusal is None or not isinstance(parsed, UsageRecord):
        return parsed
    return Rejected(refusal.reason, str(refusal), sealed(to_fields(parsed)))


def usage_record(
    response: object,
    *,
    requested_model: str | None = None,
    project: str | None = None,
    tags: Mapping[str, str] | None = None,
    occurred_at: datetime | str | None = None,
) -> dict[str, Any]:
    """Returns a `records` line of a response: its ids, times, names and counts alone.

    Of metadata, `project` and the keys of `keep_tags` (tollbook.toml in the working directory) go in, as when the
    response itself is ingested. Raises LedgerError where the response has no usage to record, naming what is missing.
    """
    parsed, _raw = _parse_any(response, requested_model, occurred_at)
    try:
        options = RunOptions(project=read_text(project, "project"), tags=_texts(tags))
    except RecordError as error:
        raise LedgerError(str(error)) from error
    if isinstance(parsed, Rejected):
        raise LedgerError(parsed.message)
    if isinstance(parsed, Ignored):
        raise LedgerError(f"the response was {IGNORED[parsed.reason]}: there is nothing to record")
    if not isinstance(parsed, UsageRecord):
        raise LedgerError("the response is not finished: record it once it is completed")
    resolver = Resolver(options, load_config(Path.cwd()))
    try:
        parsed.project, parsed.tags = resolver.stated_project(parsed), resolver.tags(parsed)
    except RecordError as error:
        raise LedgerError(str(error)) from error
    return dict(to_fields(parsed))


def _texts(tags: object) -> Mapping[str, str]:
    """Tags as texts, None left out; RecordError where they are none."""
    pairs = dict(tags) if isinstance(tags, Mapping) else tags
    if isinstance(pairs, dict) and not all(isinstance(key, str) for key in pairs):
        raise RecordError("invalid_tags", "a key of tags isn't text: tags are texts by key")
    return read_tags(pairs, "tags")


def _parse_any(response: object, requested_model: object, occurred_at: object = None) -> tuple[Parsed, bytes]:
    """Parses a response; whatever can't be read is a `Rejected`."""
    try:
        return _parse(response, requested_model, occurred_at)
    except RecordError as error:
        return Rejected(error.reason, str(error)), _bytes_of(response)
    except Exception as error:  # noqa: BLE001 - whatever a foreign object does, the application goes on
        message = f"a {type(response).__name__} can't be read ({type(error).__name__}): pass the SDK's response"
        return Rejected("unreadable", message), _bytes_of(response)


def _parse(response: object, requested_model: object, occurred_at: object = None) -> tuple[Parsed, bytes]:
    """Reads an SDK object or dict; returns the result, and bytes to know it by."""
    if isinstance(occurred_at, datetime):
        occurred_at = occurred_at.isoformat()
    payload = dict(response) if isinstance(response, Mapping) else _dump(response)
    name = recognise(payload)
    reader = None if name is None else FORMATS[name].reader
    if reader is not None:
        parsed = reader.parse(payload if occurred_at is None else payload | {reader.time_key: occurred_at})
    elif name is None and (named_kind(payload) is not None or carries_usage(payload)):
        error = unrecognised(payload)
        parsed = Rejected(error.reason, str(error))
    else:
        message = f"a {type(response).__name__} isn't a response of a known API: pass the SDK's response"
        raise RecordError("unrecognised_format", message)
    if isinstance(parsed, UsageRecord) and requested_model is not None:
        parsed.requested_model = read_text(requested_model, "requested_model")
    return parsed, _bytes_of(payload)


def _bytes_of(payload: object) -> bytes:
    try:
        return msgspec.json.encode(payload, order="sorted")
    except (TypeError, ValueError, OverflowError, RecursionError):
        pass
    try:
        # No JSON: an object of the SDK in a plain dict, half a surrogate pair. It only has to be the same each time.
        return repr(payload).encode(errors="surrogatepass")
    except Exception:  # noqa: BLE001 - too deep, or a foreign __repr__
        return type(payload).__name__.encode()


def _dump(response: object) -> dict[str, Any]:
    dump = getattr(response, "model_dump", None)
    if not callable(dump):
        message = f"a {type(response).__name__} is neither a mapping nor an SDK response with model_dump()"
        raise RecordError("unrecognised_format", message)
    payload = dump(mode="json")
    if not isinstance(payload, dict):
        raise RecordError("unrecognised_format", f"model_dump() of a {type(response).__name__} gave no mapping")
    return payload
