"""A digest: the page of a month in a few lines, told once a week or month over each channel. Decision 0024."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from ledger.book.open_months import standing_closes
from ledger.budgets.alerts import Alert, DigestKind
from ledger.budgets.events import read_told
from ledger.pages.document import Value, document_of
from ledger.pages.figures.month import MonthFigures
from ledger.pages.figures.read import read_month
from ledger.pages.html import to_html
from ledger.pages.tidy import plain_value
from ledger.pages.view.blocks import Page
from ledger.pages.view.budgets import TOLD, budget_lines
from ledger.pages.view.page import page_of
from ledger.pages.view.verdict import places_of
from ledger.pages.view.words import money, name, plain, signed, usd
from ledger.store.database import Database
from ledger.values.budget_periods import period_label, period_start
from ledger.values.calendar import shift_month

# From this day on a month that isn't closed yet is told as open.
OPEN_FROM_DAY = 3
MOST_MOVEMENTS = 3
# What a digest has of the page's document.
PARTS = (
    "verdict", "month", "timezone", "basis", "closed", "closed_at", "close_number", "forced_reason", "as_of", "total",
    "previous", "data_through", "not_booked", "silent", "change",
)  # fmt: skip


class Due(NamedTuple):
    """A digest to be told: the period that it is known by, and the month whose page it is of."""

    period: str
    month: str


def new_digests(
    database: Database,
    kind: DigestKind,
    channel: str,
    *,
    page_url: str | None,
    expectations: Mapping[str, timedelta],
    now: datetime,
) -> list[Alert]:
    """Returns the digests that are due and that the channel wasn't told yet, by month.

    `page_url` is where pages stand, with {month} in it; `expectations` are as for a page.
    """
    local = now.astimezone(database.zone)
    with database.reading() as connection:
        told = {each.period for each in read_told(connection) if (each.kind, each.name) == (kind, channel)}
        closes = {row.month: row.number for row in standing_closes(connection)}
    due = [_week_before(local)] if kind == "weekly" else _months(closes, told, local)
    found = []
    for each in due:
        if each.period not in told:
            figures = read_month(database, each.month, expectations=expectations, now=now)
            # A month may have been closed since.
            close_number = None if figures.close is None else figures.close.number
            period = each.period if kind == "weekly" else _month_period(each.month, close_number)
            found.append(Alert(kind, channel, period, content=_content(kind, period, figures, page_url)))
    return found


def _week_before(local: datetime) -> Due:
    """Returns the digest of the ISO week that ended last: of the month that most of its days lie in."""
    monday = period_start(local.date() - timedelta(days=7), "week")
    return Due(period_label(monday, "week"), f"{monday + timedelta(days=3):%Y-%m}")


def _months(closes: Mapping[str, int], told: Collection[str], local: datetime) -> Iterator[Due]:
    """Yields the digests of closed months that were told before, of a later one closed last, and of one still open.

    `closes` are the numbers of the closes in force by month.
    """
    known, last = {period[:7] for period in told}, max(closes, default="")
    for month, number in closes.items():
        if month in known or month == last > max(known, default=""):
            yield Due(_month_period(month, number), month)
    before = shift_month(f"{local:%Y-%m}", -1)
    if local.day >= OPEN_FROM_DAY and before not in closes:
        yield Due(_month_period(before, None), before)


def _month_period(month: str, close_number: int | None) -> str:
    """Names a month with its state, so that each is told: "2026-03 open", "2026-03 final", "2026-03 final, close 2"."""
    if close_number is None:
        return f"{month} open"
    return f"{month} final" if close_number == 1 else f"{month} final, close {close_number}"


def _content(kind: DigestKind, period: str, figures: MonthFigures, page_url: str | None) -> dict[str, object]:
    page = page_of(figures)
    url = None if page_url is None else page_url.replace("{month}", figures.month)
    return {
        "kind": kind,
        "title": f"{kind} digest, {period}",
        "lines": _lines(figures, page, url),
        "period": period,
        **_facts(document_of(figures, page)),
        "page_url": url,
        "page_html": to_html(page),
    }


def _facts(document: Mapping[str, Value]) -> dict[str, object]:
    """Returns the parts of a page's document that a digest has, of budgets those over or at risk."""
    whole: Any = plain_value(document)
    return {
        **{name: whole[name] for name in PARTS},
        "budgets": [each for each in whole["budgets"] if each["state"] in TOLD],
        "change_by_project": whole["change_by_project"][:MOST_MOVEMENTS],
    }


def _lines(figures: MonthFigures, page: Page, url: str | None) -> list[str]:
    """Returns the figures as people read them."""
    lines = [" ".join(map(plain, page.verdict))]
    lines += [f"{fact.label}: {plain(fact.text)}" for fact in page.facts if fact.tone == "warn"]
    lines += budget_lines(figures)
    places = places_of(figures)
    for each in () if figures.bridge is None else figures.bridge.by_project[:MOST_MOVEMENTS]:
        if each.change_nano:
            way = f"{money(each.before_nano, places)} → {usd(each.after_nano, places)}"
            lines.append(f"{plain((name(each.project),))} {signed(each.change_nano, places)}: {way}")
    return [*lines, f"page: {url}"] if url else lines
