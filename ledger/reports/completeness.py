"""How complete a period's figures are: the last usage booked, what waits in quarantine, sources that went silent."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta


@dataclass(frozen=True, slots=True)
class NotBooked:
    """Usage of a period that waits in quarantine and is in no total; undated lines count for every period.

    `tokens` are input and output tokens as far as they can be read. `usd_nano` is what the `priced_lines` would cost at
    the prices of their day; the other lines have no price.
    """

    lines: int = 0
    tokens: int = 0
    priced_lines: int = 0
    usd_nano: int = 0
    undated_lines: int = 0

    def __bool__(self) -> bool:
        """True where a total reads "at least"."""
        return self.lines > 0


@dataclass(frozen=True, slots=True)
class Silence:
    """A source that has been silent for longer than is expected: `declared` by a `[[source]]`, else by its own gaps."""

    source: str
    last_occurred_at: datetime
    expected_every: timedelta
    declared: bool


@dataclass(frozen=True, slots=True)
class Completeness:
    """How complete a period's figures are at a time; `data_through` is the last usage booked of all in the ledger."""

    data_through: str | None
    not_booked: NotBooked
    silent: tuple[Silence, ...] = ()
