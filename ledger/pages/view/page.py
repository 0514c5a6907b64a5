"""The page of a month in words: what HTML and Markdown both show."""

from __future__ import annotations

from ledger.pages.figures.month import MonthFigures
from ledger.pages.view.blocks import Page
from ledger.pages.view.budgets import budgets_section
from ledger.pages.view.days import days_section, odd_section
from ledger.pages.view.details import cache_section, commands, crossings_section, footer, parts_section
from ledger.pages.view.movements import movements_section
from ledger.pages.view.ranking import levers_section, top_section
from ledger.pages.view.verdict import facts, verdict
from ledger.pages.view.words import Text, month_name, name, plain
from ledger.values.words import grouped
from pricing.money import format_nano


def page_of(figures: MonthFigures, page_format: str = "html") -> Page:
    """Words the figures of a month; one without usage says so, and has no more than its budgets.

    `page_format` is that of `budget report` which the page is for: it names the command that makes the page again.
    """
    scope: Text = () if figures.project is None else (" · project ", name(figures.project))
    kicker: Text = ("Spend report", *scope, f" · {figures.zone.key}")
    title = plain((month_name(figures.month), *scope, " · spend report"))
    is_empty = not figures.total.requests and not figures.total.usd_nano
    first = [budgets_section(figures)]
    details = [parts_section(figures)] if is_empty and figures.parts else []
    if not is_empty:
        first += [movements_section(figures), levers_section(figures), top_section(figures)]
        details = [section(figures) for section in (days_section, odd_section, parts_section, cache_section)]
        details.append(crossings_section(figures))
    report, again = commands(figures, page_format)
    return Page(
        title=title,
        kicker=kicker,
        verdict=verdict(figures),
        facts=facts(figures),
        first=tuple(first),
        details=tuple(details),
        footer=footer(figures),
        control=f"Control total {grouped(format_nano(figures.total.usd_nano))} USD",
        report_command=report,
        command=again,
    )
