"""The projects and models of a month, dearest first, with what they cost the month before."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal, TypeAlias

from ledger.pages.bridge import CELLS
from ledger.pages.figures import Ranked
from ledger.pages.movements import TwoMonths
from ledger.reports.spend import SelectedSpend
from ledger.reports.tally import Tally, tallied

Of: TypeAlias = Literal["project", "model"]


def ranked(months: TwoMonths, of: Of, *, has_before: bool = True) -> tuple[Ranked, ...]:
    """Ranks all projects or models of either month, as the report by them that compares the months lists them.

    `previous_nano` is 0 of what the month before lacks, and None where `has_before` says that there was no such month.
    """
    now, then = _by_name(months.after, of), _by_name(months.before, of) if has_before else {}

    def row(name: str) -> Ranked:
        tally, previous = now.get(name) or Tally(), then.get(name) or Tally()
        requests, input_tokens, _cached, output_tokens, _reasoning = tally.counts
        previous_nano = previous.usd_nano if has_before else None
        return Ranked(name, tally.usd_nano, previous_nano, requests, input_tokens + output_tokens)

    return tuple(sorted(map(row, {**now, **then}), key=lambda one: (-one.usd_nano, one.name)))


def _by_name(spend: SelectedSpend, of: Of) -> dict[str, Tally]:
    place = CELLS.index(of)
    rows = [row._replace(dimensions=row.dimensions[place : place + 1]) for row in spend.rows]
    tallies, _whole = tallied(replace(spend, rows=rows))
    return {str(name): tally for (name,), tally in tallies.items()}
