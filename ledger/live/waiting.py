"""Calls that wait, in order."""

from __future__ import annotations

import math
import time
from collections import deque

from ledger.live.entry import Entry


class Waiting:
    """A queue of calls, of which `size` responses are; whoever shares it holds a lock of its own."""

    def __init__(self) -> None:
        self._entries: deque[Entry] = deque()
        self._due = math.inf
        self.size = 0

    def __bool__(self) -> bool:
        return bool(self._entries)

    def __contains__(self, entry: Entry) -> bool:
        return entry in self._entries

    def append(self, entry: Entry) -> None:
        """Adds a call at the end."""
        self._entries.append(entry)
        self._due = min(self._due, entry.due)
        self.size += entry.size

    def remove(self, entry: Entry) -> None:
        """Takes a call out."""
        self._entries.remove(entry)
        self._left()
        self.size -= entry.size

    def take(self, most: float = math.inf) -> list[Entry]:
        """Takes calls from the front, of so many responses at most, unless a single one has more."""
        taken: list[Entry] = []
        size = 0
        while self._entries and (not size or size + self._entries[0].size <= most):
            taken.append(self._entries.popleft())
            size += taken[-1].size
        self._left()
        self.size -= size
        return taken

    def seconds_until_due(self, enough: int) -> float:
        """Returns how long to wait yet: not at all where so many responses are enough, else until the first is due."""
        return 0.0 if self.size >= enough else max(0.0, self._due - time.monotonic())

    def _left(self) -> None:
        self._due = min((entry.due for entry in self._entries), default=math.inf)
