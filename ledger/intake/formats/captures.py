"""The parts that captured streams of all APIs share: the refusal of one without an end, and what one is known by."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

from ledger.intake.fields.record import Rejected
from ledger.intake.fields.refusals import sealed
from pricing.errors import RecordError

MAX_OPEN = 10_000
"""Streams that may be open at once; the oldest one beyond has no end."""


def no_end(advice: str = "") -> RecordError:
    """Returns the refusal of a stream without end."""
    message = "the stream has no terminal event, so its usage is unknown: capture it to its end, or book it from a log"
    return RecordError("no_terminal_event", message + advice)


def endless(fields: Mapping[str, Any], advice: str = "") -> Rejected:
    """Returns the refusal of a stream without end, with the fields that can be kept."""
    error = no_end(advice)
    return Rejected(error.reason, str(error), sealed({key: fields[key] for key in fields if key != "status"}))


def mark(raw: bytes) -> bytes:
    """Returns the digest of a stream's first event, which isn't kept: it may hold a prompt."""
    return b"sha256:" + hashlib.sha256(raw).hexdigest().encode()
