"""Sums of workloads' months, as gates compare them."""

from __future__ import annotations

from collections.abc import Sequence

from ledger.errors import LedgerError
from ledger.estimates.changes.causes import USD, CountingPart
from ledger.estimates.changes.compare import Comparison
from ledger.estimates.workloads.document import Total, WorkloadEntry
from ledger.values.amounts import Amount, unit_of
from pricing.money import NANO, parse_units


def counting_of(comparison: Comparison, workloads: Sequence[WorkloadEntry]) -> CountingPart:
    """Sums the parts of workloads' changes by counting; amounts are of one currency where they matter."""
    found = [comparison.counting[workload.name] for workload in workloads if workload.name in comparison.counting]
    return CountingPart(sum(part.usd for part in found), sum(part.amount for part in found))


def amount_nano(parts: Sequence[Total | WorkloadEntry], limit: Amount) -> int:
    """Sums a month in the limit's currency, USD by each part's own; LedgerError where something is in another."""
    if limit.currency == USD:
        usd = (part.usd if isinstance(part, Total) else part.usd_per_month for part in parts)
        return sum(parse_units(each or "0", NANO) for each in usd)
    amounts = [
        (part.currency or "", part.amount if isinstance(part, Total) else part.amount_per_month) for part in parts
    ]
    others = {unit_of(currency) for currency, amount in amounts if amount is not None} - {unit_of(limit.currency)}
    if others:
        units = " and ".join(sorted(others))
        raise LedgerError(f"the limit {limit.text} can't be compared with prices in {units}: give it in usd")
    return sum(parse_units(amount, NANO) for _currency, amount in amounts if amount is not None)
