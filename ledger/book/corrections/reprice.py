"""Usage priced again by the cards and conversions in force now: reversed and replaced where anything differs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from operator import attrgetter
from typing import Any, NamedTuple

from sqlalchemy import Connection, select

from ledger.book.charges import live_chunks, posted_charges
from ledger.book.corrections.reversing import Correction, Selection, post_corrections
from ledger.book.open_months import first_open_month, posted_month
from ledger.book.posting import Poster, Run
from ledger.book.prices.in_force import cards_in_force
from ledger.book.prices.pins import PinnedIds
from ledger.book.prices.rating import Rater
from ledger.book.records import PRICED, Records
from ledger.book.references import already_posted
from ledger.book.rows import ChargeRow, Facts, negated
from ledger.book.without_rows import check_rows
from ledger.errors import LedgerError
from ledger.store.database import Database
from ledger.store.tables import batches, charges
from ledger.values.spend import Spend

KIND = "reprice"

_price = attrgetter(*PRICED)


class MovedKey(NamedTuple):
    """A key of moved money: the month whose books it moves in, the billed model, the project."""

    month: str
    model: str
    project: str


@dataclass(slots=True)
class Moved:
    """The money of corrected charges before and after."""

    before: Spend = field(default_factory=Spend)
    after: Spend = field(default_factory=Spend)


@dataclass(slots=True)
class Repriced:
    """The outcome of a reprice, or of a trial: its batch (None where nothing differs), the money it moved.

    `unpriced` counts charges that the cards in force can't price, which stay as they are; `message` says why the first
    can't.
    """

    batch_id: int | None = None
    charges: int = 0
    moved: dict[MovedKey, Moved] = field(default_factory=dict)
    unpriced: int = 0
    message: str = ""
    repeated: bool = False

    def add(self, corrections: Sequence[Correction], first_open: str, pins: PinnedIds) -> None:
        """Counts corrections in."""
        self.charges += len(corrections)
        for charge, _facts, replacement in corrections:
            assert replacement is not None
            month = posted_month(charge.posted_month, first_open)
            for row, before in ((charge, True), (replacement, False)):
                moved = self.moved.setdefault(MovedKey(month, row.billed_model, row.project), Moved())
                spend = moved.before if before else moved.after
                spend.add(row.currency, pins.per_usd_nano(row.conversion_id), row.amount_nano, 1)


def reprice(database: Database, selection: Selection, run: Run, *, dry_run: bool = False) -> Repriced:
    """Prices the live usage of the selection again and posts what differs; nothing the second time."""
    result = Repriced()
    with database.reading() if dry_run else database.writing() as connection:
        done = already_posted(connection, run)
        if done is not None:
            return Repriced(done, repeated=True)
        check_rows(selection.without_rows(connection), KIND)
        poster = Poster(database, run)
        cards, pins = cards_in_force(connection), PinnedIds()
        pins.pin(connection, cards.values(), adding=not dry_run)
        rater, first_open = Rater(cards, pins), first_open_month(connection)
        for chunk in live_chunks(connection, selection.condition(connection)):
            corrections = _differing(chunk, rater, pins, result)
            result.add(corrections, first_open, pins)
            if corrections and not dry_run:
                post_corrections(poster, connection, corrections)
    result.batch_id = poster.run.id
    return result


def _differing(
    chunk: Sequence[tuple[ChargeRow, Facts]], rater: Rater, pins: PinnedIds, result: Repriced
) -> list[Correction]:
    """Returns the charges whose price, conversion or model would be another today, each with the charge it would be.

    A conversion that was added again at the same figure, as a check does, is none other.
    """
    rated, errors = rater.rate(Records.of([facts for _charge, facts in chunk]))
    if errors and not result.unpriced:
        result.message = str(errors[min(errors)])
    result.unpriced += len(errors)
    priced = [pair for place, pair in enumerate(chunk) if place not in errors]
    corrections: list[Correction] = []
    for (charge, facts), price in zip(priced, rated.prices(), strict=True):
        if price == _price(charge):
            continue
        again = charge._replace(**dict(zip(PRICED, price, strict=True)))
        if pins.per_usd_nano(again.conversion_id) == pins.per_usd_nano(charge.conversion_id):
            again = again._replace(conversion_id=charge.conversion_id)
        if again != charge:
            corrections.append((charge, facts, again))
    return corrections


def undo_reprice(database: Database, batch: int, run: Run, *, dry_run: bool = False) -> Repriced:
    """Brings back the charges that a reprice replaced; LedgerError while any of its charges is superseded."""
    result = Repriced()
    with database.reading() if dry_run else database.writing() as connection:
        done = already_posted(connection, run)
        if done is not None:
            return Repriced(done, repeated=True)
        _check_undoable(connection, batch)
        poster = Poster(database, run)
        pins, first_open = PinnedIds(), first_open_month(connection)
        pins.pin(connection, ())
        for first, last in _ranges(connection, batch):
            corrections = _bringing_back(connection, poster, first, last)
            result.add(corrections, first_open, pins)
            if not dry_run:
                post_corrections(poster, connection, corrections)
    result.batch_id = poster.run.id
    return result


def _ranges(connection: Connection, run_id: int) -> list[tuple[int, int]]:
    query = select(batches.c.first_charge_id, batches.c.last_charge_id).where(batches.c.run_id == run_id)
    return [(first, last) for first, last in connection.execute(query.order_by(batches.c.sequence))]


def _check_undoable(connection: Connection, batch: int) -> None:
    kind = connection.execute(select(batches.c.kind).where(batches.c.id == batch, batches.c.run_id == batch)).scalar()
    if kind != KIND:
        found = "there is no such batch" if kind is None else f"it is of kind {kind}"
        raise LedgerError(f"batch {batch} can't be undone as a reprice: {found}; see 'tollbook batches'")
    undoing = charges.alias("later")
    of_run = select(batches.c.id).where(batches.c.run_id == batch)
    query = (
        select(batches.c.run_id)
        .join_from(charges, undoing, undoing.c.corrects_id == charges.c.id)
        .join(batches, batches.c.id == undoing.c.batch_id)
        .where(
            charges.c.batch_id.in_(of_run),
            charges.c.charge_class == "replacement",
            undoing.c.charge_class == "reversal",
        )
        .order_by(batches.c.run_id.desc())
        .limit(1)
    )
    later = connection.execute(query).scalar()
    if later is not None:
        raise LedgerError(f"batch {batch} is superseded in part by batch {later}: undo that one first")


def _bringing_back(connection: Connection, poster: Poster, first: int, last: int) -> list[Correction]:
    """Returns the replacements of one batch, each to be reversed and replaced by the charge that it replaced."""
    rows = list(posted_charges(connection, poster.calendar, first, last))
    # A batch of corrections holds each charge's reversal just before its replacement.
    return [
        (after, facts, after._replace(**_price_of(reversal)))
        for (reversal, _), (after, facts) in zip(rows[::2], rows[1::2], strict=True)
    ]


def _price_of(reversal: ChargeRow) -> dict[str, Any]:
    """Returns the price of the charge that a reversal took back."""
    row = negated(reversal)._asdict()
    return {name: row[name] for name in PRICED}
