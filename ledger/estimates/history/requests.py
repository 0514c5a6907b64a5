"""Past requests, counted by their output tokens."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple
from zoneinfo import ZoneInfo

from sqlalchemy import Connection, case, func, literal_column, select

from ledger.reports.selection import Selection, charges_in_period
from ledger.reports.sums import narrowed
from ledger.store.expressions import joined, microseconds, terms_of
from ledger.store.tables import charges, usage_records

ROWS_AT_ONCE = 10_000


class OutputCount(NamedTuple):
    """Requests of a project and model with the same output tokens; input includes cached."""

    project: str
    model: str
    output_tokens: int
    requests: int
    input_tokens: int
    cached_input_tokens: int


def read_output_counts(
    connection: Connection, selection: Selection, *, statuses: Sequence[str], ledger_zone: ZoneInfo
) -> Iterator[OutputCount]:
    """Streams the selection's live requests by project, model and rising output tokens.

    A reversal counts as -1 request with its charge's facts, so that what is left of a sum is what is live. Projects
    come in the database's own order. Tags and dimensions of the selection are ignored.
    """
    # SQLite's sums end at 64 bits.
    halves = connection.dialect.name == "sqlite"
    sign = case((charges.c.charge_class == "reversal", literal_column("-1")), else_=literal_column("1"))
    measures = [sign, sign * usage_records.c.input_tokens, sign * usage_records.c.cached_input_tokens]
    terms = [term for measure in measures for term in terms_of(measure, halves=halves)]
    group = (charges.c.project, charges.c.billed_model, usage_records.c.output_tokens)
    statement = (
        select(*group, *map(func.sum, terms))
        .join_from(charges, usage_records, usage_records.c.id == charges.c.usage_record_id)
        .where(usage_records.c.kind == "request", usage_records.c.status.in_(statuses))
        .where(charges_in_period(selection, ledger_zone, microseconds(usage_records.c.occurred_at)))
        .where(narrowed(selection, charges.c.project, charges.c.billed_model))
        .group_by(*group)
        .having(func.sum(sign) != 0)
        .order_by(*group)
    )
    result = connection.execute(statement, execution_options={"yield_per": ROWS_AT_ONCE})
    for project, model, output_tokens, *sums in result:
        yield OutputCount(project, model, output_tokens, *joined(sums, halves=halves))
