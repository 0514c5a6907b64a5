"""The version of a budget that holds on a day."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.budgets.schedule import Part, Schedule, Today, planned_changes, removal, stated_change
from ledger.errors import LedgerError
from ledger.values.amounts import Amount
from ledger.values.budget import Budget
from pricing.money import NANO

NOW = datetime(2026, 3, 18, 12, tzinfo=UTC)
TODAY = Today(date(2026, 3, 18), "")  # a Wednesday
FIRST = date(2026, 1, 1)


def budget(usd: int = 100, **changes: Any) -> Budget:
    return Budget(name="all", amount=Amount(usd * NANO, "USD"), **changes)


def day(text: str) -> date:
    return date.fromisoformat(text)


def scheduled(*parts: tuple[str, Budget | None]) -> Schedule:
    schedule = Schedule()
    for start, held in parts:
        schedule = schedule.with_part(Part(day(start), held, NOW))
    return schedule


# --- what holds -----------------------------------------------------------------------------------------------------

STATEMENTS = st.lists(st.tuples(st.integers(0, 40), st.one_of(st.none(), st.integers(1, 9))), max_size=12)


@given(STATEMENTS)
def test_the_latest_word_on_the_latest_start_holds_and_an_end_takes_later_ones_away(
    statements: list[tuple[int, int | None]],
) -> None:
    schedule = Schedule()
    held: dict[int, int | None] = {}
    for offset, usd in statements:
        part = Part(FIRST + timedelta(days=offset), None if usd is None else budget(usd), NOW)
        schedule = schedule.with_part(part)
        if usd is None:
            held = {start: amount for start, amount in held.items() if start < offset}
        held[offset] = usd
    for offset in range(-1, 42):
        begun = [start for start in held if start <= offset]
        expected = held[max(begun)] if begun else None
        found = schedule.on(FIRST + timedelta(days=offset))
        assert (found and found.amount.nano) == (expected and expected * NANO)


# --- stating --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("period", "stated", "start"),
    [
        ("month", None, "2026-03-01"),
        ("week", None, "2026-03-16"),
        ("day", None, "2026-03-18"),
        ("quarter", None, "2026-01-01"),
        ("year", None, "2026-01-01"),
        ("month", "2026-04-01", "2026-04-01"),
        ("month", "2026-04-02", "2026-05-01"),
        ("week", "2026-04-02", "2026-04-06"),
        ("quarter", "2026-04-02", "2026-07-01"),
        ("year", "2026-01-02", "2027-01-01"),
    ],
)
def test_a_budget_holds_from_the_first_period_that_starts_then_or_later(
    period: Any, stated: str | None, start: str
) -> None:
    change = stated_change(Schedule(), budget(period=period, start=stated), TODAY)
    assert (change.change, change.start) == ("new", day(start))


def test_the_same_again_is_no_change_whatever_the_order() -> None:
    known = scheduled(("2026-01-01", budget(projects=("a", "b")).rule))
    assert stated_change(known, budget(projects=("b", "a", "b")), TODAY).change == "unchanged"
    assert stated_change(known, budget(projects=("b",)), TODAY).change == "changed"
    assert stated_change(known, budget(projects=("a", "b"), owner="Ann"), TODAY).change == "changed"


def test_a_start_in_a_closed_month_is_refused() -> None:
    today = Today(day("2026-03-18"), "2026-03")
    with pytest.raises(LedgerError, match=r"start 2026-02-28 lies in 2026-02, which is closed: the first open day is"):
        stated_change(Schedule(), budget(start="2026-02-28"), today)
    # A year that began in one, too.
    with pytest.raises(LedgerError, match=r"2026-03-01, for the year from 2027-01-01 on"):
        stated_change(Schedule(), budget(period="year"), today)
    assert stated_change(Schedule(), budget(start="2026-03-01"), today).start == day("2026-03-01")
    # What was stated while it was open still is no change.
    known = scheduled(("2026-01-01", budget(period="year").rule))
    assert stated_change(known, budget(period="year"), today).change == "unchanged"


# --- removing -------------------------------------------------------------------------------------------------------


def test_a_budget_ends_with_this_period_or_the_one_asked_for() -> None:
    known = scheduled(("2026-01-01", budget()))
    assert removal(known, "all", None, TODAY).start == day("2026-03-01")
    assert removal(known, "all", day("2026-04-02"), TODAY).start == day("2026-05-01")
    with pytest.raises(LedgerError, match="which is closed"):
        removal(known, "all", None, Today(TODAY.day, "2026-04"))


def test_what_has_ended_cant_be_ended_again() -> None:
    ended = scheduled(("2026-01-01", budget()), ("2026-03-01", None))
    with pytest.raises(LedgerError, match="budget 'all' has ended"):
        removal(ended, "all", None, TODAY)
    ending = scheduled(("2026-01-01", budget()), ("2026-05-01", None))
    with pytest.raises(LedgerError, match="ends with 2026-05-01 already"):
        removal(ending, "all", day("2026-04-02"), TODAY)
    assert removal(ending, "all", day("2026-04-01"), TODAY).start == day("2026-04-01")
    # What begins later is ended before it begins.
    to_come = scheduled(("2026-01-01", budget()), ("2026-02-01", None), ("2026-06-01", budget(5)))
    change = removal(to_come, "all", None, TODAY)
    assert to_come.with_part(Part(change.start, None, NOW)).on(day("2026-07-01")) is None


# --- applying -------------------------------------------------------------------------------------------------------


def test_a_file_says_how_a_known_budget_is_from_this_period_on() -> None:
    known = {"all": scheduled(("2026-01-01", budget()), ("2026-03-01", budget(200)))}
    today = Today(TODAY.day, "2026-03")
    [change] = planned_changes(known, [budget(start="2026-01-01")], today)
    assert (change.change, change.start, change.before) == ("changed", day("2026-03-01"), budget(200))
    [change] = planned_changes(known, [budget(start="2026-06-01")], today)
    assert change.start == day("2026-06-01")
    [change] = planned_changes(known, [budget(200, start="2026-01-01")], today)
    assert change.change == "unchanged"
    with pytest.raises(LedgerError, match="which is closed"):
        planned_changes({}, [budget(start="2026-01-01")], today)
