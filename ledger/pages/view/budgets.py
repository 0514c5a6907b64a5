"""The budgets of a month: those over, at risk or silent as rows, the others counted."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, TypeAlias

from ledger.budgets.status import BudgetStatus
from ledger.pages.figures.month import MonthFigures
from ledger.pages.figures.values import Crossing
from ledger.pages.view.blocks import Cell, Heading, Section, Table, Tone, cell, share_bar
from ledger.pages.view.words import Name, Text, day_name, fitting_places, money, name, percent, plain
from ledger.values.words import counted, listed

State: TypeAlias = Literal["over", "risk", "silent", "fine"]

# The first page has no room for more rows; the rest are in JSON and CSV, and in `budget status`.
MOST_ROWS = 5
TOLD: tuple[State, ...] = ("over", "risk")
"""The states that a digest tells of."""
TONES: dict[State, Tone] = {"over": "bad", "risk": "warn", "silent": "soft", "fine": ""}


def state_of(status: BudgetStatus, crossings: Sequence[Crossing]) -> State:
    """Tells whether a budget is over, at risk, without usage, or fine.

    It is at risk where an alert is reached, or 100 % by the forecast, or where an earlier period of the month was over.
    """
    if status.is_over:
        return "over"
    if status.crossed or status.will_be_over or status.crossed_by_forecast or _over_before(status, crossings):
        return "risk"
    return "fine" if status.actual_nano > 0 else "silent"


def budgets_section(figures: MonthFigures) -> Section:
    """Shows budgets worst first."""
    if not figures.budgets:
        words = "No budget holds in this month: tollbook budget set NAME --amount 100usd makes one."
        return Section("budgets", ("Budgets",), ((words,),))
    shown = _in_states(figures, (*TOLD, "silent"))
    fine = len(figures.budgets) - len(shown)
    rows = tuple(_row(each, figures) for each in shown[:MOST_ROWS])
    lines = []
    if len(shown) > MOST_ROWS:
        lines.append(_more(shown))
    if fine:
        lines.append(_fine(fine, bool(shown), figures))
    headings = (
        Heading("budget"),
        Heading("spent", "number"),
        Heading("of", "number"),
        Heading("used", "bar"),
        Heading("expected" if any(each.forecast for each in shown) and not figures.is_closed else "left", "number"),
        Heading("state"),
    )
    table = Table("Budgets over, at risk or silent", headings, rows)
    return Section("budgets", ("Budgets",), tables=(table,) if rows else (), note=(" ".join(lines),) if lines else ())


def budget_lines(figures: MonthFigures) -> list[str]:
    """Returns a line on each budget over or at risk, worst first."""
    told = _in_states(figures, TOLD)
    if figures.budgets and not told:
        return ["no budget is over or at risk"]
    lines = [_line(each, figures) for each in told[:MOST_ROWS]]
    return [*lines, _more(told)] if len(told) > MOST_ROWS else lines


def _line(status: BudgetStatus, figures: MonthFigures) -> str:
    places = fitting_places([status.amount_nano, status.actual_nano])
    amount = f"{money(status.amount_nano, places)} {status.budget.amount.currency}"
    spent = f"{money(status.actual_nano, places)} of {amount} ({percent(status.used)})"
    return plain(("budget ", name(status.budget.name), f": {spent}, ", *_state(status, figures)))


def _in_states(figures: MonthFigures, states: Sequence[State]) -> list[BudgetStatus]:
    """Returns the budgets in some states, in their order."""
    return [each for state in states for each in figures.budgets if state_of(each, figures.crossings) == state]


def _more(shown: Sequence[BudgetStatus]) -> str:
    return f"{len(shown) - MOST_ROWS:,} more like these: tollbook budget status has them."


def _fine(fine: int, others: bool, figures: MonthFigures) -> str:
    if others:
        return f"{counted(fine, 'other')} fine."
    most = max(figures.budgets, key=lambda each: each.used)
    words = "1 budget, fine" if fine == 1 else f"All {fine:,} budgets fine"
    return f"{words}: at most {percent(most.used)} used."


def _row(status: BudgetStatus, figures: MonthFigures) -> tuple[Cell, ...]:
    tone = TONES[state_of(status, figures.crossings)]
    places = fitting_places([status.amount_nano, status.actual_nano])
    used = Cell((percent(status.used),), tone=tone, bar=share_bar(status.actual_nano, status.amount_nano, tone))
    return (
        Cell((name(status.budget.name),), _whose(status)),
        cell(money(status.actual_nano, places)),
        cell(f"{money(status.amount_nano, places)} {status.budget.amount.currency}"),
        used,
        _left(status, places) if figures.is_closed else _expected(status, places),
        Cell(_state(status, figures), _not_compared(status), tone),
    )


def _whose(status: BudgetStatus) -> Text:
    parts: list[str | Name] = [] if status.budget.owner is None else [name(status.budget.owner)]
    if status.budget.period != "month":
        parts += [", "] * bool(parts) + [f"{status.budget.period} {status.label}"]
    return tuple(parts)


def _left(status: BudgetStatus, places: int) -> Cell:
    if status.is_over:
        return cell(f"{money(-status.left_nano, places)} over", tone="bad")
    return cell(money(status.left_nano, places))


def _expected(status: BudgetStatus, places: int) -> Cell:
    found = status.forecast
    if found is None:
        return _left(status, places)
    if found.expected is None or found.low is None or found.high is None:
        return cell("too early")
    return Cell((money(found.expected, places),), (f"{money(found.low, places)}–{money(found.high, places)}",))


def _state(status: BudgetStatus, figures: MonthFigures) -> Text:
    if status.is_over:
        return (f"over{_crossed_on(status, 100, figures, ' since ')}",)
    words = []
    if status.runs_out is not None:
        words.append(f"runs out on {day_name(status.runs_out, beside=figures.month)}")
    elif status.will_be_over or status.crossed_by_forecast:
        words.append(f"{max([*status.crossed_by_forecast, 100])} % expected")
    before = _over_before(status, figures.crossings)
    if before:
        words.append(f"100 % reached in {listed(before)}")
    if status.crossed:
        words.append(f"{status.crossed[-1]} % reached{_crossed_on(status, status.crossed[-1], figures, ' on ')}")
    return (", ".join(words) or ("nothing booked" if status.actual_nano <= 0 else "fine"),)


def _over_before(status: BudgetStatus, crossings: Sequence[Crossing]) -> list[str]:
    """Returns the periods of the month before the last one in which all of the budget was used."""
    periods = [each.period for each in crossings if each.budget == status.budget.name and each.percent >= 100]
    return [period for period in dict.fromkeys(periods) if period != status.label]


def _crossed_on(status: BudgetStatus, share: int, figures: MonthFigures, word: str) -> str:
    """Returns the day on which a percent was reached, where it is known."""
    for each in figures.crossings:
        if (each.budget, each.period, each.percent) == (status.budget.name, status.label, share):
            return f"{word}{day_name(each.at.astimezone(figures.zone).date(), beside=figures.month)}"
    return ""


def _not_compared(status: BudgetStatus) -> Text:
    return (f"without {' and '.join(status.other)}",) if status.other else ()
