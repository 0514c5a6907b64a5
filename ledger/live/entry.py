"""A call in the outbox."""

from __future__ import annotations

import time
from concurrent.futures import Future
from dataclasses import dataclass, field

from ledger.intake.application import Recorded
from ledger.intake.calls import Call


@dataclass(eq=False, slots=True)
class Entry:
    """A call that waits, by time.monotonic(): from `due` on it wants to be booked, at `until` its caller gives up.

    Nobody waits for one that is `buffered`: its timeout begins as it is taken to be booked.
    """

    call: Call
    until: float
    timeout: float
    due: float = 0.0
    buffered: bool = False
    answer: Future[list[Recorded]] = field(default_factory=Future)

    @property
    def size(self) -> int:
        return len(self.call.items)

    @property
    def left(self) -> float:
        return max(0.0, self.until - time.monotonic())
