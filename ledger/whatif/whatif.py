"""A month of a ledger priced otherwise: the roll-ups' sums, and request by request where they don't do."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import get_args

from sqlalchemy import Connection

from ledger.book.prices.in_force import cards_in_force
from ledger.book.prices.pinned import read_rate_entries
from ledger.book.prices.pins import PinnedIds
from ledger.book.without_rows import left_out, month_without_rows
from ledger.errors import LedgerError
from ledger.reports.bridge.bridge import bridge_between
from ledger.reports.completeness import read_not_booked
from ledger.reports.plan import ADJUSTMENT, CORRECTION
from ledger.reports.selection import Selection
from ledger.reports.snapshot import Snapshot
from ledger.reports.spend import SpendRow
from ledger.store.database import Database
from ledger.values.periods import Span, parse_month
from ledger.values.spend import Spend
from ledger.whatif.by_sums import BySums
from ledger.whatif.changes import Asked, Changes, understand
from ledger.whatif.repricer import Repricer
from ledger.whatif.result import Dimension, Moved, Unpriced, WhatIf
from ledger.whatif.sides import DIMENSIONS, Side, Sides, for_bridge
from ledger.whatif.usage import Posted, charges_of, late_corrections, live_usage
from pricing.card_file import CardFile
from pricing.catalog import read_card_file
from pricing.errors import PricingError
from pricing.rate_entry import tier_order


def run_whatif(database: Database, month: str, asked: Asked, *, now: datetime) -> WhatIf:
    """Prices the usage posted in a month, YYYY-MM or `last`, with the changes asked for; posts nothing.

    LedgerError for a month to come, and for changes that its providers' cards don't know.
    """
    files = [read_card_file(file) for file in asked.rates]
    span = parse_month(month, zone=database.zone, now=now)
    assert span.start is not None
    if span.start > now:
        raise LedgerError(f"--month {span.label} has not begun: give this month or an earlier one")
    with database.reading() as connection:
        return _run(Snapshot.of(connection, database), span, asked, files)


def _run(snapshot: Snapshot, span: Span, asked: Asked, files: list[CardFile]) -> WhatIf:
    connection, month = snapshot.connection, span.month
    assert month is not None
    selection = Selection(snapshot.zone, span.start, span.end, dimensions=DIMENSIONS)
    spend = snapshot.spend(selection)
    used = {str(row.dimensions[3]): row.currency for row in spend.rows if row.rate_entry_id is not None}
    cards = cards_in_force(connection, files)
    billed = {(str(row.dimensions[3]), str(row.dimensions[1])) for row in spend.rows}
    changes = understand(asked, cards, used, billed, [file.provider for file in files])
    pins = PinnedIds()
    pins.pin(connection, cards.values(), adding=False)
    entries = read_rate_entries(connection)
    repriced = _Repriced(Sides(spend, pins), pins)
    sides = repriced.sides
    late = _call_late_corrections_usage(connection, month, sides, spend.rows)
    assert span.end is not None
    notes = list(_notes(billed, used, changes, month))
    if not _move_sums(sides, changes, BySums(changes, cards, entries, pins, span.end)):
        notes += (
            f"priced otherwise {text}: it stays as booked" for text in left_out(month_without_rows(connection, month))
        )
        repricer = Repricer(changes, cards, entries, pins)
        for chunk in live_usage(connection, month, changes, late):
            repriced.add(repricer, chunk)
    sides.convert(changes)
    prices = entries | {pins.entry(entry): entry for card in cards.values() for entry in card.entries()}
    return WhatIf(
        title=f"What if, {span.label} (posted, {snapshot.zone.key}): {', '.join(asked.words) or 'nothing changes'}",
        month=month,
        asked=asked,
        read=repriced.read,
        changed=repriced.changed,
        requests_changed=sides.requests_changed,
        rows=_rows(sides),
        by_cause=bridge_between(for_bridge(sides.before, prices), for_bridge(sides.after, prices)).by_cause,
        before=_spend(sides.before),
        after=_spend(sides.after),
        unpriced=repriced.unpriced,
        corrections_usd_nano=_spend(sides.before, CORRECTION).usd_nano,
        adjustments_usd_nano=_spend(sides.before, ADJUSTMENT).usd_nano,
        not_booked=read_not_booked(connection, selection),
        notes=tuple(notes),
    )


def _move_sums(sides: Sides, changes: Changes, by_sums: BySums) -> bool:
    """Prices sums where they do for all that changes; returns whether they did."""
    if changes.need_rows or changes.are_none:
        return False
    usage = [
        (key, sums)
        for key, sums in sides.before.items()
        if key.part is None and (key.provider, key.model) in changes.models
    ]
    priced = [by_sums.price(key, sums) for key, sums in usage]
    if None in priced:
        return False
    for (key, sums), found in zip(usage, priced, strict=True):
        assert found is not None
        sides.replace(key, sums, *found)
    return True


@dataclass(slots=True)
class _Repriced:
    """The usage that was priced again so far."""

    sides: Sides
    pins: PinnedIds
    read: int = 0
    changed: int = 0
    unpriced: Unpriced = field(default_factory=Unpriced)

    def add(self, repricer: Repricer, posted: Sequence[Posted]) -> None:
        self.read += len(posted)
        for charge, facts, usage, found in repricer.price(posted):
            if isinstance(found, PricingError):
                per_usd_nano = self.pins.per_usd_nano(charge.conversion_id)
                self.unpriced.add(charge.currency, per_usd_nano, charge.amount_nano, found)
            else:
                self.changed += self.sides.move(charge, facts, found, usage)


def _call_late_corrections_usage(
    connection: Connection, month: str, sides: Sides, rows: Sequence[SpendRow]
) -> Collection[int]:
    """Counts corrections of late usage as usage where both are in the month's books; returns their ids."""
    if not any(row.dimensions[2] == CORRECTION for row in rows):
        return ()
    late = late_corrections(connection, month)
    for chunk in charges_of(connection, late):
        for charge, facts in chunk:
            sides.call_usage(charge, facts)
    return late


def _rows(sides: Sides) -> tuple[Moved, ...]:
    """Returns what moved most first, by project and by model; tiers by their bounds."""
    rows: list[Moved] = []
    for by in get_args(Dimension):
        found: dict[str, Moved] = {}
        for side, which in ((sides.before, "before"), (sides.after, "after")):
            for key, sums in side.items():
                name = getattr(key, by)
                spend = getattr(found.setdefault(name, Moved(by, name)), which)
                spend.add(key.currency, key.per_usd_nano, sums.amount_nano, sums.requests)
        kept = [moved for moved in found.values() if not moved.is_nothing]
        if by == "tier":
            rows += sorted(kept, key=lambda moved: tier_order(moved.name))
        else:
            rows += sorted(kept, key=lambda moved: (-abs(moved.change_nano), -moved.before.usd_nano, moved.name))
    return tuple(rows)


def _spend(side: Side, part: str | None = None) -> Spend:
    """Sums a side, or one part of it."""
    spend = Spend()
    for key, sums in side.items():
        if part in (None, key.part):
            spend.add(key.currency, key.per_usd_nano, sums.amount_nano, sums.requests)
    return spend


def _notes(billed: Collection[tuple[str, str]], used: Mapping[str, str], changes: Changes, month: str) -> Iterator[str]:
    """Says what has nothing to change in the month."""
    if not billed:
        yield f"nothing is booked in {month}"
        return
    for provider, model in changes.models:
        if (provider, model) not in billed:
            yield f"nothing of {month} is billed as {model} of {provider}: that changes nothing"
    for provider in sorted((changes.carded | changes.providers) - set(used)):
        yield f"nothing of {month} is of provider {provider}: its changes change nothing"
