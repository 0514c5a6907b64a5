"""The use of budgets, against plain loops over the charges, and at which time."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta
from fractions import Fraction
from random import Random
from typing import Any, get_args
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger.budgets.asked import Asked, asked_time
from ledger.budgets.status import BudgetStatus, status_of
from ledger.errors import LedgerError
from ledger.reports.report import ReportOptions, run_report
from ledger.reports.selection import Basis, Selection
from ledger.reports.spend import SelectedSpend, read_spend
from ledger.values.amounts import Amount
from ledger.values.budget import Budget
from ledger.values.budget_periods import Period, next_start, period_start
from pricing.money import NANO, round_usd
from tests.helpers.book import CODE, MINI, PRO, Book, Booked, Priced

SHANGHAI = ZoneInfo("Asia/Shanghai")
PROJECTS, MODELS = ["search", "support", "ide"], [CODE, PRO, MINI]
TAGS = [("team", "a"), ("team", "b"), ("env", "ci"), ("env", "")]
FIRST = datetime(2026, 2, 20, tzinfo=UTC)


def random_charges(random: Random) -> list[Booked]:
    """Charges of forty days around March, some posted late, taken back, of another card or at another conversion."""
    booked: list[Booked] = []
    for _ in range(120):
        provider = random.choice(["evolink", "evolink", "evolink", "volcengine"])
        per_usd = "7.2" if provider == "volcengine" else random.choice(["72", "68"])
        at = FIRST + timedelta(seconds=random.randrange(40 * 86_400))
        local = at.astimezone(SHANGHAI)
        booked.append(
            Booked(
                project=random.choice(PROJECTS), model=random.choice(MODELS), at=at, provider=provider, per_usd=per_usd,
                input_tokens=random.randrange(100_000), output_tokens=random.randrange(10_000),
                tags=dict(random.sample(TAGS, random.randrange(3))),
                posted_month="2026-03" if f"{local:%Y-%m}" == "2026-02" and random.random() < 0.5 else None,
            )
        )  # fmt: skip
    taken_back = random.sample(range(1, len(booked) + 1), 15)
    return [*booked, *(booked[number - 1].reversed(number) for number in taken_back)]


BUDGETS = st.lists(
    st.builds(
        Budget,
        name=st.uuids().map(str),
        amount=st.builds(Amount, st.integers(1, 3 * NANO), st.sampled_from(["USD", "CRD"])),
        period=st.sampled_from(get_args(Period)),
        projects=st.lists(st.sampled_from([*PROJECTS, "unseen"]), max_size=2).map(tuple),
        models=st.lists(st.sampled_from(MODELS), max_size=2).map(tuple),
        tags=st.lists(st.sampled_from(TAGS), max_size=3).map(tuple),
    ),
    max_size=4,
)

DAYS = st.dates(date(2026, 2, 22), date(2026, 4, 2))
BASES = st.sampled_from(get_args(Basis))


def is_covered(budget: Budget, booked: Booked) -> bool:
    if budget.projects and booked.project not in budget.projects:
        return False
    if budget.models and booked.model not in budget.models:
        return False
    return all(
        booked.tags.get(key) in [value for name, value in budget.tags if name == key] for key, _value in budget.tags
    )


def usd(found: Iterable[Priced]) -> Fraction:
    return sum(
        (Fraction(one.nano["amount_nano"], int(Fraction(one.booked.per_usd or 1) * NANO)) for one in found), Fraction()
    )


def credits(found: Iterable[Priced]) -> int:
    return sum(one.nano["amount_nano"] for one in found if one.entry.currency == "CRD")


@pytest.mark.parametrize("rolled_up", [("team", "env"), ("team",)], ids=["roll-ups", "charges"])
def test_unbudgeted_and_the_union_of_budgets_are_the_total(empty_db_url: str, rolled_up: tuple[str, ...]) -> None:
    book = Book(empty_db_url, timezone="Asia/Shanghai", rollup_tags=rolled_up)
    book.add(*random_charges(Random(11))).post()
    with book.database.reading() as connection:

        def read(selection: Selection) -> SelectedSpend:
            return read_spend(connection, selection, ledger_zone=SHANGHAI, rollup_tags=book.rollup_tags)

        @settings(max_examples=60)
        @given(
            BUDGETS,
            st.dates(date(2026, 2, 22), date(2026, 4, 2)),
            st.sampled_from(["posted", "occurred"]),
            st.booleans(),
        )
        def law(budgets: list[Budget], day: date, basis: Any, is_cut: bool) -> None:
            end = datetime(day.year, day.month, day.day, tzinfo=SHANGHAI) + timedelta(days=1)
            found = status_of(budgets, Asked(day, end, end if is_cut else None), Selection(SHANGHAI, basis=basis), read)

            def within(period: Period) -> list[Priced]:
                first = period_start(day, period)
                start, stop = (
                    datetime(each.year, each.month, each.day, tzinfo=SHANGHAI)
                    for each in (first, next_start(first, period))
                )
                times = {one.number: book.posted_at(one) if basis == "posted" else one.booked.at for one in book.priced}
                return [one for one in book.priced if start <= times[one.number] < (min(stop, end) if is_cut else stop)]

            month = within("month")
            covered = [one for one in month if any(is_covered(budget, one.booked) for budget in budgets)]
            rest = [one for one in month if one not in covered]
            assert found.total.usd == usd(month) == found.unbudgeted.usd + usd(covered)
            assert found.total.records == sum(one.booked.sign for one in month)
            assert (found.unbudgeted.usd, found.unbudgeted.nano("CRD")) == (usd(rest), credits(rest))
            assert found.unbudgeted.records + sum(one.booked.sign for one in covered) == found.total.records
            for each in found.budgets:
                own = [one for one in within(each.budget.period) if is_covered(each.budget, one.booked)]
                is_usd = each.budget.amount.currency == "USD"
                assert each.actual_nano == (round_usd(usd(own)) if is_usd else credits(own))
            assert [each.used for each in found.budgets] == sorted((each.used for each in found.budgets), reverse=True)

        law()


def test_the_total_is_the_reports_to_the_last_digit(empty_db_url: str) -> None:
    book = Book(empty_db_url, timezone="Asia/Shanghai").add(*random_charges(Random(5))).post()
    now = datetime(2026, 5, 1, tzinfo=UTC)
    for basis in ("posted", "occurred"):
        for month in ("2026-02", "2026-03", "2026-04", "2026-01"):
            report = run_report(book.database, ReportOptions(month=month, basis=basis), now=now)
            cells = dict(zip((column.name for column in report.columns), report.total, strict=True))
            with book.database.reading() as connection:

                def read(selection: Selection, connection: Any = connection) -> SelectedSpend:
                    return read_spend(connection, selection, ledger_zone=SHANGHAI, rollup_tags=())

                asked = asked_time(month, None, zone=SHANGHAI, now=now)
                found = status_of([], asked, Selection(SHANGHAI, basis=basis), read)
            assert (found.month, found.data_through) == (month, report.data_through)
            total = (found.total.records, found.total.nano("CRD"), found.total.usd_nano)
            assert total == (cells["requests"], cells["credits"], cells["usd"])
            assert found.unbudgeted == found.total


# --- figures --------------------------------------------------------------------------------------------------------


def used(actual: float, at: str, *, amount: int = 40, alerts: tuple[int, ...] = (80, 100)) -> BudgetStatus:
    """A budget of March."""
    budget = Budget(name="all", amount=Amount(amount * NANO, "USD"), alerts=alerts)
    start, end = datetime(2026, 3, 1, tzinfo=UTC), datetime(2026, 4, 1, tzinfo=UTC)
    moment = datetime.fromisoformat(at).replace(tzinfo=UTC)
    return BudgetStatus(budget, "2026-03", start, end, moment, budget.amount.nano, round(actual * NANO))


def test_what_is_left_is_spread_over_the_days_to_come() -> None:
    found = used(10, "2026-03-25T00:00")
    assert (found.days_left, found.elapsed) == (Fraction(7), Fraction(24, 31))
    assert found.left_a_day_nano == 30 * NANO // 7
    # The last day may take all of it; then there is no day, and of what is over nothing is left.
    assert used(10, "2026-03-31T18:00").left_a_day_nano == 30 * NANO
    assert used(10, "2026-04-01T00:00").left_a_day_nano is None
    assert used(50, "2026-03-25T00:00").left_a_day_nano == 0
    assert used(50, "2026-03-25T00:00").left_nano == -10 * NANO
    # Before it begins.
    assert (used(0, "2026-02-25T00:00").elapsed, used(0, "2026-02-25T00:00").days_left) == (Fraction(0), Fraction(31))


@pytest.mark.parametrize(
    ("actual", "crossed", "is_over"),
    [
        (31.999999999, [], False),
        (32, [80], False),
        (39.999999999, [80], False),
        (40, [80, 100], False),
        (40.000000001, [80, 100], True),
        (-1, [], False),
    ],
)
def test_a_threshold_is_crossed_where_it_is_reached_and_a_budget_over_past_it(
    actual: float, crossed: list[int], is_over: bool
) -> None:
    found = used(actual, "2026-03-10T00:00")
    assert (found.crossed, found.is_over) == (crossed, is_over)


# --- when -----------------------------------------------------------------------------------------------------------

NOW = datetime(2026, 3, 10, 20, 7, 30, tzinfo=UTC)  # 11 March in Shanghai


def shanghai(*parts: int) -> datetime:
    return datetime(*parts, tzinfo=SHANGHAI)  # type: ignore[arg-type,misc]


@pytest.mark.parametrize(
    ("month", "at", "expected"),
    [
        (None, None, Asked(date(2026, 3, 11), NOW)),
        ("2026-03", None, Asked(date(2026, 3, 11), NOW)),
        ("last", None, Asked(date(2026, 2, 28), shanghai(2026, 3, 1), shanghai(2026, 3, 1))),
        ("2026-04", None, Asked(date(2026, 4, 1), shanghai(2026, 4, 1))),
        (None, "2026-03-05", Asked(date(2026, 3, 5), shanghai(2026, 3, 6), shanghai(2026, 3, 6))),
        (
            None,
            "2026-03-05T17:10:00Z",
            Asked(date(2026, 3, 6), datetime(2026, 3, 5, 17, 10, tzinfo=UTC), datetime(2026, 3, 5, 17, 15, tzinfo=UTC)),
        ),
        (
            None,
            "2026-03-05T17:15:00Z",
            Asked(date(2026, 3, 6), *[datetime(2026, 3, 5, 17, 15, tzinfo=UTC)] * 2),
        ),
    ],
)
def test_the_time_asked_for(month: str | None, at: str | None, expected: Asked) -> None:
    assert asked_time(month, at, zone=SHANGHAI, now=NOW) == expected


@pytest.mark.parametrize(
    ("month", "at"),
    [("2026-13", None), ("march", None), ("2026-03", "2026-03-05"), (None, "yesterday"), (None, "2026-03-05T10:00:00")],
)
def test_a_time_that_cant_be_meant_is_refused(month: str | None, at: str | None) -> None:
    with pytest.raises(LedgerError):
        asked_time(month, at, zone=SHANGHAI, now=NOW)


def test_the_last_day_of_all_has_a_year() -> None:
    last = "9998-12-31T23:59:00Z"  # 1 January 9999 in Shanghai
    asked = asked_time(None, last, zone=SHANGHAI, now=NOW)
    yearly = Budget(name="all", amount=Amount(NANO, "USD"), period="year")
    found = status_of([yearly], asked, Selection(SHANGHAI), lambda _selection: SelectedSpend([], {}, "days"))
    assert (found.month, found.budgets[0].label, found.budgets[0].elapsed) == ("9998-12", "9998", Fraction(1))
