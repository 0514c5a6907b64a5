"""Single values of a usage record: counts, texts, tags, amounts, each refused by name."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from pricing.errors import RecordError, described, is_name, shown_word
from pricing.money import INT64_MAX, NANO, round_units

STATUSES = ("completed", "incomplete", "failed", "cancelled")
PENDING_STATUSES = ("in_progress", "queued")

# Lengths in characters, refused beyond: the ids are in a PostgreSQL index row of at most 2,704 bytes.
MAX_REQUEST_ID = 512
MAX_NAME = 200
MAX_SOURCE = 64
MAX_TAGS = 64
MAX_TAG_KEY = 64
MAX_TAG_VALUE = 512

_SHOWN = 40
NO_TAGS: Mapping[str, str] = {}
_KNOWN_STATUSES = STATUSES + PENDING_STATUSES


def show(label: object) -> str:
    """Returns a label for a message: at most 40 characters, escaped; what is no text is described."""
    if not isinstance(label, str):
        return described(label)
    text = repr(label[: _SHOWN + 1])
    return text if len(text) <= _SHOWN + 2 else f"{text[:_SHOWN]}…"


def read_count(value: object, name: str) -> int:
    """Returns a count from 0 to 2**63 - 1; null is 0; all but a JSON integer is refused."""
    if type(value) is int and 0 <= value <= INT64_MAX:
        return value
    if value is None:
        return 0
    if type(value) is not int:
        message = (
            f"{name} {described(value)} isn't a JSON integer: counts are whole numbers such as 88; correct the record"
        )
        raise RecordError("not_an_integer", message)
    if value < 0:
        message = f"{name} {described(value)} is negative: counts are 0 or more; correct the record"
        raise RecordError("negative_count", message)
    message = f"{name} {described(value)} is past 2**63 - 1, the largest count; correct the record"
    raise RecordError("count_out_of_range", message)


def read_text(value: object, name: str, limit: int = MAX_NAME) -> str | None:
    """Returns a text of at most `limit` characters; None where it is blank."""
    if not value:
        if value is None or value == "":
            return None
    elif isinstance(value, str):
        if value.isspace():
            return None
        if len(value) > limit or not value.isascii() or "\0" in value:
            check_text(value, name, limit)
        return value
    raise RecordError("not_text", f"{name} {described(value)} isn't text: give it as a JSON string")


def check_text(value: str, name: str, limit: int) -> None:
    """Refuses a text that is too long to keep, or that a database can't hold."""
    if len(value) > limit:
        message = f"{name} has {len(value)} characters: at most {limit} are kept; shorten it"
        raise RecordError("too_long", message)
    if "\0" in value:
        raise RecordError("nul_byte", f"{name} holds a NUL character: no database keeps it; remove it")
    if not value.isascii():
        try:
            value.encode()
        except UnicodeEncodeError:
            message = f"{name} holds half a surrogate pair: that is no character; correct the text"
            raise RecordError("lone_surrogate", message) from None


def read_id(value: object, name: str) -> str:
    """The id that a request is known by: at most 512 characters, never empty."""
    found = read_text(value, name, MAX_REQUEST_ID)
    if not found:
        message = f"{name} is missing: a request without an id can't be booked exactly once; add it"
        raise RecordError("missing_id", message)
    return found


def read_kind(kind: object, name: str) -> str:
    """The kind of a record: `request` unless it says otherwise."""
    if kind is None:
        return "request"
    if kind not in ("request", "cache_storage"):
        raise RecordError("unknown_kind", f"{name} {shown_word(kind)} is unknown: it is request or cache_storage")
    return str(kind)


def read_status(status: object, name: str) -> str:
    """Returns a status; an absent one is completed, which then needs usage."""
    if status is None:
        return "completed"
    if not isinstance(status, str) or status not in _KNOWN_STATUSES:
        message = f"{name} {shown_word(status)} is unknown: it is one of {', '.join(_KNOWN_STATUSES)}"
        raise RecordError("unknown_status", message)
    return status


def read_tier(value: object, name: str) -> str | None:
    """Returns a service tier, also one without a price; refuses what is no word, which may be anything."""
    tier = read_text(value, name)
    if tier is not None and not is_name(tier):
        message = f"{name} {described(tier)} isn't a word such as 'default' or 'flex': correct it, or leave it out"
        raise RecordError("unknown_service_tier", message)
    return tier


def unique_pairs(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Returns an object of its keys and values; refuses a key that is there twice."""
    unique = dict(pairs)
    if len(unique) < len(pairs):
        (key, _), *_ = Counter(key for key, _ in pairs).most_common(1)
        message = f"the key {shown_word(key)} is given twice in one object: which value counts can't be known; keep one"
        raise RecordError("duplicate_key", message)
    return unique


def read_tags(value: object, name: str) -> Mapping[str, str]:
    """Returns at most 64 tags; numbers and booleans become JSON text, null is dropped."""
    if value is None:
        return NO_TAGS
    if not isinstance(value, dict):
        raise _not_flat(name, value)
    tags = {}
    for key, tag in value.items():
        text = scalar_text(tag)
        if text is not None:
            check_tag(key, text, name)
            tags[key] = text
        elif tag is not None:
            raise _not_flat(f"{name}.{show(key)}", tag)
    if len(tags) > MAX_TAGS:
        raise RecordError("invalid_tags", f"{name} has {len(tags)} keys: at most {MAX_TAGS} are kept; leave some out")
    return tags


def check_tag(key: str, value: str, name: str = "tags") -> None:
    """Refuses an empty key, one beyond 64 and a value beyond 512 characters, NUL, half pairs."""
    if not key:
        raise RecordError("invalid_tags", f"{name} has an empty key: a tag needs a name")
    check_text(key, f"the key of {name}", MAX_TAG_KEY)
    check_text(value, f"{name}.{show(key)}", MAX_TAG_VALUE)


def read_amount(value: object, name: str) -> int | None:
    """Returns nano of a finite decimal: text, or a number's shortest form; rounded once."""
    if value is None or value == "":
        return None
    is_number = isinstance(value, str | int | float | Decimal) and not isinstance(value, bool)
    if not is_number or (isinstance(value, int) and value.bit_length() > 128):
        raise _no_amount(value, name)
    try:
        nano = round_units(shortest(value), NANO)
    except ValueError:
        raise _no_amount(value, name) from None
    if abs(nano) > INT64_MAX:
        raise _no_amount(value, name)
    return nano


def shortest(value: object) -> str:
    """Returns a number's shortest decimal text."""
    return repr(value) if isinstance(value, float) else str(value)


def scalar_text(value: object) -> str | None:
    """Returns a text, number or boolean as the text of a tag; None for all else."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool | float) or (isinstance(value, int) and value.bit_length() <= 2_048):
        return json.dumps(value)
    return None


def _not_flat(name: str, value: object) -> RecordError:
    message = f"{name} {described(value)} isn't a flat object: tags are texts by key, such as {{'team': 'search'}}"
    return RecordError("invalid_tags", message)


def _no_amount(value: object, name: str) -> RecordError:
    message = f"{name} {described(value)} isn't an amount: give a finite decimal below 9.2e9, such as '0.0024'"
    return RecordError("invalid_amount", message)
