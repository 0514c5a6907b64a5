"""Refusals of objects: a `Rejected` with the fields that may be kept of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any, TypeVar

from ledger.intake.fields.record import JsonObject, Parsed, Rejected
from ledger.intake.fields.records_line import read_fields
from pricing.errors import PricingError, RecordError
from pricing.record_fields import COUNTS, FEW_HAVE
from pricing.usage import TokenUsage

T = TypeVar("T")


def guarded(
    read: Callable[[JsonObject], Parsed], obj: JsonObject, salvage: Callable[[JsonObject], Mapping[str, Any]]
) -> Parsed:
    """Reads the object; a refusal becomes a `Rejected` with what `salvage` finds."""
    try:
        return read(obj)
    except (RecordError, PricingError) as error:
        return Rejected(error.reason, str(error), sealed(salvage(obj)))


def unless_refused(read: Callable[[bytes], T], raw: bytes) -> T | None:
    """Reads the bytes; None where they are refused."""
    try:
        return read(raw)
    except RecordError:
        return None


def sealed(fields: Mapping[str, Any]) -> Mapping[str, Any]:
    """Returns a refused object's fields such that, read as a record, they are refused again.

    What was refused may lie outside of these fields (audio tokens, a wrong total), or in one that could not be kept (an
    unknown status). Without status and counts nothing can be booked of the rest.
    """
    try:
        read_fields(dict(fields))
    except (RecordError, PricingError):
        return fields
    return {name: value for name, value in fields.items() if name not in _DECIDING}


def salvaged(readers: Mapping[str, Callable[[], object]]) -> dict[str, Any]:
    """The fields whose reader neither refuses nor yields nothing."""
    fields: dict[str, Any] = {}
    for name, read in readers.items():
        with suppress(RecordError, PricingError):
            value = read()
            if value is not None and value != {}:
                fields[name] = value
    return fields


def salvaged_counts(read: Callable[[], TokenUsage | None]) -> dict[str, Any]:
    """The four counts of a usage that holds together, else nothing."""
    usage = salvaged({"usage": read}).get("usage")
    if usage is None:
        return {}
    few = {name: count for name in FEW_HAVE if (count := getattr(usage, name))}
    return {name: getattr(usage, name) for name in COUNTS} | few


_DECIDING = frozenset({"status", "tokens", *COUNTS, *FEW_HAVE})
