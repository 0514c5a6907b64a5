"""Single values of a payload that refuse nothing: metadata, and a gateway's own figure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from decimal import Decimal

from pricing.errors import RecordError
from pricing.record_values import NO_TAGS, read_amount, scalar_text, shortest

_IN_USD = re.compile(r"\s*(.*?)\s*usd\s*", re.IGNORECASE | re.DOTALL)


def is_nothing(value: object) -> bool:
    """Tells whether a JSON value says nothing: null, false or empty. 0 is a number."""
    return value is None or value is False or value in ("", {}, [])


def read_metadata(value: object) -> Mapping[str, str]:
    """Returns the metadata that can be tags: texts, numbers and booleans as JSON text.

    Limits are not applied here: only those of the keys that a ledger keeps matter.
    """
    if not value or not isinstance(value, dict):
        return NO_TAGS
    return {
        key: text
        for key, entry in value.items()
        if (text := entry if type(entry) is str else scalar_text(entry)) is not None
    }


def read_figure(value: object, name: str) -> tuple[int | None, bool]:
    """Returns nano of a gateway's own figure, which is only compared; True if it is lost."""
    try:
        return (None, False) if value is None else (read_amount(value, name), False)
    except RecordError:
        return None, True


def read_usd_figure(value: object, name: str) -> tuple[str | None, bool]:
    """Returns a gateway's own figure in USD as text with all its places; True if it is lost."""
    nano, lost = read_figure(value, name)
    if nano is None:
        return None, lost
    exact = Decimal(shortest(value).strip())
    # 1e-999999999 would have as many digits: it is looked at before it is worked with.
    return ("0" if not exact or exact.adjusted() < -60 else str(exact)), lost


def usd_of(value: object) -> object:
    """Returns the number of a text such as `0.5usd`; None where it has no such unit."""
    found = _IN_USD.fullmatch(value) if isinstance(value, str) else None
    return None if found is None else found[1]
