"""Times as HTTP writes them."""

from __future__ import annotations

from datetime import UTC, datetime


def from_http(value: object) -> object:
    """Returns the ISO text of an HTTP header's date, such as Thu, 19 Feb 2026 07:37:54 GMT; all else as it is."""
    try:
        return datetime.strptime(str(value), "%a, %d %b %Y %H:%M:%S GMT").replace(tzinfo=UTC).isoformat()
    except ValueError:
        return value
