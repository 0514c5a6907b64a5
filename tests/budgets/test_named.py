"""The budget that a gate means by its name: the ledger's, else the file's, as it would be in the ledger."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest

from ledger.budgets.asked import asked_time
from ledger.budgets.definitions import remove_budget, set_budget
from ledger.budgets.named import NamedBudget, read_named
from ledger.budgets.status import read_status
from ledger.errors import LedgerError
from ledger.months.close import close_months
from ledger.store.database import Database
from ledger.values.amounts import parse_amount
from ledger.values.budget import Budget
from pricing.money import NANO
from tests.helpers.book import Book, Booked

NOW = datetime(2026, 3, 21, 12, tzinfo=UTC)
FILE = "tollbook.toml"
# Credits: so many input tokens of code are in its second tier, at 48 a million.
TOKENS = 125_000
A_DAY = 2 * TOKENS * 48 // 1_000_000


def stated(name: str, amount: str = "300credits", **changes: Any) -> Budget:
    return Budget(name=name, amount=parse_amount(amount, "amount"), **changes)


@pytest.fixture
def ledger(db_url: str) -> Database:
    """12 credits on each of the 30 days up to noon of 21 March, half of them with a tag."""
    days = [NOW - timedelta(days=number, minutes=1) for number in range(30)]
    tags = [{"env": "ci"}, {}]
    booked = [Booked(at=at, input_tokens=TOKENS, project="search", tags=each) for at in days for each in tags]
    return Book(db_url, rollup_tags=("env",)).add(*booked).post().database


def named(ledger: Database, name: str, *filed: Budget) -> NamedBudget:
    return read_named(ledger, name, {each.name: each for each in filed}, FILE, expectations={}, now=NOW)


@pytest.mark.parametrize(
    "scope",
    [
        {},
        {"period": "week"},
        {"period": "quarter", "amount": "40usd"},
        {"projects": ("search", "ads")},
        {"projects": ("ads",)},
        {"tags": (("env", "ci"),), "period": "year"},
        {"months": {"2026-03": 7 * NANO}},
    ],
)
def test_a_files_budget_is_used_as_the_same_one_in_the_ledger(ledger: Database, scope: dict[str, Any]) -> None:
    budget = stated("all", **scope)
    of_file = named(ledger, "all", budget)
    set_budget(ledger, budget, now=NOW)
    asked = asked_time(None, None, zone=ledger.zone, now=NOW)
    (of_status,) = read_status(ledger, asked, basis="posted", now=NOW, expectations={}).budgets
    assert of_file.use == of_status == named(ledger, "all").use
    assert (of_file.file, named(ledger, "all").file) == (FILE, None)


def test_a_budgets_figures(ledger: Database) -> None:
    use = named(ledger, "all", stated("all", months={"2026-03": 7 * NANO})).use
    assert (use.label, use.amount_nano, use.actual_nano) == ("2026-03", 7 * NANO, 21 * A_DAY * NANO)
    # Ten days and a half are to come.
    assert use.expected_nano == (21 * A_DAY + A_DAY // 2 + 10 * A_DAY) * NANO


def test_the_ledgers_counts_and_the_files_only_where_it_has_none(ledger: Database) -> None:
    set_budget(ledger, stated("all", "500credits"), now=NOW)
    assert named(ledger, "all", stated("all", "1credits")).use.amount_nano == 500 * NANO
    assert named(ledger, "other", stated("all"), stated("other", "1credits")).use.amount_nano == NANO


def test_a_name_that_neither_has_leads_to_the_nearest_of_both(ledger: Database) -> None:
    set_budget(ledger, stated("search"), now=NOW)
    for mistyped, meant in (("serach", "search"), ("evalz", "evals")):
        with pytest.raises(
            LedgerError, match=f"no budget '{mistyped}' in this ledger or {FILE}: did you mean '{meant}'"
        ):
            named(ledger, mistyped, stated("evals"))
    with pytest.raises(LedgerError, match=f"'x' in this ledger or {FILE}: known are evals, search"):
        named(ledger, "x", stated("evals"))


def test_a_budget_that_does_not_hold_now_is_refused(ledger: Database) -> None:
    with pytest.raises(LedgerError, match="budget 'all' doesn't hold on 2026-03-21: it begins on 2026-04-01; name ano"):
        named(ledger, "all", stated("all", start="2026-03-02"))
    set_budget(ledger, stated("old", start="2026-01-01"), now=NOW)
    remove_budget(ledger, "old", None, now=NOW)
    # The file has it still: to the ledger it has ended all the same.
    with pytest.raises(LedgerError, match="budget 'old' doesn't hold on 2026-03-21: it ended on 2026-03-01"):
        named(ledger, "old", stated("old"))


def test_a_files_budget_may_have_begun_in_a_closed_month(ledger: Database) -> None:
    close_months(ledger, "2026-02", now=NOW)
    budget = stated("all", start="2026-02-01")
    with pytest.raises(LedgerError, match="which is closed"):
        set_budget(ledger, budget, now=NOW)
    assert named(ledger, "all", budget).use.actual_nano == 21 * A_DAY * NANO


@pytest.mark.parametrize("amount", ["0usd", "5eur"])
def test_a_files_budget_is_one_that_a_ledger_keeps(ledger: Database, amount: str) -> None:
    with pytest.raises(LedgerError, match=f"{FILE}: budget 'all': amount {amount}: a budget is"):
        named(ledger, "all", stated("all", amount))


def test_a_tag_that_is_not_rolled_up_is_said(ledger: Database) -> None:
    assert "tag 'team' is not rolled up" in named(ledger, "all", stated("all", tags=(("team", "a"),))).notes[0]


def test_an_empty_ledger_has_no_forecast(db_url: str) -> None:
    use = named(Book(db_url).database, "all", msgspec.structs.replace(stated("all"), start="2026-01-01")).use
    assert (use.actual_nano, use.expected_nano, use.label) == (0, None, "2026-03")


# --- how complete it is ---------------------------------------------------------------------------------------------


def test_a_source_that_has_fallen_silent_is_named(ledger: Database) -> None:
    budgets = {"all": stated("all")}

    def silent(hours: int, now: datetime) -> list[str]:
        every = {"evolink": timedelta(hours=hours)}
        return [each.source for each in read_named(ledger, "all", budgets, FILE, expectations=every, now=now).silent]

    later = NOW + timedelta(hours=24)
    assert (silent(24, later), silent(25, later)) == (["evolink"], [])
    # Undeclared it is twice the longest gap of four weeks, which is a day.
    assert [each.source for each in named(ledger, "all", stated("all")).silent] == []
    for hours, sources in ((47, []), (49, ["evolink"])):
        now = NOW + timedelta(hours=hours)
        found = read_named(ledger, "all", budgets, FILE, expectations={}, now=now)
        assert [each.source for each in found.silent] == sources
