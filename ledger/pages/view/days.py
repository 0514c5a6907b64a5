"""The days of a month, as a chart and a table: what each cost, and what each to come is expected to."""

from __future__ import annotations

from datetime import date

from ledger.pages.figures.month import MonthFigures
from ledger.pages.figures.values import Days
from ledger.pages.view.blocks import Cell, Column, DayChart, Heading, Section, Table, cell
from ledger.pages.view.verdict import places_of
from ledger.pages.view.words import Text, day_name, fitting_places, money, month_name, name, signed, usd
from ledger.values.rounding import common_places
from pricing.money import NANO

METHODS = {
    "too early": "Fewer than three whole days are known: too early for a forecast.",
    "run rate": "The forecast is the mean of the days known: fewer than two weeks are.",
    "weekdays": "Each day to come is expected as its weekday, at a level that stays, grows or has stepped, as the days "
    "before tell; the range is made to hold the end four times out of five. Method: docs/decisions/0022.",
}


def days_section(figures: MonthFigures) -> Section:
    """Shows the days of the month, and at its end the forecast with its range."""
    days = figures.days
    if not any(nano for _day, nano in days.actual):
        return Section("days", ("By day",), (("No day has usage.",), *_in_no_day(figures)))
    places = fitting_places([nano for _day, nano in days.actual])
    highest = max(days.actual, key=lambda each: each[1])
    words = f"The highest is {day_name(highest[0], beside=figures.month)} with {usd(highest[1], places)}."
    lines: list[Text] = [(words,), *_in_no_day(figures)]
    if days.forecast_nano is not None and days.low_nano is not None and days.high_nano is not None:
        shown = places_of(figures)
        expected = f"Expected at the end of the month: {usd(days.forecast_nano, shown)}"
        low, high = money(days.low_nano, shown), usd(days.high_nano, shown)
        lines.append((f"{expected}, from {low} to {high}.",))
    note = (METHODS.get(days.method, ""),) if days.method else ()
    return Section("days", ("By day, in USD",), tuple(lines), chart=_chart(figures, places, words), note=note)


def _in_no_day(figures: MonthFigures) -> list[Text]:
    """Says why the days don't add up to the total, where they don't."""
    if not figures.parts:
        return []
    parts_nano = sum(each.usd_nano for each in figures.parts)
    return [(f"Late usage and corrections, {signed(parts_nano, places_of(figures))} USD, are in no day.",)]


def _chart(figures: MonthFigures, places: int, words: str) -> DayChart:
    days = figures.days
    odd = {each.day for each in figures.oddities if each.kind == "day"}
    most = max(nano for _day, nano in (*days.actual, *days.expected))
    columns = [Column(str(day.day), _height(nano, most), "warn" if day in odd else "") for day, nano in days.actual] + [
        Column(str(day.day), _height(nano, most), is_expected=True) for day, nano in _expected_only(days)
    ]
    step = _step(most)
    decimals = 0 if step % NANO == 0 else common_places([step])
    lines = tuple((_height(at, most), money(at, decimals)) for at in range(0, most + 1, step))
    title = f"Cost by day in {month_name(figures.month)}, in USD, {len(columns)} columns. {words}"
    return DayChart(title, tuple(columns), lines, _table(figures, places))


def _expected_only(days: Days) -> list[tuple[date, int]]:
    known = {day for day, _nano in days.actual}
    return [(day, nano) for day, nano in days.expected if day not in known]


def _height(nano: int, most: int) -> int:
    return max(nano, 0) * 1000 // max(most, 1)


def _step(most: int) -> int:
    """Returns the distance of lines across, 1, 2 or 5 of a power of ten: two to five of them reach the highest."""
    power: int = 10 ** (len(str(most)) - 1)
    leading = most // power
    if leading >= 5:
        return 2 * power
    return power if leading >= 2 else max(power // 2, 1)


def _table(figures: MonthFigures, places: int) -> Table:
    rows: list[tuple[Cell, ...]] = [
        (cell(day_name(day, beside=figures.month)), cell(money(nano, places))) for day, nano in figures.days.actual
    ]
    for day, nano in _expected_only(figures.days):
        rows.append((cell(f"{day_name(day, beside=figures.month)}, expected", tone="soft"), cell(money(nano, places))))
    headings = (Heading("day"), Heading("USD", "number"))
    return Table("Cost by day, by when it happened", headings, tuple(rows), narrow=True)


def odd_section(figures: MonthFigures) -> Section:
    """Shows what stands out: days far outside their range, new projects, usage without a project."""
    places = places_of(figures)
    lines: list[Text] = []
    for each in figures.oddities:
        amount = usd(each.usd_nano, places)
        if each.kind == "day" and each.day is not None:
            day = day_name(each.day, beside=figures.month)
            usual = f"{money(each.low_nano or 0, places)} to {usd(each.high_nano or 0, places)}"
            mover: Text = ("; moved most by ", name(each.name)) if each.name else ()
            lines.append((f"{day}: {amount}, where {usual} was to be expected", *mover, "."))
        elif each.kind == "new_project":
            lines.append((name(each.name), f" is new: {amount}."))
        else:
            lines.append((name(each.name), f": {amount} of usage that has no project."))
    return Section("odd", ("Out of the ordinary",), tuple(lines) or (("Nothing stands out.",),))
