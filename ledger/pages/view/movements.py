"""The reason why a month cost more or less than the one before: by project, then by cause."""

from __future__ import annotations

from ledger.pages.figures.month import MonthFigures
from ledger.pages.view.blocks import Cell, Heading, Section, Table, cell, movement_bars
from ledger.pages.view.verdict import as_of, places_of
from ledger.pages.view.words import Text, cause_name, money, month_name, name, signed
from ledger.reports.bridge.values import Bridge, Movement
from ledger.values.words import counted, listed

TOP = 4
METHOD = (
    "Causes are told apart one after the other in this order, for each project and model, over whole numbers: "
    "they add up to the change. Method: docs/decisions/0023."
)


def movements_section(figures: MonthFigures) -> Section:
    """Shows the way from the month before to this one, as two charts that are tables."""
    bridge = figures.bridge
    if bridge is None or figures.previous is None:
        word = month_name(figures.previous_month, beside=figures.month)
        return Section("why", ("Why it moved",), ((f"Nothing is booked in {word}: there is nothing to compare.",),))
    places = places_of(figures)
    change = signed(bridge.after_nano - bridge.before_nano, places)
    before = money(bridge.before_nano, places)
    heading = f"Why it moved: {before} → {money(bridge.after_nano, places)} USD, {change}"
    lines: tuple[Text, ...] = ()
    if figures.previous_until is not None:
        word = month_name(figures.previous_month, beside=figures.month)
        lines = ((f"Compared with {word} up to {as_of(figures.previous_until, figures)}.",),)
    tables = (_by_project(bridge, places), _by_cause(bridge, places))
    return Section("why", (heading,), lines, tables, note=(_unchanged(bridge) + METHOD,))


def _by_project(bridge: Bridge, places: int) -> Table:
    moved = [each for each in bridge.by_project if each.before_nano or each.after_nano]
    top, rest = moved[:TOP], moved[TOP:]
    if rest:
        others = Movement("", sum(each.before_nano for each in rest), sum(each.after_nano for each in rest))
        top.append(others)
    bars = movement_bars([each.change_nano for each in top])
    rows = [
        (
            Cell((name(each.project),)) if each.project or not rest else cell(counted(len(rest), "other")),
            Cell((), bar=bar),
            cell(
                signed(each.change_nano, places),
                note=(f"{money(each.before_nano, places)} → {money(each.after_nano, places)}",),
            ),
        )
        for each, bar in zip(top, bars, strict=True)
    ]
    headings = (Heading("by project"), Heading("", "bar"), Heading("USD", "number"))
    return Table("Change by project, in USD", headings, tuple(rows), narrow=True)


def _by_cause(bridge: Bridge, places: int) -> Table:
    moved = [(cause, change) for cause, change in bridge.by_cause if change]
    bars = movement_bars([change for _cause, change in moved])
    rows = [
        (cell(cause_name(cause, change)), Cell((), bar=bar), cell(signed(change, places)))
        for (cause, change), bar in zip(moved, bars, strict=True)
    ]
    headings = (Heading("by cause"), Heading("", "bar"), Heading("USD", "number"))
    total = (cell("all"), Cell(()), cell(signed(bridge.after_nano - bridge.before_nano, places)))
    return Table("Change by cause, in USD", headings, tuple(rows), total, narrow=True)


def _unchanged(bridge: Bridge) -> str:
    still = [cause_name(cause, 0) for cause, change in bridge.by_cause if not change]
    return f"No change by {listed(still)}. " if still else ""
