"""Numbers in sentences."""

from __future__ import annotations


def counted(number: int, noun: str, plural: str | None = None) -> str:
    """Returns the number with its noun: "1 line", "1,200 lines", "0 entries"."""
    return f"{number:,} {noun if number == 1 else plural or f'{noun}s'}"
