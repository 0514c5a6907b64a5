"""The figures of a page for programs: all that it says, exact."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal
from fractions import Fraction
from typing import TypeAlias, cast

from ledger.budgets.status import BudgetStatus
from ledger.pages.figures.budgets import state_of
from ledger.pages.figures.month import PAGE_VERSION, Close, MonthFigures, Totals
from ledger.pages.figures.values import CacheEconomics, Crossing, Lever, Ranked, WalletLine
from ledger.pages.view.blocks import Page
from ledger.pages.view.words import plain
from ledger.reports.bridge.values import Bridge, Movement
from ledger.reports.completeness import Completeness
from ledger.reports.completeness_words import not_booked_document, silence_documents
from ledger.reports.conversion_words import conversion_documents
from ledger.values.words import tenths
from pricing.money import Conversion, divide_half_even, nano_decimal

SCHEMA = 1

Value: TypeAlias = "str | int | bool | Decimal | date | datetime | Sequence[Value] | Mapping[str, Value] | None"


def document_of(figures: MonthFigures, page: Page) -> dict[str, Value]:
    """Returns all that the page says, as exact figures."""
    return {
        "schema": SCHEMA,
        "title": page.title,
        "verdict": " ".join(map(plain, page.verdict)),
        "month": figures.month,
        "timezone": figures.zone.key,
        "project": figures.project,
        "basis": "posted",
        "closed": figures.is_closed,
        **_close(figures.close),
        "as_of": figures.at,
        "page_version": PAGE_VERSION,
        "total": _totals(figures.total),
        "previous": _previous(figures),
        **_completeness(figures.completeness),
        "unbooked_tool_calls": figures.unbooked_calls,
        "wallets": [_wallet(each) for each in figures.wallets],
        "budgets": [_budget(each, figures.crossings) for each in figures.budgets],
        **_change(figures.bridge),
        "levers": [_lever(each) for each in figures.levers],
        "rows_skipped": figures.rows_skipped,
        **({"without_rows": list(figures.without_rows)} if figures.without_rows else {}),
        "projects": [_ranked("project", each, figures.total.usd_nano) for each in figures.projects],
        "models": [_ranked("model", each, figures.total.usd_nano) for each in figures.models],
        **_days(figures),
        "late_and_corrections": _parts(figures),
        "cache": _cache(figures.cache),
        "crossings": [
            {"budget": each.budget, "period": each.period, "percent": each.percent, "at": each.at}
            for each in figures.crossings
        ],
        "conversions": [_conversion(each) for each in figures.conversions],
        "rate_entries": list(figures.rate_entries),
        "control_total_usd": nano_decimal(figures.total.usd_nano),
        "report_command": page.report_command,
        "page_command": page.command,
        **_conversion_notes(figures),
    }


def _conversion_notes(figures: MonthFigures) -> dict[str, Value]:
    """Has no key without a note, as a closed month's page, which stays as it was, never has one."""
    notes = figures.conversion_notes
    return {"conversion_notes": cast("Value", conversion_documents(notes))} if notes else {}


def _close(close: Close | None) -> dict[str, Value]:
    if close is None:
        return {"closed_at": None, "close_number": None, "forced_reason": None}
    return {"closed_at": close.at, "close_number": close.number, "forced_reason": close.forced_reason}


def _previous(figures: MonthFigures) -> Value:
    if figures.previous is None:
        return None
    return {"month": figures.previous_month, "until": figures.previous_until, **_totals(figures.previous)}


def _change(bridge: Bridge | None) -> dict[str, Value]:
    if bridge is None:
        return {"change": None, "change_by_project": [], "change_by_cause": []}
    whole = Movement("", bridge.before_nano, bridge.after_nano)
    return {
        "change": _moved(whole),
        "change_by_project": [{"project": each.project, **_moved(each)} for each in bridge.by_project],
        "change_by_cause": [{"cause": cause, "change_usd": nano_decimal(change)} for cause, change in bridge.by_cause],
    }


def _moved(movement: Movement) -> dict[str, Value]:
    return {
        "before_usd": nano_decimal(movement.before_nano),
        "after_usd": nano_decimal(movement.after_nano),
        "change_usd": nano_decimal(movement.change_nano),
    }


def _days(figures: MonthFigures) -> dict[str, Value]:
    days = figures.days
    return {
        "days": [{"day": day, "usd": nano_decimal(nano)} for day, nano in days.actual],
        "days_expected": [{"day": day, "usd": nano_decimal(nano)} for day, nano in days.expected],
        "forecast": {
            "method": days.method,
            "low_usd": _usd(days.low_nano),
            "usd": _usd(days.forecast_nano),
            "high_usd": _usd(days.high_nano),
        },
        "odd": [
            {
                "kind": each.kind,
                "name": each.name,
                "usd": nano_decimal(each.usd_nano),
                "day": each.day,
                "low_usd": _usd(each.low_nano),
                "high_usd": _usd(each.high_nano),
            }
            for each in figures.oddities
        ],
    }


def _parts(figures: MonthFigures) -> Value:
    return [
        {
            "kind": each.kind,
            "occurred_month": each.occurred_month,
            "requests": each.requests,
            "usd": nano_decimal(each.usd_nano),
        }
        for each in figures.parts
    ]


def _cache(cache: CacheEconomics | None) -> Value:
    if cache is None:
        return None
    return {
        "input_tokens": cache.input_tokens,
        "cached_input_tokens": cache.cached_input_tokens,
        "saved_usd": nano_decimal(cache.saved_nano),
        "storage_usd": nano_decimal(cache.storage_nano),
    }


def _conversion(each: Conversion) -> Value:
    return {
        "currency": each.currency,
        "per_usd": nano_decimal(each.per_usd_nano),
        "effective_from": each.effective_from,
        "checked_on": each.checked_on,
    }


def _usd(nano: int | None) -> Decimal | None:
    return None if nano is None else nano_decimal(nano)


def _percent(part: Fraction | None) -> Decimal | None:
    """Returns a part in percent, rounded towards 0 to a tenth, as `budget status` has it."""
    return None if part is None else Decimal(tenths(part * 100))


def _each(nano: int, units: int, per: int) -> Decimal | None:
    return nano_decimal(divide_half_even(nano * per, units)) if units > 0 else None


def _totals(totals: Totals) -> dict[str, Value]:
    return {
        "usd": nano_decimal(totals.usd_nano),
        "requests": totals.requests,
        "tokens": totals.tokens,
        "usd_per_1000_requests": _each(totals.usd_nano, totals.requests, 1_000),
    }


def _completeness(found: Completeness) -> dict[str, Value]:
    return {
        "data_through": found.data_through,
        "not_booked": cast("Value", not_booked_document(found.not_booked)),
        "silent": cast("Value", silence_documents(found.silent)),
    }


def _wallet(line: WalletLine) -> dict[str, Value]:
    lasts = {
        f"lasts_days_at_{window}_day_rate": None if days is None else int(days) for window, days in line.lasts_days
    }
    return {
        "provider": line.provider,
        "currency": line.currency,
        "balance": nano_decimal(line.balance_nano),
        **lasts,
        "expiring": nano_decimal(line.expiring_nano),
        "expires_first": line.expires_first,
    }


def _budget(status: BudgetStatus, crossings: Sequence[Crossing]) -> dict[str, Value]:
    found = status.forecast
    return {
        "budget": status.budget.name,
        "owner": status.budget.owner,
        "period": status.label,
        "currency": status.budget.amount.currency,
        "amount": nano_decimal(status.amount_nano),
        "actual": nano_decimal(status.actual_nano),
        "left": nano_decimal(status.left_nano),
        "used_percent": _percent(status.used),
        "state": state_of(status, crossings),
        "crossed": list(status.crossed),
        "not_compared": list(status.other),
        "forecast_method": None if found is None else found.method,
        "forecast_low": None if found is None else _usd(found.low),
        "forecast": None if found is None else _usd(found.expected),
        "forecast_high": None if found is None else _usd(found.high),
        "runs_out": status.runs_out,
    }


def _lever(lever: Lever) -> dict[str, Value]:
    return {
        "kind": lever.kind,
        "project": lever.project,
        "model": lever.model,
        "owner": lever.owner,
        "saving_usd": nano_decimal(lever.saving_nano),
        "requests": lever.requests,
        "bound": lever.bound,
        "share_percent": _percent(lever.share),
        "possible_share_percent": _percent(lever.possible_share),
    }


def _ranked(noun: str, each: Ranked, whole_nano: int) -> dict[str, Value]:
    return {
        noun: each.name,
        "usd": nano_decimal(each.usd_nano),
        "previous_usd": _usd(each.previous_nano),
        "share_percent": _percent(Fraction(each.usd_nano, whole_nano)) if whole_nano > 0 else None,
        "requests": each.requests,
        "tokens": each.tokens,
        "usd_per_request": _each(each.usd_nano, each.requests, 1),
        "usd_per_1m_tokens": _each(each.usd_nano, each.tokens, 1_000_000),
    }
