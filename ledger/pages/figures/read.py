"""The figures of a month, read from one snapshot of a ledger."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta

from ledger.book.open_months import standing_close
from ledger.book.prices.pinned import read_used_prices
from ledger.budgets.definitions import read_schedules
from ledger.errors import LedgerError
from ledger.pages.figures.budgets import read_budgets
from ledger.pages.figures.crossings import read_crossings
from ledger.pages.figures.days import month_days, read_daily
from ledger.pages.figures.levers import find_levers
from ledger.pages.figures.month import Close, MonthFigures, Totals
from ledger.pages.figures.month_spend import cache_economics, month_parts, read_month_spend
from ledger.pages.figures.movements import TwoMonths, bridge_of, read_two_months
from ledger.pages.figures.oddities import find_oddities
from ledger.pages.figures.ranking import ranked
from ledger.pages.figures.wallets import read_wallets
from ledger.reports.completeness import Completeness, read_not_booked, read_silences
from ledger.reports.conversion_notes import read_conversion_notes
from ledger.reports.extent import read_data_through
from ledger.reports.selection import Selection
from ledger.reports.snapshot import Snapshot
from ledger.reports.spend import SelectedSpend, last_usage
from ledger.reports.tally import tally_of_all
from ledger.reports.unbooked import read_unbooked_calls
from ledger.reports.unknown import unknown_in_selection
from ledger.store.database import Database
from ledger.values.periods import Span, parse_month


def read_month(
    database: Database,
    month: str,
    *,
    project: str | None = None,
    rows: bool = False,
    expectations: Mapping[str, timedelta] | None = None,
    now: datetime,
) -> MonthFigures:
    """Reads the figures of a month, YYYY-MM or `last`, or of one project's part of it.

    Those of a closed month are as of its close: neither `now` nor what came later, nor the `expectations` that
    `[[source]]` declares, changes them. `rows` reads the rows of any number of requests. LedgerError for a month to
    come.
    """
    span = parse_month(month, zone=database.zone, now=now)
    assert span.start is not None
    if span.start > now:
        raise LedgerError(f"--month {span.label} has not begun: give this month or an earlier one")
    with database.reading() as connection:
        snapshot = Snapshot.of(connection, database)
        return _read(snapshot, span, project, rows=rows, expectations=expectations or {}, now=now)


def _read(
    snapshot: Snapshot,
    span: Span,
    project: str | None,
    *,
    rows: bool,
    expectations: Mapping[str, timedelta],
    now: datetime,
) -> MonthFigures:
    connection, zone = snapshot.connection, snapshot.zone
    assert span.month is not None
    assert span.end is not None
    closing = standing_close(connection, span.month)
    close = closing and Close(closing.at, closing.number, closing.reason if closing.forced else None)
    at = span.end if close is not None else now
    selection = Selection(zone, span.start, span.end, projects=() if project is None else (project,))
    schedules = read_schedules(connection)
    months = read_two_months(snapshot.spend, selection, span, now=at)
    spend = read_month_spend(snapshot, selection)
    daily = read_daily(snapshot, spend)
    levers = find_levers(snapshot, spend, schedules, rows=rows)
    budgets = read_budgets(snapshot, schedules, span.month, project, at=at, is_closed=close is not None)
    names = {each.budget.name for each in budgets}
    prices = read_used_prices(connection, span.month, project)
    has_before, is_closed = bool(months.before.rows), close is not None
    completeness = _completeness(snapshot, selection, months, is_closed=is_closed, expectations=expectations, at=at)
    return MonthFigures(
        month=span.month,
        zone=zone,
        at=at,
        close=close,
        project=project,
        total=_totals(months.after),
        previous=_totals(months.before) if has_before else None,
        previous_until=None if months.compared.month is not None else months.compared.end,
        completeness=completeness,
        budgets=budgets,
        wallets=() if project is not None else read_wallets(snapshot, span.month, now=at),
        bridge=bridge_of(months) if has_before else None,
        levers=levers.found,
        projects=ranked(months, "project", has_before=has_before),
        models=ranked(months, "model", has_before=has_before),
        days=month_days(spend, daily, now=at),
        oddities=find_oddities(snapshot, spend, daily, now=at),
        parts=month_parts(spend),
        cache=cache_economics(spend),
        crossings=tuple(each for each in read_crossings(snapshot, schedules, selection) if each.budget in names),
        conversions=prices.conversions,
        conversion_notes=read_conversion_notes(snapshot, selection, completeness.data_through),
        rate_entries=prices.rate_entries,
        unbooked_calls=read_unbooked_calls(connection, selection, zone),
        rows=rows,
        rows_skipped=levers.rows_skipped,
        without_rows=levers.without_rows,
        notes=(
            *unknown_in_selection(connection, selection, months.after.rows, snapshot.rollup_tags),
            *map(_looked_for, levers.without_rows),
        ),
    )


def _looked_for(without: str) -> str:
    return f"prompts just over a price step were looked for {without}"


def _totals(spend: SelectedSpend) -> Totals:
    tally = tally_of_all(spend)
    requests, input_tokens, _cached, output_tokens, _reasoning = tally.counts
    return Totals(tally.usd_nano, requests, input_tokens + output_tokens)


def _completeness(
    snapshot: Snapshot,
    selection: Selection,
    months: TwoMonths,
    *,
    is_closed: bool,
    expectations: Mapping[str, timedelta],
    at: datetime,
) -> Completeness:
    """Reads how complete the figures are; of a closed month only what its close settled, and no silence of a source."""
    assert selection.end is not None
    silent = (
        ()
        if is_closed
        else read_silences(snapshot.connection, expectations, ledger_zone=snapshot.zone, at=min(at, selection.end))
    )
    return Completeness(
        read_data_through(snapshot, selection, last_usage(months.after.rows)),
        read_not_booked(snapshot.connection, selection),
        silent,
    )
