"""The details after the first page: late usage and corrections, the cache, thresholds, and the page's own facts."""

from __future__ import annotations

import shlex

from ledger.pages.figures.month import PAGE_VERSION, MonthFigures
from ledger.pages.view.blocks import Cell, Heading, Section, Table, cell
from ledger.pages.view.verdict import as_of, places_of
from ledger.pages.view.words import MINUS, Text, day_name, month_name, name, percent, signed, usd
from ledger.values.safe_text import visible
from ledger.values.words import counted
from pricing.money import format_nano

KINDS = {"late": "late usage", "correction": "correction", "adjustment": "adjustment"}


def parts_section(figures: MonthFigures) -> Section:
    """Shows what of the total belongs to other months."""
    heading: Text = ("Late usage and corrections",)
    if not figures.parts:
        return Section("parts", heading, (("All of it is usage of the month itself.",),))
    places = places_of(figures)
    rows = tuple(
        (
            cell(month_name(each.occurred_month)),
            cell(KINDS[each.kind]),
            cell(f"{each.requests:,}".replace("-", MINUS)),
            cell(signed(each.usd_nano, places)),
        )
        for each in figures.parts
    )
    headings = (Heading("of"), Heading("what"), Heading("requests", "number"), Heading("USD", "number"))
    table = Table("Part of the total, by the month it belongs to", headings, rows, narrow=True)
    return Section("parts", heading, tables=(table,))


def cache_section(figures: MonthFigures) -> Section:
    """Shows how much of the input came from cache, what that saved, and what storage cost."""
    cache, places = figures.cache, places_of(figures)
    if cache is None or cache.input_tokens <= 0:
        return Section("cache", ("Cache",), (("No input was read.",),))
    if not (cache.cached_input_tokens or cache.storage_nano):
        return Section("cache", ("Cache",), (("None of the input was read from cache.",),))
    saved = f"saved {usd(cache.saved_nano, places)}"
    stored = f"storage cost {usd(cache.storage_nano, places)}"
    share = percent(cache.cached_input_tokens, cache.input_tokens)
    tokens = f"{cache.cached_input_tokens:,} of {cache.input_tokens:,} input tokens"
    net = f"together {signed(cache.saved_nano - cache.storage_nano, places)} USD"
    return Section("cache", ("Cache",), ((f"{share} of the input was read from cache ({tokens}).",),
                                         (f"That {saved}; {stored}; {net}.",)))  # fmt: skip


def crossings_section(figures: MonthFigures) -> Section:
    """Shows when budgets reached their thresholds."""
    heading: Text = ("Thresholds reached",)
    if not figures.crossings:
        return Section("crossings", heading, (("No budget reached one.",),))
    rows = tuple(
        (
            Cell((name(each.budget),), () if each.period == figures.month else (each.period,)),
            cell(f"{each.percent} %"),
            cell(as_of(each.at, figures)),
        )
        for each in figures.crossings
    )
    headings = (Heading("budget"), Heading("reached", "number"), Heading("by", "number"))
    table = Table("Thresholds, to the quarter-hour", headings, rows, narrow=True)
    return Section("crossings", heading, tables=(table,))


def footer(figures: MonthFigures) -> tuple[Text, ...]:
    """Says what the figures rest on."""
    close = "" if figures.close is None else f"Close no. {figures.close.number}. "
    lines: list[Text] = [
        (f"Posted basis: usage counts in the month it is booked in. Times are {figures.zone.key}.",),
    ]
    for each in figures.conversions:
        since = day_name(each.effective_from.astimezone(figures.zone).date())
        checked = "" if each.checked_on is None else f", checked on {day_name(each.checked_on)}"
        lines.append((f"{format_nano(each.per_usd_nano)} {each.currency} = 1 USD since {since}{checked}.",))
    if figures.rate_entries:
        entries = counted(len(figures.rate_entries), "price entry", "price entries")
        names = [part for key in figures.rate_entries for part in (", ", name(key))][1:]
        lines.append((f"{entries}: ", *names))
    lines.append((f"{close}Page format {PAGE_VERSION}.",))
    return tuple(lines)


def commands(figures: MonthFigures, page_format: str) -> tuple[str, str]:
    """Returns the commands that say the control total, and that make the page again, in this format."""
    project = "" if figures.project is None else f" --project {_quoted(figures.project)}"
    rows = " --rows" if figures.rows else ""
    return (
        f"tollbook report --month {figures.month}{project}",
        f"tollbook budget report --month {figures.month} --format {page_format}{project}{rows}",
    )


def _quoted(text: str) -> str:
    """Returns a text as shells read it back; one with what can't be seen as $'…' of bash and zsh, by its numbers."""
    if visible(text) == text:
        return shlex.quote(text)
    seen = (each if visible(each) == each and each not in "\\'" else f"\\U{ord(each):08x}" for each in text)
    return f"$'{''.join(seen)}'"
