"""The completeness of figures, in words and as JSON has it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import TYPE_CHECKING

from ledger.values.instants import moment_text
from ledger.values.safe_text import visible
from ledger.values.words import counted, grouped
from pricing.money import format_nano

if TYPE_CHECKING:
    from ledger.reports.completeness import NotBooked, Silence


def not_booked_document(waiting: NotBooked) -> dict[str, object]:
    """Returns what waits in quarantine as JSON has it."""
    return {
        "lines": waiting.lines,
        "tokens": waiting.tokens,
        "usd": format_nano(waiting.usd_nano),
        "priced_lines": waiting.priced_lines,
        "undated_lines": waiting.undated_lines,
        "conflicts": waiting.conflicts,
    }


def not_booked_words(waiting: NotBooked) -> list[str]:
    """Returns the line under a table on what waits in quarantine; none where nothing does."""
    if not waiting:
        return []
    unpriced = waiting.lines - waiting.priced_lines
    parts = [
        f"{counted(waiting.lines, 'line')} in quarantine",
        f"{counted(waiting.tokens, 'token')}",
        f"{grouped(format_nano(waiting.usd_nano))} USD for {waiting.priced_lines:,} of them"
        if waiting.priced_lines
        else "",
        f"{unpriced:,} without a price" if unpriced else "",
        f"{counted(waiting.conflicts, 'conflict')} with what is booked" if waiting.conflicts else "",
        f"{waiting.undated_lines:,} without a date" if waiting.undated_lines else "",
    ]
    return [f"not booked: {', '.join(filter(None, parts))}: 'tollbook quarantine list'"]


def silence_documents(silent: Sequence[Silence]) -> list[dict[str, object]]:
    """Returns the silent sources as JSON has them."""
    return [
        {
            "source": each.source,
            "last_occurred_at": each.last_occurred_at and moment_text(each.last_occurred_at),
            "expected_every_hours": _hours(each.expected_every),
            "declared": each.declared,
        }
        for each in silent
    ]


def silence_words(silence: Silence) -> str:
    """Says since when a source is silent, and how often its usage was expected."""
    last = silence.last_occurred_at
    since = ", never seen" if last is None else f" since {moment_text(last, 'seconds')}"
    return f"silent: {visible(silence.source)}{since}, {expected_words(silence)}"


def expected_words(silence: Silence) -> str:
    """Says how often usage of a source was expected, and who says so."""
    by = ", as declared" if silence.declared else " by its last four weeks"
    return f"expected every {_hours(silence.expected_every)} hours{by}"


def _hours(length: timedelta) -> str:
    """Returns hours with at most one place: lengths are whole half-hours."""
    return format_nano(length // timedelta(minutes=6) * 10**8)
