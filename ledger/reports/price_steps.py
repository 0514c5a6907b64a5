"""Requests just over a price step, summed from the rows: no roll-up has the length of a single prompt."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from sqlalchemy import ColumnElement, Connection, and_, case, func, or_, select

from ledger.book.prices.pinned import read_usd_rates
from ledger.book.rows import OPTIONAL_COUNTS, Facts
from ledger.reports.selection import Selection
from ledger.reports.sums import narrowed
from ledger.store.expressions import joined, literal_int, terms_of
from ledger.store.tables import charges, usage_records
from pricing.rate_entry import RateEntry

# A prompt is just over a step up to so much of its bound.
NEAR = 10


class Step(NamedTuple):
    """A price step of a price entry: the inclusive end `bound` of the cheaper tier, and the label of the dearer."""

    rate_entry_id: int
    bound: int
    tier: str


class OverStep(NamedTuple):
    """Requests of a project and model at most a tenth over a step, of one conversion, at what they cost together.

    `cached_tokens` are those that would be read from cache in prompts of exactly the bound's tokens: the uncached part
    of each is cut first.
    """

    project: str
    model: str
    step: Step
    per_usd_nano: int | None
    requests: int
    cached_tokens: int
    output_tokens: int
    amount_nano: int


def steps_of(rate_entry_id: int, entry: RateEntry) -> list[Step]:
    """Returns the steps of a price entry, several to one bound where the tiers above it differ by output too."""
    bounds = sorted({tier.up_to for tier in entry.tiers if tier.up_to is not None})
    below = {upper: lower for lower, upper in zip(bounds, [*bounds[1:], None], strict=True)}
    return [Step(rate_entry_id, below[tier.up_to], tier.label) for tier in entry.tiers if tier.up_to in below]


def read_over_steps(
    connection: Connection, selection: Selection, month: str, steps: Sequence[Step]
) -> Iterator[OverStep]:
    """Sums the requests just over a step, of a month's own usage and the selection's projects and models.

    Of what was taken back in the month nothing is left. Those that wrote to the cache or called tools are left out: a
    shorter prompt doesn't say what it would have written. All charges of the ledger are looked at: roll-ups are much
    faster.
    """
    usage, halves = usage_records, connection.dialect.name == "sqlite"
    by_step = {(step.rate_entry_id, step.tier): step for step in steps}
    at = [(_is_step(step), step.bound) for step in steps]
    sign = case((charges.c.charge_class == "reversal", literal_int(-1)), else_=literal_int(1))
    cached: ColumnElement[int] = case(
        *((and_(is_step, usage.c.cached_input_tokens > bound), literal_int(bound)) for is_step, bound in at),
        else_=usage.c.cached_input_tokens,
    )
    measures: list[ColumnElement[int]] = [
        sign, sign * cached, sign * usage.c.output_tokens, charges.c.amount_nano
    ]  # fmt: skip
    group = [charges.c[name] for name in ("project", "billed_model", "rate_entry_id", "tier", "conversion_id")]
    just_over = or_(*(and_(is_step, usage.c.input_tokens <= bound + bound // NEAR) for is_step, bound in at))
    query = (
        select(*group, *(func.sum(term) for measure in measures for term in terms_of(measure, halves=halves)))
        .join_from(charges, usage, usage.c.id == charges.c.usage_record_id)
        .where(charges.c.posted_month == month, charges.c.occurred_month == month, just_over)
        .where(*(usage.c[name].is_(None) for name in Facts._fields[OPTIONAL_COUNTS]))
        .where(narrowed(selection, charges.c.project, charges.c.billed_model))
        .group_by(*group)
    )
    usd_rates = read_usd_rates(connection)
    for project, model, entry_id, tier, conversion_id, *sums in connection.execute(query):
        found = joined(sums, halves=halves)
        yield OverStep(project, model, by_step[entry_id, tier], usd_rates[conversion_id], *found)


def _is_step(step: Step) -> ColumnElement[bool]:
    return and_(charges.c.rate_entry_id == step.rate_entry_id, charges.c.tier == step.tier)
