"""The ledger's side of a reconciliation: charges of a provider's usage, read for comparison."""

from __future__ import annotations

from collections import Counter
from collections.abc import Generator, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Connection, select

from ledger.store.expressions import ROWS_AT_ONCE, column_within, microseconds
from ledger.store.tables import charges, conversions, usage_records
from ledger.values.instants import to_microseconds


class Booked(NamedTuple):
    """A charge of usage with its record's facts. A reversal's amount is negative; its counts are the record's own."""

    charge_class: str
    billed_model: str
    currency: str
    conversion_id: int | None
    amount_nano: int
    request_id: str
    occurred_at_us: int
    input_tokens: int
    cached_input_tokens: int
    output_tokens: int
    provider_amount_nano: int | None

    @property
    def sign(self) -> int:
        """1, or -1 for a reversal, which takes its request back."""
        return -1 if self.charge_class == "reversal" else 1


def occurred_within(start: datetime | None, end: datetime | None) -> ColumnElement[bool]:
    """Picks usage that occurred in [start, end); None is open."""
    bounds = [moment and to_microseconds(moment) for moment in (start, end)]
    return column_within(microseconds(usage_records.c.occurred_at), *bounds)


def of_requests(request_ids: Sequence[str]) -> ColumnElement[bool]:
    """Picks usage of these request ids."""
    return usage_records.c.request_id.in_(request_ids)


def read_booked(connection: Connection, provider: str, condition: ColumnElement[bool]) -> Generator[Booked]:
    """Reads charges of usage, corrections with them, in no order; some thousands in memory at a time."""
    statement = (
        select(*map(_column, Booked._fields))
        .join_from(charges, usage_records, usage_records.c.id == charges.c.usage_record_id)
        .where(charges.c.provider == provider, condition)
    )
    with connection.execute(statement, execution_options={"yield_per": ROWS_AT_ONCE}) as result:
        for rows in result.partitions():
            yield from map(Booked._make, rows)


def _column(name: str) -> ColumnElement[Any]:
    plain = name.removesuffix("_us")
    column = (charges if plain in charges.c else usage_records).c[plain]
    return microseconds(column) if name.endswith("_us") else column


def read_adjustments(connection: Connection, provider: str, first_month: str, last_month: str) -> Counter[str]:
    """Reads nano by currency of what was booked without usage for these months, both inclusive."""
    query = select(charges.c.currency, charges.c.amount_nano).where(
        charges.c.provider == provider,
        charges.c.usage_record_id.is_(None),
        charges.c.occurred_month.between(first_month, last_month),
    )
    found: Counter[str] = Counter()
    for currency, amount_nano in connection.execute(query):
        found[currency] += amount_nano
    return found


def read_per_usd(connection: Connection, provider: str) -> set[int]:
    """Reads every conversion ever known for the provider, in nano of its currency for 1 USD."""
    query = select(conversions.c.per_usd_nano).where(conversions.c.provider == provider).distinct()
    return {int(per_usd_nano) for per_usd_nano in connection.execute(query).scalars()}
