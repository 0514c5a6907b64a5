"""The usage in a month's books, request by request: live as of these books, whatever later months corrected.

What corrects usage of the month's own books is usage, also where it happened in a closed month and came late. What
corrects charges in the books of earlier months is not.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, and_, or_, select

from ledger.book.charges import LIVE_CLASSES, select_with_usage
from ledger.book.rows import ChargeRow, Facts
from ledger.store.bulk import in_chunks
from ledger.store.expressions import ROWS_AT_ONCE
from ledger.store.tables import charges, usage_records
from ledger.whatif.changes import Changes

Posted = tuple[ChargeRow, Facts]


def late_corrections(connection: Connection, month: str) -> set[int]:
    """Reads the ids of reversals and replacements, posted in the month, of late usage that is posted in it too."""
    corrected = charges.alias("corrected")
    query = (
        select(charges.c.id, charges.c.corrects_id, corrected.c.charge_class)
        .join_from(charges, corrected, corrected.c.id == charges.c.corrects_id)
        .where(charges.c.posted_month == month, charges.c.occurred_month != month, corrected.c.posted_month == month)
        .order_by(charges.c.id)
    )
    found: set[int] = set()
    for number, corrects_id, charge_class in connection.execute(query):
        if charge_class == "charge" or corrects_id in found:
            found.add(number)
    return found


def charges_of(connection: Connection, numbers: Collection[int]) -> Iterator[list[Posted]]:
    """Reads charges with their usage by their ids, in chunks."""
    for chunk in in_chunks(sorted(numbers), 500):
        yield [_posted(row) for row in connection.execute(select_with_usage(charges.c.id.in_(chunk)))]


def live_usage(connection: Connection, month: str, changes: Changes, late: Collection[int]) -> Iterator[list[Posted]]:
    """Reads the month's live charges that the changes concern, all where there are none, in chunks by id.

    `late` are its `late_corrections`.
    """
    undoing = charges.alias("undoing")
    is_undone = (
        select(undoing.c.id)
        .where(
            undoing.c.corrects_id == charges.c.id,
            undoing.c.charge_class == "reversal",
            undoing.c.posted_month == month,
        )
        .exists()
    )
    of_usage = or_(*(charges.c.charge_class == charge_class for charge_class in LIVE_CLASSES))
    query = select_with_usage(and_(charges.c.posted_month == month, of_usage, ~is_undone, _concerned(changes)))
    with connection.execute(query, execution_options={"yield_per": ROWS_AT_ONCE}) as result:
        for page in result.partitions():
            yield [posted for posted in map(_posted, page) if _is_of_month(posted[0], late)]


def _is_of_month(charge: ChargeRow, late: Collection[int]) -> bool:
    """Tells whether a live charge is no correction of an earlier month."""
    return charge.charge_class == "charge" or charge.occurred_month == charge.posted_month or charge.id in late


def _posted(row: Row[Any] | Sequence[Any]) -> Posted:
    width = len(ChargeRow._fields)
    return ChargeRow(*row[:width]), Facts(*row[width:])


def _concerned(changes: Changes) -> ColumnElement[bool]:
    """Makes the condition that a charge might get another price; without any change of all there are."""
    within = charges.c.provider.in_(changes.providers)
    if changes.are_none:
        return within
    terms: list[ColumnElement[bool]] = [charges.c.provider.in_(changes.carded)]
    terms += [
        and_(charges.c.provider == provider, charges.c.billed_model == model) for provider, model in changes.models
    ]
    if changes.cap_input is not None:
        terms.append(and_(within, usage_records.c.input_tokens > changes.cap_input))
    if changes.service_tier is not None:
        terms.append(and_(within, usage_records.c.kind == "request"))
    return or_(*terms)
