"""A call in the outbox."""

from __future__ import annotations

import time
from concurrent.futures import Future
from dataclasses import dataclass, field

from ledger.intake.application import Call, Recorded


@dataclass(eq=False, slots=True)
class Entry:
    """A call that waits; `until` is when its caller gives up, by time.monotonic()."""

    call: Call
    until: float
    timeout: float
    answer: Future[list[Recorded]] = field(default_factory=Future)

    @property
    def size(self) -> int:
        return len(self.call.items)

    @property
    def left(self) -> float:
        return max(0.0, self.until - time.monotonic())
