"""Rows of a batch as its digest covers them, where that is one from before usage was sealed by columns."""

from __future__ import annotations

from operator import itemgetter

from sqlalchemy import Connection, select

from ledger.book.charges import PlainRow, PostedCharges, facts_columns, plain_rows, recorded_ids
from ledger.book.rows import ChargeRow
from ledger.store.tables import booked_usage, usage_records

_CLASS = ChargeRow._fields.index("charge_class")


def added_in(connection: Connection, first: int, last: int, posted: PostedCharges) -> tuple[list[int], list[PlainRow]]:
    """Returns the records that charges of ids between two were posted with: their ids, and their rows as digested.

    `posted` are these charges.
    """
    charged = [
        (charge[0], charge[1], *facts)
        for charge, facts in zip(posted.charges, posted.facts, strict=True)
        if charge[_CLASS] == "charge"
    ]
    columns = [usage_records.c.id, usage_records.c.batch_id, *facts_columns()]
    uncharged = (
        select(*columns)
        .join_from(usage_records, booked_usage, booked_usage.c.id == usage_records.c.id)
        .where(booked_usage.c.id.between(first, last))
        .where(booked_usage.c.input_nano.is_(None))
    )
    rows = sorted([*charged, *plain_rows(connection, uncharged)], key=itemgetter(0))
    ids = [row[0] for row in rows]
    before = recorded_ids(connection, ids)
    return ids, [(before.get(row[0], row[0]), *row[1:]) for row in rows] if before else rows
