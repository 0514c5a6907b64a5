"""The draw-down of prepaid credits: lots, usage and draws by day in, transfers between accounts out. Pure.

Days go in order, and within a day: top-ups, which first repay what is overdrawn; usage; draws (what the same balance
paid elsewhere); expiry. A lot's last day is its `expires`: usage of that day still draws on it, what is left expires
at the day's end. The lot that expires soonest is drawn first, then the oldest; lots without expiry come last. Beyond
the balance, usage and draws go to `overdrawn`, which the next lots repay before anything else draws on them.

Usage below 0 in a day, where reversals outweigh it, gives credits back: first to what is overdrawn, then to the lots
that usage was drawn from, latest first. So a lot is as if the usage had never been: what goes back to a lot past
its last day expires at that day's end. What passes all that was ever drawn (credit notes, reversals of usage from
before there was a wallet) is in the balance without a lot: it has no cost and no expiry, and is drawn first.

Every entry takes from one account what it gives to another, so all accounts always add up to 0:

| account | what its balance is |
|---|---|
| purchased, granted | less the credits of all top-ups |
| balance | what is left, by lot |
| used | posted usage |
| adjustment | draws: what was paid elsewhere |
| expired | what lots lost |
| overdrawn | less what is still owed |
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from datetime import date
from fractions import Fraction
from itertools import groupby
from typing import Literal, NamedTuple, TypeAlias, get_args

Account: TypeAlias = Literal["purchased", "granted", "balance", "used", "adjustment", "expired", "overdrawn"]
ACCOUNTS: tuple[Account, ...] = get_args(Account)

# After every day YYYY-MM-DD.
NEVER = "~"


class Lot(NamedTuple):
    """Credits of one top-up. Days are YYYY-MM-DD; `expires` is the last one it can be used; paid in nano-USD."""

    id: int
    day: str
    credits_nano: int
    expires: str | None = None
    granted: bool = False
    paid_nano: int = 0

    @property
    def usd_per_credit(self) -> Fraction:
        """USD that each credit of it was bought for, exactly; 0 for granted ones."""
        return Fraction(self.paid_nano, self.credits_nano)

    @property
    def order(self) -> tuple[str, str, int]:
        """Lots are drawn in this order: the soonest expiry, then the oldest."""
        return (self.expires or NEVER, self.day, self.id)


class Entry(NamedTuple):
    """A transfer from one account to another on a day; `lot` is whose balance it changes, None where none's."""

    day: str
    source: Account
    target: Account
    lot: int | None
    amount_nano: int


class Wallet:
    """The accounts of a wallet after some entries. Entries of days that are done are replayed, later ones are drawn.

    `remaining` is what is left by lot (None: credits given back that are of no lot), without lots that are spent.
    """

    def __init__(self, lots: Iterable[Lot], entries: Iterable[Entry] = ()) -> None:
        self.lots = {lot.id: lot for lot in lots}
        self.accounts: Counter[str] = Counter()
        self.remaining: dict[int | None, int] = {}
        # What usage drew and from which lot, latest last: what it would give back, and in which order.
        self._taken: list[tuple[int | None, int]] = []
        for entry in entries:
            self._apply(entry)

    @property
    def overdrawn_nano(self) -> int:
        """Nano that usage and draws took beyond the balance and no lot has repaid yet."""
        return -self.accounts["overdrawn"]

    @property
    def net_nano(self) -> int:
        """The balance less what is overdrawn."""
        return self.accounts["balance"] - self.overdrawn_nano

    def draw_down(
        self, usage: Mapping[str, int], draws: Mapping[str, int], first: str, last: str, *, over: bool = True
    ) -> list[Entry]:
        """Draws the days from `first` to `last`, usage and draws in nano by day; the entries of these days.

        The days before `first` are done. With `over` False the last day isn't over yet: what expires on it is still
        there.
        """
        lots_of: dict[str, list[Lot]] = {}
        for lot in sorted(self.lots.values(), key=lambda lot: lot.order):
            lots_of.setdefault(lot.day, []).append(lot)
        ends = {lot.expires for lot in self.lots.values() if lot.expires is not None}
        entries: list[Entry] = []
        for day in sorted(day for day in {*lots_of, *ends, *usage, *draws} if first <= day <= last):
            entries += self._day(day, lots_of.get(day, ()), usage.get(day, 0), draws.get(day, 0))
            entries += self._expiry(day, including_today=over or day < last)
        return merged(entries)

    def _day(self, day: str, lots: Iterable[Lot], used_nano: int, drawn_nano: int) -> Iterator[Entry]:
        for lot in lots:
            yield self._move(day, "granted" if lot.granted else "purchased", "balance", lot.id, lot.credits_nano)
        yield from self._take(day, "overdrawn", self.overdrawn_nano)
        if used_nano < 0:
            yield from self._give_back(day, -used_nano)
        else:
            yield from self._take(day, "used", used_nano)
        yield from self._take(day, "adjustment", drawn_nano)

    def _take(self, day: str, target: Account, amount_nano: int) -> Iterator[Entry]:
        """Draws on the lots, then overdraws; what is overdrawn already is only repaid."""
        for number in self.usable(day) if amount_nano else ():
            part = min(amount_nano, self.remaining[number])
            amount_nano -= part
            yield self._move(day, "balance", target, number, part)
            if not amount_nano:
                return
        if amount_nano and target != "overdrawn":
            yield self._move(day, "overdrawn", target, None, amount_nano)

    def usable(self, day: str) -> list[int | None]:
        """Lists what can be drawn on that day, in order: credits of no lot, then lots."""
        numbers = [number for number in self.remaining if number is not None and self._last_day(number) >= day]
        of_no_lot: list[int | None] = [None] if None in self.remaining else []
        return of_no_lot + sorted(numbers, key=lambda number: self.lots[number].order)

    def _last_day(self, number: int) -> str:
        return self.lots[number].expires or NEVER

    def _give_back(self, day: str, amount_nano: int) -> Iterator[Entry]:
        part = min(amount_nano, self.overdrawn_nano)
        if part:
            yield self._move(day, "used", "overdrawn", None, part)
        amount_nano -= part
        while amount_nano and self._taken:
            number, taken = self._taken[-1]
            part = min(amount_nano, taken)
            yield self._move(day, "used", "balance", number, part)
            amount_nano -= part
        if amount_nano:
            yield self._move(day, "used", "balance", None, amount_nano)

    def _expiry(self, day: str, *, including_today: bool) -> Iterator[Entry]:
        ended = [
            number
            for number in self.remaining
            if number is not None
            and (self._last_day(number) < day or (including_today and self._last_day(number) == day))
        ]
        for number in sorted(ended, key=lambda number: self.lots[number].order):
            yield self._move(day, "balance", "expired", number, self.remaining[number])

    def _move(self, day: str, source: Account, target: Account, lot: int | None, amount_nano: int) -> Entry:
        entry = Entry(day, source, target, lot, amount_nano)
        self._apply(entry)
        return entry

    def _apply(self, entry: Entry) -> None:
        _day, source, target, lot, amount_nano = entry
        self.accounts[source] -= amount_nano
        self.accounts[target] += amount_nano
        if source == "balance":
            self._leave(lot, -amount_nano)
            if target in ("used", "overdrawn"):
                self._remember(lot, amount_nano)
        elif target == "balance":
            self._leave(lot, amount_nano)
            if source == "used":
                self._forget(amount_nano)

    def _leave(self, lot: int | None, amount_nano: int) -> None:
        left = self.remaining.pop(lot, 0) + amount_nano
        if left:
            self.remaining[lot] = left

    def _remember(self, lot: int | None, amount_nano: int) -> None:
        if self._taken and self._taken[-1][0] == lot:
            amount_nano += self._taken.pop()[1]
        self._taken.append((lot, amount_nano))

    def _forget(self, amount_nano: int) -> None:
        while amount_nano and self._taken:
            lot, taken = self._taken.pop()
            if taken > amount_nano:
                self._taken.append((lot, taken - amount_nano))
            amount_nano -= min(taken, amount_nano)


def merged(entries: Iterable[Entry]) -> list[Entry]:
    """Merges entries that follow each other and differ in amount alone."""
    alike = groupby(entries, key=lambda entry: entry[:4])
    return [Entry._make((*transfer, sum(entry.amount_nano for entry in group))) for transfer, group in alike]


class _Drawn(NamedTuple):
    """The rest of a lot, and the part of it that usage takes before it expires."""

    expires: str
    left_nano: int
    used_nano: Fraction


def _drawn(wallet: Wallet, day: str, nano_a_day: Fraction) -> Iterator[_Drawn]:
    """Draws on the balance at that rate, which is above 0, from the day after `day` on."""
    lasts = Fraction()
    for number in wallet.usable(day):
        left_nano = wallet.remaining[number]
        used_nano = Fraction(left_nano)
        expires = None if number is None else wallet.lots[number].expires
        if expires is not None:
            usable_days = (date.fromisoformat(expires) - date.fromisoformat(day)).days - lasts
            used_nano = min(used_nano, max(usable_days, Fraction()) * nano_a_day)
        lasts += used_nano / nano_a_day
        yield _Drawn(expires or NEVER, left_nano, used_nano)


def days_left(wallet: Wallet, day: str, nano_a_day: Fraction) -> Fraction | None:
    """Returns the days after `day` that the balance lasts at that rate; None where nothing is used.

    What expires before it would be used doesn't count: of 100 credits, 90 of them until tomorrow, 10 a day use 10 of
    the lot that ends and then 10 of the other, which is 2 days.
    """
    if nano_a_day <= 0:
        return None
    return sum((lot.used_nano for lot in _drawn(wallet, day, nano_a_day)), Fraction()) / nano_a_day


def expiring_unused(wallet: Wallet, day: str, nano_a_day: Fraction, last: str) -> tuple[Fraction, str | None]:
    """Returns the nano that lots lose up to the day `last` at that rate after `day`, and the first day one loses any.

    At 0 a day or below they lose all that is left of them.
    """
    if nano_a_day <= 0:
        lots = [(wallet.lots[number].expires or NEVER, Fraction(wallet.remaining[number]))
                for number in wallet.usable(day) if number is not None]  # fmt: skip
    else:
        lots = [(lot.expires, lot.left_nano - lot.used_nano) for lot in _drawn(wallet, day, nano_a_day)]
    lost = [(expires, nano) for expires, nano in lots if nano > 0 and expires <= last]
    return sum((nano for _expires, nano in lost), Fraction()), min((expires for expires, _nano in lost), default=None)
