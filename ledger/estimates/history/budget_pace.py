"""A budget's month: its cost so far, its rate, and its end with a change on top."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from typing import TYPE_CHECKING

from ledger.errors import LedgerError
from ledger.estimates.history.profile import MONTH_DAYS
from ledger.values.budget import Budget
from ledger.values.periods import month_span, parse_last, time_with_usage
from pricing.errors import shown
from pricing.money import NANO, format_nano, usd_fraction

if TYPE_CHECKING:
    from ledger.store.database import Database
    from pricing.rate_card import RateCard

# Four whole weeks, so that weekdays weigh alike whichever day it is.
TRAILING = "672h"


@dataclass(frozen=True, slots=True)
class BudgetPace:
    """A budget in a calendar month of the ledger's zone; amounts are USD, exact.

    `limit_usd` is the budget's amount. `month_to_date_usd` is what is booked in the month, as `report --month`
    says. `run_rate_usd` is for 30 days, at the pace of the last `run_days`. `days_left` of the month are to come.
    """

    budget: Budget
    month: str
    limit_usd: Fraction
    month_to_date_usd: Fraction
    run_rate_usd: Fraction
    run_days: Fraction
    days_left: Fraction

    def projected_usd(self, change_usd_per_month: Fraction) -> Fraction:
        """Projects the whole month, where each 30 days cost that much more from now on.

        With 50 spent, a run rate of 75, a change of 15 and 10 days left: 50 + (75 + 15) × 10 / 30 = 80.
        """
        return self.month_to_date_usd + (self.run_rate_usd + change_usd_per_month) * self.days_left / MONTH_DAYS


def budget_pace(database: Database, budget: Budget, *, now: datetime) -> BudgetPace:
    """Reads the budget's pace in the month of `now`, from one snapshot's roll-ups.

    The run rate is of what occurred in the 28 days up to the end of this quarter-hour. Where the budget's projects and
    models had their first request within them, it is of the time since; a day at least.
    """
    from ledger.book.prices.in_force import cards_in_force
    from ledger.reports.extent import first_request
    from ledger.reports.selection import Selection
    from ledger.reports.spend import read_spend

    zone = database.zone
    month = month_span(f"{now.astimezone(zone):%Y-%m}", zone)
    lately = parse_last(TRAILING, zone=zone, now=now)
    assert month.end is not None
    assert lately.start is not None
    assert lately.end is not None
    of_budget = Selection(zone, dimensions=(), projects=budget.projects, models=budget.models)
    with database.reading() as connection:

        def usd(selection: Selection) -> Fraction:
            spend = read_spend(connection, selection, ledger_zone=zone, rollup_tags=database.rollup_tags)
            return usd_fraction((row.sums.amount_nano, row.per_usd_nano) for row in spend.rows)

        limit = _limit_usd(budget, cards_in_force(connection).values(), now)
        to_date = usd(replace(of_budget, start=month.start, end=month.end))
        spent = usd(replace(of_budget, start=lately.start, end=lately.end, basis="occurred"))
        first = first_request(connection, of_budget, ledger_zone=zone)
    run_days = _days(time_with_usage(lately.start, lately.end, first))
    days_left = _days(month.end - now.astimezone(UTC))
    return BudgetPace(budget, month.label, limit, to_date, spent * MONTH_DAYS / run_days, run_days, days_left)


def _limit_usd(budget: Budget, cards: Iterable[RateCard], now: datetime) -> Fraction:
    """The budget's amount in USD at the one conversion in effect now, else LedgerError."""
    amount = budget.amount
    if amount.currency == "USD":
        return Fraction(amount.nano, NANO)
    in_effect = {card.provider: card.conversion_at(now) for card in cards if card.currency == amount.currency}
    rates = {provider: found.per_usd_nano for provider, found in in_effect.items() if found is not None}
    if len(set(rates.values())) == 1:
        return Fraction(amount.nano, *set(rates.values()))
    name = f"budget {shown(budget.name)} is in {amount.currency}"
    if not rates:
        raise LedgerError(f"{name}, which no rate card is in: give its amount in usd")
    differing = " and ".join(f"{format_nano(rate)} for 1 USD by {provider}" for provider, rate in sorted(rates.items()))
    raise LedgerError(f"{name}, which is {differing}: give its amount in usd")


def _days(time: timedelta) -> Fraction:
    return Fraction(time // timedelta(microseconds=1), timedelta(days=1) // timedelta(microseconds=1))
