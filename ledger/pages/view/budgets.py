"""The budgets of a month: those over, at risk or silent as rows, the others counted."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

from ledger.budgets.status import BudgetStatus
from ledger.pages.figures.budgets import State, over_before, state_of
from ledger.pages.figures.month import MonthFigures
from ledger.pages.view.blocks import Cell, Heading, Section, Table, Tone, cell, share_bar
from ledger.pages.view.words import Name, Text, day_name, fitting_places, money, name, percent, plain
from ledger.values.words import counted, listed

# The first page has no room for more rows; the rest are in JSON and CSV, and in `budget status`.
MOST_ROWS = 5
TOLD: tuple[State, ...] = ("over", "risk")
"""The states that a digest tells of."""
TONES: dict[State, Tone] = {"over": "bad", "risk": "warn", "silent": "soft", "fine": ""}


def budgets_section(figures: MonthFigures) -> Section:
    """Shows budgets worst first."""
    if not figures.budgets:
        return Section("budgets", ("Budgets",), (_none(figures),))
    shown = _in_states(figures, (*TOLD, "silent"))
    fine = len(figures.budgets) - len(shown)
    rows, head = _rows(shown[:MOST_ROWS], figures)
    lines = []
    if len(shown) > MOST_ROWS:
        lines.append(_more(shown, figures))
    if fine:
        lines.append(_fine(fine, bool(shown), figures))
    headings = (
        Heading("budget"),
        Heading("spent", "number"),
        Heading("of", "number"),
        Heading("used", "bar"),
        Heading(head, "number"),
        Heading("state"),
    )
    table = Table("Budgets over, at risk or silent", headings, rows)
    return Section("budgets", ("Budgets",), tables=(table,) if rows else (), note=(" ".join(lines),) if lines else ())


def _none(figures: MonthFigures) -> Text:
    """Says that there is no budget; one of a month that is over would come too late."""
    option = "" if figures.project is None else " --project PROJECT"
    advice = "." if figures.is_over else f": tollbook budget set NAME --amount 100usd{option} makes one."
    if figures.project is None:
        return (f"No budget holds in this month{advice}",)
    return ("No budget names ", name(figures.project), advice)


def budget_lines(figures: MonthFigures) -> list[str]:
    """Returns a line on each budget over or at risk, worst first."""
    told = _in_states(figures, TOLD)
    if figures.budgets and not told:
        return ["no budget is over or at risk"]
    lines = [_line(each, figures) for each in told[:MOST_ROWS]]
    return [*lines, _more(told, figures)] if len(told) > MOST_ROWS else lines


def _line(status: BudgetStatus, figures: MonthFigures) -> str:
    places = fitting_places([status.amount_nano, status.actual_nano])
    amount = f"{money(status.amount_nano, places)} {status.budget.amount.currency}"
    spent = f"{_spent(status, places)} of {amount} ({percent(status.used)})"
    return plain(("budget ", name(status.budget.name), f": {spent}, ", *_state(status, figures)))


def _spent(status: BudgetStatus, places: int) -> str:
    return f"{'at least ' if status.not_booked else ''}{money(status.actual_nano, places)}"


def _in_states(figures: MonthFigures, states: Sequence[State]) -> list[BudgetStatus]:
    """Returns the budgets in some states, in their order."""
    return [each for state in states for each in figures.budgets if state_of(each, figures.crossings) == state]


def _more(shown: Sequence[BudgetStatus], figures: MonthFigures) -> str:
    return f"{len(shown) - MOST_ROWS:,} more like these: tollbook budget status --month {figures.month} has them."


def _fine(fine: int, others: bool, figures: MonthFigures) -> str:
    if others:
        return f"{counted(fine, 'other')} fine."
    most = max(figures.budgets, key=lambda each: each.used)
    words = "1 budget, fine" if fine == 1 else f"All {fine:,} budgets fine"
    return f"{words}: at most {percent(most.used)} used."


def _rows(shown: Sequence[BudgetStatus], figures: MonthFigures) -> tuple[tuple[tuple[Cell, ...], ...], str]:
    """Returns the rows, and the head of the cells that say what is expected, or what is left of periods that are over.

    Where both stand below one head, each says so.
    """
    running = {each.forecast is not None for each in shown}
    if len(running) == 2:
        return tuple(_row(each, figures, " left") for each in shown), "expected or left"
    return tuple(_row(each, figures, "") for each in shown), "expected" if running == {True} else "left"


def _row(status: BudgetStatus, figures: MonthFigures, left: str) -> tuple[Cell, ...]:
    tone = TONES[state_of(status, figures.crossings)]
    places = fitting_places([status.amount_nano, status.actual_nano])
    used = Cell((percent(status.used),), tone=tone, bar=share_bar(status.actual_nano, status.amount_nano, tone))
    return (
        Cell((name(status.budget.name),), _whose(status)),
        cell(_spent(status, places)),
        cell(f"{money(status.amount_nano, places)} {status.budget.amount.currency}"),
        used,
        _expected(status, places, left),
        Cell(_state(status, figures), _not_compared(status), tone),
    )


def _whose(status: BudgetStatus) -> Text:
    parts: list[str | Name] = [] if status.budget.owner is None else [name(status.budget.owner)]
    if status.budget.period != "month":
        parts += [", "] * bool(parts) + [f"{status.budget.period} {status.label}"]
    return tuple(parts)


def _expected(status: BudgetStatus, places: int, left: str) -> Cell:
    found = status.forecast
    if found is None and status.is_over:
        return cell(f"{money(-status.left_nano, places)} over", tone="bad")
    if found is None:
        return cell(f"{money(status.left_nano, places)}{left}")
    if found.expected is None or found.low is None or found.high is None:
        return cell("too early")
    return Cell((money(found.expected, places),), (f"{money(found.low, places)}–{money(found.high, places)}",))


def _state(status: BudgetStatus, figures: MonthFigures) -> Text:
    if status.is_over:
        return (f"over{_crossed_on(status, 100, figures, ' since ')}",)
    words = []
    if status.runs_out is not None:
        words.append(f"runs out on {day_name(status.runs_out, beside=figures.month)}")
    elif status.expected_nano is not None and (status.will_be_over or status.crossed_by_forecast):
        words.append(f"{percent(Fraction(status.expected_nano, status.amount_nano))} expected")
    before = over_before(status, figures.crossings)
    if before:
        words.append(f"100 % reached in {listed(before)}")
    if status.crossed:
        words.append(f"{status.crossed[-1]} % reached{_crossed_on(status, status.crossed[-1], figures, ' on ')}")
    return (", ".join(words) or ("fine" if status.actual_nano else "nothing booked"),)


def _crossed_on(status: BudgetStatus, share: int, figures: MonthFigures, word: str) -> str:
    """Returns the day on which a percent was reached, where it is known."""
    for each in figures.crossings:
        if (each.budget, each.period, each.percent) == (status.budget.name, status.label, share):
            return f"{word}{day_name(each.at.astimezone(figures.zone).date(), beside=figures.month)}"
    return ""


def _not_compared(status: BudgetStatus) -> Text:
    return (f"without {' and '.join(status.other)}",) if status.other else ()
