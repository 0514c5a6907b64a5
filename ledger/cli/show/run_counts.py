"""How far a run over usage is, and what became of its items, for people, on standard error."""

from __future__ import annotations

import sys
import time
from datetime import timedelta
from typing import TYPE_CHECKING

import click

from ledger.cli.show.output import note
from ledger.intake.fields.record import IGNORED
from ledger.values.words import counted
from pricing.errors import shown_word

if TYPE_CHECKING:
    from ledger.intake.rating import RunCounts


class Progress:
    """Records, their rate and the time left, on standard error while a run lasts, on terminals only."""

    def __init__(self) -> None:
        self._shown = sys.stderr.isatty()
        self._started = self._last = time.monotonic()

    def close(self) -> None:
        """Clears the line."""
        if self._shown and self._last != self._started:
            click.echo("\r\x1b[K", nl=False, err=True)

    def __call__(self, tally: RunCounts, part: float | None) -> None:
        """Shows how far a run is; `part` is the part of the input that was read, where that is known."""
        self.show(tally.read, f"read, {tally.counts['accepted']:,} accepted", part)

    def show(self, count: int, done: str, part: float | None = None) -> None:
        """Shows so many records, and what was done with them."""
        now = time.monotonic()
        if self._shown and now - self._last > 0.2:
            self._last = now
            passed = now - self._started
            shown = f"{count:,} {done}, {count / passed:,.0f}/s"
            if part:
                left = timedelta(seconds=round(max(passed / part - passed, 0)))
                shown += f", {part:.0%}, {left} left"
            click.echo(f"\r\x1b[K{shown}", nl=False, err=True)


def tell_counts(tally: RunCounts) -> None:
    """Tells how many items had which outcome, and what else is worth a look."""
    said = ", ".join(f"{count:,} {name}" for name, count in tally.fates.items())
    click.echo(f"{tally.read:,} read: {said}.", err=True)
    if tally.assumed:
        said = ", ".join(f"{count:,} {name}" for name, count in sorted(tally.assumed.items()))
        note(f"cache storage assumed from responses with caching enabled: {said}")
    if tally.differing_labels:
        duplicates = counted(tally.differing_labels, "duplicate")
        note(f"other project or tags in {duplicates}: those recorded first hold")
    for reason, count in sorted(tally.ignored.items()):
        note(f"not read: {count:,} {IGNORED[reason]} ({reason})")
    if tally.lost_amounts:
        records = counted(tally.lost_amounts, "record")
        note(f"booked without the gateway's own figure, which isn't a finite amount: {records}")
    if tally.unknown_keys:
        key, lines = tally.unknown_keys.most_common(1)[0]
        if lines * 2 > tally.read >= 1_000:
            note(
                f"{lines:,} responses have a key {shown_word(key)} that isn't known: read right, but many times slower"
            )
