"""Estimates added up, and a limit on their total."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Literal, NamedTuple, TypeAlias

from ledger.errors import LedgerError
from ledger.estimates.workloads.document import Total
from ledger.values.amounts import Amount, unit_of
from pricing.estimating.estimate import PromptEstimate
from pricing.money import format_nano, format_usd, round_usd, usd_fraction

GateOn: TypeAlias = Literal["expected", "high"]


class EstimateTotal(NamedTuple):
    """Requests added up, exact: nano of the card's currency, and USD."""

    amount_nano: Fraction
    amount_high_nano: Fraction
    usd: Fraction
    usd_low: Fraction
    usd_high: Fraction

    def document(self, currency: str, caveats: list[str]) -> Total:
        """Rounds each figure, half-even and once."""
        return Total(
            amount=format_nano(round(self.amount_nano)),
            currency=currency,
            usd=format_usd(self.usd),
            usd_low=format_usd(self.usd_low),
            usd_high=format_usd(self.usd_high),
            caveats=caveats,
        )


@dataclass(frozen=True, slots=True)
class Gate:
    """A limit on the total, expected or at the high end."""

    limit: Amount
    on: GateOn
    value: Amount
    passed: bool


def total_of(estimates: Sequence[PromptEstimate], times: Fraction | int) -> EstimateTotal:
    """Adds up the estimates, each `times` times."""
    expected, low, high = (
        [(getattr(estimate, end).amount_nano, estimate.per_usd_nano) for estimate in estimates]
        for end in ("expected", "low", "high")
    )
    amounts = (sum(amount_nano for amount_nano, _per_usd in parts) for parts in (expected, high))
    return EstimateTotal(
        *(times * Fraction(figure) for figure in (*amounts, *map(usd_fraction, (expected, low, high))))
    )


def add_up(parts: Iterable[tuple[Fraction | int, ...]]) -> EstimateTotal:
    """Adds up totals, or figures in their order."""
    nothing = (0,) * len(EstimateTotal._fields)
    return EstimateTotal(*(Fraction(sum(figures)) for figures in zip(nothing, *parts, strict=True)))


def check_unit(limit: Amount, currency: str, name: str) -> None:
    """Refuses a limit in a currency that is neither USD nor the card's."""
    if limit.currency not in ("USD", currency):
        units = " or ".join(dict.fromkeys((unit_of("USD"), unit_of(currency))))
        raise LedgerError(f"{name} {limit.text!r} is in {unit_of(limit.currency)}: the card's prices need {units}")


def hold(total: EstimateTotal, currency: str, limit: Amount, on: GateOn) -> Gate:
    """Compares as printed, in the total's `currency` or USD: the limit itself passes."""
    if limit.currency == currency:
        value_nano = round(total.amount_high_nano if on == "high" else total.amount_nano)
    else:
        value_nano = round_usd(total.usd_high if on == "high" else total.usd)
    return Gate(limit, on, Amount(value_nano, limit.currency), value_nano <= limit.nano)
