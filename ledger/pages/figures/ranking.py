"""The projects and models of a month, dearest first, with what they cost the month before."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from ledger.pages.figures.movements import TwoMonths
from ledger.pages.figures.values import Ranked
from ledger.reports.bridge.bridge import CELLS
from ledger.reports.spend import SelectedSpend
from ledger.values.spend import Convertible
from pricing.money import round_usd

Of: TypeAlias = Literal["project", "model"]


@dataclass(slots=True)
class _Use:
    requests: int = 0
    tokens: int = 0
    nano: Convertible = field(default_factory=Convertible)

    @property
    def is_nothing(self) -> bool:
        return not (self.requests or self.tokens or any(self.nano.values()))


def ranked(months: TwoMonths, of: Of, *, has_before: bool = True) -> tuple[Ranked, ...]:
    """Ranks all projects or models of either month, as the report by them that compares the months lists them.

    `previous_nano` is 0 of what the month before lacks, and None where `has_before` says that there was no such month.
    """
    now, then = _by_name(months.after, of), _by_name(months.before, of) if has_before else {}
    found = [_ranked(name, now.get(name) or _Use(), then.get(name), has_before) for name in {**now, **then}]
    return tuple(sorted(found, key=lambda one: (-one.usd_nano, one.name)))


def _ranked(name: str, use: _Use, before: _Use | None, has_before: bool) -> Ranked:
    previous_nano = 0 if before is None else round_usd(before.nano.usd)
    return Ranked(name, round_usd(use.nano.usd), previous_nano if has_before else None, use.requests, use.tokens)


def _by_name(spend: SelectedSpend, of: Of) -> dict[str, _Use]:
    """Sums by project or model, except those that were taken back whole."""
    place = CELLS.index(of)
    found: defaultdict[str, _Use] = defaultdict(_Use)
    for row in spend.rows:
        use, sums = found[str(row.dimensions[place])], row.sums
        use.requests += sums.requests
        use.tokens += sums.input_tokens + sums.output_tokens
        use.nano[row.per_usd_nano] += sums.amount_nano
    return {name: use for name, use in found.items() if not use.is_nothing}
