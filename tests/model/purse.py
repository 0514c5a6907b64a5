"""The model's wallet: credits drawn day by day, from the first day of its first month to the one that is asked for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from decimal import Decimal
from typing import NamedTuple

NEVER = "9999-12-31"
ZERO = Decimal(0)


class Move(NamedTuple):
    """A top-up, or a draw; `expires` is the last day of a top-up's credits, `paid` its options at the command line."""

    kind: str
    credits: Decimal
    day: str
    reference: int
    expires: str = NEVER
    paid: tuple[str, ...] = ()


class Purse:
    """The rest of each top-up (by its number; None: given back beyond all that was drawn), and what is owed."""

    def __init__(self, moves: Sequence[Move]) -> None:
        self.moves = dict(enumerate(moves, 1))
        self.left: dict[int | None, Decimal] = {}
        self.owed = ZERO
        self.taken: list[tuple[int | None, Decimal]] = []  # by usage, in order

    def spend(self, usage: Mapping[str, Decimal], last: str) -> None:
        """Goes through the days of the wallet's first month and after, up to and with the last."""
        day = min(move.day for move in self.moves.values())[:8] + "01"
        while day <= last:
            self._spend_day(day, usage.get(day, ZERO))
            day = (date.fromisoformat(day) + timedelta(days=1)).isoformat()

    def _spend_day(self, day: str, used: Decimal) -> None:
        for number, move in self.moves.items():
            if move.kind == "topup" and move.day == day:
                self.left[number] = move.credits
        self.owed = self._take(day, self.owed, by_usage=True)
        if used < 0:
            self._give_back(-used)
        else:
            self.owed += self._take(day, used, by_usage=True)
        for move in self.moves.values():
            if move.kind == "draw" and move.day == day:
                self.owed += self._take(day, move.credits, by_usage=False)
        for number, move in self.moves.items():
            if move.expires <= day:
                self.left.pop(number, None)

    def _take(self, day: str, amount: Decimal, *, by_usage: bool) -> Decimal:
        """Draws on what is left; returns what is beyond it."""
        for number in sorted(self.left, key=self._order):
            if number is not None and self.moves[number].expires < day:
                continue
            part = min(amount, self.left[number])
            self.left[number] -= part
            amount -= part
            if by_usage and part:
                self.taken.append((number, part))
        return amount

    def _order(self, number: int | None) -> tuple[str, str, int]:
        """Credits of no top-up first, then those that expire soonest, then the oldest."""
        return ("", "", 0) if number is None else (self.moves[number].expires, self.moves[number].day, number)

    def _give_back(self, amount: Decimal) -> None:
        part = min(amount, self.owed)
        self.owed, amount = self.owed - part, amount - part
        while amount and self.taken:
            number, taken = self.taken.pop()
            part = min(amount, taken)
            self.left[number] = self.left.get(number, ZERO) + part
            amount -= part
            if taken > part:
                self.taken.append((number, taken - part))
        if amount:
            self.left[None] = self.left.get(None, ZERO) + amount

    @property
    def balance(self) -> Decimal:
        return sum(self.left.values(), ZERO)
