"""The dearest projects and models, and what could be done to spend less."""

from __future__ import annotations

from collections.abc import Sequence

from ledger.pages.figures.levers import MOST_ROWS
from ledger.pages.figures.month import MonthFigures
from ledger.pages.figures.values import Lever, Ranked
from ledger.pages.view.blocks import Cell, Heading, Section, Table, cell, share_bar
from ledger.pages.view.verdict import places_of
from ledger.pages.view.words import Text, change_percent, money, name, percent, rates
from ledger.values.words import counted

TOP = 5
SKIPPED = (
    f"Prompts just over a price step were not looked for, as the month has more than {MOST_ROWS:,} requests: "
    "--rows reads them."
)


def levers_section(figures: MonthFigures) -> Section:
    """Shows the ways to spend less, in the order in which they were found."""
    left_out = [f"Prompts just over a price step were looked for {text}." for text in figures.without_rows]
    skipped: Text = (SKIPPED,) if figures.rows_skipped else (" ".join(left_out),) if left_out else ()
    if not figures.levers:
        lines: tuple[Text, ...] = () if skipped else (("Nothing that would have saved 1 % of the month.",),)
        return Section("levers", ("What to do",), lines, note=skipped)
    places = places_of(figures)
    rows = tuple(
        (Cell(_advice(each), ("of ", name(each.owner)) if each.owner else ()), cell(money(each.saving_nano, places)))
        for each in figures.levers
    )
    headings = (Heading("the month would have cost less by"), Heading("USD", "number"))
    table = Table("Ways to spend less", headings, rows, narrow=True)
    return Section("levers", ("What to do",), tables=(table,), note=skipped)


def _advice(lever: Lever) -> Text:
    where: Text = (name(lever.project),) if lever.model is None else (name(lever.project), ", ", name(lever.model))
    if lever.kind == "price_step":
        bound = f"{lever.bound or 0:,}"
        over = f"{counted(lever.requests, 'prompt')} just over {bound} tokens"
        words = f"{over}: with {bound} or fewer the price step is lower"
    elif lever.kind == "uncached_prefix":
        share, possible = percent(lever.share or 0), percent(lever.possible_share or 0)
        words = f"{share} of the input is read from cache, it has been {possible}: begin prompts alike again"
    else:
        words = "what the cache stores costs more than it saves: keep it for a shorter time"
    return (*where, f": {words}")


def top_section(figures: MonthFigures) -> Section:
    """Shows the top five projects and models."""
    tables = [] if figures.project is not None else [_table("project", figures.projects, figures)]
    tables.append(_table("model", figures.models, figures))
    return Section("top", ("Where it went",), tables=tuple(table for table in tables if table.rows))


def _table(noun: str, ranked: Sequence[Ranked], figures: MonthFigures) -> Table:
    whole, places = figures.total.usd_nano, places_of(figures)
    before = None if figures.previous is None else figures.previous.usd_nano
    label = f"all {len(ranked):,}" if len(ranked) > TOP else "all"
    all_ = Ranked(label, whole, before, figures.total.requests, figures.total.tokens)
    shown = [*ranked[:TOP], all_]
    requests = rates([(each.usd_nano, each.requests) for each in shown], 1)
    tokens = rates([(each.usd_nano, each.tokens) for each in shown], 1_000_000)
    *rows, total = [
        (
            Cell((each.name if each is all_ else name(each.name),)),
            cell(money(each.usd_nano, places)),
            cell(change_percent(each.usd_nano, each.previous_nano)),
            _share(each.usd_nano, whole),
            cell(a_request),
            cell(a_million),
        )
        for each, a_request, a_million in zip(shown, requests, tokens, strict=True)
    ]
    headings = (
        Heading(noun),
        Heading("USD", "number"),
        Heading("change", "number"),
        Heading("share", "bar"),
        Heading("a request", "number"),
        Heading("1M tokens", "number"),
    )
    return Table(f"Top {noun}s by cost, in USD", headings, tuple(rows), total)


def _share(part: int, whole: int) -> Cell:
    if whole <= 0:
        return cell("—")
    return cell(percent(max(part, 0), whole), bar=share_bar(part, whole))
